//! What of a stream a tagger decides on: the `[patch]` section of its manifest, and the rows of one patch.
//!
//! In: the section; rows that were kept. Out: checked numbers; [`Rows`], oldest first, wherever in a ring they lie.

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};

/// No patch is longer: 10 s of 10 ms hops.
const PATCH_FRAMES_LIMIT: usize = 1000;
/// No patch holds more values: a stream keeps one inline. YAMNet's are 96 x 64, the Audio Transformer's 40 x 64.
pub const PATCH_VALUES_LIMIT: usize = 8192;

/// The `[patch]` section of a tagger's manifest.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct PatchShape {
    /// Frames of features in a patch.
    pub(super) frames: usize,
    /// Frames from the start of one to the next.
    pub(super) hop_frames: usize,
}

impl PatchShape {
    /// Checks the section for rows of `width` values.
    ///
    /// # Errors
    /// `Corrupt` naming the field.
    pub(super) fn check(self, width: usize) -> Result<()> {
        let Self { frames, hop_frames } = self;
        if !(1..=PATCH_FRAMES_LIMIT).contains(&frames) {
            return Err(corrupt(format!("frames is {frames}; it must be 1 to {PATCH_FRAMES_LIMIT}")));
        }
        if !(1..=frames).contains(&hop_frames) {
            return Err(corrupt(format!("hop_frames is {hop_frames}; it must be 1 to {frames} (frames)")));
        }
        if frames.saturating_mul(width) > PATCH_VALUES_LIMIT {
            let most = PATCH_VALUES_LIMIT / width.max(1);
            return Err(corrupt(format!("frames is {frames}; with {width} values in each it must be at most {most}")));
        }
        Ok(())
    }
}

fn corrupt(message: String) -> Error {
    Error::new(ErrorKind::Corrupt, format!("[patch]: {message}"))
}

/// The values of a patch, row by row, oldest first: two runs, since a ring may have wrapped between them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rows<'a> {
    /// The first values.
    pub older: &'a [f32],
    /// Those after them.
    pub newer: &'a [f32],
}

impl<'a> Rows<'a> {
    /// How many values there are.
    pub fn len(&self) -> usize {
        self.older.len() + self.newer.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every value, oldest first.
    pub fn values(&self) -> impl Iterator<Item = f32> + 'a {
        self.older.iter().chain(self.newer).copied()
    }
}

impl<'a> From<&'a [f32]> for Rows<'a> {
    fn from(values: &'a [f32]) -> Self {
        Self { older: values, newer: &[] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_that_makes_no_sense_or_is_too_large_is_refused_by_name() {
        let refused = [
            ((0, 1, 64), "frames is 0; it must be 1 to 1000"),
            ((usize::MAX, 1, 64), "it must be 1 to 1000"),
            ((96, 0, 64), "hop_frames is 0; it must be 1 to 96"),
            ((96, 97, 64), "hop_frames is 97; it must be 1 to 96"),
            ((129, 24, 64), "with 64 values in each it must be at most 128"),
            ((2, 1, usize::MAX), "it must be at most 0"),
        ];
        for ((frames, hop_frames, width), says) in refused {
            let error = PatchShape { frames, hop_frames }.check(width).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.message().starts_with("[patch]") && error.message().contains(says), "{error}");
        }
        assert!(PatchShape { frames: 128, hop_frames: 128 }.check(64).is_ok());
    }
}
