//! The path from samples to features allocates nothing, and the guard that says so notices when something does.
//!
//! In: blocks of odd sizes, gaps among them. Out: allocations on this thread, counted by `allocation-counter`'s allocator.

use allocation_counter::measure;
use auricle::frontend::recipe::Recipe;
use auricle::frontend::{Features, FrontEnd};
use auricle::store::Model;
use auricle::time::SamplePosition;

fn yamnet() -> Recipe {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/models/yamnet");
    Model::open_folder(folder.as_ref()).and_then(|model| model.section("recipe")).expect("the manifest of YAMNet")
}

/// Pushes blocks of many sizes, with a jump now and then, and returns how many frames came out.
fn push_many(front_end: &mut FrontEnd, samples: &[f32], on_frame: &mut dyn FnMut(u64, &[f32])) -> u64 {
    let sizes = [1, 7, 106, 160, 161, 479, 512, 1023, 4096, samples.len()];
    let mut position = SamplePosition(0);
    let mut frames = 0;
    for (n, size) in sizes.iter().cycle().take(500).enumerate() {
        front_end.push(position, &samples[..*size], &mut |k, mels| {
            frames += 1;
            on_frame(k, mels);
        });
        position = position + *size as u64 + if n % 50 == 49 { 12_345 } else { 0 };
    }
    frames
}

#[test]
fn the_front_end_allocates_nothing() {
    let samples: Vec<f32> = (0..8000).map(|n| (n as f32 * 0.37).sin() * 0.5).collect();
    let mut front_end = FrontEnd::log_mel(&yamnet()).unwrap();
    let (mut frames, mut sum) = (0, 0.0);
    let info = measure(|| {
        frames = push_many(&mut front_end, &samples, &mut |_, mels| sum += mels[0]);
    });
    assert!(frames > 4000, "only {frames} frames");
    assert!(sum.is_finite());
    assert_eq!(info.count_total, 0, "{info:?}");
}

#[test]
fn windows_of_samples_allocate_nothing() {
    let samples: Vec<f32> = (0..8000).map(|n| (n as f32 * 0.37).sin() * 0.5).collect();
    let mut front_end = FrontEnd::new(&Features::Samples { window: 400 }).unwrap();
    let (mut frames, mut sum) = (0, 0.0);
    let info = measure(|| {
        frames = push_many(&mut front_end, &samples, &mut |_, window| sum += window[399]);
    });
    assert!(frames > 1500, "only {frames} windows");
    assert!(sum.is_finite());
    assert_eq!(info.count_total, 0, "{info:?}");
}

#[test]
fn the_guard_notices_one_allocation_among_thousands_of_frames() {
    let samples = vec![0.25; 8000];
    let mut front_end = FrontEnd::log_mel(&yamnet()).unwrap();
    let mut kept = Vec::new();
    let info = measure(|| {
        push_many(&mut front_end, &samples, &mut |k, mels| {
            if k >= 1000 && kept.is_empty() {
                kept = mels.to_vec();
            }
        });
    });
    assert_eq!(kept.len(), 64);
    assert_eq!(info.count_total, 1, "{info:?}");
    assert_eq!(info.bytes_total, 256, "{info:?}");
}
