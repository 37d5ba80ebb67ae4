//! `auricle listen --format jsonl` as a process that a test follows event by event, and what it is given to hear.
//!
//! In: arguments. Out: events as JSON, in the order in which they were printed.

// Each test that includes this room uses a part of it.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use auricle::audio::devices::HostChoice;
use auricle::audio::file::AudioFile;
use auricle::audio::resample::Resampler;
use serde_json::Value;

use super::program::{Program, auricle, recording, words};
use super::virtual_microphone::VirtualMicrophone;
use super::wav;

/// `auricle listen --format jsonl`, and what it has printed.
pub struct Listening {
    pub program: Program,
    pub seen: Vec<Value>,
}

impl Listening {
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = auricle();
        command.args(["--quiet", "listen", "--format", "jsonl"]).args(arguments);
        Self::of(&mut command)
    }

    /// The same, from a command that prints events.
    pub fn of(command: &mut Command) -> Self {
        Self { program: Program::start(command), seen: Vec::new() }
    }

    /// The first event from now on that is `wanted`.
    pub fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.until_all(|seen| seen.last().is_some_and(&wanted));
        self.seen.last().unwrap().clone()
    }

    /// Reads until what was seen is `enough`; it is asked after each event.
    pub fn until_all(&mut self, enough: impl Fn(&[Value]) -> bool) {
        loop {
            let line = self.program.next_line().unwrap_or_else(|| panic!("ended too early, after {}", told(&self.seen)));
            self.seen.push(event(&line));
            if enough(&self.seen) {
                return;
            }
        }
    }

    /// Sends a signal, and expects the end in order and soon.
    pub fn end_by(mut self, signal: &str) -> Vec<Value> {
        self.program.signal(signal);
        let asked = Instant::now();
        let ended = self.program.finish();
        let took = asked.elapsed();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "after SIG{signal}");
        assert!(took < Duration::from_secs(5), "it took {took:?} to end after SIG{signal}");
        self.seen.extend(ended.lines.iter().map(|line| event(line)));
        assert_in_order(&self.seen);
        self.seen
    }
}

pub fn event(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

pub fn is(event: &Value, kind: &str, state: &str) -> bool {
    event["type"] == kind && event["state"] == state
}

pub fn of<'a>(events: &'a [Value], kind: &str, state: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| is(event, kind, state)).collect()
}

pub fn of_type<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == kind).collect()
}

pub fn number(event: &Value, field: &str) -> f64 {
    event[field].as_f64().unwrap_or_else(|| panic!("no number '{field}' in {event}"))
}

/// The words of all finals.
pub fn finals(events: &[Value]) -> Vec<String> {
    of(events, "caption", "final").iter().flat_map(|event| words(event["text"].as_str().unwrap())).collect()
}

/// What happened, without the figures.
pub fn told(events: &[Value]) -> String {
    let line = |event: &Value| {
        let body =
            event.as_object().unwrap().iter().filter(|(key, _)| !["v", "model", "committed", "stable"].contains(&key.as_str()));
        body.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
    };
    events.iter().filter(|event| event["type"] != "stats").map(line).collect::<Vec<_>>().join("\n")
}

pub fn assert_in_order(events: &[Value]) {
    let numbers: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert!(numbers.iter().copied().eq(0..events.len() as u64), "seq has a hole: {numbers:?}");
    let opened: Vec<&Value> = of(events, "speech", "start").iter().map(|event| &event["segment"]).collect();
    let closed: Vec<&Value> = of(events, "speech", "end").iter().map(|event| &event["segment"]).collect();
    assert_eq!(opened, closed, "{}", told(events));
}

/// Fails unless the same was heard, but for the first word and the last.
pub fn assert_same_words(heard: &[String], expected: &[String]) {
    assert_eq!(heard.len(), expected.len(), "{heard:?} is not {expected:?}");
    assert_eq!(heard[1..heard.len() - 1], expected[1..expected.len() - 1]);
}

/// The beginning of `two_cities.wav` as 16-bit mono at 16 kHz, which passes the virtual microphone to the bit, then a second of
/// silence. Sentences, not phrases: how a phrase of two short words is spelled depends on where the 32 ms windows of the
/// speech detector happen to fall, which no two recordings share.
pub fn excerpt(folder: &Path, seconds: f64) -> PathBuf {
    let mut file = AudioFile::open(recording("two_cities.wav")).unwrap();
    let (rate_hz, channels) = (file.format().rate_hz, file.format().channels);
    assert_eq!(channels, 1);
    let mut resampler = Resampler::new(rate_hz, 512).unwrap();
    let wanted = (seconds * 16_000.0) as usize;
    let mut samples: Vec<i16> = Vec::new();
    while samples.len() < wanted {
        let block = file.next_block().unwrap().expect("the recording is longer");
        for block in block.chunks(512) {
            resampler.process(block, |out| samples.extend(out.iter().map(|sample| (sample * 32_767.0) as i16)));
        }
    }
    samples.truncate(wanted);
    samples.resize(wanted + 16_000, 0);
    let path = folder.join(format!("excerpt-{seconds}.wav"));
    std::fs::write(&path, wav::wav(wav::INTEGER, 16, 16_000, 1, &wav::bytes_of(&samples))).unwrap();
    path
}

/// The hosts that reach the virtual microphone on this machine.
pub fn hosts() -> Vec<HostChoice> {
    if VirtualMicrophone::has_alsa_plugin() {
        return vec![HostChoice::PulseAudio, HostChoice::Alsa];
    }
    println!("without ALSA: libasound2-plugins is not installed");
    vec![HostChoice::PulseAudio]
}
