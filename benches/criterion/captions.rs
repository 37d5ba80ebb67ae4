//! What a refresh of a caption goes through: reading two seconds of speech, with and without a draft, new or heard but for its end,
//! and local agreement.
//!
//! In: Moonshine tiny and the recording that comes with it, from where the program looks for models; without them readings are
//! left out, and a line says so. Out: the time of one reading or of the updates of one segment.

use std::cell::RefCell;
use std::hint::black_box;
use std::time::Duration;

use auricle::bench::model::speech;
use auricle::decode::alignment::Span;
use auricle::decode::{HypothesisWord, Prior};
use auricle::model::Transcriber;
use auricle::model::moonshine::Moonshine;
use auricle::runtime::{self, GraphSettings};
use auricle::speech::AgreementSettings;
use auricle::speech::agreement::Agreement;
use auricle::store::{Model, Places};
use auricle::time::SAMPLE_RATE;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

/// The model and, in its folder, the recording.
const MODEL: &str = "moonshine-tiny-en";
const RECORDING: &str = "two_cities.wav";
/// What is read, seconds.
const PIECE_S: usize = 2;
/// Words of a segment of 15 s.
const SEGMENT_WORDS: usize = 40;
/// Samples from one word, and from one reading, to the next.
const WORD: usize = 6_000;
const REFRESH: usize = 4_800;

fn load() -> auricle::Result<(Moonshine, Vec<f32>)> {
    runtime::load_library(None)?;
    let model = Model::open(&Places::find(), MODEL)?;
    let recording = speech(&model.folder().join(RECORDING))?;
    Ok((Moonshine::load(&model, GraphSettings::default())?, recording))
}

fn reading(criterion: &mut Criterion) {
    let (mut moonshine, recording) = match load() {
        Ok(loaded) => loaded,
        Err(error) => return eprintln!("readings: left out: {error}; 'make models library' brings what they need"),
    };
    let length = (PIECE_S * SAMPLE_RATE as usize).min(recording.len().saturating_sub(1));
    let piece = &recording[..length];
    // By turns, so that nothing of what is read was heard just before.
    let mut turns = [piece, &recording[1..=length]].into_iter().cycle();
    let mut new = || turns.next().unwrap_or(piece);
    let read = moonshine.transcribe(piece, Prior::default()).expect("speech is read").tokens;
    let mut group = criterion.benchmark_group("reading");
    group.sample_size(30);
    group.bench_function("2 s, no draft", |bencher| {
        bencher.iter(|| moonshine.transcribe(black_box(new()), Prior::default()));
    });
    group.bench_function("2 s, all in the draft", |bencher| {
        bencher.iter(|| moonshine.transcribe(black_box(new()), Prior::draft(&read)));
    });
    let moonshine = RefCell::new(moonshine);
    group.bench_function("2 s, all in the draft, all but 0.3 s heard before", |bencher| {
        bencher.iter_batched(
            || moonshine.borrow_mut().transcribe(&piece[..length.saturating_sub(REFRESH)], Prior::draft(&read)),
            |_| moonshine.borrow_mut().transcribe(black_box(piece), Prior::draft(&read)),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// The readings of a segment as it grows: at each the words that began by then, the last of them misread every other time.
fn growing_segment() -> Vec<(Vec<HypothesisWord>, u64)> {
    let word = |index: usize, text: String| HypothesisWord {
        text,
        probability: 0.9,
        weakest: 0.8,
        said: Some(Span { start: (index * WORD) as u64, end: (index * WORD + WORD / 2) as u64 }),
        tokens: index..index + 1,
        given: false,
    };
    (1..SEGMENT_WORDS * WORD / REFRESH)
        .map(|refresh| {
            let until = refresh * REFRESH;
            let last = until / WORD;
            let text =
                |index: usize| if index == last && refresh % 2 == 0 { format!("w{index}s") } else { format!("word{index}") };
            ((0..=last).map(|index| word(index, text(index))).collect(), until as u64)
        })
        .collect()
}

fn agreement(criterion: &mut Criterion) {
    let readings = growing_segment();
    let name = format!("agreement/{} readings of a segment of 15 s", readings.len());
    criterion.bench_function(&name, |bencher| {
        bencher.iter_batched(
            || Agreement::new(AgreementSettings::default()),
            |mut agreement| {
                for (words, until) in &readings {
                    black_box(agreement.update(words, *until));
                }
            },
            BatchSize::SmallInput,
        );
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(4));
    targets = reading, agreement
}
criterion_main!(benches);
