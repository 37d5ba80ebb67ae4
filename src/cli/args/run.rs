//! The arguments that say where models are found and how they run.

use std::path::{Path, PathBuf};

use auricle::runtime::{self, GraphSettings, Provider};
use auricle::store::Places;
use auricle::{EngineSettings, Result};
use clap::Args;

use super::VAD;

/// Where models are found and how they run. Global, for the commands below `models`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where models run")]
pub struct Run {
    /// Where models run: cpu, cuda[:N], tensorrt[:N], or tract in a build that has it. One that cannot be had is an error, never a slower run
    #[arg(long, global = true, value_name = "PROVIDER", default_value = "cpu")]
    pub provider: Provider,
    /// Threads of each model; more than one seldom pays
    #[arg(long, global = true, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: u16,
    /// The only folder of models [default: $AURICLE_MODELS, then share/auricle/models beside or above the program,
    /// ~/.local/share/auricle/models and /usr/share/auricle/models]
    #[arg(long, global = true, value_name = "DIR")]
    pub models_dir: Option<PathBuf>,
    /// ONNX Runtime library, 1.20 or later [default: $AURICLE_ONNXRUNTIME, else lib/auricle/ beside or above the program]
    #[arg(long, global = true, value_name = "PATH")]
    pub library: Option<PathBuf>,
}

impl Run {
    /// The places where models are looked for.
    pub fn places(&self) -> Places {
        self.models_dir.clone().map_or_else(Places::find, Places::only)
    }

    /// How graphs are loaded.
    pub fn graph(&self) -> GraphSettings {
        GraphSettings { provider: self.provider, threads: self.threads.into() }
    }

    /// Loads ONNX Runtime, unless the provider does without.
    ///
    /// # Errors
    /// Those of [`runtime::load_library`].
    pub fn load_library(&self) -> Result<()> {
        load_library(&[self.provider], self.library.as_deref())
    }

    /// Engines for captions, sounds or both.
    pub fn engines(&self, captions: Option<String>, sounds: Option<String>) -> EngineSettings {
        let graph = self.graph();
        EngineSettings { places: self.places(), captions, vad: VAD.to_owned(), sounds, graph, ..EngineSettings::default() }
    }
}

/// Loads ONNX Runtime from `path`, or from where the store finds it, unless all of `providers` do without.
///
/// # Errors
/// Those of [`runtime::load_library`].
pub fn load_library(providers: &[Provider], path: Option<&Path>) -> Result<()> {
    if providers.iter().any(|provider| provider.needs_library()) { runtime::load_library(path) } else { Ok(()) }
}
