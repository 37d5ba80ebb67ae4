//! From logits to text: choosing tokens, tokenizers, words and where they were said, and guards against text that was never said.
//!
//! In: logits of one step, token ids, attention. Out: tokens with probabilities, [`Hypothesis`] with its words.

pub mod alignment;
pub mod byte_pairs;
pub mod greedy;
pub mod hypothesis;
pub mod repetition;
pub mod time_warp;
pub mod tokenizer;

pub use hypothesis::{Hypothesis, HypothesisWord, Prior};
