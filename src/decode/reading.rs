//! One reading of up to 30 s of audio as Whisper's reference makes it: greedy, by beam search, or the best of several samples.
//!
//! In: a decoder on the audio, the rules, the task, how to search. Out: a [`Reading`]. `DecodingTask` of openai-whisper
//! (`whisper/decoding.py`).

use super::beam::{self, Beam};
use super::boost::State;
use super::greedy::{self, Choice};
use super::lines::{self, Lines, MOST_LINES};
use super::prompt::{Prompt, Task};
use super::rules::Rules;
use super::sampling::{self, Sampling};
use super::{compression, language, pursuit};
use crate::error::{Error, ErrorKind, Result};

/// How a reading is searched for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Search {
    /// By beam search.
    Beam(Beam),
    /// The best of `best_of` lines, 1 to 32, that are sampled; at temperature 0 with one line this is greedy reading.
    Sample {
        /// How boldly to sample.
        sampling: Sampling,
        /// How many lines.
        best_of: usize,
        /// What the chances follow from.
        seed: u64,
    },
}

impl Search {
    /// Greedy: the likeliest token always.
    pub fn greedy() -> Self {
        Self::Sample { sampling: Sampling::default(), best_of: 1, seed: 0 }
    }

    /// The temperature; 0 for a beam.
    pub fn temperature(&self) -> f32 {
        match self {
            Self::Beam(_) => 0.0,
            Self::Sample { sampling, .. } => sampling.temperature,
        }
    }

    /// Checks every figure.
    ///
    /// # Errors
    /// `InvalidInput` naming the figure, its value and its range.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Beam(beam) => beam.check(),
            Self::Sample { sampling, best_of, .. } => {
                if !(1..=MOST_LINES).contains(best_of) {
                    let message = format!("best_of = {best_of} is not 1 to {MOST_LINES}");
                    return Err(Error::new(ErrorKind::InvalidInput, message));
                }
                sampling.check()
            }
        }
    }
}

/// What holds for every reading by a decoder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Tokens the decoder has places for, prompt and text together: 448.
    pub context: usize,
    /// Tokens sampled at most, the end included: 224. At most half the context for what the reference does.
    pub longest: usize,
    /// Lines are compared by log-probability over length, or, with the alpha of Wu and others, arXiv:1609.08144, over
    /// ((5 + length) / 6) ^ alpha; 0 to 1.
    pub length_penalty: Option<f32>,
}

impl Limits {
    /// The reference's for a decoder with so many places.
    pub fn of(context: usize) -> Self {
        Self { context, longest: context / 2, length_penalty: None }
    }
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The tokens, timestamps included, without prompt and end, each with its probability among those that the rules allowed.
    pub tokens: Vec<Choice>,
    /// What they spell, without the space around.
    pub text: String,
    /// Sum of the logarithms of the probabilities, that of the end included.
    pub log_probability: f64,
    /// The same over the number of tokens and one.
    pub average_log_probability: f64,
    /// What is to be added to the sum where it is asked whether to believe it: of the listed terms ([`forgiven`](super::boost::Boost::forgiven)).
    pub forgiven: f64,
    /// How likely nobody speaks, 0 to 1.
    pub no_speech: f32,
    /// The temperature it was sampled at; 0: greedy or by beam search.
    pub temperature: f32,
    /// How well the text compresses: above 2.4 it is a loop.
    pub compression_ratio: f64,
    /// Token of the language, where the model knows several.
    pub language: Option<u32>,
}

/// A line of text while it is read.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    pub tokens: Vec<Choice>,
    pub log_probability: f64,
    /// How far a listed term has been said.
    pub state: State,
    /// What listed terms add to the log-probability where lines are compared.
    pub bonus: f64,
    /// Whether it goes on only for what a term will bring that is not yet whole.
    pub hopes: bool,
}

impl Line {
    /// Goes on by `choice`; says whether this was the end.
    pub fn push(&mut self, choice: Choice, end: u32) -> bool {
        self.log_probability += f64::from(choice.probability.max(f32::MIN_POSITIVE)).ln();
        if choice.token != end {
            self.tokens.push(choice);
        }
        choice.token == end
    }

    pub fn ids(&self) -> Vec<u32> {
        self.tokens.iter().map(|choice| choice.token).collect()
    }
}

