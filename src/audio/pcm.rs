//! Frames of samples as they come in, and the one channel of clean samples that the rest of the house works on.
//!
//! In: interleaved f32 frames of any format, from a device or a file, not to be trusted. Out: mono samples, finite and within
//! [-1, 1], and their level.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// The level given for silence, and the lowest given for anything, dBFS.
pub const SILENCE_DBFS: f32 = -120.0;

/// How audio arrives: frames a second, and samples in each frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Frames a second, 1,000 to 768,000.
    pub rate_hz: u32,
    /// Samples in a frame, 1 to 64.
    pub channels: u16,
}

impl Format {
    /// The format, or [`ErrorKind::InvalidInput`] when a figure is out of its range.
    pub fn new(rate_hz: u32, channels: u16) -> Result<Self> {
        if !(1_000..=768_000).contains(&rate_hz) {
            let message = format!("sample rate is {rate_hz} Hz; expected 1000 to 768000: convert the audio to 16000 Hz");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        if !(1..=64).contains(&channels) {
            let message = format!("audio has {channels} channels; expected 1 to 64: convert it to mono");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(Self { rate_hz, channels })
    }

    /// Frames in `seconds`, rounded.
    pub fn frames_in(&self, seconds: f64) -> u64 {
        (f64::from(self.rate_hz) * seconds).round().max(0.0) as u64
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.channels == 1 { "" } else { "s" };
        write!(f, "{} Hz, {} channel{plural}", self.rate_hz, self.channels)
    }
}

/// Which channel of several to listen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelChoice {
    /// One channel, counted from 1 as people count microphones.
    One(u16),
    /// The mean of all channels. Microphones at different places cancel each other at some frequencies (a comb), so this is
    /// for channels of one mix, not for an array.
    Mix,
}

impl Default for ChannelChoice {
    fn default() -> Self {
        Self::One(1)
    }
}

impl ChannelChoice {
    /// [`ErrorKind::InvalidInput`] when the chosen channel is not among `channels`.
    pub fn check(self, channels: u16) -> Result<()> {
        match self {
            Self::One(number) if number == 0 || number > channels => {
                let there = match channels {
                    1 => "there is only 1".to_owned(),
                    _ => format!("there are {channels}: choose 1 to {channels}, or mix"),
                };
                let message = format!("channel {number} was chosen, but {there}");
                Err(Error::new(ErrorKind::InvalidInput, message))
            }
            _ => Ok(()),
        }
    }
}

impl FromStr for ChannelChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.eq_ignore_ascii_case("mix") {
            return Ok(Self::Mix);
        }
        match text.parse() {
            Ok(number) if number >= 1 => Ok(Self::One(number)),
            _ => Err(Error::new(ErrorKind::InvalidInput, format!("channel is {text:?}; expected a number from 1, or mix"))),
        }
    }
}

impl fmt::Display for ChannelChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(number) => write!(f, "{number}"),
            Self::Mix => f.write_str("mix"),
        }
    }
}

/// Writes the chosen channel of each whole frame of `interleaved` to the front of `mono`, as many frames as both hold, and
/// returns how many. Samples that are not finite or too small to matter become 0, others are limited to [-1, 1]. Does not allocate.
///
/// The choice is to be checked once beforehand ([`ChannelChoice::check`]); a channel that is not there reads as silence.
pub fn pick(choice: ChannelChoice, channels: u16, interleaved: &[f32], mono: &mut [f32]) -> usize {
    let channels = usize::from(channels.max(1));
    let frames = (interleaved.len() / channels).min(mono.len());
    let each = mono[..frames].iter_mut().zip(interleaved.chunks_exact(channels));
    match choice {
        ChannelChoice::One(number) => {
            let index = usize::from(number).wrapping_sub(1);
            each.for_each(|(out, frame)| *out = frame.get(index).copied().map_or(0.0, clean));
        }
        ChannelChoice::Mix => {
            let scale = 1.0 / channels as f32;
            each.for_each(|(out, frame)| *out = frame.iter().copied().map(clean).sum::<f32>() * scale);
        }
    }
    frames
}

/// Below this nothing can be heard, and squares of it are still normal floats: denormal ones are up to a hundred times slower.
const INAUDIBLE: f32 = 1e-15;

/// A sample that the rest of the house can trust.
fn clean(sample: f32) -> f32 {
    if sample.is_finite() && sample.abs() >= INAUDIBLE { sample.clamp(-1.0, 1.0) } else { 0.0 }
}

/// Root mean square of `samples`, dB relative to a full-scale square wave (a full-scale sine is -3.01), at least
/// [`SILENCE_DBFS`].
pub fn rms_dbfs(samples: &[f32]) -> f32 {
    let squares: f64 = samples.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    decibels((squares / samples.len().max(1) as f64).sqrt())
}

/// Largest magnitude in `samples`, dB relative to full scale, at least [`SILENCE_DBFS`].
pub fn peak_dbfs(samples: &[f32]) -> f32 {
    decibels(f64::from(samples.iter().fold(0.0, |peak: f32, x| peak.max(x.abs()))))
}

