//! When an open caption is read anew: where the voice falls, which is where words end, and not more often than it pays.
//!
//! In: the audio of the stream, 10 ms at a time, and what the endpointer knows. Out: whether a reading is due. A pure state machine:
//! no model.

use crate::time::{SamplePosition, samples_in};

/// When readings are due; every figure is a default that can be changed.
#[derive(Clone, Debug, PartialEq)]
pub struct RefreshSettings {
    /// Seconds of new audio between two readings, at least: 0.16. More when reading takes long.
    pub least_s: f64,
    /// Seconds of new audio between two readings while somebody speaks, at most: 0.32.
    pub most_s: f64,
    /// A reading is due when the level has fallen by as many dB from the loudest of the last 0.2 s: 6.
    pub fall_db: f64,
    /// Share of one core that readings may take before they come less often, 0 to 1: 0.6.
    pub share: f64,
}

impl Default for RefreshSettings {
    fn default() -> Self {
        Self { least_s: 0.16, most_s: 0.32, fall_db: 6.0, share: 0.6 }
    }
}

/// However long reading takes, an open caption is read at least this often, seconds.
const WIDEST_S: f64 = 2.0;
/// Samples of a level: 10 ms.
const FRAME: usize = 160;
/// Levels remembered: the loudest of 0.2 s, and 60 ms to be sure of a fall.
const REMEMBERED: usize = 26;
/// A fall counts when it was so long ago, frames: the reader wants to hear what comes after a word.
const SURE_AFTER: usize = 6;
/// Silence is a pause after this long, seconds: the last word is read again, and once more with the whole tail of the segment.
const PAUSE_S: f64 = 0.1;
/// Mean square of what counts as silence, -80 dBFS.
const LEAST_POWER: f32 = 1e-8;

/// The state of one stream.
#[derive(Debug)]
pub struct Schedule {
    settings: RefreshSettings,
    /// Samples after the last speech that belong to the segment.
    tail: u64,
    /// Sum of squares and samples of the frame that is not whole yet, and the mean square of the one before.
    sum: f32,
    samples: usize,
    before: f32,
    /// Levels of the last frames in dB, the latest last.
    levels: [f32; REMEMBERED],
    /// Seconds between readings, at least: what reading takes at its share of a core.
    affordable_s: f64,
    /// No reading was made for the fall that goes on.
    armed: bool,
    /// Readings made since the voice paused.
    in_pause: u8,
}

impl Schedule {
    /// A stream of which nothing was heard; `tail_s` seconds after the last speech belong to the segment.
    pub fn new(settings: RefreshSettings, tail_s: f64) -> Self {
        let levels = [10.0 * LEAST_POWER.log10(); REMEMBERED];
        Self {
            settings,
            tail: samples_in(tail_s),
            sum: 0.0,
            samples: 0,
            before: 0.0,
            levels,
            affordable_s: 0.0,
            armed: true,
            in_pause: 0,
        }
    }

    /// Takes the next samples of the stream.
    pub fn hear(&mut self, samples: &[f32]) {
        for &sample in samples {
            self.sum += sample * sample;
            self.samples += 1;
            if self.samples == FRAME {
                let power = self.sum / FRAME as f32;
                self.levels.rotate_left(1);
                self.levels[REMEMBERED - 1] = 10.0 * ((power + self.before) / 2.0).max(LEAST_POWER).log10();
                (self.before, self.sum, self.samples) = (power, 0.0, 0);
                self.armed |= self.fall_db() < self.settings.fall_db / 2.0;
            }
        }
    }

    /// A segment opens: it is short to read, whatever the last one took.
    pub fn open(&mut self) {
        (self.affordable_s, self.armed, self.in_pause) = (0.0, true, 0);
    }

    /// Whether a reading is due. `read_until` is the end of the audio that was read, `spoken_until` that of the last speech, `now`
    /// that of what there is.
    pub fn is_due(&mut self, now: SamplePosition, read_until: SamplePosition, spoken_until: SamplePosition) -> bool {
        let new = now.since(read_until);
        let at_least = |seconds: f64| new >= samples_in(seconds.max(self.affordable_s));
        let pause = now.since(spoken_until);
        if pause >= samples_in(PAUSE_S) {
            return match self.in_pause {
                0 => at_least(self.settings.least_s / 2.0),
                1 => pause >= self.tail,
                _ => false,
            };
        }
        self.in_pause = 0;
        at_least(self.settings.most_s)
            || (self.armed && self.fall_db() >= self.settings.fall_db && at_least(self.settings.least_s))
    }

    /// A reading was made of the audio before `now`.
    pub fn read(&mut self, now: SamplePosition, spoken_until: SamplePosition) {
        if now.since(spoken_until) >= samples_in(PAUSE_S) {
            self.in_pause = if now.since(spoken_until) >= self.tail { 2 } else { 1 };
        }
        self.armed &= self.fall_db() < self.settings.fall_db;
    }

