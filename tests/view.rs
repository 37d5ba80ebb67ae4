//! `auricle listen --view` as a person at a terminal meets it: captions fill it, keys work, and it is given back in every way.

mod program;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use program::{Program, auricle, recording};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use vt100::Parser;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(40);

/// A terminal, and the program that runs in it.
struct Terminal {
    keyboard: File,
    /// The program's side, to be asked how it was left.
    line: OwnedFd,
    screen: Arc<Mutex<Parser>>,
    child: Child,
}

impl Terminal {
    /// Runs the view of `two_cities.wav` in a terminal of its own.
    fn start(columns: u16, rows: u16, arguments: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let line = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        tcsetwinsize(&line, size(columns, rows)).unwrap();
        let end = || Stdio::from(line.try_clone().unwrap());
        let program = auricle();
        // As a shell in a window does it: the terminal is the one that signals come from.
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(program.get_program()).args(["--quiet", "listen", "--view", "--sounds", "off"]);
        command.arg("--input").arg(recording("two_cities.wav")).args(arguments);
        command.env_remove("RUST_LOG").env("TERM", "xterm-256color");
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let screen = Arc::new(Mutex::new(Parser::new(rows, columns, 0)));
        let (mut output, shown) = (File::from(master.try_clone().unwrap()), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut bytes = [0; 4_096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                shown.lock().unwrap().process(&bytes[..count]);
            }
        });
        Self { keyboard: File::from(master), line, screen, child }
    }

    fn presses(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    fn resizes(&self, columns: u16, rows: u16) {
        self.screen.lock().unwrap().screen_mut().set_size(rows, columns);
        tcsetwinsize(&self.line, size(columns, rows)).unwrap();
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "kill -{name}: {sent}");
    }

    fn rows(&self) -> Vec<String> {
        let screen = self.screen.lock().unwrap();
        let (_, columns) = screen.screen().size();
        screen.screen().rows(0, columns).map(|row| row.trim_end().to_owned()).collect()
    }

    fn text(&self) -> String {
        self.rows().join("\n")
    }

    /// Waits until the screen shows `wanted`.
    fn sees(&self, wanted: &str) {
        self.waits(wanted, |terminal| terminal.text().contains(wanted));
    }

    fn waits(&self, what: &str, until: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !until(self) {
            assert!(Instant::now() < deadline, "waited for '{what}':\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn fills_the_screen(&self) -> bool {
        self.screen.lock().unwrap().screen().alternate_screen()
    }

    fn is_raw(&self) -> bool {
        !tcgetattr(&self.line).unwrap().local_modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    /// Waits for the end, after which the terminal must be as it was.
    fn ends_within(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "runs on after {limit:?}:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        };
        self.waits("the other screen", |terminal| !terminal.fills_the_screen());
        assert!(!self.screen.lock().unwrap().screen().hide_cursor(), "the cursor is hidden");
        assert!(!self.is_raw(), "the terminal is left raw");
        status
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

#[test]
fn captions_fill_the_terminal_and_keys_work() {
    let mut terminal = Terminal::start(80, 24, &[]);
    terminal.sees("worst of times");
    assert!(terminal.fills_the_screen() && terminal.is_raw() && terminal.screen.lock().unwrap().screen().hide_cursor());
    let rows = terminal.rows();
    assert!(rows[23].contains("two_cities.wav") && rows[21].starts_with(" ──"), "{rows:#?}");
    assert!(rows[16..21].iter().any(|row| row.contains("times")), "what is newest is at the bottom: {rows:#?}");

    terminal.presses(" ");
    terminal.sees("PAUSED for 0:");
    let paused = Instant::now();
    // What was said is finished; then nothing comes.
    std::thread::sleep(Duration::from_millis(2_500));
    let captions = |terminal: &Terminal| terminal.rows()[..17].join("\n");
    let before = captions(&terminal);
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(captions(&terminal), before);
    assert!(terminal.text().contains(&format!("PAUSED for 0:0{}", paused.elapsed().as_secs())), "{}", terminal.text());
    terminal.presses("p");
    terminal.waits("the end of the pause", |terminal| !terminal.text().contains("PAUSED"));
    terminal.sees("s not listened to: paused)");
    terminal.sees("foolishness");

    terminal.resizes(40, 10);
    terminal.waits("the status in the last row", |terminal| terminal.rows().last().is_some_and(|row| row.contains("lost 0 s")));
    assert!(terminal.rows()[4..8].iter().any(|row| !row.is_empty()), "{}", terminal.text());
    terminal.presses("?");
    terminal.sees("PgUp, PgDn   look back by a page");
    terminal.presses("?");
    terminal.presses("\x1b[5~\x1b[5~\x1b[5~");
    terminal.sees("looking back");
    terminal.sees("best of times");
    terminal.presses("\x1b[F");
    terminal.waits("now", |terminal| !terminal.text().contains("looking back"));

    terminal.presses("q");
    assert_eq!(terminal.ends_within(Duration::from_secs(5)).code(), Some(0));
}

#[test]
fn the_terminal_is_given_back_whatever_ends_it() {
    for signal in ["TERM", "HUP", "INT"] {
        let mut terminal = Terminal::start(60, 12, &[]);
        terminal.sees("It was");
        terminal.signal(signal);
        assert_eq!(terminal.ends_within(Duration::from_secs(5)).code(), Some(0), "after SIG{signal}");
    }
    // Twice, in a pause: at once.
    let mut terminal = Terminal::start(60, 12, &[]);
    terminal.sees("two_cities.wav");
    terminal.presses(" ");
    terminal.sees("PAUSED");
    terminal.presses("\x03\x03");
    let status = terminal.ends_within(Duration::from_secs(2));
    assert!(matches!(status.code(), Some(0 | 130)), "{status}");
}

#[test]
fn a_shell_has_the_terminal_while_it_is_suspended() {
    let mut terminal = Terminal::start(80, 24, &[]);
    terminal.sees("times");
    terminal.presses("\x1a");
    terminal.waits("the other screen", |terminal| !terminal.fills_the_screen() && !terminal.is_raw());
    let stopped = |terminal: &Terminal| {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", terminal.child.id())).unwrap();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    };
    terminal.waits("a process that stands still", stopped);
    terminal.signal("CONT");
    terminal.waits("the view", |terminal| terminal.fills_the_screen() && terminal.is_raw());
    terminal.sees("two_cities.wav");
    terminal.presses("q");
    assert_eq!(terminal.ends_within(Duration::from_secs(5)).code(), Some(0));
}

#[test]
fn what_goes_to_a_file_is_finished_when_the_terminal_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("captions.jsonl");
    let mut terminal = Terminal::start(80, 24, &["--format", "jsonl", "--output", path.to_str().unwrap()]);
    terminal.sees("times");
    let Terminal { keyboard, line, child, .. } = &mut terminal;
    // The window is closed: its terminal's last holder on this side goes, and the reader's with it.
    let null = || File::options().read(true).write(true).open("/dev/null").unwrap();
    *keyboard = null();
    *line = OwnedFd::from(null());
    Command::new("kill").args(["-HUP", &child.id().to_string()]).status().unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "runs on");
        std::thread::sleep(Duration::from_millis(20));
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(written.lines().any(|line| line.contains("\"state\":\"final\"")), "{written}");
}

#[test]
fn without_a_terminal_it_says_what_is_wrong() {
    let usage = |arguments: &[&str], directory: &Path| {
        let ended = Program::start(auricle().current_dir(directory).args(["listen", "--view"]).args(arguments)).finish();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        ended.stderr
    };
    let folder = tempfile::tempdir().unwrap();
    assert!(usage(&[], folder.path()).contains("--view needs a terminal"));
    assert!(usage(&["--format", "jsonl"], folder.path()).contains("--format needs an --output of its own"));
}
