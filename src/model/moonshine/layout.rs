//! What the graphs `stem` and `encoder` take and give, and whether they belong together.
//!
//! In: the loaded graphs. Out: nothing, or an error that names the graph, the input or output, what was expected and what was found.

use crate::error::Result;
use crate::model::decoder::layout::{STATES, agree};
use crate::runtime::Extent::{Any, Is};
use crate::runtime::{Graph, Port};

/// The stem's input: audio, [1, samples].
pub(super) const AUDIO: &str = "input_values";
/// Its outputs: convolved audio, [1, pieces, width], which is the encoder's input too,
pub(super) const CONVOLVED: &str = "convolved";
/// the mean of every slice of it, [1, slices],
pub(super) const MEANS: &str = "means";
/// and the mean square.
pub(super) const SQUARES: &str = "squares";
/// The encoder's other inputs: the mean of all slices, [1],
pub(super) const MEAN: &str = "mean";
/// and their variance.
pub(super) const VARIANCE: &str = "variance";
/// The encoder's output: states, [1, frames, hidden].
pub(super) const ENCODED: &str = "last_hidden_state";

/// Holds the graphs against what they must be, and the encoder's states against what `cross_kv` takes.
///
/// # Errors
/// `Model` for the first input or output that does not fit.
pub(super) fn check(stem: &Graph, encoder: &Graph, cross_kv: &Graph) -> Result<()> {
    let convolved = Port::f32(CONVOLVED, [Is(1), Any, Any]);
    let of_slices = |name| Port::f32(name, [Is(1), Any]);
    stem.expect(&[Port::f32(AUDIO, [Is(1), Any])], &[convolved.clone(), of_slices(MEANS), of_slices(SQUARES)])?;
    let statistics = [Port::f32(MEAN, [Is(1)]), Port::f32(VARIANCE, [Is(1)])];
    encoder.expect(&[&[convolved], &statistics[..]].concat(), &[Port::f32(ENCODED, [Is(1), Any, Any])])?;
    agree((stem, CONVOLVED), (encoder, CONVOLVED))?;
    agree((encoder, ENCODED), (cross_kv, STATES))
}
