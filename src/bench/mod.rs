//! The bench: what models and sessions cost, measured; sessions driven as a listener would drive them, scored, kept and shown.
//!
//! In: models; recordings with the words that are said in them, or a log of a session. Out: times of a model's stages ([`model`]); a
//! [`Run`](run::Run) of sessions with its raw rows, a table, and a page with pictures. docs/latency.md says what is measured and how.

pub mod clips;
pub mod compare;
pub mod drive;
pub mod environment;
pub mod join;
pub mod log;
pub mod model;
pub mod page;
mod pictures;
mod reading_stages;
pub mod run;
pub mod stages;
pub mod stream;
mod svg;
pub mod text;