fn decibels(amplitude: f64) -> f32 {
    ((20.0 * amplitude.log10()) as f32).max(SILENCE_DBFS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_checked() {
        assert!(Format::new(16_000, 1).is_ok() && Format::new(1_000, 64).is_ok() && Format::new(768_000, 8).is_ok());
        for (rate_hz, channels) in [(0, 1), (999, 1), (768_001, 1), (16_000, 0), (16_000, 65)] {
            assert_eq!(Format::new(rate_hz, channels).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        assert_eq!(Format { rate_hz: 44_100, channels: 2 }.to_string(), "44100 Hz, 2 channels");
        assert_eq!(Format { rate_hz: 44_100, channels: 2 }.frames_in(0.01), 441);
    }

    #[test]
    fn channels_are_counted_from_one() {
        assert_eq!("1".parse::<ChannelChoice>().unwrap(), ChannelChoice::One(1));
        assert_eq!("Mix".parse::<ChannelChoice>().unwrap(), ChannelChoice::Mix);
        for text in ["", "0", "-1", "1.5", "left", "65536"] {
            assert!(text.parse::<ChannelChoice>().is_err(), "{text:?}");
        }
        for choice in [ChannelChoice::default(), ChannelChoice::One(12), ChannelChoice::Mix] {
            assert_eq!(choice.to_string().parse::<ChannelChoice>().unwrap(), choice);
        }
    }

    #[test]
    fn a_channel_that_is_not_there_is_an_error_that_says_how_many_are() {
        assert!(ChannelChoice::One(2).check(2).is_ok() && ChannelChoice::Mix.check(1).is_ok());
        let error = ChannelChoice::One(3).check(2).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(error.message(), "channel 3 was chosen, but there are 2: choose 1 to 2, or mix");
        assert!(ChannelChoice::One(2).check(1).unwrap_err().message().contains("only 1"));
        assert!(ChannelChoice::One(0).check(1).is_err());
    }

    #[test]
    fn picking_takes_the_channel_and_mixing_the_mean() {
        let frames = [0.5, -0.25, 0.1, 0.3, 0.9];
        let mut mono = [9.0; 4];
        assert_eq!(pick(ChannelChoice::One(1), 2, &frames, &mut mono), 2);
        assert_eq!(mono, [0.5, 0.1, 9.0, 9.0]);
        assert_eq!(pick(ChannelChoice::One(2), 2, &frames, &mut mono), 2);
        assert_eq!(mono[..2], [-0.25, 0.3]);
        assert_eq!(pick(ChannelChoice::Mix, 2, &frames, &mut mono), 2);
        assert_eq!(mono[..2], [0.125, 0.2]);
        assert_eq!(pick(ChannelChoice::One(1), 1, &frames, &mut mono), 4);
        assert_eq!(pick(ChannelChoice::One(9), 2, &frames, &mut mono), 2);
        assert_eq!(mono[..2], [0.0, 0.0]);
    }

    #[test]
    fn hostile_samples_are_tamed() {
        let samples = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, -0.5];
        let mut mono = [9.0; 6];
        pick(ChannelChoice::One(1), 1, &samples, &mut mono);
        assert_eq!(mono, [0.0, 0.0, 0.0, 1.0, -1.0, -0.5]);
        pick(ChannelChoice::Mix, 6, &samples, &mut mono);
        assert_eq!(mono[0], -0.5 / 6.0);
    }

    #[test]
    fn picking_does_not_allocate() {
        let frames = [0.25; 960];
        let mut mono = [0.0; 480];
        let allocated = allocation_counter::measure(|| {
            pick(ChannelChoice::One(2), 2, &frames, &mut mono);
            pick(ChannelChoice::Mix, 2, &frames, &mut mono);
        });
        assert_eq!(allocated.count_total, 0);
    }

    #[test]
    fn levels_are_relative_to_a_full_scale_square_wave() {
        let square: Vec<f32> = (0..160).map(|n| if n % 2 == 0 { 1.0 } else { -1.0 }).collect();
        assert_eq!((rms_dbfs(&square), peak_dbfs(&square)), (0.0, 0.0));
        let sine: Vec<f32> = (0..16_000).map(|n| (n as f32 * 0.2 * std::f32::consts::PI).sin()).collect();
        assert!((rms_dbfs(&sine) + 3.01).abs() < 0.01);
        let quiet: Vec<f32> = square.iter().map(|x| x * 0.01).collect();
        assert!((rms_dbfs(&quiet) + 40.0).abs() < 0.01);
        assert_eq!((rms_dbfs(&[0.0; 100]), rms_dbfs(&[]), peak_dbfs(&[])), (SILENCE_DBFS, SILENCE_DBFS, SILENCE_DBFS));
        assert_eq!(rms_dbfs(&[1e-9; 10]), SILENCE_DBFS);
    }
}
