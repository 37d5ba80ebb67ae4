//! The trace: what each stage of a session took, for whoever measures it.
//!
//! In: work of the workers, piece by piece. Out: a [`Span`] each, to the receiver that a session was given; nothing, and hardly any
//! cost, where there is none.

use std::sync::mpsc::Sender;

use crate::error::Result;
use crate::speech;
use crate::time::{Clock, SamplePosition, Spent, Stopwatch};

/// A stage that audio goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stage {
    /// From when the last sample of a block was due to when the speech worker took it: the front end's delay.
    Arrival,
    /// Channels, resampling and features, on the front end's thread.
    Intake,
    /// Detecting speech.
    Detect,
    /// The transcriber's encoder.
    Encode,
    /// Its decoder.
    Decode,
    /// Where each word was said.
    Align,
    /// Which words stay, and the event.
    Agree,
    /// Scoring a patch of sound.
    Sound,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Arrival => "arrival",
            Self::Intake => "intake",
            Self::Detect => "detect",
            Self::Encode => "encode",
            Self::Decode => "decode",
            Self::Align => "align",
            Self::Agree => "agree",
            Self::Sound => "sound",
        })
    }
}

/// One piece of work of one stage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// What was done.
    pub stage: Stage,
    /// When it began, seconds on the session's clock.
    pub start_s: f64,
    /// Seconds it lasted by the session's clock.
    pub wall_s: f64,
    /// Seconds of the processor that its thread used.
    pub thread_s: f64,
    /// The audio before this position was worked on.
    pub until: SamplePosition,
}

/// Sends spans to whoever asked for them.
#[derive(Clone, Debug)]
pub(super) struct Tracer {
    clock: Clock,
    spans: Option<Sender<Span>>,
}

impl Tracer {
    pub(super) fn new(clock: Clock, spans: Option<Sender<Span>>) -> Self {
        Self { clock, spans }
    }

    /// Tells that a block whose last sample was due at `due_s` is taken now.
    pub(super) fn arrived(&self, until: SamplePosition, due_s: f64) {
        if self.spans.is_some() {
            let late_s = (self.clock.now() - due_s).max(0.0);
            self.send(Stage::Arrival, due_s, Spent { wall_s: late_s, thread_s: 0.0 }, until);
        }
    }

    /// Does `work` on the engine, which returns something and up to where audio was worked on, or `None` where there was nothing to
    /// do. What reading took is told by its stages, the rest as `stage`.
    pub(super) fn speech<T>(
        &self,
        stage: Stage,
        engine: &mut speech::Engine,
        work: impl FnOnce(&mut speech::Engine) -> Result<(T, Option<SamplePosition>)>,
    ) -> Result<T> {
        if self.spans.is_none() {
            return work(engine).map(|(value, _)| value);
        }
        let (start_s, before, watch) = (self.clock.now(), engine.reading_time(), Stopwatch::start());
        let (value, until) = work(engine)?;
        let Some(until) = until else { return Ok(value) };
        let (mut rest, after) = (watch.spent(), engine.reading_time());
        let stages = [
            (Stage::Encode, after.encode - before.encode),
            (Stage::Decode, after.decode - before.decode),
            (Stage::Align, after.align - before.align),
        ];
        let mut at_s = start_s;
        if after.readings > before.readings {
            for (stage, spent) in stages {
                self.send(stage, at_s, spent, until);
                (at_s, rest) = (at_s + self.lasted_s(spent), rest - spent);
            }
        }
        self.send(stage, at_s, rest, until);
        Ok(value)
    }

    /// Does `work` of another stage, which returns something and up to where audio was worked on, or `None` where there was nothing
    /// to do.
    pub(super) fn other<T>(&self, stage: Stage, work: impl FnOnce() -> Result<(T, Option<SamplePosition>)>) -> Result<T> {
        if self.spans.is_none() {
            return work().map(|(value, _)| value);
        }
        let (start_s, watch) = (self.clock.now(), Stopwatch::start());
        let (value, until) = work()?;
        if let Some(until) = until {
            self.send(stage, start_s, watch.spent(), until);
        }
        Ok(value)
    }

    /// How long work lasts on the session's clock.
    fn lasted_s(&self, spent: Spent) -> f64 {
        if self.clock.is_real() { spent.wall_s } else { spent.thread_s }
    }

    /// Tells of work that began at `start_s`.
    pub(super) fn send(&self, stage: Stage, start_s: f64, spent: Spent, until: SamplePosition) {
        let wall_s = if stage == Stage::Arrival { spent.wall_s } else { self.lasted_s(spent) };
        if let Some(spans) = &self.spans {
            // A receiver that is gone wants no more.
            let _ = spans.send(Span { stage, start_s, wall_s, thread_s: spent.thread_s, until });
        }
    }
}
