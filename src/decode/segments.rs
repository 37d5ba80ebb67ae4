//! From a reading with timestamps to segments, where the next window of a long recording begins, and what it is told.
//!
//! In: a [`Reading`] of a window. Out: [`Cut`] and, for the next window, [`Context`]. The body of the loop in openai-whisper's
//! `whisper/transcribe.py`.

use std::ops::Range;

use super::alignment::Span;
use super::fallback::Thresholds;
use super::greedy::Choice;
use super::prompt::last;
use super::reading::Reading;
use super::rules::{Specials, TIMESTAMP_SAMPLES};

/// Above this temperature what was read is not told to the next window.
const BOLD: f32 = 0.5;

/// A piece of what was read, between two timestamps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// When it was said: samples at 16 kHz from the beginning of the window, in steps of 320. The model may name a time past the
    /// window's end.
    pub said: Span,
    /// Its tokens, timestamps included, as places among those of the reading.
    pub tokens: Range<usize>,
}

/// What a window comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// The segments in order; those without text or duration, which the reference lists as empty, are left out.
    pub segments: Vec<Segment>,
    /// Samples from the window's beginning to the next window's, more than 0.
    pub advance: u64,
    /// Nobody spoke: there are no segments, whatever was read.
    pub silent: bool,
}

/// Cuts `reading`, of a window of `samples` at 16 kHz, into segments. `spell` gives the text of text tokens.
///
/// Ends the text in a single timestamp, or has no timestamps, the window is done; ends it in a pair, or in a segment without an
/// end, the next window begins at the last pair. A window that would begin where this one did, which the reference does not rule
/// out, begins after it.
pub fn cut(
    reading: &Reading,
    samples: u64,
    thresholds: &Thresholds,
    specials: &Specials,
    spell: &dyn Fn(&[u32]) -> String,
) -> Cut {
    let samples = samples.max(1);
    if thresholds.silent(reading) {
        return Cut { segments: Vec::new(), advance: samples, silent: true };
    }
    let tokens = &reading.tokens;
    let is_time = |place: usize| tokens.get(place).is_some_and(|choice| specials.is_timestamp(choice.token));
    // A segment without a timestamp at its side begins or ends at the window's beginning.
    let time = |place: usize| {
        let steps = tokens.get(place).map_or(0, |choice| choice.token.saturating_sub(specials.first_timestamp));
        u64::from(steps) * TIMESTAMP_SAMPLES
    };
    let length = tokens.len();
    let single_ending = length >= 2 && !is_time(length - 2) && is_time(length - 1);
    let mut ends: Vec<usize> = (1..length).filter(|&place| is_time(place - 1) && is_time(place)).collect();
    let mut advance = samples;
    let mut segments = Vec::new();
    if let Some(&end) = ends.last() {
        if single_ending {
            ends.push(length);
        } else {
            advance = time(end - 1);
        }
        let mut start = 0;
        for end in ends {
            segments.push(Segment { said: Span { start: time(start), end: time(end - 1) }, tokens: start..end });
            start = end;
        }
    } else {
        let latest = (0..length).rev().find(|&place| is_time(place)).map_or(0, time);
        let end = if latest > 0 { latest } else { samples };
        segments.push(Segment { said: Span { start: 0, end }, tokens: 0..length });
    }
    segments.retain(|segment| {
        let text: Vec<u32> =
            tokens[segment.tokens.clone()].iter().map(|choice| choice.token).filter(|&token| token < specials.end).collect();
        segment.said.start != segment.said.end && !spell(&text).trim().is_empty()
    });
    Cut { segments, advance: if advance == 0 { samples } else { advance }, silent: false }
}

/// What has been said so far, for the prompt of the next window.
#[derive(Clone, Debug)]
pub struct Context {
    initial: Vec<u32>,
    carry: bool,
    condition: bool,
    /// Tokens that fit a prompt: half the decoder's context less one.
    room: usize,
    /// What was read since the context was last dropped, its last `room` tokens.
    said: Vec<u32>,
}

impl Context {
    /// `initial` goes before the first window, and with `carry` before every one; `condition`: what was read is told to the next
    /// window. `context` is the number of the decoder's places, 448.
    pub fn new(initial: &[u32], carry: bool, condition: bool, context: usize) -> Self {
        let room = (context / 2).saturating_sub(1);
        let initial = last(initial, room).to_vec();
        let said = if carry { Vec::new() } else { initial.clone() };
        Self { initial, carry, condition, room, said }
    }

    /// What the next window is told: [`super::prompt::Task::previous`].
    pub fn previous(&self) -> Vec<u32> {
        if !self.carry {
            return self.said.clone();
        }
        let mut tokens = self.initial.clone();
        tokens.extend(last(&self.said, self.room - self.initial.len()));
        tokens
    }

