//! Many files at once: folders, outputs beside them or elsewhere, what was done before, interruption, standard input.

#![cfg(unix)]

mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use program::{Ended, Program, assert_beckett, auricle, recording};

/// Seconds of the recording that are read where all of it is not needed.
const SHORT_S: usize = 5;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The first seconds of a voice, as `name`: the header announces more, and the file ends.
    fn voice(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let whole = fs::read(recording("beckett.wav")).unwrap();
        fs::write(&path, &whole[..44 + SHORT_S * 32_000]).unwrap();
        path
    }

    /// Every file below, by name.
    fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.0.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    found.push(entry.path().strip_prefix(self.0.path()).unwrap().display().to_string());
                }
            }
        }
        found.sort();
        found
    }
}

fn transcribe(arguments: &[&str], paths: &[&Path]) -> Ended {
    let mut program = auricle();
    // Log lines on files that end early are no concern here; what the program itself says is.
    program
        .env("RUST_LOG", "auricle::audio=off,auricle=warn")
        .args(["transcribe", "--sounds", "off"])
        .args(arguments)
        .args(paths);
    Program::start(&mut program).finish()
}

fn cues(path: &Path) -> usize {
    fs::read_to_string(path).unwrap().matches(" --> ").count()
}

#[test]
fn a_folder_gets_subtitles_beside_its_files_and_only_what_is_new_the_next_time() {
    let folder = Folder::new();
    for name in ["talks/a.wav", "talks/deep/b.WAV"] {
        folder.voice(name);
    }
    fs::write(folder.path("talks/notes.txt"), "no audio").unwrap();
    std::os::unix::fs::symlink(folder.path("talks"), folder.path("talks/deep/loop")).unwrap();
    let talks = folder.path("talks");

    let ended = transcribe(&["--beside", "--resume", "--format", "srt,jsonl"], &[&talks]);
    assert_eq!((ended.code, ended.lines.len()), (Some(0), 0), "{}", ended.stderr);
    assert!(ended.stderr.contains("0 of 2 files were done before"), "{}", ended.stderr);
    let expected = ["a.jsonl", "a.srt", "a.wav", "deep/b.WAV", "deep/b.jsonl", "deep/b.srt", "deep/loop", "notes.txt"];
    assert_eq!(folder.files(), expected.map(|name| format!("talks/{name}")));
    assert!(cues(&talks.join("a.srt")) > 0 && cues(&talks.join("deep/b.srt")) > 0);

    // One was changed since, of another one output is gone, and one is as it was.
    let written = || fs::metadata(talks.join("a.srt")).unwrap().modified().unwrap();
    let before = written();
    fs::remove_file(talks.join("deep/b.jsonl")).unwrap();
    let ended = transcribe(&["--beside", "--resume", "--format", "srt", "--format", "jsonl"], &[&talks]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("1 of 2 files were done before") && written() == before, "{}", ended.stderr);
    assert!(talks.join("deep/b.jsonl").is_file());
    let audio = fs::File::options().append(true).open(talks.join("a.wav")).unwrap();
    audio.set_modified(SystemTime::now() + Duration::from_secs(2)).unwrap();
    let ended = transcribe(&["--beside", "--resume", "--format", "srt,jsonl"], &[&talks]);
    assert!(ended.stderr.contains("1 of 2 files were done before") && written() > before, "{}", ended.stderr);
}

