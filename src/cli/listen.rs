//! `auricle listen`: captions and sound events of the microphone, or of a file played as if it were live.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, anyhow};
use auricle::audio::file::AudioFile;
use auricle::audio::microphone::Microphone;
use auricle::audio::paced::Paced;
use auricle::sink::{self, Format, Manner, Reader, Sink};
use auricle::{Engines, Events, Meter, Next, Pace, Session, runtime};

use super::args::Listen;
use super::{files, logs, stop};

/// How long a display waits for an event before it shows the level again.
const TICK: Duration = Duration::from_millis(40);

/// A source of live audio; dropping it stops it.
#[expect(dead_code, reason = "held for what dropping it does")]
enum Source {
    Microphone(Microphone),
    File(Paced),
}

/// Runs the command until the source ends, a signal comes or the reader goes.
pub fn run(arguments: &Listen) -> Result<ExitCode> {
    let captions = &arguments.captions;
    // What can be wrong with the files is found before the models are loaded.
    let input = arguments.input.as_ref().map(AudioFile::open).transpose()?;
    files::keep_apart(arguments.input.as_slice(), &captions.output.output())?;
    let sink = captions.output.open(Format::Pretty, Manner::Live)?;
    let rolls = sink.rolls();
    stop::on_signal(move || {
        if rolls {
            sink::restore_cursor();
        }
    })?;
    say("loading models ...");
    runtime::load_library(captions.run.library.as_deref())?;
    let engines = Engines::load(&captions.engines())?;
    let mut session = Session::builder().engines(engines).pace(Pace::Live).channel(captions.channel.channel).build()?;
    let events = session.events();
    let sources = session.sources().ok_or_else(|| anyhow!("a live session takes sources"))?;
    let source = match input {
        Some(file) => {
            say(&format!("playing {}; Ctrl-C stops", file.path().display()));
            Source::File(Paced::start(file, sources)?)
        }
        None => {
            let microphone = Microphone::start(arguments.microphone(), sources)?;
            say(&format!("listening to {}; Ctrl-C stops", microphone.name()));
            Source::Microphone(microphone)
        }
    };
    if rolls {
        logs::hold();
    }
    let shown = show(&events, &session.meter(), sink, source, &mut session);
    logs::release();
    let finished = session.finish();
    shown?;
    finished?;
    Ok(ExitCode::SUCCESS)
}

/// Shows events until there are no more, or until a signal or a reader that has gone ends the session.
fn show(events: &Events, meter: &Meter, mut sink: Sink, source: Source, session: &mut Session) -> Result<()> {
    loop {
        logs::take().iter().for_each(|line| sink.note(line));
        let reader = match events.next_within(TICK) {
            Next::Event(event) => sink.event(&event)?,
            Next::Nothing => Reader::There,
            Next::End => break,
        };
        if reader == Reader::Gone || sink.tick(meter.level_dbfs(), meter.lag_s())? == Reader::Gone {
            return Ok(());
        }
        if stop::asked() {
            break;
        }
    }
    drop(source);
    // The last final comes out of this; what failed is told after it was written.
    let finished = session.finish();
    for event in events.waiting() {
        if sink.event(&event)? == Reader::Gone {
            return Ok(());
        }
    }
    logs::take().iter().for_each(|line| sink.note(line));
    let _ = sink.finish()?;
    Ok(finished?)
}

/// Tells whoever sits at the terminal; a program that reads standard error hears errors only.
fn say(message: &str) {
    if io::stderr().is_terminal() {
        let _ = writeln!(io::stderr(), "{message}");
    }
}
