//! One error for the whole library: what kind of thing went wrong, and a message that says what, where and the way out.
//!
//! In: failures of the rooms and of the crates underneath. Out: [`Error`], which a program can match on by [`ErrorKind`].

use std::fmt;
use std::path::Path;

/// What kind of thing went wrong. Each kind says what the caller can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting or argument is out of its range: correct it.
    InvalidInput,
    /// A file, model, device or library is not where it was looked for: the message lists the places.
    NotFound,
    /// A file is there but is not what it should be (hash, format, truncation): fetch or write it again.
    Corrupt,
    /// The thing asked for is valid but this build or machine cannot do it: choose another.
    Unsupported,
    /// The ONNX Runtime library could not be loaded or is too old: install another.
    Library,
    /// A model could not be loaded or run: the message names the model, its file and what was found.
    Model,
    /// The audio device or its host failed: retry, or choose another device.
    Device,
    /// Reading or writing failed in the operating system.
    Io,
}

/// An error: its kind and a message for the person who has to act on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// What the library's functions return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `kind` that says `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// An operating-system error on `path`, while `doing` (a verb: `"read"`, `"write"`).
    pub fn io(doing: &str, path: &Path, error: &std::io::Error) -> Self {
        let kind = if error.kind() == std::io::ErrorKind::NotFound { ErrorKind::NotFound } else { ErrorKind::Io };
        Self::new(kind, format!("{}: cannot {doing}: {error}", path.display()))
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What, where and the way out, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same error with `context` (a file, a model, a device) in front of its message.
    #[must_use]
    pub fn within(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
