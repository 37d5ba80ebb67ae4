//! A pause as its user means it: the device is free while it lasts, nothing said before it is lost, and times are true after it.

mod listening;
mod program;
mod virtual_microphone;
mod wav;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use auricle::audio::file::AudioFile;
use auricle::audio::microphone::{Microphone, MicrophoneSettings};
use auricle::audio::paced;
use auricle::audio::source::SourceEvent;
use listening::excerpt;
use program::{Program, auricle, words};
use serde_json::Value;
use virtual_microphone::{VirtualMicrophone, with_virtual_microphone};

/// Seconds of `two_cities.wav` that hold two phrases, and what they are.
const SHORT_S: f64 = 4.6;
const BEGINNING: &str = "it was the best of times it was the worst of times";

/// How many streams record from the virtual microphone, by its server's own account; that of the microphone on its monitor is
/// the server's.
fn recording_streams(folder: &Path) -> usize {
    let output = Command::new("pactl")
        .args(["list", "source-outputs"])
        .envs(VirtualMicrophone::environment(folder))
        .stdin(Stdio::null())
        .output()
        .expect("pactl comes with paplay");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).matches("application.process.id").count()
}

/// Waits until as many streams record.
fn wait_for_streams(folder: &Path, wanted: usize) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while recording_streams(folder) != wanted {
        assert!(Instant::now() < deadline, "{} streams record, expected {wanted}", recording_streams(folder));
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn number(event: &Value, field: &str) -> f64 {
    event[field].as_f64().unwrap_or_else(|| panic!("no number '{field}' in {event}"))
}

fn is(event: &Value, kind: &str, state: &str) -> bool {
    event["type"] == kind && event["state"] == state
}

/// Reads events up to the first that is `wanted`, which is the last of those returned.
fn until(program: &mut Program, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut seen: Vec<Value> = Vec::new();
    loop {
        let line = program.next_line().unwrap_or_else(|| panic!("ended too early, after {seen:#?}"));
        let event: Value = serde_json::from_str(&line).unwrap();
        let found = wanted(&event);
        seen.push(event);
        if found {
            return seen;
        }
    }
}

fn finals(events: &[Value]) -> String {
    let texts = events.iter().filter(|event| is(event, "caption", "final")).map(|event| event["text"].as_str().unwrap());
    texts.flat_map(words).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_signal_closes_the_microphone_and_another_opens_it() {
    with_virtual_microphone("a_signal_closes_the_microphone_and_another_opens_it", |microphone, folder| {
        let short = excerpt(folder, SHORT_S);
        let mut command = auricle();
        command.args(["--quiet", "listen", "--format", "jsonl", "--sounds", "off", "--host", "pulseaudio"]);
        let mut program = Program::start(&mut command);
        until(&mut program, |event| event["type"] == "stats" && number(event, "audio") > 0.0);
        wait_for_streams(folder, 1);

        // In the middle of a sentence, which is finished all the same.
        let before = std::thread::scope(|scope| {
            scope.spawn(|| microphone.play(&short));
            let said = |event: &Value| words(event["text"].as_str().unwrap()).len();
            let mut seen = until(&mut program, |event| is(event, "caption", "partial") && said(event) >= 5);
            program.signal("USR1");
            seen.extend(until(&mut program, |event| is(event, "device", "paused")));
            assert_eq!(recording_streams(folder), 0, "it says that it is paused, and records");
            seen.extend(until(&mut program, |event| is(event, "caption", "final")));
            seen
        });
        let paused = before.iter().find(|event| is(event, "device", "paused")).unwrap();
        assert!(finals(&before).starts_with("it was the best"), "{}", finals(&before));

        // What is said during the pause is not heard.
        microphone.play(&short);
        assert_eq!(recording_streams(folder), 0);
        program.signal("USR1");
        let during = until(&mut program, |event| is(event, "device", "back"));
        assert!(during.iter().all(|event| event["type"] == "stats" || is(event, "device", "back")), "{during:#?}");
        wait_for_streams(folder, 1);
        let back = during.last().unwrap();
        let gap = until(&mut program, |event| event["type"] == "gap").pop().unwrap();
        assert_eq!((gap["reason"].as_str(), &paused["name"]), (Some("paused"), &back["name"]));
        let (missing, away) = (number(&gap, "samples") / 16_000.0, number(back, "emitted") - number(paused, "emitted"));
        assert!((missing - away).abs() < 0.6, "paused for {away:.2} s, but the gap is {missing:.2} s");

        // Positions and the clock are in step again, and nothing counts as lost.
        microphone.play(&short);
        let mut after = until(&mut program, |event| is(event, "caption", "final"));
        let start = after.iter().find(|event| is(event, "speech", "start")).unwrap();
        let told_after = number(start, "emitted") - number(start, "start");
        assert!((0.0..2.0).contains(&told_after), "speech was told {told_after:.2} s after its start");
        while finals(&after).split(' ').count() < BEGINNING.split(' ').count() {
            after.extend(until(&mut program, |event| is(event, "caption", "final")));
        }
        assert!(finals(&after).starts_with(BEGINNING), "{}", finals(&after));
        let stats = until(&mut program, |event| event["type"] == "stats").pop().unwrap();
        assert_eq!(stats["dropped"], 0);

        // The end comes at once in a pause too.
        program.signal("USR1");
        until(&mut program, |event| is(event, "device", "paused"));
        program.signal("INT");
        let asked = Instant::now();
        let ended = program.finish();
        assert!(asked.elapsed() < Duration::from_secs(2), "it took {:?} to end", asked.elapsed());
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    });
}

fn next(events: &Receiver<SourceEvent>) -> SourceEvent {
    events.recv_timeout(Duration::from_secs(10)).expect("no event within 10 s")
}

#[test]
fn a_microphone_that_disappears_in_a_pause_is_missed_when_it_ends() {
    with_virtual_microphone("a_microphone_that_disappears_in_a_pause_is_missed_when_it_ends", |virtual_microphone, folder| {
        let (sender, events) = mpsc::channel();
        let microphone = Microphone::start(MicrophoneSettings::default(), sender).unwrap();
        let pause = microphone.pausing();
        let SourceEvent::Connected { name, mut consumer, .. } = next(&events) else { panic!("not connected") };
        wait_for_streams(folder, 1);
        pause.pause();
        let SourceEvent::Paused { name: paused } = next(&events) else { panic!("not paused") };
        assert_eq!((paused, recording_streams(folder)), (name.clone(), 0));
        while consumer.read(&mut [0.0; 4_096]).is_some() {}
        assert!(consumer.is_abandoned());
        virtual_microphone.kill();
        assert!(events.recv_timeout(Duration::from_millis(500)).is_err(), "nobody looks for it in a pause");

        assert!(!pause.toggle(), "the pause is over");
        let SourceEvent::Lost { name: lost, reason } = next(&events) else { panic!("its loss was not told") };
        println!("{lost}: {reason}");
        assert_eq!(lost, name);
        // A pause while it is looked for: nothing is opened, though it is there again.
        pause.pause();
        assert!(matches!(next(&events), SourceEvent::Paused { .. }));
        virtual_microphone.start_server();
        assert!(events.recv_timeout(Duration::from_secs(1)).is_err(), "nobody looks for it in a pause");
        assert_eq!(recording_streams(folder), 0);
        pause.resume();
        assert!(matches!(next(&events), SourceEvent::Connected { again: true, .. }));
        wait_for_streams(folder, 1);

        pause.pause();
        assert!(matches!(next(&events), SourceEvent::Paused { .. }));
        let stopping = Instant::now();
        microphone.stop();
        assert!(stopping.elapsed() < Duration::from_secs(1), "stopped after {:?}", stopping.elapsed());
        assert!(matches!(next(&events), SourceEvent::Ended));
    });
}

#[test]
fn a_file_stands_still_and_goes_on_with_the_next_sample() {
    let folder = tempfile::tempdir().unwrap();
    let samples: Vec<i16> = (0..16_000).collect();
    let path = folder.path().join("ramp.wav");
    std::fs::write(&path, wav::wav(wav::INTEGER, 16, 16_000, 1, &wav::bytes_of(&samples))).unwrap();
    let (sender, events) = mpsc::channel();
    let playing = paced::start(AudioFile::open(path).unwrap(), 1.0, sender).unwrap();
    let pause = playing.pausing();
    let SourceEvent::Connected { mut consumer, .. } = next(&events) else { panic!("not connected") };
    std::thread::sleep(Duration::from_millis(200));
    pause.pause();
    assert!(matches!(next(&events), SourceEvent::Paused { .. }));
    let mut heard = Vec::new();
    let mut block = vec![0.0; 1_600];
    let mut read = |consumer: &mut auricle::audio::ring::Consumer, heard: &mut Vec<i16>| {
        while let Some(piece) = consumer.read(&mut block) {
            heard.extend(block[..piece.frames].iter().map(|sample| (sample * 32_768.0) as i16));
        }
    };
    read(&mut consumer, &mut heard);
    std::thread::sleep(Duration::from_millis(300));
    read(&mut consumer, &mut heard);
    let at_pause = heard.len();
    assert!((1_600..8_000).contains(&at_pause), "{at_pause}");
    pause.resume();
    let resumed = Instant::now();
    let SourceEvent::Connected { mut consumer, again: true, .. } = next(&events) else { panic!("it does not go on") };
    assert!(matches!(next(&events), SourceEvent::Ended));
    let took = resumed.elapsed().as_secs_f64();
    read(&mut consumer, &mut heard);
    assert_eq!(heard, samples, "every sample once");
    let left = (samples.len() - at_pause) as f64 / 16_000.0;
    assert!((left - 0.05..left + 0.5).contains(&took), "{left:.2} s were left and took {took:.2} s");
}
