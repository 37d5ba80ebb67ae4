//! One graph, loaded and ready to run.
//!
//! In: a graph's file and [`GraphSettings`]; then tensors of the host, lent under the names of the graph's inputs. Out: tensors that
//! the graph lends. Which of the two runs it, ONNX Runtime or tract, is the provider's to say; who uses a graph sees neither.

use std::path::Path;
use std::sync::Arc;

use ort::session::Session;

use super::contract::Outlet;
use super::provider::Provider;
use super::session;
use super::tensor::{Input, Outputs};
#[cfg(feature = "tract")]
use super::tract::Tract;
use crate::error::{Error, ErrorKind, Result};

/// How a graph is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraphSettings {
    /// Where it runs.
    pub provider: Provider,
    /// Threads within an operator, at least 1. They do not spin.
    pub threads: usize,
}

impl Default for GraphSettings {
    fn default() -> Self {
        Self { provider: Provider::Cpu, threads: 1 }
    }
}

impl GraphSettings {
    /// The settings of a graph so small that a GPU or a second thread would make it slower: one thread of the processor, by whoever
    /// runs the other graphs.
    #[must_use]
    pub fn on_one_thread(self) -> Self {
        Self { provider: self.provider.of_processor(), threads: 1 }
    }
}

/// What becomes of weights that a graph stores as integers and turns into floats (`DequantizeLinear`) before it multiplies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoredIntegers {
    /// They stay, for ONNX Runtime to fuse with quantised operators around them.
    #[default]
    Stay,
    /// They become floats once, when the graph is loaded. For a graph of floats: ONNX Runtime could otherwise round what they are
    /// multiplied by as well, or turn them into floats at every run.
    BecomeFloats,
}

/// A graph and what runs it. Errors name the graph.
#[derive(Debug)]
pub struct Graph {
    name: Arc<str>,
    settings: GraphSettings,
    runner: Runner,
}

/// Who runs a graph.
#[derive(Debug)]
enum Runner {
    OnnxRuntime {
        session: Session,
        inputs: Vec<Outlet>,
        outputs: Vec<Outlet>,
    },
    #[cfg(feature = "tract")]
    Tract(Tract),
}

impl Graph {
    /// Loads the graph (`.onnx` or `.ort`) at `path`; integers that it stores stay.
    ///
    /// # Errors
    /// Those of [`Graph::load_with`].
    pub fn load(path: &Path, settings: GraphSettings) -> Result<Self> {
        Self::load_with(path, settings, StoredIntegers::default())
    }

    /// Loads the graph (`.onnx` or `.ort`; tract reads `.onnx` alone, and always turns stored integers into floats) at `path`.
    ///
    /// # Errors
    /// `Library` or `NotFound` without ONNX Runtime, `Unsupported` when the provider cannot be had, `Model` when the graph
    /// cannot be loaded.
    pub fn load_with(path: &Path, settings: GraphSettings, integers: StoredIntegers) -> Result<Self> {
        let name: Arc<str> = path.display().to_string().into();
        let runner = match settings.provider {
            Provider::Cpu | Provider::Cuda { .. } | Provider::TensorRt { .. } => {
                let session = session::load(path, &name, settings, integers)?;
                let inputs = session.inputs().iter().map(Outlet::from).collect();
                let outputs = session.outputs().iter().map(Outlet::from).collect();
                Runner::OnnxRuntime { session, inputs, outputs }
            }
            #[cfg(feature = "tract")]
            Provider::Tract => Runner::Tract(Tract::load(path, &name, settings.threads)?),
        };
        Ok(Self { name, settings, runner })
    }

    /// Path of the graph, for messages.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// How it was loaded.
    pub fn settings(&self) -> GraphSettings {
        self.settings
    }

    /// The graph's inputs.
    pub fn inputs(&self) -> &[Outlet] {
        match &self.runner {
            Runner::OnnxRuntime { inputs, .. } => inputs,
            #[cfg(feature = "tract")]
            Runner::Tract(tract) => tract.inputs(),
        }
    }

    /// Whether the graph has an input called `name`.
    pub fn has_input(&self, name: &str) -> bool {
        self.inputs().iter().any(|input| input.name() == name)
    }

    /// The graph's outputs.
    pub fn outputs(&self) -> &[Outlet] {
        match &self.runner {
            Runner::OnnxRuntime { outputs, .. } => outputs,
            #[cfg(feature = "tract")]
            Runner::Tract(tract) => tract.outputs(),
        }
    }

    /// Whether the graph has an output called `name`.
    pub fn has_output(&self, name: &str) -> bool {
        self.outputs().iter().any(|output| output.name() == name)
    }

    /// Runs the graph on `inputs`, one for each of its own, in any order. The outputs are lent until the next run.
    ///
    /// Under tract, a dimension that the graph leaves to the run is planned for at the first run with its size: that run takes as long
    /// as loading does.
    ///
    /// # Errors
    /// `Model` with what ONNX Runtime or tract says.
    pub fn run(&mut self, inputs: &[Input<'_>]) -> Result<Outputs<'_>> {
        let name = &*self.name;
        match &mut self.runner {
            Runner::OnnxRuntime { session, .. } => {
                let failed = |error| session::failed_run(name, &error);
                let inputs = inputs.iter().map(Input::named).collect::<ort::Result<Vec<_>>>().map_err(failed)?;
                session.run(inputs).map(|values| Outputs::of_session(name, values)).map_err(failed)
            }
            #[cfg(feature = "tract")]
            Runner::Tract(tract) => {
                let failed = |message| Error::new(ErrorKind::Model, format!("{name}: run failed: {message}"));
                tract.run(inputs).map(|values| Outputs::of_tract(name, values)).map_err(failed)
            }
        }
    }

    /// The session of ONNX Runtime, for what only that can do.
    ///
    /// # Errors
    /// `Unsupported` where another runs the graph.
    pub(super) fn session(&self) -> Result<&Session> {
        match &self.runner {
            Runner::OnnxRuntime { session, .. } => Ok(session),
            #[cfg(feature = "tract")]
            Runner::Tract(_) => Err(self.settings.provider.cannot_bind(&self.name)),
        }
    }

    /// [`Graph::session`], to run it.
    pub(super) fn session_mut(&mut self) -> Result<&mut Session> {
        match &mut self.runner {
            Runner::OnnxRuntime { session, .. } => Ok(session),
            #[cfg(feature = "tract")]
            Runner::Tract(_) => Err(self.settings.provider.cannot_bind(&self.name)),
        }
    }

    /// An error of kind `Model` about this graph.
    pub fn error(&self, message: impl std::fmt::Display) -> Error {
        Error::new(ErrorKind::Model, format!("{}: {message}", self.name))
    }
}
