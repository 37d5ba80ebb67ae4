//! `auricle listen`: captions and sound events of the microphone, or of a file played as if it were live.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use auricle::alert::Alerts;
use auricle::audio::file::AudioFile;
use auricle::audio::microphone::Microphone;
use auricle::audio::paced::{self, PacedFile};
use auricle::audio::raw::{self, RawInput};
use auricle::audio::source::Pause;
use auricle::event::{Device, DeviceState, Event, EventBody};
use auricle::sink::{self, Format, Manner, Output, Reader, Sink, View, Wish};
use auricle::{Engines, Error, ErrorKind, Events, Meter, Next, Session, speech};
use clap::CommandFactory;
use clap::error::ErrorKind as UsageError;

use super::args::{Arguments, Listen, OutputArgs};
use super::{files, logs, stop};

/// How long captions that roll wait for an event before the level is shown again.
const TICK: Duration = Duration::from_millis(40);
/// How long other outputs wait for an event before a signal is looked for.
const PATIENCE: Duration = Duration::from_millis(150);
/// How long alerts that still run are waited for at the end.
const ALERTS_PATIENCE: Duration = Duration::from_millis(500);
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
    let wrong = |error: Error| Arguments::command().error(UsageError::ArgumentConflict, error).exit();
    let raw = arguments.raw_input().unwrap_or_else(wrong);
    if raw.is_some() && io::stdin().is_terminal() {
        bail!(
            "standard input is a terminal; pipe raw audio into it: arecord -t raw -f S16_LE -r 16000 | auricle listen --input -"
        );
    }
    let file = arguments.input.as_ref().filter(|_| raw.is_none());
    let input = file.map(AudioFile::open).transpose()?;
    let alerts = arguments.alerts.settings()?;
    let mut outputs = captions.output.outputs(Format::Pretty);
    files::keep_apart(&arguments.input, &outputs)?;
    if arguments.view {
        outputs.retain(|(_, output)| *output != Output::Stdout);
        can_view(&captions.output, outputs.is_empty());
    }
    let sink = if arguments.view && outputs.is_empty() { None } else { Some(Sink::open_all(&outputs, Manner::Live)?) };
    let rolls = sink.as_ref().is_some_and(Sink::rolls);
    stop::on_signal(move || {
        sink::restore_screen();
        if rolls {
            sink::restore_cursor();
        }
    })?;
    let toggle = stop::Noted::new(stop::TOGGLE)?;
    say("loading models; Ctrl-C stops");
    captions.run.load_library()?;
    let engines = Engines::load(&captions.engines())?;
    stop::in_order();
    let speech = captions.segment.within(speech::Settings::preset(arguments.preset));
    let sound = captions.sound.settings();
    let mut session =
        Session::builder().engines(Arc::clone(&engines)).channel(captions.channel.channel).speech(speech).sound(sound).build()?;
    let events = session.events();
    let alerts = Alerts::of_session(&alerts, &engines, &session)?;
    let sources = session.sources().ok_or_else(|| anyhow!("a session that was just built takes no sources"))?;
    let source = match input {
        Some(file) => Source::File(paced::start(file, AS_LIVE, sources)?),
        None if let Some((format, samples)) = raw => {
            let pipe = io::stdin().as_fd().try_clone_to_owned().context("standard input cannot be read")?;
            Source::Raw(raw::start(File::from(pipe), format, samples, "standard input", sources)?)
        }
        None => Source::Microphone(Microphone::start(arguments.microphone(), sources).map_err(or_wait)?),
    };
    if rolls || arguments.view {
        logs::hold();
    }
    let shown = if arguments.view { Viewed::open().map(Some) } else { Ok(None) };
    let shown = shown.and_then(|viewed| Shown { viewed, sink }.until_the_end(&events, source, &toggle, &mut session));
    // Programs and requests that were begun have a moment more.
    if let Some(alerts) = alerts {
        alerts.finish(ALERTS_PATIENCE);
    }
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

/// Ends the program unless the view can have the terminal; `alone`: nothing is written elsewhere.
fn can_view(output: &OutputArgs, alone: bool) {
    let complain = |message: &str| Arguments::command().error(UsageError::ArgumentConflict, message).exit();
    if output.output.iter().any(|path| path.as_os_str() == "-") {
        complain("--view fills the terminal; leave --output - away, or name a file");
    }
    if alone && !output.format.is_empty() {
        complain("--view fills the terminal, so that --format needs an --output of its own: name a file");
    }
    if !io::stdout().is_terminal() || std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
        complain("--view needs a terminal on standard output; leave it away, or run it in one");
    }
}

