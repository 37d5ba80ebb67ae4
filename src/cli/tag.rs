//! `auricle tag`: sound events of files, and the scores behind them.

use std::process::ExitCode;

use anyhow::Result;
use auricle::sink::{Format, Manner, Sink};
use auricle::{Engines, sound, speech};

use super::args::{FormatArg, Tag, misuse};
use super::files::{self, Reading};
use super::inputs;

/// Runs the command.
pub fn run(arguments: &Tag) -> Result<ExitCode> {
    if arguments.scores && arguments.output.format.iter().any(|format| *format != FormatArg::Jsonl) {
        misuse("scores are numbers for programs: --scores goes with --format jsonl");
    }
    let outputs = arguments.output.outputs(if arguments.scores { Format::Jsonl } else { Format::Pretty });
    if arguments.scores && outputs.iter().any(|(format, _)| *format != Format::Jsonl) {
        misuse("scores are numbers for programs: --scores goes with outputs whose names end in .jsonl");
    }
    let (inputs, errors) = inputs::find(&arguments.files);
    errors.iter().for_each(super::complain);
    if inputs.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    if inputs.len() > 1 && outputs.iter().any(|(format, _)| matches!(format, Format::Subtitles(_))) {
        misuse("subtitles are of one file; name one, or another --format");
    }
    files::keep_apart(inputs.iter().map(|input| &input.path), &outputs)?;
    let sink = Sink::open_all(&outputs, Manner::Files)?;
    arguments.run.load_library()?;
    let reading = Reading {
        engines: Engines::load(&arguments.run.engines(None, Some(arguments.model.clone())))?,
        channel: arguments.channel.channel,
        speech: speech::Settings::default(),
        sound: sound::Settings { scores: arguments.scores, ..arguments.sound.settings() },
    };
    let code = files::read_all(&inputs, &reading, sink)?;
    Ok(if errors.is_empty() || code != ExitCode::SUCCESS { code } else { ExitCode::FAILURE })
}
