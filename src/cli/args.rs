//! The arguments, and what they mean to the rooms: each is resolved once, here.
//!
//! In: the command line. Out: [`Arguments`], from which the commands take engine settings, sinks and sources.

use std::path::PathBuf;

use auricle::audio::devices::HostChoice;
use auricle::audio::microphone::MicrophoneSettings;
use auricle::audio::pcm::ChannelChoice;
use auricle::runtime::{GraphSettings, Provider};
use auricle::sink::{Format, Manner, Output, Sink};
use auricle::speech::Preset;
use auricle::store::Places;
use auricle::{EngineSettings, Result};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use super::bench::args::Bench;

/// What `--model` names when it is not given.
pub const CAPTIONS: &str = "moonshine-tiny-en";
/// What `--sounds`, and `tag --model`, name when they are not given.
pub const SOUNDS: &str = "yamnet";
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
}

const AFTER_HELP: &str = "'auricle COMMAND --help' teaches a command with examples.";

const AFTER_LONG_HELP: &str = "\
Begin with:
  auricle devices                 what there is to listen to
  auricle listen                  captions of the microphone, until Ctrl-C
  auricle transcribe talk.flac    captions of a file, as fast as the machine allows

Environment:
  AURICLE_MODELS       folder of models, before the places looked at by default; 'models add' puts them there
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
    Bench(Bench),
}

/// Caption the microphone, or a file as if it were live, with sound events between.
///
/// Ctrl-C stops: the sentence that is being said is finished first. A second Ctrl-C ends at once. On a terminal the caption that
/// is being said is redrawn in place: bright words will not change, dim ones may.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  auricle listen
  auricle listen --host pulseaudio --device 'Table microphone'
  auricle listen --input talk.flac                   a file, at the speed it plays
  auricle listen --format jsonl | jq .type           events for a program
  auricle listen --format text --output notes.txt    a transcript
  auricle listen --sounds off                        captions alone")]
pub struct Listen {
    /// Audio system to listen through [default: pulseaudio where its server answers, else alsa]
    #[arg(long, value_name = "alsa|pulseaudio")]
    pub host: Option<HostChoice>,
    /// Device, by the id that 'auricle devices' shows, or by its name or part of it [default: what the host records from]
    #[arg(long, value_name = "ID-or-name")]
    pub device: Option<String>,
    /// Play a file as if it were live instead of listening to a device
    #[arg(long, value_name = "FILE", conflicts_with_all = ["host", "device"])]
    pub input: Option<PathBuf>,
    /// How soon captions come and what that costs: low-power takes a quarter less of the processor
    #[arg(long, value_name = "default|low-power", default_value_t)]
    pub preset: Preset,
    /// What to listen to and how to write it
    #[command(flatten)]
    pub captions: Captions,
}

/// Caption files, as fast as the machine allows.
///
/// Files are read in turn, wav, flac, mp3, ogg and m4a; one that cannot be read does not keep the others from being read, but the
/// exit code is 1 then. Ctrl-C stops: what was heard until then is written, and the exit code is 130. A second Ctrl-C ends at once.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  auricle transcribe talk.flac
  auricle transcribe --format text *.wav > talks.txt
  auricle transcribe --format jsonl --output talk.jsonl talk.flac
  auricle transcribe --partials --format jsonl talk.flac    also the captions as they rolled")]
pub struct Transcribe {
    /// Audio files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Also the captions that may still change, as they would have been shown live; --format jsonl has them
    #[arg(long)]
    pub partials: bool,
    /// What to listen to and how to write it
    #[command(flatten)]
    pub captions: Captions,
}

/// Find sound events in files, without captions.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  auricle tag garden.wav
  auricle tag --scores garden.wav | jq '.scores | max'    every class of every patch, as JSON Lines")]
pub struct Tag {
    /// Audio files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Model that hears sounds
    #[arg(long, value_name = "NAME", default_value = SOUNDS)]
    pub model: String,
    /// Also the probability of every class for every patch; implies --format jsonl
    #[arg(long)]
    pub scores: bool,
    /// Which channel of the audio
    #[command(flatten)]
    pub channel: Channel,
    /// How to write
    #[command(flatten)]
    pub output: OutputArgs,
    /// How models run
    #[command(flatten)]
    pub run: Run,
}

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

/// What `listen` and `transcribe` share.
#[derive(Debug, Args)]
pub struct Captions {
    /// Model that makes captions
    #[arg(long, value_name = "NAME", default_value = CAPTIONS)]
    pub model: String,
    /// Model that hears sounds, or 'off'
    #[arg(long, value_name = "NAME|off", default_value = SOUNDS)]
    pub sounds: String,
    /// Which channel of the audio
    #[command(flatten)]
    pub channel: Channel,
    /// How to write
    #[command(flatten)]
    pub output: OutputArgs,
    /// How models run
    #[command(flatten)]
    pub run: Run,
}

/// Which channel of the audio to take.
#[derive(Debug, Args)]
pub struct Channel {
    /// Channel, counted from 1, or 'mix' for the mean of all (for one mix, not for an array: that combs the spectrum)
    #[arg(long, value_name = "N|mix", default_value = "1")]
    pub channel: ChannelChoice,
}

/// Where and how events are written.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// How to write [default: pretty]
    #[arg(long, value_enum)]
    pub format: Option<FormatArg>,
    /// File to write to, created or emptied; '-' is standard output
    #[arg(long, value_name = "PATH", default_value = "-")]
    pub output: PathBuf,
}

/// Where models are found and how they run. Global, for the commands below `models`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where models run")]
pub struct Run {
    /// Where models run: cpu, cuda[:N] or tensorrt[:N]. One that cannot be had is an error, never a slower run
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

/// [`Format`], as an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// For eyes: captions that roll in place, or lines with times for files; as text where the output is no terminal
    Pretty,
    /// Plain lines: final captions, and sounds as [Dog] 00:12
    Text,
    /// For programs: one JSON object a line
    Jsonl,
}

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Pretty => Self::Pretty,
            FormatArg::Text => Self::Text,
            FormatArg::Jsonl => Self::Jsonl,
        }
    }
}

impl OutputArgs {
    /// The output asked for.
    pub fn output(&self) -> Output {
        if self.output.as_os_str() == "-" { Output::Stdout } else { Output::File(self.output.clone()) }
    }

    /// Opens the output; `default` is the format where none was asked for.
    pub fn open(&self, default: Format, manner: Manner) -> Result<Sink> {
        Sink::open(self.format.map_or(default, Format::from), &self.output(), manner)
    }
}

impl Listen {
    /// The microphone asked for.
    pub fn microphone(&self) -> MicrophoneSettings {
        let channel = self.captions.channel.channel;
        MicrophoneSettings { host: self.host, device: self.device.clone(), channel, ..Default::default() }
    }
}

impl Captions {
    /// The engines that `listen` and `transcribe` load.
    pub fn engines(&self) -> EngineSettings {
        self.run.engines(Some(self.model.clone()), Some(self.sounds.clone()).filter(|name| name != "off"))
    }
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

    /// Engines for captions, sounds or both.
    pub fn engines(&self, captions: Option<String>, sounds: Option<String>) -> EngineSettings {
        EngineSettings { places: self.places(), captions, vad: VAD.to_owned(), sounds, graph: self.graph() }
    }
}