    /// A reading took so long: readings keep to their share of a core.
    pub fn took(&mut self, seconds: f64) {
        self.affordable_s = (seconds / self.settings.share).min(WIDEST_S);
    }

    /// Seconds between readings at present, at most.
    pub fn interval_s(&self) -> f64 {
        self.settings.most_s.max(self.affordable_s)
    }

    /// How far the level has fallen, and has been for a while, from its loudest of the last 0.2 s.
    fn fall_db(&self) -> f64 {
        let loudest = self.levels[..REMEMBERED - 1].iter().rev().take(20).copied().fold(f32::NEG_INFINITY, f32::max);
        f64::from(loudest - self.levels[REMEMBERED - 1 - SURE_AFTER])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAIL_S: f64 = 0.3;

    fn at(seconds: f64) -> SamplePosition {
        SamplePosition::from_seconds(seconds)
    }

    /// `seconds` of a tone of the given level, alternating so that every frame has the same power.
    fn tone(seconds: f64, dbfs: f32) -> Vec<f32> {
        let amplitude = 10.0_f32.powf(dbfs / 20.0);
        (0..samples_in(seconds)).map(|sample| if sample % 2 == 0 { amplitude } else { -amplitude }).collect()
    }

    /// When readings are made of audio in which somebody speaks until `spoken_until_s`, looked for every 10 ms.
    fn readings(schedule: &mut Schedule, audio: &[f32], spoken_until_s: f64) -> Vec<f64> {
        let (mut made, mut read_until) = (Vec::new(), at(0.0));
        for (block, samples) in audio.chunks(FRAME).enumerate() {
            schedule.hear(samples);
            let now = at(0.01 * (block + 1) as f64);
            let spoken_until = now.min(at(spoken_until_s));
            if schedule.is_due(now, read_until, spoken_until) {
                schedule.read(now, spoken_until);
                read_until = now;
                made.push((now.seconds() * 100.0).round() / 100.0);
            }
        }
        made
    }

    #[test]
    fn a_steady_voice_is_read_at_the_longest_interval() {
        let mut schedule = Schedule::new(RefreshSettings::default(), TAIL_S);
        assert_eq!(readings(&mut schedule, &tone(1.3, -20.0), 1.3), [0.32, 0.64, 0.96, 1.28]);
    }

    #[test]
    fn a_fall_is_read_once_when_it_has_lasted_a_little() {
        let mut schedule = Schedule::new(RefreshSettings::default(), TAIL_S);
        let audio = [tone(0.2, -20.0), tone(0.2, -30.0)].concat();
        assert_eq!(readings(&mut schedule, &audio, 1.0), [0.28], "0.2 s, a frame that half of is loud, 60 ms to be sure");
        let mut shallow = Schedule::new(RefreshSettings::default(), TAIL_S);
        let audio = [tone(0.2, -20.0), tone(0.11, -25.0)].concat();
        assert!(readings(&mut shallow, &audio, 1.0).is_empty(), "5 dB");
    }

    #[test]
    fn a_fall_right_after_a_reading_waits_for_the_shortest_interval() {
        let mut schedule = Schedule::new(RefreshSettings::default(), TAIL_S);
        let audio = [tone(0.31, -20.0), tone(0.2, -30.0)].concat();
        assert_eq!(readings(&mut schedule, &audio, 1.0), [0.32, 0.48], "told at 0.39 s, and the reading before was at 0.32");
    }

    #[test]
    fn a_pause_is_read_twice_and_then_no_more() {
        let mut schedule = Schedule::new(RefreshSettings::default(), TAIL_S);
        let audio = [tone(0.5, -20.0), tone(1.5, -70.0)].concat();
        let made = readings(&mut schedule, &audio, 0.5);
        assert_eq!(made.last(), Some(&0.8), "with the whole tail: {made:?}");
        assert_eq!(made.iter().filter(|at| **at >= 0.6).count(), 2, "{made:?}");
    }

    #[test]
    fn readings_that_take_long_come_less_often() {
        let mut schedule = Schedule::new(RefreshSettings::default(), TAIL_S);
        schedule.took(0.36);
        assert!((schedule.interval_s() - 0.6).abs() < 1e-9);
        assert_eq!(readings(&mut schedule, &tone(1.3, -20.0), 2.0), [0.6, 1.2]);
        schedule.took(100.0);
        assert!((schedule.interval_s() - WIDEST_S).abs() < 1e-9, "but they come");
        schedule.open();
        assert!((schedule.interval_s() - 0.32).abs() < 1e-9, "a segment that begins is short to read");
    }
}
