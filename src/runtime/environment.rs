//! The ONNX Runtime library and the one environment of the process.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;

use super::elf;
use crate::error::{Error, ErrorKind, Result};
use crate::store;

/// The library's path and its environment; it lives as long as the process.
static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// Loads the ONNX Runtime library: `path`, or the one the store finds. Later calls keep the first library.
///
/// # Errors
/// `NotFound` when there is none; `Library` when it is not ONNX Runtime, cut short, or older than 1.20.
pub fn load_library(path: Option<&Path>) -> Result<()> {
    environment(path).map(drop)
}

/// Path of the library in use, once one is loaded.
pub fn library_path() -> Option<PathBuf> {
    let loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    loaded.as_ref().map(|(path, _)| path.clone())
}

/// ONNX Runtime's version and build, as it tells it; `None` before a library is loaded.
pub fn version() -> Option<String> {
    library_path().map(|_| ort::info().to_owned())
}

/// ONNX Runtime as its maker packages it (seen in 1.31.1 for Linux) keeps a database of its use in the user's cache folder and
/// sends it to its maker, unless this variable is `1` in the environment when the library is loaded; switching telemetry off
/// through its API comes too late. A library cannot change the environment safely: a program that uses this one sets the
/// variable before it starts threads, as `auricle` does.
pub const TELEMETRY_VARIABLE: &str = "ORT_DISABLE_TELEMETRY";

/// How to do without, for errors about a library that is not there or is none.
#[cfg(feature = "tract")]
const WITHOUT: &str = "; sounds alone need none: auricle tag --provider tract";
#[cfg(not(feature = "tract"))]
const WITHOUT: &str = "";

pub(super) fn environment(path: Option<&Path>) -> Result<Environment> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, environment)) = loaded.as_ref() {
        return Ok(environment.clone());
    }
    let found = path.map_or_else(store::library, |path| Ok(path.to_owned()));
    let path = found.map_err(|error| Error::new(error.kind(), format!("{error}{WITHOUT}")))?;
    let failed = |error: &dyn std::fmt::Display| {
        let message =
            format!("{}: cannot be used as ONNX Runtime: {error}; version 1.20 or later is needed{WITHOUT}", path.display());
        Error::new(ErrorKind::Library, message)
    };
    elf::check_length(&path).map_err(|error| failed(&error))?;
    if std::env::var_os(TELEMETRY_VARIABLE).is_none_or(|value| value != "1") {
        log::warn!("ONNX Runtime may report its use over the network; set {TELEMETRY_VARIABLE}=1 before the program starts");
    }
    let builder = ort::init_from(&path).map_err(|error| failed(&error))?;
    let environment = builder.with_name("auricle").with_telemetry(false).build().map_err(|error| failed(&error))?;
    environment.set_log_level(ort::logging::LogLevel::Error);
    *loaded = Some((path, environment.clone()));
    Ok(environment)
}
