//! The arguments of `auricle config`, `auricle doctor` and `auricle generate`.

use std::ffi::OsString;
use std::path::PathBuf;

use auricle::audio::devices::HostChoice;
use clap::{Args, Subcommand};
use clap_complete::Shell;

use super::{CAPTIONS, Channel, Run, SOUNDS};

/// Show which settings are in force, and where each comes from.
///
/// Settings are the flags: each has a key of its name in auricle.toml and a variable AURICLE_NAME. The file is the one that --config or
/// $AURICLE_CONFIG names, else ~/.config/auricle/auricle.toml ($XDG_CONFIG_HOME), else /etc/auricle/auricle.toml.
#[derive(Debug, Args)]
#[command(
    name = "config",
    after_long_help = "\
Examples:
  auricle config                                what 'auricle listen' would use
  auricle config transcribe                     the same for another command
  auricle config listen --preset low-power      with flags
  auricle config --example > auricle.toml       a complete file to begin with, every key explained"
)]
pub struct ConfigArgs {
    /// Write a complete auricle.toml, every key explained and commented out
    #[arg(long, conflicts_with = "command")]
    pub example: bool,
    /// Command, and the flags it would be given [default: listen]
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<OsString>,
}

/// Check everything that captions need: library, models, microphone, settings.
///
/// Models are loaded and run, and the microphone is listened to for a second: say something. Nothing is kept of it. A line is ok, a note,
/// or a problem with what to do about it. The exit code is 1 when there is a problem.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  auricle doctor
  auricle doctor --device 'Table microphone'
  auricle doctor --provider cuda                whether models run on the GPU")]
pub struct Doctor {
    /// Audio system to listen through [default: pulseaudio where its server answers, else alsa]
    #[arg(long, value_name = "alsa|pulseaudio")]
    pub host: Option<HostChoice>,
    /// Device to listen to, by its id or name [default: what the host records from]
    #[arg(long, value_name = "ID-or-name")]
    pub device: Option<String>,
    /// Model that has to make captions
    #[arg(long, value_name = "NAME", default_value = CAPTIONS)]
    pub model: String,
    /// Model that has to hear sounds, or 'off'
    #[arg(long, value_name = "NAME|off", default_value = SOUNDS)]
    pub sounds: String,
    /// Which channel of the audio
    #[command(flatten)]
    pub channel: Channel,
    /// How models run
    #[command(flatten)]
    pub run: Run,
}

/// Write man pages, or completions for a shell.
#[derive(Debug, Args)]
#[command(
    subcommand_value_name = "WHAT",
    after_long_help = "\
Examples:
  auricle generate man listen | man -l -
  auricle generate man --folder /usr/local/share/man/man1
  auricle generate completions bash > ~/.local/share/bash-completion/completions/auricle
  auricle generate completions zsh > ~/.zfunc/_auricle
  auricle generate completions fish > ~/.config/fish/completions/auricle.fish"
)]
pub struct Generate {
    /// What to write
    #[command(subcommand)]
    pub what: GenerateCommand,
}

/// What `generate` writes.
#[derive(Debug, Subcommand)]
pub enum GenerateCommand {
    /// Write the man page of a command, or all of them into a folder
    Man {
        /// Folder to write every page to
        #[arg(long, value_name = "FOLDER", conflicts_with = "command")]
        folder: Option<PathBuf>,
        /// Command, such as 'listen' or 'models add' [default: auricle itself]
        #[arg(value_name = "COMMAND")]
        command: Vec<String>,
    },
    /// Write completions for a shell to standard output
    Completions {
        /// Shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
}
