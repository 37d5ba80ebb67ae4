//! The program, or an example, as a process that a test reads from and that can neither hang it nor outlive it.
//!
//! In: a command. Out: its lines as they come, and at the end its exit code and what it complained of.

// Each test that includes this room uses a part of it.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Longer than any process here takes; one that hangs fails its test.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that runs.
pub struct Program {
    child: Child,
    lines: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
    deadline: Instant,
}

/// What a process left when it ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    /// Lines of standard output that were not read before.
    pub lines: Vec<String>,
    pub stderr: String,
}

impl Program {
    pub fn start(command: &mut Command) -> Self {
        Self::start_with(command, Stdio::null())
    }

    /// The same for one that may take longer than others.
    pub fn start_within(command: &mut Command, patience: Duration) -> Self {
        let mut program = Self::start(command);
        program.deadline = Instant::now() + patience;
        program
    }

    /// The same with something to read on standard input.
    pub fn start_with(command: &mut Command, stdin: Stdio) -> Self {
        let child = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        // What it reads from is its own now: kept here as well, a pipe would never end.
        command.stdin(Stdio::null());
        let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let stderr = thread::spawn(move || {
            let mut said = Vec::new();
            let _ = stderr.read_to_end(&mut said);
            String::from_utf8_lossy(&said).into_owned()
        });
        Self { child, lines, stderr: Some(stderr), deadline: Instant::now() + PATIENCE }
    }

    /// The next line of standard output; `None` when there are no more.
    pub fn next_line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(self.deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("still running after {PATIENCE:?}; it said: {}", self.kill()),
        }
    }

    /// Sends a signal (`INT`, `TERM`, ...) to this process and no other.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "kill -{name}: {sent}");
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end.
    pub fn finish(mut self) -> Ended {
        let lines = std::iter::from_fn(|| self.next_line()).collect();
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            assert!(Instant::now() < self.deadline, "closed its output, but runs on after {PATIENCE:?}");
            thread::sleep(Duration::from_millis(10));
        };
        Ended { code, lines, stderr: self.said() }
    }

    fn said(&mut self) -> String {
        self.stderr.take().map(|thread| thread.join().unwrap()).unwrap_or_default()
    }

    fn kill(&mut self) -> String {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.said()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The program built for this test.
pub fn auricle() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auricle"));
    // The settings of whoever runs the tests are not theirs.
    command.env_remove("RUST_LOG").env("AURICLE_CONFIG", "none");
    command
}

/// A recording from the package that carries Moonshine: `beckett.wav` (10 s, 16 kHz) or `two_cities.wav` (44 s, 48 kHz).
pub fn recording(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models/moonshine-tiny-en").join(name);
    assert!(path.is_file(), "{}: not there; 'make models' fetches it", path.display());
    path
}

/// The words of a text, in lower case and without punctuation.
pub fn words(text: &str) -> Vec<String> {
    let bare = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    text.split_whitespace().map(bare).filter(|word| !word.is_empty()).collect()
}

/// Fails unless `text` is what the voice of `beckett.wav` says, give or take a word in five.
pub fn assert_beckett(text: &str) {
    let heard = words(text);
    let said = words("ever tried ever failed no matter try again fail again fail better");
    let right = said.iter().filter(|word| heard.contains(word)).count();
    assert!(right * 10 >= said.len() * 8 && heard.len() <= said.len() + 2, "{text}");
}