/// Reads the audio that `lines` is on. `spell` gives the text of tokens that are no timestamps; the ratio of compression is of it.
///
/// A language that the task leaves open is heard first, which is a call of its own to the decoder.
///
/// # Errors
/// `InvalidInput` where a figure, the language or the prompt does not fit; `Model` where no token may follow; the decoder's own.
pub fn read<L: Lines + ?Sized>(
    lines: &mut L,
    rules: &Rules,
    task: &Task<'_>,
    limits: &Limits,
    search: &Search,
    spell: &dyn Fn(&[u32]) -> String,
) -> Result<Reading> {
    search.check()?;
    if limits.longest == 0 || !limits.length_penalty.is_none_or(|alpha| (0.0..=1.0).contains(&alpha)) {
        let message = format!(
            "a longest text of {} tokens is not 1 or more, or a length penalty of {} not 0 to 1",
            limits.longest,
            limits.length_penalty.unwrap_or_default()
        );
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let specials = &rules.specials;
    let language = match task.language {
        None if !specials.languages.is_empty() => Some(language::detect(lines, specials)?.token),
        given => given,
    };
    let prompt = Prompt::new(rules, &Task { language, ..*task }, limits.context, limits.longest)?;
    // As in the reference, the last token sampled may lie one past the context: it is never fed back.
    let room = limits.longest.min((limits.context - prompt.tokens.len()).saturating_add(1));

    let last = prompt.tokens.len() - 1;
    let rows = [prompt.start, last];
    let mut logits =
        lines::begin(lines, specials.vocabulary, &prompt.tokens, if last == prompt.start { &rows[..1] } else { &rows })?;
    let no_speech = logits.first().map_or(0.0, |row| probability(row, specials.no_speech));
    let first = logits.pop().unwrap_or_default();
    drop(logits);
    let mut found = match *search {
        Search::Beam(beam) => beam::search(lines, rules, task.terms, first, beam, room)?,
        // A sampled reading is the model's own: of a term that is begun by chance little is said to its end.
        Search::Sample { sampling, .. } if sampling.temperature <= 0.0 && task.terms.is_some() => {
            let terms = task.terms.into_iter();
            terms.map(|terms| pursuit::read(lines, rules, terms, (&prompt.tokens, first.clone()), room)).collect::<Result<_>>()?
        }
        Search::Sample { sampling, best_of, seed } => sampling::sample(lines, rules, first, sampling, (best_of, room, seed))?,
    };
    if let Some(terms) = task.terms {
        // With all that its terms bring a line could be better than certain, and the shorter the better.
        found.iter_mut().for_each(|line| line.bonus = terms.forgiven(&line.tokens));
    }
    let line = found.swap_remove(best(&found, limits.length_penalty));

    let text: Vec<u32> = line.ids().into_iter().filter(|&token| !specials.is_timestamp(token)).collect();
    let text = spell(&text).trim().to_owned();
    Ok(Reading {
        average_log_probability: line.log_probability / (line.tokens.len() + 1) as f64,
        log_probability: line.log_probability,
        forgiven: task.terms.map_or(0.0, |terms| terms.forgiven(&line.tokens)),
        tokens: line.tokens,
        no_speech,
        temperature: search.temperature(),
        compression_ratio: compression::ratio(&text),
        text,
        language,
    })
}

/// Probability of `token` under the softmax of `logits`, 0 to 1; 0 where it is not a number.
fn probability(logits: &[f32], token: u32) -> f32 {
    let (Some(best), Some(&logit)) = (greedy::highest(logits), logits.get(token as usize)) else { return 0.0 };
    if logit <= best { (logit - best).exp() / greedy::mass(logits, best) } else { 0.0 }
}

/// The place of the line that is likeliest for its length (`MaximumLikelihoodRanker`), the first among equals. An empty line, by
/// whose length the reference would divide, counts as one token.
fn best(lines: &[Line], length_penalty: Option<f32>) -> usize {
    let score = |line: &Line| {
        let length = line.tokens.len() as f64;
        (line.log_probability + line.bonus)
            / length_penalty.map_or(length.max(1.0), |alpha| ((5.0 + length) / 6.0).powf(f64::from(alpha)))
    };
    let mut best = (0, f64::NEG_INFINITY);
    for (place, line) in lines.iter().enumerate() {
        let score = score(line);
        if score > best.1 {
            best = (place, score);
        }
    }
    best.0
}

#[cfg(test)]
mod tests;
