//! From logits to text: choosing tokens, tokenizers, words and where they were said, and guards against text that was never said.
//!
//! In: logits of one step, token ids, attention. Out: tokens with probabilities, [`Hypothesis`] with its words.

pub mod alignment;
pub mod beam;
pub mod boost;
pub mod byte_pairs;
pub mod compression;
pub mod fallback;
pub mod greedy;
pub mod hypothesis;
pub mod language;
pub mod lines;
pub mod look_back;
pub mod prompt;
pub mod pursuit;
pub mod reading;
pub mod repetition;
pub mod rules;
pub mod sampling;
pub mod segments;
pub mod time_warp;
pub mod tokenizer;
pub mod vocabulary;

pub use hypothesis::{Hypothesis, HypothesisWord, Prior};
