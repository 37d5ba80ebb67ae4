//! Whisper's log-mel, as `whisper/audio.py` of openai-whisper defines it.
//!
//! In: 16 kHz samples in [-1, 1], cut or filled up with silence to what the encoder is to hear. Out: [mels, frames], a frame every
//! 10 ms, about -1 to 1.5: centred frames of 400 samples with the ends reflected, periodic Hann window, power, bands of Slaney's scale
//! from 0 Hz to 8 kHz, log10, everything more than 8 below the largest of all frames raised to that, then (x + 4) / 4.
//! `export/auricle_export/whisper/features.py` is the same in float64.

use crate::frontend::bands::Bands;
use crate::frontend::recipe::{MelScale, Recipe, Spectrum, WindowFunction};

/// Samples from one frame to the next.
pub const HOP_SAMPLES: usize = 160;
/// Samples in a frame.
const WINDOW_SAMPLES: usize = 400;
/// Samples before the first that are reflected: a frame is centred on its first sample.
const REFLECTED: usize = WINDOW_SAMPLES / 2;
/// Power below this counts as this much.
const LEAST_POWER: f64 = 1e-10;
/// Decades of power that are told apart.
const RANGE: f64 = 8.0;

/// Computes log-mel of whole pieces of audio.
#[derive(Clone, Debug)]
pub struct LogMel {
    bands: Bands,
    /// The audio with its ends reflected.
    padded: Vec<f32>,
    /// log10 of the bands, [mels, frames].
    log: Vec<f64>,
}

impl LogMel {
    /// Prepares so many `mels`: 80, or 128 for Whisper large-v3.
    pub fn new(mels: usize) -> Self {
        let recipe = Recipe {
            window: WINDOW_SAMPLES,
            hop: HOP_SAMPLES,
            n_fft: WINDOW_SAMPLES,
            centred: true,
            window_function: WindowFunction::HannPeriodic,
            spectrum: Spectrum::Power,
            mels,
            mel_scale: MelScale::Slaney,
            f_min_hz: 0.0,
            f_max_hz: 8_000.0,
            log_offset: 0.0,
        };
        Self { bands: Bands::new(&recipe), padded: Vec::new(), log: Vec::new() }
    }

    /// Bands, low to high.
    pub fn mels(&self) -> usize {
        self.bands.count()
    }

    /// Log-mel [mels, frames] of `audio`, a frame for every 160 samples; what is left at its end has none. Nothing for audio of 200
    /// samples and fewer, which cannot be reflected.
    pub fn compute(&mut self, audio: &[f32]) -> Vec<f32> {
        let frames = audio.len() / HOP_SAMPLES;
        if audio.len() <= REFLECTED {
            return Vec::new();
        }
        self.padded.clear();
        self.padded.extend(audio[1..=REFLECTED].iter().rev());
        self.padded.extend_from_slice(audio);
        self.padded.extend(audio[audio.len() - REFLECTED - 1..audio.len() - 1].iter().rev());
        self.log.clear();
        self.log.resize(self.mels() * frames, 0.0);
        for (frame, window) in self.padded.windows(WINDOW_SAMPLES).step_by(HOP_SAMPLES).take(frames).enumerate() {
            for (band, sum) in self.bands.sums(window).enumerate() {
                let power = if sum.is_finite() { sum.max(LEAST_POWER) } else { LEAST_POWER };
                self.log[band * frames + frame] = power.log10();
            }
        }
        let highest = self.log.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.log.iter().map(|&log| ((log.max(highest - RANGE) + 4.0) / 4.0) as f32).collect()
    }

    /// Log-mel [mels, `frames`] of `audio` as `transcribe` of openai-whisper and faster-whisper fill it up: silence follows as far as a
    /// window of the audio reaches, and where the audio has no frame any more there is 0, which is no silence.
    ///
    /// Silence instead makes one text in eight another, and more errors.
    pub fn filled_up(&mut self, audio: &[f32], frames: usize) -> Vec<f32> {
        let own = (audio.len() / HOP_SAMPLES).min(frames);
        let mut heard = audio.to_vec();
        heard.resize(audio.len() + WINDOW_SAMPLES, 0.0);
        let computed = self.compute(&heard);
        let mut filled = vec![0.0; self.mels() * frames];
        let bands = computed.chunks_exact(heard.len() / HOP_SAMPLES);
        for (to, from) in filled.chunks_exact_mut(frames.max(1)).zip(bands) {
            to[..own].copy_from_slice(&from[..own]);
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_reference_gives_the_same_log_mel() {
        let file: Value = serde_json::from_str(include_str!("../../../tests/data/whisper_logmel.json")).unwrap();
        let numbers =
            |value: &Value| -> Vec<f64> { value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect() };
        let cases = file["cases"].as_array().unwrap();
        assert!(cases.len() > 3);
        for case in cases {
            let samples: Vec<f32> = numbers(&case["samples"]).into_iter().map(|sample| sample as f32).collect();
            for mels in [80, 128] {
                let found = LogMel::new(mels).compute(&samples);
                let expected = case[format!("log_mel_{mels}")].as_array().unwrap();
                assert_eq!(found.len(), mels * expected.len(), "{}", case["name"]);
                for (frame, values) in expected.iter().map(&numbers).enumerate() {
                    for (band, value) in values.into_iter().enumerate() {
                        let off = (f64::from(found[band * expected.len() + frame]) - value).abs();
                        assert!(off < 1e-4, "{}: frame {frame}, band {band} of {mels} is {off} off", case["name"]);
                    }
                }
            }
        }
    }

    #[test]
    fn behind_the_audio_there_is_nothing() {
        let audio: Vec<f32> = (0..1_700).map(|n| (n as f32 * 0.3).sin() * 0.1).collect();
        let mut log_mel = LogMel::new(80);
        let mut long = audio.clone();
        long.resize(16_000, 0.0);
        let long = log_mel.compute(&long);
        let filled = log_mel.filled_up(&audio, 40);
        assert_eq!(filled.len(), 80 * 40);
        for (band, (filled, long)) in filled.chunks_exact(40).zip(long.chunks_exact(100)).enumerate() {
            assert_eq!(filled[..10], long[..10], "band {band}");
            assert!(filled[10..].iter().all(|value| *value == 0.0), "band {band}");
        }
        assert_eq!(log_mel.filled_up(&audio, 5).len(), 80 * 5);
        assert_eq!(log_mel.filled_up(&[0.5; 100], 4), vec![0.0; 80 * 4]);
    }

    #[test]
    fn audio_that_cannot_be_reflected_and_samples_that_are_no_numbers() {
        let mut log_mel = LogMel::new(80);
        assert!(log_mel.compute(&[]).is_empty() && log_mel.compute(&[0.1; 200]).is_empty());
        assert_eq!(log_mel.compute(&[0.1; 201]).len(), 80);
        assert!(log_mel.compute(&[f32::NAN; 1_600]).iter().all(|value| value.is_finite()));
        assert!(log_mel.compute(&[f32::INFINITY; 1_600]).iter().all(|value| value.is_finite()));
    }
}
