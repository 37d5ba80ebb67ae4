//! Outputs that fail, fill up, close or are not read: the others go on, it is said what was lost, and what was written can be read.

#![cfg(unix)]

mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use program::{Program, assert_beckett, auricle, recording};
use serde_json::Value;

/// What every test below waits for at most.
const PATIENCE: Duration = Duration::from_secs(90);

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// A small file system in memory, unmounted when the test is over.
struct Tmpfs<'a>(&'a Path);

impl<'a> Tmpfs<'a> {
    /// `None` where mounting is not allowed.
    fn mount(at: &'a Path, size: &str) -> Option<Self> {
        fs::create_dir(at).unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).stderr(Stdio::null()).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(at))
    }
}

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

/// A process that does not outlive its test.
struct Running(Child);

impl Running {
    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// How long it took to end.
    fn end(&mut self) -> (Option<i32>, Duration) {
        let started = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return (status.code(), started.elapsed());
            }
            assert!(started.elapsed() < PATIENCE, "still running");
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn resident_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("0 0");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1_024
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let started = Instant::now();
    while !there() {
        assert!(started.elapsed() < PATIENCE, "{what} did not come");
        thread::sleep(Duration::from_millis(20));
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The events of a JSON Lines file, every line of which is whole.
fn events(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn finals(text: &str) -> String {
    let is_final = |event: &&Value| event["type"] == "caption" && event["state"] == "final";
    events(text).iter().filter(is_final).map(|event| event["text"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

/// The text of the cues of an .srt or .vtt file, each of which is whole.
fn cues(text: &str) -> Vec<String> {
    let body = text.strip_prefix("WEBVTT\n\n").unwrap_or(text);
    assert!(body.is_empty() || body.ends_with("\n\n"), "the last cue is not whole: {text}");
    let cue = |block: &str| {
        let mut lines = block.lines().skip_while(|line| line.bytes().all(|byte| byte.is_ascii_digit()));
        let times: Vec<&str> = lines.next().unwrap_or_default().split(" --> ").collect();
        assert!(times.len() == 2 && times.iter().all(|time| time.len() == 12), "{block}");
        let lines: Vec<&str> = lines.collect();
        assert!((1..=2).contains(&lines.len()), "{block}");
        lines.join(" ")
    };
    body.split_terminator("\n\n").map(cue).collect()
}

#[test]
fn an_output_that_cannot_be_written_is_named_before_anything_is_read() {
    let folder = Folder::new();
    // Where nobody may write, root neither.
    for wrong in ["/proc/talk.srt".into(), folder.path("no/such/folder/talk.srt")] {
        for command in [["transcribe"].as_slice(), &["listen", "--input"]] {
            let good = folder.path("talk.jsonl");
            let mut program = auricle();
            program.args(command).arg(recording("beckett.wav")).arg("--output").arg(&good).arg("--output").arg(&wrong);
            let ended = Program::start(&mut program).finish();
            assert_eq!((ended.code, ended.lines.len()), (Some(1), 0), "{}", ended.stderr);
            assert!(ended.stderr.contains(&wrong.display().to_string()) && ended.stderr.lines().count() == 1, "{}", ended.stderr);
        }
    }
}

#[test]
fn a_full_disk_costs_one_output_and_the_others_go_on() {
    let folder = Folder::new();
    let (srt, jsonl) = (folder.path("talk.srt"), folder.path("talk.jsonl"));
    for command in [["transcribe"].as_slice(), &["listen", "--input"]] {
        let mut program = auricle();
        program.args(command).arg(recording("beckett.wav")).args(["--output", "-", "--format", "text", "--output", "/dev/full"]);
        let ended = Program::start(program.arg("--output").arg(&srt).arg("--output").arg(&jsonl)).finish();
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        let said: Vec<&str> = ended.stderr.lines().collect();
        assert_eq!(said.len(), 2, "once when it begins, once at the end: {}", ended.stderr);
        assert!(said.iter().all(|line| line.contains("/dev/full: cannot be written: ")), "{}", ended.stderr);
        assert!(said[0].contains("lost") && said[1].contains("lines are missing from it"), "{}", ended.stderr);
        assert_beckett(&ended.lines.join(" "));
        assert_beckett(&finals(&text(&jsonl)));
        assert_beckett(&cues(&text(&srt)).join(" "));
    }
    // Where it is the only output, nobody would hear of what is said: the program ends.
    let started = Instant::now();
    let mut program = auricle();
    program.args(["listen", "--output", "/dev/full", "--format", "jsonl", "--input"]).arg(recording("two_cities.wav"));
    let ended = Program::start(&mut program).finish();
    assert_eq!((ended.code, ended.stderr.contains("/dev/full: cannot be written")), (Some(1), true), "{}", ended.stderr);
    assert!(started.elapsed() < Duration::from_secs(30), "it went on for {:?}", started.elapsed());
}

#[test]
fn a_disk_that_fills_up_leaves_whole_records() {
    let folder = Folder::new();
    let (small, whole) = (folder.path("small"), folder.path("whole.jsonl"));
    let Some(_tmpfs) = Tmpfs::mount(&small, "24k") else {
        println!("skipped: a tmpfs cannot be mounted here; /dev/full stands for it in another test");
        return;
    };
    let (full, subtitles) = (small.join("full.jsonl"), small.join("talk.vtt"));
    let mut program = auricle();
    // 200 KB of events, and 1 KB of subtitles, which the file system still has room for.
    program.args(["transcribe", "--partials", "--sounds", "off"]).arg(recording("two_cities.wav")).arg("--output").arg(&full);
    let ended = Program::start(program.arg("--output").arg(&whole).arg("--output").arg(&subtitles)).finish();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("full.jsonl: cannot be written: ") && ended.stderr.contains("events are missing"),
        "{}",
        ended.stderr
    );
    let (kept, all) = (events(&text(&full)), events(&text(&whole)));
    assert!(!kept.is_empty() && kept.len() < all.len(), "{} of {}", kept.len(), all.len());
    // Events that are short enough may find room after one that was not: each is whole, and a hole in the numbers tells of what is lost.
    let place = |event: &Value| event["seq"].as_u64().unwrap() as usize;
    assert!(kept.iter().all(|event| *event == all[place(event)]) && kept.is_sorted_by_key(place));
    assert!(cues(&text(&subtitles)).concat().starts_with("It was the best of times"));
    assert!(finals(&text(&whole)).ends_with("of comparison only."));
}

#[test]
fn a_pipe_that_is_closed_leaves_the_other_outputs_alone() {
    let folder = Folder::new();
    let srt = folder.path("talk.srt");
    let mut program = auricle();
    program.args(["transcribe", "--format", "jsonl", "--output", "-", "--output"]).arg(&srt).arg(recording("two_cities.wav"));
    let mut child = Running(program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    drop(child.0.stdout.take());
    assert_eq!(child.end().0, Some(0));
    let cues = cues(&text(&srt));
    assert!(cues.len() >= 8 && cues.concat().contains("heaven"), "{cues:?}");
}

#[test]
fn a_reader_that_reads_nothing_keeps_nobody_waiting() {
    let folder = Folder::new();
    let (txt, srt, said) = (folder.path("talk.txt"), folder.path("talk.srt"), folder.path("said"));
    let mut program = auricle();
    program.args(["listen", "--format", "jsonl", "--output", "-", "--output"]).arg(&txt).arg("--output").arg(&srt);
    program.arg("--input").arg(recording("two_cities.wav")).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = Running(program.stderr(fs::File::create(&said).unwrap()).spawn().unwrap());
    wait_for("the first line", || text(&txt).lines().count() >= 1);
    let (before, started) = (child.resident_mib(), Instant::now());
    // 64 KiB wait in the pipe, and then nothing more gets through.
    thread::sleep(Duration::from_secs(10));
    assert!(text(&txt).lines().count() >= 3, "captions go on: {}", text(&txt));
    assert!(!cues(&text(&srt)).is_empty());
    let (after, listened) = (child.resident_mib(), started.elapsed());
    assert!(after < before + 40, "from {before} to {after} MiB in {listened:?}");
    child.signal("INT");
    let (code, took) = child.end();
    assert_eq!(code, Some(0), "{}", text(&said));
    assert!(took < Duration::from_secs(2), "it took {took:?} to end");
    assert!(text(&said).contains("standard output: its reader was too slow: "), "{}", text(&said));
    assert!(cues(&text(&srt)).len() >= 3);
}

#[test]
fn a_kill_leaves_files_that_can_be_read() {
    let folder = Folder::new();
    let paths = ["talk.srt", "talk.vtt", "talk.jsonl"].map(|name| folder.path(name));
    let mut program = auricle();
    program.arg("listen").arg("--input").arg(recording("two_cities.wav")).stdin(Stdio::null());
    paths.iter().for_each(|path| {
        program.arg("--output").arg(path);
    });
    let mut child = Running(program.spawn().unwrap());
    wait_for("the header", || text(&paths[1]).starts_with("WEBVTT\n\n"));
    wait_for("the first cue", || !text(&paths[0]).is_empty());
    child.signal("KILL");
    assert_eq!(child.end().0, None);
    let (srt, vtt) = (cues(&text(&paths[0])), cues(&text(&paths[1])));
    assert!(srt[0].starts_with("It was the best of times") && vtt.len().abs_diff(srt.len()) <= 1, "{srt:?} {vtt:?}");
    assert!(finals(&text(&paths[2])).starts_with("It was the best of times"));
}
