//! Files through virtual sessions, one after another: what `transcribe` and `tag` share.
//!
//! In: files, engines and settings. Out: their events in the sink, numbered on from one file to the next. A file that fails
//! does not keep the others from being read.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use auricle::audio::file::AudioFile;
use auricle::audio::pcm::ChannelChoice;
use auricle::sink::{Output, Reader, Sink};
use auricle::{Engines, Events, Pace, Session, sound, speech};

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
pub fn keep_apart(files: &[PathBuf], output: &Output) -> Result<()> {
    let Output::File(output) = output else { return Ok(()) };
    let Ok(there) = output.canonicalize() else { return Ok(()) };
    if files.iter().any(|file| file.canonicalize().is_ok_and(|file| file == there)) {
        bail!("{}: would be overwritten by the output; name another --output", output.display());
    }
    Ok(())
}

/// Reads every file into `sink`, until a signal asks to stop, where signals are caught: what was heard until then is finished.
pub fn read_all(files: &[PathBuf], reading: &Reading, mut sink: Sink) -> Result<ExitCode> {
    let several = files.len() > 1;
    let mut numbering = Numbering::default();
    let mut failed = false;
    for file in files {
        if several && sink.heading(&file.display().to_string())? == Reader::Gone {
            return Ok(ExitCode::SUCCESS);
        }
        match read(file, several, reading, &mut sink, &mut numbering) {
            Ok(Reader::There) => {}
            Ok(Reader::Gone) => return Ok(ExitCode::SUCCESS),
            Err(Failure::Output(error)) => return Err(error),
            Err(Failure::File(error)) => {
                failed = true;
                super::complain(&error);
            }
        }
        numbering.next_file();
        if stop::asked() {
            break;
        }
    }
    Ok(match sink.finish()? {
        Reader::There if stop::asked() => ExitCode::from(stop::INTERRUPTED),
        Reader::There if failed => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

/// Whose fault it was: after a file's the next can be read, after the output's nothing can be written.
enum Failure {
    File(anyhow::Error),
    Output(anyhow::Error),
}

fn read(path: &Path, several: bool, reading: &Reading, sink: &mut Sink, numbering: &mut Numbering) -> Result<Reader, Failure> {
    let of_file = |error: auricle::Error| Failure::File(error.into());
    let mut file = AudioFile::open(path).map_err(of_file)?;
    let mut session = Session::builder()
        .engines(Arc::clone(&reading.engines))
        .pace(Pace::Virtual)
        .input(file.format())
        .channel(reading.channel)
        .speech(reading.speech.clone())
        .sound(reading.sound.clone());
    if several {
        session = session.file(path.display().to_string());
    }
    let in_file = |error: auricle::Error| Failure::File(anyhow::Error::new(error.within(path.display())));
    let session = session.build().map_err(in_file)?;
    let push_next = |session: &mut Session| match file.next_block().map_err(of_file)? {
        Some(block) => session.push(block).map(|()| true).map_err(in_file),
        None => Ok(false),
    };
    hear(session, push_next, in_file, sink, numbering)
}

/// Pushes until there is no more or a signal asks to stop, finishes the session, and writes its events. What was heard before a failure
/// is finished and written all the same; the first failure is returned.
///
/// `push_next` says whether there was more to push, `named` of what file an error is.
fn hear(
    mut session: Session,
    mut push_next: impl FnMut(&mut Session) -> Result<bool, Failure>,
    named: impl Fn(auricle::Error) -> Failure,
    sink: &mut Sink,
    numbering: &mut Numbering,
) -> Result<Reader, Failure> {
    let events = session.events();
    let pushed = loop {
        match push_next(&mut session) {
            Ok(true) if !stop::asked() => {}
            Ok(_) => break Ok(()),
            Err(failure) => break Err(failure),
        }
        if numbering.write(&events, sink)? == Reader::Gone {
            return Ok(Reader::Gone);
        }
    };
    let finished = session.finish().map_err(named);
    let reader = numbering.write(&events, sink)?;
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
    fn write(&mut self, events: &Events, sink: &mut Sink) -> Result<Reader, Failure> {
        for mut event in events.waiting() {
            event.seq += self.base;
            self.next = event.seq + 1;
            let written = stop::while_writing(|| sink.event(&event)).context("events are lost");
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
    use auricle::sink::{Format, Manner};
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
            pushed.map(|()| true).map_err(|error| Failure::File(error.into()))
        };
        let named = |error: auricle::Error| Failure::File(error.into());
        let heard = hear(session, push_next, named, &mut sink, &mut Numbering::default());
        let Err(Failure::File(error)) = heard else { panic!("part of a frame was taken") };
        assert!(error.to_string().contains("no whole number of frames"), "{error}");
        let written = fs::read_to_string(path).unwrap();
        let events: Vec<event::Event> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events.len(), 5, "patches of 0.96 s every 0.24 s: {written}");
    }
}
