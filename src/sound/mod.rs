//! From features to sound events: what is heard, when it starts, when it ends.
//!
//! In: frames of features of one stream. Out: `sound` events (and `scores` on request). An [`Engine`] owns the tagger and serves
//! many streams; a [`Stream`] is the state of one. A label and what contains it in the ontology are one event, and an alarm that
//! is known by its cadence is one with what the tagger calls it.

mod cadence;
mod engine;
mod ontology;
mod patch;
mod settings;
mod stream;
mod tone;
mod tracker;
mod vocabulary;

pub use engine::Engine;
pub use settings::{LabelThresholds, Settings, Thresholds};
pub use stream::Stream;
pub use vocabulary::Vocabulary;
