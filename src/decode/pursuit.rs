//! Greedy choice with listed terms: a term is followed while its letters pay for what it costs, and undone where it is not said to its end.
//!
//! In: the logits of one step after another, the tokens read so far. Out: the token to take, with the probability that the model gives it,
//! and after the reading the place where a term was begun in vain. A greedy reading has no second hypothesis to fall back on, so
//! it is read again with that place chosen as the model would; what was read is the draft of it, and a step or two verify it.

use super::boost::{Boost, State};
use super::greedy::{self, Choice};
use super::lines::{self, Lines, stuck};
use super::reading::Line;
use super::rules::Rules;
use crate::error::Result;

/// After so many terms that were begun in vain the model alone chooses from there on.
const MOST_UNDONE: usize = 8;

/// The choices of one reading, and of what is read again of it.
#[derive(Clone, Debug)]
pub struct Pursuit<'a> {
    boost: &'a Boost,
    /// Places where the model alone chooses, in order.
    plain: Vec<usize>,
    state: State,
    /// Tokens that the state has seen.
    seen: usize,
    /// What the term that is followed has cost: by how much its tokens were less likely than the best, logits.
    spent: f32,
    /// Where it was first taken against the model.
    began: Option<usize>,
    /// Where the last choice was made, and what it cost.
    last: (usize, f32),
    failed: Option<usize>,
}

impl<'a> Pursuit<'a> {
    /// Begins a reading.
    pub fn new(boost: &'a Boost) -> Self {
        let (plain, state) = (Vec::new(), State::default());
        Self { boost, plain, state, seen: 0, spent: 0.0, began: None, last: (0, 0.0), failed: None }
    }

    /// The token after those `read` until here, some of which may have been given. `None` when no logit is finite.
    pub fn choose(&mut self, logits: &[f32], read: &[u32]) -> Option<Choice> {
        self.follow(read);
        let plain = greedy::choose(logits)?;
        self.last = (read.len(), 0.0);
        if self.is_plain(read.len()) {
            return Some(plain);
        }
        let best = logits[plain.token as usize];
        let saved = self.boost.owed(&self.state) - self.spent;
        // Of a term that would pay nothing more than it costs the model's own token is better.
        let mut chosen = (0.0, plain.token, 0.0);
        for candidate in self.boost.candidates(&self.state) {
            let Some(&logit) = logits.get(candidate.token as usize).filter(|logit| logit.is_finite()) else { continue };
            if !self.boost.may(plain.token, best - logit) {
                continue;
            }
            let left = candidate.bonus - (best - logit) + if candidate.begins { 0.0 } else { saved };
            if left > chosen.0 {
                chosen = (left, candidate.token, best - logit);
            }
        }
        let (_, token, cost) = chosen;
        if cost > 0.0 {
            self.spent += cost;
            self.began.get_or_insert(read.len());
            self.last.1 = cost;
        }
        Some(Choice { token, probability: plain.probability * (-cost).exp() })
    }

    /// Where in `read` a term was first begun against the model and then not said to its end; `ended`: nothing follows.
    pub fn failed(&mut self, read: &[u32], ended: bool) -> Option<usize> {
        self.follow(read);
        let ends_in_vain = ended && self.boost.finish(&self.state) < 0.0;
        self.failed.or(self.began.filter(|_| ends_in_vain))
    }

    /// Begins anew, with the model's own choice at `place`, which [`failed`](Self::failed) told. What is read is the same up to there, so
    /// the next place is a later one.
    pub fn undo(&mut self, place: usize) {
        self.plain.push(place);
        (self.state, self.seen, self.spent, self.began, self.failed) = (State::default(), 0, 0.0, None, None);
    }

    fn is_plain(&self, place: usize) -> bool {
        let given_up = self.plain.len() >= MOST_UNDONE && self.plain.last().is_some_and(|last| place >= *last);
        given_up || self.plain.contains(&place)
    }

    fn follow(&mut self, read: &[u32]) {
        for (place, &token) in read.iter().enumerate().skip(self.seen) {
            let owed = self.boost.owed(&self.state);
            let change = self.boost.advance(&mut self.state, token);
            let complete = change >= 0.0 && self.boost.owed(&self.state) < owed + change;
            if change < 0.0 {
                self.failed = self.failed.or(self.began);
            }
            if change < 0.0 || complete {
                (self.spent, self.began) = (0.0, None);
                // The token that ends one term may begin the next.
                if self.boost.owed(&self.state) > 0.0 && self.last.0 == place && self.last.1 > 0.0 {
                    (self.spent, self.began) = (self.last.1, Some(place));
                }
            }
        }
        self.seen = self.seen.max(read.len());
    }
}

