//! `auricle transcribe`: captions and sound events of files, on a virtual clock.

use std::process::ExitCode;

use anyhow::Result;
use auricle::sink::{Format, Manner};
use auricle::{Engines, runtime, sound, speech};

use super::args::Transcribe;
use super::files::{self, Reading};

/// Runs the command.
pub fn run(arguments: &Transcribe) -> Result<ExitCode> {
    let captions = &arguments.captions;
    files::keep_apart(&arguments.files, &captions.output.output())?;
    let sink = captions.output.open(Format::Pretty, Manner::Files)?;
    runtime::load_library(captions.run.library.as_deref())?;
    let reading = Reading {
        engines: Engines::load(&captions.engines())?,
        channel: captions.channel.channel,
        speech: speech::Settings { partials: arguments.partials, ..Default::default() },
        sound: sound::Settings::default(),
    };
    files::read_all(&arguments.files, &reading, sink)
}
