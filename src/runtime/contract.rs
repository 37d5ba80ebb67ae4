//! What a family expects of a graph's inputs and outputs, compared with what the graph says of itself.
//!
//! In: [`Port`]s, one for each value that is fed or read. Out: nothing when the graph fits, else an error that names the graph,
//! the input or output, what was expected and what was found. A graph that does not fit is refused before it runs.

use std::borrow::Cow;
use std::fmt;

use ort::value::{TensorElementType, ValueType};

use super::graph::Graph;
use crate::error::Result;

/// What an [`Outlet`] says of a dimension that is known only when the graph runs.
pub(super) const DYNAMIC: i64 = -1;
/// No more names than this are listed in a message.
const NAMES_SHOWN: usize = 12;

/// An input or output of a graph, as the graph tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlet {
    name: String,
    dtype: ValueType,
}

impl Outlet {
    pub(super) fn new(name: impl Into<String>, dtype: ValueType) -> Self {
        Self { name: name.into(), dtype }
    }

    /// Its name in the graph.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it takes or gives; of a tensor, -1 stands for a size that is left to the run.
    pub fn dtype(&self) -> &ValueType {
        &self.dtype
    }
}

impl From<&ort::value::Outlet> for Outlet {
    fn from(outlet: &ort::value::Outlet) -> Self {
        Self::new(outlet.name(), outlet.dtype().clone())
    }
}

/// An input or output that a family feeds or reads: a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name in the graph.
    pub name: Cow<'static, str>,
    /// Type of its elements.
    pub element: TensorElementType,
    /// Its dimensions, outermost first.
    pub shape: Vec<Extent>,
}

/// What one dimension of a [`Port`] has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Of any size, fixed or not.
    Any,
    /// Able to be of this size: fixed to it, or left to the run.
    Is(usize),
}

impl Port {
    /// A tensor of `element`s, called `name`.
    pub fn new(name: impl Into<Cow<'static, str>>, element: TensorElementType, shape: impl Into<Vec<Extent>>) -> Self {
        Self { name: name.into(), element, shape: shape.into() }
    }

    /// A tensor of 32-bit floats.
    pub fn f32(name: impl Into<Cow<'static, str>>, shape: impl Into<Vec<Extent>>) -> Self {
        Self::new(name, TensorElementType::Float32, shape)
    }

    /// A tensor of signed 64-bit integers.
    pub fn i64(name: impl Into<Cow<'static, str>>, shape: impl Into<Vec<Extent>>) -> Self {
        Self::new(name, TensorElementType::Int64, shape)
    }

    /// A tensor of unsigned 8-bit integers.
    pub fn u8(name: impl Into<Cow<'static, str>>, shape: impl Into<Vec<Extent>>) -> Self {
        Self::new(name, TensorElementType::Uint8, shape)
    }

    /// Whether a value of type `found` can be what this port expects.
    fn takes(&self, found: &ValueType) -> bool {
        let ValueType::Tensor { ty, shape, .. } = found else { return false };
        // A tensor of which the graph does not say even the number of dimensions is told with none; the first run decides then.
        let fits = shape.is_empty()
            || shape.len() == self.shape.len() && self.shape.iter().zip(shape.iter()).all(|(extent, found)| extent.takes(*found));
        *ty == self.element && fits
    }
}

impl Extent {
    fn takes(self, found: i64) -> bool {
        match self {
            Self::Any => true,
            Self::Is(size) => found == DYNAMIC || usize::try_from(found) == Ok(size),
        }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Is(size) => size.fmt(f),
        }
    }
}

/// The type and shape: `f32 [1, any, 288]`.
impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape: Vec<String> = self.shape.iter().map(Extent::to_string).collect();
        write!(f, "{} [{}]", self.element, shape.join(", "))
    }
}

impl Graph {
    /// Compares the graph's inputs and outputs with those its family feeds and reads.
    ///
    /// Every port of `inputs` and `outputs` must be there with its type and shape, and the graph may have no other input, since
    /// nothing would feed it. Further outputs are not read and do no harm.
    ///
    /// # Errors
    /// `Model` for the first port that does not fit, naming it, what was expected and what was found.
    pub fn expect(&self, inputs: &[Port], outputs: &[Port]) -> Result<()> {
        check(self.inputs(), inputs, self.outputs(), outputs).map_err(|message| {
            self.error(format!("{message}; this is not the graph its model.toml says it is, export or fetch the model again"))
        })
    }
}

fn check(
    found_inputs: &[Outlet],
    inputs: &[Port],
    found_outputs: &[Outlet],
    outputs: &[Port],
) -> std::result::Result<(), String> {
    check_side("input", found_inputs, inputs)?;
    let unknown = found_inputs.iter().find(|found| inputs.iter().all(|port| port.name != found.name()));
    if let Some(unknown) = unknown {
        let expected = names(inputs.iter().map(|port| &*port.name));
        let (name, found) = (unknown.name().escape_debug(), Found(unknown.dtype()));
        return Err(format!("input '{name}': expected no such input, only {expected}; found {found}"));
    }
    check_side("output", found_outputs, outputs)
}

