//! What Whisper's decoder reads before it writes: what was said before, the start, the language, the task, the first words.
//!
//! In: a [`Task`]. Out: a [`Prompt`], as `_get_initial_tokens` of openai-whisper's `whisper/decoding.py` makes it.

use super::boost::Boost;
use super::rules::Rules;
use crate::error::{Error, ErrorKind, Result};

/// What is to be written of the audio.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Task<'a> {
    /// Token of the language that is spoken; `None` lets a multilingual model hear it, and is the only one for a model of English.
    pub language: Option<u32>,
    /// Write it in English, whatever is spoken. A model of English has but one task.
    pub translate: bool,
    /// What was said before this audio, timestamps included: the last half of the decoder's context less one is read.
    pub previous: &'a [u32],
    /// What the text of this audio begins with; it is not part of what is read.
    pub prefix: &'a [u32],
    /// Names and terms that may be said, and are to be written as they are listed.
    pub terms: Option<&'a Boost>,
}

/// The tokens that a reading begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// All of them, in order.
    pub tokens: Vec<u32>,
    /// The place of the start token among them.
    pub start: usize,
}

impl Prompt {
    /// The prompt of `task` for a decoder with a context of `context` tokens that will sample `longest` at most.
    ///
    /// A prefix is cut to its last `context / 2 - longest` tokens; where `longest` is all of that half the reference takes it
    /// whole, and so does this.
    ///
    /// # Errors
    /// `InvalidInput` where the language is not one of the model's, or none is given to a model with several; where the prompt
    /// does not fit the context.
    pub fn new(rules: &Rules, task: &Task<'_>, context: usize, longest: usize) -> Result<Self> {
        let specials = &rules.specials;
        let mut tokens = Vec::new();
        if !task.previous.is_empty() {
            tokens.push(specials.previous);
            tokens.extend(last(task.previous, (context / 2).saturating_sub(1)));
        }
        let start = tokens.len();
        tokens.push(specials.start);
        match task.language {
            Some(language) if specials.languages.contains(&language) => {
                tokens.extend([language, if task.translate { specials.translate } else { specials.transcribe }]);
            }
            None if specials.languages.is_empty() => {}
            Some(language) => {
                let message = format!("token {language} is no language of this model, which knows {}", specials.languages.len());
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
            None => {
                let message = "this model knows several languages: name the one that is spoken, or let it hear";
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
        }
        if !rules.timestamps {
            tokens.push(specials.no_timestamps);
        }
        let room = (context / 2).saturating_sub(longest);
        tokens.extend(if room == 0 { task.prefix } else { last(task.prefix, room) });
        if tokens.len() > context {
            let message = format!(
                "the prompt has {} tokens, the decoder's context {context}: shorten the prefix of {}",
                tokens.len(),
                task.prefix.len()
            );
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(Self { tokens, start })
    }
}

/// The last `count` of `tokens`.
pub(super) fn last(tokens: &[u32], count: usize) -> &[u32] {
    &tokens[tokens.len().saturating_sub(count)..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::rules::Specials;

    fn rules(languages: &[u32]) -> Rules {
        let specials = Specials {
            vocabulary: 200,
            end: 100,
            start: 101,
            languages: languages.to_vec(),
            translate: 104,
            transcribe: 105,
            previous: 106,
            no_speech: 107,
            no_timestamps: 108,
            first_timestamp: 109,
            ..Specials::default()
        };
        Rules::new(specials)
    }

    #[test]
    fn what_was_said_before_is_cut_and_the_task_follows() {
        let said: Vec<u32> = (0..30).collect();
        let task = Task { language: Some(103), translate: true, previous: &said, prefix: &[1, 2, 3], terms: None };
        let prompt = Prompt::new(&rules(&[102, 103]), &task, 20, 8).unwrap();
        assert_eq!(prompt.tokens, [106, 21, 22, 23, 24, 25, 26, 27, 28, 29, 101, 103, 104, 2, 3]);
        assert_eq!(prompt.start, 10);
        let text_only = Rules { timestamps: false, ..rules(&[]) };
        let prompt = Prompt::new(&text_only, &Task::default(), 20, 10).unwrap();
        assert_eq!((prompt.tokens, prompt.start), (vec![101, 108], 0));
    }

    #[test]
    fn foreign_languages_and_what_does_not_fit_are_refused() {
        let long = [1; 20];
        let cases = [
            (rules(&[102]), Task { language: Some(103), ..Task::default() }, "token 103 is no language"),
            (rules(&[]), Task { language: Some(102), ..Task::default() }, "which knows 0"),
            (rules(&[102]), Task::default(), "name the one that is spoken"),
            (rules(&[]), Task { prefix: &long, ..Task::default() }, "21 tokens, the decoder's context 20"),
        ];
        for (rules, task, expected) in cases {
            let error = Prompt::new(&rules, &task, 20, 10).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.message().contains(expected), "{error}");
        }
    }
}
