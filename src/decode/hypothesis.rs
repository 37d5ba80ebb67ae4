//! What a decoder makes of a piece of audio: tokens, and the words they spell.

use std::ops::Range;

use super::alignment::{self, Span};
use super::greedy::Choice;
use super::tokenizer::Tokenizer;

/// What is known of a piece of audio before it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prior<'a> {
    /// Tokens that it begins with, taken as they are: words that were read when there was audio before them.
    pub given: &'a [u32],
    /// A guess at the tokens after those, best what was read of this audio when there was less of it. It may be empty or wrong; it
    /// changes how long reading takes, never what is read.
    pub draft: &'a [u32],
}

impl<'a> Prior<'a> {
    /// Nothing is given, and `draft` is a guess.
    pub fn draft(draft: &'a [u32]) -> Self {
        Self { given: &[], draft }
    }
}

/// One reading of a piece of audio.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hypothesis {
    /// Ids of the tokens, those that were given included: a draft for the next reading of the same audio and more.
    pub tokens: Vec<u32>,
    /// The words in order.
    pub words: Vec<HypothesisWord>,
}

/// A word of a hypothesis, punctuation included.
#[derive(Clone, Debug, PartialEq)]
pub struct HypothesisWord {
    /// The word as it is written.
    pub text: String,
    /// How likely it is right, 0 to 1: the product of the probabilities of its tokens that are said, which punctuation is not,
    /// with the odds that calibrate the model.
    pub probability: f32,
    /// The lowest probability among all its tokens, 0 to 1: how settled the word is, closing punctuation included.
    pub weakest: f32,
    /// Where it was said, where the model tells.
    pub said: Option<Span>,
    /// Its tokens, as places among those of the hypothesis.
    pub tokens: Range<usize>,
    /// It was given, not read: its probabilities say nothing.
    pub given: bool,
}

impl Hypothesis {
    /// Spells `tokens`, the first `given` of which were given, as words. `said` tells where each of [`alignment::words`] was said, or is empty; the odds of a word being
    /// right are `odds` times those of its tokens, 1 where nothing is known. Bytes that are not UTF-8 become U+FFFD; commas in a
    /// row, which Moonshine sometimes writes at a short pause, become one.
    pub fn spell(tokens: &[Choice], given: usize, said: &[Span], odds: f32, tokenizer: &Tokenizer) -> Self {
        let pieces: Vec<&[u8]> = tokens.iter().map(|choice| tokenizer.bytes(choice.token)).collect();
        let mut words = Vec::new();
        for (number, word) in alignment::words(&pieces).into_iter().enumerate() {
            let weakest = tokens[word.clone()].iter().map(|choice| choice.probability).fold(1.0, f32::min);
            let right: f32 = alignment::said(&pieces, word.clone()).into_iter().map(|token| tokens[token].probability).product();
            let probability = odds * right / (1.0 - right + odds * right).max(f32::MIN_POSITIVE);
            let mut text = String::from_utf8_lossy(&pieces[word.clone()].concat()).into_owned();
            while text.contains(",,") {
                text = text.replace(",,", ",");
            }
            let said = said.get(number).copied();
            let spelled = |text: &str| HypothesisWord {
                text: text.to_owned(),
                probability,
                weakest,
                said,
                tokens: word.clone(),
                given: word.start < given,
            };
            words.extend(text.split_whitespace().map(spelled));
        }
        Self { tokens: tokens.iter().map(|choice| choice.token).collect(), words }
    }

    /// The words with spaces between.
    pub fn text(&self) -> String {
        let words: Vec<&str> = self.words.iter().map(|word| word.text.as_str()).collect();
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_become_words_with_their_probabilities() {
        let pieces = ["", "\u{2581}He", "llo", ",,", "\u{2581}world", "\u{2581}", "\u{c3}", "."];
        let mut file = Vec::new();
        for (id, piece) in pieces.iter().enumerate() {
            let bytes: &[u8] = if id == 6 { &[0xc3] } else { piece.as_bytes() };
            file.push(u8::try_from(bytes.len()).unwrap());
            file.extend(bytes);
        }
        let tokenizer = Tokenizer::parse(&file, pieces.len()).unwrap();
        let choice = |token, probability| Choice { token, probability };
        let tokens =
            [choice(1, 0.9), choice(2, 0.5), choice(3, 0.4), choice(4, 0.7), choice(5, 0.1), choice(6, 0.2), choice(7, 0.3)];
        let hypothesis = Hypothesis::spell(&tokens, 0, &[], 1.0, &tokenizer);
        assert_eq!(hypothesis.text(), "Hello, world \u{fffd}.");
        assert_eq!(hypothesis.tokens, [1, 2, 3, 4, 5, 6, 7]);
        let near = |found: f32, expected: f32| assert!((found - expected).abs() < 1e-6, "{found}, expected {expected}");
        let hello = &hypothesis.words[0];
        assert_eq!((&*hello.text, hello.said), ("Hello,", None));
        near(hello.probability, 0.9 * 0.5);
        near(hello.weakest, 0.4);
        near(hypothesis.words[2].probability, 0.2);
        near(hypothesis.words[2].weakest, 0.1);
        near(Hypothesis::spell(&tokens, 0, &[], 2.0, &tokenizer).words[0].probability, 0.9 / (0.55 + 0.9));
        let never = Hypothesis::spell(&[choice(1, 0.0)], 0, &[], 2.0, &tokenizer).words[0].probability;
        let certain = Hypothesis::spell(&[choice(1, 1.0)], 0, &[], 2.0, &tokenizer).words[0].probability;
        assert_eq!([never, certain], [0.0, 1.0]);

        let spans = [3, 4, 5].map(|place| Span { start: place, end: place + 1 });
        let said: Vec<Option<Span>> =
            Hypothesis::spell(&tokens, 0, &spans, 1.0, &tokenizer).words.iter().map(|word| word.said).collect();
        assert_eq!(said, spans.map(Some));
    }
}
