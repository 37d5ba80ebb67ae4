//! Which token may come next where Whisper reads: no blanks, no symbols that nobody says, timestamps in pairs that never go back.
//!
//! In: the tokens sampled so far and a row of logits. Out: the row, with what must not come at -inf. The same as `SuppressBlank`,
//! `SuppressTokens` and `ApplyTimestampRules` of openai-whisper (`whisper/decoding.py`), which `tests/whisper_rules.rs` holds it to.

use super::greedy;
use crate::error::{Error, ErrorKind, Result};

/// Seconds from one timestamp token to the next.
pub const TIMESTAMP_S: f64 = 0.02;
/// Samples at 16 kHz from one timestamp token to the next.
pub const TIMESTAMP_SAMPLES: u64 = 320;

/// Ids of the tokens that mean something to Whisper's decoding, and of those it never samples: what the section `[whisper]` of a
/// manifest says. Text tokens lie below `end`, timestamps from `first_timestamp` to the end of the vocabulary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Specials {
    /// How many tokens there are: the length of a row of logits.
    pub vocabulary: usize,
    /// Ends a text.
    pub end: u32,
    /// Starts a transcript.
    pub start: u32,
    /// Asks for English.
    pub translate: u32,
    /// Asks for the language that is spoken.
    pub transcribe: u32,
    /// Comes before the text that was said before this audio.
    pub previous: u32,
    /// Its probability after `start` says how likely nobody speaks.
    pub no_speech: u32,
    /// Asks for text without timestamps.
    pub no_timestamps: u32,
    /// Stands for 0.00 s; those that follow for 0.02 s more each.
    pub first_timestamp: u32,
    /// A token for each language; none where the model knows English only, and then it knows no task either.
    pub languages: Vec<u32>,
    /// Never sampled; may be empty.
    pub suppress: Vec<u32>,
    /// Not sampled as the first: a lone space, and `end`.
    pub suppress_first: Vec<u32>,
}

impl Specials {
    /// Checks that every token is in the vocabulary and that text comes before the timestamps.
    ///
    /// # Errors
    /// `Corrupt` naming the token and the vocabulary.
    pub fn check(&self) -> Result<()> {
        let tokens = [
            ("end_token", self.end),
            ("start_token", self.start),
            ("translate_token", self.translate),
            ("transcribe_token", self.transcribe),
            ("previous_token", self.previous),
            ("no_speech_token", self.no_speech),
            ("no_timestamps_token", self.no_timestamps),
            ("first_timestamp_token", self.first_timestamp),
        ];
        let lists = [("languages", &self.languages), ("suppress", &self.suppress), ("suppress_first", &self.suppress_first)];
        let listed = lists.into_iter().flat_map(|(name, list)| list.iter().map(move |&token| (name, token)));
        if let Some((name, token)) = tokens.into_iter().chain(listed).find(|&(_, token)| token as usize >= self.vocabulary) {
            let message = format!("{name} = {token} is outside the vocabulary of {}", self.vocabulary);
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        if self.end >= self.first_timestamp {
            let message = format!("end_token = {} is not below first_timestamp_token = {}", self.end, self.first_timestamp);
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        Ok(())
    }

    /// Whether `token` stands for a time.
    pub fn is_timestamp(&self, token: u32) -> bool {
        token >= self.first_timestamp
    }
}

/// The rules of a reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The tokens they are about.
    pub specials: Specials,
    /// Read with timestamps; without, their rules do not hold.
    pub timestamps: bool,
    /// The first timestamp is at most this many steps of 0.02 s: 50. `None`: any.
    pub latest_first: Option<u32>,
}

impl Rules {
    /// The reference's defaults: timestamps, the first of them at most 1 s.
    pub fn new(specials: Specials) -> Self {
        Self { specials, timestamps: true, latest_first: Some(50) }
    }

    /// Puts what must not come after `sampled`, the tokens since the prompt, to -inf in `logits`, a row of the vocabulary. Nothing is copied.
    pub fn apply(&self, sampled: &[u32], logits: &mut [f32]) {
        let specials = &self.specials;
        if sampled.is_empty() {
            forbid_each(logits, &specials.suppress_first);
        }
        forbid_each(logits, &specials.suppress);
        if self.timestamps {
            forbid_each(logits, &[specials.no_timestamps]);
            self.pair(sampled, logits);
            self.prefer(logits);
        }
    }

