//! What a decoder makes of a piece of audio: tokens, and the words they spell.

use super::alignment::Span;
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

/// A word while it is spelled.
struct Spelled {
    bytes: Vec<u8>,
    probability: f32,
    said: Option<Span>,
}

impl Hypothesis {
    /// Spells `tokens` as words. `spans` tells where each token was said, or is empty. Bytes that are not UTF-8 become U+FFFD; commas
    /// in a row, which Moonshine sometimes writes at a short pause, become one.
    pub fn spell(tokens: &[Choice], spans: &[Span], tokenizer: &Tokenizer) -> Self {
        let mut words: Vec<Spelled> = Vec::new();
        for (index, choice) in tokens.iter().enumerate() {
            let bytes = tokenizer.bytes(choice.token);
            let said = spans.get(index).copied();
            let (begins, bytes) = bytes.strip_prefix(SPACE.as_bytes()).map_or((false, bytes), |rest| (true, rest));
            match words.last_mut() {
                Some(word) if !begins => {
                    word.bytes.extend_from_slice(bytes);
                    word.probability = word.probability.min(choice.probability);
                    word.said = word.said.zip(said).map(|(first, last)| Span { start: first.start, end: last.end });
                }
                _ => words.push(Spelled { bytes: bytes.to_vec(), probability: choice.probability, said }),
            }
        }
        let words = words
            .into_iter()
            .flat_map(|Spelled { bytes, probability, said }| {
                let mut text = String::from_utf8_lossy(&bytes).replace(SPACE, " ");
                while text.contains(",,") {
                    text = text.replace(",,", ",");
                }
                let parts: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
                parts.into_iter().map(move |text| HypothesisWord { text, probability, said })
            })
            .collect();
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

        let spans: Vec<Span> = (0..7).map(|token| Span { start: 10 * token, end: 10 * token + 9 }).collect();
        let said = Hypothesis::spell(&tokens, &spans, &tokenizer).words.iter().map(|word| word.said).collect::<Vec<_>>();
        let span = |start, end| Some(Span { start, end });
        assert_eq!(said, [span(0, 29), span(30, 39), span(40, 69)], "from a word's first token to its last");
    }
}
