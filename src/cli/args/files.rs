//! The arguments of `auricle transcribe` and `auricle tag`.

use std::path::PathBuf;

use clap::Args;

use super::{Captions, Channel, OutputArgs, Run, SoundArgs};

/// Caption files, as fast as the machine allows.
///
/// Files are read in turn, wav, flac, mp3, ogg and m4a; one that cannot be read does not keep the others from being read, but the
/// exit code is 1 then. Of a folder the audio files in it and below it are read, by name; folders that are links are not followed.
/// Ctrl-C stops: what was heard until then is written, and the exit code is 130. A second Ctrl-C ends at once.
///
/// With --beside or --output-dir each file gets outputs of its own, subtitles (srt) unless --format says otherwise. They are written as
/// NAME.srt.part and get their name when they are complete.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  auricle transcribe talk.flac
  auricle transcribe --format text *.wav > talks.txt
  auricle transcribe --output talk.srt --output talk.jsonl talk.flac
  auricle transcribe --beside lectures/                     lectures/monday.srt beside lectures/monday.m4a, and so on
  auricle transcribe --beside --resume --format srt,vtt lectures/    only what is not there yet, both kinds
  auricle transcribe --output-dir subtitles lectures/       the same folders below subtitles/
  ffmpeg -i film.mkv -f wav - | auricle transcribe --format srt -
  auricle transcribe --model whisper-tiny-en --windows --beam 5 talk.flac     as Whisper's authors read a recording
  auricle transcribe --partials --format jsonl talk.flac    also the captions as they rolled")]
pub struct Transcribe {
    /// Audio files, folders of audio files, or '-' for an audio file on standard input
    #[arg(required = true, value_name = "FILE|DIR|-")]
    pub files: Vec<PathBuf>,
    /// Also the captions that may still change, as they would have been shown live; --format jsonl has them
    #[arg(long)]
    pub partials: bool,
    /// Let a Whisper cut the audio itself, 30 s at a time, by its timestamps, instead of by the voice
    #[arg(long, conflicts_with = "partials", help_heading = "Reading")]
    pub windows: bool,
    /// Write the captions of each file beside it: talk.srt beside talk.flac
    #[arg(long, conflicts_with_all = ["output", "output_dir"], help_heading = "Output")]
    pub beside: bool,
    /// Write the captions of each file into this folder, those of a folder's files into the same folders below it
    #[arg(long, value_name = "DIR", conflicts_with = "output", help_heading = "Output")]
    pub output_dir: Option<PathBuf>,
    /// Leave out files whose outputs are all there and not older than they are
    #[arg(long, help_heading = "Output")]
    pub resume: bool,
    /// What to listen to and how to write it
    #[command(flatten)]
    pub captions: Captions,
}

/// Find sound events in files, without captions.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  auricle tag garden.wav
  auricle tag --model audio-transformer garden.wav        ten sounds only, by the model that comes with the sources
  auricle tag --scores garden.wav | jq '.scores | max'    every class of every patch, as JSON Lines")]
pub struct Tag {
    /// Audio files, folders of audio files, or '-' for an audio file on standard input
    #[arg(required = true, value_name = "FILE|DIR|-")]
    pub files: Vec<PathBuf>,
    /// Model that hears sounds [default: yamnet, or audio-transformer, which knows ten classes only, where yamnet was not fetched]
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
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
