//! A timed session: a live session simulated on the caller's thread, fast and repeatable.
//!
//! In: frames pushed by the caller. Out: events, stamped as a live session would have. The audio comes on an absolute schedule;
//! each worker is busy for as long as its thread used the processor, and what comes meanwhile waits. It leaves out what a machine
//! does besides: threads that wait for a core, for each other's caches or to be woken.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::bus::{Bus, microseconds};
use super::engines::Engines;
use super::front_end::FRONT_END_PERIOD;
use super::intake::{BLOCK_FRAMES, Heard, Intake};
use super::meter::{self, Meter};
use super::trace::{Stage, Tracer};
use crate::audio::pcm;
use crate::audio::ring::Piece;
use crate::error::Result;
use crate::event::{EventBody, Stats};
use crate::frontend::FrontEnd;
use crate::time::{Clock, SamplePosition, Stopwatch};
use crate::{sound, speech};

/// Blocks come this often, as from a paced file or a usual device, seconds.
const BLOCK_S: f64 = 0.01;

/// What a timed session is made of.
pub(super) struct TimedPlan {
    pub(super) engines: Arc<Engines>,
    pub(super) speech: Option<speech::Stream>,
    pub(super) sound: Option<(FrontEnd, sound::Stream)>,
    pub(super) bus: Bus,
    pub(super) clock: Clock,
    pub(super) meter: Meter,
    pub(super) tracer: Tracer,
}

/// The simulated threads of a live session.
pub(super) struct Timed {
    intake: Intake,
    channels: usize,
    block_frames: usize,
    rate_hz: f64,
    pending: Vec<f32>,
    frames: u64,
    front_end: Option<FrontEnd>,
    speech: Option<Worker<speech::Stream>>,
    sound: Option<Worker<sound::Stream>>,
    shared: Shared,
    told_s: f64,
}

/// What the simulated threads share.
struct Shared {
    engines: Arc<Engines>,
    bus: Bus,
    clock: Clock,
    meter: Meter,
    tracer: Tracer,
    /// Events with when they come out; the workers are simulated in turn, not in the order of time.
    emitted: Vec<(f64, EventBody)>,
    /// Seconds of the processor used so far.
    used_s: f64,
}

/// A simulated worker: its stream, its ring, and until when it is busy.
struct Worker<S> {
    stream: S,
    ring: VecDeque<Waiting>,
    free_s: f64,
    /// Nothing to do until more comes.
    parked: bool,
}

/// A block in a worker's ring: samples or features, the number of the first, when it came and when it was due.
struct Waiting {
    at_s: f64,
    due_s: f64,
    first: u64,
    values: Vec<f32>,
}

impl<S> Worker<S> {
    fn new(stream: S) -> Self {
        Self { stream, ring: VecDeque::new(), free_s: 0.0, parked: true }
    }

    fn give(&mut self, waiting: Waiting) {
        self.ring.push_back(waiting);
    }

    /// When the worker does its next piece of work, if it has any to do.
    fn next_s(&self) -> Option<f64> {
        if self.parked { self.ring.front().map(|waiting| waiting.at_s.max(self.free_s)) } else { Some(self.free_s) }
    }

    /// The block that has come by `now_s`.
    fn take(&mut self, now_s: f64) -> Option<Waiting> {
        if self.ring.front()?.at_s <= now_s { self.ring.pop_front() } else { None }
    }
}

impl Shared {
    /// Does `work` at `now_s`; what it emits comes out as far into it as the processor was used. Returns when it is over.
    fn run(&mut self, now_s: f64, work: impl FnOnce(&Tracer, &mut dyn FnMut(EventBody)) -> Result<()>) -> Result<f64> {
        let Self { clock, tracer, emitted, .. } = self;
        clock.set(now_s);
        let watch = Stopwatch::start();
        let mut emit = |body| emitted.push((now_s + watch.spent().thread_s, body));
        let done = work(tracer, &mut emit);
        let spent_s = watch.spent().thread_s;
        self.used_s += spent_s;
        done.map(|()| now_s + spent_s)
    }

    /// Publishes what has come out by `until_s`, in order.
    fn publish(&mut self, until_s: f64) {
        self.emitted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let waiting = self.emitted.partition_point(|(at_s, _)| *at_s <= until_s);
        for (at_s, body) in self.emitted.drain(..waiting) {
            self.clock.set(at_s);
            self.bus.publish(body);
        }
        self.clock.set(until_s);
    }
}