fn check_side(side: &str, found: &[Outlet], expected: &[Port]) -> std::result::Result<(), String> {
    for port in expected {
        match found.iter().find(|outlet| outlet.name() == port.name) {
            None => {
                let there = names(found.iter().map(Outlet::name));
                return Err(format!("{side} '{}': expected {port}, found no such {side}, only {there}", port.name));
            }
            Some(outlet) if !port.takes(outlet.dtype()) => {
                return Err(format!("{side} '{}': expected {port}, found {}", port.name, Found(outlet.dtype())));
            }
            Some(_) => (),
        }
    }
    Ok(())
}

/// A type as a graph tells it, written as a [`Port`] is.
struct Found<'t>(&'t ValueType);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ValueType::Tensor { ty, shape, .. } = self.0 else { return self.0.fmt(f) };
        let one = |size: &i64| if *size == DYNAMIC { "any".to_owned() } else { size.to_string() };
        let shape: Vec<String> = shape.iter().map(one).collect();
        write!(f, "{ty} [{}]", shape.join(", "))
    }
}

/// Names of a graph's or a family's ports, quoted; a graph is outside input and may have thousands.
fn names<'n>(names: impl ExactSizeIterator<Item = &'n str>) -> String {
    let more = names.len().saturating_sub(NAMES_SHOWN);
    let shown: Vec<String> = names.take(NAMES_SHOWN).map(|name| format!("'{}'", name.escape_debug())).collect();
    match (shown.is_empty(), more) {
        (true, _) => "none".to_owned(),
        (false, 0) => shown.join(", "),
        (false, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use ort::value::{Shape, SymbolicDimensions};

    use super::Extent::{Any, Is};
    use super::*;

    fn outlet(name: &str, element: TensorElementType, shape: &[i64]) -> Outlet {
        let dimension_symbols = SymbolicDimensions::empty(shape.len());
        Outlet::new(name, ValueType::Tensor { ty: element, shape: Shape::new(shape.iter().copied()), dimension_symbols })
    }

    fn wrong(found: &[Outlet], inputs: &[Port]) -> String {
        check(found, inputs, &[], &[]).unwrap_err()
    }

    const F32: TensorElementType = TensorElementType::Float32;
    const I64: TensorElementType = TensorElementType::Int64;

    #[test]
    fn a_size_that_is_fixed_or_left_to_the_run_fits() {
        let audio = [Port::f32("audio", [Is(1), Any])];
        for shape in [[1, -1], [1, 16_000], [-1, -1], [-1, 5]] {
            assert_eq!(check(&[outlet("audio", F32, &shape)], &audio, &[], &[]), Ok(()));
        }
        let unsaid = outlet("audio", F32, &[]);
        assert_eq!(check(&[unsaid], &audio, &[outlet("more", I64, &[1])], &[]), Ok(()), "no dimensions told, a further output");
    }

    #[test]
    fn what_does_not_fit_is_told_with_what_was_expected() {
        let audio = [Port::f32("audio", [Is(1), Any])];
        let said = wrong(&[outlet("audio", I64, &[1, 80, -1])], &audio);
        assert_eq!(said, "input 'audio': expected f32 [1, any], found i64 [1, 80, any]");
        let said = wrong(&[outlet("audio", F32, &[2, -1])], &audio);
        assert_eq!(said, "input 'audio': expected f32 [1, any], found f32 [2, any]");
        let said = wrong(&[outlet("mel", F32, &[1]), outlet("ids", I64, &[1])], &audio);
        assert_eq!(said, "input 'audio': expected f32 [1, any], found no such input, only 'mel', 'ids'");
        let said = wrong(&[Outlet::new("audio", ValueType::Sequence(Box::new(outlet("", F32, &[1]).dtype().clone())))], &audio);
        assert!(said.starts_with("input 'audio': expected f32 [1, any], found Sequence"), "{said}");
        assert_eq!(wrong(&[], &audio), "input 'audio': expected f32 [1, any], found no such input, only none");
    }

    #[test]
    fn an_input_that_nothing_would_feed_is_refused() {
        let said = wrong(&[outlet("audio", F32, &[1, -1]), outlet("mask\n", I64, &[1, -1])], &[Port::f32("audio", [Is(1), Any])]);
        assert_eq!(said, "input 'mask\\n': expected no such input, only 'audio'; found i64 [1, any]");
    }

    #[test]
    fn outputs_are_checked_as_inputs_are() {
        let logits = [Port::f32("logits", [Is(1), Any, Is(32_768)])];
        let said = check(&[], &[], &[outlet("logits", F32, &[1, -1, 51_864])], &logits).unwrap_err();
        assert_eq!(said, "output 'logits': expected f32 [1, any, 32768], found f32 [1, any, 51864]");
        let many: Vec<Outlet> = (0..1_000).map(|number| outlet(&format!("o{number}"), F32, &[1])).collect();
        let said = check(&[], &[], &many, &logits).unwrap_err();
        assert!(said.ends_with("'o11' and 988 more"), "{said}");
    }
}
