//! Greedy decoding of one utterance, apart from the graphs: which tokens are taken and when there are enough.
//!
//! In: the likeliest next token, again and again. Out: the tokens read, without the end token and without the rounds of a loop. A
//! draft goes the same way token by token, so that it cannot change what is read.

use crate::decode::greedy::Choice;
use crate::decode::repetition;

/// The tokens taken so far.
#[derive(Debug)]
pub(in crate::model) struct Reading {
    tokens: Vec<Choice>,
    ids: Vec<u32>,
    end_token: u32,
    limit: usize,
}

impl Reading {
    /// Nothing read yet; at most `limit` tokens will be.
    pub fn new(end_token: u32, limit: usize) -> Self {
        Self { tokens: Vec::with_capacity(limit), ids: Vec::with_capacity(limit), end_token, limit }
    }

    /// Takes the next token. Returns whether more are wanted: not after the end token, a loop, or as many as the limit.
    pub fn take(&mut self, choice: Choice) -> bool {
        if choice.token == self.end_token || self.tokens.len() >= self.limit {
            return false;
        }
        self.tokens.push(choice);
        self.ids.push(choice.token);
        if let Some(kept) = repetition::loop_end(&self.ids) {
            self.tokens.truncate(kept);
            self.ids.truncate(kept);
            return false;
        }
        self.tokens.len() < self.limit
    }

    /// Forgets the last `count` tokens.
    pub fn forget(&mut self, count: usize) {
        let kept = self.tokens.len().saturating_sub(count);
        self.tokens.truncate(kept);
        self.ids.truncate(kept);
    }

    /// Ids of the tokens read.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The tokens read.
    pub fn tokens(&self) -> &[Choice] {
        &self.tokens
    }
}

/// The part of `draft` that can be verified: up to a token that no reading holds, and one short of `limit`, since what follows the
/// last token of a full reading is not asked.
pub(super) fn usable(draft: &[u32], vocabulary: usize, end_token: u32, limit: usize) -> &[u32] {
    let possible = |token: &&u32| (**token as usize) < vocabulary && **token != end_token;
    let length = draft.iter().take(limit.saturating_sub(1)).take_while(possible).count();
    &draft[..length]
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: u32 = 2;

    fn read(tokens: &[u32], limit: usize) -> (Vec<u32>, usize) {
        let mut reading = Reading::new(END, limit);
        let mut taken = 0;
        for &token in tokens {
            taken += 1;
            if !reading.take(Choice { token, probability: 0.5 }) {
                break;
            }
        }
        (reading.tokens().iter().map(|choice| choice.token).collect(), taken)
    }

    #[test]
    fn reading_stops_at_the_end_token_the_limit_and_a_loop() {
        assert_eq!(read(&[5, 6, END, 7], 10), (vec![5, 6], 3));
        assert_eq!(read(&[5, 6, 7, 8], 3), (vec![5, 6, 7], 3));
        assert_eq!(read(&[5], 0), (vec![], 1));
        let mut around = vec![4];
        around.extend([9; 20]);
        assert_eq!(read(&around, 30), (vec![4, 9], 9), "the eighth in a row is a loop, of which one round stays");
    }

    #[test]
    fn a_draft_ends_before_what_no_reading_holds() {
        assert_eq!(usable(&[5, 6, 7], 10, END, 9), [5, 6, 7]);
        assert_eq!(usable(&[5, END, 7], 10, END, 9), [5]);
        assert_eq!(usable(&[5, 6, 10], 10, END, 9), [5, 6], "outside the vocabulary");
        assert_eq!(usable(&[5, u32::MAX], 10, END, 9), [5]);
        assert_eq!(usable(&[5, 6, 7], 10, END, 3), [5, 6]);
        assert_eq!(usable(&[5], 10, END, 0), [0_u32; 0]);
    }
}
