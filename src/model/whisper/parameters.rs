//! The `[whisper]` section of a manifest.

use serde::Deserialize;

use crate::decode::alignment::{self, Attention, Span};
use crate::decode::rules::Specials;
use crate::decode::time_warp::{self, TimeWarp};
use crate::error::{Error, ErrorKind, Result};
use crate::time::SAMPLE_RATE;

/// Samples from one of the encoder's states to the next: 50 states a second.
pub(super) const FRAME_SAMPLES: usize = 320;
/// Mel bands of the Whispers there are.
const MELS: [usize; 2] = [80, 128];

/// The `[whisper]` section of the manifest.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Parameters {
    /// Bands of the log-mel: 80 or 128.
    pub mels: usize,
    /// States of the longest audio: 1500, 30 s.
    pub audio_frames: usize,
    /// Most tokens of the decoder, all told: 448.
    pub text_tokens: usize,
    /// Tokens of the vocabulary.
    pub vocabulary: usize,
    /// `<|startoftranscript|>`; in a model of several languages the tokens of `languages` follow it.
    pub start_token: u32,
    /// `<|endoftext|>`.
    pub end_token: u32,
    /// `<|translate|>`.
    pub translate_token: u32,
    /// `<|transcribe|>`.
    pub transcribe_token: u32,
    /// `<|startofprev|>`.
    pub previous_token: u32,
    /// `<|nospeech|>`.
    pub no_speech_token: u32,
    /// `<|notimestamps|>`.
    pub no_timestamps_token: u32,
    /// `<|0.00|>`; those after it are 20 ms apart.
    pub first_timestamp_token: u32,
    /// Codes of languages in the order of their tokens; none in a model for English alone.
    pub languages: Vec<String>,
    /// Tokens that are never read.
    pub suppress: Vec<u32>,
    /// Tokens that are not read first.
    pub suppress_first: Vec<u32>,
    /// Most tokens a second of speech can hold; more is invention.
    #[serde(default = "tokens_per_second")]
    pub tokens_per_second: f64,
    /// The odds of a word being right are this many times those its tokens tell; measured on speech.
    #[serde(default = "as_told")]
    pub confidence_odds: f32,
    /// How much of the 30 s of its training the encoder hears of shorter audio.
    #[serde(default)]
    pub context: Context,
    /// How `cross_attention` tells where words lie; without it words have no times.
    pub word_times: Option<WordTimes>,
}

/// The section `[whisper.word_times]`, by its key `method`.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "method", rename_all = "kebab-case")]
pub(super) enum WordTimes {
    /// Of the heads that its authors name: dynamic time warping.
    Warp(TimeWarp),
    /// Of heads that were chosen on speech with word times: the best path, with pauses.
    Path(alignment::WordTimes),
}

impl WordTimes {
    /// How many heads the graph `step` has to show.
    pub fn heads(&self) -> usize {
        match self {
            Self::Warp(warp) => warp.heads.len(),
            Self::Path(path) => path.heads.len(),
        }
    }

    /// Where each word that `pieces`, the bytes of the tokens read, spell was said in `audio`: as many spans as words, or none.
    pub fn spans(&self, attention: &Attention, pieces: &[&[u8]], audio: &[f32]) -> Vec<Span> {
        match self {
            Self::Warp(warp) => time_warp::spans(pieces, &warp.places(attention, pieces.len(), audio.len(), FRAME_SAMPLES)),
            Self::Path(path) => path.spans(&attention.within(audio.len().div_ceil(FRAME_SAMPLES)), pieces, audio),
        }
    }

    fn check(&self) -> Result<()> {
        match self {
            Self::Warp(warp) => warp.check(),
            Self::Path(path) => path.check(),
        }
    }
}

/// The section `[whisper.context]`: audio is filled up with silence to its own length and `after_s`, to `least_s` at least and to the
/// 30 s of training at most. Less costs less time, and words.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Context {
    /// Seconds of silence behind the audio, at least.
    pub after_s: f64,
    /// Seconds heard in all, at least.
    pub least_s: f64,
}

/// All that the model was trained on.
impl Default for Context {
    fn default() -> Self {
        Self { after_s: 30.0, least_s: 30.0 }
    }
}

fn as_told() -> f32 {
    1.0
}

fn tokens_per_second() -> f64 {
    12.0
}

impl Parameters {
    /// Checks every figure.
    ///
    /// # Errors
    /// `Corrupt` naming the figure, its value and its range.
    pub fn check(&self) -> Result<()> {
        let corrupt = |message: String| Err(Error::new(ErrorKind::Corrupt, format!("[whisper]: {message}")));
        if !MELS.contains(&self.mels) {
            return corrupt(format!("mels is {}; expected 80 or 128", self.mels));
        }
        for (name, size, most) in [("audio_frames", self.audio_frames, 1_500), ("text_tokens", self.text_tokens, 4_096)] {
            if !(32..=most).contains(&size) {
                return corrupt(format!("{name} is {size}; expected 32 to {most}"));
            }
        }
        if (self.start_token as usize).saturating_add(self.languages.len()) >= self.vocabulary {
            return corrupt(format!("languages are {}, more than tokens follow start_token", self.languages.len()));
        }
        self.specials().check().map_err(|error| error.within("[whisper]"))?;
        if self.suppress.contains(&self.end_token) {
            return corrupt("suppress has end_token: no reading would end".to_owned());
        }
        if !(0.1..=100.0).contains(&self.tokens_per_second) {
            return corrupt(format!("tokens_per_second is {}; expected 0.1 to 100", self.tokens_per_second));
        }
        if !(0.01..=100.0).contains(&self.confidence_odds) {
            return corrupt(format!("confidence_odds is {}; expected 0.01 to 100", self.confidence_odds));
        }
        for (name, seconds) in [("after_s", self.context.after_s), ("least_s", self.context.least_s)] {
            if !(0.0..=30.0).contains(&seconds) {
                return corrupt(format!("context.{name} is {seconds}; expected 0 to 30"));
            }
        }
        let times = self.word_times.as_ref().map_or(Ok(()), WordTimes::check);
        times.map_err(|error| error.within("[whisper]"))
    }

    /// The tokens that mean something, as the rules of reading want them.
    pub fn specials(&self) -> Specials {
        Specials {
            vocabulary: self.vocabulary,
            end: self.end_token,
            start: self.start_token,
            translate: self.translate_token,
            transcribe: self.transcribe_token,
            previous: self.previous_token,
            no_speech: self.no_speech_token,
            no_timestamps: self.no_timestamps_token,
            first_timestamp: self.first_timestamp_token,
            languages: (self.start_token + 1..).take(self.languages.len()).collect(),
            suppress: self.suppress.clone(),
            suppress_first: self.suppress_first.clone(),
        }
    }

    /// Samples of the longest audio that is heard at once.
    pub fn longest_samples(&self) -> usize {
        self.audio_frames * FRAME_SAMPLES
    }

    /// States that are computed of so many samples.
    pub fn frames_of(&self, samples: usize) -> usize {
        let seconds = (samples as f64 / f64::from(SAMPLE_RATE) + self.context.after_s).max(self.context.least_s);
        let frames = (seconds * f64::from(SAMPLE_RATE) / FRAME_SAMPLES as f64).ceil() as usize;
        frames.clamp(1, self.audio_frames)
    }

    /// Most tokens that are read of so many samples; the reference takes half of what the decoder holds.
    pub fn limit(&self, samples: usize) -> usize {
        let seconds = samples as f64 / f64::from(SAMPLE_RATE);
        ((seconds * self.tokens_per_second).ceil() as usize).min(self.text_tokens / 2)
    }
}
