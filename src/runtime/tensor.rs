//! Tensors of the host, as a graph takes and gives them, whoever runs it.
//!
//! In: slices, each with the name and the shape of the input it is for. Out: slices under the names of outputs. ONNX Runtime reads
//! inputs where they lie; tract copies them. Neither copies an output.

use std::borrow::Cow;

use ort::session::{SessionInputValue, SessionOutputs};
#[cfg(feature = "tract")]
use ort::value::TensorElementType;
use ort::value::{PrimitiveTensorElementType, TensorRef};

use super::session::failed_run;
#[cfg(feature = "tract")]
use super::tract;
use crate::error::{Error, ErrorKind, Result};

/// What one input of a graph is given for a run.
#[derive(Clone, Copy, Debug)]
pub struct Input<'v> {
    pub(super) name: &'v str,
    pub(super) shape: &'v [usize],
    pub(super) elements: Elements<'v>,
}

/// The elements of a tensor, row by row.
#[derive(Clone, Copy, Debug)]
pub(super) enum Elements<'v> {
    F32(&'v [f32]),
    U8(&'v [u8]),
}

#[cfg(feature = "tract")]
impl Elements<'_> {
    /// Their type.
    pub(super) fn element(self) -> TensorElementType {
        match self {
            Self::F32(_) => TensorElementType::Float32,
            Self::U8(_) => TensorElementType::Uint8,
        }
    }
}

impl<'v> Input<'v> {
    /// 32-bit floats for the input `name`, as many as `shape` (outermost dimension first) holds: the run fails else.
    pub fn f32(name: &'v str, shape: &'v [usize], elements: &'v [f32]) -> Self {
        Self { name, shape, elements: Elements::F32(elements) }
    }

    /// The same of unsigned 8-bit integers.
    pub fn u8(name: &'v str, shape: &'v [usize], elements: &'v [u8]) -> Self {
        Self { name, shape, elements: Elements::U8(elements) }
    }

    /// As a session takes it.
    pub(super) fn named(&self) -> ort::Result<(Cow<'v, str>, SessionInputValue<'v>)> {
        let value = match self.elements {
            Elements::F32(elements) => TensorRef::from_array_view((self.shape, elements))?.into(),
            Elements::U8(elements) => TensorRef::from_array_view((self.shape, elements))?.into(),
        };
        Ok((Cow::Borrowed(self.name), value))
    }
}

/// The outputs of a run, lent by the graph.
#[derive(Debug)]
pub struct Outputs<'g> {
    graph: &'g str,
    values: Values<'g>,
}

#[derive(Debug)]
enum Values<'g> {
    OnnxRuntime(SessionOutputs<'g>),
    #[cfg(feature = "tract")]
    Tract(tract::Values<'g>),
}

impl<'g> Outputs<'g> {
    pub(super) fn of_session(graph: &'g str, values: SessionOutputs<'g>) -> Self {
        Self { graph, values: Values::OnnxRuntime(values) }
    }

    #[cfg(feature = "tract")]
    pub(super) fn of_tract(graph: &'g str, values: tract::Values<'g>) -> Self {
        Self { graph, values: Values::Tract(values) }
    }

    /// The elements of the output `name`, 32-bit floats, row by row.
    ///
    /// # Errors
    /// `Model` where there is no such output, or where it is something else.
    pub fn f32(&self, name: &str) -> Result<&[f32]> {
        match &self.values {
            Values::OnnxRuntime(values) => self.of_values(values, name),
            #[cfg(feature = "tract")]
            Values::Tract(values) => self.found(name, values.get(name)),
        }
    }

    /// The same of unsigned 8-bit integers.
    ///
    /// # Errors
    /// Those of [`Outputs::f32`].
    pub fn u8(&self, name: &str) -> Result<&[u8]> {
        match &self.values {
            Values::OnnxRuntime(values) => self.of_values(values, name),
            #[cfg(feature = "tract")]
            Values::Tract(values) => self.found(name, values.get(name)),
        }
    }

    fn of_values<'v, T: PrimitiveTensorElementType>(&self, values: &'v SessionOutputs<'g>, name: &str) -> Result<&'v [T]> {
        let value = values.get(name).map(|value| value.try_extract_tensor::<T>()).transpose();
        let value = value.map_err(|error| failed_run(self.graph, &error))?;
        value.map(|(_, elements)| elements).ok_or_else(|| self.missing(name))
    }

    #[cfg(feature = "tract")]
    fn found<'v, T>(&self, name: &str, value: Option<std::result::Result<&'v [T], String>>) -> Result<&'v [T]> {
        let value = value.transpose().map_err(|message| self.error(format!("run failed: {message}")))?;
        value.ok_or_else(|| self.missing(name))
    }

    fn missing(&self, name: &str) -> Error {
        self.error(format!("gave no output '{name}'"))
    }

    /// An error of kind `Model` about the graph.
    pub fn error(&self, message: impl std::fmt::Display) -> Error {
        Error::new(ErrorKind::Model, format!("{}: {message}", self.graph))
    }
}
