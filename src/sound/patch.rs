//! Patches of frames at absolute positions: patch starts lie at multiples of the hop, whatever the gaps were.
//!
//! In: frames with their number, each made a row once. Out: whole patches, and at the end a short one padded with silence. The rows
//! of the last frames are kept in a ring of fixed size, inline: nothing grows, and nothing is moved from decision to decision.

use heapless::Deque;

use crate::error::Result;
use crate::model::{PATCH_VALUES_LIMIT, Rows};

/// Collects rows into patches.
#[derive(Clone, Debug)]
pub(super) struct Patches {
    frames: usize,
    hop: usize,
    /// Rows `first` to `first + rows`, value by value; never more than a patch of them.
    values: Deque<f32, PATCH_VALUES_LIMIT>,
    /// Where a row is made.
    row: Vec<f32>,
    rows: usize,
    first: u64,
    /// The frame that comes next if nothing is missing.
    expected: Option<u64>,
    /// Whether a patch was whole since the first frame or the last jump.
    whole: bool,
}

/// One patch: its first frame, how many of its frames are real, and its rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Patch<'a> {
    pub first: u64,
    pub frames: usize,
    pub rows: Rows<'a>,
}

impl Patches {
    /// Patches of `frames` rows of `width` values, one every `hop` frames (1 to `frames`). A tagger's patch has at most
    /// [`PATCH_VALUES_LIMIT`] values; rows that would be more are never whole.
    pub(super) fn new(frames: usize, hop: usize, width: usize) -> Self {
        let (values, row) = (Deque::new(), vec![0.0; width]);
        Self { frames, hop, values, row, rows: 0, first: 0, expected: None, whole: false }
    }

    /// Whether `frame` is not the one that was to come next; the first frame of all is no jump.
    pub(super) fn jumps(&self, frame: u64) -> bool {
        self.expected.is_some_and(|expected| expected != frame)
    }

