//! Which language is spoken, as Whisper hears it.
//!
//! In: the decoder on the audio. Out: the likeliest of the model's languages with the probability of each (`detect_language` of
//! openai-whisper's `whisper/decoding.py`).

use super::lines::{self, Lines};
use super::rules::Specials;
use super::{greedy, lines::stuck};
use crate::error::{Error, ErrorKind, Result};

/// A language that was heard.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// Its token.
    pub token: u32,
    /// Its place among [`Specials::languages`].
    pub place: usize,
    /// Probability of each of the languages, in their order; the sum is 1.
    pub probabilities: Vec<f32>,
}

/// Lets the decoder say which of its languages is spoken; all other tokens are left out of account.
///
/// # Errors
/// `InvalidInput` where the model knows no languages; `Model` where no logit of theirs is a number; those of the decoder.
pub fn detect<L: Lines + ?Sized>(lines: &mut L, specials: &Specials) -> Result<Heard> {
    if specials.languages.is_empty() {
        let message = "this model knows English only and cannot tell languages; choose a multilingual one";
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let logits = lines::begin(lines, specials.vocabulary, &[specials.start], &[0])?;
    let logits = logits.first().map_or(&[][..], Vec::as_slice);
    let of_languages: Vec<f32> =
        specials.languages.iter().map(|&token| logits.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY)).collect();
    let best = greedy::highest(&of_languages).ok_or_else(|| stuck(0))?;
    let share = |logit: f32| if logit <= best { f64::from(logit - best).exp() } else { 0.0 };
    let sum: f64 = of_languages.iter().map(|&logit| share(logit)).sum();
    let probabilities = of_languages.iter().map(|&logit| (share(logit) / sum) as f32).collect();
    let place = of_languages.iter().position(|&logit| logit == best).unwrap_or(0);
    Ok(Heard { token: specials.languages[place], place, probabilities })
}
