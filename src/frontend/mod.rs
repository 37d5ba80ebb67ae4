//! Windows and features, computed once a hop without allocating.
//!
//! In: blocks of samples at 16 kHz with their position, and the recipe a model wants. Out: frames of log-mel with their number.

pub mod mel;
pub mod recipe;
pub mod window;

use heapless::Vec;

use crate::error::Result;
use crate::time::SamplePosition;
use mel::{LogMel, MEL_LIMIT};
use recipe::Recipe;
use window::Windows;

/// From samples to frames of one recipe. Frame k is of the samples from k x hop on, whatever the blocks and the gaps were.
#[derive(Debug)]
pub struct FrontEnd {
    windows: Windows,
    log_mel: LogMel,
    frame: Vec<f32, MEL_LIMIT>,
}

impl FrontEnd {
    /// Prepares `recipe`. Everything the front end will ever need is allocated here.
    ///
    /// # Errors
    /// `InvalidInput` naming the field that is out of its range; `Unsupported` for a recipe this build cannot compute.
    pub fn new(recipe: &Recipe) -> Result<Self> {
        let log_mel = LogMel::new(recipe)?;
        let windows = Windows::new(recipe.window, recipe.hop).map_err(|error| error.within("recipe"))?;
        let mut frame = Vec::new();
        let fits = frame.resize(log_mel.mels(), 0.0);
        debug_assert!(fits.is_ok(), "a recipe has at most {MEL_LIMIT} bands");
        Ok(Self { windows, log_mel, frame })
    }

    /// Takes `samples` in [-1, 1], the first at `start`, and calls `on_frame` with the number k and the log-mel of every frame
    /// they complete.
    ///
    /// When `start` is not where the last block ended, no frame spans the gap: the next is the first that starts after it.
    pub fn push(&mut self, start: SamplePosition, samples: &[f32], on_frame: &mut dyn FnMut(u64, &[f32])) {
        let Self { windows, log_mel, frame } = self;
        windows.push(start, samples, |k, window| {
            log_mel.compute(window, frame);
            on_frame(k, frame);
        });
    }
}
