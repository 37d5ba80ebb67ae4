//! `auricle bench stream`: recordings through sessions, measured.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use auricle::bench::clips;
use auricle::bench::drive::{Driver, Pace};
use auricle::bench::environment::Environment;
use auricle::bench::join;
use auricle::bench::run::SPEECH;
use auricle::bench::stream::{self, Material, Watcher};
use auricle::{Engines, sound};

use super::super::stop;
use super::args::Stream;

/// Runs the command.
pub fn run(arguments: &Stream) -> Result<ExitCode> {
    let speech = arguments.speech()?;
    let material = material(arguments)?;
    super::prepare(&arguments.places)?;
    stop::on_signal(|| {})?;
    stop::in_order();
    let began = Instant::now();
    arguments.run.load_library()?;
    let settings = arguments.engines();
    let engines = Engines::load(&settings)?;
    let ready_s = began.elapsed().as_secs_f64();
    let environment = Environment::now(&settings, &engines);
    let pace = if arguments.on_virtual_clock { Pace::Timed } else { Pace::RealTime };
    let driver = Driver { engines, speech, sound: sound::Settings::default(), pace };
    let mut run = stream::measure(
        &driver,
        &material,
        &arguments.name,
        environment,
        &Watcher { progress: &progress, stopped: &stop::asked },
    )?;
    run.ready_s = Some(ready_s);
    run.settings = settings_of(arguments, &driver);
    if let Some(count) = arguments.join {
        let Stream { gap, seeds, .. } = arguments;
        let (least, most) = (gap.0.start(), gap.0.end());
        run.notes.push(format!(
            "strings of {count} utterances of a speaker, pauses of {least} to {most} s at -80 dBFS, {seeds} seeds"
        ));
    }
    if stop::asked() {
        run.notes.push("stopped early".to_owned());
    }
    progress_over();
    super::tell(&run, &arguments.places)
}

fn material(arguments: &Stream) -> Result<Material> {
    let found = clips::find(&arguments.input, &arguments.words)?;
    if found.passed_over > 0 {
        log::warn!("{} recordings without words were passed over", found.passed_over);
    }
    let plans = match arguments.join {
        Some(count) => join::strings(&found.clips, count.into(), arguments.seeds, &arguments.gap.0)?,
        None => join::single(&found.clips),
    };
    let sounds = match &arguments.sounds_truth {
        Some(_) if found.clips.len() != 1 || arguments.join.is_some() => {
            bail!("--sounds-truth is of one recording that is not joined, but there are {} recordings", found.clips.len())
        }
        Some(path) => clips::read_words(path)?,
        None => Vec::new(),
    };
    Ok(Material {
        clips: found.clips,
        plans,
        channel: arguments.channel.channel,
        continuous: arguments.continuous,
        repeat_s: arguments.repeat_for,
        compare_wer: !arguments.stream_only,
        sounds,
    })
}

/// What of the settings bears on latency.
fn settings_of(arguments: &Stream, driver: &Driver) -> BTreeMap<String, String> {
    let mut settings: BTreeMap<String, String> = arguments.set.iter().cloned().collect();
    let others = [
        ("preset", arguments.preset.to_string()),
        ("sounds", arguments.sounds.clone()),
        ("threads", arguments.run.threads.to_string()),
        ("endpoint.silence_s", driver.speech.endpoint.silence_s.to_string()),
        (SPEECH, format!("{:?}", driver.speech)),
    ];
    settings.extend(others.map(|(key, value)| (key.to_owned(), value)));
    settings
}

/// Progress on a terminal.
fn progress(done: usize, all: usize, what: &str) {
    if io::stderr().is_terminal() {
        // A terminal that takes nothing is no reason not to measure.
        let _ = write!(io::stderr(), "\r\x1b[K{done} of {all}: {what}");
    }
}

fn progress_over() {
    if io::stderr().is_terminal() {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}
