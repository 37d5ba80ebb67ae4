//! The decoder as the rules of `src/decode` see it: lines of text that go on side by side.

use crate::decode::alignment::Attention;
use crate::decode::lines::Lines;
use crate::error::Result;
use crate::model::decoder::{Decoder, no_finite_logit};

/// Tokens in one step: logits of a token are 203 KiB.
const AT_ONCE: usize = 16;

/// A decoder that has begun on a piece of audio.
pub(super) struct OnAudio<'a> {
    pub decoder: &'a mut Decoder,
}

impl Lines for OnAudio<'_> {
    fn begin(&mut self, prompt: &[u32], rows: &[usize]) -> Result<Vec<Vec<f32>>> {
        self.decoder.again()?;
        let mut found = vec![Vec::new(); rows.len()];
        for (piece, tokens) in prompt.chunks(AT_ONCE).enumerate() {
            let mut made = self.decoder.step(tokens)?;
            for (row, place) in rows.iter().zip(&mut found) {
                if let Some(within) = row.checked_sub(piece * AT_ONCE).filter(|within| *within < tokens.len()) {
                    *place = made.logits(0, within).map_or_else(Vec::new, |logits| logits.to_vec());
                }
            }
        }
        Ok(found)
    }

    fn step(&mut self, from: &[usize], tokens: &[u32]) -> Result<Vec<f32>> {
        self.decoder.keep_lines(from)?;
        let mut made = self.decoder.step(tokens)?;
        let mut logits = Vec::new();
        for line in 0..tokens.len() {
            logits.extend_from_slice(made.logits(line, 0).ok_or_else(|| no_finite_logit("the decoder"))?);
        }
        Ok(logits)
    }
}

impl OnAudio<'_> {
    /// Where each of `tokens` looked that are read after `opening`, and the last of the opening before them: a row more than there are
    /// tokens.
    pub fn looks(&mut self, opening: &[u32], tokens: &[u32]) -> Result<Attention> {
        self.decoder.again()?;
        let mut attention = Attention::default();
        let all = [opening, tokens].concat();
        for (piece, tokens) in all.chunks(AT_ONCE).enumerate() {
            let made = self.decoder.step(tokens)?;
            for row in 0..tokens.len() {
                if piece * AT_ONCE + row + 1 >= opening.len() {
                    made.looked(0, row, &mut attention);
                }
            }
        }
        Ok(attention)
    }
}