    /// Takes frame number `frame`, which `embed` makes a row of where it is part of a patch, and returns the patch it completes. After
    /// a jump a new patch is begun, at the first multiple of the hop at `frame` or after.
    ///
    /// # Errors
    /// What `embed` says; the frame is missing then, as if it had never come.
    pub(super) fn push(&mut self, frame: u64, embed: impl FnOnce(&mut [f32]) -> Result<()>) -> Result<Option<Patch<'_>>> {
        let hop = self.hop as u64;
        if self.expected != Some(frame) {
            self.values.clear();
            self.rows = 0;
            self.whole = false;
            self.first = frame.div_ceil(hop).saturating_mul(hop);
        } else if self.rows == self.frames {
            for _ in 0..self.hop * self.row.len() {
                self.values.pop_front();
            }
            self.rows -= self.hop;
            self.first = self.first.saturating_add(hop);
        }
        // Until the row is there, the next frame would be a jump.
        self.expected = Some(frame);
        if frame >= self.first {
            embed(&mut self.row)?;
            for value in &self.row {
                let fits = self.values.push_back(*value);
                debug_assert!(fits.is_ok(), "a patch has at most {PATCH_VALUES_LIMIT} values");
            }
            self.rows += 1;
        }
        self.expected = Some(frame.saturating_add(1));
        let whole = frame >= self.first && self.rows == self.frames;
        self.whole |= whole;
        Ok(whole.then(|| self.patch(self.frames)))
    }

    /// What there is, padded with rows of `silence`, if no patch was ever whole since the first frame or the last jump.
    pub(super) fn pad(&mut self, silence: &[f32]) -> Option<Patch<'_>> {
        if self.whole || self.rows == 0 {
            return None;
        }
        self.whole = true;
        // What comes after the end has nothing to do with it.
        self.expected = None;
        for value in silence.iter().cycle().take((self.frames - self.rows) * self.row.len()) {
            let fits = self.values.push_back(*value);
            debug_assert!(fits.is_ok(), "a patch has at most {PATCH_VALUES_LIMIT} values");
        }
        Some(self.patch(self.rows))
    }

    /// Drops what was collected; the next frame will be taken as if it were the first of all.
    pub(super) fn forget(&mut self) {
        self.values.clear();
        self.rows = 0;
        self.whole = false;
        self.expected = None;
    }

    fn patch(&self, frames: usize) -> Patch<'_> {
        let (older, newer) = self.values.as_slices();
        Patch { first: self.first, frames, rows: Rows { older, newer } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};

    const SILENCE: [f32; 2] = [-13.8, -13.9];

    /// Pushes frames whose rows are their numbers; returns the first frames of the patches.
    fn feed(patches: &mut Patches, frames: std::ops::Range<u64>) -> Vec<u64> {
        let mut found = Vec::new();
        for frame in frames {
            let embed = |row: &mut [f32]| {
                row.copy_from_slice(&[frame as f32, -1.0]);
                Ok(())
            };
            if let Some(patch) = patches.push(frame, embed).unwrap() {
                let expected: Vec<f32> = (patch.first..).take(patch.frames).flat_map(|frame| [frame as f32, -1.0]).collect();
                assert_eq!(patch.rows.values().collect::<Vec<_>>(), expected);
                found.push(patch.first);
            }
        }
        found
    }

    #[test]
    fn patches_start_at_multiples_of_the_hop() {
        let mut patches = Patches::new(4, 3, 2);
        assert_eq!(feed(&mut patches, 0..14), [0, 3, 6, 9]);
        assert!(!patches.jumps(14) && patches.jumps(15) && patches.jumps(0));
        let mut apart = Patches::new(4, 4, 2);
        assert_eq!(feed(&mut apart, 0..12), [0, 4, 8]);
    }

    #[test]
    fn a_jump_restarts_the_patch() {
        let mut patches = Patches::new(4, 3, 2);
        assert_eq!(feed(&mut patches, 0..6), [0]);
        assert_eq!(feed(&mut patches, 7..16), [9, 12]);
        assert_eq!(feed(&mut patches, 3..7), [3]);
    }

    #[test]
    fn only_what_never_made_a_patch_is_padded() {
        let mut patches = Patches::new(4, 3, 2);
        assert_eq!(patches.pad(&SILENCE), None);
        feed(&mut patches, 0..2);
        let short = patches.pad(&SILENCE).unwrap();
        assert_eq!((short.first, short.frames), (0, 2));
        assert_eq!(short.rows.values().collect::<Vec<_>>(), [0.0, -1.0, 1.0, -1.0, -13.8, -13.9, -13.8, -13.9]);
        assert_eq!(patches.pad(&SILENCE), None);
        let mut long = Patches::new(4, 3, 2);
        feed(&mut long, 0..5);
        assert_eq!(long.pad(&SILENCE), None);
        // After a gap there is again something that was never scored.
        feed(&mut long, 9..11);
        assert_eq!(long.pad(&SILENCE).map(|patch| (patch.first, patch.frames)), Some((9, 2)));
    }

    #[test]
    fn what_is_forgotten_is_neither_padded_nor_part_of_a_later_patch() {
        let mut patches = Patches::new(4, 3, 2);
        feed(&mut patches, 0..2);
        patches.forget();
        assert_eq!(patches.pad(&SILENCE), None);
        assert!(!patches.jumps(2) && !patches.jumps(90));
        assert_eq!(feed(&mut patches, 2..8), [3]);
        patches.forget();
        assert_eq!(feed(&mut patches, 90..94), [90]);
    }

    #[test]
    fn the_last_frame_there_can_be_is_taken() {
        let mut patches = Patches::new(4, 3, 2);
        for _ in 0..2 {
            assert_eq!(patches.push(u64::MAX, |_| Ok(())), Ok(None));
        }
    }

    #[test]
    fn a_ring_that_wraps_gives_every_patch_whole_at_every_hop() {
        // 2000 rows of 2 values are told of a ring of 8192 values, which has to wrap.
        for hop in 1..=40 {
            let mut patches = Patches::new(40, hop, 2);
            let firsts = feed(&mut patches, 0..9000);
            assert_eq!(firsts.len(), (9000 - 40) / hop + 1);
            assert!(firsts.iter().enumerate().all(|(number, first)| *first == (number * hop) as u64));
        }
    }

    #[test]
    fn each_frame_of_a_patch_is_embedded_once_and_no_other() {
        let mut patches = Patches::new(4, 2, 1);
        let mut embedded = Vec::new();
        for frame in (1..9).chain(13..19) {
            let taken = patches.push(frame, |_| {
                embedded.push(frame);
                Ok(())
            });
            assert!(taken.is_ok());
        }
        assert_eq!(embedded, [2, 3, 4, 5, 6, 7, 8, 14, 15, 16, 17, 18]);
    }

    #[test]
    fn a_frame_that_cannot_be_embedded_is_a_gap() {
        let mut patches = Patches::new(4, 1, 2);
        assert_eq!(feed(&mut patches, 0..6), [0, 1, 2]);
        let failed = Error::new(ErrorKind::Model, "it failed");
        assert_eq!(patches.push(6, |_| Err(failed.clone())), Err(failed));
        assert!(patches.jumps(7));
        assert_eq!(feed(&mut patches, 7..12), [7, 8]);
    }
}
