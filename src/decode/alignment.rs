//! Where in the audio each token was said, from what a decoder attended to while it wrote the token.
//!
//! In: cross-attention [heads, tokens, frames], row by row as decoding goes. Out: a [`Span`] of samples for each token. The path
//! through the weights is found by dynamic time warping, as Whisper's word timestamps are (openai/whisper, `whisper/timing.py`):
//! heads standardised over the tokens, smoothed over frames, averaged, and the dearest monotone path through the mean.

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};
use crate::time::{SAMPLE_RATE, samples_in};

/// Where a token or a word was said: samples from the start of the audio it was decoded from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Its first sample.
    pub start: u64,
    /// Past its last sample; `start` or later.
    pub end: u64,
}

/// How attention tells where words lie; the section `[moonshine.word_times]` of a manifest. Each figure has a default.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WordTimes {
    /// Samples at 16 kHz from one frame of the encoder to the next: 384.
    pub frame_samples: u32,
    /// Frames of the median filter that smooths each head, odd: 7. 1 smooths nothing.
    pub median_frames: usize,
    /// Seconds added to where a word starts: 0.
    pub start_offset_s: f64,
    /// Seconds added to where a word ends: 0.
    pub end_offset_s: f64,
}

impl Default for WordTimes {
    fn default() -> Self {
        Self { frame_samples: 384, median_frames: 7, start_offset_s: 0.0, end_offset_s: 0.0 }
    }
}

/// Attention of a growing number of tokens: softmax weights, [tokens, heads, frames].
#[derive(Clone, Debug, Default)]
pub struct Weights {
    heads: usize,
    frames: usize,
    tokens: usize,
    values: Vec<f32>,
}

impl Weights {
    /// Adds token `row` of the attention of one step, whose shape is `[heads, tokens, frames]`. A shape that is not that of the
    /// rows before, or of `attention`, adds nothing.
    pub fn push(&mut self, attention: &[f32], shape: [usize; 3], row: usize) {
        let [heads, tokens, frames] = shape;
        if self.tokens == 0 {
            (self.heads, self.frames) = (heads, frames);
        }
        let whole = heads.checked_mul(tokens).and_then(|rows| rows.checked_mul(frames)) == Some(attention.len());
        if !whole || attention.is_empty() || row >= tokens || (heads, frames) != (self.heads, self.frames) {
            return;
        }
        for head in attention.chunks_exact(tokens * frames) {
            self.values.extend_from_slice(&head[row * frames..(row + 1) * frames]);
        }
        self.tokens += 1;
    }

    /// Tokens added.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Each head standardised over the tokens and smoothed over `median` frames, then the mean over heads: [tokens, frames].
    fn smoothed_mean(&self, median: usize) -> Vec<f32> {
        let Self { heads, frames, tokens, ref values } = *self;
        let mut mean = vec![0.0; tokens * frames];
        let mut rows = vec![0.0; tokens * frames];
        for head in 0..heads {
            let at = |token: usize, frame: usize| (token * heads + head) * frames + frame;
            for frame in 0..frames {
                let column = || {
                    (0..tokens).map(|token| values[at(token, frame)]).map(|weight| if weight.is_finite() { weight } else { 0.0 })
                };
                let average = column().sum::<f32>() / tokens as f32;
                let deviation = (column().map(|weight| (weight - average).powi(2)).sum::<f32>() / tokens as f32).sqrt();
                for (token, weight) in column().enumerate() {
                    // A frame that all tokens attend to alike says nothing of any.
                    rows[token * frames + frame] = if deviation > 0.0 { (weight - average) / deviation } else { 0.0 };
                }
            }
            for (row, mean) in rows.chunks_exact(frames).zip(mean.chunks_exact_mut(frames)) {
                add_median(row, median, mean);
            }
        }
        mean.iter_mut().for_each(|weight| *weight /= heads as f32);
        mean
    }
}

impl WordTimes {
    /// Checks every figure.
    ///
    /// # Errors
    /// `Corrupt` naming the figure, its value and its range.
    pub fn check(&self) -> Result<()> {
        let wrong = |name: &str, value: &dyn std::fmt::Display, range: &str| {
            Err(Error::new(ErrorKind::Corrupt, format!("[moonshine.word_times]: {name} is {value}; expected {range}")))
        };
        if !(1..=SAMPLE_RATE).contains(&self.frame_samples) {
            return wrong("frame_samples", &self.frame_samples, "1 to 16000");
        }
        if !(1..=99).contains(&self.median_frames) || self.median_frames % 2 == 0 {
            return wrong("median_frames", &self.median_frames, "an odd number from 1 to 99");
        }
        for (name, offset) in [("start_offset_s", self.start_offset_s), ("end_offset_s", self.end_offset_s)] {
            if !(-1.0..=1.0).contains(&offset) {
                return wrong(name, &offset, "-1 to 1");
            }
        }
        Ok(())
    }

