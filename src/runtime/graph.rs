//! One graph, loaded and ready to run.

use std::path::Path;
use std::sync::Arc;

use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{IoBinding, Session, SessionInputs, SessionOutputs};
use ort::value::Outlet;

use super::environment::environment;
use super::provider::Provider;
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

/// A graph and its ONNX Runtime session. Errors name the graph.
#[derive(Debug)]
pub struct Graph {
    name: Arc<str>,
    session: Session,
    settings: GraphSettings,
}

impl Graph {
    /// Loads the graph (`.onnx` or `.ort`) at `path`; integers that it stores stay.
    ///
    /// # Errors
    /// Those of [`Graph::load_with`].
    pub fn load(path: &Path, settings: GraphSettings) -> Result<Self> {
        Self::load_with(path, settings, StoredIntegers::default())
    }

    /// Loads the graph (`.onnx` or `.ort`) at `path`.
    ///
    /// # Errors
    /// `Library` or `NotFound` without ONNX Runtime, `Unsupported` when the provider cannot be had, `Model` when the graph
    /// cannot be loaded.
    pub fn load_with(path: &Path, settings: GraphSettings, integers: StoredIntegers) -> Result<Self> {
        let environment = environment(None)?;
        let name: Arc<str> = path.display().to_string().into();
        let failed = |error: ort::Error| Error::new(ErrorKind::Model, format!("{name}: cannot be loaded: {error}"));
        let unsupported = |error: ort::Error| {
            let message =
                format!("{name}: provider {} cannot be used: {error}; choose another with --provider", settings.provider);
            Error::new(ErrorKind::Unsupported, message)
        };
        let builder = options(&environment, settings, integers).map_err(failed)?;
        let providers = settings.provider.dispatch();
        let mut builder = match builder.with_execution_providers(providers) {
            Ok(builder) => builder,
            Err(error) => return Err(unsupported(error.into())),
        };
        let session = builder.commit_from_file(path).map_err(failed)?;
        Ok(Self { name, session, settings })
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
        self.session.inputs()
    }

    /// Whether the graph has an input called `name`.
    pub fn has_input(&self, name: &str) -> bool {
        self.inputs().iter().any(|input| input.name() == name)
    }

    /// The graph's outputs.
    pub fn outputs(&self) -> &[Outlet] {
        self.session.outputs()
    }

    /// Whether the graph has an output called `name`.
    pub fn has_output(&self, name: &str) -> bool {
        self.outputs().iter().any(|output| output.name() == name)
    }

    /// Runs the graph.
    ///
    /// # Errors
    /// `Model` with what ONNX Runtime says.
    pub fn run<'s, 'i, 'v: 'i, const N: usize>(
        &'s mut self,
        inputs: impl Into<SessionInputs<'i, 'v, N>>,
    ) -> Result<SessionOutputs<'s>> {
        let name = &self.name;
        self.session.run(inputs).map_err(|error| failed_run(name, &error))
    }

    /// A binding of this graph's inputs and outputs to memory.
    pub(super) fn binding(&self) -> Result<IoBinding> {
        self.session.create_binding().map_err(|error| failed_run(&self.name, &error))
    }

    /// Runs the graph on what is bound.
    pub(super) fn run_bound<'b, 's: 'b>(&'s mut self, binding: &'b IoBinding) -> Result<SessionOutputs<'b>> {
        let name = &self.name;
        self.session.run_binding(binding).map_err(|error| failed_run(name, &error))
    }

    /// An error of kind `Model` about this graph.
    pub fn error(&self, message: impl std::fmt::Display) -> Error {
        Error::new(ErrorKind::Model, format!("{}: {message}", self.name))
    }
}

/// ONNX Runtime's word about a run, or about a value that goes into or comes out of one.
pub(crate) fn failed_run(graph: &str, error: &ort::Error) -> Error {
    Error::new(ErrorKind::Model, format!("{graph}: run failed: {error}"))
}

fn options(
    environment: &ort::environment::Environment,
    settings: GraphSettings,
    integers: StoredIntegers,
) -> ort::Result<SessionBuilder> {
    Ok(Session::builder(environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(settings.threads.max(1))?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_memory_pattern(false)?
        .with_quant_qdq(integers == StoredIntegers::Stay)?
        .with_flush_to_zero()?)
}
