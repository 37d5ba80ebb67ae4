//! From logits to text: choosing tokens, tokenizers, words, and guards against text that was never said.
//!
//! In: logits of one step, token ids. Out: tokens with probabilities, [`Hypothesis`] with its words.

pub mod greedy;
pub mod hypothesis;
pub mod repetition;
pub mod tokenizer;

pub use hypothesis::{Hypothesis, HypothesisWord};
