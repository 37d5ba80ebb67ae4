//! A graph's session in ONNX Runtime.
//!
//! In: the graph's file, its provider and threads. Out: a session that runs there, or an error that names the graph.

use std::path::Path;

use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};

use super::environment::environment;
use super::graph::{GraphSettings, StoredIntegers};
use crate::error::{Error, ErrorKind, Result};

/// Loads the graph (`.onnx` or `.ort`) at `path`, which messages call `name`.
///
/// # Errors
/// `Library` or `NotFound` without ONNX Runtime, `Unsupported` when the provider cannot be had, `Model` when the graph cannot be
/// loaded.
pub(super) fn load(path: &Path, name: &str, settings: GraphSettings, integers: StoredIntegers) -> Result<Session> {
    let environment = environment(None)?;
    let failed = |error: ort::Error| Error::new(ErrorKind::Model, format!("{name}: cannot be loaded: {error}"));
    let unsupported = |error: ort::Error| {
        let message = format!("{name}: provider {} cannot be used: {error}; choose another with --provider", settings.provider);
        Error::new(ErrorKind::Unsupported, message)
    };
    let builder = options(&environment, settings, integers).map_err(failed)?;
    let providers = settings.provider.dispatch();
    let mut builder = match builder.with_execution_providers(providers) {
        Ok(builder) => builder,
        Err(error) => return Err(unsupported(error.into())),
    };
    builder.commit_from_file(path).map_err(failed)
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
