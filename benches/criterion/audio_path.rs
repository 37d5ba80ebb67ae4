//! What every sample goes through: the ring, resampling, windows and log-mel.
//!
//! In: made noise in blocks as a device delivers them. Out: the time a block or hop takes.

use std::hint::black_box;
use std::time::{Duration, Instant};

use auricle::audio::resample::Resampler;
use auricle::audio::ring;
use auricle::frontend::recipe::Recipe;
use auricle::frontend::{Features, FrontEnd};
use auricle::time::SamplePosition;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Frames of a block of 10 ms at 48 kHz.
const BLOCK: usize = 480;

/// Noise in [-0.5, 0.5) that is the same in every run.
fn noise(samples: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1_u32 << 24) as f32 - 0.5
    };
    (0..samples).map(|_| next()).collect()
}

fn ring_push_pop(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ring");
    let block = noise(2 * BLOCK);
    let mut read = vec![0.0; block.len()];
    let (mut producer, mut consumer) = ring::ring(2, 10 * BLOCK, 64);
    let (mut frame, at) = (0_u64, Instant::now());
    group.throughput(Throughput::Elements(BLOCK as u64));
    group.bench_function("push and pop, 480 stereo frames", |bencher| {
        bencher.iter(|| {
            producer.push(frame, black_box(&block), at);
            frame += BLOCK as u64;
            black_box(consumer.read(&mut read))
        });
    });
    group.finish();
}

fn resampling(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("resampling");
    let block = noise(BLOCK);
    group.throughput(Throughput::Elements(BLOCK as u64));
    for from_hz in [48_000, 44_100] {
        let mut resampler = Resampler::new(from_hz, BLOCK).expect("a rate in range");
        group.bench_function(format!("{from_hz} Hz to 16 kHz, 480 frames"), |bencher| {
            bencher.iter(|| resampler.process(black_box(&block), |ready| _ = black_box(ready)));
        });
    }
    group.finish();
}

fn front_end(criterion: &mut Criterion) {
    let cases = [
        ("front end/window and log-mel, a hop of 10 ms", Features::LogMel(Recipe::ALARMS)),
        ("front end/window of samples, 25 ms", Features::Samples { window: 400 }),
    ];
    for (name, features) in cases {
        let hop = noise(features.hop());
        let mut front_end = FrontEnd::new(&features).expect("sound features");
        let mut start = SamplePosition(0);
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| {
                front_end.push(start, black_box(&hop), &mut |_, frame| _ = black_box(frame));
                start = SamplePosition(start.0 + hop.len() as u64);
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    targets = ring_push_pop, resampling, front_end
}
criterion_main!(benches);
