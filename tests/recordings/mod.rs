//! The demo recordings, which come with Moonshine tiny, at the rate that models hear.

use std::path::Path;

use auricle::audio::file::AudioFile;
use auricle::audio::pcm::Format;

/// A recording of one channel at 16 or 48 kHz, the latter with every third sample kept after a mean of three: enough for speech.
pub fn samples_of(name: &str) -> Vec<f32> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/moonshine-tiny-en");
    let mut file = AudioFile::open(folder.join(name)).expect("'make models' fetches the recording");
    let format = file.format();
    let mut samples = Vec::new();
    while let Some(block) = file.next_block().unwrap() {
        samples.extend_from_slice(block);
    }
    if format == Format::new(16_000, 1).unwrap() {
        return samples;
    }
    assert_eq!(format, Format::new(48_000, 1).unwrap());
    samples.chunks_exact(3).map(|three| three.iter().sum::<f32>() / 3.0).collect()
}
