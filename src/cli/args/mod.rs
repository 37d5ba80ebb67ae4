//! The arguments, a file a group, and what they mean to the rooms: each is resolved once, here.
//!
//! In: the command line. Out: [`Arguments`], from which the commands take engine settings, sinks and sources.

mod captions;
mod config;
mod files;
mod listen;
mod models;
mod output;
mod reading;
mod run;
mod settings;

pub use captions::{Captions, Channel};
pub use config::{ConfigArgs, Doctor, Generate, GenerateCommand};
pub use files::{Tag, Transcribe};
pub use listen::Listen;
pub use models::{Models, ModelsAdd, ModelsCommand, ModelsVerify};
pub use output::{FormatArg, OutputArgs, misuse};
pub use reading::ReadingArgs;
pub use run::{Run, load_library};
pub use settings::{SegmentArgs, SoundArgs};

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand};

use super::bench::args::Bench;

/// What `--model` names when it is not given.
pub const CAPTIONS: &str = "moonshine-tiny-en";
/// What `--sounds`, and `tag --model`, name when they are not given.
pub const SOUNDS: &str = "yamnet";
/// What hears sounds for `tag` where nothing was named and that one was not fetched: it comes with the sources.
pub const SOUNDS_HERE: &str = "audio-transformer";
/// The model that detects speech.
pub const VAD: &str = "silero-vad";

/// Live captions and sound events, on the device that hears.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = AFTER_HELP, after_long_help = AFTER_LONG_HELP)]
pub struct Arguments {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
    /// Log more to standard error: -v what happens, -vv how, -vvv everything
    #[arg(short, long, action = ArgAction::Count, global = true, conflicts_with = "quiet", help_heading = "Logging")]
    pub verbose: u8,
    /// Log errors only
    #[arg(short, long, global = true, help_heading = "Logging")]
    pub quiet: bool,
    /// File of settings, or 'none' [default: $AURICLE_CONFIG, else auricle/auricle.toml in ~/.config or in /etc]
    #[arg(long, global = true, value_name = "PATH", help_heading = "Settings")]
    pub config: Option<PathBuf>,
}

const AFTER_HELP: &str = "'auricle COMMAND --help' teaches a command with examples.";

const AFTER_LONG_HELP: &str = "\
Begin with:
  auricle doctor                  whether everything is there, and the microphone hears
  auricle devices                 what there is to listen to
  auricle listen                  captions of the microphone, until Ctrl-C
  auricle transcribe talk.flac    captions of a file, as fast as the machine allows

Settings:
  Each flag of listen, transcribe and tag has a key of its name in a file,
  auricle.toml, and a variable, AURICLE_NAME. Flags go before variables, these
  before the file. --no-NAME turns off what the file turns on.
  auricle config              what is in force, and from where
  auricle config --example    a file to begin with

Environment:
  AURICLE_CONFIG       the file of settings
  AURICLE_MODELS       folder of models, looked at first and added to
  AURICLE_ONNXRUNTIME  the ONNX Runtime library, 1.20 or later, or the folder that holds it
  NO_COLOR             no colours
  RUST_LOG             what to log, such as auricle=debug; goes before -v and -q

Exit codes: 0 done, 1 failed while running, 2 wrong usage.
Events as JSON Lines (--format jsonl) are described in docs/events.md.";

/// The commands, one file each. Their help is the documentation of their arguments' types.
#[derive(Debug, Subcommand)]
pub enum Command {
    Listen(Listen),
    Transcribe(Transcribe),
    Tag(Tag),
    /// List the devices there are to listen to
    Devices,
    Models(Models),
    Doctor(Doctor),
    Config(ConfigArgs),
    Bench(Bench),
    Generate(Generate),
}
