//! Where in the audio each word was said, as Whisper's authors find it: dynamic time warping of the attention of chosen heads.
//!
//! In: [`Attention`], the audio's length, the bytes of each token. Out: a [`Span`] of samples for each word. Attention over the frames
//! that are audio is made comparable from token to token (mean 0, deviation 1 at each frame), smoothed by a median over seven frames and
//! averaged over heads; the cheapest path through tokens and frames tells when each token begins (`whisper/timing.py` of
//! openai-whisper, `find_alignment`).

use std::ops::Range;

use serde::Deserialize;

use super::alignment::{Attention, Span, said, words};
use crate::error::{Error, ErrorKind, Result};

/// Frames that a median is taken of.
const MEDIAN: usize = 7;
/// A manifest names no more heads than this.
const MOST_HEADS: usize = 256;

/// How attention tells where words lie; the section `[whisper.word_times]` of a manifest.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeWarp {
    /// Layer and head of each row of the graph's `cross_attention`, in its order.
    pub heads: Vec<[usize; 2]>,
}

impl TimeWarp {
    /// Checks every figure.
    ///
    /// # Errors
    /// `Corrupt` naming the figure, its value and its range.
    pub fn check(&self) -> Result<()> {
        if (1..=MOST_HEADS).contains(&self.heads.len()) {
            return Ok(());
        }
        let message = format!("word_times: the number of heads is {}; expected 1 to {MOST_HEADS}", self.heads.len());
        Err(Error::new(ErrorKind::Corrupt, message))
    }

    /// Where each of so many tokens begins and the last ends, in `samples` of audio with a frame every `frame_samples`: a place more than
    /// there are tokens, in order. Empty where `attention` is of other heads or of fewer tokens.
    ///
    /// Takes time and memory in proportion to tokens times frames.
    pub fn places(&self, attention: &Attention, tokens: usize, samples: usize, frame_samples: usize) -> Vec<u64> {
        let frames = (samples / frame_samples.max(1)).min(attention.frames());
        // A row for each token and one for the end, where the reading was not cut.
        let rows = attention.rows().min(tokens + 1);
        if tokens == 0 || attention.heads() != self.heads.len() || rows < tokens || frames == 0 {
            return Vec::new();
        }
        let begins = begins(&looks(attention, rows, frames), frames);
        let place = |token: usize| (begins.get(token).copied().unwrap_or(frames) * frame_samples).min(samples) as u64;
        (0..=tokens).map(place).collect()
    }
}

/// Where each word that `pieces`, the bytes of tokens, spell was said: one span for each of [`words`], in order and apart. `places` are
/// those of the tokens and of the end; without them there are no spans.
pub fn spans(pieces: &[&[u8]], places: &[u64]) -> Vec<Span> {
    if places.len() <= pieces.len() {
        return Vec::new();
    }
    let span = |word: Range<usize>| {
        let said = said(pieces, word.clone());
        let first = said.first().copied().unwrap_or(word.start);
        let last = said.last().copied().unwrap_or(word.start);
        Span { start: places[first], end: places[last + 1] }
    };
    words(pieces).into_iter().map(span).collect()
}

/// How much more than the others each token looked at each frame, [rows, frames].
fn looks(attention: &Attention, rows: usize, frames: usize) -> Vec<f64> {
    let mut looks = vec![0.0; rows * frames];
    let mut of_head = vec![0.0; rows * frames];
    for head in 0..attention.heads() {
        for (row, place) in of_head.chunks_exact_mut(frames).enumerate() {
            let weights = attention.row(row, head).get(..frames).unwrap_or_default();
            let sum: f64 = weights.iter().map(|&weight| finite(weight)).sum();
            place.iter_mut().zip(weights).for_each(|(place, &weight)| *place = finite(weight) / sum.max(f64::MIN_POSITIVE));
        }
        for frame in 0..frames {
            let column = || of_head.iter().skip(frame).step_by(frames).copied();
            let mean = column().sum::<f64>() / rows as f64;
            let variance = column().map(|weight| (weight - mean) * (weight - mean)).sum::<f64>() / rows as f64;
            let deviation = variance.sqrt().max(f64::MIN_POSITIVE);
            of_head.iter_mut().skip(frame).step_by(frames).for_each(|weight| *weight = (*weight - mean) / deviation);
        }
        for (row, place) in of_head.chunks_exact(frames).zip(looks.chunks_exact_mut(frames)) {
            for (frame, place) in place.iter_mut().enumerate() {
                *place += median(row, frame);
            }
        }
    }
    looks
}

fn finite(weight: f32) -> f64 {
    if weight.is_finite() { f64::from(weight) } else { 0.0 }
}

/// The median of the seven values around `place`, ends reflected; the value itself where there are too few to reflect.
fn median(values: &[f64], place: usize) -> f64 {
    let half = MEDIAN / 2;
    if values.len() <= half {
        return values[place];
    }
    let last = values.len() - 1;
    let reflected = |offset: usize| {
        let at = (place + offset).abs_diff(half);
        let at = if place + offset < half { half - place - offset } else { at };
        values[if at > last { 2 * last - at } else { at }]
    };
    let mut around: [f64; MEDIAN] = std::array::from_fn(reflected);
    around.sort_by(f64::total_cmp);
    around[half]
}

