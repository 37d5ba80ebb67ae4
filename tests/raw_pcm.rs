//! Raw PCM through a pipe: every sample, in time whatever the writer does, and `listen --input -` as its user meets it.

mod program;

use std::io::{PipeWriter, Write, pipe};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use auricle::audio::file::AudioFile;
use auricle::audio::pcm::Format;
use auricle::audio::raw::{self, RawInput, SampleFormat};
use auricle::audio::resample::Resampler;
use auricle::audio::ring::Consumer;
use auricle::audio::source::SourceEvent;
use program::{Program, assert_beckett, auricle, recording};
use serde_json::Value;

const MONO: Format = Format { rate_hz: 16_000, channels: 1 };

fn start(format: Format, samples: SampleFormat) -> (PipeWriter, RawInput, Receiver<SourceEvent>) {
    let (reader, writer) = pipe().unwrap();
    let (sender, events) = mpsc::channel();
    (writer, raw::start(reader, format, samples, "a pipe", sender).unwrap(), events)
}

fn next(events: &Receiver<SourceEvent>) -> SourceEvent {
    events.recv_timeout(Duration::from_secs(10)).expect("nothing was told")
}

fn connected(events: &Receiver<SourceEvent>, back: bool) -> Consumer {
    match next(events) {
        SourceEvent::Connected { consumer, name, again, .. } if again == back && name == "a pipe" => consumer,
        _ => panic!("not connected"),
    }
}

/// Reads until the producer is gone: (frames, and of each block its first frame, its length and when it came).
fn read_all(consumer: &mut Consumer) -> (Vec<f32>, Vec<(u64, usize, Instant)>) {
    let channels = consumer.channels();
    let (mut samples, mut blocks) = (Vec::new(), Vec::new());
    let mut block = vec![0.0; 96_000 * channels];
    let deadline = Instant::now() + Duration::from_secs(20);
    while !consumer.is_abandoned() {
        assert!(Instant::now() < deadline, "it does not end");
        match consumer.read(&mut block) {
            Some(piece) => {
                samples.extend_from_slice(&block[..piece.frames * channels]);
                blocks.push((piece.first_frame, piece.frames, piece.at));
            }
            None => thread::sleep(Duration::from_millis(2)),
        }
    }
    (samples, blocks)
}

#[test]
fn every_sample_comes_in_its_place_however_the_bytes_are_cut() {
    let format = Format { rate_hz: 48_000, channels: 2 };
    let (mut writer, _input, events) = start(format, SampleFormat::S24le);
    let mut consumer = connected(&events, false);
    let frames = 12_000_i32;
    let value = |sample: i32| (sample * 523) % (1 << 23);
    let bytes: Vec<u8> = (0..frames * 2).flat_map(|sample| value(sample).to_le_bytes()[..3].to_vec()).collect();
    thread::spawn(move || {
        // 7 bytes are no sample, 1 and 5 are no frame; at the end two bytes too many.
        for (chunk, wait) in bytes.chunks(7_001).zip([1, 0, 5, 2].into_iter().cycle()) {
            writer.write_all(&chunk[..5]).unwrap();
            thread::sleep(Duration::from_millis(wait));
            writer.write_all(&chunk[5..]).unwrap();
        }
        writer.write_all(&[1, 2]).unwrap();
    });
    let (samples, blocks) = read_all(&mut consumer);
    assert!(matches!(next(&events), SourceEvent::Ended));
    assert_eq!((samples.len() as i32, consumer.dropped_frames()), (frames * 2, 0));
    let wrong = (0..frames * 2).find(|&sample| samples[sample as usize] != value(sample) as f32 / 8_388_608.0);
    assert_eq!(wrong, None);
    assert!(blocks.windows(2).all(|pair| pair[0].0 + pair[0].1 as u64 == pair[1].0));
}

#[test]
fn a_writer_that_is_faster_than_the_audio_waits_and_loses_nothing() {
    let (mut writer, _input, events) = start(MONO, SampleFormat::S16le);
    let mut consumer = connected(&events, false);
    let started = Instant::now();
    // 7 s of audio: 2 s wait in the pipe and 2 s with whoever reads it, and 0.2 s may come before their time.
    let writing = thread::spawn(move || {
        writer.write_all(&vec![1; 7 * 32_000]).unwrap();
        started.elapsed().as_secs_f64()
    });
    let (samples, blocks) = read_all(&mut consumer);
    assert_eq!((samples.len(), consumer.dropped_frames()), (112_000, 0));
    let first = blocks[0].2;
    for (frame, frames, at) in &blocks[1..] {
        let ahead = (frame + *frames as u64) as f64 / 16_000.0 - at.duration_since(first).as_secs_f64();
        assert!(ahead < 2.0 + 0.2 + 0.05, "frame {frame} came {ahead:.3} s before its time");
    }
    let (took, written) = (started.elapsed().as_secs_f64(), writing.join().unwrap());
    assert!((4.7..6.8).contains(&took) && written > 0.5, "7 s were read in {took:.2} s and written in {written:.2} s");
}

