//! `auricle tag`: sound events of files, and the scores behind them.

use std::process::ExitCode;

use anyhow::Result;
use auricle::sink::{Format, Manner};
use auricle::{Engines, runtime, sound, speech};
use clap::CommandFactory;
use clap::error::ErrorKind;

use super::args::{Arguments, FormatArg, Tag};
use super::files::{self, Reading};

/// Runs the command.
pub fn run(arguments: &Tag) -> Result<ExitCode> {
    if arguments.scores && arguments.output.format.is_some_and(|format| format != FormatArg::Jsonl) {
        let message = "scores are numbers for programs: --scores goes with --format jsonl";
        Arguments::command().error(ErrorKind::ArgumentConflict, message).exit();
    }
    files::keep_apart(&arguments.files, &arguments.output.output())?;
    let format = if arguments.scores { Format::Jsonl } else { Format::Pretty };
    let sink = arguments.output.open(format, Manner::Files)?;
    runtime::load_library(arguments.run.library.as_deref())?;
    let reading = Reading {
        engines: Engines::load(&arguments.run.engines(None, Some(arguments.model.clone())))?,
        channel: arguments.channel.channel,
        speech: speech::Settings::default(),
        sound: sound::Settings { scores: arguments.scores, ..arguments.sound.settings() },
    };
    files::read_all(&arguments.files, &reading, sink)
}
