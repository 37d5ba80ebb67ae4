//! A file as if it were live: every sample in its place, on time, and over when it is over.

mod wav;

use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use auricle::ErrorKind;
use auricle::audio::file::AudioFile;
use auricle::audio::paced;
use auricle::audio::pcm::Format;
use auricle::audio::ring::Consumer;
use auricle::audio::source::SourceEvent;

fn file(folder: &Path, rate_hz: u32, channels: u16, frames: usize) -> AudioFile {
    let samples: Vec<i16> = (0..frames * usize::from(channels)).map(|n| (n % 30_000) as i16).collect();
    let path = folder.join("paced.wav");
    std::fs::write(&path, wav::wav(wav::INTEGER, 16, rate_hz, channels, &wav::bytes_of(&samples))).unwrap();
    AudioFile::open(path).unwrap()
}

fn connected(events: &mpsc::Receiver<SourceEvent>) -> (Consumer, Format, String) {
    match events.recv_timeout(Duration::from_secs(5)) {
        Ok(SourceEvent::Connected { consumer, format, name, again: false }) => (consumer, format, name),
        _ => panic!("not connected"),
    }
}

#[test]
fn blocks_come_when_they_are_due_and_none_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    // 1.005 s in stereo: the last block is half as long.
    let file = file(folder.path(), 44_100, 2, 44_320);
    let (sender, events) = mpsc::channel();
    let started = Instant::now();
    let _playing = paced::start(file, 1.0, sender).unwrap();
    let (mut consumer, format, name) = connected(&events);
    assert_eq!((format, name.as_str()), (Format { rate_hz: 44_100, channels: 2 }, "paced.wav"));
    assert!(matches!(events.recv_timeout(Duration::from_secs(5)), Ok(SourceEvent::Ended)));
    let took = started.elapsed().as_secs_f64();
    assert!((1.0049..1.6).contains(&took), "{took} s");

    let mut block = [0.0; 882];
    let (mut next, mut sizes) = (0, Vec::new());
    while let Some(piece) = consumer.read(&mut block) {
        assert_eq!(piece.first_frame, next);
        let sample = next as usize * 2;
        assert_eq!(block[0], (sample % 30_000) as f32 / 32_768.0);
        assert_eq!(block[piece.frames * 2 - 1], ((sample + piece.frames * 2 - 1) % 30_000) as f32 / 32_768.0);
        next += piece.frames as u64;
        sizes.push(piece.frames);
        assert!(piece.at.duration_since(started).as_secs_f64() >= next as f64 / 44_100.0, "early at {next}");
    }
    assert_eq!((next, sizes.len(), sizes[0], sizes[100]), (44_320, 101, 441, 220));
    assert_eq!(consumer.dropped_frames(), 0);
    assert!(consumer.is_abandoned());
}

#[test]
fn speed_scales_time_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (sender, events) = mpsc::channel();
    let started = Instant::now();
    let _playing = paced::start(file(folder.path(), 16_000, 1, 64_000), 20.0, sender).unwrap();
    let (mut consumer, ..) = connected(&events);
    assert!(matches!(events.recv_timeout(Duration::from_secs(5)), Ok(SourceEvent::Ended)));
    let took = started.elapsed().as_secs_f64();
    assert!((0.2..1.0).contains(&took), "{took} s");
    let mut block = vec![0.0; 64_000];
    let mut frames = 0;
    while let Some(piece) = consumer.read(&mut block) {
        frames += piece.frames;
    }
    assert_eq!(frames, 64_000);
    for speed in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let (sender, _events) = mpsc::channel();
        let error = paced::start(file(folder.path(), 16_000, 1, 10), speed, sender).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn stopping_ends_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (sender, events) = mpsc::channel();
    let playing = paced::start(file(folder.path(), 16_000, 1, 160_000), 0.01, sender).unwrap();
    let (consumer, ..) = connected(&events);
    let stopping = Instant::now();
    playing.stop();
    assert!(stopping.elapsed() < Duration::from_millis(500));
    assert!(matches!(events.recv_timeout(Duration::from_secs(1)), Ok(SourceEvent::Ended)));
    assert!(consumer.is_abandoned());
}

#[test]
fn a_consumer_that_sleeps_loses_by_count() {
    let folder = tempfile::tempdir().unwrap();
    let (sender, events) = mpsc::channel();
    // 20 s into a ring of 10 s.
    let _playing = paced::start(file(folder.path(), 16_000, 1, 320_000), 100.0, sender).unwrap();
    let (mut consumer, ..) = connected(&events);
    assert!(matches!(events.recv_timeout(Duration::from_secs(5)), Ok(SourceEvent::Ended)));
    assert_eq!((consumer.waiting_frames(), consumer.dropped_frames()), (160_000, 160_000));
    let mut block = vec![0.0; 1_000];
    let mut frames = 0;
    while let Some(piece) = consumer.read(&mut block) {
        frames += piece.frames;
    }
    assert_eq!(frames, 160_000);
}