    /// Timestamps come in pairs, but before the end; they never go back, and a segment is never empty.
    fn pair(&self, sampled: &[u32], logits: &mut [f32]) {
        let specials = &self.specials;
        let first = specials.first_timestamp as usize;
        let mut before = sampled.iter().rev().map(|&token| specials.is_timestamp(token));
        let (last, penultimate) = (before.next().unwrap_or(false), before.next().unwrap_or(true));
        if last && penultimate {
            forbid(logits, first, usize::MAX);
        } else if last {
            forbid(logits, 0, specials.end as usize);
        }
        if let Some(&latest) = sampled.iter().rev().find(|&&token| specials.is_timestamp(token)) {
            let again = last && !penultimate;
            forbid(logits, first, (latest as usize).saturating_add(usize::from(!again)));
        }
        if sampled.is_empty() {
            forbid(logits, 0, first);
            if let Some(latest) = self.latest_first {
                forbid(logits, first.saturating_add(latest as usize).saturating_add(1), usize::MAX);
            }
        }
    }

    /// Where all timestamps together are likelier than any other token, a timestamp comes.
    fn prefer(&self, logits: &mut [f32]) {
        let first = (self.specials.first_timestamp as usize).min(logits.len());
        let (text, times) = logits.split_at_mut(first);
        let Some(best) = greedy::highest(times) else { return };
        let together = best + greedy::mass(times, best).ln();
        if greedy::highest(text).is_some_and(|likeliest| together > likeliest) {
            text.fill(f32::NEG_INFINITY);
        }
    }
}

/// Puts the logits from `from` up to `to` at -inf, as far as there are any.
fn forbid(logits: &mut [f32], from: usize, to: usize) {
    let to = to.min(logits.len());
    if let Some(logits) = logits.get_mut(from..to) {
        logits.fill(f32::NEG_INFINITY);
    }
}

fn forbid_each(logits: &mut [f32], tokens: &[u32]) {
    for &token in tokens {
        if let Some(logit) = logits.get_mut(token as usize) {
            *logit = f32::NEG_INFINITY;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text 0 to 3, end 4, no timestamps 5, times 6 to 11.
    fn rules() -> Rules {
        let specials = Specials {
            vocabulary: 12,
            end: 4,
            no_timestamps: 5,
            first_timestamp: 6,
            suppress: vec![1, 99],
            suppress_first: vec![0, 4],
            ..Specials::default()
        };
        Rules { latest_first: Some(2), ..Rules::new(specials) }
    }

    fn allowed(rules: &Rules, sampled: &[u32], logits: &[f32]) -> Vec<usize> {
        let mut logits = logits.to_vec();
        rules.apply(sampled, &mut logits);
        (0..logits.len()).filter(|&token| logits[token] > f32::NEG_INFINITY).collect()
    }

    #[test]
    fn times_come_in_pairs_and_never_go_back() {
        let mut logits = [-5.0; 12];
        logits[..5].fill(5.0);
        let rules = rules();
        assert_eq!(allowed(&rules, &[], &logits), [6, 7, 8], "a time first, and an early one");
        assert_eq!(allowed(&rules, &[7], &logits), [0, 2, 3, 4], "then text");
        assert_eq!(allowed(&rules, &[7, 2], &logits), [0, 2, 3, 4, 8, 9, 10, 11], "later than the last");
        assert_eq!(allowed(&rules, &[7, 2, 9], &[0.0; 12]), [9, 10, 11], "its pair; all times together outweigh the end");
        logits[4] = 50.0;
        assert_eq!(allowed(&rules, &[7, 2, 9], &logits), [4, 9, 10, 11], "or the end");
        assert_eq!(allowed(&rules, &[7, 2, 9, 9], &logits), [0, 2, 3, 4]);
        assert_eq!(allowed(&rules, &[7, 2, 11, 11, 2], &logits), [0, 2, 3, 4], "there is no later one");
    }

    #[test]
    fn without_timestamps_only_the_lists_hold() {
        let rules = Rules { timestamps: false, ..rules() };
        assert_eq!(allowed(&rules, &[], &[0.0; 12]), [2, 3, 5, 6, 7, 8, 9, 10, 11]);
        assert_eq!(allowed(&rules, &[2], &[0.0; 12]), [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    }

    #[test]
    fn rows_of_any_length_and_any_numbers_do_no_harm() {
        for rules in [rules(), Rules { latest_first: Some(u32::MAX), ..rules() }] {
            for length in 0..14 {
                for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
                    for sampled in [&[][..], &[u32::MAX], &[2, u32::MAX], &[11, 2]] {
                        rules.apply(sampled, &mut vec![value; length]);
                    }
                }
            }
        }
    }

    #[test]
    fn tokens_outside_the_vocabulary_are_named() {
        let error = rules().specials.check().unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Corrupt, "suppress = 99 is outside the vocabulary of 12"));
        let mut specials = Specials { suppress: Vec::new(), ..rules().specials };
        assert_eq!(specials.check(), Ok(()));
        specials.end = 6;
        assert!(specials.check().unwrap_err().message().contains("end_token = 6 is not below"));
    }
}
