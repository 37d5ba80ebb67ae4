//! `auricle listen` as its user meets it: microphones through a real audio server, signals, output, a microphone that is taken
//! away and comes back.

mod listening;
mod program;
mod virtual_microphone;
mod wav;

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use auricle::audio::devices::{self, HostChoice};
use listening::{Listening, assert_in_order, assert_same_words, event, excerpt, finals, hosts, is, number, of, of_type, told};
use program::{Program, auricle, recording, words};
use serde_json::Value;
use virtual_microphone::with_virtual_microphone;

/// Four sentences of [`excerpt`] in one breath, with the pause after them.
const SENTENCES_S: f64 = 8.7;
/// One short enough to be waited for.
const SHORT_S: f64 = 4.6;
/// What is said in them.
const BEGINNING: &str = "it was the best of times it was the worst of times";

/// Starts to listen through each host, and waits until it hears.
fn listen_through(hosts: &[HostChoice]) -> Vec<Listening> {
    let mut listeners: Vec<_> = hosts.iter().map(|host| Listening::start(&["--host", host.as_str()])).collect();
    for (listening, host) in listeners.iter_mut().zip(hosts) {
        let open = listening.until(|event| event["type"] == "device");
        let device = devices::list().unwrap().into_iter().find(|device| device.host == *host && device.default).unwrap();
        assert!(is(&open, "device", "open") && open["name"] == format!("{} ({host})", device.name), "{open} of {device:?}");
        listening.until(|event| event["type"] == "stats" && number(event, "audio") > 0.0);
    }
    listeners
}

#[test]
fn played_speech_is_captioned_as_its_file_is() {
    with_virtual_microphone("played_speech_is_captioned_as_its_file_is", |microphone, folder| {
        let (sentences, short) = (excerpt(folder, SENTENCES_S), excerpt(folder, SHORT_S));
        let mut listeners = listen_through(&hosts());
        let file = Program::start(auricle().args(["--quiet", "listen", "--format", "jsonl", "--input"]).arg(&sentences));
        microphone.play(&sentences);
        let file = file.finish();
        assert_eq!((file.code, file.stderr.as_str()), (Some(0), ""));
        let file: Vec<Value> = file.lines.iter().map(|line| event(line)).collect();
        assert_in_order(&file);
        let expected = finals(&file);
        assert!(expected.join(" ").starts_with(BEGINNING) && expected.len() > 20, "{expected:?}");
        let span = |events: &[Value]| {
            let (starts, finals) = (of(events, "speech", "start"), of(events, "caption", "final"));
            let (first, last) = (starts.first()?, finals.last()?);
            (starts.len() == finals.len()).then(|| number(last, "end") - number(first, "start"))
        };
        let length = span(&file).unwrap();
        for listening in &mut listeners {
            // The segments are as far apart as in the file: times are true.
            listening.until_all(|seen| span(seen).is_some_and(|span| (span - length).abs() < 0.2));
            assert_same_words(&finals(&listening.seen), &expected);
        }

        // Once more, to be interrupted in the middle of a sentence.
        thread::scope(|scope| {
            scope.spawn(|| microphone.play(&short));
            for mut listening in listeners {
                listening.until(|event| is(event, "caption", "partial"));
                let seen = listening.end_by("INT");
                let last = of(&seen, "caption", "final").pop().unwrap();
                assert_eq!(last["segment"], of(&seen, "speech", "start").pop().unwrap()["segment"], "{}", told(&seen));
                assert_eq!(of(&seen, "speech", "end").pop().unwrap()["reason"], "stop");
                assert_eq!(of_type(&seen, "device").len(), 1);
                assert!(of_type(&seen, "gap").is_empty(), "{}", told(&seen));
            }
        });
    });
}

