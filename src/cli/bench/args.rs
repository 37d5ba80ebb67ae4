//! The arguments of `auricle bench`, and what they mean to the bench.
//!
//! In: the command line. Out: material, driver settings and places to write to.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use auricle::EngineSettings;
use auricle::bench::log::Offset;
use auricle::speech::{Preset, Settings};
use clap::{Args, Subcommand};

use super::model::Model;
use crate::cli::args::{CAPTIONS, Channel, Run, SOUNDS};

/// Measure how soon captions come and whether they stay, and what models cost.
///
/// Latency counts from when the last sample that was needed was due. docs/latency.md defines every figure.
#[derive(Debug, Args)]
#[command(
    subcommand_value_name = "COMMAND",
    after_long_help = "\
Examples:
  auricle bench stream --input talk.flac                      one recording, talk.words.tsv beside it, in real time
  auricle bench stream --input clips/ --join 3 --virtual      a folder of utterances strung together, on a virtual clock
  auricle bench report night.jsonl --words night.words.tsv    a log of 'auricle listen --format jsonl'
  auricle bench compare before/run.json after/run.json
  auricle bench model moonshine-tiny-en --threads 1,2 --compare    a model alone"
)]
pub struct Bench {
    /// What to measure
    #[command(subcommand)]
    pub command: BenchCommand,
}

/// The commands below `bench`.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    Stream(Box<Stream>),
    Model(Model),
    Report(Report),
    Compare(Compare),
}

/// Stream recordings through sessions and measure when their words come.
///
/// Every recording needs its words: NAME.words.tsv beside NAME.flac, a line each: start s, end s, word, with tabs. A folder stands
/// for the recordings in it that have words. Each recording, or string of them, is a session of its own, in real time unless
/// --virtual. The exit code is 1 when committed words changed.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  auricle bench stream --input talk.flac
  auricle bench stream --input timit/ --join 3 --seeds 5 --virtual --output benches/runs/2026-11-22-desk/default
  auricle bench stream --input timit/ --join 3 --continuous --repeat-for 1800    half an hour, for slopes of lag and memory")]
pub struct Stream {
    /// Recordings, or folders of them
    #[arg(long, required = true, num_args = 1.., value_name = "FILE|FOLDER")]
    pub input: Vec<PathBuf>,
    /// Words of the recordings, where they are not beside them; told apart by their names
    #[arg(long, num_args = 1.., value_name = "TSV")]
    pub words: Vec<PathBuf>,
    /// As fast as the machine allows, on a virtual clock, instead of in real time
    #[arg(long = "virtual")]
    pub on_virtual_clock: bool,
    /// String N utterances of a speaker together (a speaker is a name up to its first '_')
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    pub join: Option<u16>,
    /// How many times all are strung together, in another order each
    #[arg(long, value_name = "K", default_value_t = 1, requires = "join", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub seeds: u64,
    /// Shortest and longest pause between utterances, seconds
    #[arg(long, value_name = "MIN-MAX", default_value = "0.15-0.8", requires = "join")]
    pub gap: Gap,
    /// All strings one after another in one session
    #[arg(long)]
    pub continuous: bool,
    /// Again from the first string until the session has lasted so many seconds
    #[arg(long, value_name = "SECONDS", requires = "continuous", value_parser = duration)]
    pub repeat_for: Option<f64>,
    /// Leave out the word error rates of utterances alone and of transcription
    #[arg(long)]
    pub stream_only: bool,
    /// Sounds of a single recording, in a file like that of words: start s, end s, label ('Dog|Bark' for either)
    #[arg(long, value_name = "TSV")]
    pub sounds_truth: Option<PathBuf>,
    /// What to call the run in its report
    #[arg(long, value_name = "NAME", default_value = "bench stream")]
    pub name: String,
    /// Model that makes captions
    #[arg(long, value_name = "NAME", default_value = CAPTIONS)]
    pub model: String,
    /// Model that hears sounds, or 'off'
    #[arg(long, value_name = "NAME|off", default_value = SOUNDS)]
    pub sounds: String,
    /// Settings that belong together
    #[arg(long, value_name = "default|low-power", default_value_t)]
    pub preset: Preset,
    /// One setting of captions, after the preset; a wrong KEY is answered with all there are
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
    /// Which channel of the audio
    #[command(flatten)]
    pub channel: Channel,
    /// Where to write
    #[command(flatten)]
    pub places: Places,
    /// How models run
    #[command(flatten)]
    pub run: Run,
}