#[test]
fn a_front_end_that_is_busy_makes_the_writer_wait() {
    let (mut writer, input, events) = start(MONO, SampleFormat::U8);
    let mut consumer = connected(&events, false);
    // Held up for 2 s as the writer was, then 12 s at once: 10 of them may come, which is what the ring holds.
    writer.write_all(&[128; 1_600]).unwrap();
    thread::sleep(Duration::from_millis(1_500));
    let writing = thread::spawn(move || writer.write_all(&[200; 160_000]));
    thread::sleep(Duration::from_millis(500));
    assert!(consumer.waiting_frames() <= 160_000 && consumer.dropped_frames() == 0);
    let mut block = vec![0.0; 16_000];
    let mut frames = 0;
    while let Some(piece) = consumer.read(&mut block) {
        frames += piece.frames;
    }
    assert!((16_000..60_000).contains(&frames), "{frames} frames in 2 s");
    input.stop();
    assert!(writing.join().unwrap().is_err(), "nobody reads any more");
    assert!(matches!(next(&events), SourceEvent::Ended));
}

#[test]
fn a_writer_that_stalls_is_lost_and_found_again() {
    let (mut writer, _input, events) = start(MONO, SampleFormat::S16le);
    let _first = connected(&events, false);
    writer.write_all(&[0; 3_200]).unwrap();
    let stalled = Instant::now();
    let SourceEvent::Lost { reason, .. } = next(&events) else { panic!("not lost") };
    let after = stalled.elapsed().as_secs_f64();
    assert!((1.9..4.0).contains(&after) && reason.contains("2 s"), "{reason}, after {after:.2} s");
    writer.write_all(&[0; 3_200]).unwrap();
    let mut consumer = connected(&events, true);
    drop(writer);
    let (samples, blocks) = read_all(&mut consumer);
    assert_eq!((samples.len(), blocks[0].0), (1_600, 0));
    assert!(matches!(next(&events), SourceEvent::Ended));
}

#[test]
fn stopping_does_not_wait_for_the_writer() {
    let (writer, input, events) = start(MONO, SampleFormat::F32le);
    let _consumer = connected(&events, false);
    let stopping = Instant::now();
    input.stop();
    assert!(stopping.elapsed() < Duration::from_secs(1), "{:?}", stopping.elapsed());
    assert!(matches!(next(&events), SourceEvent::Ended));
    drop(writer);
}

/// Ten seconds of a voice as samples of `rate_hz`, doubled into `channels`.
fn beckett(rate_hz: u32, channels: usize) -> Vec<f32> {
    let mut file = AudioFile::open(recording("beckett.wav")).unwrap();
    let mut mono = Vec::new();
    while let Some(block) = file.next_block().unwrap() {
        mono.extend_from_slice(block);
    }
    assert_eq!(file.format(), MONO);
    // To 16 kHz from half the rate is to twice it: all that is needed here.
    if rate_hz == 32_000 {
        let mut doubled = Vec::new();
        let mut resampler = Resampler::new(8_000, 512).unwrap();
        resampler.process(&mono, |samples| doubled.extend_from_slice(samples));
        resampler.finish(|samples| doubled.extend_from_slice(samples));
        mono = doubled;
    }
    mono.iter().flat_map(|sample| std::iter::repeat_n(*sample, channels)).collect()
}

/// Pipes `bytes` into `listen --input -`, all at once: (events, standard error, seconds).
fn listen(arguments: &[&str], bytes: Vec<u8>) -> (Option<i32>, Vec<Value>, String, f64) {
    let mut command: Command = auricle();
    command.args(["listen", "--format", "jsonl", "--sounds", "off", "--input", "-"]).args(arguments);
    let (reader, mut writer) = pipe().unwrap();
    let started = Instant::now();
    let program = Program::start_with(&mut command, Stdio::from(reader));
    drop(command);
    let writing = thread::spawn(move || writer.write_all(&bytes));
    let ended = program.finish();
    let _ = writing.join().unwrap();
    let events = ended.lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    (ended.code, events, ended.stderr, started.elapsed().as_secs_f64())
}

