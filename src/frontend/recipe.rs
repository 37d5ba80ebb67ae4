//! How a model wants its features: read from the `[recipe]` table of its manifest.

use serde::Deserialize;

/// A log-mel front end. Everything that decides a value of the feature is named here.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Recipe {
    /// Samples in a window.
    pub window: usize,
    /// Samples from one window to the next.
    pub hop: usize,
    /// Points of the FFT; a window is padded with zeros up to it.
    pub n_fft: usize,
    /// Whether windows are centred on k x hop (with padding) instead of starting there.
    pub centred: bool,
    /// The window function.
    pub window_function: WindowFunction,
    /// What of the spectrum the mel filters sum.
    pub spectrum: Spectrum,
    /// Mel bands.
    pub mels: usize,
    /// The mel scale.
    pub mel_scale: MelScale,
    /// Lower edge of the lowest band, Hz.
    pub f_min_hz: f32,
    /// Upper edge of the highest band, Hz.
    pub f_max_hz: f32,
    /// Added before the natural logarithm.
    pub log_offset: f32,
}

impl Recipe {
    /// The recipe in which alarms are recognised by their rhythm, whatever a tagger's own features are: YAMNet's.
    pub const ALARMS: Self = Self {
        window: 400,
        hop: 160,
        n_fft: 512,
        centred: false,
        window_function: WindowFunction::HannPeriodic,
        spectrum: Spectrum::Magnitude,
        mels: 64,
        mel_scale: MelScale::Htk,
        f_min_hz: 125.0,
        f_max_hz: 7500.0,
        log_offset: 1e-6,
    };
}

/// A window function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WindowFunction {
    /// 0.5 - 0.5 cos(2 pi n / N), n from 0 to N-1.
    HannPeriodic,
}

/// What of the spectrum the mel filters sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spectrum {
    /// Magnitude of each bin.
    Magnitude,
}

/// A mel scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MelScale {
    /// 1127 ln(1 + f / 700).
    Htk,
}

/// The recipe of `models/yamnet/model.toml`, for tests.
#[cfg(test)]
pub(crate) fn yamnet() -> Recipe {
    #[derive(Deserialize)]
    struct Manifest {
        recipe: Recipe,
    }
    let manifest: Manifest = toml::from_str(include_str!("../../models/yamnet/model.toml")).expect("the manifest of YAMNet");
    manifest.recipe
}

#[test]
fn alarms_are_recognised_in_frames_of_yamnet() {
    assert_eq!(Recipe::ALARMS, yamnet());
}
