//! Captions of an audio file, as fast as the machine allows: the library in one page.
//!
//! `cargo run --release --example captions -- speech.wav`

use auricle::audio::file::AudioFile;
use auricle::event::{CaptionState, EventBody, SoundState};
use auricle::{EngineSettings, Engines, Pace, Session};

fn main() -> auricle::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "models/moonshine-tiny-en/beckett.wav".to_owned());
    let mut file = AudioFile::open(&path)?;

    // Weights are loaded once; any number of sessions may share them.
    let engines = Engines::load(&EngineSettings::default())?;
    let mut session = Session::builder().engines(engines).pace(Pace::Virtual).input(file.format()).build()?;
    let events = session.events();

    while let Some(block) = file.next_block()? {
        session.push(block)?;
        events.waiting().for_each(|event| print(&event.body));
    }
    // Speech that nobody ended becomes a final caption here.
    session.finish()?;
    events.for_each(|event| print(&event.body));
    Ok(())
}

fn print(event: &EventBody) {
    match event {
        EventBody::Caption(caption) if caption.state == CaptionState::Final => {
            println!("{:7.2} s  {}", caption.start.seconds(), caption.text);
        }
        EventBody::Sound(sound) if sound.state == SoundState::Start => {
            println!("{:7.2} s  [{}]", sound.start.seconds(), sound.label);
        }
        _ => {}
    }
}
