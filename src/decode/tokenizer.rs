//! The bytes of every token, from Moonshine's `tokenizer.bin` or from a `tokenizer.json` of byte pairs.
//!
//! In: the file. Out: the bytes of a token id; a word's first token begins with a space.
//! `tokenizer.bin` has records in id order: a length byte n (0: empty; below 128: the length; else a second byte b: length b x 128 + n -
//! 128), then that many bytes, with U+2581 for a space. Ids 0 to 2 are special; single raw bytes start at id 3. A model may know more
//! tokens than the file holds (Moonshine base: 32,768 and 32,000): those past its end are special too.
//! `tokenizer.json`, Hugging Face's, has a BPE whose tokens are written with a character for each byte (`byte_pairs.rs`).

use std::fs;
use std::path::Path;

use super::byte_pairs;
use crate::error::{Error, ErrorKind, Result};

/// What the file has for a space: U+2581.
const FILE_SPACE: &[u8] = "\u{2581}".as_bytes();

/// No tokenizer file is longer than this.
const FILE_LIMIT_BYTES: u64 = 16 << 20;

/// The bytes of every token, by id.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    bytes: Vec<u8>,
    /// Where each token's bytes end; they start where the one before ends.
    ends: Vec<usize>,
}

impl Tokenizer {
    /// Reads `tokenizer.bin` or `tokenizer.json`, which must hold `vocabulary` tokens or fewer.
    ///
    /// # Errors
    /// `Io`, or `Corrupt` naming what does not fit.
    pub fn read(path: &Path, vocabulary: usize) -> Result<Self> {
        let length = fs::metadata(path).map_err(|error| Error::io("read", path, &error))?.len();
        if length > FILE_LIMIT_BYTES {
            let message = format!("{}: is {length} bytes long; a tokenizer has at most {FILE_LIMIT_BYTES}", path.display());
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let file = fs::read(path).map_err(|error| Error::io("read", path, &error))?;
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        let parsed = if is_json { Self::parse_json(&file, vocabulary) } else { Self::parse(&file, vocabulary) };
        parsed.map_err(|error| error.within(path.display()))
    }

    /// Parses the contents of `tokenizer.json`.
    ///
    /// # Errors
    /// `Corrupt` naming what does not fit.
    pub fn parse_json(file: &[u8], vocabulary: usize) -> Result<Self> {
        let mut tokenizer = Self { bytes: Vec::with_capacity(file.len() / 4), ends: Vec::with_capacity(vocabulary) };
        for token in byte_pairs::tokens(file, vocabulary)? {
            tokenizer.bytes.extend_from_slice(&token);
            tokenizer.ends.push(tokenizer.bytes.len());
        }
        Ok(tokenizer)
    }

    /// Parses the contents of `tokenizer.bin`.
    ///
    /// # Errors
    /// `Corrupt` naming the record that does not fit.
    pub fn parse(file: &[u8], vocabulary: usize) -> Result<Self> {
        let mut rest = file;
        let mut bytes = Vec::with_capacity(file.len());
        let mut ends = Vec::with_capacity(vocabulary.min(file.len()));
        while let Some((&first, after)) = rest.split_first() {
            let truncated = |id: usize| Error::new(ErrorKind::Corrupt, format!("token {id} is cut off at the end of the file"));
            let (length, after) = if first < 128 {
                (usize::from(first), after)
            } else {
                let (&second, after) = after.split_first().ok_or_else(|| truncated(ends.len()))?;
                (usize::from(second) * 128 + usize::from(first) - 128, after)
            };
            let (token, after) = after.split_at_checked(length).ok_or_else(|| truncated(ends.len()))?;
            push_spelled(&mut bytes, token);
            ends.push(bytes.len());
            rest = after;
        }
        if !(1..=vocabulary).contains(&ends.len()) {
            let message = format!("holds {} tokens, expected 1 to the {vocabulary} of the vocabulary", ends.len());
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        Ok(Self { bytes, ends })
    }

    /// Bytes of the token `id`; empty for special tokens (`<...>`) and for ids outside the vocabulary.
    pub fn bytes(&self, id: u32) -> &[u8] {
        let Some(&end) = self.ends.get(id as usize) else { return &[] };
        let start = (id as usize).checked_sub(1).map_or(0, |before| self.ends[before]);
        let bytes = &self.bytes[start..end];
        let special = bytes.len() > 2 && bytes.starts_with(b"<") && bytes.ends_with(b">");
        if special { &[] } else { bytes }
    }

    /// How many tokens there are.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// What tokens spell; bytes that are no character become U+FFFD.
    pub fn text(&self, tokens: &[u32]) -> String {
        let bytes: Vec<u8> = tokens.iter().flat_map(|token| self.bytes(*token)).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Adds `token` to `bytes`, its marks of spaces as spaces.
fn push_spelled(bytes: &mut Vec<u8>, token: &[u8]) {
    let mut rest = token;
    while let Some((&first, after_first)) = rest.split_first() {
        let (byte, after) = rest.strip_prefix(FILE_SPACE).map_or((first, after_first), |after| (b' ', after));
        bytes.push(byte);
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_every_length_are_read_back() {
        let long = vec![b'x'; 300];
        let mut file = vec![0, 3, b'<', b's', b'>', 4, 0xe2, 0x96, 0x81, b'a'];
        file.extend([(300 % 128 + 128) as u8, (300 / 128) as u8]);
        file.extend(&long);
        let tokenizer = Tokenizer::parse(&file, 4).unwrap();
        assert_eq!(tokenizer.bytes(0), b"");
        assert_eq!(tokenizer.bytes(1), b"", "special tokens have no text");
        assert_eq!(tokenizer.bytes(2), b" a");
        assert_eq!(tokenizer.bytes(3), long);
        assert_eq!(tokenizer.bytes(4), b"", "outside the vocabulary");
    }

    #[test]
    fn truncated_and_foreign_files_are_refused() {
        for file in [&[3, b'a'][..], &[200], &[200, 1, b'a']] {
            let error = Tokenizer::parse(file, 1).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.message().contains("token 0"), "{error}");
        }
        let error = Tokenizer::parse(&[1, b'a', 1, b'b'], 1).unwrap_err();
        assert!(error.message().contains("2 tokens, expected 1 to the 1"), "{error}");
        assert_eq!(Tokenizer::parse(&[], 2).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
