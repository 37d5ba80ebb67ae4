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
    /// Its square.
    Power,
}

/// A mel scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MelScale {
    /// 1127 ln(1 + f / 700); triangles of it are straight in mel and have peaks of 1.
    Htk,
    /// Linear to 1 kHz, which is mel 15, and logarithmic above (Slaney's Auditory Toolbox); triangles of it are straight in hertz and
    /// have an area of 1.
    Slaney,
}

impl MelScale {
    /// Of Slaney's scale where it is linear.
    const HZ_A_MEL: f64 = 200.0 / 3.0;
    /// Where it becomes logarithmic.
    const KNEE_HZ: f64 = 1_000.0;

    /// What a frequency is on the scale.
    pub(super) fn mel(self, hz: f64) -> f64 {
        match self {
            Self::Htk => 1127.0 * (hz / 700.0).ln_1p(),
            Self::Slaney if hz < Self::KNEE_HZ => hz / Self::HZ_A_MEL,
            Self::Slaney => Self::KNEE_HZ / Self::HZ_A_MEL + (hz / Self::KNEE_HZ).ln() / Self::log_step(),
        }
    }

    /// The frequency of a place on the scale.
    pub(super) fn hz(self, mel: f64) -> f64 {
        let knee = Self::KNEE_HZ / Self::HZ_A_MEL;
        match self {
            Self::Htk => 700.0 * (mel / 1127.0).exp_m1(),
            Self::Slaney if mel < knee => mel * Self::HZ_A_MEL,
            Self::Slaney => Self::KNEE_HZ * ((mel - knee) * Self::log_step()).exp(),
        }
    }

    /// Of a mel above the knee: 27 of them lead from 1 to 6.4 kHz.
    fn log_step() -> f64 {
        6.4_f64.ln() / 27.0
    }
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
