//! Windows and features, computed once a hop without allocating.
//!
//! In: blocks of samples at 16 kHz with their position, and the [`Features`] a model wants. Out: frames of log-mel, or of the samples
//! as they are, with their number.

pub mod bands;
pub mod mel;
pub mod recipe;
pub mod window;

use heapless::Vec;

use crate::error::Result;
use crate::time::SamplePosition;
use mel::{LogMel, MEL_LIMIT};
use recipe::Recipe;
use window::Windows;

/// What a model is given of the samples, frame by frame. Frame k is of the samples from k x hop on.
#[derive(Clone, Debug, PartialEq)]
pub enum Features {
    /// Log-mel, one value a band.
    LogMel(Recipe),
    /// The samples themselves, in windows that follow one another: the hop is the window.
    Samples {
        /// Samples in a window.
        window: usize,
    },
}

impl Features {
    /// Samples in a frame.
    pub fn window(&self) -> usize {
        match self {
            Self::LogMel(recipe) => recipe.window,
            Self::Samples { window } => *window,
        }
    }

    /// Samples from the start of one frame to the next.
    pub fn hop(&self) -> usize {
        match self {
            Self::LogMel(recipe) => recipe.hop,
            Self::Samples { window } => *window,
        }
    }

    /// Values in a frame.
    pub fn width(&self) -> usize {
        match self {
            Self::LogMel(recipe) => recipe.mels,
            Self::Samples { window } => *window,
        }
    }
}

/// From samples to frames. Frame k is of the samples from k x hop on, whatever the blocks and the gaps were.
#[derive(Clone, Debug)]
pub struct FrontEnd {
    windows: Windows,
    width: usize,
    hop: usize,
    /// None where a frame is the window as it is.
    log_mel: Option<Transform>,
}

/// Log-mel, and the place of a frame of it.
#[derive(Clone, Debug)]
struct Transform {
    log_mel: LogMel,
    frame: Vec<f32, MEL_LIMIT>,
}

impl FrontEnd {
    /// Prepares `features`. Everything the front end will ever need is allocated here.
    ///
    /// # Errors
    /// `InvalidInput` naming the field that is out of its range; `Unsupported` for a recipe this build cannot compute.
    pub fn new(features: &Features) -> Result<Self> {
        match features {
            Features::LogMel(recipe) => Self::log_mel(recipe),
            Features::Samples { window } => {
                Ok(Self { windows: Windows::new(*window, *window)?, width: *window, hop: *window, log_mel: None })
            }
        }
    }

    /// Prepares log-mel of `recipe`.
    ///
    /// # Errors
    /// Those of [`FrontEnd::new`].
    pub fn log_mel(recipe: &Recipe) -> Result<Self> {
        let log_mel = LogMel::new(recipe)?;
        let windows = Windows::new(recipe.window, recipe.hop).map_err(|error| error.within("recipe"))?;
        let mut frame = Vec::new();
        let fits = frame.resize(log_mel.mels(), 0.0);
        debug_assert!(fits.is_ok(), "a recipe has at most {MEL_LIMIT} bands");
        Ok(Self { windows, width: recipe.mels, hop: recipe.hop, log_mel: Some(Transform { log_mel, frame }) })
    }

    /// Values in a frame.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Samples from the start of one frame to the next.
    pub fn hop(&self) -> usize {
        self.hop
    }

    /// Takes `samples` in [-1, 1], the first at `start`, and calls `on_frame` with the number k and the values of every frame
    /// they complete.
    ///
    /// When `start` is not where the last block ended, no frame spans the gap: the next is the first that starts after it.
    pub fn push(&mut self, start: SamplePosition, samples: &[f32], on_frame: &mut dyn FnMut(u64, &[f32])) {
        let Self { windows, log_mel, .. } = self;
        windows.push(start, samples, |k, window| match log_mel {
            Some(Transform { log_mel, frame }) => {
                log_mel.compute(window, frame);
                on_frame(k, frame);
            }
            None => on_frame(k, window),
        });
    }
}
