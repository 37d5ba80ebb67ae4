//! The intake: from a device's frames to one channel of 16 kHz audio on the session's sample clock.
//!
//! In: pieces of a ring, with the device's frame numbers and the instants they were pushed. Out: [`Heard`]: audio at its position,
//! and the gaps between. It allocates nothing after it was made.

use crate::audio::pcm::{self, ChannelChoice, Format};
use crate::audio::resample::{Resampler, resampled_length};
use crate::audio::ring::Piece;
use crate::error::Result;
use crate::event::{Gap, GapReason};
use crate::time::{ClockMap, SamplePosition};

/// Frames read from the ring at once.
pub(super) const BLOCK_FRAMES: usize = 512;

/// What the intake hears.
pub(super) enum Heard<'a> {
    /// Audio, and the position of its first sample.
    Audio(SamplePosition, &'a [f32]),
    /// Audio that never came; positions move on by as much.
    Gap(Gap),
}

/// The state of one connection to a source.
pub(super) struct Intake {
    format: Format,
    choice: ChannelChoice,
    resampler: Resampler,
    map: ClockMap,
    mono: Vec<f32>,
    /// Where frame 0 of this connection lies.
    base: SamplePosition,
    /// Position of the next sample handed out.
    position: SamplePosition,
    /// The ring's number of the next frame.
    next_frame: u64,
    /// Frames that the clock showed to be missing; the ring's numbers do not count them.
    missing: u64,
}

impl Intake {
    /// For a connection whose first frame lies at `base`.
    ///
    /// # Errors
    /// `InvalidInput` when the format is out of range or lacks the channel.
    pub(super) fn new(format: Format, choice: ChannelChoice, base: SamplePosition) -> Result<Self> {
        choice.check(format.channels)?;
        Ok(Self {
            format,
            choice,
            resampler: Resampler::new(format.rate_hz, BLOCK_FRAMES)?,
            map: ClockMap::new(format.rate_hz),
            mono: vec![0.0; BLOCK_FRAMES],
            base,
            position: base,
            next_frame: 0,
            missing: 0,
        })
    }

    pub(super) fn position(&self) -> SamplePosition {
        self.position
    }

    /// Seconds from zero by which a sample is due later than its position says.
    pub(super) fn due_offset_s(&self) -> f64 {
        self.map.due(0) - self.base.seconds()
    }