impl Timed {
    pub(super) fn new(intake: Intake, channels: u16, rate_hz: u32, plan: TimedPlan) -> Self {
        let TimedPlan { engines, speech, sound, bus, clock, meter, tracer } = plan;
        let (front_end, sound) = sound.map_or((None, None), |(front_end, stream)| (Some(front_end), Some(Worker::new(stream))));
        let block_frames = ((f64::from(rate_hz) * BLOCK_S) as usize).clamp(1, BLOCK_FRAMES);
        Self {
            intake,
            channels: usize::from(channels),
            block_frames,
            rate_hz: f64::from(rate_hz),
            pending: Vec::with_capacity(block_frames * usize::from(channels)),
            frames: 0,
            front_end,
            speech: speech.map(Worker::new),
            sound,
            shared: Shared { engines, bus, clock, meter, tracer, emitted: Vec::new(), used_s: 0.0 },
            told_s: 0.0,
        }
    }

    /// Runs every stage over whole frames.
    pub(super) fn push(&mut self, mut interleaved: &[f32]) -> Result<()> {
        while !interleaved.is_empty() {
            let room = self.block_frames * self.channels - self.pending.len();
            let (taken, rest) = interleaved.split_at(room.min(interleaved.len()));
            self.pending.extend_from_slice(taken);
            interleaved = rest;
            if taken.len() == room {
                self.block()?;
            }
        }
        Ok(())
    }

