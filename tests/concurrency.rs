//! Threads against each other: a ring whose ends stall, and whole live sessions that are fed, read, cut off and ended at once.
//!
//! No model is needed here, so that `make sanitize` can run it under a thread sanitizer, which sees no data races in a library that was
//! not built for it: ONNX Runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use auricle::audio::pcm::{ChannelChoice, Format};
use auricle::audio::ring::ring;
use auricle::audio::source::SourceEvent;
use auricle::event::{DeviceState, EventBody};
use auricle::{EngineSettings, Engines, Event, Session};

/// A small reproducible generator (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }
}

fn value(frame: u64, channel: usize) -> f32 {
    ((frame * 7 + channel as u64) % 16_000_057) as f32
}

/// Both ends work, rest and stall for longer than the ring lasts: every frame pushed was read at its place or counted as dropped.
#[test]
fn stalls_on_either_side_lose_by_count() {
    let (channels, capacity) = (2, 1_600);
    for seed in 1..=3 {
        let (mut producer, mut consumer) = ring(channels, capacity, 64);
        let pushing = thread::spawn(move || {
            let (mut random, started, mut next) = (Random(seed), Instant::now(), 0_u64);
            while started.elapsed() < Duration::from_millis(800) {
                let frames = 1 + random.below(200);
                let block: Vec<f32> = (next..next + frames).flat_map(|frame| [value(frame, 0), value(frame, 1)]).collect();
                producer.push(next, &block, Instant::now());
                next += frames;
                match random.below(100) {
                    0 => thread::sleep(Duration::from_millis(20)),
                    1..20 => thread::sleep(Duration::from_micros(300)),
                    _ => {}
                }
            }
            (next, producer.dropped_frames())
        });
        let (mut random, mut out) = (Random(seed + 10), vec![0.0; 512 * channels]);
        let (mut next, mut read, mut lost) = (0_u64, 0_u64, 0_u64);
        loop {
            let over = consumer.is_abandoned();
            let room = channels * (1 + random.below(512) as usize);
            match consumer.read(&mut out[..room]) {
                Some(piece) => {
                    assert!(piece.first_frame >= next, "in order");
                    lost += piece.first_frame - next;
                    let frames = out[..piece.frames * channels].chunks(channels).zip(piece.first_frame..);
                    for (frame, number) in frames {
                        assert_eq!(frame, [value(number, 0), value(number, 1)]);
                    }
                    read += piece.frames as u64;
                    next = piece.first_frame + piece.frames as u64;
                }
                None if over => break,
                None => thread::yield_now(),
            }
            if random.below(2_000) == 0 {
                thread::sleep(Duration::from_millis(15));
            }
        }
        let (pushed, dropped) = pushing.join().unwrap();
        lost += pushed - next;
        println!("{pushed} frames pushed, {read} read, {dropped} dropped");
        assert_eq!((read + dropped, lost, consumer.dropped_frames()), (pushed, dropped, dropped));
        assert!(read > 0 && dropped > 0, "both happened");
    }
}

/// Reads events until they end: all are in order, none twice.
fn follow(events: auricle::Events, slow: bool) -> Vec<Event> {
    let mut seen: Vec<Event> = Vec::new();
    for event in events {
        assert!(seen.last().is_none_or(|last| event.seq > last.seq));
        seen.push(event);
        if slow {
            thread::sleep(Duration::from_micros(200));
        }
    }
    seen
}

/// Live sessions without models: a source that connects, breaks off and comes back in other formats, readers quick and slow, a meter
/// that is read all the time, and an end in the middle of it.
#[test]
fn sessions_are_fed_read_cut_off_and_ended_at_once() {
    let settings = EngineSettings { captions: None, sounds: None, ..EngineSettings::default() };
    let engines = Engines::load(&settings).unwrap();
    for seed in 1..=8_u64 {
        let mut session = Session::builder().engines(Arc::clone(&engines)).channel(ChannelChoice::Mix).build().unwrap();
        let readers = [false, true].map(|slow| {
            let events = session.events();
            thread::spawn(move || follow(events, slow))
        });
        let over = Arc::new(AtomicBool::new(false));
        let (meter, watching) = (session.meter(), Arc::clone(&over));
        let watcher = thread::spawn(move || {
            let mut looked = 0_u64;
            while !watching.load(Ordering::Relaxed) {
                assert!(meter.level_dbfs() >= -120.0 && meter.lag_s().is_finite());
                looked += 1;
                thread::yield_now();
            }
            looked
        });
        let sources = session.sources().unwrap();
        let feeder = thread::spawn(move || {
            let mut random = Random(seed * 77);
            for turn in 0..6_u64 {
                let format =
                    [Format { rate_hz: 16_000, channels: 1 }, Format { rate_hz: 48_000, channels: 2 }][random.below(2) as usize];
                let channels = usize::from(format.channels);
                let (mut producer, consumer) = ring(channels, format.rate_hz as usize / 4, 64);
                let connected = SourceEvent::Connected { consumer, format, name: "stress".to_owned(), again: turn > 0 };
                if sources.send(connected).is_err() {
                    return;
                }
                let mut frame = 0;
                for _ in 0..20 + random.below(40) {
                    let frames = 1 + random.below(900);
                    producer.push(frame, &vec![0.25; frames as usize * channels], Instant::now());
                    // Now and then some are lost before they come.
                    frame += frames + if random.below(20) == 0 { 480 } else { 0 };
                    thread::sleep(Duration::from_micros(random.below(2_000)));
                }
                drop(producer);
                if random.below(2) == 0 {
                    let _ = sources.send(SourceEvent::Lost { name: "stress".to_owned(), reason: "a test".to_owned() });
                }
            }
            let _ = sources.send(SourceEvent::Ended);
        });
        // In the middle of it, or after its end.
        thread::sleep(Duration::from_millis(Random(seed).below(400)));
        let ending = Instant::now();
        session.finish().unwrap();
        assert!(ending.elapsed() < Duration::from_secs(2), "{:?}", ending.elapsed());
        feeder.join().unwrap();
        let [quick, slow] = readers.map(|reader| reader.join().unwrap());
        assert_eq!(quick, slow, "every reader is told the same");
        over.store(true, Ordering::Relaxed);
        assert!(watcher.join().unwrap() > 0);
        let state = |event: &Event| match &event.body {
            EventBody::Device(device) => Some(device.state),
            _ => None,
        };
        let states: Vec<DeviceState> = quick.iter().filter_map(state).collect();
        assert!(states.first().is_none_or(|first| *first == DeviceState::Open), "{states:?}");
        println!("{} events, {states:?}", quick.len());
    }
}
