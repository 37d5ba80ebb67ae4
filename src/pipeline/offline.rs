//! A virtual session: every stage in turn on the caller's thread, on a clock that the audio moves.
//!
//! In: frames pushed by the caller. Out: events on the bus, the same for the same audio whatever the sizes of the pushes.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::bus::Bus;
use super::engines::Engines;
use super::intake::{BLOCK_FRAMES, Heard, Intake};
use super::meter::Meter;
use crate::audio::pcm;
use crate::audio::ring::Piece;
use crate::error::Result;
use crate::event::EventBody;
use crate::frontend::FrontEnd;
use crate::model::silero::WINDOW;
use crate::time::{Clock, SamplePosition};
use crate::{sound, speech};

/// The stages behind the intake.
pub(super) struct Stages {
    pub(super) engines: Arc<Engines>,
    pub(super) speech: Option<speech::Stream>,
    pub(super) sound: Option<(FrontEnd, sound::Stream)>,
    pub(super) bus: Bus,
    pub(super) clock: Clock,
    pub(super) meter: Meter,
}

/// Intake and stages of a virtual session.
pub(super) struct Offline {
    intake: Intake,
    stages: Stages,
    channels: usize,
    /// Interleaved frames that do not fill a block yet: blocks are always of one size, so that their filtering is too.
    pending: Vec<f32>,
    frames: u64,
}

impl Offline {
    pub(super) fn new(intake: Intake, channels: u16, stages: Stages) -> Self {
        let channels = usize::from(channels);
        Self { intake, stages, channels, pending: Vec::with_capacity(BLOCK_FRAMES * channels), frames: 0 }
    }

    /// Runs every stage over whole frames.
    pub(super) fn push(&mut self, mut interleaved: &[f32]) -> Result<()> {
        while !interleaved.is_empty() {
            let room = BLOCK_FRAMES * self.channels - self.pending.len();
            let (taken, rest) = interleaved.split_at(room.min(interleaved.len()));
            self.pending.extend_from_slice(taken);
            interleaved = rest;
            if taken.len() == room {
                self.block()?;
            }
        }
        Ok(())
    }

    /// Runs the stages over what waits and what the intake still holds, and ends them.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.block()?;
        let mut result = Ok(());
        let stages = &mut self.stages;
        self.intake.finish(&mut |heard| {
            if result.is_ok() {
                result = stages.hear(heard);
            }
        });
        result?;
        self.stages.finish()
    }

    /// Takes the pending frames in.
    fn block(&mut self) -> Result<()> {
        let frames = self.pending.len() / self.channels;
        if frames == 0 {
            return Ok(());
        }
        let piece = Piece { first_frame: self.frames, frames, at: Instant::now(), after: 0 };
        self.frames += frames as u64;
        let mut result = Ok(());
        let stages = &mut self.stages;
        self.intake.take(&piece, &self.pending, None, &mut |heard| {
            if result.is_ok() {
                result = stages.hear(heard);
            }
        });
        self.pending.clear();
        result
    }
}

impl Stages {
    fn hear(&mut self, heard: Heard<'_>) -> Result<()> {
        match heard {
            Heard::Audio(position, samples) => self.audio(position, samples),
            Heard::Gap(gap) => {
                self.clock.advance(gap.start + gap.samples);
                self.meter.add_dropped(gap.samples);
                publish_after(self.speech.as_mut(), &self.bus, EventBody::Gap(gap));
                Ok(())
            }
        }
    }

    /// Cuts the audio at multiples of the detector's window, so that what is decoded does not depend on how it was pushed.
    fn audio(&mut self, mut position: SamplePosition, mut samples: &[f32]) -> Result<()> {
        while !samples.is_empty() {
            let to_edge = WINDOW - (position.0 % WINDOW as u64) as usize;
            let (piece, rest) = samples.split_at(to_edge.min(samples.len()));
            self.piece(position, piece)?;
            position = position + piece.len() as u64;
            samples = rest;
        }
        Ok(())
    }

    fn piece(&mut self, position: SamplePosition, samples: &[f32]) -> Result<()> {
        let end = position + samples.len() as u64;
        self.clock.advance(end);
        self.meter.set_position(end);
        self.meter.set_processed(end);
        self.meter.set_level_dbfs(pcm::rms_dbfs(samples));
        let Self { bus, speech, .. } = self;
        let mut emit = |body| bus.publish(body);
        if let (Some(stream), Some(engine)) = (&mut *speech, &self.engines.speech) {
            let mut engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
            stream.push(&mut engine, position, samples, &mut emit)?;
            stream.refresh(&mut engine, &mut emit)?;
        }
        if let (Some((front_end, stream)), Some(engine)) = (&mut self.sound, &self.engines.sound) {
            let mut engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
            let mut result = Ok(());
            front_end.push(position, samples, &mut |frame, values| {
                if result.is_ok() {
                    result = stream.push(&mut engine, frame, values, &mut |body| publish_after(speech.as_mut(), bus, body));
                }
            });
            result?;
        }
        Ok(())
    }

    /// Ends both streams; a failure of one does not keep the other from its end.
    fn finish(&mut self) -> Result<()> {
        let bus = &self.bus;
        let mut emit = |body| bus.publish(body);
        let (mut speech_ended, mut sound_ended) = (Ok(()), Ok(()));
        if let (Some(stream), Some(engine)) = (&mut self.speech, &self.engines.speech) {
            speech_ended = stream.finish(&mut engine.lock().unwrap_or_else(PoisonError::into_inner), &mut emit);
        }
        if let (Some((_, stream)), Some(engine)) = (&mut self.sound, &self.engines.sound) {
            sound_ended = stream.finish(&mut engine.lock().unwrap_or_else(PoisonError::into_inner), &mut emit);
        }
        speech_ended.and(sound_ended)
    }
}

/// Publishes an event that speech has no part in, behind the captions that come before it and are still to be read.
fn publish_after(speech: Option<&mut speech::Stream>, bus: &Bus, body: EventBody) {
    match speech {
        Some(speech) => speech.pass(body, &mut |body| bus.publish(body)),
        None => bus.publish(body),
    }
}
