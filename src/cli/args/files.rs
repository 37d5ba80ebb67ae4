//! The arguments of `auricle transcribe` and `auricle tag`.

use std::path::PathBuf;

use clap::Args;

use super::{Captions, Channel, OutputArgs, Run, SOUNDS, SoundArgs};

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
    /// Which sounds are told
    #[command(flatten)]
    pub sound: SoundArgs,
    /// How to write
    #[command(flatten)]
    pub output: OutputArgs,
    /// How models run
    #[command(flatten)]
    pub run: Run,
}