    /// Where each of the first `tokens` tokens lies in audio of `samples` samples; empty where `weights` are of fewer tokens.
    ///
    /// Starts never decrease and no span leaves the audio.
    pub fn spans(&self, weights: &Weights, tokens: usize, samples: usize) -> Vec<Span> {
        if tokens == 0 || weights.tokens() < tokens {
            return Vec::new();
        }
        // The row after the last token, which chose the end, bounds it. A loop's further rounds have rows too.
        let rows = weights.tokens().min(tokens + 1);
        let mean = weights.smoothed_mean(self.median_frames);
        let starts = first_frames(&mean[..rows * weights.frames], weights.frames);
        let position = |frame: usize, offset_s: f64| {
            let shifted = (frame as u64 * u64::from(self.frame_samples)).saturating_add_signed(signed_samples(offset_s));
            shifted.min(samples as u64)
        };
        let mut latest = 0;
        (0..tokens)
            .map(|token| {
                let start = position(starts[token], self.start_offset_s).max(latest);
                latest = start;
                let end = starts.get(token + 1).map_or(samples as u64, |&frame| position(frame, self.end_offset_s));
                Span { start, end: end.max(start) }
            })
            .collect()
    }
}

/// The frame at which each row's stretch begins on the path through `weights`, [rows, frames], that gathers the most, where a step
/// goes to the next row, the next frame or both. Starts at 0 and never decreases.
fn first_frames(weights: &[f32], frames: usize) -> Vec<usize> {
    let rows = weights.len().checked_div(frames).unwrap_or(0);
    // Which step leads to each point of the path that is best up to there.
    let mut steps = vec![Step::Frame; rows * frames];
    let mut before: Vec<f32> = Vec::new();
    let mut gathered = vec![0.0_f32; frames];
    for (row, weights) in weights.chunks_exact(frames.max(1)).enumerate() {
        std::mem::swap(&mut before, &mut gathered);
        gathered.clear();
        for (frame, weight) in weights.iter().enumerate() {
            let ways = [
                (Step::Both, (row > 0 && frame > 0).then(|| before[frame - 1])),
                (Step::Row, (row > 0).then(|| before[frame])),
                (Step::Frame, (frame > 0).then(|| gathered[frame - 1])),
            ];
            let possible = ways.into_iter().filter_map(|(step, sum)| Some((step, sum?)));
            let best = possible.reduce(|best, way| if way.1 > best.1 { way } else { best });
            let (step, sum) = best.unwrap_or((Step::Frame, 0.0));
            steps[row * frames + frame] = step;
            gathered.push(sum + weight);
        }
    }
    let mut starts = vec![0; rows];
    let (mut row, mut frame) = (rows.saturating_sub(1), frames.saturating_sub(1));
    while row > 0 {
        let step = steps[row * frames + frame];
        if step != Step::Frame {
            starts[row] = frame;
            row -= 1;
        }
        if step != Step::Row {
            frame = frame.saturating_sub(1);
        }
    }
    starts
}

/// A step of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Frame,
    Row,
    Both,
}

/// Adds the running median of `width` values, odd, to `sum`; past its ends `row` goes on as in a mirror.
fn add_median(row: &[f32], width: usize, sum: &mut [f32]) {
    let half = (width / 2).min(row.len().saturating_sub(1));
    let mut window = Vec::with_capacity(2 * half + 1);
    for (centre, sum) in sum.iter_mut().enumerate() {
        window.clear();
        window.extend((0..=2 * half).map(|place| {
            let at = (centre + place).abs_diff(half);
            row[if at < row.len() { at } else { 2 * (row.len() - 1) - at }]
        }));
        let (_, median, _) = window.select_nth_unstable_by(half, f32::total_cmp);
        *sum += *median;
    }
}

