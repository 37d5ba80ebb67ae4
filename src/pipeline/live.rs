//! A live session: the front end, speech and sounds on a thread each, joined by wait-free rings.
//!
//! In: what sources report, and the rings they fill. Out: events on the bus. A stage that falls behind loses audio from its own
//! ring, counted and reported as a gap; it never makes the stage before it wait.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use super::bus::Bus;
use super::engines::Engines;
use super::intake::{BLOCK_FRAMES, Heard, Intake};
use super::meter::{self, Meter};
use crate::audio::pcm::{ChannelChoice, Format, SILENCE_DBFS};
use crate::audio::ring::{self, Consumer, Piece, Producer};
use crate::audio::source::SourceEvent;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Device, DeviceState, EventBody, Gap, GapReason, ModelInUse, Stats};
use crate::frontend::FrontEnd;
use crate::time::{Clock, SAMPLE_RATE, SamplePosition};
use crate::{sound, speech};

/// How often the front end looks for audio when a source reports nothing.
const FRONT_END_PERIOD: Duration = Duration::from_millis(5);
/// A worker looks for audio this often even when nobody wakes it.
const WORKER_PERIOD: Duration = Duration::from_millis(50);
/// Seconds of audio, or of features, that a worker may be behind before it loses some.
const WORKER_RING_S: usize = 30;
/// Frames of features a second that a worker's ring is made for: one every 10 ms.
const FEATURES_PER_SECOND: usize = 100;
const STATS_PERIOD_S: f64 = 1.0;
/// Samples of a level: a tenth of a second.
const LEVEL_SAMPLES: usize = SAMPLE_RATE as usize / 10;

/// What a live session is made of.
pub(super) struct Plan {
    pub(super) engines: Arc<Engines>,
    pub(super) speech: Option<speech::Stream>,
    pub(super) sound: Option<(FrontEnd, usize, sound::Stream)>,
    pub(super) choice: ChannelChoice,
    pub(super) bus: Bus,
    pub(super) clock: Clock,
    pub(super) meter: Meter,
}

/// The threads of a live session.
pub(super) struct Live {
    threads: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
    bus: Bus,
}

/// What the threads share with the session: how it ends, and the first thing that failed.
struct Shared {
    stop: AtomicBool,
    failure: Mutex<Option<Error>>,
}

/// Held by the threads and by nobody else: the last to end closes the bus, so that readers see the end of a source.
struct LastOut(Bus);

