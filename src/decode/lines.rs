//! What a decoder has to be able to do for the searches here: go on with several lines of text over the same audio.
//!
//! In: tokens. Out: logits. Greedy reading goes on with one line, beam search and sampling with several.

use crate::error::{Error, ErrorKind, Result};

/// No search goes on with more lines than this: each holds a cache of its own.
pub const MOST_LINES: usize = 32;

/// A decoder that goes on with lines of text side by side, all on the same audio.
pub trait Lines {
    /// Begins anew with one line that reads `prompt`; gives the logits `[vocabulary]` after each of the places `rows` of it.
    ///
    /// # Errors
    /// Those of the model.
    fn begin(&mut self, prompt: &[u32], rows: &[usize]) -> Result<Vec<Vec<f32>>>;

    /// Line k of those that follow goes on from line `from[k]` of those that are, by `tokens[k]`; gives logits [lines, vocabulary],
    /// a line after the other.
    ///
    /// # Errors
    /// Those of the model.
    fn step(&mut self, from: &[usize], tokens: &[u32]) -> Result<Vec<f32>>;
}

/// Logits after each of `rows`, each of `vocabulary`, or the error that the model gave another shape.
pub(super) fn begin<L: Lines + ?Sized>(
    lines: &mut L,
    vocabulary: usize,
    prompt: &[u32],
    rows: &[usize],
) -> Result<Vec<Vec<f32>>> {
    let logits = lines.begin(prompt, rows)?;
    if logits.len() != rows.len() || logits.iter().any(|row| row.len() != vocabulary) {
        let shapes: Vec<usize> = logits.iter().map(Vec::len).collect();
        return Err(misshapen(&format!("rows of {shapes:?}"), rows.len(), vocabulary));
    }
    Ok(logits)
}

/// Logits of the lines that go on, [lines, vocabulary], or the error that the model gave another shape.
pub(super) fn step<L: Lines + ?Sized>(lines: &mut L, vocabulary: usize, from: &[usize], tokens: &[u32]) -> Result<Vec<f32>> {
    let logits = lines.step(from, tokens)?;
    if Some(logits.len()) != from.len().checked_mul(vocabulary) {
        return Err(misshapen(&logits.len().to_string(), from.len(), vocabulary));
    }
    Ok(logits)
}

fn misshapen(found: &str, lines: usize, vocabulary: usize) -> Error {
    let message = format!("the decoder gave {found} logits, expected {lines} x {vocabulary}; its graph and its manifest differ");
    Error::new(ErrorKind::Model, message)
}

/// The error that the rules leave no token that is a number after `sampled` tokens.
pub(super) fn stuck(sampled: usize) -> Error {
    let message = format!("no token may follow the {sampled} that were read: the decoder's logits are not numbers");
    Error::new(ErrorKind::Model, message)
}