/// Reads one line greedily from the logits `first` after `prompt`, `room` tokens at most, and follows the terms of `boost`.
pub(super) fn read<L: Lines + ?Sized>(
    lines: &mut L,
    rules: &Rules,
    boost: &Boost,
    (prompt, first): (&[u32], Vec<f32>),
    room: usize,
) -> Result<Line> {
    let vocabulary = rules.specials.vocabulary;
    let mut pursuit = Pursuit::new(boost);
    let (mut logits, mut line) = (first, Line::default());
    let mut ids: Vec<u32> = Vec::new();
    loop {
        rules.apply(&ids, &mut logits);
        let choice = pursuit.choose(&logits, &ids).ok_or_else(|| stuck(ids.len()))?;
        let mut ended = line.push(choice, rules.specials.end);
        if !ended {
            ids.push(choice.token);
            ended = ids.len() >= room;
        }
        if let Some(place) = pursuit.failed(&ids, ended) {
            pursuit.undo(place);
            ids.truncate(place);
            let kept = line.tokens.into_iter().take(place);
            line = Line::default();
            for choice in kept {
                line.push(choice, rules.specials.end);
            }
            let said = [prompt, &ids].concat();
            logits = lines::begin(lines, vocabulary, &said, &[said.len() - 1])?.pop().unwrap_or_default();
        } else if ended {
            return Ok(line);
        } else {
            logits = lines::step(lines, vocabulary, &[0], &[choice.token])?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::vocabulary::Vocabulary;

    const PIECES: [&str; 7] = ["", " the", " Si", "oban", " sea", "n", "ob"];

    fn boost() -> Boost {
        Boost::new(&Vocabulary::parse("Sioban").unwrap(), PIECES.len(), |token| PIECES[token as usize].as_bytes())
    }

    /// Reads greedily from `logits`, a row a place; what was read, and where a term failed.
    fn read(boost: &Boost, plain: &[usize], rows: &[[f32; 7]]) -> (Vec<u32>, Vec<f32>, Option<usize>) {
        let mut pursuit = Pursuit::new(boost);
        plain.iter().for_each(|&place| pursuit.undo(place));
        let (mut read, mut probabilities) = (Vec::new(), Vec::new());
        for row in rows {
            let choice = pursuit.choose(row, &read).unwrap();
            read.push(choice.token);
            probabilities.push(choice.probability);
        }
        let failed = pursuit.failed(&read, true);
        (read, probabilities, failed)
    }

    fn row(likely: &[(usize, f32)]) -> [f32; 7] {
        let mut row = [-20.0; 7];
        likely.iter().for_each(|&(token, logit)| row[token] = logit);
        row
    }

    #[test]
    fn a_name_is_taken_with_the_probability_of_the_model() {
        let rows = [row(&[(1, 5.0)]), row(&[(4, 3.0), (2, 1.0)]), row(&[(5, 2.0), (3, 1.0)])];
        let (tokens, probabilities, failed) = read(&boost(), &[], &rows);
        assert_eq!((tokens, failed), (vec![1, 2, 3], None));
        let expected = (-2.0_f32).exp() / (1.0 + (-2.0_f32).exp());
        assert!((probabilities[1] - expected).abs() < 1e-4, "{probabilities:?}, expected {expected}");
    }

    #[test]
    fn what_was_begun_in_vain_is_told_and_not_begun_again() {
        let rows = [row(&[(4, 3.0), (2, 1.0)]), row(&[(5, 15.0), (3, 1.0)]), row(&[(1, 5.0)])];
        let boost = boost();
        let (tokens, _, failed) = read(&boost, &[], &rows);
        assert_eq!((tokens, failed), (vec![2, 5, 1], Some(0)));
        let (tokens, _, failed) = read(&boost, &[0], &rows);
        assert_eq!((tokens, failed), (vec![4, 5, 1], None));
    }

    #[test]
    fn a_name_costs_no_more_than_its_letters_bring() {
        let far = 40.0;
        let rows = [row(&[(4, far), (2, 1.0)]), row(&[(5, 2.0), (3, 1.0)])];
        assert_eq!(read(&boost(), &[], &rows).0[0], 4);
    }
}
