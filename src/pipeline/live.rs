//! A live session: the front end, speech and sounds on a thread each, joined by wait-free rings.
//!
//! In: what sources report, and the rings they fill. Out: events on the bus. A stage that falls behind loses audio from its own
//! ring, counted and reported as a gap; it never makes the stage before it wait.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::bus::Bus;
use super::delivery::Delivery;
use super::engines::Engines;
use super::front_end::FrontEndThread;
use super::meter::Meter;
use super::trace::Tracer;
use super::workers::{SoundWorker, SpeechWorker};
use crate::audio::pcm::ChannelChoice;
use crate::audio::ring;
use crate::audio::source::SourceEvent;
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::FrontEnd;
use crate::time::{Clock, SAMPLE_RATE};
use crate::{sound, speech};

/// Seconds of audio, or of features, that a worker may be behind before it loses some.
const WORKER_RING_S: usize = 30;
/// Blocks of audio that a worker may be behind: the intake hands on at least 2.4 ms at a time from a file or a usual device.
const WORKER_RING_BLOCKS: usize = 16_384;

/// Frames of features a second that a worker's ring is made for, at most: one every 10 ms.
const FEATURES_PER_SECOND: usize = 100;

/// What a live session is made of.
pub(super) struct Plan {
    pub(super) engines: Arc<Engines>,
    pub(super) speech: Option<speech::Stream>,
    pub(super) sound: Option<(FrontEnd, sound::Stream)>,
    pub(super) choice: ChannelChoice,
    pub(super) bus: Bus,
    pub(super) clock: Clock,
    pub(super) meter: Meter,
    pub(super) tracer: Tracer,
}

/// The threads of a live session.
pub(super) struct Live {
    threads: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
}

/// What the threads share: how the session ends, and the first thing that failed.
pub(super) struct Shared {
    stop: AtomicBool,
    failure: Mutex<Option<Error>>,
}

/// Held by every thread and by nothing else: the last to end closes the bus, so that events end when the source does.
struct Open(Bus);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Ends the session when the thread that holds it panics: a session must not go on half alive.
struct Watch {
    shared: Arc<Shared>,
    name: String,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if thread::panicking() {
            let message = format!("the {} thread of the session panicked; please report it", self.name);
            self.shared.fail(Error::new(ErrorKind::Model, message));
        }
    }
}

impl Shared {
    /// Whether the session is to end with what its rings hold.
    pub(super) fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn fail(&self, error: Error) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Live {
    /// Starts the threads. They end when the source ends, when [`Live::finish`] is called, or when a stage fails.
    pub(super) fn start(plan: Plan, sources: Receiver<SourceEvent>) -> Result<Self> {
        let Plan { engines, speech, sound, choice, bus, clock, meter, tracer } = plan;
        let shared = Arc::new(Shared { stop: AtomicBool::new(false), failure: Mutex::new(None) });
        let open = Arc::new(Open(bus.clone()));
        let mut live = Self { threads: Vec::new(), shared: Arc::clone(&shared) };
        let (mut to_speech, mut to_sound) = (None, None);
        if let Some(stream) = speech {
            let (producer, consumer) = ring::ring(1, WORKER_RING_S * SAMPLE_RATE as usize, WORKER_RING_BLOCKS);
            to_speech = Some(producer);
            let worker = SpeechWorker {
                engines: Arc::clone(&engines),
                stream,
                input: consumer,
                bus: bus.clone(),
                meter: meter.clone(),
                tracer: tracer.clone(),
            };
            live.spawn("speech", &open, move |shared| worker.run(shared).unwrap_or_else(|error| shared.fail(error)))?;
        }
        if let Some((front_end, stream)) = sound {
            let width = front_end.width();
            let capacity = WORKER_RING_S * (SAMPLE_RATE as usize).div_ceil(front_end.hop()).min(FEATURES_PER_SECOND);
            let (producer, consumer) = ring::ring(width, capacity, capacity);
            to_sound = Some((front_end, producer));
            let worker = SoundWorker {
                engines: Arc::clone(&engines),
                stream,
                input: consumer,
                width,
                bus: bus.clone(),
                tracer: tracer.clone(),
            };
            live.spawn("sound", &open, move |shared| worker.run().unwrap_or_else(|error| shared.fail(error)))?;
        }
        let wake = live.threads.iter().map(|thread| thread.thread().clone()).collect();
        let delivery = Delivery::new(to_speech, to_sound, wake, bus, meter);
        let front_end = FrontEndThread::new(sources, choice, clock, delivery, engines.models().to_vec());
        live.spawn("front end", &open, move |shared| front_end.run(shared, &tracer).unwrap_or_else(|error| shared.fail(error)))?;
        Ok(live)
    }

    fn spawn(&mut self, name: &str, open: &Arc<Open>, body: impl FnOnce(&Shared) + Send + 'static) -> Result<()> {
        let (shared, open) = (Arc::clone(&self.shared), Arc::clone(open));
        let watch = Watch { shared: Arc::clone(&shared), name: name.to_owned() };
        let thread = thread::Builder::new().name(format!("auricle {name}")).spawn(move || {
            body(&shared);
            drop(watch);
            drop(open);
        });
        let failed = |error| Error::new(ErrorKind::Io, format!("cannot start the {name} thread: {error}"));
        self.threads.push(thread.map_err(failed)?);
        Ok(())
    }

    /// What ended the session early, or `None` while its threads run; to be told once.
    pub(super) fn ended(&self) -> Option<Error> {
        let over = self.threads.iter().all(JoinHandle::is_finished);
        let finished = || Error::new(ErrorKind::InvalidInput, "the session has ended; build another");
        over.then(|| self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_else(finished))
    }

    /// Asks the threads to read what waits in the rings and to end, and waits for them.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic was noted by the thread's watch.
            let _ = thread.join();
        }
        let failure = self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.map_or(Ok(()), Err)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Err(error) = self.finish() {
            log::error!("{error}");
        }
    }
}
