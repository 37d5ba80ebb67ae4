//! The arguments of `auricle models`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Run;

/// List the models and prove where each runs; add one; check them.
///
/// Every model that was fetched is loaded and run once on the provider asked for; the table says what came of it.
#[derive(Debug, Args)]
#[command(
    subcommand_value_name = "COMMAND",
    after_long_help = "\
Examples:
  auricle models
  auricle models --provider cuda    which models run on the GPU
  auricle models add exports/my-model
  auricle models verify             every file by its hash, then every model run"
)]
pub struct Models {
    /// What to do; the list without it
    #[command(subcommand)]
    pub command: Option<ModelsCommand>,
    /// How models run
    #[command(flatten)]
    pub run: Run,
}

/// The commands below `models`.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    Add(ModelsAdd),
    Verify(ModelsVerify),
}

/// Check a model, run it once, and copy it to your own models.
///
/// What model.toml names is copied, nothing else, and whole or not at all. Your own models are in the folder that --models-dir
/// names, else $AURICLE_MODELS, else ~/.local/share/auricle/models ($XDG_DATA_HOME/auricle/models).
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  auricle models add exports/my-model
  auricle models add --replace exports/my-model    instead of the one of this name that is there")]
pub struct ModelsAdd {
    /// Folder of the model: model.toml and the files it names. Its name is the model's
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
    /// Take the place of another model of this name
    #[arg(long)]
    pub replace: bool,
}

/// Check every file of the models by length and sha256, then run each model once.
///
/// The exit code is 1 when anything is wrong. Without the ONNX Runtime library the files are checked all the same.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  auricle models verify
  auricle models verify yamnet --provider cuda")]
pub struct ModelsVerify {
    /// Models to check [default: all]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}