/// Report on a log of a session, or on a run that was kept.
///
/// LOG is JSON Lines of 'auricle listen' or 'auricle transcribe --partials', or a run.json. The exit code is 1 when committed words
/// changed.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  auricle bench report night.jsonl                                        flips, lag, memory: what a log tells by itself
  auricle bench report night.jsonl --words night.words.tsv --offset 2.35  the words begin 2.35 s after the log's zero
  auricle bench report night.jsonl --words night.words.tsv --offset auto  found by the captions' word times
  auricle bench report run.json --html report.html")]
pub struct Report {
    /// Log or run
    #[arg(value_name = "LOG")]
    pub log: PathBuf,
    /// Words that were said; of a log of several files, one for each, told apart by their names
    #[arg(long, num_args = 1.., value_name = "TSV")]
    pub words: Vec<PathBuf>,
    /// Seconds from the log's zero to the zero of the words, or 'auto'
    #[arg(long, value_name = "SECONDS|auto", default_value = "0", requires = "words", allow_hyphen_values = true)]
    pub offset: Offset,
    /// What to call the run in its report [default: the log's name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Where to write
    #[command(flatten)]
    pub places: Places,
}

/// Compare two runs.
///
/// Intervals are of the difference, from resampling the strings that both have.
#[derive(Debug, Args)]
pub struct Compare {
    /// A run.json
    #[arg(value_name = "A")]
    pub first: PathBuf,
    /// Another
    #[arg(value_name = "B")]
    pub second: PathBuf,
}

/// Where a report goes beside standard output.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct Places {
    /// Folder for run.json, report.html and report.txt; made where it is not there
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// File for the run with its raw rows
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// File for the page with pictures
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Keep numbers in the place of words, and no captions: for recordings that are not yours to publish
    #[arg(long)]
    pub without_text: bool,
}

/// Shortest and longest pause between utterances, seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Gap(pub RangeInclusive<f64>);

impl FromStr for Gap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seconds = |text: &str| text.trim().parse::<f64>().ok().filter(|seconds| (0.0..=60.0).contains(seconds));
        let (least, most) = text.split_once('-').unwrap_or((text, text));
        match (seconds(least), seconds(most)) {
            (Some(least), Some(most)) if least <= most => Ok(Self(least..=most)),
            _ => Err("expected MIN-MAX, seconds from 0 to 60, such as 0.15-0.8".to_owned()),
        }
    }
}

fn duration(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (1.0..=86_400.0).contains(seconds));
    seconds.ok_or_else(|| "expected seconds from 1 to 86400".to_owned())
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| "expected KEY=VALUE".to_owned())?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

impl Stream {
    /// How speech becomes captions.
    pub fn speech(&self) -> auricle::Result<Settings> {
        let mut settings = Settings::preset(self.preset);
        self.set.iter().try_for_each(|(key, value)| settings.set(key, value))?;
        settings.check()?;
        Ok(settings)
    }

    /// The engines to measure.
    pub fn engines(&self) -> EngineSettings {
        self.run.engines(Some(self.model.clone()), Some(self.sounds.clone()).filter(|name| name != "off"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_a_range() {
        assert_eq!("0.15-0.8".parse(), Ok(Gap(0.15..=0.8)));
        assert_eq!("0.3".parse(), Ok(Gap(0.3..=0.3)));
        for text in ["", "0.8-0.15", "a-b", "-1-2", "0-1e9", "NaN-1"] {
            assert!(text.parse::<Gap>().is_err(), "{text}");
        }
    }
}
