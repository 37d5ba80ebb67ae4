//! Time: positions on the sample clock, the clocks a session can run on, and the map between them.
//!
//! In: callback records (how many frames, when). Out: [`SamplePosition`], [`Clock`], and [`ClockMap`], which knows when a
//! sample was due and notices that samples went missing.

use std::ops::{Add, Sub};

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
