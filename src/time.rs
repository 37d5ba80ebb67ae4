//! Time: positions on the sample clock, the clocks a session can run on, and the map between them.
//!
//! In: callback records (how many frames, when). Out: [`SamplePosition`], [`Clock`], and [`ClockMap`], which knows when a
//! sample was due and notices that samples went missing.

use std::ops::{Add, Sub};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Samples a second on the session's sample clock.
pub const SAMPLE_RATE: u32 = 16_000;

/// A position on the session's sample clock: samples at 16 kHz since the first, gaps included. In JSON: seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SamplePosition(pub u64);

impl SamplePosition {
    /// The position in seconds; exact to the sample for 8,900 years.
    pub fn seconds(self) -> f64 {
        self.0 as f64 / f64::from(SAMPLE_RATE)
    }

    /// The position nearest to `seconds`; negative counts as 0.
    pub fn from_seconds(seconds: f64) -> Self {
        Self((seconds * f64::from(SAMPLE_RATE)).round().max(0.0) as u64)
    }

    /// Samples from `earlier` to here; 0 when `earlier` is later.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<u64> for SamplePosition {
    type Output = Self;
    fn add(self, samples: u64) -> Self {
        Self(self.0.saturating_add(samples))
    }
}

impl Sub<u64> for SamplePosition {
    type Output = Self;
    /// Stops at 0: a pre-roll can reach back past the start.
    fn sub(self, samples: u64) -> Self {
        Self(self.0.saturating_sub(samples))
    }
}

impl Serialize for SamplePosition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.seconds())
    }
}

impl<'de> Deserialize<'de> for SamplePosition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(Self::from_seconds)
    }
}

/// Samples at 16 kHz in `seconds`, rounded.
pub fn samples_in(seconds: f64) -> u64 {
    SamplePosition::from_seconds(seconds).0
}

/// The clock that `emitted` is read from.
///
/// Real: seconds on the monotonic clock since zero, which is when the first sample was due. Virtual: seconds of audio pushed, so
/// that the same audio always gives the same times. Simulated: seconds that whoever simulates says it is. Clones share one clock.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    Real {
        zero: OnceLock<Instant>,
    },
    Virtual {
        samples: AtomicU64,
    },
    /// f64 bits.
    Simulated {
        seconds: AtomicU64,
    },
}

impl Clock {
    /// A clock that runs by itself.
    pub fn real() -> Self {
        Self(Arc::new(Kind::Real { zero: OnceLock::new() }))
    }

    /// A clock that the audio moves.
    pub fn of_audio() -> Self {
        Self(Arc::new(Kind::Virtual { samples: AtomicU64::new(0) }))
    }

    /// A clock that stands where it was [set](Self::set).
    pub fn simulated() -> Self {
        Self(Arc::new(Kind::Simulated { seconds: AtomicU64::new(0.0_f64.to_bits()) }))
    }

    /// Sets a simulated clock, forward or back. The others ignore it.
    pub fn set(&self, now_s: f64) {
        if let Kind::Simulated { seconds } = &*self.0 {
            seconds.store(now_s.to_bits(), Ordering::Relaxed);
        }
    }

    /// Says when the first sample was due. The first call counts; a virtual clock ignores it.
    pub fn start(&self, first_sample_due: Instant) {
        if let Kind::Real { zero, .. } = &*self.0 {
            zero.get_or_init(|| first_sample_due);
        }
    }

    /// Moves a virtual clock to `position`, never back. A real one ignores it.
    pub fn advance(&self, position: SamplePosition) {
        if let Kind::Virtual { samples } = &*self.0 {
            samples.fetch_max(position.0, Ordering::Relaxed);
        }
    }

    /// Seconds since zero; 0 as long as no sample was due.
    pub fn now(&self) -> f64 {
        match &*self.0 {
            Kind::Real { .. } => self.at(Instant::now()),
            Kind::Virtual { samples } => SamplePosition(samples.load(Ordering::Relaxed)).seconds(),
            Kind::Simulated { seconds } => f64::from_bits(seconds.load(Ordering::Relaxed)),
        }
    }

    /// Seconds from zero to `instant`, negative before it; 0 as long as no sample was due. A clock that does not run by itself says its present time.
    pub fn at(&self, instant: Instant) -> f64 {
        match &*self.0 {
            Kind::Real { zero } => {
                let Some(zero) = zero.get() else { return 0.0 };
                let before = zero.saturating_duration_since(instant);
                instant.saturating_duration_since(*zero).as_secs_f64() - before.as_secs_f64()
            }
            Kind::Virtual { .. } | Kind::Simulated { .. } => self.now(),
        }
    }

