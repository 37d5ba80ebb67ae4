//! A signal ends the program within 2 s whatever it is doing, and a second one at once.
//!
//! Each state is left three times, by SIGINT, SIGTERM and SIGHUP, and the middle time counts: the machine that tests is busy with
//! tests. AURICLE_TEST_SLACK stretches the limit where it is busier than that.

#![cfg(unix)]

mod program;
mod virtual_microphone;
mod wav;

use std::io::{PipeReader, Write, pipe};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use program::{Ended, Program, auricle, recording};
use serde_json::Value;
use virtual_microphone::with_virtual_microphone;

const SIGNALS: [&str; 3] = ["INT", "TERM", "HUP"];
/// What a program that a signal ended says of itself.
const INTERRUPTED: Option<i32> = Some(130);

/// Seconds, stretched by AURICLE_TEST_SLACK.
fn limit_s(seconds: f64) -> f64 {
    let slack = std::env::var("AURICLE_TEST_SLACK").ok().and_then(|slack| slack.parse::<f64>().ok());
    seconds * slack.unwrap_or(1.0)
}

/// Fails unless the middle of three times is within 2 s and none is beyond three times that.
fn assert_soon(what: &str, mut took: [f64; 3]) {
    println!("{what}: {took:.3?} s");
    took.sort_by(f64::total_cmp);
    assert!(took[1] < limit_s(2.0) && took[2] < limit_s(6.0), "{what}: {took:.2?} s");
}

/// Sends the signal and waits for the end: what was left, and the seconds it took.
fn end_by(program: Program, signal: &str) -> (Ended, f64) {
    let asked = Instant::now();
    program.signal(signal);
    let ended = program.finish();
    (ended, asked.elapsed().as_secs_f64())
}

fn until(program: &mut Program, wanted: impl Fn(&Value) -> bool) {
    loop {
        let line = program.next_line().expect("it ended before");
        if wanted(&serde_json::from_str(&line).unwrap()) {
            return;
        }
    }
}

fn listen(arguments: &[&str]) -> Command {
    let mut command = auricle();
    command.args(["listen", "--format", "jsonl", "--input"]).args(arguments);
    command
}

/// A minute of silence.
fn silence(folder: &Path) -> PathBuf {
    let path = folder.join("silence.wav");
    std::fs::write(&path, wav::wav(wav::INTEGER, 16, 16_000, 1, &vec![0; 60 * 32_000])).unwrap();
    path
}

#[test]
fn while_models_are_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let (voice, silence) = (recording("two_cities.wav"), silence(folder.path()));
    for (what, arguments) in [
        ("listen", ["listen", "--input", silence.to_str().unwrap()]),
        ("transcribe", ["transcribe", "--partials", voice.to_str().unwrap()]),
    ] {
        for after_ms in [20, 120, 350] {
            let took = SIGNALS.map(|signal| {
                let program = Program::start(auricle().args(arguments));
                thread::sleep(Duration::from_millis(after_ms));
                let (ended, took) = end_by(program, signal);
                // Before the handler is there the signal itself ends it; once there is something to end in order, that is done.
                assert!(matches!(ended.code, None | Some(0 | 130)), "{ended:?}");
                assert!(!ended.stderr.contains("panicked"), "{ended:?}");
                took
            });
            assert_soon(&format!("{what}, {after_ms} ms after its start"), took);
        }
    }
}

#[test]
fn while_it_is_quiet() {
    let folder = tempfile::tempdir().unwrap();
    let silence = silence(folder.path());
    let took = SIGNALS.map(|signal| {
        let mut program = Program::start(&mut listen(&[silence.to_str().unwrap()]));
        until(&mut program, |event| event["type"] == "stats");
        let (ended, took) = end_by(program, signal);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        took
    });
    assert_soon("listening in silence", took);
}

#[test]
fn while_a_pipe_gives_nothing() {
    let took = SIGNALS.map(|signal| {
        let (reader, writer) = pipe().unwrap();
        let mut program = Program::start_with(&mut listen(&["-"]), Stdio::from(reader));
        until(&mut program, |event| event["type"] == "device" && event["state"] == "open");
        let (ended, took) = end_by(program, signal);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        drop(writer);
        took
    });
    assert_soon("waiting for a pipe", took);
}

#[test]
fn in_the_middle_of_a_sentence() {
    let voice = recording("two_cities.wav");
    let took = SIGNALS.map(|signal| {
        let mut program = Program::start(&mut listen(&[voice.to_str().unwrap()]));
        until(&mut program, |event| event["type"] == "caption" && event["state"] == "partial");
        let (ended, took) = end_by(program, signal);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        let last: Value = serde_json::from_str(ended.lines.iter().rfind(|line| line.contains("\"caption\"")).unwrap()).unwrap();
        assert_eq!(last["state"], "final", "what was said is finished first");
        took
    });
    assert_soon("in the middle of a sentence", took);
}

