//! The front end against the float64 reference of `export/`, through the public API.
//!
//! In: `tests/data/yamnet_logmel.json`, made signals and their log-mel. Out: every value within 1e-4, whatever the blocks.

use auricle::frontend::FrontEnd;
use auricle::frontend::recipe::Recipe;
use auricle::store::Model;
use auricle::time::SamplePosition;
use serde::Deserialize;

const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Vector {
    sample_rate_hz: u32,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    samples: Vec<f32>,
    frames: usize,
    mels: usize,
    log_mel: Vec<Vec<f64>>,
}

fn yamnet() -> Recipe {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/models/yamnet");
    Model::open_folder(folder.as_ref()).and_then(|model| model.section("recipe")).expect("the manifest of YAMNet")
}

fn vector() -> Vector {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/yamnet_logmel.json");
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Frames of `samples` from position `start` on, pushed in blocks of `block`.
fn frames(front_end: &mut FrontEnd, start: u64, samples: &[f32], block: usize) -> Vec<(u64, Vec<f32>)> {
    let mut found = Vec::new();
    for (n, part) in samples.chunks(block).enumerate() {
        let position = SamplePosition(start + (n * block) as u64);
        front_end.push(position, part, &mut |k, mels| found.push((k, mels.to_vec())));
    }
    found
}

#[test]
fn log_mel_equals_the_float64_reference() {
    let vector = vector();
    assert_eq!(vector.sample_rate_hz, auricle::time::SAMPLE_RATE);
    assert!(!vector.cases.is_empty());
    for case in &vector.cases {
        assert_eq!(case.log_mel.len(), case.frames, "{}", case.name);
        for block in [1, 160, 441, case.samples.len()] {
            let found = frames(&mut FrontEnd::log_mel(&yamnet()).unwrap(), 0, &case.samples, block);
            assert_eq!(found.len(), case.frames, "frames of {}", case.name);
            let mut worst: f64 = 0.0;
            for (number, ((k, mels), expected)) in found.iter().zip(&case.log_mel).enumerate() {
                assert_eq!(*k, number as u64);
                assert_eq!((mels.len(), expected.len()), (case.mels, case.mels));
                let off = mels.iter().zip(expected).map(|(found, expected)| (f64::from(*found) - expected).abs());
                worst = off.fold(worst, f64::max);
            }
            assert!(worst <= TOLERANCE, "{}: {worst} off in blocks of {block}", case.name);
        }
    }
}

#[test]
fn a_gap_restarts_at_the_next_hop_and_frames_keep_their_place_in_time() {
    let vector = vector();
    let case = &vector.cases[0];
    let whole = frames(&mut FrontEnd::log_mel(&yamnet()).unwrap(), 0, &case.samples, 441);
    let mut front_end = FrontEnd::log_mel(&yamnet()).unwrap();
    let before = frames(&mut front_end, 0, &case.samples[..1000], 333);
    assert_eq!(before, whole[..4]);
    // Samples 1000 to 1499 never arrive: frame 10, at 1600, is the first whole one after them.
    let after = frames(&mut front_end, 1500, &case.samples[1500..], 333);
    assert_eq!(after, whole[10..]);
}
