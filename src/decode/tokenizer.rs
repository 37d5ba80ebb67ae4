//! Moonshine's `tokenizer.bin`: the bytes of every token.
//!
//! In: the file. Out: the bytes of a token id, with U+2581 for a space before a word.
//! Records in id order: a length byte n (0: empty; below 128: the length; else a second byte b: length b x 128 + n - 128), then
//! that many bytes. Ids 0 to 2 are special; single raw bytes start at id 3. A model may know more tokens than the file holds
//! (Moonshine base: 32,768 and 32,000): those past its end are special too.

use std::fs;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// The mark of a space before a word, U+2581.
pub const SPACE: &str = "\u{2581}";

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
    /// Reads `tokenizer.bin`, which must hold `vocabulary` tokens or fewer.
    ///
    /// # Errors
    /// `Io`, or `Corrupt` naming the record that does not fit.
    pub fn read(path: &Path, vocabulary: usize) -> Result<Self> {
        let length = fs::metadata(path).map_err(|error| Error::io("read", path, &error))?.len();
        if length > FILE_LIMIT_BYTES {
            let message = format!("{}: is {length} bytes long; a tokenizer has at most {FILE_LIMIT_BYTES}", path.display());
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let file = fs::read(path).map_err(|error| Error::io("read", path, &error))?;
        Self::parse(&file, vocabulary).map_err(|error| error.within(path.display()))
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
            bytes.extend_from_slice(token);
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_every_length_are_read_back() {
        let long = vec![b'x'; 300];
        let mut file = vec![0, 3, b'<', b's', b'>', 1, b'a'];
        file.extend([(300 % 128 + 128) as u8, (300 / 128) as u8]);
        file.extend(&long);
        let tokenizer = Tokenizer::parse(&file, 4).unwrap();
        assert_eq!(tokenizer.bytes(0), b"");
        assert_eq!(tokenizer.bytes(1), b"", "special tokens have no text");
        assert_eq!(tokenizer.bytes(2), b"a");
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
