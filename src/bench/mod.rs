//! The bench: sessions driven as a listener would drive them, scored, kept and shown.
//!
//! In: recordings with the words that are said in them, or a log of a session. Out: a [`Run`](run::Run) with its raw rows, a table,
//! and a page with pictures. docs/latency.md says what is measured and how.

pub mod clips;
pub mod compare;
pub mod drive;
pub mod environment;
pub mod join;
pub mod log;
pub mod model;
pub mod page;
mod pictures;
pub mod run;
pub mod stages;
pub mod stream;
mod svg;
pub mod text;