    /// Whether the clock runs by itself.
    pub fn is_real(&self) -> bool {
        matches!(&*self.0, Kind::Real { .. })
    }
}

/// What some work took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// Seconds by the monotonic clock.
    pub wall_s: f64,
    /// Seconds of the processor that the calling thread used; what its helpers used is not in it.
    pub thread_s: f64,
}

impl Add for Spent {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { wall_s: self.wall_s + other.wall_s, thread_s: self.thread_s + other.thread_s }
    }
}

impl Sub for Spent {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self { wall_s: self.wall_s - other.wall_s, thread_s: self.thread_s - other.thread_s }
    }
}

/// Measures what work on this thread takes.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    wall: Instant,
    thread_s: f64,
}

impl Stopwatch {
    /// Starts to measure.
    pub fn start() -> Self {
        Self { wall: Instant::now(), thread_s: thread_seconds() }
    }

    /// What was spent since the start.
    pub fn spent(&self) -> Spent {
        Spent { wall_s: self.wall.elapsed().as_secs_f64(), thread_s: thread_seconds() - self.thread_s }
    }

    /// What was spent since the start, and starts anew.
    pub fn lap(&mut self) -> Spent {
        let spent = self.spent();
        *self = Self::start();
        spent
    }
}

/// Processor seconds that this thread has used.
fn thread_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// A deficit of samples below this is jitter of the device, seconds.
const JITTER_S: f64 = 0.25;
/// A deficit must last this long, seconds: a device that stalled may deliver what it held back in a burst.
const BURST_S: f64 = 0.5;
/// While what was held back comes in, a deficit shrinks by more than this, seconds, and nothing is missing yet.
const CATCHING_UP_S: f64 = 0.05;
/// A device cannot be early. What looks so is a first record that came late, or a program that pushes ahead of time: it counts up
/// to what is jitter, so that being in step again afterwards is no gap. Only a clock that is faster than ours becomes early little
/// by little, and is followed.
const EARLIEST_S: f64 = -JITTER_S;
/// Quartz crystals differ by up to about 100 parts in a million; devices' rates by a few times that.
const DRIFT: f64 = 500e-6;

/// The map from the device's frames to the monotonic clock, fitted from the records of its callback.
///
/// A record is late by as much as it arrived after its last frame was due. The least lateness is the device's own latency; it may
/// drift up by 500 parts in a million, since a device's clock is not ours. Lateness above that for half a second means frames
/// that never came.
#[derive(Clone, Debug)]
pub struct ClockMap {
    rate_hz: f64,
    /// The device's latency: seconds from when a frame was due to when its record arrived.
    latency: Option<Latency>,
    late: Option<Late>,
    /// The least lateness that counts, seconds.
    earliest: f64,
}

#[derive(Clone, Copy, Debug)]
struct Latency {
    seconds: f64,
    at: f64,
}

#[derive(Clone, Copy, Debug)]
struct Late {
    since: f64,
    least: f64,
}

impl ClockMap {
    /// A map for a device of `rate_hz` frames a second, of which nothing was heard yet.
    pub fn new(rate_hz: u32) -> Self {
        Self { rate_hz: f64::from(rate_hz), latency: None, late: None, earliest: EARLIEST_S }
    }

    /// Seconds on the monotonic clock when `frame` was due, by the records so far; without any, on the nominal rate.
    pub fn due(&self, frame: u64) -> f64 {
        frame as f64 / self.rate_hz + self.latency.map_or(0.0, |latency| latency.seconds)
    }

    /// Takes a record that ended before `end_frame` (frames known to be missing included) and arrived at `at` seconds. Returns
    /// the frames that turn out to be missing before it; count them in from then on.
    pub fn observe(&mut self, end_frame: u64, at: f64) -> Option<u64> {
        let lateness = at - end_frame as f64 / self.rate_hz;
        let Some(latency) = &mut self.latency else {
            self.latency = Some(Latency { seconds: lateness.max(self.earliest), at });
            return None;
        };
        let drift = DRIFT * (at - latency.at).max(0.0);
        if (self.earliest - JITTER_S..self.earliest).contains(&lateness) {
            self.earliest = lateness.max(self.earliest - drift);
        }
        let lateness = lateness.max(self.earliest);
        let drifted = latency.seconds + drift;
        *latency = Latency { seconds: lateness.min(drifted), at };
        let deficit = lateness - latency.seconds;
        if deficit <= JITTER_S {
            self.late = None;
            return None;
        }
        let late = self.late.get_or_insert(Late { since: at, least: deficit });
        if deficit < late.least - CATCHING_UP_S {
            *late = Late { since: at, least: deficit };
        }
        let least = late.least.min(deficit);
        if at - late.since < BURST_S {
            return None;
        }
        let missing = (least * self.rate_hz).round() as u64;
        self.late = None;
        Some(missing)
    }
}

