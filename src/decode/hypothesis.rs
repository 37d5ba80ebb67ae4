//! What a decoder makes of a piece of audio: tokens, and the words they spell.

use super::alignment::{self, Span};
use super::greedy::Choice;
use super::tokenizer::{SPACE, Tokenizer};

/// One reading of a piece of audio.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hypothesis {
    /// Ids of the tokens: a draft for the next reading of the same audio and more.
    pub tokens: Vec<u32>,
    /// The words in order.
    pub words: Vec<HypothesisWord>,
}

/// A word of a hypothesis, punctuation included.
#[derive(Clone, Debug, PartialEq)]
pub struct HypothesisWord {
    /// The word as it is written.
    pub text: String,
    /// The lowest probability among its tokens, 0 to 1.
    pub probability: f32,
    /// Where it was said, where the model tells.
    pub said: Option<Span>,
}

impl Hypothesis {
    /// Spells `tokens` as words. `said` tells where each of [`alignment::words`] was said, or is empty. Bytes that are not UTF-8
    /// become U+FFFD; commas in a row, which Moonshine sometimes writes at a short pause, become one.
    pub fn spell(tokens: &[Choice], said: &[Span], tokenizer: &Tokenizer) -> Self {
        let pieces: Vec<&[u8]> = tokens.iter().map(|choice| tokenizer.bytes(choice.token)).collect();
        let mut words = Vec::new();
        for (number, word) in alignment::words(&pieces).into_iter().enumerate() {
            let probability = tokens[word.clone()].iter().map(|choice| choice.probability).fold(1.0, f32::min);
            let mut text = String::from_utf8_lossy(&pieces[word].concat()).replace(SPACE, " ");
            while text.contains(",,") {
                text = text.replace(",,", ",");
            }
            let said = said.get(number).copied();
            words.extend(text.split_whitespace().map(|text| HypothesisWord { text: text.to_owned(), probability, said }));
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
    fn tokens_become_words_with_their_lowest_probability() {
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
            [choice(1, 0.9), choice(2, 0.5), choice(3, 0.8), choice(4, 0.7), choice(5, 0.1), choice(6, 0.2), choice(7, 0.3)];
        let hypothesis = Hypothesis::spell(&tokens, &[], &tokenizer);
        assert_eq!(hypothesis.text(), "Hello, world \u{fffd}.");
        assert_eq!(hypothesis.tokens, [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(hypothesis.words[0], HypothesisWord { text: "Hello,".to_owned(), probability: 0.5, said: None });
        assert!((hypothesis.words[2].probability - 0.1).abs() < f32::EPSILON);

        let spans = [3, 4, 5].map(|place| Span { start: place, end: place + 1 });
        let said: Vec<Option<Span>> = Hypothesis::spell(&tokens, &spans, &tokenizer).words.iter().map(|word| word.said).collect();
        assert_eq!(said, spans.map(Some));
    }
}
