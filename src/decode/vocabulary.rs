//! Names and terms that a listener expects: the file of `--vocabulary`.
//!
//! In: a text file, a name or term a line. Out: [`Vocabulary`], the terms as they are to be written. `boost.rs` makes of them what a
//! decoder follows. A line that begins with `#` is a comment; empty lines and spaces around a term say nothing, and spaces within
//! one count once. None weighs more by where it stands: one that is long and rare may cost more, since more of it has to be heard.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// No file of names is longer, bytes.
pub const FILE_LIMIT_BYTES: u64 = 1 << 20;
/// No more terms are followed: each is one more that speech without it could be taken for.
pub const TERMS_LIMIT: usize = 1_000;
/// No term is longer, bytes of UTF-8.
pub const TERM_LIMIT_BYTES: usize = 80;

/// Names and terms, as they are to be written; no term twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vocabulary {
    terms: Vec<String>,
}

impl Vocabulary {
    /// Reads a file of names.
    ///
    /// # Errors
    /// `NotFound` or `Io` when it cannot be read, `InvalidInput` when it is too long, not UTF-8, or has a line that cannot be a term;
    /// each names the file, and the line where there is one.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io("read", path, &error))?;
        let mut bytes = Vec::new();
        // Not believed to be as long as it says: it may be a pipe.
        file.take(FILE_LIMIT_BYTES + 1).read_to_end(&mut bytes).map_err(|error| Error::io("read", path, &error))?;
        if bytes.len() as u64 > FILE_LIMIT_BYTES {
            let message = format!(
                "{}: is longer than {FILE_LIMIT_BYTES} bytes; a file of names has at most {TERMS_LIMIT} lines of them",
                path.display()
            );
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
            Error::new(ErrorKind::InvalidInput, format!("{}:{line}: is not UTF-8; save the file as UTF-8", path.display()))
        })?;
        Self::parse(text).map_err(|error| Error::new(error.kind(), format!("{}:{}", path.display(), error.message())))
    }

    /// Parses the contents of a file of names.
    ///
    /// # Errors
    /// `InvalidInput` beginning with the number of the line: a term too long, without a letter or digit, with control characters,
    /// or one too many.
    pub fn parse(text: &str) -> Result<Self> {
        let mut terms: Vec<String> = Vec::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in text.lines().enumerate() {
            let wrong = |what: String| Error::new(ErrorKind::InvalidInput, format!("{}: {what}", number + 1));
            if line.trim_start().starts_with('#') {
                continue;
            }
            let term = line.split_whitespace().collect::<Vec<_>>().join(" ");
            if term.is_empty() {
                continue;
            }
            if term.len() > TERM_LIMIT_BYTES {
                return Err(wrong(format!(
                    "the term is {} bytes long, at most {TERM_LIMIT_BYTES}; write a name or term a line, not a sentence",
                    term.len()
                )));
            }
            if term.chars().any(char::is_control) {
                return Err(wrong(format!("{term:?} has a control character; write plain text")));
            }
            if !term.chars().any(char::is_alphanumeric) {
                return Err(wrong(format!("{term:?} has no letter or digit, so nobody says it; take the line out")));
            }
            if terms.contains(&term) {
                continue;
            }
            if terms.len() == TERMS_LIMIT {
                return Err(wrong(format!(
                    "is term {}; at most {TERMS_LIMIT} are followed, so keep the likeliest",
                    TERMS_LIMIT + 1
                )));
            }
            terms.push(term);
        }
        Ok(Self { terms })
    }

    /// The terms, in the order of the file.
    pub fn terms(&self) -> &[String] {
        &self.terms
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_a_line_without_comments_and_spaces_around() {
        let text = "\u{feff}# who comes\r\nSiobhan\r\n\n  New   York \n # not this\nSiobhan\nZo\u{eb}\nC# minor";
        assert_eq!(Vocabulary::parse(text).unwrap().terms(), ["Siobhan", "New York", "Zo\u{eb}", "C# minor"]);
        assert!(Vocabulary::parse("# nobody\n").unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_a_term_is_refused_with_its_line() {
        let many: String = (0..=TERMS_LIMIT).map(|number| format!("name{number}\n")).collect();
        for (text, expected) in [
            (format!("\n{}", "x".repeat(81)), "2: the term is 81 bytes long"),
            ("fine\n\u{1}a".to_owned(), "2: \"\\u{1}a\" has a control character"),
            ("--".to_owned(), "1: \"--\" has no letter"),
            (many, "1001: is term 1001"),
        ] {
            let error = Vocabulary::parse(&text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.message().starts_with(expected), "{error}");
        }
    }

    #[test]
    fn files_that_cannot_be_read_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("nobody.txt");
        assert_eq!(Vocabulary::read(&missing).unwrap_err().kind(), ErrorKind::NotFound);
        let latin = folder.path().join("latin.txt");
        std::fs::write(&latin, b"Anna\nZo\xeb\n").unwrap();
        let error = Vocabulary::read(&latin).unwrap_err();
        assert!(error.message().contains("latin.txt:2: is not UTF-8"), "{error}");
        let long = folder.path().join("long.txt");
        std::fs::write(&long, "#\n".repeat(600_000)).unwrap();
        assert!(Vocabulary::read(&long).unwrap_err().message().contains("is longer than"));
        let sentence = folder.path().join("sentence.txt");
        std::fs::write(&sentence, format!("a\n{}", "word ".repeat(30))).unwrap();
        let error = Vocabulary::read(&sentence).unwrap_err();
        assert!(error.message().contains("sentence.txt:2: the term is"), "{error}");
    }
}
