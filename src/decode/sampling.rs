//! Sampling: the next token by chance, as likely as the model holds it to be.
//!
//! In: logits, and how bold to be. Out: a token, the same for the same seed everywhere; and whole lines of them. `GreedyDecoder` of
//! openai-whisper (`whisper/decoding.py`) at a temperature above 0; top-k and top-p as in Holtzman and others, arXiv:1904.09751.

use super::greedy::{self, Choice};
use super::lines::{self, Lines, MOST_LINES, stuck};
use super::reading::Line;
use super::rules::Rules;
use crate::error::{Error, ErrorKind, Result};
use crate::latency::random::SplitMix64;

/// How boldly to sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Logits are divided by this, 0 to 10; 0 takes the likeliest token always.
    pub temperature: f32,
    /// Only so many of the likeliest tokens come into question, 1 or more; `None`: all.
    pub top_k: Option<usize>,
    /// Of those, only the likeliest that together have this probability at the temperature, above 0 to 1.
    pub top_p: f32,
}

/// Always the likeliest token.
impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.0, top_k: None, top_p: 1.0 }
    }
}

impl Sampling {
    /// At `temperature`, from all tokens.
    pub fn at(temperature: f32) -> Self {
        Self { temperature, ..Self::default() }
    }

    /// Checks every figure.
    ///
    /// # Errors
    /// `InvalidInput` naming the figure, its value and its range.
    pub fn check(&self) -> Result<()> {
        let wrong = if !(0.0..=10.0).contains(&self.temperature) {
            format!("temperature = {} is not 0 to 10", self.temperature)
        } else if self.top_k == Some(0) {
            "top_k = 0 is not 1 or more".to_owned()
        } else if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            format!("top_p = {} is not above 0 to 1", self.top_p)
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::InvalidInput, wrong))
    }
}

/// Samples one token after another.
#[derive(Clone, Debug)]
pub struct Sampler {
    sampling: Sampling,
    random: SplitMix64,
    /// Weights and ids of the tokens that come into question.
    candidates: Vec<(f64, u32)>,
}

impl Sampler {
    /// A sampler whose chances follow from `seed`.
    ///
    /// # Errors
    /// [`Sampling::check`]'s.
    pub fn new(sampling: Sampling, seed: u64) -> Result<Self> {
        sampling.check()?;
        Ok(Self { sampling, random: SplitMix64::new(seed), candidates: Vec::new() })
    }

