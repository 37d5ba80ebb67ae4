//! Greedy decoding that follows listed terms, and undoes those that are not said to their end.
//!
//! In: as for greedy decoding, and a [`Boost`]. Out: the same. What was read is the draft of what is read again, so a step or two verify
//! it.

use super::reading::Reading;
use super::{Decoder, Greedy, Rows};
use crate::decode::alignment::Attention;
use crate::decode::boost::Boost;
use crate::decode::pursuit::Pursuit;
use crate::decode::{Prior, greedy as choice};
use crate::error::Result;

/// Puts what must not follow the tokens that were read to -inf in the logits after them.
pub(in crate::model) type Forbid<'a> = &'a mut dyn FnMut(&mut [f32], &[u32]);

impl Decoder {
    /// As [`greedy`](Self::greedy) where the likeliest token is chosen of those that `forbid` leaves, or one of a term of `boost`.
    ///
    /// # Errors
    /// `Model` with what ONNX Runtime says, or where no token is left.
    pub fn greedy_with_terms(
        &mut self,
        greedy: &Greedy<'_>,
        prior: Prior<'_>,
        opened: &mut dyn FnMut(&mut Rows),
        forbid: Forbid<'_>,
        boost: Option<&Boost>,
    ) -> Result<(Reading, Attention)> {
        let Some(boost) = boost else {
            return self.greedy(greedy, prior, opened, &mut |logits, read| {
                forbid(logits, read);
                choice::choose(logits)
            });
        };
        let given = prior.given;
        let mut draft = prior.draft.to_vec();
        let mut pursuit = Pursuit::new(boost);
        loop {
            let found = self.greedy(greedy, Prior { given, draft: &draft }, opened, &mut |logits, read| {
                forbid(logits, read);
                pursuit.choose(logits, read)
            })?;
            let Some(place) = pursuit.failed(found.0.ids(), true) else { return Ok(found) };
            pursuit.undo(place);
            draft = found.0.ids().get(given.len()..).unwrap_or_default().to_vec();
            self.keep(0)?;
        }
    }
}