#[test]
fn a_microphone_taken_away_is_missed_and_found_again() {
    with_virtual_microphone("a_microphone_taken_away_is_missed_and_found_again", |microphone, folder| {
        let short = excerpt(folder, SHORT_S);
        let mut listeners = listen_through(&hosts());
        microphone.play(&short);
        for listening in &mut listeners {
            listening.until(|event| is(event, "caption", "final"));
        }

        microphone.kill();
        let killed = Instant::now();
        for listening in &mut listeners {
            listening.until(|event| is(event, "device", "lost"));
            let noticed = killed.elapsed();
            assert!(noticed < Duration::from_secs(5), "noticed after {noticed:?}");
        }
        microphone.start_server();
        let mut away = Vec::new();
        for listening in &mut listeners {
            listening.until(|event| is(event, "device", "back"));
            let gap = listening.until(|event| event["type"] == "gap");
            away.push(killed.elapsed().as_secs_f64());
            assert_eq!(gap["reason"], "device");
        }
        microphone.play(&short);
        for (mut listening, away) in listeners.into_iter().zip(away) {
            let heard_again = listening.seen.len();
            listening.until(|event| is(event, "caption", "final"));
            let (before, after) = listening.seen.split_at(heard_again);
            for heard in [before, after] {
                assert!(finals(heard).join(" ").starts_with(BEGINNING), "{}", told(&listening.seen));
            }
            let gap = of_type(before, "gap").pop().unwrap();
            let missing = number(gap, "samples") / 16_000.0;
            assert!((missing - away).abs() < 1.0, "away for {away:.2} s, but {missing:.2} s are missing");
            // Between when speech starts and when that is told lies the same time, so that positions are still true.
            let told_after = |events: &[Value]| {
                let start = of(events, "speech", "start").pop().unwrap();
                number(start, "emitted") - number(start, "start")
            };
            let (first, second) = (told_after(before), told_after(after));
            println!("missing {missing:.2} s, away {away:.2} s; speech told after {first:.2} s and {second:.2} s");
            assert!((first - second).abs() < 0.5, "speech was told {first:.2} s after its start, then {second:.2} s");
            let seen = listening.end_by("INT");
            let states: Vec<&str> = of_type(&seen, "device").iter().map(|event| event["state"].as_str().unwrap()).collect();
            assert_eq!(states, ["open", "lost", "back"]);
            assert_eq!(of_type(&seen, "gap").len(), 1, "{}", told(&seen));
        }
    });
}

#[test]
fn a_signal_in_the_middle_of_a_sentence_finishes_it() {
    let input = recording("two_cities.wav");
    let input = input.to_str().unwrap();
    let listeners = ["INT", "TERM", "HUP"].map(|signal| (signal, Listening::start(&["--sounds", "off", "--input", input])));
    for (signal, mut listening) in listeners {
        let partial = listening.until(|event| is(event, "caption", "partial"));
        let seen = listening.end_by(signal);
        let last = of(&seen, "caption", "final").pop().unwrap_or_else(|| panic!("no final: {}", told(&seen)));
        assert_eq!(last["segment"], partial["segment"]);
        assert!(!words(last["text"].as_str().unwrap()).is_empty());
        assert_eq!(of(&seen, "speech", "end").pop().unwrap()["reason"], "stop");
        assert!(number(last, "end") < 30.0, "it was interrupted, but heard all 44 s: {last}");
    }
}

#[test]
fn lines_go_to_a_file_and_the_end_of_the_input_is_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let (short, output) = (excerpt(folder.path(), SHORT_S), folder.path().join("captions.txt"));
    let mut command: Command = auricle();
    command.args(["listen", "--format", "text", "--input"]).arg(short).arg("--output").arg(&output);
    let started = Instant::now();
    let ended = Program::start(&mut command).finish();
    assert_eq!((ended.code, ended.stderr.as_str(), ended.lines.len()), (Some(0), "", 0));
    assert!(started.elapsed().as_secs_f64() > SHORT_S, "as if it were live");
    let written = std::fs::read_to_string(output).unwrap();
    assert!(words(&written).join(" ").starts_with(BEGINNING), "{written}");
    assert!(written.ends_with('\n'));
}
