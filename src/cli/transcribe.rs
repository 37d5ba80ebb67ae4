//! `auricle transcribe`: captions and sound events of files, on a virtual clock.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use auricle::sink::{Format, Manner, Output, Sink};
use auricle::{Engines, speech};

use super::args::{FormatArg, Transcribe, misuse};
use super::files::{self, Reading};
use super::inputs::{self, Input};
use super::places::{self, Outputs, Place};
use super::stop;

/// Segments of speech that are read at once where nobody watches captions roll: some two minutes of speech, so that there are some of
/// like length among them.
const BATCH: usize = 32;

/// Runs the command.
pub fn run(arguments: &Transcribe) -> Result<ExitCode> {
    let place = match (&arguments.output_dir, arguments.beside) {
        (Some(folder), _) => Some(Place::Folder(folder.clone())),
        (None, true) => Some(Place::Beside),
        (None, false) => None,
    };
    if arguments.resume && place.is_none() {
        misuse("--resume goes with --beside or --output-dir: what is there says what is done");
    }
    // Wrong usage is told before folders are walked.
    let common = if place.is_none() { arguments.captions.output.outputs(Format::Pretty) } else { Vec::new() };
    let (inputs, errors) = inputs::find(&arguments.files);
    errors.iter().for_each(super::complain);
    if inputs.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    let code = match place {
        Some(place) => own_outputs(arguments, inputs, &place)?,
        None => common_outputs(arguments, &inputs, &common)?,
    };
    Ok(if errors.is_empty() || code != ExitCode::SUCCESS { code } else { ExitCode::FAILURE })
}

/// All inputs into the same outputs.
fn common_outputs(arguments: &Transcribe, inputs: &[Input], outputs: &[(Format, Output)]) -> Result<ExitCode> {
    if inputs.len() > 1
        && let Some((format, output)) = outputs.iter().find(|(format, _)| matches!(format, Format::Subtitles(_)))
    {
        misuse(&format!(
            "{output}: subtitles ({format}) are of one file, and {} are named; say --beside or --output-dir",
            inputs.len()
        ));
    }
    files::keep_apart(inputs.iter().map(|input| &input.path), outputs)?;
    let sink = Sink::open_all(outputs, Manner::Files)?;
    files::read_all(inputs, &reading(arguments)?, sink)
}

/// Each input into outputs of its own.
fn own_outputs(arguments: &Transcribe, inputs: Vec<Input>, place: &Place) -> Result<ExitCode> {
    let asked = &arguments.captions.output.format;
    let formats = if asked.is_empty() { &[FormatArg::Srt] } else { asked.as_slice() };
    let outputs = places::of_all(&inputs, formats, place).unwrap_or_else(|message| misuse(&message));
    let all = inputs.len();
    let is_open = |(input, outputs): &(Input, Outputs)| !arguments.resume || !outputs.are_done(input);
    let (inputs, outputs): (Vec<Input>, Vec<Outputs>) = inputs.into_iter().zip(outputs).filter(is_open).unzip();
    if arguments.resume && log::log_enabled!(log::Level::Warn) {
        // Where standard error is closed there is nobody to tell.
        let _ = writeln!(io::stderr(), "auricle: {} of {all} files were done before", all - inputs.len());
    }
    if inputs.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    files::read_each(&inputs, &outputs, &reading(arguments)?)
}

fn reading(arguments: &Transcribe) -> Result<Reading> {
    let captions = &arguments.captions;
    // Segments that have ended may still wait to be read.
    stop::on_signal(|| ())?;
    captions.run.load_library()?;
    let reading = Reading {
        engines: Engines::load(&captions.engines())?,
        channel: captions.channel.channel,
        speech: captions.segment.within(speech::Settings {
            partials: arguments.partials,
            windows: arguments.windows,
            batch: if arguments.partials || arguments.windows { 1 } else { BATCH },
            ..Default::default()
        }),
        sound: captions.sound.settings(),
    };
    stop::in_order();
    Ok(reading)
}