    /// Brings everything that was pushed to its end.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.block()?;
        let due_s = self.frames as f64 / self.rate_hz;
        self.take_in(due_s, |intake, out| intake.finish(out))?;
        self.work(f64::INFINITY, true)?;
        let Self { speech, sound, shared, .. } = self;
        let mut end_s = due_s;
        if let (Some(worker), Some(engine)) = (speech, &shared.engines.clone().speech) {
            let mut engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
            let stream = &mut worker.stream;
            let free_s = shared.run(worker.free_s.max(due_s), |tracer, emit| {
                tracer.speech(Stage::Detect, &mut engine, |engine| {
                    stream.finish(engine, emit)?;
                    Ok(((), Some(stream.position())))
                })
            })?;
            end_s = end_s.max(free_s);
        }
        if let (Some(worker), Some(engine)) = (sound, &shared.engines.clone().sound) {
            let mut engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
            let free_s = shared.run(worker.free_s.max(due_s), |_, emit| worker.stream.finish(&mut engine, emit))?;
            end_s = end_s.max(free_s);
        }
        self.stats(end_s);
        self.shared.publish(end_s);
        Ok(())
    }

    /// Takes the pending frames in and lets the workers work until the front end looks again.
    fn block(&mut self) -> Result<()> {
        let frames = self.pending.len() / self.channels;
        if frames == 0 {
            return Ok(());
        }
        let piece = Piece { first_frame: self.frames, frames, at: Instant::now(), after: 0 };
        self.frames += frames as u64;
        let due_s = self.frames as f64 / self.rate_hz;
        let pending = std::mem::take(&mut self.pending);
        self.take_in(due_s, |intake, out| intake.take(&piece, &pending, None, out))?;
        self.pending = pending;
        self.pending.clear();
        self.work(due_s, false)?;
        if due_s - self.told_s >= 1.0 {
            self.stats(due_s);
        }
        self.shared.publish(due_s);
        Ok(())
    }

    /// The front end at work on a block that was due at `due_s`: audio and features go to the workers' rings. It looks every 5 ms,
    /// so it is late by half of that on average.
    fn take_in(&mut self, due_s: f64, read: impl FnOnce(&mut Intake, &mut dyn FnMut(Heard<'_>))) -> Result<()> {
        let Self { intake, front_end, speech, sound, shared, .. } = self;
        let looked_s = due_s + FRONT_END_PERIOD.as_secs_f64() / 2.0;
        let watch = Stopwatch::start();
        let (mut heard_audio, mut heard_features) = (Vec::new(), Vec::new());
        let meter = &shared.meter;
        let mut gaps = Vec::new();
        read(intake, &mut |heard| match heard {
            Heard::Audio(position, samples) => {
                meter.set_position(position + samples.len() as u64);
                meter.set_level_dbfs(pcm::rms_dbfs(samples));
                heard_audio.push((position.0, samples.to_vec()));
                if let Some(front_end) = front_end {
                    front_end.push(position, samples, &mut |frame, values| heard_features.push((frame, values.to_vec())));
                }
            }
            Heard::Gap(gap) => gaps.push(gap),
        });
        let spent = watch.spent();
        let at_s = looked_s + spent.thread_s;
        shared.used_s += spent.thread_s;
        shared.tracer.send(Stage::Intake, looked_s, spent, shared.meter.position());
        for gap in gaps {
            shared.meter.add_dropped(gap.samples);
            shared.emitted.push((at_s, EventBody::Gap(gap)));
        }
        let waiting = |(first, values)| Waiting { at_s, due_s, first, values };
        if let Some(worker) = speech {
            heard_audio.into_iter().map(waiting).for_each(|waiting| worker.give(waiting));
        }
        if let Some(worker) = sound {
            heard_features.into_iter().map(waiting).for_each(|waiting| worker.give(waiting));
        }
        Ok(())
    }

    /// Lets each worker do what it does before `until_s`. `ending`: no refresh, nobody waits for it.
    fn work(&mut self, until_s: f64, ending: bool) -> Result<()> {
        let engines = Arc::clone(&self.shared.engines);
        if let (Some(worker), Some(engine)) = (&mut self.speech, &engines.speech) {
            let mut engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
            while let Some(now_s) = worker.next_s().filter(|now_s| *now_s < until_s) {
                self.shared.speech(worker, &mut engine, now_s, ending)?;
            }
        }
        if let (Some(worker), Some(engine)) = (&mut self.sound, &engines.sound) {
            let mut engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
            while let Some(now_s) = worker.next_s().filter(|now_s| *now_s < until_s) {
                self.shared.sound(worker, &mut engine, now_s)?;
            }
        }
        Ok(())
    }

    fn stats(&mut self, now_s: f64) {
        self.told_s = now_s;
        let Shared { engines, meter, emitted, used_s, .. } = &mut self.shared;
        let heard_s = meter.position().seconds();
        let processed_s = self.speech.as_ref().map_or(heard_s, |worker| worker.stream.position().seconds());
        emitted.push((
            now_s,
            EventBody::Stats(Stats {
                audio: microseconds(heard_s),
                level_dbfs: meter.level_dbfs(),
                lag: microseconds((now_s - processed_s).max(0.0)),
                dropped: meter.dropped(),
                offset: 0.0,
                refresh: microseconds(meter.refresh_s()),
                cpu: Some(microseconds(*used_s)),
                resident_mib: meter::process().1,
                models: engines.models().to_vec(),
            }),
        ));
    }
}

impl Shared {
    /// One piece of work of the speech worker: all audio that waits before anything costly, as live.
    fn speech(
        &mut self,
        worker: &mut Worker<speech::Stream>,
        engine: &mut speech::Engine,
        now_s: f64,
        ending: bool,
    ) -> Result<()> {
        if let Some(block) = worker.take(now_s) {
            worker.parked = false;
            let stream = &mut worker.stream;
            worker.free_s = self.run(now_s, |tracer, emit| {
                let start = SamplePosition(block.first);
                tracer.arrived(start + block.values.len() as u64, block.due_s);
                tracer.speech(Stage::Detect, engine, |engine| {
                    stream.push(engine, start, &block.values, emit)?;
                    Ok(((), Some(stream.position())))
                })
            })?;
            self.meter.set_processed(stream.position());
            return Ok(());
        }
        let stream = &mut worker.stream;
        let mut refreshed = false;
        worker.free_s = self.run(now_s, |tracer, emit| {
            refreshed = !ending
                && tracer.speech(Stage::Agree, engine, |engine| {
                    let refreshed = stream.refresh(engine, emit)?;
                    Ok((refreshed, refreshed.then(|| stream.position())))
                })?;
            Ok(())
        })?;
        worker.parked = !refreshed;
        if refreshed {
            stream.refresh_took(worker.free_s - now_s);
            self.meter.set_refresh_s(stream.refresh_s());
        }
        Ok(())
    }

    fn sound(&mut self, worker: &mut Worker<sound::Stream>, engine: &mut sound::Engine, now_s: f64) -> Result<()> {
        worker.parked = true;
        let Some(block) = worker.take(now_s) else { return Ok(()) };
        let stream = &mut worker.stream;
        worker.free_s = self.run(now_s, |tracer, emit| {
            tracer.other(Stage::Sound, || {
                stream.push(engine, block.first, &block.values, emit)?;
                Ok(((), Some(stream.frame_end(block.first))))
            })
        })?;
        Ok(())
    }
}