/// The time now in UTC: `2026-11-22T11:40:05Z`.
pub fn now_utc() -> String {
    utc(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

/// Seconds since 1970 as a date (Hinnant, "chrono-compatible low-level date algorithms").
fn utc(seconds: u64) -> String {
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends 10 ms records from `from` to `until` seconds of device time, counts in what is missing as soon as it is found, and
    /// returns (time, frames) of every gap.
    fn run(map: &mut ClockMap, from: f64, until: f64, arrival: impl Fn(f64) -> f64) -> Vec<(f64, u64)> {
        let records = ((until - from) * 100.0).round() as u64;
        let first = (from * 100.0).round() as u64;
        let mut missing = 0;
        (1..=records)
            .filter_map(|record| {
                let end = (first + record) * 160;
                let at = arrival(end as f64 / 16_000.0);
                map.observe(end + missing, at).map(|frames| {
                    missing += frames;
                    (at, frames)
                })
            })
            .collect()
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_795_346_405), "2026-11-22T11:20:05Z");
    }

    #[test]
    #[cfg_attr(miri, ignore = "hours of records, which are arithmetic and take Miri as long")]
    fn jitter_drift_and_bursts_are_no_gaps() {
        let mut map = ClockMap::new(16_000);
        let jitter = |due: f64| due * (1.0 + 200e-6) + 0.01 + 0.1 * (due * 977.0).sin().abs();
        assert_eq!(run(&mut map, 0.0, 7_200.0, jitter), [], "two hours, 200 ppm slow");
        let mut map = ClockMap::new(16_000);
        let fast = |due: f64| due * (1.0 - 200e-6) + 0.01;
        assert_eq!(run(&mut map, 0.0, 7_200.0, fast), [], "two hours, 200 ppm fast");
        let mut map = ClockMap::new(16_000);
        let stall = |due: f64| if (3.0..4.0).contains(&due) { 4.0 } else { due };
        assert_eq!(run(&mut map, 0.0, 10.0, stall), [], "held back for a second, then delivered");
        let mut map = ClockMap::new(16_000);
        let slow_burst = |due: f64| if (3.0..5.0).contains(&due) { 4.0 + (due - 3.0) / 2.0 } else { due };
        assert_eq!(run(&mut map, 0.0, 10.0, slow_burst), [], "held back, then delivered at twice the speed");
        let mut map = ClockMap::new(16_000);
        let ahead = |due: f64| if due < 60.0 { 0.0 } else { due };
        assert_eq!(run(&mut map, 0.0, 90.0, ahead), [], "a minute pushed at once, then in step");
    }

    #[test]
    fn samples_that_never_came_are_found_once() {
        let mut map = ClockMap::new(16_000);
        assert_eq!(run(&mut map, 0.0, 3.0, |due| due + 0.02), []);
        let gaps = run(&mut map, 3.0, 9.0, |due| due + 1.02);
        let [(at, frames)] = gaps[..] else { panic!("{gaps:?}") };
        assert!(at < 4.6, "{at}");
        assert!(frames.abs_diff(16_000) < 32, "{frames}");
    }

    #[test]
    fn positions_are_seconds_in_json_to_the_sample() {
        for position in [0, 1, 15_999, 16_000 * 3600 * 24 * 365 + 7] {
            let json = serde_json::to_string(&SamplePosition(position)).unwrap();
            assert_eq!(serde_json::from_str::<SamplePosition>(&json).unwrap(), SamplePosition(position));
        }
        assert_eq!(serde_json::to_string(&SamplePosition(24_000)).unwrap(), "1.5");
        assert_eq!(SamplePosition(3) - 5, SamplePosition(0));
    }

    #[test]
    fn a_virtual_clock_moves_with_the_audio_and_never_back() {
        let clock = Clock::of_audio();
        clock.advance(SamplePosition(32_000));
        clock.advance(SamplePosition(16_000));
        assert!((clock.now() - 2.0).abs() < 1e-12 && !clock.is_real());
    }
}