/// The frame at which each token begins on the best path from the first token at the first frame to the last at the last.
fn begins(looks: &[f64], frames: usize) -> Vec<usize> {
    /// How a path came into a place.
    #[derive(Clone, Copy)]
    enum From {
        Both,
        Token,
        Frame,
    }
    let rows = looks.len() / frames;
    let mut from = vec![From::Frame; looks.len()];
    // Cost of the row before, with a column before the first frame that no path comes through.
    let mut before = vec![f64::INFINITY; frames + 1];
    before[0] = 0.0;
    for row in 0..rows {
        let mut costs = vec![f64::INFINITY; frames + 1];
        for frame in 0..frames {
            let (both, token, stay) = (before[frame], before[frame + 1], costs[frame]);
            let (cost, way) = if both < token && both < stay {
                (both, From::Both)
            } else if token < both && token < stay {
                (token, From::Token)
            } else {
                (stay, From::Frame)
            };
            costs[frame + 1] = cost - looks[row * frames + frame];
            from[row * frames + frame] = way;
        }
        before = costs;
    }
    let mut begins = vec![0; rows];
    let (mut row, mut frame) = (rows - 1, frames - 1);
    loop {
        begins[row] = frame;
        match from[row * frames + frame] {
            From::Both if row > 0 && frame > 0 => (row, frame) = (row - 1, frame - 1),
            From::Token | From::Both if row > 0 => row -= 1,
            _ if frame > 0 => frame -= 1,
            _ => break,
        }
    }
    begins
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attention(heads: &[Vec<Vec<f32>>]) -> Attention {
        let (rows, frames) = (heads[0].len(), heads[0][0].len());
        let flat: Vec<f32> = heads.iter().flatten().flatten().copied().collect();
        let mut attention = Attention::default();
        (0..rows).for_each(|row| attention.push(&flat, [heads.len(), rows, frames], row));
        attention
    }

    fn warp(heads: usize) -> TimeWarp {
        TimeWarp { heads: vec![[0, 0]; heads] }
    }

    fn times(heads: usize, attention: &Attention, pieces: &[&[u8]], samples: usize) -> Vec<Span> {
        spans(pieces, &warp(heads).places(attention, pieces.len(), samples, 320))
    }

    #[test]
    fn a_diagonal_gives_the_times_it_was_made_of() {
        let looks =
            |from: usize, to: usize| -> Vec<f32> { (0..40).map(|f| if (from..to).contains(&f) { 0.1 } else { 1e-4 }).collect() };
        let rows = vec![looks(0, 12), looks(12, 20), looks(20, 31), looks(31, 40)];
        let pieces = [" one", " two", ","].map(str::as_bytes);
        let spans = times(2, &attention(&[rows.clone(), rows]), &pieces, 40 * 320);
        assert_eq!(spans, [Span { start: 0, end: 12 * 320 }, Span { start: 12 * 320, end: 20 * 320 }], "a comma is not said");
    }

    #[test]
    fn frames_past_the_audio_do_not_count() {
        let mut row = vec![1e-4_f32; 100];
        row[90] = 0.9;
        let rows = vec![row; 3];
        let pieces = [" a", " b"].map(str::as_bytes);
        let spans = times(1, &attention(&[rows]), &pieces, 50 * 320 + 7);
        assert!(spans.iter().all(|span| span.start <= span.end && span.end <= 50 * 320 + 7), "{spans:?}");
    }

    #[test]
    fn whatever_is_attended_to_words_are_in_order_and_inside() {
        let mut seed = 5_u64;
        let mut random = move |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % below
        };
        for round in 0..300 {
            let (heads, tokens, frames) = (1 + random(3), random(12), 1 + random(30));
            let mut values: Vec<f32> = (0..heads * (tokens + 1) * frames).map(|_| random(1_000) as f32 / 1e3).collect();
            if round % 4 == 0 {
                let place = random(values.len());
                values[place] = [f32::NAN, f32::INFINITY, -1.0][random(3)];
            }
            let mut attention = Attention::default();
            (0..=tokens - tokens.min(round % 2)).for_each(|row| attention.push(&values, [heads, tokens + 1, frames], row));
            let pieces: Vec<&[u8]> = (0..tokens).map(|_| [" la", ",", "la", " ", ""][random(5)].as_bytes()).collect();
            let samples = random(frames * 400);
            let spans = times(heads, &attention, &pieces, samples);
            assert!(spans.is_empty() || spans.len() == words(&pieces).len());
            let edges: Vec<u64> = spans.iter().flat_map(|span| [span.start, span.end]).collect();
            assert!(edges.is_sorted() && edges.iter().all(|&edge| edge <= samples as u64), "{spans:?}");
        }
    }

    #[test]
    fn a_median_is_taken_of_seven_with_the_ends_reflected() {
        let values = [9.0, 1.0, 2.0, 3.0, 4.0];
        // 3 2 1 [9] 1 2 3 and 2 3 4 [3]... of the last: 1 2 3 [4] 3 2 1.
        assert_eq!([median(&values, 0), median(&values, 4)], [2.0, 2.0]);
        assert_eq!(median(&[5.0, 1.0], 1), 1.0);
    }
}
