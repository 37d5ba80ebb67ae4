//! A file played as if it were live: every 10 ms of it is pushed when its last sample is due.
//!
//! In: an [`AudioFile`]. Out: [`SourceEvent`]s and frames in a ring, on an absolute schedule: a late block is pushed at once
//! and the next is due as if nothing had happened. While it is paused its schedule stands still, so that none of it is missed.

use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::file::AudioFile;
use super::pcm::Format;
use super::ring::Producer;
use super::source::{Pause, SourceEvent, connection};
use crate::error::{Error, ErrorKind, Result};

/// How often a paused file looks whether it is to go on.
const RESUME_EVERY: Duration = Duration::from_millis(20);

/// A file that is being played. Dropping it stops it.
pub struct PacedFile {
    stop: Sender<()>,
    pause: Pause,
    thread: JoinHandle<()>,
}

/// Plays `file` at `speed` times its rate (0.01 to 1000; 1 is as if live), from now on: sample n is due n / (rate x speed)
/// seconds after `Connected`, and is pushed in blocks of 10 ms. `Ended` follows the last block, [`SourceEvent::Failed`] a block
/// that cannot be read. A file that was [paused](PacedFile::pausing) goes on in a new ring with the block that was due next.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] when the speed is out of range, [`ErrorKind::Io`] when no thread can be started.
pub fn start(file: AudioFile, speed: f64, events: Sender<SourceEvent>) -> Result<PacedFile> {
    if !(0.01..=1000.0).contains(&speed) {
        return Err(Error::new(ErrorKind::InvalidInput, format!("speed is {speed}; expected 0.01 to 1000")));
    }
    let (stop, stopped) = mpsc::channel();
    let pause = Pause::default();
    let asked = pause.clone();
    let thread = std::thread::Builder::new()
        .name("paced-file".into())
        .spawn(move || {
            // A front end that is gone needs no last word.
            let _ = match play(file, speed, &events, &stopped, &asked) {
                Ok(()) => events.send(SourceEvent::Ended),
                Err(error) => events.send(SourceEvent::Failed(error)),
            };
        })
        .map_err(|error| Error::new(ErrorKind::Io, format!("cannot start a thread to play the file: {error}")))?;
    Ok(PacedFile { stop, pause, thread })
}

impl PacedFile {
    /// Pauses the playing and lets it go on. A pause is looked for before each block of 10 ms.
    pub fn pausing(&self) -> Pause {
        self.pause.clone()
    }

    /// Ends the playing; `Ended` follows.
    pub fn stop(self) {
        // An error means that the thread has ended already.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

fn play(
    mut file: AudioFile,
    speed: f64,
    events: &Sender<SourceEvent>,
    stopped: &mpsc::Receiver<()>,
    pause: &Pause,
) -> Result<()> {
    let format = file.format();
    let name = file.path().file_name().map_or_else(|| file.path().display().to_string(), name_of);
    let (producer, consumer) = connection(format);
    let connected = SourceEvent::Connected { consumer, format, name: name.clone(), again: false };
    if events.send(connected).is_err() {
        return Ok(());
    }
    let block = (format.rate_hz as usize / 100).max(1) * usize::from(format.channels);
    let mut schedule = Schedule {
        producer,
        events,
        stopped,
        pause,
        format,
        name,
        start: Instant::now(),
        frames_a_second: f64::from(format.rate_hz) * speed,
        next_frame: 0,
        pending: Vec::with_capacity(block),
        block,
    };
    while let Some(samples) = file.next_block()? {
        if !schedule.push(samples) {
            return Ok(());
        }
    }
    schedule.flush();
    Ok(())
}

fn name_of(name: &std::ffi::OsStr) -> String {
    Path::new(name).display().to_string()
}

/// What is due when, from the last connection on.
struct Schedule<'a> {
    producer: Producer,
    events: &'a Sender<SourceEvent>,
    stopped: &'a mpsc::Receiver<()>,
    pause: &'a Pause,
    format: Format,
    name: String,
    start: Instant,
    frames_a_second: f64,
    next_frame: u64,
    /// Samples that are not yet a block.
    pending: Vec<f32>,
    /// Samples in a block.
    block: usize,
}

impl Schedule<'_> {
    /// Pushes every block that `samples` complete, each when it is due; false when told to stop.
    fn push(&mut self, mut samples: &[f32]) -> bool {
        while !samples.is_empty() {
            let (head, tail) = samples.split_at(samples.len().min(self.block - self.pending.len()));
            self.pending.extend_from_slice(head);
            samples = tail;
            if self.pending.len() == self.block && !self.flush() {
                return false;
            }
        }
        true
    }

    /// Pushes what is pending when it is due; false when told to stop.
    fn flush(&mut self) -> bool {
        if self.pause.is_asked() && !self.stand_still() {
            return false;
        }
        let frames = (self.pending.len() / self.producer.channels()) as u64;
        let due = Duration::try_from_secs_f64((self.next_frame + frames) as f64 / self.frames_a_second).unwrap_or(Duration::MAX);
        if self.told_to_stop(due.saturating_sub(self.start.elapsed())) {
            return false;
        }
        // What does not fit is counted by the ring and seen as a gap: a paced file is as merciless as a microphone.
        self.producer.push(self.next_frame, &self.pending, Instant::now());
        self.next_frame += frames;
        self.pending.clear();
        true
    }

    /// Waits for the end of the pause, and starts the schedule anew with what is pending; false when told to stop.
    fn stand_still(&mut self) -> bool {
        if self.events.send(SourceEvent::Paused { name: self.name.clone() }).is_err() {
            return false;
        }
        while self.pause.is_asked() {
            if self.told_to_stop(RESUME_EVERY) {
                return false;
            }
        }
        let (producer, consumer) = connection(self.format);
        (self.producer, self.start, self.next_frame) = (producer, Instant::now(), 0);
        let connected = SourceEvent::Connected { consumer, format: self.format, name: self.name.clone(), again: true };
        self.events.send(connected).is_ok()
    }

    /// Waits for as long; true as soon as the file is no longer wanted.
    fn told_to_stop(&self, wait: Duration) -> bool {
        self.stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout)
    }
}
