//! Reading again, more boldly each time, while what was read is a loop or a guess.
//!
//! In: a decoder on the audio, and when a reading has failed. Out: the first [`Reading`] that has not, or the last.
//! `decode_with_fallback` of openai-whisper's `whisper/transcribe.py`.

use super::beam::Beam;
use super::lines::Lines;
use super::prompt::Task;
use super::reading::{self, Limits, Reading, Search};
use super::rules::Rules;
use super::sampling::Sampling;
use crate::error::{Error, ErrorKind, Result};

/// No reading is tried more often than this.
const MOST_TEMPERATURES: usize = 16;

/// When a reading has failed, and when there was nothing to read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// A text that compresses better than this is a loop: 2.4.
    pub compression_ratio: Option<f64>,
    /// Below this average log-probability it is a guess: -1.0.
    pub log_probability: Option<f64>,
    /// Above this probability nobody speaks, where the text is a guess too: 0.6.
    pub no_speech: Option<f32>,
}

/// A reading below this average log-probability is a guess.
pub const LEAST_LOG_PROBABILITY: f64 = -1.0;
/// Where no speech is as likely as this and the text is a guess, nobody spoke.
pub const NO_SPEECH: f32 = 0.6;

impl Default for Thresholds {
    fn default() -> Self {
        Self { compression_ratio: Some(2.4), log_probability: Some(LEAST_LOG_PROBABILITY), no_speech: Some(NO_SPEECH) }
    }
}

impl Thresholds {
    /// Whether `reading` should be tried again: a loop or a guess, but not a guess at silence.
    pub fn failed(&self, reading: &Reading) -> bool {
        let repeats = self.compression_ratio.is_some_and(|most| reading.compression_ratio > most);
        let guess = self.log_probability.is_some_and(|least| believed(reading) < least);
        (repeats || guess) && !(guess && self.quiet(reading))
    }

    /// Whether nobody spoke, so that `reading` is to be left out: no speech is likely, and the text is not sure in spite of it.
    pub fn silent(&self, reading: &Reading) -> bool {
        self.quiet(reading) && !self.log_probability.is_some_and(|least| believed(reading) > least)
    }

    fn quiet(&self, reading: &Reading) -> bool {
        self.no_speech.is_some_and(|most| reading.no_speech > most)
    }
}

/// The average log-probability of `reading`, less what is known to be unlikely in it.
fn believed(reading: &Reading) -> f64 {
    reading.average_log_probability + reading.forgiven / (reading.tokens.len() + 1) as f64
}

/// How to read, and how to read again.
#[derive(Clone, Debug, PartialEq)]
pub struct Fallback {
    /// Tried in order, 1 to 16, each 0 to 10: 0, 0.2, 0.4, 0.6, 0.8, 1.
    pub temperatures: Vec<f32>,
    /// Search of the readings at temperature 0; `None`: greedy.
    pub beam: Option<Beam>,
    /// Lines of the readings above, 1 to 32; the reference's command line takes 5, its function 1.
    pub best_of: usize,
    /// When to try again.
    pub thresholds: Thresholds,
    /// What all chances follow from; a seed of its own for every window.
    pub seed: u64,
}

/// The defaults of the reference's function `transcribe`.
impl Default for Fallback {
    fn default() -> Self {
        Self {
            temperatures: vec![0.0, 0.2, 0.4, 0.6, 0.8, 1.0],
            beam: None,
            best_of: 1,
            thresholds: Thresholds::default(),
            seed: 0,
        }
    }
}

impl Fallback {
    /// The search of the attempt number `attempt`, at `temperature`.
    pub fn search(&self, attempt: usize, temperature: f32) -> Search {
        match self.beam {
            Some(beam) if temperature <= 0.0 => Search::Beam(beam),
            _ => Search::Sample {
                sampling: Sampling::at(temperature),
                best_of: if temperature > 0.0 { self.best_of } else { 1 },
                seed: self.seed.wrapping_add(attempt as u64),
            },
        }
    }

    /// Reads until a reading has not failed or there are no more temperatures. A language that is left open is heard once.
    ///
    /// # Errors
    /// `InvalidInput` for no temperature or too many; [`reading::read`]'s.
    pub fn read<L: Lines + ?Sized>(
        &self,
        lines: &mut L,
        rules: &Rules,
        task: &Task<'_>,
        limits: &Limits,
        spell: &dyn Fn(&[u32]) -> String,
    ) -> Result<Reading> {
        if !(1..=MOST_TEMPERATURES).contains(&self.temperatures.len()) {
            let message = format!("{} temperatures are not 1 to {MOST_TEMPERATURES}", self.temperatures.len());
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let mut task = *task;
        let mut last = Reading::default();
        for (attempt, &temperature) in self.temperatures.iter().enumerate() {
            last = reading::read(lines, rules, &task, limits, &self.search(attempt, temperature), spell)?;
            if !self.thresholds.failed(&last) {
                break;
            }
            task.language = last.language;
        }
        Ok(last)
    }
}
