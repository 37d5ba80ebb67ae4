//! Patches of frames at absolute positions: patch starts lie at multiples of the hop, whatever the gaps were.
//!
//! In: frames with their number. Out: whole patches, and at the end a short one padded with silence. Storage is fixed.

/// Collects frames into patches.
#[derive(Clone, Debug)]
pub(super) struct Patches {
    frames: usize,
    hop: usize,
    width: usize,
    /// Frames `first` to `first + rows`, row by row; room for one patch.
    values: Vec<f32>,
    rows: usize,
    first: u64,
    /// The frame that comes next if nothing is missing.
    expected: Option<u64>,
    /// Whether a patch was whole since the first frame or the last jump.
    whole: bool,
}

/// One patch: its first frame, how many of its frames are real, and its values row by row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Patch<'a> {
    pub first: u64,
    pub frames: usize,
    pub values: &'a [f32],
}

impl Patches {
    /// Patches of `frames` frames of `width` values, one every `hop` frames (1 to `frames`).
    pub(super) fn new(frames: usize, hop: usize, width: usize) -> Self {
        Self { frames, hop, width, values: vec![0.0; frames * width], rows: 0, first: 0, expected: None, whole: false }
    }

    /// Whether `frame` is not the one that was to come next; the first frame of all is no jump.
    pub(super) fn jumps(&self, frame: u64) -> bool {
        self.expected.is_some_and(|expected| expected != frame)
    }

    /// Takes frame number `frame` and returns the patch it completes. After a jump a new patch is begun, at the first multiple
    /// of the hop at `frame` or after.
    pub(super) fn push(&mut self, frame: u64, values: &[f32]) -> Option<Patch<'_>> {
        let hop = self.hop as u64;
        if self.expected != Some(frame) {
            self.rows = 0;
            self.whole = false;
            self.first = frame.div_ceil(hop).saturating_mul(hop);
        } else if self.rows == self.frames {
            self.values.copy_within(self.hop * self.width.., 0);
            self.rows -= self.hop;
            self.first = self.first.saturating_add(hop);
        }
        self.expected = Some(frame.saturating_add(1));
        if frame < self.first {
            return None;
        }
        self.values[self.rows * self.width..][..self.width].copy_from_slice(values);
        self.rows += 1;
        self.whole |= self.rows == self.frames;
        (self.rows == self.frames).then_some(Patch { first: self.first, frames: self.frames, values: &self.values })
    }

    /// What there is, padded with frames of `silence`, if no patch was ever whole since the first frame or the last jump.
    pub(super) fn pad(&mut self, silence: f32) -> Option<Patch<'_>> {
        if self.whole || self.rows == 0 {
            return None;
        }
        self.whole = true;
        self.values[self.rows * self.width..].fill(silence);
        Some(Patch { first: self.first, frames: self.rows, values: &self.values })
    }

    /// Drops what was collected; the next frame will be taken as if it were the first of all.
    pub(super) fn forget(&mut self) {
        self.rows = 0;
        self.whole = false;
        self.expected = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes frames whose values are their numbers; returns the first frames of the patches.
    fn feed(patches: &mut Patches, frames: std::ops::Range<u64>) -> Vec<u64> {
        let mut found = Vec::new();
        for frame in frames {
            if let Some(patch) = patches.push(frame, &[frame as f32, -1.0]) {
                let expected: Vec<f32> = (patch.first..).take(patch.frames).flat_map(|frame| [frame as f32, -1.0]).collect();
                assert_eq!(patch.values, expected);
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
        assert_eq!(patches.pad(-13.8), None);
        feed(&mut patches, 0..2);
        let short = patches.pad(-13.8).unwrap();
        assert_eq!((short.first, short.frames), (0, 2));
        assert_eq!(short.values, [0.0, -1.0, 1.0, -1.0, -13.8, -13.8, -13.8, -13.8]);
        assert_eq!(patches.pad(-13.8), None);
        let mut long = Patches::new(4, 3, 2);
        feed(&mut long, 0..5);
        assert_eq!(long.pad(-13.8), None);
        // After a gap there is again something that was never scored.
        feed(&mut long, 9..11);
        assert_eq!(long.pad(-13.8).map(|patch| (patch.first, patch.frames)), Some((9, 2)));
    }

    #[test]
    fn what_is_forgotten_is_neither_padded_nor_part_of_a_later_patch() {
        let mut patches = Patches::new(4, 3, 2);
        feed(&mut patches, 0..2);
        patches.forget();
        assert_eq!(patches.pad(-13.8), None);
        assert!(!patches.jumps(2) && !patches.jumps(90));
        assert_eq!(feed(&mut patches, 2..8), [3]);
        patches.forget();
        assert_eq!(feed(&mut patches, 90..94), [90]);
    }

    #[test]
    fn the_last_frame_there_can_be_is_taken() {
        let mut patches = Patches::new(4, 3, 2);
        patches.push(u64::MAX, &[0.0, 0.0]);
        patches.push(u64::MAX, &[0.0, 0.0]);
    }
}
