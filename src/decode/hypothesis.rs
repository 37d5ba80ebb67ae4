//! What a decoder makes of a piece of audio: tokens, and the words they spell.

use super::greedy::Choice;
use super::tokenizer::{SPACE, Tokenizer};

/// One reading of a piece of audio.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hypothesis {
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
}

impl Hypothesis {
    /// Spells `tokens` as words. Bytes that are not UTF-8 become U+FFFD; commas in a row, which Moonshine sometimes writes at a short
    /// pause, become one.
    pub fn spell(tokens: &[Choice], tokenizer: &Tokenizer) -> Self {
        let mut words: Vec<(Vec<u8>, f32)> = Vec::new();
        for choice in tokens {
            let bytes = tokenizer.bytes(choice.token);
            let (begins, bytes) = bytes.strip_prefix(SPACE.as_bytes()).map_or((false, bytes), |rest| (true, rest));
            match words.last_mut() {
                Some((word, probability)) if !begins => {
                    word.extend_from_slice(bytes);
                    *probability = probability.min(choice.probability);
                }
                _ => words.push((bytes.to_vec(), choice.probability)),
            }
        }
        let words = words
            .into_iter()
            .flat_map(|(bytes, probability)| {
                let mut text = String::from_utf8_lossy(&bytes).replace(SPACE, " ");
                while text.contains(",,") {
                    text = text.replace(",,", ",");
                }
                let parts: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
                parts.into_iter().map(move |text| HypothesisWord { text, probability })
            })
            .collect();
        Self { words }
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
        let hypothesis = Hypothesis::spell(&tokens, &tokenizer);
        assert_eq!(hypothesis.text(), "Hello, world \u{fffd}.");
        assert_eq!(hypothesis.words[0], HypothesisWord { text: "Hello,".to_owned(), probability: 0.5 });
        assert!((hypothesis.words[2].probability - 0.1).abs() < f32::EPSILON);
    }
}
