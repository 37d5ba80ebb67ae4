//! Windows of a fixed length at absolute positions: window k holds the samples from k x hop on.
//!
//! In: blocks of samples of any size with the position of their first sample. Out: whole windows with their number k.
//! A jump in position drops what had been collected, so no window ever spans a gap. Storage is fixed: nothing allocates.

use heapless::Vec;

use crate::error::{Error, ErrorKind, Result};
use crate::time::SamplePosition;

/// No window is longer: 256 ms at 16 kHz.
pub const WINDOW_LIMIT_SAMPLES: usize = 4096;
/// No hop is longer: 1 s at 16 kHz.
pub const HOP_LIMIT_SAMPLES: usize = 16_000;

/// Cuts a stream into windows.
#[derive(Clone, Debug)]
pub struct Windows {
    window: usize,
    hop: usize,
    /// The samples of window `next` that have come so far.
    partial: Vec<f32, WINDOW_LIMIT_SAMPLES>,
    /// Number of the window that is being collected.
    next: u64,
    /// Samples still to pass over before window `next` starts.
    skip: usize,
    /// Where the next block starts if nothing is missing; `None` before the first.
    expected: Option<SamplePosition>,
}

impl Windows {
    /// Windows of `window` samples, one every `hop` samples. Windows overlap when `hop` is the shorter; when it is the longer,
    /// the samples between them are passed over.
    ///
    /// # Errors
    /// `InvalidInput` unless `window` is 1 to [`WINDOW_LIMIT_SAMPLES`] and `hop` is 1 to [`HOP_LIMIT_SAMPLES`].
    pub fn new(window: usize, hop: usize) -> Result<Self> {
        for (what, value, limit) in [("window", window, WINDOW_LIMIT_SAMPLES), ("hop", hop, HOP_LIMIT_SAMPLES)] {
            if !(1..=limit).contains(&value) {
                let message = format!("{what} is {value} samples; it must be 1 to {limit}");
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
        }
        Ok(Self { window, hop, partial: Vec::new(), next: 0, skip: 0, expected: None })
    }

    /// Takes `samples`, the first at `start`, and calls `on_window` with the number and the samples of every window they complete.
    ///
    /// When `start` is not where the last block ended, the window begun is dropped and the next is the first that starts at
    /// `start` or after. A block without samples changes nothing.
    pub fn push(&mut self, start: SamplePosition, mut samples: &[f32], mut on_window: impl FnMut(u64, &[f32])) {
        if samples.is_empty() {
            return;
        }
        if self.expected != Some(start) {
            self.restart(start);
        }
        self.expected = Some(start + samples.len() as u64);
        while !samples.is_empty() {
            let skipped = self.skip.min(samples.len());
            self.skip -= skipped;
            samples = &samples[skipped..];
            let (taken, rest) = samples.split_at(samples.len().min(self.window - self.partial.len()));
            let fits = self.partial.extend_from_slice(taken);
            debug_assert!(fits.is_ok(), "a window fits its storage");
            samples = rest;
            if self.partial.len() == self.window {
                on_window(self.next, &self.partial);
                self.advance();
            }
        }
    }

    fn advance(&mut self) {
        let kept = self.window.saturating_sub(self.hop);
        self.partial.copy_within(self.window - kept.., 0);
        self.partial.truncate(kept);
        self.skip = self.hop.saturating_sub(self.window);
        self.next = self.next.saturating_add(1);
    }

    fn restart(&mut self, start: SamplePosition) {
        let hop = self.hop as u64;
        self.partial.clear();
        self.next = start.0.div_ceil(hop);
        // Below the hop, hence a usize; and never next x hop, which could be past u64::MAX.
        self.skip = ((hop - start.0 % hop) % hop) as usize;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes samples whose values are their positions, checks that each window is whole, and returns (k, first position).
    fn feed(windows: &mut Windows, start: u64, count: usize, blocks: &[usize]) -> std::vec::Vec<(u64, u64)> {
        let samples: std::vec::Vec<f32> = (start..).take(count).map(|position| position as f32).collect();
        let mut found = std::vec::Vec::new();
        let (mut done, window) = (0, windows.window);
        for block in blocks.iter().cycle().take(2 * count) {
            let end = (done + block).min(count);
            windows.push(SamplePosition(start + done as u64), &samples[done..end], |k, samples| {
                assert_eq!(samples.len(), window);
                assert!(samples.windows(2).all(|pair| pair[1] == pair[0] + 1.0), "window {k} has a hole");
                found.push((k, samples[0] as u64));
            });
            done = end;
        }
        assert_eq!(done, count);
        found
    }

    fn expected(first: u64, count: u64, hop: u64) -> std::vec::Vec<(u64, u64)> {
        (first..first + count).map(|k| (k, k * hop)).collect()
    }

    #[test]
    fn windows_are_the_same_whatever_the_blocks() {
        for blocks in [&[1][..], &[160], &[7, 333, 1], &[5000], &[0, 13]] {
            let mut windows = Windows::new(400, 160).unwrap();
            assert_eq!(feed(&mut windows, 0, 2000, blocks), expected(0, 11, 160), "{blocks:?}");
        }
    }

    #[test]
    fn a_hop_longer_than_the_window_passes_samples_over() {
        for blocks in [&[1][..], &[3], &[64]] {
            let mut windows = Windows::new(4, 10).unwrap();
            assert_eq!(feed(&mut windows, 0, 34, blocks), expected(0, 4, 10), "{blocks:?}");
        }
        let mut windows = Windows::new(10, 10).unwrap();
        assert_eq!(feed(&mut windows, 0, 30, &[7]), expected(0, 3, 10));
    }

    #[test]
    fn a_jump_drops_the_partial_window_and_keeps_to_the_grid() {
        let mut windows = Windows::new(400, 160).unwrap();
        assert_eq!(feed(&mut windows, 0, 600, &[600]).len(), 2);
        // Forwards, off the grid: 1001 is within hop 6, so window 7 at 1120 is the first.
        assert_eq!(feed(&mut windows, 1001, 700, &[50]), expected(7, 2, 160));
        // On the grid.
        assert_eq!(feed(&mut windows, 3200, 400, &[400]), expected(20, 1, 160));
        // Backwards.
        assert_eq!(feed(&mut windows, 160, 400, &[400]), expected(1, 1, 160));
    }

    #[test]
    fn the_end_of_the_sample_clock_neither_panics_nor_hangs() {
        let mut windows = Windows::new(400, 160).unwrap();
        let mut count = 0;
        windows.push(SamplePosition(u64::MAX - 3), &[0.0; 1000], |_, _| count += 1);
        assert!(count > 0);
    }

    #[test]
    fn lengths_out_of_range_are_refused() {
        for (window, hop) in [(0, 160), (400, 0), (WINDOW_LIMIT_SAMPLES + 1, 160), (400, HOP_LIMIT_SAMPLES + 1)] {
            let error = Windows::new(window, hop).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.message().contains("must be 1 to"), "{error}");
        }
        assert!(Windows::new(WINDOW_LIMIT_SAMPLES, HOP_LIMIT_SAMPLES).is_ok());
    }
}
