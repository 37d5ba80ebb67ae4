//! The front end's thread of a live session: reads the source's ring, keeps time, and hands audio on.
//!
//! In: what sources report, and the rings they fill. Out: a [`Delivery`] is given every sample at its position and every gap;
//! `device` and `stats` events.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::bus::microseconds;
use super::delivery::Delivery;
use super::intake::{BLOCK_FRAMES, Intake};
use super::live::Shared;
use super::meter;
use super::trace::{Stage, Tracer};
use crate::audio::pcm::{ChannelChoice, Format};
use crate::audio::ring::Consumer;
use crate::audio::source::SourceEvent;
use crate::error::Result;
use crate::event::{Device, DeviceState, EventBody, GapReason, ModelInUse, Stats};
use crate::time::{Clock, SamplePosition};

/// How often the front end looks for audio when a source reports nothing.
pub(super) const FRONT_END_PERIOD: Duration = Duration::from_millis(5);
const STATS_PERIOD: Duration = Duration::from_secs(1);
/// Pieces read before the thread looks at everything else again: a source that never pauses must not hold it.
const PIECES_AT_ONCE: usize = 256;

/// The front end's thread: rings in, audio and features out to the workers' rings.
pub(super) struct FrontEndThread {
    sources: Receiver<SourceEvent>,
    choice: ChannelChoice,
    clock: Clock,
    delivery: Delivery,
    models: Vec<ModelInUse>,
    connection: Option<Connection>,
    /// Why no audio comes, until the next connection's first.
    absence: Option<GapReason>,
    /// Where the audio so far ends, gaps included.
    position: SamplePosition,
    due_offset_s: f64,
    /// When `stats` was last told, or the first source connected. Before that nobody may have subscribed, and what is told would be
    /// lost, its number with it.
    stats_at: Option<Instant>,
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
    /// A front end that hands audio to `delivery`; `models` are named in `stats`.
    pub(super) fn new(
        sources: Receiver<SourceEvent>,
        choice: ChannelChoice,
        clock: Clock,
        delivery: Delivery,
        models: Vec<ModelInUse>,
    ) -> Self {
        let (connection, position) = (None, SamplePosition(0));
        Self { sources, choice, clock, delivery, models, connection, absence: None, position, due_offset_s: 0.0, stats_at: None }
    }

    /// Works until the source ends or the session is asked to stop. What was captured before is dealt with in any case.
    pub(super) fn run(mut self, shared: &Shared, tracer: &Tracer) -> Result<()> {
        let ended = loop {
            let more = match self.sources.recv_timeout(FRONT_END_PERIOD) {
                Ok(event) => self.source(event),
                Err(RecvTimeoutError::Timeout) => Ok(true),
                Err(RecvTimeoutError::Disconnected) => Ok(false),
            };
            let stopping = shared.stopping();
            let drained = more.and_then(|more| {
                tracer.other(Stage::Intake, || {
                    let heard_any = self.drain()?;
                    Ok((more, heard_any.then_some(self.position)))
                })
            });
            self.stats(false);
            match drained {
                Ok(true) if !stopping => {}
                Ok(_) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        let disconnected = self.disconnect();
        self.stats(true);
        ended.and(disconnected)
    }

    /// Takes a report; `false` when it was the last.
    fn source(&mut self, event: SourceEvent) -> Result<bool> {
        let device = |state, name: &str| EventBody::Device(Device { state, name: name.to_owned() });
        match event {
            SourceEvent::Connected { consumer, format, name, again } => {
                self.disconnect()?;
                self.choice.check(format.channels).map_err(|error| error.within(&name))?;
                let state = if again { DeviceState::Back } else { DeviceState::Open };
                self.delivery.publish(device(state, &name));
                self.stats_at.get_or_insert_with(Instant::now);
                let block = vec![0.0; BLOCK_FRAMES * usize::from(format.channels)];
                self.connection = Some(Connection { consumer, format, name, intake: None, block });
            }
            SourceEvent::Waiting { name } => self.delivery.publish(device(DeviceState::Waiting, &name)),
            SourceEvent::Lost { name, reason } => {
                log::debug!("{name}: {reason}");
                self.disconnect()?;
                self.absent(GapReason::Device);
                self.delivery.publish(device(DeviceState::Lost, &name));
            }
            SourceEvent::Paused { name } => {
                self.disconnect()?;
                self.absent(GapReason::Paused);
                self.delivery.publish(device(DeviceState::Paused, &name));
            }
            SourceEvent::Ended => return Ok(false),
            SourceEvent::Failed(error) => return Err(error),
        }
        Ok(true)
    }

    /// Notes that no audio comes from now on, and reports what was missed so far for another reason: each has a gap of its own.
    fn absent(&mut self, reason: GapReason) {
        if let Some(before) = self.absence.replace(reason)
            && before != reason
        {
            let (now, position) = (Instant::now(), self.position);
            self.position = position + self.delivery.absent(&self.clock, now, position, self.due_offset_s, before);
        }
    }

    /// Reads what waits in the connection's ring, but no more than [`PIECES_AT_ONCE`]. Returns whether it read any.
    fn drain(&mut self) -> Result<bool> {
        let Some(connection) = &mut self.connection else { return Ok(false) };
        let channels = usize::from(connection.format.channels);
        let mut heard_any = false;
        for _ in 0..PIECES_AT_ONCE {
            let Some(piece) = connection.consumer.read(&mut connection.block) else { break };
            let intake = match &mut connection.intake {
                Some(intake) => intake,
                empty => {
                    let reason = self.absence.take().unwrap_or(GapReason::Device);
                    let (format, clock) = (connection.format, &self.clock);
                    let gap = self.delivery.connect(clock, format, &piece, self.position, self.due_offset_s, reason);
                    let intake = Intake::new(connection.format, self.choice, self.position + gap);
                    empty.insert(intake.map_err(|error| error.within(&connection.name))?)
                }
            };
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
        Ok(heard_any)
    }

    /// Reads what is left of the connection, at most a full ring, and drops it.
    fn disconnect(&mut self) -> Result<()> {
        let waiting = self.connection.as_ref().map_or(0, |connection| connection.consumer.waiting_frames());
        for _ in 0..=waiting / PIECES_AT_ONCE {
            if !self.drain()? {
                break;
            }
        }
        let Some(connection) = self.connection.take() else { return Ok(()) };
        if let Some(mut intake) = connection.intake {
            let (delivery, now) = (&mut self.delivery, Instant::now());
            intake.finish(&mut |heard| delivery.hear(heard, now));
            self.position = intake.position();
            self.delivery.after_drain(self.position, self.due_offset_s);
        }
        self.delivery.settle();
        Ok(())
    }

    fn stats(&mut self, last: bool) {
        let due = |told: Instant| last || told.elapsed() >= STATS_PERIOD;
        if !self.stats_at.is_some_and(due) {
            return;
        }
        self.stats_at = Some(Instant::now());
        let meter = self.delivery.meter();
        let (cpu, resident_mib) = meter::process();
        self.delivery.publish(EventBody::Stats(Stats {
            audio: microseconds(self.position.seconds()),
            level_dbfs: meter.level_dbfs(),
            lag: microseconds(meter.lag_s()),
            dropped: meter.dropped(),
            refresh: microseconds(meter.refresh_s()),
            offset: microseconds(self.due_offset_s),
            cpu,
            resident_mib,
            models: self.models.clone(),
        }));
    }
}
