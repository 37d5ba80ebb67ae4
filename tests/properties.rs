//! Properties that hold whatever comes in: windows, resampling, agreement, endpointing, the clock, the ring.

use auricle::audio::resample::{Resampler, resampled_length};
use auricle::audio::ring::ring;
use auricle::decode::HypothesisWord;
use auricle::decode::alignment::Span;
use auricle::event::EndReason;
use auricle::frontend::window::Windows;
use auricle::speech::agreement::Agreement;
use auricle::speech::endpoint::{EndpointSettings, Endpointer, Transition};
use auricle::speech::{AgreementSettings, CommitRule};
use auricle::time::{ClockMap, SamplePosition, samples_in};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// As many cases as a debug build runs in seconds.
fn cases(number: u32) -> ProptestConfig {
    ProptestConfig { cases: number, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() }
}

/// `samples` cut into blocks of `lengths`, over and over.
fn blocks<'a>(samples: &'a [f32], lengths: &'a [usize]) -> impl Iterator<Item = &'a [f32]> {
    let mut rest = samples;
    lengths.iter().cycle().map_while(move |length| {
        let (block, after) = (!rest.is_empty()).then(|| rest.split_at((*length).min(rest.len())))?;
        rest = after;
        Some(block)
    })
}

proptest! {
    #![proptest_config(cases(200))]

    /// Window k is the samples from k x hop on: each window once, in order, none missing, whatever the blocks and the jumps.
    #[test]
    fn windows_hold_every_sample_once_at_its_place(
        window in 1_usize..600,
        hop in 1_usize..700,
        lengths in vec(1_usize..900, 1..8),
        stretches in vec((0_u64..3_000, 1_usize..4_000), 1..5),
    ) {
        let mut windows = Windows::new(window, hop).unwrap();
        let (mut start, mut found, mut due) = (0, Vec::new(), Vec::new());
        for (gap, length) in stretches {
            start += gap;
            let samples: Vec<f32> = (start..start + length as u64).map(|position| position as f32).collect();
            let mut at = start;
            for block in blocks(&samples, &lengths) {
                windows.push(SamplePosition(at), block, |k, window| found.push((k, window.to_vec())));
                at += block.len() as u64;
            }
            // A stretch that goes on where the last ended is one with it.
            match due.last_mut() {
                Some((_, end)) if gap == 0 => *end = at,
                _ => due.push((start, at)),
            }
            start = at;
        }
        let mut expected = Vec::new();
        for (from, to) in due {
            let first = from.div_ceil(hop as u64);
            expected.extend((first..).take_while(|k| k * hop as u64 + window as u64 <= to));
        }
        prop_assert_eq!(found.iter().map(|(k, _)| *k).collect::<Vec<_>>(), expected);
        for (k, samples) in found {
            prop_assert!(samples.iter().zip(k * hop as u64..).all(|(sample, position)| *sample == position as f32));
        }
    }

    /// Endpointing cuts the same segments in whatever order probabilities come: ordered, apart, bounded, and with all that is surely speech
    /// in one.
    #[test]
    fn segments_are_in_order_apart_and_hold_all_that_is_speech(
        runs in vec((0_u8..4, 1_usize..120), 1..30),
        noise in vec(0.0_f32..1.0, 64),
        energies in vec(0.0_f32..1.0, 64),
    ) {
        const WINDOW: u64 = 512;
        // Silence, speech, doubt, anything: for so many windows.
        let probability = |kind: u8, n: usize| match kind {
            0 => 0.05,
            1 => 0.95,
            2 => 0.4,
            _ => noise[n % noise.len()],
        };
        let probabilities: Vec<f32> =
            runs.iter().flat_map(|(kind, length)| std::iter::repeat_n(*kind, *length)).enumerate().map(|(n, kind)| probability(kind, n)).collect();
        let settings = EndpointSettings::default();
        let mut endpointer = Endpointer::new(settings.clone());
        let mut transitions = Vec::new();
        for (n, probability) in probabilities.iter().enumerate() {
            let start = SamplePosition(n as u64 * WINDOW);
            transitions.extend(endpointer.window(start, start + WINDOW, *probability, energies[n % 64]).into_iter().flatten());
        }
        let over = SamplePosition(probabilities.len() as u64 * WINDOW);
        transitions.extend(endpointer.force_end(over, EndReason::Stop));
        let (mut open, mut segments) = (None, Vec::new());
        for transition in transitions {
            match transition {
                Transition::Start { start } => {
                    prop_assert!(open.is_none(), "one segment at a time");
                    open = Some(start);
                }
                Transition::End { start, end, .. } => {
                    prop_assert_eq!(open.take(), Some(start));
                    segments.push((start, end));
                }
            }
        }
        prop_assert!(open.is_none(), "the last segment was ended");
        let longest = samples_in(settings.maximum_s) + WINDOW;
        for (start, end) in &segments {
            prop_assert!(end > start && end.since(*start) <= longest && *end <= over, "{start:?} to {end:?}");
        }
        prop_assert!(segments.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{segments:?}");
        // A stretch that is surely speech and long enough lies in segments without a hole.
        let minimum = samples_in(settings.minimum_s).div_ceil(WINDOW) as usize;
        let mut n = 0;
        while n < probabilities.len() {
            let length = probabilities[n..].iter().take_while(|p| **p >= settings.start).count();
            if length >= minimum {
                let (from, to) = (SamplePosition(n as u64 * WINDOW), SamplePosition((n + length) as u64 * WINDOW));
                let mut covered = from;
                for (start, end) in &segments {
                    if *start <= covered && *end > covered {
                        covered = *end;
                    }
                }
                prop_assert!(covered >= to, "speech from {from:?} to {to:?} is in segments up to {covered:?}: {segments:?}");
            }
            n += length.max(1);
        }
    }

    /// A reading may say anything at any time: what is committed is never taken back, stays the beginning of all that follows, and is
    /// part of what is stable, which is part of what is shown.
    #[test]
    fn what_is_committed_is_never_taken_back(
        readings in vec((vec((0_usize..6, 0.0_f32..1.0, any::<bool>()), 0..9), 0_u64..20_000), 1..30),
        passes in 1_u32..4,
        after_s in 0.0..0.5_f64,
        forgets in vec(0_usize..3, 30),
    ) {
        const WORDS: [&str; 6] = ["the", "The,", "fox", "foxes", "jumps.", "over"];
        let rule = CommitRule { passes, lasting_s: 0.0, after_s, probability: 0.2, around: 0.0 };
        let settings = AgreementSettings { rules: vec![rule], ..AgreementSettings::default() };
        let mut agreement = Agreement::new(settings);
        let (mut until, mut committed, mut forgotten) = (0, String::new(), 0);
        let word = |place: usize, (word, probability, timed): (usize, f32, bool), until: u64| HypothesisWord {
            text: WORDS[word].to_owned(),
            probability,
            weakest: probability,
            said: timed.then(|| Span { start: (place as u64 * 4_000).min(until), end: (place as u64 * 4_000 + 3_500).min(until) }),
            tokens: 0..0,
            given: false,
        };
        for ((words, longer), forget) in readings.into_iter().zip(forgets) {
            until += longer;
            let hypothesis: Vec<HypothesisWord> =
                words.into_iter().enumerate().map(|(place, spec)| word(place + forgotten, spec, until)).collect();
            let line = agreement.update(&hypothesis, until);
            prop_assert!(line.committed().starts_with(&committed), "{:?} became {:?}", committed, line.committed());
            prop_assert!(line.stable().starts_with(line.committed()) && line.text().starts_with(line.stable()));
            prop_assert_eq!(line.words().iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" "), line.text());
            let spans: Vec<Span> = line.words().iter().filter_map(|word| word.said).collect();
            prop_assert!(spans.windows(2).all(|pair| pair[0].start <= pair[0].end && pair[0].end <= pair[1].start), "{spans:?}");
            committed = line.committed().to_owned();
            if forget > 0 {
                let before = agreement.committed();
                agreement.forget(forget.min(before));
                forgotten += before - agreement.committed();
            }
        }
        let (last, _) = agreement.finish(&[]);
        prop_assert!(last.text().starts_with(&committed) && last.committed() == last.text());
    }
}

