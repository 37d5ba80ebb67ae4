//! The examples, run as a reader of the documentation would: they caption a real recording.

mod program;

use std::path::{Path, PathBuf};
use std::process::Command;

use program::{Program, assert_beckett, recording};

/// The example that `cargo test` has built beside this test.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).expect("target/PROFILE/deps/TEST");
    let path: PathBuf = profile.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.is_file(), "{}: not there; 'cargo build --examples' makes it", path.display());
    Command::new(path)
}

/// The lines that the example prints for `beckett.wav`.
fn lines(name: &str) -> Vec<String> {
    let ended = Program::start(example(name).arg(recording("beckett.wav"))).finish();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    ended.lines
}

#[test]
fn captions_prints_a_time_and_a_text_for_every_segment() {
    let lines = lines("captions");
    let mut text = Vec::new();
    let mut before = 0.0;
    for line in &lines {
        let (time, said) = line.split_once(" s  ").unwrap_or_else(|| panic!("no time in: {line}"));
        let time: f64 = time.trim().parse().unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!((before..10.0).contains(&time), "{lines:?}");
        if !said.starts_with('[') {
            before = time;
            text.push(said);
        }
    }
    assert!(text.len() > 3, "{lines:?}");
    assert_beckett(&text.join(" "));
}

#[test]
fn live_shows_captions_that_roll_and_ends_with_a_final() {
    let lines = lines("live");
    let finals: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("= ")).collect();
    let partials = lines.iter().filter(|line| line.starts_with("~ ")).count();
    assert_eq!(finals.len() + partials, lines.len(), "{lines:?}");
    assert!(partials > finals.len() && lines.last().unwrap().starts_with("= "), "{lines:?}");
    // A final is committed to its end.
    let text: Vec<&str> = finals.iter().map(|line| line.split_once("|   (").unwrap_or_else(|| panic!("{line}")).0).collect();
    assert_beckett(&text.join(" "));
}
