//! The workers of a live session: speech and sounds, each on a thread of its own.
//!
//! In: a ring of audio, or of features, filled by the front end. Out: events on the bus. A worker takes what came while it was
//! busy before it starts anything costly, so that it never works on old audio for long.

use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::bus::Bus;
use super::engines::Engines;
use super::intake::BLOCK_FRAMES;
use super::live::Shared;
use super::meter::Meter;
use super::trace::{Stage, Tracer};
use crate::audio::ring::Consumer;
use crate::error::Result;
use crate::time::SamplePosition;
use crate::{sound, speech};

/// A worker looks for audio this often even when nobody wakes it.
const WORKER_PERIOD: Duration = Duration::from_millis(50);
/// When no audio has come for so long, a device is lost or a program has stopped pushing: what was said and heard until then is
/// brought to its end.
const INTERRUPTED: Duration = Duration::from_millis(1_500);

/// Detects speech and makes captions.
pub(super) struct SpeechWorker {
    pub(super) engines: Arc<Engines>,
    pub(super) stream: speech::Stream,
    pub(super) input: Consumer,
    pub(super) bus: Bus,
    pub(super) meter: Meter,
    pub(super) tracer: Tracer,
}

impl SpeechWorker {
    /// Works until the front end is gone and its ring is empty.
    pub(super) fn run(mut self, shared: &Shared) -> Result<()> {
        let Some(engine) = &self.engines.speech else { return Ok(()) };
        let mut block = [0.0; BLOCK_FRAMES];
        let bus = &self.bus;
        let mut emit = |body| bus.publish(body);
        let mut heard_at = Instant::now();
        loop {
            let ending = self.input.is_abandoned();
            let mut heard_any = false;
            while let Some(piece) = self.input.read(&mut block) {
                let mut engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
                let (stream, start) = (&mut self.stream, SamplePosition(piece.first_frame));
                let until = start + piece.frames as u64;
                self.tracer.arrived(until, self.meter.due_s(until));
                self.tracer.speech(Stage::Detect, &mut engine, |engine| {
                    stream.push(engine, start, &block[..piece.frames], &mut emit)?;
                    Ok(((), Some(until)))
                })?;
                self.meter.set_processed(stream.position());
                heard_any = true;
            }
            let mut engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
            let started = Instant::now();
            if heard_any {
                heard_at = started;
            } else if started.duration_since(heard_at) > INTERRUPTED {
                self.stream.interrupt(&mut engine, &mut emit)?;
            }
            if ending {
                return self.stream.finish(&mut engine, &mut emit);
            }
            // Nobody waits for a partial caption of a session that is ending.
            let stream = &mut self.stream;
            let refreshed = !shared.stopping()
                && self.tracer.speech(Stage::Agree, &mut engine, |engine| {
                    let refreshed = stream.refresh(engine, &mut emit)?;
                    Ok((refreshed, refreshed.then(|| stream.position())))
                })?;
            drop(engine);
            if refreshed {
                self.stream.refresh_took(started.elapsed().as_secs_f64());
                self.meter.set_refresh_s(self.stream.refresh_s());
            } else if !heard_any {
                thread::park_timeout(WORKER_PERIOD);
            }
        }
    }
}

/// Tells sounds.
pub(super) struct SoundWorker {
    pub(super) engines: Arc<Engines>,
    pub(super) stream: sound::Stream,
    pub(super) input: Consumer,
    pub(super) width: usize,
    pub(super) bus: Bus,
    pub(super) tracer: Tracer,
}

impl SoundWorker {
    /// Works until the front end is gone and its ring is empty.
    pub(super) fn run(mut self) -> Result<()> {
        let Some(engine) = &self.engines.sound else { return Ok(()) };
        let mut values = vec![0.0; self.width];
        let bus = &self.bus;
        let mut emit = |body| bus.publish(body);
        let mut heard_at = Instant::now();
        loop {
            let ending = self.input.is_abandoned();
            let mut heard_any = false;
            while let Some(piece) = self.input.read(&mut values) {
                let mut engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
                let (stream, frame) = (&mut self.stream, piece.first_frame);
                self.tracer.other(Stage::Sound, || {
                    stream.push(&mut engine, frame, &values, &mut emit)?;
                    Ok(((), Some(stream.frame_end(frame))))
                })?;
                heard_any = true;
            }
            if ending {
                let mut engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
                return self.stream.finish(&mut engine, &mut emit);
            }
            if heard_any {
                heard_at = Instant::now();
                continue;
            }
            if heard_at.elapsed() > INTERRUPTED {
                self.stream.interrupt(&mut emit);
            }
            thread::park_timeout(WORKER_PERIOD);
        }
    }
}
