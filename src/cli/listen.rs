//! `auricle listen`: captions and sound events of the microphone, or of a file played as if it were live.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use auricle::audio::file::AudioFile;
use auricle::audio::microphone::Microphone;
use auricle::audio::paced::{self, PacedFile};
use auricle::audio::raw::{self, RawInput};
use auricle::audio::source::Pause;
use auricle::event::{Device, DeviceState, EventBody};
use auricle::sink::{self, Format, Manner, Reader, Sink};
use auricle::{Engines, Error, ErrorKind, Events, Next, Session, runtime, speech};

use clap::CommandFactory;
use clap::error::ErrorKind as Usage;

use super::args::{Arguments, Listen};
use super::{files, logs, stop};

/// How long captions that roll wait for an event before the level is shown again.
const TICK: Duration = Duration::from_millis(40);
/// How long other outputs wait for an event before a signal is looked for.
const PATIENCE: Duration = Duration::from_millis(150);
/// Speed of a file that is played.
const AS_LIVE: f64 = 1.0;

/// A source of live audio.
enum Source {
    Microphone(Microphone),
    File(PacedFile),
    Raw(RawInput),
}

impl Source {
    fn pausing(&self) -> Pause {
        match self {
            Self::Microphone(microphone) => microphone.pausing(),
            Self::File(file) => file.pausing(),
            Self::Raw(input) => input.pausing(),
        }
    }

    fn stop(self) {
        match self {
            Self::Microphone(microphone) => microphone.stop(),
            Self::File(file) => file.stop(),
            Self::Raw(input) => input.stop(),
        }
    }
}

/// Runs the command until the source ends, a signal comes or the reader goes.
pub fn run(arguments: &Listen) -> Result<ExitCode> {
    let captions = &arguments.captions;
    // What can be wrong with the files is found before the models are loaded.
    let wrong = |error: auricle::Error| Arguments::command().error(Usage::ArgumentConflict, error).exit();
    let raw = arguments.raw_input().unwrap_or_else(wrong);
    if raw.is_some() && io::stdin().is_terminal() {
        bail!(
            "standard input is a terminal; pipe raw audio into it: arecord -t raw -f S16_LE -r 16000 | auricle listen --input -"
        );
    }
    let file = arguments.input.as_ref().filter(|_| raw.is_none());
    let input = file.map(AudioFile::open).transpose()?;
    let outputs = captions.output.outputs(Format::Pretty);
    files::keep_apart(&arguments.input, &outputs)?;
    let sink = Sink::open_all(&outputs, Manner::Live)?;
    let rolls = sink.rolls();
    stop::on_signal(move || {
        if rolls {
            sink::restore_cursor();
        }
    })?;
    let toggle = stop::Noted::new(stop::TOGGLE)?;
    say("loading models; Ctrl-C stops");
    runtime::load_library(captions.run.library.as_deref())?;
    let engines = Engines::load(&captions.engines())?;
    stop::in_order();
    let speech = captions.segment.within(speech::Settings::preset(arguments.preset));
    let sound = captions.sound.settings();
    let mut session =
        Session::builder().engines(engines).channel(captions.channel.channel).speech(speech).sound(sound).build()?;
    let events = session.events();
    let sources = session.sources().ok_or_else(|| anyhow!("a session that was just built takes no sources"))?;
    let source = match input {
        Some(file) => Source::File(paced::start(file, AS_LIVE, sources)?),
        None if let Some((format, samples)) = raw => {
            let pipe = io::stdin().as_fd().try_clone_to_owned().context("standard input cannot be read")?;
            Source::Raw(raw::start(File::from(pipe), format, samples, "standard input", sources)?)
        }
        None => Source::Microphone(Microphone::start(arguments.microphone(), sources).map_err(or_wait)?),
    };
    if rolls {
        logs::hold();
    }
    let shown = show(&events, sink, source, &toggle, &mut session);
    logs::release();
    shown.map(|()| ExitCode::SUCCESS)
}

/// A microphone that is not there may come.
fn or_wait(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Device | ErrorKind::NotFound => {
            Error::new(error.kind(), format!("{}; or wait for it with --wait", error.message()))
        }
        _ => error,
    }
}

/// Shows events until there are no more, or until a signal or a reader that has gone ends the session.
fn show(events: &Events, mut sink: Sink, source: Source, toggle: &stop::Noted, session: &mut Session) -> Result<()> {
    let (meter, pause) = (session.meter(), source.pausing());
    let wait = if sink.rolls() { TICK } else { PATIENCE };
    loop {
        if toggle.came() {
            pause.toggle();
        }
        logs::take().iter().for_each(|line| sink.note(line));
        let reader = match events.next_within(wait) {
            Next::Event(event) => {
                if !sink.rolls()
                    && let EventBody::Device(Device { state: DeviceState::Open, name }) = &event.body
                {
                    say(&format!("listening to {name}"));
                }
                stop::while_writing(|| sink.event(&event))?
            }
            Next::Nothing => Reader::There,
            Next::End => break,
        };
        if reader == Reader::Gone || stop::while_writing(|| sink.tick(meter.level_dbfs(), meter.lag_s()))? == Reader::Gone {
            return Ok(());
        }
        if stop::asked() {
            break;
        }
    }
    source.stop();
    // The last final comes out of this; what failed is told after that was written.
    let finished = session.finish();
    for event in events.waiting() {
        if stop::while_writing(|| sink.event(&event))? == Reader::Gone {
            return Ok(());
        }
    }
    logs::take().iter().for_each(|line| sink.note(line));
    let written = stop::while_writing(|| sink.finish());
    if events.missed() > 0 {
        log::warn!("the output was too slow: {} events are missing from it", events.missed());
    }
    finished?;
    Ok(written.map(drop)?)
}

/// Tells whoever sits at the terminal; a program that reads standard error hears errors only.
fn say(message: &str) {
    if io::stderr().is_terminal() {
        let _ = writeln!(io::stderr(), "{message}");
    }
}