#[test]
fn while_files_are_read() {
    let voice = recording("two_cities.wav");
    for more in [&[][..], &["--partials"]] {
        let took = SIGNALS.map(|signal| {
            let mut command = auricle();
            command.args(["transcribe", "--format", "jsonl"]).args(more).args([&voice; 20]);
            let mut program = Program::start(&mut command);
            until(&mut program, |event| event["type"] == "speech");
            thread::sleep(Duration::from_millis(300));
            let (ended, took) = end_by(program, signal);
            assert_eq!((ended.code, ended.stderr.as_str()), (INTERRUPTED, ""));
            took
        });
        assert_soon(&format!("reading files {more:?}"), took);
    }
}

#[test]
fn while_a_file_from_a_pipe_comes_no_further() {
    let voice = std::fs::read(recording("two_cities.wav")).unwrap();
    let took = SIGNALS.map(|signal| {
        let (reader, mut writer) = pipe().unwrap();
        let mut command = auricle();
        command.args(["transcribe", "--partials", "--format", "jsonl", "-"]);
        let mut program = Program::start_with(&mut command, Stdio::from(reader));
        // Some six seconds of 44, and then nothing.
        writer.write_all(&voice[..600_000]).unwrap();
        until(&mut program, |event| event["type"] == "caption" && event["state"] == "partial");
        let (ended, took) = end_by(program, signal);
        assert_eq!(ended.code, INTERRUPTED, "{}", ended.stderr);
        let last: Value = serde_json::from_str(ended.lines.iter().rfind(|line| line.contains("\"caption\"")).unwrap()).unwrap();
        assert_eq!(last["state"], "final", "what was heard is finished");
        drop(writer);
        took
    });
    assert_soon("waiting for the rest of a file", took);
}

/// Starts `command` with a standard output that is full and that nobody reads.
fn unread(command: &mut Command) -> (Child, PipeReader) {
    let (reader, mut writer) = pipe().unwrap();
    // As much as a pipe holds.
    writer.write_all(&[b'\n'; 1 << 16]).unwrap();
    let child = command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::null()).spawn().unwrap();
    command.stdout(Stdio::null());
    (child, reader)
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap().success());
}

/// Seconds until the process has ended, and its exit code.
fn wait(child: &mut Child) -> (f64, Option<i32>) {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return (started.elapsed().as_secs_f64(), status.code());
        }
        if started.elapsed() > Duration::from_secs(30) {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it does not end");
        }
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn while_nobody_reads_what_it_writes() {
    let voice = recording("two_cities.wav");
    let voice = voice.to_str().unwrap();
    let commands: [(&str, &[&str]); 2] = [
        ("listen", &["listen", "--format", "jsonl", "--input", voice]),
        ("transcribe", &["transcribe", "--partials", "--format", "jsonl", voice]),
    ];
    for (what, arguments) in commands {
        let took = SIGNALS.map(|name| {
            let (mut child, _unread) = unread(auricle().args(arguments));
            // Long enough for models to be loaded and something to be written, which then waits.
            thread::sleep(Duration::from_millis(2_500));
            assert!(child.try_wait().unwrap().is_none(), "it waits for its reader");
            signal(&child, name);
            let (took, code) = wait(&mut child);
            // A live output has a queue and a thread of its own, so that the session ends in order; files wait for their reader.
            println!("{what}: exit code {code:?}");
            assert!(code == INTERRUPTED || (what == "listen" && code.is_some()), "{what}: {code:?}");
            took
        });
        assert_soon(&format!("{what}, writing to a pipe that is full"), took);
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let voice = recording("two_cities.wav");
    let mut took = SIGNALS.map(|name| {
        let mut command = auricle();
        command.args(["transcribe", "--format", "jsonl", "--output", "/dev/null"]).args([&voice; 20]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(2_000));
        signal(&child, name);
        signal(&child, "INT");
        let (took, code) = wait(&mut child);
        assert_eq!(code, INTERRUPTED);
        took
    });
    println!("a second signal: {took:.3?} s");
    took.sort_by(f64::total_cmp);
    assert!(took[1] < limit_s(0.5), "{took:.2?} s");
}

#[test]
fn while_the_microphone_is_quiet_lost_or_not_there_yet() {
    with_virtual_microphone("while_the_microphone_is_quiet_lost_or_not_there_yet", |microphone, _| {
        let start = || {
            let mut program = Program::start(auricle().args(["listen", "--format", "jsonl"]));
            until(&mut program, |event| event["type"] == "stats");
            program
        };
        let quiet = SIGNALS.map(|signal| {
            let (ended, took) = end_by(start(), signal);
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
            took
        });
        assert_soon("a microphone that is quiet", quiet);
        let lost = SIGNALS.map(|signal| {
            let mut program = start();
            microphone.kill();
            until(&mut program, |event| event["type"] == "device" && event["state"] == "lost");
            let (ended, took) = end_by(program, signal);
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
            microphone.start_server();
            took
        });
        assert_soon("a microphone that is lost", lost);
        microphone.kill();
        let waiting = SIGNALS.map(|signal| {
            let mut program = Program::start(auricle().args(["listen", "--format", "jsonl", "--wait"]));
            until(&mut program, |event| event["type"] == "device" && event["state"] == "waiting");
            let (ended, took) = end_by(program, signal);
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
            took
        });
        assert_soon("a microphone that is not there yet", waiting);
    });
}