impl Drop for LastOut {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Shared {
    fn fail(&self, error: Error) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Live {
    /// Starts the threads. They end when the source ends, when [`Live::finish`] is called, or when a stage fails.
    pub(super) fn start(plan: Plan, sources: Receiver<SourceEvent>) -> Result<Self> {
        let Plan { engines, speech, sound, choice, bus, clock, meter } = plan;
        let shared = Arc::new(Shared { stop: AtomicBool::new(false), failure: Mutex::new(None) });
        let mut live = Self { threads: Vec::new(), shared, bus: bus.clone() };
        let last_out = Arc::new(LastOut(bus.clone()));
        let mut delivery = Delivery {
            speech: None,
            sound: None,
            wake: Vec::new(),
            bus: bus.clone(),
            meter: meter.clone(),
            level: Level::default(),
            unheard: 0,
        };
        if let Some(stream) = speech {
            let (producer, consumer) = ring::ring(1, WORKER_RING_S * SAMPLE_RATE as usize, 8_192);
            delivery.speech = Some(producer);
            let worker =
                SpeechWorker { engines: Arc::clone(&engines), stream, input: consumer, bus: bus.clone(), meter: meter.clone() };
            live.spawn("speech", &last_out, move |shared| worker.run(shared).unwrap_or_else(|error| shared.fail(error)))?;
        }
        if let Some((front_end, width, stream)) = sound {
            let capacity = WORKER_RING_S * FEATURES_PER_SECOND;
            let (producer, consumer) = ring::ring(width, capacity, capacity);
            delivery.sound = Some((front_end, producer));
            let worker = SoundWorker { engines: Arc::clone(&engines), stream, input: consumer, width, bus: bus.clone() };
            live.spawn("sound", &last_out, move |shared| worker.run(shared).unwrap_or_else(|error| shared.fail(error)))?;
        }
        delivery.wake = live.threads.iter().map(|thread| thread.thread().clone()).collect();
        let models = engines.models().to_vec();
        let front_end = FrontEndThread {
            sources,
            choice,
            clock,
            delivery,
            models,
            connection: None,
            position: SamplePosition(0),
            due_offset_s: 0.0,
            // Nobody can have subscribed yet: what is told before there is a source would be lost, and its number with it.
            stats_at: f64::INFINITY,
        };
        live.spawn("front end", &last_out, move |shared| front_end.run(shared).unwrap_or_else(|error| shared.fail(error)))?;
        Ok(live)
    }

    fn spawn(&mut self, name: &str, last_out: &Arc<LastOut>, body: impl FnOnce(&Shared) + Send + 'static) -> Result<()> {
        let (shared, last_out) = (Arc::clone(&self.shared), Arc::clone(last_out));
        let thread = thread::Builder::new().name(format!("auricle {name}")).spawn(move || {
            let _last_out = last_out;
            body(&shared);
        });
        let failed = |error| Error::new(ErrorKind::Io, format!("cannot start the {name} thread: {error}"));
        self.threads.push(thread.map_err(failed)?);
        Ok(())
    }

    /// Asks the threads to read what waits in the rings and to end, and waits for them.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                self.shared.fail(Error::new(ErrorKind::Model, "a thread of the session panicked; please report it"));
            }
        }
        self.bus.close();
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

/// The front end's thread: rings in, audio and features out to the workers' rings.
struct FrontEndThread {
    sources: Receiver<SourceEvent>,
    choice: ChannelChoice,
    clock: Clock,
    delivery: Delivery,
    models: Vec<ModelInUse>,
    connection: Option<Connection>,
    /// Where the audio so far ends, gaps included.
    position: SamplePosition,
    due_offset_s: f64,
    stats_at: f64,
}

/// A source's ring and the intake that reads it.
struct Connection {
    consumer: Consumer,
    format: Format,
    name: String,
    /// Made when the first piece shows where the connection starts.
    intake: Option<Intake>,
    block: Vec<f32>,
}

impl FrontEndThread {
    fn run(mut self, shared: &Shared) -> Result<()> {
        loop {
            let more = match self.sources.recv_timeout(FRONT_END_PERIOD) {
                Ok(event) => self.source(event)?,
                Err(RecvTimeoutError::Timeout) => true,
                Err(RecvTimeoutError::Disconnected) => false,
            };
            let stopping = shared.stop.load(Ordering::Relaxed);
            self.drain()?;
            self.stats(false);
            if !more || stopping {
                self.disconnect()?;
                self.stats(true);
                return Ok(());
            }
        }
    }

    /// Takes a report; `false` when it was the last.
    fn source(&mut self, event: SourceEvent) -> Result<bool> {
        let device = |state, name: &str| EventBody::Device(Device { state, name: name.to_owned() });
        match event {
            SourceEvent::Connected { consumer, format, name, again } => {
                self.disconnect()?;
                self.choice.check(format.channels).map_err(|error| error.within(&name))?;
                let state = if again { DeviceState::Back } else { DeviceState::Open };
                self.delivery.bus.publish(device(state, &name));
                self.stats_at = 0.0;
                let block = vec![0.0; BLOCK_FRAMES * usize::from(format.channels)];
                self.connection = Some(Connection { consumer, format, name, intake: None, block });
            }
            SourceEvent::Lost { name, reason } => {
                log::warn!("{name}: lost: {reason}");
                self.disconnect()?;
                self.delivery.bus.publish(device(DeviceState::Lost, &name));
            }
            SourceEvent::Ended => return Ok(false),
            SourceEvent::Failed(error) => return Err(error),
        }
        Ok(true)
    }

    /// Reads everything that waits in the connection's ring.
    fn drain(&mut self) -> Result<()> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let channels = usize::from(connection.format.channels);
        let mut heard_any = false;
        while let Some(piece) = connection.consumer.read(&mut connection.block) {
            if connection.intake.is_none() {
                let gap = self.delivery.connect(&self.clock, connection.format, &piece, self.position, self.due_offset_s);
                let base = self.position + gap;
                connection.intake =
                    Some(Intake::new(connection.format, self.choice, base).map_err(|error| error.within(&connection.name))?);
            }
            let Some(intake) = &mut connection.intake else { continue };
            let block = &connection.block[..piece.frames * channels];
            let delivery = &mut self.delivery;
            intake.take(&piece, block, Some(self.clock.at(piece.at)), &mut |heard| delivery.hear(heard, piece.at));
            self.position = intake.position();
            self.due_offset_s = intake.due_offset_s();
            heard_any = true;
        }
        if heard_any {
            self.delivery.after_drain(self.position, self.due_offset_s);
        }
        Ok(())
    }

    /// Reads what is left of the connection and drops it.
    fn disconnect(&mut self) -> Result<()> {
        self.drain()?;
        let Some(connection) = self.connection.take() else { return Ok(()) };
        if let Some(mut intake) = connection.intake {
            let (delivery, now) = (&mut self.delivery, Instant::now());
            intake.finish(&mut |heard| delivery.hear(heard, now));
            self.position = intake.position();
            self.delivery.after_drain(self.position, self.due_offset_s);
        }
        Ok(())
    }

