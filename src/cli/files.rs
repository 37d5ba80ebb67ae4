//! Files through virtual sessions, one after another: what `transcribe` and `tag` share.
//!
//! In: inputs, engines and settings. Out: their events, all in one sink, numbered on from one file to the next, or of each file in outputs of
//! its own. A file that fails does not keep the others from being read.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use auricle::audio::pcm::ChannelChoice;
use auricle::sink::{Format, Output, Reader, Sink};
use auricle::{Engines, Events, Pace, Session, sound, speech};

use super::inputs::Input;
use super::places::Outputs;
use super::progress::Progress;
use super::stop;

/// How files are read.
pub struct Reading {
    /// The engines, shared by every file's session.
    pub engines: Arc<Engines>,
    /// Which channel of each file.
    pub channel: ChannelChoice,
    /// How speech becomes captions.
    pub speech: speech::Settings,
    /// How scores become sound events.
    pub sound: sound::Settings,
}

/// Refuses to write over a file that is to be read.
pub fn keep_apart<'a>(files: impl IntoIterator<Item = &'a PathBuf>, outputs: &[(Format, Output)]) -> Result<()> {
    let there = |output: &Output| if let Output::File(path) = output { path.canonicalize().ok() } else { None };
    let written: Vec<PathBuf> = outputs.iter().filter_map(|(_, output)| there(output)).collect();
    for file in files {
        if file.canonicalize().is_ok_and(|file| written.contains(&file)) {
            bail!("{}: would be overwritten by the output; name another --output", file.display());
        }
    }
    Ok(())
}

