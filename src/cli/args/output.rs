//! The arguments that say how events are written, and where.

use std::path::PathBuf;

use auricle::Result;
use auricle::sink::{Format, Manner, Output, Sink};
use clap::{Args, ValueEnum};

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
