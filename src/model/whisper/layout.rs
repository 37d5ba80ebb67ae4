//! What Whisper's graph `encoder` takes and gives, and whether it belongs to the decoder's.

use crate::error::Result;
use crate::model::decoder::layout::{STATES, agree};
use crate::runtime::Extent::{Any, Is};
use crate::runtime::{Graph, Port};

/// The encoder's input: log-mel, [1, mels, mel frames].
pub(super) const MEL: &str = "input_features";
/// Its output: states, [1, frames, hidden].
pub(super) const ENCODED: &str = "last_hidden_state";

/// Holds the graph against what it must be, and its states against what `cross_kv` takes.
///
/// # Errors
/// `Model` for the first input or output that does not fit.
pub(super) fn check(encoder: &Graph, cross_kv: &Graph, mels: usize) -> Result<()> {
    encoder.expect(&[Port::f32(MEL, [Is(1), Is(mels), Any])], &[Port::f32(ENCODED, [Is(1), Any, Any])])?;
    agree((encoder, ENCODED), (cross_kv, STATES))
}
