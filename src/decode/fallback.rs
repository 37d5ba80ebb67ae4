//! Reading again, more boldly each time, while what was read is a loop or a guess.
//!
//! In: a decoder on the audio, and when a reading has failed. Out: the first [`Reading`] that has not, or one of those that have.
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
        let guess = self.log_probability.is_some_and(|least| believed(reading) < least);
        (self.repeats(reading) || guess) && !(guess && self.quiet(reading))
    }

    /// Whether nobody spoke, so that `reading` is to be left out: no speech is likely, and the text is not sure in spite of it.
    pub fn silent(&self, reading: &Reading) -> bool {
        self.quiet(reading) && !self.log_probability.is_some_and(|least| believed(reading) > least)
    }

    fn repeats(&self, reading: &Reading) -> bool {
        self.compression_ratio.is_some_and(|most| reading.compression_ratio > most)
    }

    fn quiet(&self, reading: &Reading) -> bool {
        self.no_speech.is_some_and(|most| reading.no_speech > most)
    }
}

/// The average log-probability of `reading`, less what is known to be unlikely in it.
fn believed(reading: &Reading) -> f64 {
    reading.average_log_probability + reading.forgiven / (reading.tokens.len() + 1) as f64
}

/// Which reading stays where all have failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unbelieved {
    /// The last, which is the boldest: the reference's.
    #[default]
    Last,
    /// The likeliest that is no loop, or the last where all are; it has the temperature of the last, so that the next window is not
    /// told of it. Nearly faster-whisper's: that prefers a likely loop to an unlikely one.
    Likeliest,
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
    /// What stays where nothing helped.
    pub unbelieved: Unbelieved,
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
            unbelieved: Unbelieved::Last,
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
        let mut kept: Option<Reading> = None;
        for (attempt, &temperature) in self.temperatures.iter().enumerate() {
            let reading = reading::read(lines, rules, &task, limits, &self.search(attempt, temperature), spell)?;
            if !self.thresholds.failed(&reading) {
                return Ok(reading);
            }
            task.language = reading.language;
            kept = Some(match kept {
                Some(kept) if self.stays(&kept, &reading) => Reading { temperature, ..kept },
                _ => reading,
            });
        }
        Ok(kept.unwrap_or_default())
    }

    /// Whether of two readings that have failed the earlier, `kept`, stays.
    fn stays(&self, kept: &Reading, reading: &Reading) -> bool {
        let repeats = |reading| self.thresholds.repeats(reading);
        self.unbelieved == Unbelieved::Likeliest && !repeats(kept) && (repeats(reading) || believed(kept) >= believed(reading))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::rules::Specials;

    /// At each beginning the next number of tokens, from 1 on, that are equally likely until the longest text ends.
    struct Unsure {
        likely: Vec<usize>,
        row: Vec<f32>,
    }

    impl Lines for Unsure {
        fn begin(&mut self, _: &[u32], rows: &[usize]) -> Result<Vec<Vec<f32>>> {
            self.row = vec![f32::NEG_INFINITY; 20];
            let likely = self.likely.remove(0);
            self.row[1..=likely].fill(0.0);
            Ok(vec![self.row.clone(); rows.len()])
        }

        fn step(&mut self, from: &[usize], _: &[u32]) -> Result<Vec<f32>> {
            Ok(self.row.repeat(from.len()))
        }
    }

    /// How many tokens were equally likely in the reading that stays, of those that `likely` names, and its temperature.
    fn stays(likely: &[usize], unbelieved: Unbelieved) -> (usize, f32) {
        let specials =
            Specials { vocabulary: 20, end: 16, start: 17, first_timestamp: 19, no_timestamps: 18, ..Specials::default() };
        let rules = Rules { timestamps: false, ..Rules::new(specials) };
        let limits = Limits { longest: 9, ..Limits::of(40) };
        let temperatures = (0..likely.len() as u8).map(|step| 0.2 * f32::from(step)).collect();
        let fallback = Fallback { temperatures, unbelieved, ..Fallback::default() };
        // Text of the first two tokens alone is a loop, whichever of them is chosen.
        let spell =
            |tokens: &[u32]| if tokens.iter().all(|&token| token < 3) { "na ".repeat(40) } else { "of some words".to_owned() };
        let mut lines = Unsure { likely: likely.to_vec(), row: Vec::new() };
        let reading = fallback.read(&mut lines, &rules, &Task::default(), &limits, &spell).unwrap();
        let among = (-reading.log_probability / 9.0).exp().round() as usize;
        (among, reading.temperature)
    }

    #[test]
    fn where_nothing_is_believed_the_likeliest_that_is_no_loop_stays() {
        let all = [8, 6, 2, 10];
        assert_eq!(stays(&all, Unbelieved::Last), (10, 0.2 * 3.0));
        assert_eq!(stays(&all, Unbelieved::Likeliest), (6, 0.2 * 3.0));
        assert_eq!(stays(&[6, 6, 2], Unbelieved::Likeliest), (6, 0.4));
        assert_eq!(stays(&[2, 1, 2], Unbelieved::Likeliest), (2, 0.4), "of loops the last");
        assert_eq!(stays(&[2, 9], Unbelieved::Likeliest), (9, 0.2), "words before a loop");
    }

    #[test]
    fn what_is_believed_ends_the_trying() {
        // Three equally likely: an average log-probability of -0.99 with the end that never comes.
        for unbelieved in [Unbelieved::Last, Unbelieved::Likeliest] {
            assert_eq!(stays(&[8, 3, 6], unbelieved), (3, 0.2));
        }
    }
}