/// Reads every file into `sink`, until a signal asks to stop, where signals are caught: what was heard until then is finished.
pub fn read_all(inputs: &[Input], reading: &Reading, mut sink: Sink) -> Result<ExitCode> {
    let several = inputs.len() > 1;
    let mut progress = Progress::start(inputs);
    let mut numbering = Numbering::default();
    let mut failed = false;
    for input in inputs {
        if several && progress.aside_stdout(|| sink.heading(&input.name()))? == Reader::Gone {
            return Ok(ExitCode::SUCCESS);
        }
        let name = several.then(|| input.name());
        match read(input, name, reading, &mut sink, &mut numbering, &mut progress) {
            Ok(Reader::There) => {}
            Ok(Reader::Gone) => return Ok(ExitCode::SUCCESS),
            Err(Failure::Output(error)) => return Err(error),
            Err(Failure::File(error) | Failure::Broken(error)) => {
                failed = true;
                progress.aside(|| super::complain(&error));
            }
        }
        progress.file_done(input);
        numbering.next_file();
        if stop::asked() {
            break;
        }
    }
    Ok(match progress.aside_stdout(|| sink.finish())? {
        Reader::There if stop::asked() => ExitCode::from(stop::INTERRUPTED),
        Reader::There if failed => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

/// Reads every file into outputs of its own, which have their names when they are complete; a signal leaves none of the file being read.
pub fn read_each(inputs: &[Input], outputs: &[Outputs], reading: &Reading) -> Result<ExitCode> {
    let mut progress = Progress::start(inputs);
    let mut failed = false;
    for (input, outputs) in inputs.iter().zip(outputs) {
        let mut sink = outputs.begin()?;
        let heard = read(input, None, reading, &mut sink, &mut Numbering::default(), &mut progress);
        let written = sink.finish().context("captions are lost");
        if let Err(error) = written {
            outputs.discard();
            return Err(error);
        }
        match heard {
            _ if stop::asked() => outputs.discard(),
            Ok(_) => outputs.complete()?,
            Err(Failure::Output(error)) => {
                outputs.discard();
                return Err(error);
            }
            Err(Failure::File(error)) => {
                failed = true;
                progress.aside(|| super::complain(&error));
                outputs.discard();
            }
            Err(Failure::Broken(error)) => {
                failed = true;
                let error = error.context(format!("what was heard is in {}", outputs.unfinished()));
                progress.aside(|| super::complain(&error));
            }
        }
        progress.file_done(input);
        if stop::asked() {
            return Ok(ExitCode::from(stop::INTERRUPTED));
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Whose fault it was: after a file's the next can be read, after the output's nothing can be written.
enum Failure {
    /// The file's, before anything was heard.
    File(anyhow::Error),
    /// The file's, after some of it was.
    Broken(anyhow::Error),
    /// The output's.
    Output(anyhow::Error),
}

fn read(
    input: &Input,
    name: Option<String>,
    reading: &Reading,
    sink: &mut Sink,
    numbering: &mut Numbering,
    progress: &mut Progress,
) -> Result<Reader, Failure> {
    let of_file = |error: auricle::Error| Failure::File(error.into());
    let broken = |error: auricle::Error| Failure::Broken(error.into());
    let mut file = input.open().map_err(of_file)?;
    let format = file.format();
    let seconds = |frames: u64| frames as f64 / f64::from(format.rate_hz.max(1));
    progress.file(input, file.frames().map(seconds));
    let mut session = Session::builder()
        .engines(Arc::clone(&reading.engines))
        .pace(Pace::Virtual)
        .input(format)
        .channel(reading.channel)
        .speech(reading.speech.clone())
        .sound(reading.sound.clone());
    if let Some(name) = name {
        session = session.file(name);
    }
    let in_file = |error: auricle::Error| error.within(input.name());
    let session = session.build().map_err(|error| of_file(in_file(error)))?;
    let mut heard = 0;
    let push_next = |session: &mut Session| match file.next_block().map_err(broken)? {
        Some(block) => {
            heard += (block.len() / usize::from(format.channels.max(1))) as u64;
            session.push(block).map(|()| Some(seconds(heard))).map_err(|error| broken(in_file(error)))
        }
        None => Ok(None),
    };
    hear(session, push_next, |error| broken(in_file(error)), sink, numbering, progress)
}

/// Pushes until there is no more or a signal asks to stop, finishes the session, and writes its events. What was heard before a failure
/// is finished and written all the same; the first failure is returned.
///
/// `push_next` says how many seconds were pushed so far, or that there was no more; `named` of what file an error is.
fn hear(
    mut session: Session,
    mut push_next: impl FnMut(&mut Session) -> Result<Option<f64>, Failure>,
    named: impl Fn(auricle::Error) -> Failure,
    sink: &mut Sink,
    numbering: &mut Numbering,
    progress: &mut Progress,
) -> Result<Reader, Failure> {
    let events = session.events();
    let pushed = loop {
        match push_next(&mut session) {
            Ok(Some(heard_s)) if !stop::asked() => progress.at(heard_s),
            Ok(_) => break Ok(()),
            Err(failure) => break Err(failure),
        }
        if numbering.write(&events, sink, progress)? == Reader::Gone {
            return Ok(Reader::Gone);
        }
    };
    progress.ending();
    let finished = session.finish().map_err(named);
    let reader = numbering.write(&events, sink, progress)?;
    pushed.and(finished).map(|()| reader)
}

/// Numbers events on from one file to the next: every session numbers its own from 0.
#[derive(Debug, Default)]
struct Numbering {
    /// Number of the present file's event 0.
    base: u64,
    next: u64,
}

impl Numbering {
    fn write(&mut self, events: &Events, sink: &mut Sink, progress: &Progress) -> Result<Reader, Failure> {
        for mut event in events.waiting() {
            event.seq += self.base;
            self.next = event.seq + 1;
            let written = stop::while_writing(|| progress.aside_stdout(|| sink.event(&event))).context("events are lost");
            if written.map_err(Failure::Output)? == Reader::Gone {
                return Ok(Reader::Gone);
            }
        }
        Ok(Reader::There)
    }

    fn next_file(&mut self) {
        self.base = self.next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use auricle::sink::Manner;
    use auricle::store::{self, Model, Places};
    use auricle::{EngineSettings, audio, event};
    use std::fs;

    /// The engine that hears sounds, or nothing when it was not fetched and need not be.
    fn engines() -> Option<Arc<Engines>> {
        let places = Places::find();
        let fetched =
            store::library().and_then(|_| Model::open(&places, "yamnet")).and_then(|model| model.file("model").map(drop));
        match fetched {
            Err(error) if std::env::var_os("CI").is_none() => {
                println!("skipped: {error}");
                None
            }
            Err(error) => panic!("{error}"),
            Ok(()) => {
                let settings = EngineSettings { captions: None, sounds: Some("yamnet".to_owned()), ..Default::default() };
                Some(Engines::load(&settings).unwrap())
            }
        }
    }

    #[test]
    fn what_was_heard_before_a_push_that_fails_is_written() {
        let Some(engines) = engines() else { return };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut sink = Sink::open(Format::Jsonl, &Output::File(path.clone()), Manner::Files).unwrap();
        let settings = sound::Settings { scores: true, ..Default::default() };
        let format = audio::pcm::Format::new(16_000, 2).unwrap();
        let session = Session::builder().engines(engines).pace(Pace::Virtual).input(format).sound(settings).build().unwrap();
        // 2 s of two channels, then part of a frame: what the first gave waits while the second fails.
        let push_next = |session: &mut Session| {
            let pushed = session.push(&vec![0.0; 64_000]).and_then(|()| session.push(&[0.0; 3]));
            pushed.map(|()| Some(2.0)).map_err(|error| Failure::Broken(error.into()))
        };
        let named = |error: auricle::Error| Failure::Broken(error.into());
        let mut progress = Progress::start(&[]);
        let heard = hear(session, push_next, named, &mut sink, &mut Numbering::default(), &mut progress);
        let Err(Failure::Broken(error)) = heard else { panic!("part of a frame was taken") };
        assert!(error.to_string().contains("no whole number of frames"), "{error}");
        let written = fs::read_to_string(path).unwrap();
        let events: Vec<event::Event> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events.len(), 5, "patches of 0.96 s every 0.24 s: {written}");
    }
}
