//! `auricle transcribe`: captions and sound events of files, on a virtual clock.

use std::process::ExitCode;

use anyhow::Result;
use auricle::sink::{Format, Manner};
use auricle::{Engines, runtime, sound, speech};

use super::args::Transcribe;
use super::files::{self, Reading};
use super::stop;

/// Segments of speech that are read at once where nobody watches captions roll: some two minutes of speech, so that there are some of
/// like length among them.
const BATCH: usize = 32;

/// Runs the command.
pub fn run(arguments: &Transcribe) -> Result<ExitCode> {
    let captions = &arguments.captions;
    files::keep_apart(&arguments.files, &captions.output.output())?;
    let sink = captions.output.open(Format::Pretty, Manner::Files)?;
    // Segments that have ended may still wait to be read.
    stop::on_signal(|| ())?;
    runtime::load_library(captions.run.library.as_deref())?;
    let reading = Reading {
        engines: Engines::load(&captions.engines())?,
        channel: captions.channel.channel,
        speech: speech::Settings {
            partials: arguments.partials,
            batch: if arguments.partials { 1 } else { BATCH },
            ..Default::default()
        },
        sound: sound::Settings::default(),
    };
    stop::in_order();
    files::read_all(&arguments.files, &reading, sink)
}