fn finals(events: &[Value]) -> String {
    let is_final = |event: &&Value| event["type"] == "caption" && event["state"] == "final";
    let texts: Vec<&str> = events.iter().filter(is_final).map(|event| event["text"].as_str().unwrap()).collect();
    texts.join(" ")
}

#[test]
fn a_voice_is_captioned_in_every_format() {
    let int = |scale: f64, sample: &f32| (f64::from(*sample) * scale) as i32;
    let mono = beckett(16_000, 1);
    let runs: [(&[&str], Vec<u8>); 3] = [
        (&[], mono.iter().flat_map(|s| (int(32_767.0, s) as i16).to_le_bytes()).collect()),
        (
            &["--rate", "32000", "--channels", "2", "--sample-format", "s24le"],
            beckett(32_000, 2).iter().flat_map(|s| int(8_388_607.0, s).to_le_bytes()[..3].to_vec()).collect(),
        ),
        (&["--sample-format", "f32le"], mono.iter().flat_map(|s| s.to_le_bytes()).collect()),
    ];
    let listeners = runs.map(|(arguments, bytes)| thread::spawn(move || listen(arguments, bytes)));
    for listener in listeners {
        let (code, events, stderr, took) = listener.join().unwrap();
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
        assert_beckett(&finals(&events));
        assert!(events.iter().all(|event| event["type"] != "gap"), "a writer that is faster loses nothing");
        assert!(took > 7.0, "10 s, of which a pipe holds 2 s at most, in {took:.1} s");
        let states: Vec<&Value> = events.iter().filter(|event| event["type"] == "device").map(|event| &event["state"]).collect();
        assert_eq!(states, ["open"]);
    }
}

#[test]
fn what_does_not_look_raw_is_said_and_read_all_the_same() {
    let mut bytes = b"RIFF\0\0\0\0WAVEfmt ".to_vec();
    bytes.extend([0; 16_001]);
    let (code, _, stderr, _) = listen(&[], bytes);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("standard input: begins with 'RIFF'") && stderr.contains("ffmpeg"), "{stderr}");
    assert!(stderr.contains("ends with 1 of the 2 bytes of a frame"), "{stderr}");
    let (code, _, stderr, _) = listen(&[], Vec::new());
    assert!(code == Some(0) && stderr.contains("ended before any audio came"), "{stderr}");
}

#[test]
fn what_describes_raw_audio_is_checked() {
    let wrong: [(&[&str], &str); 6] = [
        (&["--input", "talk.wav", "--rate", "8000"], "they go with --input -"),
        (&["--rate", "8000"], "--input"),
        (&["--input", "-", "--rate", "0"], "sample rate is 0 Hz"),
        (&["--input", "-", "--channels", "65"], "65 channels"),
        (&["--input", "-", "--sample-format", "s16be"], "choose one of u8, s16le"),
        (&["--input", "-", "--device", "x"], "--device"),
    ];
    for (arguments, said) in wrong {
        let ended = Program::start(auricle().arg("listen").args(arguments)).finish();
        assert_eq!((ended.code, ended.lines.len()), (Some(2), 0), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn what_is_said_in_a_pause_is_not_heard_afterwards() {
    let (mut writer, input, events) = start(MONO, SampleFormat::S16le);
    let _first = connected(&events, false);
    writer.write_all(&[1; 3_200]).unwrap();
    let pause = input.pausing();
    pause.pause();
    assert!(matches!(next(&events), SourceEvent::Paused { name } if name == "a pipe"));
    // The writer goes on, in pieces that are no whole number of samples, as fast as it plays; nothing of this is to come.
    (0..16).for_each(|_| {
        writer.write_all(&[2; 1_601]).unwrap();
        thread::sleep(Duration::from_millis(50));
    });
    thread::sleep(Duration::from_millis(200));
    pause.resume();
    let mut consumer = connected(&events, true);
    writer.write_all(&[1; 3_200]).unwrap();
    drop(writer);
    let (samples, _) = read_all(&mut consumer);
    let sound = f32::from(i16::from_le_bytes([1, 1])) / 32_768.0;
    assert!(samples.iter().all(|sample| *sample == sound) && samples.len() == 1_600, "{} samples", samples.len());
}
