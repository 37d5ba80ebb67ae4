//! A live session fed by a program: blocks are pushed as they come, another thread shows captions that roll.
//!
//! `cargo run --release --example live -- speech.wav` plays the file to the session in real time; a program with audio of its own
//! would push that instead.

use std::thread;
use std::time::{Duration, Instant};

use auricle::audio::file::AudioFile;
use auricle::event::{CaptionState, EventBody};
use auricle::{EngineSettings, Engines, Session};

fn main() -> auricle::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "models/moonshine-tiny-en/beckett.wav".to_owned());
    let mut file = AudioFile::open(&path)?;
    let format = file.format();

    let engines = Engines::load(&EngineSettings { sounds: None, ..EngineSettings::default() })?;
    let mut session = Session::builder().engines(engines).input(format).build()?;
    let (events, meter) = (session.events(), session.meter());

    let reader = thread::spawn(move || {
        for event in events {
            let EventBody::Caption(caption) = event.body else { continue };
            // What is committed is never taken back; the rest may still change.
            let open = &caption.text[caption.committed.len()..];
            let mark = if caption.state == CaptionState::Final { '=' } else { '~' };
            println!("{mark} {}|{open}   ({:.2} s behind)", caption.committed, meter.lag_s());
        }
    });

    let start = Instant::now();
    let mut frames = 0;
    while let Some(block) = file.next_block()? {
        frames += block.len() / usize::from(format.channels);
        let due = start + Duration::from_secs_f64(frames as f64 / f64::from(format.rate_hz));
        thread::sleep(due.saturating_duration_since(Instant::now()));
        session.push(block)?;
    }
    session.finish()?;
    drop(session);
    if reader.join().is_err() {
        eprintln!("the reader stopped early");
    }
    Ok(())
}
