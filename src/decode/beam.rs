//! Beam search: the likeliest of several lines of text, not the line of the likeliest tokens.
//!
//! In: a decoder, its rules and first logits. Out: the lines that were found. `BeamSearchDecoder` of openai-whisper
//! (`whisper/decoding.py`), with the patience of Kasai and others, arXiv:2204.05424.

use super::boost::{Boost, State};
use super::greedy::{self, Choice};
use super::lines::{self, Lines, MOST_LINES, stuck};
use super::reading::Line;
use super::rules::Rules;
use crate::error::{Error, ErrorKind, Result};

/// How widely to search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beam {
    /// Lines side by side, 1 to 32.
    pub lines: usize,
    /// Searching ends when `lines` times this, rounded to even, have ended: 1; above 0 to 8.
    pub patience: f32,
}

impl Beam {
    /// So many lines, with the patience of 1.
    pub fn of(lines: usize) -> Self {
        Self { lines, patience: 1.0 }
    }

    /// Checks both figures.
    ///
    /// # Errors
    /// `InvalidInput` naming the figure, its value and its range.
    pub fn check(&self) -> Result<()> {
        let wrong = if !(1..=MOST_LINES).contains(&self.lines) {
            format!("{} lines of a beam are not 1 to {MOST_LINES}", self.lines)
        } else if !(self.patience > 0.0 && self.patience <= 8.0) || self.enough() == 0 {
            format!("patience = {} is not above 0 to 8, with at least one line to end", self.patience)
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::InvalidInput, wrong))
    }

    /// How many lines have to end.
    fn enough(&self) -> usize {
        (self.lines as f64 * f64::from(self.patience)).round_ties_even() as usize
    }
}

/// A line that goes on by one token.
#[derive(Clone, Copy)]
struct Step {
    line: usize,
    choice: Choice,
    log_probability: f64,
    state: State,
    bonus: f64,
    /// What of the bonus would stay if the text ended here.
    sure: f64,
    /// Whether it still goes on only for what a term will bring.
    hopes: bool,
}

impl Step {
    /// Takes its token along a term, where there was `likeliest` to take.
    fn take(&mut self, terms: &Boost, likeliest: Choice, ends: bool) {
        if !ends {
            let before = self.state;
            let change = terms.advance(&mut self.state, self.choice.token);
            if change > 0.0 && !terms.may(likeliest.token, (likeliest.probability / self.choice.probability).ln()) {
                self.bonus += f64::from(terms.leave(&before, self.choice.token));
                self.state = State::default();
            } else {
                self.bonus += f64::from(change);
            }
        }
        self.sure = self.bonus + f64::from(terms.finish(&self.state));
        if ends {
            self.bonus = self.sure;
        }
    }

    /// The line without its token.
    fn line_of(&self, going: &[Line]) -> Line {
        let Self { log_probability, state, bonus, .. } = *self;
        Line { log_probability, state, bonus, hopes: false, ..going[self.line].clone() }
    }

    fn score(&self) -> f64 {
        self.log_probability + self.bonus
    }

    fn sure_score(&self) -> f64 {
        self.log_probability + self.sure
    }
}

