//! `auricle tag`: sound events of files, and the scores behind them.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use auricle::sink::{Format, Manner, Sink};
use auricle::store::Model;
use auricle::{Engines, ErrorKind, sound, speech};

use super::args::{FormatArg, SOUNDS, SOUNDS_HERE, Tag, misuse};
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
    let (model, stands_in) = model(arguments);
    let engines = Engines::load(&arguments.run.engines(None, Some(model)))?;
    if stands_in {
        super::complain(&anyhow!(limits(&engines)));
    }
    let reading = Reading {
        engines,
        channel: arguments.channel.channel,
        speech: speech::Settings::default(),
        sound: sound::Settings { scores: arguments.scores, ..arguments.sound.settings() },
    };
    let code = files::read_all(&inputs, &reading, sink)?;
    Ok(if errors.is_empty() || code != ExitCode::SUCCESS { code } else { ExitCode::FAILURE })
}

/// The model that hears, and whether it stands in for the default, which was not fetched.
fn model(arguments: &Tag) -> (String, bool) {
    if let Some(named) = &arguments.model {
        return (named.clone(), false);
    }
    let places = arguments.run.places();
    // What is there but cannot be read is for its own error.
    let missing = |name| match Model::open(&places, name) {
        Ok(model) => !model.is_fetched(),
        Err(error) => error.kind() == ErrorKind::NotFound,
    };
    let stands_in = missing(SOUNDS) && !missing(SOUNDS_HERE);
    (if stands_in { SOUNDS_HERE } else { SOUNDS }.to_owned(), stands_in)
}

/// What the model that stands in cannot hear, and the way out.
fn limits(engines: &Engines) -> String {
    let names: Vec<String> = engines.sound_labels().iter().map(|label| label.name.to_string()).collect();
    let count = names.len();
    format!(
        "{SOUNDS} was not fetched, so {SOUNDS_HERE} listens: it knows {count} sounds and takes every other for one of them or for none \
         ({}); 'make models' fetches {SOUNDS}",
        names.join("; ")
    )
}
