//! The delivery: what becomes of audio after the intake in a live session.
//!
//! In: audio at its position, and gaps. Out: audio in the speech worker's ring, features in the sound worker's, the level in the
//! meter, gaps on the bus. Nothing here allocates, but for the event of a gap.

use std::thread::Thread;
use std::time::{Duration, Instant};

use super::bus::Bus;
use super::intake::Heard;
use super::meter::Meter;
use crate::audio::pcm::{Format, SILENCE_DBFS};
use crate::audio::ring::{Piece, Producer};
use crate::event::{EventBody, Gap, GapReason};
use crate::frontend::FrontEnd;
use crate::time::{Clock, SAMPLE_RATE, SamplePosition};

/// A worker that stays too slow is reported this often.
const REPORT_PERIOD: Duration = Duration::from_secs(1);
/// Samples of a level: a tenth of a second.
const LEVEL_SAMPLES: usize = SAMPLE_RATE as usize / 10;

/// Where audio and features go.
pub(super) struct Delivery {
    speech: Option<Producer>,
    sound: Option<(FrontEnd, Producer)>,
    wake: Vec<Thread>,
    bus: Bus,
    meter: Meter,
    level: Level,
    /// Audio that a worker's ring had no room for and that was not reported yet.
    unheard: Option<Unheard>,
}

/// A run of audio that a worker's ring had no room for.
struct Unheard {
    gap: Gap,
    since: Instant,
}

impl Delivery {
    /// A delivery into the workers' rings; no ring, no worker.
    pub(super) fn new(
        speech: Option<Producer>,
        sound: Option<(FrontEnd, Producer)>,
        wake: Vec<Thread>,
        bus: Bus,
        meter: Meter,
    ) -> Self {
        Self { speech, sound, wake, bus, meter, level: Level::default(), unheard: None }
    }

    /// The meter it keeps.
    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Publishes an event.
    pub(super) fn publish(&self, body: EventBody) {
        self.bus.publish(body);
    }

    /// Starts the clock with the first connection; for a later one, reports the gap since the last, with `reason`. Returns the gap's
    /// samples.
    pub(super) fn connect(
        &mut self,
        clock: &Clock,
        format: Format,
        piece: &Piece,
        position: SamplePosition,
        due_offset_s: f64,
        reason: GapReason,
    ) -> u64 {
        let length = Duration::from_secs_f64((piece.frames + piece.after) as f64 / f64::from(format.rate_hz));
        let first = piece.at.checked_sub(length).unwrap_or(piece.at);
        clock.start(first);
        self.absent(clock, first, position, due_offset_s, reason)
    }

    /// Reports that nothing was heard from `position` until `until`; returns the gap's samples.
    pub(super) fn absent(
        &mut self,
        clock: &Clock,
        until: Instant,
        position: SamplePosition,
        due_offset_s: f64,
        reason: GapReason,
    ) -> u64 {
        let samples = SamplePosition::from_seconds(clock.at(until) - due_offset_s).since(position);
        if samples > 0 {
            self.hear(Heard::Gap(Gap { start: position, samples, reason }), until);
        }
        samples
    }

    /// Hands on what the intake heard; `at` is when it arrived.
    pub(super) fn hear(&mut self, heard: Heard<'_>, at: Instant) {
        match heard {
            Heard::Audio(position, samples) => {
                self.level.take(samples, &self.meter);
                let mut accepted = samples.len();
                if let Some(speech) = &mut self.speech {
                    accepted = speech.push(position.0, samples, at);
                }
                if let Some((front_end, frames)) = &mut self.sound {
                    front_end.push(position, samples, &mut |frame, values| {
                        if frames.push(frame, values, at) == 0 {
                            accepted = 0;
                        }
                    });
                }
                self.account(position, accepted as u64, samples.len() as u64, at);
            }
            Heard::Gap(gap) => {
                // What nobody wanted heard is not lost.
                if gap.reason != GapReason::Paused {
                    self.meter.add_dropped(gap.samples);
                }
                self.bus.publish(EventBody::Gap(gap));
            }
        }
    }

    /// Keeps the run of audio that a worker was too slow for; reports it when the worker has room again, or once a second.
    fn account(&mut self, position: SamplePosition, accepted: u64, samples: u64, at: Instant) {
        let over = |unheard: &mut Unheard| accepted > 0 || at.saturating_duration_since(unheard.since) >= REPORT_PERIOD;
        if let Some(Unheard { gap, .. }) = self.unheard.take_if(over) {
            self.hear(Heard::Gap(gap), at);
        }
        if accepted < samples {
            let gap = Gap { start: position + accepted, samples: 0, reason: GapReason::Overrun };
            let unheard = self.unheard.get_or_insert(Unheard { gap, since: at });
            unheard.gap.samples += samples - accepted;
        }
    }

    /// Reports what was not reported yet: no more audio comes for now.
    pub(super) fn settle(&mut self) {
        if let Some(Unheard { gap, .. }) = self.unheard.take() {
            self.hear(Heard::Gap(gap), Instant::now());
        }
    }

    /// Tells the meter how far the audio goes and wakes the workers.
    pub(super) fn after_drain(&mut self, position: SamplePosition, due_offset_s: f64) {
        self.meter.set_position(position);
        self.meter.set_due_offset_s(due_offset_s);
        if self.speech.is_none() {
            self.meter.set_processed(position);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::pcm::ChannelChoice;
    use crate::audio::ring;
    use crate::frontend::Features;
    use crate::frontend::recipe::yamnet;
    use crate::pipeline::intake::{BLOCK_FRAMES, Intake};

    /// Everything that real audio passes through between the callback and the workers' rings.
    #[test]
    fn nothing_is_allocated_from_the_ring_of_the_callback_to_the_features() {
        let of_yamnet = || FrontEnd::log_mel(&yamnet()).unwrap();
        let of_samples = || FrontEnd::new(&Features::Samples { window: 400 }).unwrap();
        let formats = [(16_000, 1), (48_000, 2), (44_100, 1)];
        let cases = formats.into_iter().flat_map(|format| [(format, of_yamnet()), (format, of_samples())]);
        for ((rate_hz, channels), front_end) in cases {
            let format = Format::new(rate_hz, channels).unwrap();
            let clock = Clock::real();
            clock.start(Instant::now());
            let meter = Meter::new(clock.clone(), 0.3);
            let (speech, mut speech_heard) = ring::ring(1, 1 << 18, 8_192);
            let (features, mut features_heard) = ring::ring(front_end.width(), 1 << 12, 4_096);
            let least = 16_000 / front_end.hop();
            let sound = Some((front_end, features));
            let mut delivery = Delivery::new(Some(speech), sound, Vec::new(), Bus::new(clock.clone(), None), meter);
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
            while let Some(piece) = features_heard.read(&mut [0.0; 400]) {
                frames += piece.frames;
            }
            assert!(samples > 20_000 && frames > least, "audio went through: {samples} samples, {frames} frames");
        }
        let control = allocation_counter::measure(|| drop(std::hint::black_box(vec![1_u8])));
        assert!(control.count_total > 0, "the guard counts");
    }
}
