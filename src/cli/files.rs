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

/// Reads every file into `sink`.
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
    }
    Ok(match sink.finish()? {
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
    let mut session = session.build().map_err(in_file)?;
    let events = session.events();
    let read = loop {
        match file.next_block().map_err(of_file) {
            Ok(Some(block)) => session.push(block).map_err(in_file)?,
            Ok(None) => break Ok(()),
            // What was heard before is finished and written all the same.
            Err(error) => break Err(error),
        }
        if numbering.write(&events, sink)? == Reader::Gone {
            return Ok(Reader::Gone);
        }
    };
    session.finish().map_err(in_file)?;
    let reader = numbering.write(&events, sink)?;
    read.map(|()| reader)
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
            let written = sink.event(&event).context("events are lost");
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
