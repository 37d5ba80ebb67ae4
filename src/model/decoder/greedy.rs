//! Greedy decoding with a draft: as many tokens are verified in one step as the draft has right.
//!
//! In: the tokens that open a reading, a [`Prior`], and what chooses from logits. Out: the [`Reading`] and where each of its tokens
//! looked. A draft changes how long that takes, never what is read.

use super::guess::Guess;
use super::reading::{Reading, usable};
use super::{Decoder, Rows, no_finite_logit};
use crate::decode::Prior;
use crate::decode::alignment::Attention;
use crate::decode::greedy::Choice;
use crate::decode::look_back::LookBack;
use crate::error::Result;

/// Tokens in one step. Logits of a token are 128 KiB and more, and their product in integers takes nine times that, so a long draft is
/// verified in pieces; a piece costs about as much as a token.
const VERIFIED_AT_ONCE: usize = 16;

/// Chooses what follows: of the logits after a token, which it may change, and the tokens that were read until there.
pub(in crate::model) type Choose<'a> = &'a mut dyn FnMut(&mut [f32], &[u32]) -> Option<Choice>;

/// How a reading begins and ends.
#[derive(Clone, Copy, Debug)]
pub(in crate::model) struct Greedy<'a> {
    /// Name of the model, for errors.
    pub name: &'a str,
    /// The tokens it opens with, one at least; they are not read.
    pub opening: &'a [u32],
    /// The token that ends it.
    pub end_token: u32,
    /// Tokens of the vocabulary.
    pub vocabulary: usize,
    /// Most tokens that are read.
    pub limit: usize,
    /// When what is read counts as read anew, and is left out; `None`: never.
    pub look_back: Option<LookBack>,
}

impl Decoder {
    /// Reads the one piece of audio that was begun with. `opened` sees what the step with the opening says.
    ///
    /// # Errors
    /// `Model` with what ONNX Runtime says, or where `choose` finds nothing.
    pub fn greedy(
        &mut self,
        greedy: &Greedy<'_>,
        prior: Prior<'_>,
        opened: &mut dyn FnMut(&mut Rows),
        choose: Choose<'_>,
    ) -> Result<(Reading, Attention)> {
        let &Greedy { name, opening, end_token, vocabulary, limit, mut look_back } = greedy;
        let mut reading = Reading::new(end_token, limit);
        let mut attention = Attention::default();
        let mut guess = Guess::new(prior, |guess| usable(guess, vocabulary, end_token, limit));
        let mut tokens = opening.to_vec();
        let mut read = 0;
        loop {
            // Choices are made from the last of what is known on.
            let mut row = tokens.len() - 1;
            tokens.extend_from_slice(guess.ahead(VERIFIED_AT_ONCE - 1));
            let mut rows = self.step(&tokens)?;
            if read == 0 {
                opened(&mut rows);
            }
            // A row counts as long as all tokens before it are those that were chosen.
            let next = loop {
                let choice = match guess.given() {
                    Some(token) => Choice { token, probability: 1.0 },
                    None => {
                        let chosen = rows.logits(0, row).and_then(|logits| choose(logits, reading.ids()));
                        chosen.ok_or_else(|| no_finite_logit(name))?
                    }
                };
                rows.looked(0, row, &mut attention);
                if !reading.take(choice) {
                    return Ok((reading, attention));
                }
                if let Some(anew) = look_back.as_mut().and_then(|look_back| look_back.take(&attention)) {
                    reading.forget(anew);
                    return Ok((reading, attention));
                }
                row += 1;
                if !guess.take(choice.token) || row == tokens.len() {
                    break choice.token;
                }
            };
            read += row;
            self.keep(read)?;
            tokens.clear();
            tokens.push(next);
        }
    }
}