#[test]
fn outputs_elsewhere_lie_as_the_files_do() {
    let folder = Folder::new();
    folder.voice("talks/deep/b.wav");
    let single = folder.voice("single.wav");
    let out = folder.path("out");
    let out_argument = out.display().to_string();
    let ended = transcribe(&["--output-dir", &out_argument, "--format", "vtt"], &[&folder.path("talks"), &single]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(cues(&out.join("deep/b.vtt")) > 0 && cues(&out.join("single.vtt")) > 0, "{:?}", folder.files());
}

#[test]
fn what_cannot_be_read_does_not_keep_the_others_from_their_outputs() {
    let folder = Folder::new();
    folder.voice("talks/good.wav");
    fs::write(folder.path("talks/bad.wav"), "Milk, bread, and something for the deaf aunt.\n".repeat(50)).unwrap();
    let ended = transcribe(&["--beside"], &[&folder.path("talks")]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("bad.wav") && ended.stderr.lines().count() == 1, "{}", ended.stderr);
    assert_eq!(folder.files(), ["talks/bad.wav", "talks/good.srt", "talks/good.wav"]);
}

#[test]
fn an_interruption_leaves_no_file_that_is_not_complete() {
    let folder = Folder::new();
    // Twenty minutes, so that the signal comes in the middle: the recording again and again, as one.
    let whole = fs::read(recording("beckett.wav")).unwrap();
    let mut long = whole[..44].to_vec();
    (0..120).for_each(|_| long.extend_from_slice(&whole[44..]));
    let length = (long.len() - 44) as u32;
    long[4..8].copy_from_slice(&(length + 36).to_le_bytes());
    long[40..44].copy_from_slice(&length.to_le_bytes());
    fs::write(folder.path("b.wav"), long).unwrap();
    folder.voice("a.wav");
    let mut program = auricle();
    program.env("RUST_LOG", "off").args(["transcribe", "--sounds", "off", "--beside"]).arg(folder.path("."));
    let program = Program::start(&mut program);
    let started = Instant::now();
    while !folder.path("b.srt.part").is_file() {
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", folder.files());
        thread::sleep(Duration::from_millis(10));
    }
    program.signal("INT");
    let ended = program.finish();
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert_eq!(folder.files(), ["a.srt", "a.wav", "b.wav"]);
    assert!(cues(&folder.path("a.srt")) > 0);
}

#[test]
fn standard_input_is_a_file_like_any_other() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_auricle"));
    program.args(["transcribe", "--sounds", "off", "--format", "text", "-"]).stderr(Stdio::piped());
    let output = program.stdin(fs::File::open(recording("beckett.wav")).unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_beckett(&String::from_utf8(output.stdout).unwrap());
    // A pipe, which cannot be searched through.
    let script = format!(
        "cat {:?} | {:?} transcribe --sounds off --format srt -",
        recording("beckett.wav"),
        env!("CARGO_BIN_EXE_auricle")
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("1\n00:00:"));
    let mut nothing = Command::new(env!("CARGO_BIN_EXE_auricle"));
    let output = nothing.args(["transcribe", "-"]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("standard input"), "{said}");
}

#[test]
fn what_makes_no_sense_is_wrong_usage_and_says_what_does() {
    let folder = Folder::new();
    let (a, b) = (folder.voice("a.wav"), folder.voice("b.wav"));
    fs::copy(&a, folder.path("a.flac")).unwrap();
    fs::copy(&a, folder.path("c.srt")).unwrap();
    let flac = folder.path("a.flac");
    let wrong: [(&[&str], &[&Path], &str); 9] = [
        (&["--format", "srt"], &[&a, &b], "--beside"),
        (&["--output", "talk.vtt"], &[&a, &b], "--output-dir"),
        (&["--output", "talk.doc"], &[&a], ".srt, .vtt, .jsonl and .txt"),
        (&["--output", "talk.srt", "--format", "vtt"], &[&a], "talk.vtt"),
        (&["--format", "srt,vtt"], &[&a], "--beside"),
        (&["--resume"], &[&a], "--beside"),
        (&["--beside"], &[&a, &flac], "would both be written to"),
        (&["--beside"], &[Path::new("-")], "--output"),
        (&["--beside"], &[&folder.path("c.srt")], "would be written over"),
    ];
    for (arguments, paths, way_out) in wrong {
        let ended = transcribe(arguments, paths);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(way_out), "{arguments:?}: {}", ended.stderr);
    }
    assert_eq!(folder.files(), ["a.flac", "a.wav", "b.wav", "c.srt"], "nothing was written");
    let nothing = Folder::new();
    let ended = transcribe(&["--beside"], &[nothing.0.path()]);
    assert!(ended.code == Some(1) && ended.stderr.contains("holds no audio files"), "{}", ended.stderr);
}