    fn stats(&mut self, last: bool) {
        let now = self.clock.now();
        if now < self.stats_at && !last {
            return;
        }
        self.stats_at = now + STATS_PERIOD_S;
        let meter = &self.delivery.meter;
        let (cpu, resident_mib) = meter::process();
        self.delivery.bus.publish(EventBody::Stats(Stats {
            audio: self.position.seconds(),
            level_dbfs: meter.level_dbfs(),
            lag: meter.lag_s(),
            dropped: meter.dropped(),
            refresh: meter.refresh_s(),
            cpu,
            resident_mib,
            models: self.models.clone(),
        }));
    }
}

/// Where audio and features go. Nothing here allocates, but for the event of a gap.
struct Delivery {
    speech: Option<Producer>,
    sound: Option<(FrontEnd, Producer)>,
    wake: Vec<Thread>,
    bus: Bus,
    meter: Meter,
    level: Level,
    /// Samples that a worker's ring had no room for since that was last reported.
    unheard: u64,
}

impl Delivery {
    /// Starts the clock with the first connection; for a later one, reports the gap since the last. Returns the gap's samples.
    fn connect(&mut self, clock: &Clock, format: Format, piece: &Piece, position: SamplePosition, due_offset_s: f64) -> u64 {
        let length = Duration::from_secs_f64(piece.frames as f64 / f64::from(format.rate_hz));
        clock.start(piece.at.checked_sub(length).unwrap_or(piece.at));
        let due = SamplePosition::from_seconds(clock.at(piece.at) - length.as_secs_f64() - due_offset_s);
        let samples = due.since(position);
        if samples > 0 {
            self.hear(Heard::Gap(Gap { start: position, samples, reason: GapReason::Device }), piece.at);
        }
        samples
    }

    fn hear(&mut self, heard: Heard<'_>, at: Instant) {
        match heard {
            Heard::Audio(position, samples) => {
                self.level.take(samples, &self.meter);
                let Self { speech, sound, unheard, .. } = self;
                if let Some(speech) = speech {
                    let accepted = speech.push(position.0, samples, at);
                    *unheard += (samples.len() - accepted) as u64;
                }
                if let Some((front_end, frames)) = sound {
                    front_end.push(position, samples, &mut |frame, log_mel| {
                        frames.push(frame, log_mel, at);
                    });
                }
            }
            Heard::Gap(gap) => {
                self.meter.add_dropped(gap.samples);
                self.bus.publish(EventBody::Gap(gap));
            }
        }
    }

    fn after_drain(&mut self, position: SamplePosition, due_offset_s: f64) {
        self.meter.set_position(position);
        self.meter.set_due_offset_s(due_offset_s);
        if self.speech.is_none() {
            self.meter.set_processed(position);
        }
        if self.unheard > 0 {
            let samples = std::mem::take(&mut self.unheard);
            let gap = Gap { start: position - samples, samples, reason: GapReason::Overrun };
            self.hear(Heard::Gap(gap), Instant::now());
        }
        self.wake.iter().for_each(Thread::unpark);
    }
}

/// The level of the last tenth of a second.
#[derive(Default)]
struct Level {
    sum: f64,
    samples: usize,
}

impl Level {
    fn take(&mut self, samples: &[f32], meter: &Meter) {
        self.sum += samples.iter().map(|sample| f64::from(sample * sample)).sum::<f64>();
        self.samples += samples.len();
        if self.samples >= LEVEL_SAMPLES {
            let level = 10.0 * (self.sum / self.samples as f64).log10();
            meter.set_level_dbfs((level as f32).max(SILENCE_DBFS));
            *self = Self::default();
        }
    }
}

struct SpeechWorker {
    engines: Arc<Engines>,
    stream: speech::Stream,
    input: Consumer,
    bus: Bus,
    meter: Meter,
}