/// Samples in `seconds`, which may be below 0.
fn signed_samples(seconds: f64) -> i64 {
    let samples = i64::try_from(samples_in(seconds.abs())).unwrap_or(i64::MAX);
    if seconds < 0.0 { -samples } else { samples }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: WordTimes = WordTimes { frame_samples: 100, median_frames: 1, start_offset_s: 0.0, end_offset_s: 0.0 };

    /// Two heads whose tokens attend to `places`, as frames from and to.
    fn attention(places: &[(usize, usize)], frames: usize) -> Weights {
        let mut weights = Weights::default();
        for &(from, to) in places {
            let row: Vec<f32> = (0..frames).map(|frame| if (from..to).contains(&frame) { 0.9 } else { 0.01 }).collect();
            weights.push(&[row.clone(), row].concat(), [2, 1, frames], 0);
        }
        weights
    }

    fn spans(recipe: &WordTimes, weights: &Weights, tokens: usize, samples: usize) -> Vec<(u64, u64)> {
        recipe.spans(weights, tokens, samples).iter().map(|span| (span.start, span.end)).collect()
    }

    #[test]
    fn a_diagonal_gives_the_times_it_was_made_of() {
        let weights = attention(&[(0, 4), (4, 9), (9, 11), (11, 20)], 20);
        assert_eq!(spans(&PLAIN, &weights, 3, 2_050), [(0, 400), (400, 900), (900, 1_100)]);
        assert_eq!(spans(&PLAIN, &weights, 4, 2_050), [(0, 400), (400, 900), (900, 1_100), (1_100, 2_050)]);
        let smoothed = WordTimes { median_frames: 3, ..PLAIN };
        assert_eq!(spans(&smoothed, &weights, 3, 2_050)[0], (0, 400), "a median keeps edges");
    }

    #[test]
    fn offsets_move_words_and_never_out_of_the_audio() {
        let weights = attention(&[(0, 4), (4, 9), (9, 20)], 20);
        let recipe = WordTimes { start_offset_s: -50.0 / 16_000.0, end_offset_s: 10_000.0 / 16_000.0, ..PLAIN };
        assert_eq!(spans(&recipe, &weights, 2, 1_500), [(0, 1_500), (350, 1_500)]);
    }

    #[test]
    fn a_step_of_several_tokens_gives_what_single_ones_give() {
        let places = [(0, 3), (3, 5), (5, 10)];
        let single = attention(&places, 10);
        let mut together = Vec::new();
        for _head in 0..2 {
            for token in 0..3 {
                together.extend_from_slice(&single.values[token * 20..token * 20 + 10]);
            }
        }
        let mut several = Weights::default();
        (0..3).for_each(|row| several.push(&together, [2, 3, 10], row));
        assert_eq!(several.values, single.values);
        several.push(&together, [2, 3, 10], 3);
        several.push(&together[1..], [2, 3, 10], 0);
        several.push(&together, [3, 2, 10], 0);
        several.push(&[], [usize::MAX, 2, 10], 0);
        assert_eq!(several.tokens(), 3, "what does not fit adds nothing");
    }

    #[test]
    fn whatever_is_attended_to_starts_never_decrease_and_stay_inside() {
        let mut seed = 11_u64;
        let mut random = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed >> 33
        };
        for round in 0..200 {
            let (heads, tokens, frames) = (1 + random() as usize % 3, 1 + random() as usize % 12, 1 + random() as usize % 30);
            let mut weights = Weights::default();
            let count = heads * tokens * frames;
            let mut values: Vec<f32> = (0..count).map(|_| random() as f32 / 2_f32.powi(31)).collect();
            if round % 4 == 0 {
                values[random() as usize % count] = f32::NAN;
            }
            (0..tokens).for_each(|row| weights.push(&values, [heads, tokens, frames], row));
            let spans = WordTimes::default().spans(&weights, tokens - round % 2 * (tokens / 2), frames * 384 + 100);
            assert!(spans.iter().all(|span| span.start <= span.end && span.end <= frames as u64 * 384 + 100), "{spans:?}");
            assert!(spans.windows(2).all(|pair| pair[0].start <= pair[1].start), "{spans:?}");
        }
    }

    #[test]
    fn nothing_attended_to_has_no_times() {
        assert_eq!(WordTimes::default().spans(&Weights::default(), 0, 16_000), []);
        assert_eq!(WordTimes::default().spans(&Weights::default(), 3, 16_000), []);
        assert_eq!(WordTimes::default().spans(&attention(&[(0, 2)], 4), 2, 16_000), [], "fewer rows than tokens");
    }

    #[test]
    fn figures_out_of_range_are_refused() {
        assert!(WordTimes::default().check().is_ok());
        for (recipe, says) in [
            (WordTimes { frame_samples: 0, ..PLAIN }, "frame_samples is 0"),
            (WordTimes { median_frames: 4, ..PLAIN }, "median_frames is 4"),
            (WordTimes { end_offset_s: f64::NAN, ..PLAIN }, "end_offset_s is NaN"),
        ] {
            let error = recipe.check().unwrap_err();
            assert!(error.message().contains(says), "{error}");
        }
    }
}