    /// Takes note of a window. One in which nobody spoke changes nothing; one that was read boldly makes what was said before it
    /// be forgotten, and itself.
    pub fn push(&mut self, reading: &Reading, cut: &Cut) {
        if cut.silent {
            return;
        }
        let tokens = |segment: &Segment| reading.tokens.get(segment.tokens.clone()).unwrap_or(&[]);
        self.said.extend(cut.segments.iter().flat_map(tokens).map(|choice: &Choice| choice.token));
        if !self.condition || reading.temperature > BOLD {
            self.said.clear();
        }
        self.said.drain(..self.said.len().saturating_sub(self.room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times from 100; text below 50.
    fn specials() -> Specials {
        Specials { vocabulary: 2_000, end: 50, first_timestamp: 100, ..Specials::default() }
    }

    fn reading(tokens: &[u32], no_speech: f32, average_log_probability: f64) -> Reading {
        let tokens = tokens.iter().map(|&token| Choice { token, probability: 0.5 }).collect();
        Reading { tokens, no_speech, average_log_probability, ..Reading::default() }
    }

    fn cut_of(tokens: &[u32]) -> (Vec<(u64, u64, usize)>, u64) {
        let spell = |tokens: &[u32]| tokens.iter().map(|&token| if token == 0 { " " } else { "word" }).collect();
        let cut = cut(&reading(tokens, 0.0, 0.0), 160_000, &Thresholds::default(), &specials(), &spell);
        let segments = cut.segments.iter().map(|segment| (segment.said.start, segment.said.end, segment.tokens.len()));
        (segments.collect(), cut.advance)
    }

    #[test]
    fn the_next_window_begins_where_this_one_was_understood() {
        let whole = 160_000;
        assert_eq!(cut_of(&[100, 1, 2, 110]), (vec![(0, 3_200, 4)], whole), "a single time ends it");
        assert_eq!(cut_of(&[100, 1, 110, 110]), (vec![(0, 3_200, 3)], 3_200), "a pair ends it");
        assert_eq!(cut_of(&[100, 1, 110, 115, 2]), (vec![(0, 3_200, 3)], 3_200), "the second segment has no end");
        assert_eq!(cut_of(&[100, 1, 110, 115, 2, 120]), (vec![(0, 3_200, 3), (4_800, 6_400, 3)], whole));
        assert_eq!(cut_of(&[1, 2]), (vec![(0, whole, 2)], whole), "no times at all");
        assert_eq!(cut_of(&[100, 1]), (vec![(0, whole, 2)], whole), "the first time is no end");
        assert_eq!(cut_of(&[]), (vec![], whole));
        assert_eq!(cut_of(&[100, 0, 110, 120, 1, 120]), (vec![], whole), "without text, without duration");
        assert_eq!(cut_of(&[1, 100, 100, 2]), (vec![], whole), "never where this one began");
        assert_eq!(cut_of(&[1, 110, 110, 2]), (vec![(0, 3_200, 2)], 3_200), "no time before the first word");
    }

    #[test]
    fn silence_is_left_out_unless_the_words_are_sure() {
        let silent = |no_speech, average| {
            let reading = reading(&[100, 1, 110], no_speech, average);
            let cut = cut(&reading, 1_600, &Thresholds::default(), &specials(), &|_| "word".to_owned());
            assert_eq!((cut.segments.is_empty(), cut.advance), (cut.silent, 1_600));
            cut.silent
        };
        assert!(silent(0.7, -1.5) && silent(0.7, -1.0));
        assert!(!silent(0.7, -0.5) && !silent(0.5, -1.5));
        let unlimited = Thresholds { no_speech: None, ..Thresholds::default() };
        assert!(!unlimited.silent(&reading(&[], 1.0, -9.0)));
    }

    #[test]
    fn the_next_window_is_told_what_fits_and_nothing_that_was_read_boldly() {
        let spell = |_: &[u32]| "word".to_owned();
        let cut_of = |reading: &Reading| cut(reading, 160_000, &Thresholds::default(), &specials(), &spell);
        let sure = reading(&[100, 1, 2, 110], 0.0, 0.0);
        let bold = Reading { temperature: 0.6, ..sure.clone() };
        let quiet = reading(&[100, 9, 110], 0.9, -2.0);

        let mut context = Context::new(&[7, 8], false, true, 14);
        assert_eq!(context.previous(), [7, 8]);
        context.push(&quiet, &cut_of(&quiet));
        assert_eq!(context.previous(), [7, 8]);
        context.push(&sure, &cut_of(&sure));
        assert_eq!(context.previous(), [7, 8, 100, 1, 2, 110]);
        context.push(&sure, &cut_of(&sure));
        assert_eq!(context.previous(), [2, 110, 100, 1, 2, 110], "half of 14 less one");
        context.push(&bold, &cut_of(&bold));
        assert_eq!(context.previous(), [0_u32; 0]);

        let mut carried = Context::new(&[7, 8], true, true, 14);
        carried.push(&sure, &cut_of(&sure));
        carried.push(&sure, &cut_of(&sure));
        assert_eq!(carried.previous(), [7, 8, 100, 1, 2, 110]);
        carried.push(&bold, &cut_of(&bold));
        assert_eq!(carried.previous(), [7, 8]);
        let mut alone = Context::new(&[], false, false, 14);
        alone.push(&sure, &cut_of(&sure));
        assert_eq!(alone.previous(), [0_u32; 0]);
    }
}