proptest! {
    #![proptest_config(cases(40))]

    /// An impulse comes out where it went in, within a sample, at any rate and however the input is cut; and the length is right.
    #[test]
    fn an_impulse_stays_within_a_sample_of_its_place(
        rate_hz in prop_oneof![Just(8_000_u32), Just(44_100), Just(48_000), Just(96_000), 4_000_u32..100_000],
        place in 0.2..0.8_f64,
        lengths in vec(1_usize..2_000, 1..6),
        block in 1_usize..1_024,
    ) {
        let frames = rate_hz as usize / 8;
        let at = (frames as f64 * place) as usize;
        let mut samples = vec![0.0; frames];
        samples[at] = 1.0;
        let mut resampler = Resampler::new(rate_hz, block).unwrap();
        let mut output = Vec::new();
        blocks(&samples, &lengths).for_each(|block| resampler.process(block, |out| output.extend_from_slice(out)));
        resampler.finish(|out| output.extend_from_slice(out));
        prop_assert_eq!(output.len() as u64, resampled_length(frames as u64, rate_hz));
        let peak = (0..output.len()).max_by(|&a, &b| output[a].abs().total_cmp(&output[b].abs())).unwrap();
        let due = at as f64 * 16_000.0 / f64::from(rate_hz);
        // Below 16 kHz an impulse is as wide as its own samples.
        prop_assert!((peak as f64 - due).abs() <= 1.0, "{} Hz: {} is at {}", rate_hz, due, peak);
    }

    /// The same audio is the same whatever the blocks it came in.
    #[test]
    fn resampling_does_not_depend_on_blocks(
        rate_hz in prop_oneof![Just(8_000_u32), Just(22_050), Just(44_100), Just(48_000)],
        noise in vec(-1.0_f32..1.0, 1_000..4_000),
        lengths in vec(1_usize..700, 1..6),
    ) {
        let convert = |block: usize, lengths: &[usize]| {
            let mut resampler = Resampler::new(rate_hz, block).unwrap();
            let mut output = Vec::new();
            blocks(&noise, lengths).for_each(|block| resampler.process(block, |out| output.extend_from_slice(out)));
            resampler.finish(|out| output.extend_from_slice(out));
            output
        };
        let (whole, pieces) = (convert(480, &[480]), convert(333, &lengths));
        prop_assert_eq!(whole.len(), pieces.len());
        prop_assert!(whole.iter().zip(&pieces).all(|(a, b)| (a - b).abs() < 1e-5));
    }

    /// What a device of any latency, drift and jitter reports: when samples were due moves on steadily, is never after they came nor
    /// long before, and nothing is missing that was not.
    #[test]
    fn the_clock_follows_a_device_and_finds_nothing_missing_that_was_not(
        rate_hz in prop_oneof![Just(16_000_u32), Just(44_100), Just(48_000)],
        latency_s in 0.0..2.0_f64,
        drift_ppm in -400.0..400.0_f64,
        jitter in vec(0.0..0.15_f64, 50),
        lengths in vec(0.002..0.1_f64, 7),
    ) {
        let rate = f64::from(rate_hz);
        let mut map = ClockMap::new(rate_hz);
        let (mut frames, mut earlier_due) = (0_u64, f64::NEG_INFINITY);
        for n in 0..3_000_usize {
            frames += (lengths[n % lengths.len()] * rate) as u64;
            let ideal = frames as f64 / rate * (1.0 + drift_ppm * 1e-6) + latency_s;
            // Never before its time, often on it.
            let at = ideal + if n % 3 == 0 { 0.0 } else { jitter[n % jitter.len()] };
            prop_assert_eq!(map.observe(frames, at), None);
            let due = map.due(frames);
            prop_assert!(due <= at + 1e-9, "due at {} and there at {}", due, at);
            // It follows a clock that is slow within 500 ppm, one that is fast at once; in between, what jitter hides.
            prop_assert!((due - ideal).abs() < 0.16 + 0.001 * frames as f64 / rate, "{} s off after {} s", due - ideal, ideal);
            prop_assert!(due > earlier_due - 0.16, "the due time fell from {} to {}", earlier_due, due);
            prop_assert!(map.due(frames + 1) > due);
            earlier_due = due;
        }
    }

    /// What is missing is found once, as long as it was.
    #[test]
    fn what_is_missing_is_found_once_and_as_long_as_it_was(
        latency_s in 0.0..0.5_f64,
        lost_s in 0.3..20.0_f64,
        jitter in vec(0.0..0.04_f64, 50),
    ) {
        let mut map = ClockMap::new(16_000);
        let (mut frames, mut found) = (0_u64, Vec::new());
        for n in 0..1_200_usize {
            frames += 160;
            let lost = if n < 400 { 0.0 } else { lost_s };
            let at = frames as f64 / 16_000.0 + lost + latency_s + if n % 5 == 0 { 0.0 } else { jitter[n % 50] };
            let counted: u64 = found.iter().sum();
            found.extend(map.observe(frames + counted, at));
        }
        prop_assert_eq!(found.len(), 1, "{:?}", &found);
        prop_assert!((found[0] as f64 / 16_000.0 - lost_s).abs() < 0.06, "{:?} of {} s", &found, lost_s);
    }

    /// Both ends in any order, any sizes: frames read and frames dropped are the frames pushed, each at its place.
    #[test]
    fn the_ring_loses_by_count_and_keeps_order(
        channels in 1_usize..9,
        capacity in 1_usize..300,
        records in 1_usize..20,
        turns in vec((any::<bool>(), 1_usize..400), 1..200),
    ) {
        let (mut producer, mut consumer) = ring(channels, capacity, records);
        let (mut pushed, mut read, mut next) = (0_u64, 0_u64, 0_u64);
        let value = |frame: u64, channel: usize| ((frame * 31 + channel as u64) % 1_000_003) as f32;
        let mut out = vec![0.0; 400 * channels];
        let now = std::time::Instant::now();
        for (push, frames) in turns {
            if push {
                let block: Vec<f32> =
                    (pushed..pushed + frames as u64).flat_map(|frame| (0..channels).map(move |c| value(frame, c))).collect();
                let room = producer.room_frames();
                prop_assert_eq!(producer.push(pushed, &block, now), frames.min(room));
                pushed += frames as u64;
            } else if let Some(piece) = consumer.read(&mut out[..frames * channels]) {
                prop_assert!(piece.first_frame >= next && piece.frames <= frames);
                let each = out[..piece.frames * channels].chunks(channels).zip(piece.first_frame..);
                for (frame, number) in each {
                    prop_assert!(frame.iter().enumerate().all(|(c, sample)| *sample == value(number, c)));
                }
                (read, next) = (read + piece.frames as u64, piece.first_frame + piece.frames as u64);
            }
        }
        let waiting = consumer.waiting_frames() as u64;
        prop_assert_eq!(read + waiting + consumer.dropped_frames(), pushed);
    }
}
