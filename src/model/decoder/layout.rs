//! What the decoder's two graphs take and give, and whether they belong together.
//!
//! In: `cross_kv` and `step`, loaded. Out: their [`Layout`], read from `step`; or an error that names the graph, the input or output,
//! what was expected and what was found.

use ort::value::ValueType;

use crate::error::Result;
use crate::runtime::Extent::{Any, Is};
use crate::runtime::{Graph, Outlet, Port};

/// Most layers, heads and values a head that are believed; Moonshine base has 8, 8 and 52, Whisper large 32, 20 and 64.
const LARGEST: [usize; 3] = [64, 64, 1_024];

/// What `cross_kv` takes: the encoder's states, [1, frames, hidden].
pub(in crate::model) const STATES: &str = "encoder_hidden_states";
/// Tokens that `step` takes, [batch, tokens].
pub(in crate::model) const TOKENS: &str = "input_ids";
/// Which frames are those of a piece of audio, and which fill it up to the longest of its batch: 0 or -infinity, [batch, 1, 1, frames].
pub(in crate::model) const MASK: &str = "encoder_mask";
/// What follows each of them, [batch, tokens, vocabulary].
pub(in crate::model) const LOGITS: &str = "logits";
/// Where in the audio each of them looked, [batch, alignment heads, tokens, frames]; a graph may lack it.
pub(in crate::model) const ATTENTION: &str = "cross_attention";
/// The decoder's attention to its own tokens, whose keys and values grow.
pub(in crate::model) const SELF: &str = "decoder";
/// Its attention to the audio, whose keys and values are made once by `cross_kv`.
pub(in crate::model) const CROSS: &str = "encoder";

const KEY: &str = "key";
const VALUE: &str = "value";

/// The sizes that the graphs share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) struct Layout {
    /// Layers of the decoder.
    pub layers: usize,
    /// Heads of a layer.
    pub heads: usize,
    /// Values of a key, and of a value, of one head.
    pub width: usize,
    /// Tokens of the vocabulary.
    pub vocabulary: usize,
    /// Whether `step` gives attention to the audio and the manifest says how word times are read from it.
    pub attention: bool,
}

impl Layout {
    /// Reads the layout from `step` and holds both graphs against it. `alignment_heads` is how many heads of attention the manifest
    /// knows the meaning of, if any.
    ///
    /// # Errors
    /// `Model` for the first input or output that does not fit.
    pub fn of(cross_kv: &Graph, step: &Graph, vocabulary: usize, alignment_heads: Option<usize>) -> Result<Self> {
        let (heads, width) = heads_and_width(step)?;
        let layers = (0..LARGEST[0]).take_while(|&layer| step.has_input(&past(layer, SELF, KEY))).count();
        let alignment_heads = alignment_heads.filter(|_| step.has_output(ATTENTION));
        let layout = Self { layers, heads, width, vocabulary, attention: alignment_heads.is_some() };
        let ports =
            |names: Vec<String>, batch| names.into_iter().map(move |name| Port::f32(name, [batch, Is(heads), Any, Is(width)]));

        let states = Port::f32(STATES, [Is(1), Any, Any]);
        cross_kv.expect(std::slice::from_ref(&states), &ports(layout.past_names(CROSS), Is(1)).collect::<Vec<_>>())?;
        let mut inputs = vec![Port::i64(TOKENS, [Any, Any]), Port::f32(MASK, [Any, Is(1), Is(1), Any])];
        inputs.extend(ports(layout.past_names(SELF), Any));
        inputs.extend(ports(layout.past_names(CROSS), Any));
        let mut outputs = vec![Port::f32(LOGITS, [Any, Any, Is(vocabulary)])];
        outputs.extend(ports(layout.present_names(), Any));
        outputs.extend(alignment_heads.map(|heads| Port::f32(ATTENTION, [Any, Is(heads), Any, Any])));
        step.expect(&inputs, &outputs)?;
        Ok(layout)
    }

    /// Names of the keys and values of `attention`, [`SELF`] or [`CROSS`], as `step` takes them, layer by layer.
    pub fn past_names(&self, attention: &str) -> Vec<String> {
        (0..self.layers).flat_map(|layer| [KEY, VALUE].map(|part| past(layer, attention, part))).collect()
    }

    /// Names of the self-attention's keys and values as `step` gives them, in the order of [`Self::past_names`].
    pub fn present_names(&self) -> Vec<String> {
        (0..self.layers).flat_map(|layer| [KEY, VALUE].map(|part| format!("present.{layer}.{SELF}.{part}"))).collect()
    }
}

fn past(layer: usize, attention: &str, part: &str) -> String {
    format!("past_key_values.{layer}.{attention}.{part}")
}

/// Heads and values a head, from the first input of keys.
fn heads_and_width(step: &Graph) -> Result<(usize, usize)> {
    let name = past(0, SELF, KEY);
    let expected = "f32 [any, heads, any, width] with heads and width fixed";
    let Some(input) = step.inputs().iter().find(|input| input.name() == name) else {
        return Err(
            step.error(format!("input '{name}': expected {expected}, found no such input; it is no step graph of a decoder"))
        );
    };
    let shape = match input.dtype() {
        ValueType::Tensor { shape, .. } => &shape[..],
        _ => &[],
    };
    let within = |size: i64, largest: usize| usize::try_from(size).ok().filter(|size| (1..=largest).contains(size));
    let found = match shape {
        [_, heads, _, width] => within(*heads, LARGEST[1]).zip(within(*width, LARGEST[2])),
        _ => None,
    };
    found.ok_or_else(|| step.error(format!("input '{name}': expected {expected}, found {}", input.dtype())))
}

/// What one graph gives is what another takes; where both say how wide that is, they must agree.
///
/// # Errors
/// `Model` naming both graphs.
pub(in crate::model) fn agree((giver, output): (&Graph, &str), (taker, input): (&Graph, &str)) -> Result<()> {
    match (fixed(giver.outputs(), output), fixed(taker.inputs(), input)) {
        (Some(given), Some(taken)) if given != taken => {
            let message = format!("input '{input}': expected {given} values a frame, as {} gives, found {taken}", giver.name());
            Err(taker.error(message))
        }
        _ => Ok(()),
    }
}

/// The last dimension of the value called `name`, where its graph fixes it.
fn fixed(values: &[Outlet], name: &str) -> Option<i64> {
    let value = values.iter().find(|value| value.name() == name)?;
    let ValueType::Tensor { shape, .. } = value.dtype() else { return None };
    shape.last().copied().filter(|size| *size >= 0)
}
