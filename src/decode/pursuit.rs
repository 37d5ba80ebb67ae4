//! Greedy choice with listed terms: a term is followed while its letters pay for what it costs, and undone where it is not said to its end.
//!
//! In: the logits of one step after another, the tokens read so far. Out: the token to take, with the probability that the model gives it,
//! and after the reading the place where a term was begun in vain. A greedy reading has no second hypothesis to fall back on, so
//! it is read again with that place chosen as the model would; what was read is the draft of it, and a step or two verify it.

use super::boost::{Boost, State};
use super::greedy::{self, Choice};

/// The choices of one reading.
#[derive(Clone, Debug)]
pub struct Pursuit<'a> {
    boost: &'a Boost,
    /// Places where the model alone chooses.
    plain: &'a [usize],
    state: State,
    /// Tokens that the state has seen.
    seen: usize,
    /// What the term that is followed has cost: by how much its tokens were less likely than the best, logits.
    spent: f32,
    /// Where it was first taken against the model.
    began: Option<usize>,
    failed: Option<usize>,
}

impl<'a> Pursuit<'a> {
    /// Begins a reading in which the model alone chooses at the places `plain`.
    pub fn new(boost: &'a Boost, plain: &'a [usize]) -> Self {
        Self { boost, plain, state: State::default(), seen: 0, spent: 0.0, began: None, failed: None }
    }

    /// The token after those `read` until here, some of which may have been given. `None` when no logit is finite.
    pub fn choose(&mut self, logits: &[f32], read: &[u32]) -> Option<Choice> {
        self.follow(read);
        let plain = greedy::choose(logits)?;
        if self.plain.contains(&read.len()) {
            return Some(plain);
        }
        let best = logits[plain.token as usize];
        let saved = self.boost.owed(&self.state) - self.spent;
        // Of a term that would pay nothing more than it costs the model's own token is better.
        let mut chosen = (0.0, plain.token, 0.0);
        for candidate in self.boost.candidates(&self.state) {
            let Some(&logit) = logits.get(candidate.token as usize).filter(|logit| logit.is_finite()) else { continue };
            let left = saved + candidate.bonus - (best - logit);
            if left > chosen.0 {
                chosen = (left, candidate.token, best - logit);
            }
        }
        let (_, token, cost) = chosen;
        if cost > 0.0 {
            self.spent += cost;
            self.began.get_or_insert(read.len());
        }
        Some(Choice { token, probability: plain.probability * (-cost).exp() })
    }

    /// Where in `read`, all that was read, a term was first begun against the model and then not said to its end.
    pub fn failed(&mut self, read: &[u32]) -> Option<usize> {
        self.follow(read);
        let ends_in_vain = self.boost.finish(&self.state) < 0.0;
        self.failed.or(self.began.filter(|_| ends_in_vain))
    }

    fn follow(&mut self, read: &[u32]) {
        for &token in read.get(self.seen..).unwrap_or_default() {
            let owed = self.boost.owed(&self.state);
            let change = self.boost.advance(&mut self.state, token);
            let complete = change >= 0.0 && self.boost.owed(&self.state) < owed + change;
            if change < 0.0 {
                self.failed = self.failed.or(self.began);
            }
            if change < 0.0 || complete {
                (self.spent, self.began) = (0.0, None);
            }
        }
        self.seen = self.seen.max(read.len());
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
        let mut pursuit = Pursuit::new(boost, plain);
        let (mut read, mut probabilities) = (Vec::new(), Vec::new());
        for row in rows {
            let choice = pursuit.choose(row, &read).unwrap();
            read.push(choice.token);
            probabilities.push(choice.probability);
        }
        let failed = pursuit.failed(&read);
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