/// Lines from the logits `first`, each of `room` tokens at most: those that ended, best ones of each step first, and, where these
/// are fewer than the beam's, the best that did not.
///
/// Lines that nothing may follow die out, where the reference goes on with them at a probability of 0. With `terms`, lines are compared
/// with their bonus; what a term will bring that is not yet whole lets in lines beside those of the beam, half as many, which end where it
/// breaks off. So a list changes what is found only by terms that are said to their end.
pub(super) fn search<L: Lines + ?Sized>(
    lines: &mut L,
    rules: &Rules,
    terms: Option<&Boost>,
    mut first: Vec<f32>,
    beam: Beam,
    room: usize,
) -> Result<Vec<Line>> {
    let specials = &rules.specials;
    rules.apply(&[], &mut first);
    let mut logits = first;
    let mut going = vec![Line::default()];
    let mut ended: Vec<Line> = Vec::new();
    let mut steps = Vec::new();
    for sampled in 0..room {
        steps.clear();
        for (line, logits) in logits.chunks_exact(specials.vocabulary.max(1)).enumerate() {
            let Line { log_probability: before, state, bonus, hopes, .. } = going[line];
            likeliest(logits, beam.lines + 1, (terms, state), |choice, log_probability, likeliest| {
                let log_probability = before + log_probability;
                let mut step = Step { line, choice, log_probability, state, bonus, sure: bonus, hopes: false };
                if let Some(terms) = terms {
                    step.take(terms, likeliest, choice.token == specials.end);
                }
                step.hopes = hopes && step.sure < step.bonus;
                if !hopes || step.bonus >= bonus {
                    steps.push(step);
                }
            });
        }
        // Stable: of equals the one of the better line.
        steps.sort_by(|a, b| a.hopes.cmp(&b.hopes).then(b.sure_score().total_cmp(&a.sure_score())));
        let mut next = Vec::with_capacity(beam.lines + beam.lines / 2);
        let mut looked_at = 0;
        for step in steps.iter().take_while(|step| !step.hopes) {
            looked_at += 1;
            let mut line = step.line_of(&going);
            if step.choice.token == specials.end {
                if ended.len() < beam.enough() {
                    ended.push(line);
                }
            } else {
                line.tokens.push(step.choice);
                next.push((step.line, line));
                if next.len() == beam.lines {
                    break;
                }
            }
        }
        let (sure, rest) = steps.split_at_mut(looked_at);
        let least = sure.last().map_or(f64::NEG_INFINITY, Step::sure_score);
        rest.sort_by(|a, b| b.score().total_cmp(&a.score()));
        let comes = |step: &&Step| step.choice.token != specials.end && step.score() > step.sure_score().max(least);
        for step in rest.iter().filter(comes).take(beam.lines / 2) {
            let mut line = step.line_of(&going);
            line.hopes = true;
            line.tokens.push(step.choice);
            next.push((step.line, line));
        }
        let from: Vec<usize> = next.iter().map(|&(from, _)| from).collect();
        going = next.into_iter().map(|(_, line)| line).collect();
        if going.is_empty() && ended.is_empty() {
            return Err(stuck(sampled));
        }
        if ended.len() >= beam.enough() || going.is_empty() || sampled + 1 == room {
            break;
        }
        let tokens: Vec<u32> = going.iter().filter_map(|line| line.tokens.last()).map(|choice| choice.token).collect();
        logits = lines::step(lines, specials.vocabulary, &from, &tokens)?;
        for (line, logits) in going.iter().zip(logits.chunks_exact_mut(specials.vocabulary.max(1))) {
            rules.apply(&line.ids(), logits);
        }
    }
    let missing = beam.lines.saturating_sub(ended.len());
    ended.extend(going.into_iter().filter(|line| !line.hopes).take(missing).map(|line| finished(line, terms)));
    Ok(ended)
}

/// A line that ends though its end was not read.
fn finished(mut line: Line, terms: Option<&Boost>) -> Line {
    line.bonus += terms.map_or(0.0, |terms| f64::from(terms.finish(&line.state)));
    line
}

/// Gives `take` the `count` likeliest tokens of `logits`, the likeliest first, and those that go on with a term of `terms` and come into
/// question by that: each with the logarithm of its probability, and the likeliest of all.
fn likeliest(logits: &[f32], count: usize, (terms, state): (Option<&Boost>, State), mut take: impl FnMut(Choice, f64, Choice)) {
    let Some(best) = greedy::highest(logits) else { return };
    let mass = f64::from(greedy::mass(logits, best));
    let mut found: Vec<(f32, u32)> = Vec::with_capacity(count + 1);
    let mut least = f32::NEG_INFINITY;
    for (&logit, token) in logits.iter().zip(0_u32..) {
        if logit > least && logit <= best {
            let place = found.partition_point(|&(other, _)| other >= logit);
            found.insert(place, (logit, token));
            found.truncate(count);
            if found.len() == count {
                least = found.last().map_or(least, |&(logit, _)| logit);
            }
        }
    }
    if let Some(terms) = terms {
        let likely = found.len();
        for candidate in terms.candidates(&state) {
            let Some(&logit) = logits.get(candidate.token as usize).filter(|&&logit| logit <= best) else { continue };
            let comes = logit.is_finite() && logit + candidate.bonus + terms.owed(&state) > least;
            if comes && found[..likely].iter().all(|&(_, token)| token != candidate.token) {
                found.push((logit, candidate.token));
            }
        }
    }
    let mut likeliest = None;
    for (logit, token) in found {
        let log_probability = f64::from(logit - best) - mass.ln();
        let choice = Choice { token, probability: log_probability.exp() as f32 };
        take(choice, log_probability, *likeliest.get_or_insert(choice));
    }
}