/// The view, and the signals that it answers.
struct Viewed {
    view: View,
    stands_still: stop::Noted,
    goes_on: stop::Noted,
}

impl Viewed {
    fn open() -> Result<Self> {
        let (stands_still, goes_on) = (stop::Noted::new(stop::STANDS_STILL)?, stop::Noted::new(stop::GOES_ON)?);
        Ok(Self { view: View::open(stop::interrupt)?, stands_still, goes_on })
    }

    /// Draws what is due, and does what keys and signals ask for.
    fn tick(&mut self, meter: &Meter, pause: &Pause) -> Result<Reader> {
        let (reader, wishes) = self.view.tick(meter.level_dbfs())?;
        let mut stands_still = self.stands_still.came();
        for wish in wishes {
            match wish {
                Wish::Pause => {
                    pause.toggle();
                }
                Wish::Suspend => stands_still = true,
            }
        }
        if stands_still {
            self.view.leave();
            stop::stand_still();
        }
        if self.goes_on.came() || stands_still {
            self.view.come_back()?;
        }
        Ok(reader)
    }
}

/// Where events are shown: the view, another output, or both.
struct Shown {
    viewed: Option<Viewed>,
    sink: Option<Sink>,
}

impl Shown {
    /// Shows events until there are no more, or until a signal or a reader that has gone ends the session.
    fn until_the_end(mut self, events: &Events, source: Source, toggle: &stop::Noted, session: &mut Session) -> Result<()> {
        let (meter, pause) = (session.meter(), source.pausing());
        let redraws = self.viewed.is_some() || self.sink.as_ref().is_some_and(Sink::rolls);
        let wait = if redraws { TICK } else { PATIENCE };
        loop {
            if toggle.came() {
                pause.toggle();
            }
            self.notes();
            let reader = match events.next_within(wait) {
                Next::Event(event) => {
                    if !redraws && let EventBody::Device(Device { state: DeviceState::Open, name }) = &event.body {
                        say(&format!("listening to {name}"));
                    }
                    self.event(&event)?
                }
                Next::Nothing => Reader::There,
                Next::End => break,
            };
            if reader == Reader::Gone || self.tick(&meter, &pause)? == Reader::Gone {
                return Ok(());
            }
            if stop::asked() {
                break;
            }
        }
        if let Some(viewed) = &mut self.viewed {
            let _ = viewed.view.ending()?;
        }
        source.stop();
        // The last final comes out of this; what failed is told after that was written.
        let finished = session.finish();
        for event in events.waiting() {
            if self.event(&event)? == Reader::Gone {
                return Ok(());
            }
        }
        self.notes();
        // A terminal that was filled is given back before anything is said on it.
        self.viewed = None;
        let written = self.sink.map_or(Ok(Reader::There), |sink| stop::while_writing(|| sink.finish()));
        if events.missed() > 0 {
            log::warn!("the output was too slow: {} events are missing from it", events.missed());
        }
        finished?;
        Ok(written.map(drop)?)
    }

    fn event(&mut self, event: &Event) -> Result<Reader> {
        if let Some(viewed) = &mut self.viewed {
            viewed.view.event(event);
        }
        Ok(self.sink.as_mut().map_or(Ok(Reader::There), |sink| stop::while_writing(|| sink.event(event)))?)
    }

    fn tick(&mut self, meter: &Meter, pause: &Pause) -> Result<Reader> {
        if let Some(viewed) = &mut self.viewed
            && stop::while_writing(|| viewed.tick(meter, pause))? == Reader::Gone
        {
            // Whoever only wanted to see is gone; what is written elsewhere is finished in order.
            self.viewed = None;
            stop::ask();
        }
        let tick = |sink: &mut Sink| stop::while_writing(|| sink.tick(meter.level_dbfs(), meter.lag_s()));
        Ok(self.sink.as_mut().map_or(Ok(Reader::There), tick)?)
    }

    fn notes(&mut self) {
        for line in logs::take() {
            match (&mut self.viewed, &mut self.sink) {
                (Some(viewed), _) => viewed.view.note(&line),
                (None, Some(sink)) => sink.note(&line),
                (None, None) => {}
            }
        }
    }
}

/// Tells whoever sits at the terminal; a program that reads standard error hears errors only.
fn say(message: &str) {
    if io::stderr().is_terminal() {
        let _ = writeln!(io::stderr(), "{message}");
    }
}