    /// Takes a piece of a ring, at most [`BLOCK_FRAMES`] long; `arrived` is the piece's instant in seconds from zero, `None` on a
    /// virtual clock, where nothing can be late.
    pub(super) fn take(&mut self, piece: &Piece, interleaved: &[f32], arrived: Option<f64>, out: &mut dyn FnMut(Heard<'_>)) {
        if piece.first_frame > self.next_frame {
            self.next_frame = piece.first_frame;
            self.skip(GapReason::Overrun, out);
        }
        let frames = pcm::pick(self.choice, self.format.channels, interleaved, &mut self.mono).min(piece.frames);
        self.next_frame += frames as u64;
        let position = &mut self.position;
        self.resampler.process(&self.mono[..frames], |samples| {
            out(Heard::Audio(*position, samples));
            *position = *position + samples.len() as u64;
        });
        let Some(arrived) = arrived.filter(|_| piece.ends_block()) else { return };
        if let Some(missing) = self.map.observe(self.next_frame + self.missing, arrived) {
            self.missing += missing;
            self.skip(GapReason::Missing, out);
        }
    }

    /// Hands out what the resampler holds: no more audio comes from this connection.
    pub(super) fn finish(&mut self, out: &mut dyn FnMut(Heard<'_>)) {
        let position = &mut self.position;
        self.resampler.finish(|samples| {
            out(Heard::Audio(*position, samples));
            *position = *position + samples.len() as u64;
        });
    }

    /// Moves the position to where the next frame lies and reports the gap. What the resampler holds belongs before it.
    fn skip(&mut self, reason: GapReason, out: &mut dyn FnMut(Heard<'_>)) {
        self.finish(out);
        let next = self.base + resampled_length(self.next_frame + self.missing, self.format.rate_hz);
        let samples = next.since(self.position);
        if samples > 0 {
            out(Heard::Gap(Gap { start: self.position, samples, reason }));
            self.position = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::audio::ring::ring;

    /// Reads all that waits and returns (positions with their samples, gaps).
    fn drain(consumer: &mut crate::audio::ring::Consumer, intake: &mut Intake) -> (Vec<(u64, f32)>, Vec<Gap>) {
        let (mut samples, mut gaps) = (Vec::new(), Vec::new());
        let mut block = [0.0; BLOCK_FRAMES];
        while let Some(piece) = consumer.read(&mut block) {
            intake.take(&piece, &block[..piece.frames], Some(piece.first_frame as f64 / 16_000.0), &mut |heard| match heard {
                Heard::Audio(position, block) => samples.extend(block.iter().zip(position.0..).map(|(value, at)| (at, *value))),
                Heard::Gap(gap) => gaps.push(gap),
            });
        }
        (samples, gaps)
    }

    #[test]
    fn an_overrun_is_a_gap_and_positions_stay_true_after_it() {
        let (mut producer, mut consumer) = ring(1, 1_000, 16);
        let mut intake = Intake::new(Format::new(16_000, 1).unwrap(), ChannelChoice::default(), SamplePosition(0)).unwrap();
        let value = |frame: u64| frame as f32 / 65_536.0;
        let mut push = |from: u64, frames: u64| {
            let block: Vec<f32> = (from..from + frames).map(value).collect();
            producer.push(from, &block, Instant::now())
        };
        assert_eq!(push(0, 800), 800);
        assert_eq!(push(800, 800), 200, "the ring is full and the consumer asleep");
        assert_eq!(push(1_600, 800), 0);
        let (mut samples, mut gaps) = drain(&mut consumer, &mut intake);
        assert_eq!(push(2_400, 500), 500);
        let (later, more) = drain(&mut consumer, &mut intake);
        samples.extend(later);
        gaps.extend(more);
        assert_eq!(consumer.dropped_frames(), 1_400);
        assert_eq!(gaps, [Gap { start: SamplePosition(1_000), samples: 1_400, reason: GapReason::Overrun }]);
        assert_eq!(samples.len(), 1_500);
        assert!(samples.iter().all(|&(at, sample)| sample == value(at)), "every sample lies where it was recorded");
    }

    #[test]
    fn a_device_whose_clock_drifts_for_two_hours_loses_nothing_and_the_drift_is_told() {
        for drift in [200e-6, -200e-6] {
            let mut intake = Intake::new(Format::new(16_000, 1).unwrap(), ChannelChoice::default(), SamplePosition(0)).unwrap();
            let (pieces, latency_s) = (2 * 3600 * 100, 0.02);
            let (mut heard, mut gaps) = (0, 0);
            for number in 0..pieces {
                let piece = Piece { first_frame: number * 160, frames: 160, at: Instant::now(), after: 0 };
                let due = (number + 1) as f64 / 100.0;
                intake.take(&piece, &[0.0; 160], Some(due * (1.0 + drift) + latency_s), &mut |event| match event {
                    Heard::Audio(position, samples) => {
                        assert_eq!(position.0, heard, "no hole and no overlap");
                        heard += samples.len() as u64;
                    }
                    Heard::Gap(_) => gaps += 1,
                });
            }
            assert_eq!(gaps, 0, "{drift}");
            assert_eq!(heard, 2 * 3600 * 16_000);
            let told = intake.due_offset_s();
            assert!((told - latency_s - 7_200.0 * drift).abs() < 0.02, "drift {drift}: told {told}");
        }
    }

    #[test]
    fn a_gap_at_48_khz_moves_the_position_by_a_third_of_its_frames() {
        let mut intake = Intake::new(Format::new(48_000, 2).unwrap(), ChannelChoice::Mix, SamplePosition(100)).unwrap();
        let (mut heard, mut gaps, mut end) = (0, Vec::new(), 100);
        let mut take = |intake: &mut Intake, first_frame: u64| {
            let piece = Piece { first_frame, frames: 480, at: Instant::now(), after: 0 };
            intake.take(&piece, &[0.1; 960], None, &mut |event| match event {
                Heard::Audio(position, samples) => {
                    assert_eq!(position.0, end, "no hole and no overlap");
                    heard += samples.len() as u64;
                    end += samples.len() as u64;
                }
                Heard::Gap(gap) => {
                    assert_eq!(gap.start.0, end);
                    end += gap.samples;
                    gaps.push(gap.samples);
                }
            });
        };
        take(&mut intake, 0);
        take(&mut intake, 480 + 4_800);
        intake.finish(&mut |event| {
            if let Heard::Audio(_, samples) = event {
                heard += samples.len() as u64;
                end += samples.len() as u64;
            }
        });
        assert_eq!((gaps, heard, end), (vec![1_600], 320, 100 + 320 + 1_600));
    }
}