impl SpeechWorker {
    fn run(mut self, shared: &Shared) -> Result<()> {
        let Some(engine) = &self.engines.speech else { return Ok(()) };
        let mut block = [0.0; BLOCK_FRAMES];
        let bus = &self.bus;
        let mut emit = |body| bus.publish(body);
        loop {
            let ending = self.input.is_abandoned();
            let mut heard_any = false;
            while let Some(piece) = self.input.read(&mut block) {
                let mut engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
                self.stream.push(&mut engine, SamplePosition(piece.first_frame), &block[..piece.frames], &mut emit)?;
                self.meter.set_processed(self.stream.position());
                heard_any = true;
            }
            let started = Instant::now();
            let mut engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
            if ending {
                return self.stream.finish(&mut engine, &mut emit);
            }
            // Nobody waits for a partial caption of a session that is ending.
            let refreshed = !shared.stop.load(Ordering::Relaxed) && self.stream.refresh(&mut engine, &mut emit)?;
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

struct SoundWorker {
    engines: Arc<Engines>,
    stream: sound::Stream,
    input: Consumer,
    width: usize,
    bus: Bus,
}

impl SoundWorker {
    fn run(mut self, _: &Shared) -> Result<()> {
        let Some(engine) = &self.engines.sound else { return Ok(()) };
        let mut log_mel = vec![0.0; self.width];
        let bus = &self.bus;
        let mut emit = |body| bus.publish(body);
        loop {
            let ending = self.input.is_abandoned();
            let mut heard_any = false;
            while let Some(piece) = self.input.read(&mut log_mel) {
                let mut engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
                self.stream.push(&mut engine, piece.first_frame, &log_mel, &mut emit)?;
                heard_any = true;
            }
            if ending {
                let mut engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
                return self.stream.finish(&mut engine, &mut emit);
            }
            if !heard_any {
                thread::park_timeout(WORKER_PERIOD);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::recipe::{MelScale, Recipe, Spectrum, WindowFunction};

    fn yamnet() -> Recipe {
        Recipe {
            window: 400,
            hop: 160,
            n_fft: 512,
            centred: false,
            window_function: WindowFunction::HannPeriodic,
            spectrum: Spectrum::Magnitude,
            mels: 64,
            mel_scale: MelScale::Htk,
            f_min_hz: 125.0,
            f_max_hz: 7_500.0,
            log_offset: 1e-6,
        }
    }

    /// Everything that real audio passes through between the callback and the workers' rings.
    #[test]
    fn nothing_is_allocated_from_the_ring_of_the_callback_to_the_features() {
        for (rate_hz, channels) in [(16_000, 1), (48_000, 2), (44_100, 1)] {
            let format = Format::new(rate_hz, channels).unwrap();
            let clock = Clock::real();
            clock.start(Instant::now());
            let meter = Meter::new(clock.clone(), 0.3);
            let (speech, mut speech_heard) = ring::ring(1, 1 << 18, 8_192);
            let (features, mut features_heard) = ring::ring(64, 1 << 12, 4_096);
            let mut delivery = Delivery {
                speech: Some(speech),
                sound: Some((FrontEnd::new(&yamnet()).unwrap(), features)),
                wake: Vec::new(),
                bus: Bus::new(clock.clone(), None),
                meter,
                level: Level::default(),
                unheard: 0,
            };
            let mut intake = Intake::new(format, ChannelChoice::Mix, SamplePosition(0)).unwrap();
            let (mut producer, mut consumer) = ring::ring(usize::from(channels), 1 << 16, 1_024);
            let mut block = vec![0.0; BLOCK_FRAMES * usize::from(channels)];
            let audio: Vec<f32> = (0..4_410 * usize::from(channels)).map(|index| (index as f32 * 0.05).sin()).collect();
            let mut next = 0;
            let mut pass = |frames: usize, lost: u64| {
                producer.push(next + lost, &audio[..frames * usize::from(channels)], Instant::now());
                next += frames as u64 + lost;
                while let Some(piece) = consumer.read(&mut block) {
                    let read = &block[..piece.frames * usize::from(channels)];
                    intake.take(&piece, read, Some(clock.at(piece.at)), &mut |heard| delivery.hear(heard, piece.at));
                }
            };
            let sizes = [160, 106, 1, 441, 4_410, 480, 1_023];
            let counted = allocation_counter::measure(|| sizes.iter().cycle().take(70).for_each(|&frames| pass(frames, 0)));
            assert_eq!(counted.count_total, 0, "at {format}");
            let with_gap = allocation_counter::measure(|| pass(160, 1_000));
            assert_eq!(with_gap.count_total, 0, "nobody is subscribed, so that even the event of a gap costs nothing");
            let (mut samples, mut frames) = (0, 0);
            while let Some(piece) = speech_heard.read(&mut [0.0; 512]) {
                samples += piece.frames;
            }
            while let Some(piece) = features_heard.read(&mut [0.0; 64]) {
                frames += piece.frames;
            }
            assert!(samples > 20_000 && frames > 100, "audio went through: {samples} samples, {frames} frames");
        }
        let control = allocation_counter::measure(|| drop(std::hint::black_box(vec![1_u8])));
        assert!(control.count_total > 0, "the guard counts");
    }
}
