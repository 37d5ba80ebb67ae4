//! Figures that a display reads at any moment without waiting for an event, and what the system says about the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::audio::pcm::SILENCE_DBFS;
use crate::time::{Clock, SamplePosition};

/// The level and the lag of a session, now. Clones share the figures.
#[derive(Clone, Debug)]
pub struct Meter(Arc<Figures>);

#[derive(Debug)]
struct Figures {
    clock: Clock,
    /// f32 bits.
    level_dbfs: AtomicU32,
    heard: AtomicU64,
    processed: AtomicU64,
    dropped: AtomicU64,
    /// f64 bits: seconds by which samples are due later than their position says, as the device's clock drifts.
    due_offset_s: AtomicU64,
    /// f64 bits.
    refresh_s: AtomicU64,
}

impl Meter {
    pub(super) fn new(clock: Clock, refresh_s: f64) -> Self {
        Self(Arc::new(Figures {
            clock,
            level_dbfs: AtomicU32::new(SILENCE_DBFS.to_bits()),
            heard: AtomicU64::new(0),
            processed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            due_offset_s: AtomicU64::new(0),
            refresh_s: AtomicU64::new(refresh_s.to_bits()),
        }))
    }

    /// Level of the last tenth of a second, dB relative to a full-scale square wave; -120 is silence.
    pub fn level_dbfs(&self) -> f32 {
        f32::from_bits(self.0.level_dbfs.load(Ordering::Relaxed))
    }

    /// Position on the sample clock, gaps included.
    pub fn position(&self) -> SamplePosition {
        SamplePosition(self.0.heard.load(Ordering::Relaxed))
    }

    /// Seconds between when the newest sample that speech has processed was due and now; 0 on a virtual clock.
    pub fn lag_s(&self) -> f64 {
        if !self.0.clock.is_real() {
            return 0.0;
        }
        (self.0.clock.now() - self.due_s(SamplePosition(self.0.processed.load(Ordering::Relaxed)))).max(0.0)
    }

    /// When the sample before `position` was due, seconds on the session's clock.
    pub(super) fn due_s(&self, position: SamplePosition) -> f64 {
        position.seconds() + f64::from_bits(self.0.due_offset_s.load(Ordering::Relaxed))
    }

    /// Samples at 16 kHz lost so far, in every gap but pauses.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Seconds between refreshes of an open caption at present.
    pub fn refresh_s(&self) -> f64 {
        f64::from_bits(self.0.refresh_s.load(Ordering::Relaxed))
    }

    pub(super) fn set_level_dbfs(&self, level: f32) {
        self.0.level_dbfs.store(level.to_bits(), Ordering::Relaxed);
    }

    pub(super) fn set_position(&self, position: SamplePosition) {
        self.0.heard.store(position.0, Ordering::Relaxed);
    }

    pub(super) fn set_processed(&self, position: SamplePosition) {
        self.0.processed.store(position.0, Ordering::Relaxed);
    }

    pub(super) fn set_due_offset_s(&self, seconds: f64) {
        self.0.due_offset_s.store(seconds.to_bits(), Ordering::Relaxed);
    }

    pub(super) fn set_refresh_s(&self, seconds: f64) {
        self.0.refresh_s.store(seconds.to_bits(), Ordering::Relaxed);
    }

    pub(super) fn add_dropped(&self, samples: u64) {
        self.0.dropped.fetch_add(samples, Ordering::Relaxed);
    }
}

/// Processor seconds and resident MiB of this process, where /proc tells.
pub(super) fn process() -> (Option<f64>, Option<f64>) {
    let stat = std::fs::read_to_string("/proc/self/stat").ok();
    // Fields 14 and 15 in clock ticks, counted after the program's name, which may hold spaces; Linux has 100 ticks a second.
    let ticks = stat.as_deref().and_then(|stat| {
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
    });
    let status = std::fs::read_to_string("/proc/self/status").ok();
    let resident_kib = status.as_deref().and_then(|status| {
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    });
    (ticks.map(|ticks| ticks as f64 / 100.0), resident_kib.map(|kib| kib / 1024.0))
}
