//! Bytes of anything as an audio file, through our reader: it gives frames or an error, in bounded steps, and comes to its end.
#![no_main]

use std::io::Cursor;
use std::path::Path;

use auricle::audio::file::AudioFile;
use libfuzzer_sys::fuzz_target;
use symphonia::core::io::ReadOnlySource;

/// Frames after which a file has shown that it makes progress: some hold hours of silence in a few bytes.
const ENOUGH_FRAMES: usize = 400_000;

/// A panic of a decoder that is not ours costs its file and no more (`contained` in src/audio/file.rs): it is told, and one of ours is a
/// crash.
fn tell_of_panics() {
    let ours = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| match panic.location() {
        Some(place) if place.file().contains("symphonia") => eprintln!("contained: {place}"),
        _ => ours(panic),
    }));
}

fuzz_target!(init: tell_of_panics(), |file: &[u8]| {
    // The last byte also says whether it can be sought in, as a file can and a pipe cannot, and what its name promises.
    let Some(&how) = file.last() else { return };
    let name = ["a.wav", "a.flac", "a.mp3", "a.ogg", "a.m4a", "a"][usize::from(how >> 1) % 6];
    let bytes = Cursor::new(file.to_vec());
    let source = if how & 1 == 0 { Box::new(bytes) as _ } else { Box::new(ReadOnlySource::new(bytes)) as _ };
    let Ok(mut audio) = AudioFile::from_source(source, Path::new(name)) else { return };
    let channels = usize::from(audio.format().channels);
    let mut frames = 0;
    while let Ok(Some(block)) = audio.next_block() {
        assert!(!block.is_empty() && block.len().is_multiple_of(channels), "a block of {} samples", block.len());
        frames += block.len() / channels;
        if frames > ENOUGH_FRAMES {
            return;
        }
    }
    assert!(matches!(audio.next_block(), Ok(None)), "what failed or ended is at its end");
});
