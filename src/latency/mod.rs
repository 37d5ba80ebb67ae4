//! Latency: what a record of a session says about how soon its captions came and whether they stayed.
//!
//! In: events, the words that were said with their times, and spans of work. Out: rows (one a word, a segment, a span) and the
//! percentiles, rates and slopes over them. Nothing here runs a model or reads a file. docs/latency.md has the definitions.

pub mod captions;
pub mod edit;
pub mod matching;
pub mod normalise;
mod numbers;
pub mod random;
pub mod rows;
pub mod score;
pub mod spans;
pub mod statistics;

pub mod summary;
pub mod wer;
pub mod words;