    /// The next token, never one whose logit is not finite, with its probability under the softmax of the logits as they are, 0 to
    /// 1. `None` when there is no candidate.
    pub fn choose(&mut self, logits: &[f32]) -> Option<Choice> {
        let Sampling { temperature, top_k, top_p } = self.sampling;
        if temperature <= 0.0 {
            return greedy::choose(logits);
        }
        let best = greedy::highest(logits)?;
        let weight = |logit: f32| if logit <= best { (f64::from(logit - best) / f64::from(temperature)).exp() } else { 0.0 };
        let token = if top_k.is_none() && top_p >= 1.0 {
            let total: f64 = logits.iter().map(|&logit| weight(logit)).sum();
            draw(self.random.uniform() * total, logits.iter().map(|&logit| weight(logit)))?
        } else {
            let candidates = &mut self.candidates;
            candidates.clear();
            let all = logits.iter().zip(0_u32..).map(|(&logit, token)| (weight(logit), token));
            candidates.extend(all.filter(|&(weight, _)| weight > 0.0));
            let likelier = |a: &(f64, u32), b: &(f64, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
            if let Some(count) = top_k.filter(|&count| count < candidates.len()) {
                candidates.select_nth_unstable_by(count, likelier);
                candidates.truncate(count);
            }
            candidates.sort_unstable_by(likelier);
            let total: f64 = candidates.iter().map(|&(weight, _)| weight).sum();
            let mut together = 0.0;
            let kept = candidates.iter().take_while(|(weight, _)| {
                let comes = together < f64::from(top_p) * total;
                together += weight;
                comes
            });
            let kept = kept.count();
            let total: f64 = candidates[..kept].iter().map(|&(weight, _)| weight).sum();
            let place = draw(self.random.uniform() * total, candidates[..kept].iter().map(|&(weight, _)| weight))?;
            candidates[place].1 as usize
        };
        let below = *logits.get(token)? - best;
        Some(Choice { token: u32::try_from(token).ok()?, probability: below.exp() / greedy::mass(logits, best) })
    }
}

/// The place at which the sum of `weights` first exceeds `point`; the last that weighs anything where rounding leaves none.
fn draw(point: f64, weights: impl Iterator<Item = f64>) -> Option<usize> {
    let mut sum = 0.0;
    let mut last = None;
    for (place, weight) in weights.enumerate() {
        sum += weight;
        if sum > point {
            return Some(place);
        }
        if weight > 0.0 {
            last = Some(place);
        }
    }
    last
}

/// `count` lines side by side from the logits `first`, each of `room` tokens at most, each with chances of its own that follow
/// from `seed`. A line that has ended is not gone on with.
pub(super) fn sample<L: Lines + ?Sized>(
    lines: &mut L,
    rules: &Rules,
    mut first: Vec<f32>,
    sampling: Sampling,
    (count, room, seed): (usize, usize, u64),
) -> Result<Vec<Line>> {
    let specials = &rules.specials;
    rules.apply(&[], &mut first);
    let sampler = |line: u64| Sampler::new(sampling, SplitMix64::new(seed ^ (line << 32)).bits());
    let count = count.clamp(1, MOST_LINES);
    let mut samplers = (0..count as u64).map(sampler).collect::<Result<Vec<Sampler>>>()?;
    let mut found = vec![Line::default(); count];
    // Lines that go on, and the row of `logits` each goes on from.
    let mut going: Vec<(usize, usize)> = (0..count).map(|line| (line, 0)).collect();
    let mut logits = first;
    for sampled in 0..room {
        let mut next = Vec::with_capacity(going.len());
        for (line, row) in going {
            let row_logits = logits.chunks_exact(specials.vocabulary.max(1)).nth(row).unwrap_or(&[]);
            let choice = samplers[line].choose(row_logits).ok_or_else(|| stuck(sampled))?;
            if !found[line].push(choice, specials.end) {
                next.push((line, row, choice.token));
            }
        }
        if next.is_empty() || sampled + 1 == room {
            break;
        }
        let from: Vec<usize> = next.iter().map(|&(_, row, _)| row).collect();
        let tokens: Vec<u32> = next.iter().map(|&(_, _, token)| token).collect();
        logits = lines::step(lines, specials.vocabulary, &from, &tokens)?;
        going = next.iter().enumerate().map(|(row, &(line, _, _))| (line, row)).collect();
        for (&(line, _), logits) in going.iter().zip(logits.chunks_exact_mut(specials.vocabulary.max(1))) {
            rules.apply(&found[line].ids(), logits);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(sampling: Sampling, logits: &[f32]) -> Vec<u32> {
        let mut sampler = Sampler::new(sampling, 3).unwrap();
        (0..2_000).map(|_| sampler.choose(logits).unwrap().token).collect()
    }

    #[test]
    fn only_the_likeliest_come_into_question() {
        // Probabilities .5, .25, .125, .125.
        let logits = [0.125_f32.ln(), 0.5_f32.ln(), f32::NAN, 0.25_f32.ln(), f32::INFINITY, 0.125_f32.ln()];
        let share = |tokens: &[u32], token| tokens.iter().filter(|&&other| other == token).count() as f32 / tokens.len() as f32;
        let all = drawn(Sampling::at(1.0), &logits);
        let two = drawn(Sampling { top_k: Some(2), ..Sampling::at(1.0) }, &logits);
        let nucleus = drawn(Sampling { top_p: 0.7, ..Sampling::at(1.0) }, &logits);
        assert!((share(&all, 1) - 0.5).abs() < 0.05 && (share(&all, 5) - 0.125).abs() < 0.04);
        for tokens in [&two, &nucleus] {
            assert!((share(tokens, 1) - 2.0 / 3.0).abs() < 0.05, "{}", share(tokens, 1));
            assert!(tokens.iter().all(|token| [1, 3].contains(token)));
        }
        assert_eq!(all, drawn(Sampling::at(1.0), &logits), "the same seed gives the same tokens");
        assert!(drawn(Sampling { top_p: 1e-6, ..Sampling::at(10.0) }, &logits).iter().all(|&token| token == 1));
        assert!(drawn(Sampling::at(0.01), &logits).iter().all(|&token| token == 1));
    }

    #[test]
    fn the_probability_is_that_without_temperature() {
        let logits = [1.0, 2.0, f32::NEG_INFINITY];
        let choice = Sampler::new(Sampling::at(0.001), 1).unwrap().choose(&logits).unwrap();
        assert_eq!(choice.token, 1);
        assert!((choice.probability - 1.0 / (1.0 + (-1.0_f32).exp())).abs() < 1e-5);
    }

    #[test]
    fn figures_out_of_range_are_named_and_nothing_is_drawn_from_nothing() {
        let wrong = [
            (Sampling::at(-0.1), "temperature = -0.1"),
            (Sampling::at(f32::NAN), "temperature = NaN"),
            (Sampling { top_k: Some(0), ..Sampling::at(1.0) }, "top_k = 0"),
            (Sampling { top_p: 0.0, ..Sampling::at(1.0) }, "top_p = 0"),
        ];
        for (sampling, expected) in wrong {
            let error = Sampler::new(sampling, 1).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.message().contains(expected), "{error}");
        }
        for sampling in [Sampling::at(0.0), Sampling::at(1.0), Sampling { top_k: Some(3), ..Sampling::at(1.0) }] {
            let mut sampler = Sampler::new(sampling, 1).unwrap();
            assert_eq!(sampler.choose(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]), None);
            assert_eq!(sampler.choose(&[]), None);
        }
    }
}
