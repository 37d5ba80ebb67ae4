//! Where text is written: stdout or a file.
//!
//! In: bytes. Out: the same bytes, flushed; [`Reader::Gone`] when a pipe was closed, an error that names the output otherwise.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::error::{Error, ErrorKind, Result};

/// What to write to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Standard output.
    Stdout,
    /// A file, created or emptied.
    File(PathBuf),
}

/// Whether anyone still reads the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a program whose reader has gone should end"]
pub enum Reader {
    /// As far as can be told.
    There,
    /// The pipe was closed at the other end; what was written is lost and so will be what follows.
    Gone,
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("standard output"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// An open output and its name.
pub(super) struct Writer {
    to: Box<dyn Write + Send>,
    name: String,
}

impl Writer {
    /// Opens `output`.
    pub(super) fn open(output: &Output) -> Result<Self> {
        let to: Box<dyn Write + Send> = match output {
            Output::Stdout => Box::new(io::stdout()),
            Output::File(path) => Box::new(File::create(path).map_err(|error| cannot_write(&path.display(), &error))?),
        };
        Ok(Self { to, name: output.to_string() })
    }

    #[cfg(test)]
    pub(super) fn to(to: impl Write + Send + 'static) -> Self {
        Self { to: Box::new(to), name: "test".to_owned() }
    }

    /// Writes all of `bytes` and flushes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<Reader> {
        match self.to.write_all(bytes).and_then(|()| self.to.flush()) {
            Ok(()) => Ok(Reader::There),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
            Err(error) => Err(cannot_write(&self.name, &error)),
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("name", &self.name).finish_non_exhaustive()
    }
}

fn cannot_write(name: &dyn fmt::Display, error: &io::Error) -> Error {
    let kind = if error.kind() == io::ErrorKind::NotFound { ErrorKind::NotFound } else { ErrorKind::Io };
    Error::new(kind, format!("{name}: cannot be written: {error}; name another place with --output"))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is_one() {
        assert_eq!(Writer::to(Failing(io::ErrorKind::BrokenPipe)).write(b"x").unwrap(), Reader::Gone);
        let error = Writer::to(Failing(io::ErrorKind::StorageFull)).write(b"x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.message().starts_with("test: cannot be written: "), "{error}");
    }

    #[test]
    fn a_file_that_cannot_be_created_is_named() {
        let output = Output::File(PathBuf::from("/no/such/folder/out.jsonl"));
        let error = Writer::open(&output).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.message().contains("/no/such/folder/out.jsonl"), "{error}");
    }
}
