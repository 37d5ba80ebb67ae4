//! Byte pairs: GPT-2's tokens, and Whisper's.
//!
//! In: `tokenizer.json`, later text. Out: the bytes of every token, and the tokens of a text. In the file each byte of a token is written
//! as one character: itself where it can be seen, else one from U+0100 on. A text is cut into words, numbers and signs, each with the
//! space before it, and in each of those the two parts that make the token of the lowest id are joined until no two make one: ids are
//! in the order in which tokens were learned.

use std::collections::HashMap;

use serde::Deserialize;

use super::tokenizer::Tokenizer;
use crate::error::{Error, ErrorKind, Result};

/// What of `tokenizer.json` is read.
#[derive(Deserialize)]
struct File {
    model: Model,
    added_tokens: Vec<Added>,
}

#[derive(Deserialize)]
struct Model {
    vocab: HashMap<String, u32>,
}

#[derive(Deserialize)]
struct Added {
    id: u32,
}

/// The bytes of every token of the file by id, empty for those that have a meaning instead of a text and for ids without a token.
///
/// # Errors
/// `Corrupt` when the file is not such a one, or has a token outside the `vocabulary`.
pub(super) fn tokens(file: &[u8], vocabulary: usize) -> Result<Vec<Vec<u8>>> {
    let corrupt = |message: String| Error::new(ErrorKind::Corrupt, message);
    let file: File = serde_json::from_slice(file).map_err(|error| corrupt(format!("is no tokenizer of byte pairs: {error}")))?;
    let mut tokens = vec![Vec::new(); vocabulary];
    for (text, id) in &file.model.vocab {
        let place = tokens.get_mut(*id as usize);
        let place = place.ok_or_else(|| corrupt(format!("has token {id}, expected those of a vocabulary of {vocabulary}")))?;
        // What is not written in these characters has a meaning.
        *place = text.chars().map(byte).collect::<Option<_>>().unwrap_or_default();
    }
    for Added { id } in file.added_tokens {
        let place = tokens.get_mut(id as usize);
        place.ok_or_else(|| corrupt(format!("has token {id}, expected those of a vocabulary of {vocabulary}")))?.clear();
    }
    Ok(tokens)
}

/// The byte that a character of the file stands for.
fn byte(character: char) -> Option<u8> {
    let seen = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    match u32::from(character) {
        code @ 0..=0xff => u8::try_from(code).ok().filter(|byte| seen(*byte)),
        code => (0..=u8::MAX).filter(|byte| !seen(*byte)).nth(usize::try_from(code - 0x100).ok()?),
    }
}

/// Makes tokens of text.
#[derive(Clone, Debug)]
pub struct BytePairs {
    ids: HashMap<Vec<u8>, u32>,
}

impl BytePairs {
    /// Takes the tokens that spell something.
    pub fn new(tokenizer: &Tokenizer) -> Self {
        let count = u32::try_from(tokenizer.count()).unwrap_or(u32::MAX);
        let spelled = |id: &u32| !tokenizer.bytes(*id).is_empty();
        Self { ids: (0..count).filter(spelled).map(|id| (tokenizer.bytes(id).to_vec(), id)).collect() }
    }

    /// The tokens of `text`; of bytes that have none, none.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        chunks(text).into_iter().flat_map(|chunk| self.joined(chunk.as_bytes())).collect()
    }

    /// The tokens of what is joined as a whole. Takes time with the square of its length, which words keep short and [`chunks`] below
    /// a limit.
    fn joined(&self, chunk: &[u8]) -> Vec<u32> {
        let mut edges: Vec<usize> = (0..=chunk.len()).collect();
        let id = |from: usize, to: usize| self.ids.get(&chunk[from..to]).copied();
        loop {
            let pairs = edges.windows(3).enumerate().filter_map(|(place, edge)| Some((id(edge[0], edge[2])?, place)));
            let Some((_, place)) = pairs.min() else { break };
            edges.remove(place + 1);
        }
        edges.windows(2).filter_map(|edge| id(edge[0], edge[1])).collect()
    }
}

/// What a character is to GPT-2's rule.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letter,
    Number,
    Space,
    Sign,
}

fn kind(character: char) -> Kind {
    match character {
        _ if character.is_whitespace() => Kind::Space,
        _ if character.is_alphabetic() => Kind::Letter,
        _ if character.is_numeric() => Kind::Number,
        _ => Kind::Sign,
    }
}

/// No chunk is longer, bytes: what runs on without a space is cut.
const LONGEST_CHUNK: usize = 256;

/// Cuts a text as GPT-2 does: English contractions, runs of letters, of digits and of signs, each with the one space before it, and
/// runs of white space without the one that goes with what follows.
fn chunks(text: &str) -> Vec<&str> {
    const CONTRACTIONS: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];
    let mut chunks = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let run = |text: &str| {
            let of = text.chars().next().map(kind);
            text.char_indices().find(|(at, c)| Some(kind(*c)) != of || *at >= LONGEST_CHUNK).map_or(text.len(), |(at, _)| at)
        };
        let length = if let Some(contraction) = CONTRACTIONS.iter().find(|contraction| rest.starts_with(**contraction)) {
            contraction.len()
        } else if kind(first) == Kind::Space {
            let spaces = run(rest);
            match rest[spaces..].chars().next() {
                // A lone space goes with what follows; of several, the last does.
                Some(_) if spaces == 1 && first == ' ' => 1 + run(&rest[1..]),
                Some(_) if spaces > first.len_utf8() && spaces < LONGEST_CHUNK => {
                    spaces - rest[..spaces].chars().next_back().map_or(0, char::len_utf8)
                }
                _ => spaces,
            }
        } else {
            run(rest)
        };
        let (chunk, after) = rest.split_at(length.max(first.len_utf8()));
        chunks.push(chunk);
        rest = after;
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_as_gpt_2_cuts_it() {
        let cut = chunks;
        assert_eq!(cut("Hello world"), ["Hello", " world"]);
        assert_eq!(cut("we'll see, 2nd try!"), ["we", "'ll", " see", ",", " 2", "nd", " try", "!"]);
        assert_eq!(cut("a  b"), ["a", " ", " b"]);
        assert_eq!(cut("a\n\nb "), ["a", "\n", "\n", "b", " "]);
        assert_eq!(cut(""), Vec::<&str>::new());
        assert!(cut(&"x".repeat(10_000)).iter().all(|chunk| chunk.len() <= LONGEST_CHUNK));
    }
}
