//! Sessions driven: audio pushed as a microphone would give it, or as fast as it is dealt with, and what comes of it followed.
//!
//! In: engines, settings and audio. Out: the [`Record`] of what was said, what the stages took, and processor time.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::environment;
use crate::audio::pcm::Format;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{CaptionState, EventBody};
use crate::latency::captions::{Record, Recorder};
use crate::latency::spans::{Tally, Work};
use crate::pipeline::{Engines, Events, Next, Session, Span, Stage};
use crate::{pipeline, sound, speech};

/// How the time of a run was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// A live session: audio on an absolute schedule, the monotonic clock.
    RealTime,
    /// A virtual clock that the audio and measured thread time move.
    Timed,
    /// A virtual clock that the audio alone moves: what computing takes is not in it.
    Virtual,
    /// A log of a session that somebody recorded.
    Recorded,
}

impl Pace {
    /// What a report calls it.
    pub fn title(self) -> &'static str {
        match self {
            Self::RealTime => "real time",
            Self::Timed => "virtual clock + measured thread time",
            Self::Virtual => "virtual clock, without the time to compute",
            Self::Recorded => "recorded log, on the clock of whoever made it",
        }
    }
}

/// Engines and settings of the sessions of a run.
pub struct Driver {
    /// The engines, shared by every session.
    pub engines: Arc<Engines>,
    /// How speech becomes captions.
    pub speech: speech::Settings,
    /// How scores become sound events.
    pub sound: sound::Settings,
    /// How time is kept.
    pub pace: Pace,
}

/// What came of a session.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What it said.
    pub record: Record,
    /// What its stages took.
    pub tally: Tally,
    /// Audio that was pushed, seconds.
    pub audio_s: f64,
    /// Processor seconds of the process meanwhile.
    pub cpu_s: Option<f64>,
}

/// Frames of a block: 10 ms, as a microphone may give.
fn block_frames(format: Format) -> usize {
    (format.rate_hz as usize / 100).max(1)
}

impl Driver {
    /// The finals of `samples` [n] of one channel, without partial captions: what `transcribe` gives.
    ///
    /// # Errors
    /// Those of a session.
    pub fn transcribe(&self, format: Format, samples: &[f32]) -> Result<String> {
        let settings = speech::Settings { partials: false, ..self.speech.clone() };
        let builder = Session::builder().engines(Arc::clone(&self.engines)).speech(settings).input(format);
        let mut session = builder.pace(pipeline::Pace::Virtual).build()?;
        let events = session.events();
        let mut texts = Vec::new();
        let mut take = |events: &Events| {
            for event in events.waiting() {
                if let EventBody::Caption(caption) = event.body
                    && caption.state == CaptionState::Final
                {
                    texts.push(caption.text);
                }
            }
        };
        for block in samples.chunks(format.rate_hz as usize) {
            session.push(block)?;
            take(&events);
        }
        session.finish()?;
        take(&events);
        Ok(texts.join(" "))
    }

    /// One session over the blocks that `next` gives, one channel, until it gives none or `stopped` says so.
    ///
    /// # Errors
    /// Those of a session, and of `next`; `InvalidInput` when events were lost on the way to the measurement.
    pub fn run(
        &self,
        format: Format,
        next: &mut dyn FnMut() -> Result<Option<Vec<f32>>>,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Outcome> {
        let pace = match self.pace {
            Pace::RealTime => pipeline::Pace::Live,
            Pace::Timed => pipeline::Pace::Timed,
            Pace::Virtual | Pace::Recorded => pipeline::Pace::Virtual,
        };
        let (sender, spans) = mpsc::channel();
        let builder = Session::builder().engines(Arc::clone(&self.engines)).pace(pace).input(format).trace(sender);
        let session = builder.speech(self.speech.clone()).sound(self.sound.clone()).build()?;
        let mut watch =
            Watch { events: session.events(), spans, recorder: Recorder::default(), tally: Tally::default(), late_s: 0.0 };
        let before = environment::process_cpu_s();
        let (session, frames) = self.push(session, format, &mut watch, next, stopped)?;
        let after = environment::process_cpu_s();
        drop(session);
        let lost = watch.events.missed();
        if lost > 0 {
            let message = format!("{lost} events were lost between the session and its measurement; the machine is too busy");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let record = watch.recorder.finish()?;
        let cpu_s = match self.pace {
            // What the simulated threads used; the process does other things besides.
            Pace::Timed => record.samples.last().and_then(|sample| sample.cpu_s),
            _ => before.zip(after).map(|(before, after)| after - before),
        };
        Ok(Outcome { record, tally: watch.tally, audio_s: frames as f64 / f64::from(format.rate_hz), cpu_s })
    }

    fn push(
        &self,
        mut session: Session,
        format: Format,
        watch: &mut Watch,
        next: &mut dyn FnMut() -> Result<Option<Vec<f32>>>,
        stopped: &dyn Fn() -> bool,
    ) -> Result<(Session, u64)> {
        let live = self.pace == Pace::RealTime;
        let mut frames = 0_u64;
        let mut started: Option<Instant> = None;
        'audio: while let Some(samples) = next()? {
            // The schedule begins when there is something to play.
            let started = *started.get_or_insert_with(Instant::now);
            for block in samples.chunks(block_frames(format)) {
                frames += block.len() as u64;
                if live {
                    let due = Duration::from_secs_f64(frames as f64 / f64::from(format.rate_hz));
                    watch.wait_until(started + due)?;
                    if frames == block.len() as u64 {
                        watch.starts(started.elapsed().saturating_sub(due).as_secs_f64());
                    }
                }
                session.push(block)?;
                watch.take()?;
                if stopped() {
                    break 'audio;
                }
            }
        }
        session.finish()?;
        watch.take()?;
        Ok((session, frames))
    }
}

/// Follows a session while it runs, so that nothing queues up.
struct Watch {
    events: Events,
    spans: Receiver<Span>,
    recorder: Recorder,
    tally: Tally,
    /// How late the first block was pushed, seconds: the session takes it for punctual.
    late_s: f64,
}

impl Watch {
    /// The first block is pushed now, `late_s` after it was due.
    fn starts(&mut self, late_s: f64) {
        self.late_s = late_s;
        self.recorder.on_schedule(late_s);
    }

    fn take(&mut self) -> Result<()> {
        for event in self.events.waiting() {
            self.recorder.event(&event)?;
        }
        for span in self.spans.try_iter() {
            let until_s = span.until.seconds();
            let start_s = span.start_s + self.late_s;
            // An arrival is told against what the session estimates of the schedule, which is known here.
            let (start_s, wall_s) = match span.stage {
                Stage::Arrival => (until_s, (start_s + span.wall_s - until_s).max(0.0)),
                _ => (start_s, span.wall_s),
            };
            let work = Work { start_s, wall_s, thread_s: span.thread_s, until_s };
            self.tally.span(&span.stage.to_string(), work)?;
        }
        Ok(())
    }

    /// Takes what comes until the instant.
    fn wait_until(&mut self, due: Instant) -> Result<()> {
        loop {
            let wait = due.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return Ok(());
            }
            match self.events.next_within(wait) {
                Next::Event(event) => self.recorder.event(&event)?,
                Next::Nothing => return Ok(()),
                // It failed; the next push says how.
                Next::End => return Ok(()),
            }
        }
    }
}
