//! Log-mel of one window: mel bands, natural logarithm.
//!
//! In: a [`Recipe`] once, then windows of samples in [-1, 1]. Out: one value a mel band. All buffers are made with the recipe;
//! a window allocates nothing.

use super::bands::Bands;
use super::recipe::Recipe;
use super::window::WINDOW_LIMIT_SAMPLES;
use crate::error::{Error, ErrorKind, Result};
use crate::time::SAMPLE_RATE;

/// No FFT has more points.
pub const FFT_LIMIT: usize = 8192;
/// No recipe has more mel bands.
pub const MEL_LIMIT: usize = 512;

/// Computes log-mel, window by window.
#[derive(Clone, Debug)]
pub struct LogMel {
    bands: Bands,
    log_offset: f64,
}

impl LogMel {
    /// Prepares `recipe` for sound at 16 kHz.
    ///
    /// # Errors
    /// `InvalidInput` naming the field that is out of its range; `Unsupported` when windows are to be centred.
    pub fn new(recipe: &Recipe) -> Result<Self> {
        check(recipe)?;
        Ok(Self { bands: Bands::new(recipe), log_offset: f64::from(recipe.log_offset) })
    }

    /// Samples in a window.
    pub fn window(&self) -> usize {
        self.bands.window()
    }

    /// Mel bands, low to high.
    pub fn mels(&self) -> usize {
        self.bands.count()
    }

    /// Log-mel of `window`, one value a band in `out`: ln(sum of weight x magnitude + offset). Samples that are not finite
    /// make values that are not.
    ///
    /// # Panics
    /// When `window` is not [`Self::window`] samples long or `out` has not [`Self::mels`] places.
    pub fn compute(&mut self, window: &[f32], out: &mut [f32]) {
        assert_eq!(out.len(), self.mels(), "places for mel bands");
        for (place, sum) in out.iter_mut().zip(self.bands.sums(window)) {
            *place = (sum + self.log_offset).ln() as f32;
        }
    }
}

fn check(recipe: &Recipe) -> Result<()> {
    let nyquist = SAMPLE_RATE as f32 / 2.0;
    let Recipe { window, n_fft, mels, f_min_hz, f_max_hz, log_offset, .. } = *recipe;
    let wrong = |message: String| Err(Error::new(ErrorKind::InvalidInput, format!("recipe: {message}")));
    if recipe.centred {
        let message = "recipe: centred is true; this build cuts windows that start at k x hop only";
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    if !(1..=WINDOW_LIMIT_SAMPLES).contains(&window) {
        return wrong(format!("window is {window} samples; it must be 1 to {WINDOW_LIMIT_SAMPLES}"));
    }
    if !(window..=FFT_LIMIT).contains(&n_fft) {
        return wrong(format!("n_fft is {n_fft}; it must be {window} (the window) to {FFT_LIMIT}"));
    }
    if !(1..=MEL_LIMIT).contains(&mels) {
        return wrong(format!("mels is {mels}; it must be 1 to {MEL_LIMIT}"));
    }
    // Written so that NaN is refused too.
    if !(0.0 <= f_min_hz && f_min_hz < f_max_hz && f_max_hz <= nyquist) {
        return wrong(format!("f_min_hz is {f_min_hz} and f_max_hz {f_max_hz}; they must rise within 0 to {nyquist}"));
    }
    if !(log_offset > 0.0 && log_offset.is_finite()) {
        return wrong(format!("log_offset is {log_offset}; it must be above 0, or silence has no logarithm"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::recipe::yamnet;

    #[test]
    fn recipes_that_make_no_sense_are_refused_by_field() {
        type Spoil = fn(&mut Recipe);
        let wrong: [(&str, Spoil); 12] = [
            ("window", |recipe| recipe.window = 0),
            ("window", |recipe| recipe.window = usize::MAX),
            ("n_fft", |recipe| recipe.n_fft = 256),
            ("n_fft", |recipe| recipe.n_fft = usize::MAX),
            ("mels", |recipe| recipe.mels = 0),
            ("mels", |recipe| recipe.mels = usize::MAX),
            ("f_min_hz", |recipe| recipe.f_min_hz = -1.0),
            ("f_min_hz", |recipe| recipe.f_min_hz = f32::NAN),
            ("f_max_hz", |recipe| recipe.f_max_hz = 8000.1),
            ("f_max_hz", |recipe| recipe.f_max_hz = 100.0),
            ("log_offset", |recipe| recipe.log_offset = 0.0),
            ("log_offset", |recipe| recipe.log_offset = f32::INFINITY),
        ];
        for (field, spoil) in wrong {
            let mut recipe = yamnet();
            spoil(&mut recipe);
            let error = LogMel::new(&recipe).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.message().contains(field), "{error}");
        }
        let error = LogMel::new(&Recipe { centred: true, ..yamnet() }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn odd_transforms_and_bands_without_a_bin_still_give_finite_values() {
        let mut log_mel = LogMel::new(&Recipe { n_fft: 401, mels: 512, f_min_hz: 0.0, f_max_hz: 8000.0, ..yamnet() }).unwrap();
        let mut out = [0.0; 512];
        log_mel.compute(&[0.5; 400], &mut out);
        assert!(out.iter().all(|value| value.is_finite()));
    }
}
