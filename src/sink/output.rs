//! Where text is written: stdout or a file.
//!
//! In: records (a line, a cue, a picture), each whole. Out: the same bytes, flushed; [`Reader::Gone`] when a pipe was closed, an error
//! that names the output otherwise. A file of which a record could be written in part only is cut back to the last whole one.

use std::fmt;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::Instant;

use crate::error::{Error, ErrorKind, Result};

use super::Manner;
use super::queue::Queue;

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
    name: String,
    route: Route,
    /// Records written, and records that failed, on the direct route.
    counts: (u64, u64),
}

/// How bytes get there.
enum Route {
    /// At once, waiting for whoever reads: for files that are read as fast as they are written.
    Direct(Target),
    /// Through a queue and a thread of its own: what is live waits for nobody.
    Queued(Queue),
}

impl Writer {
    /// Opens `output` and writes its header, without which nothing that follows could be read.
    pub(super) fn open(output: &Output, manner: Manner, header: &str) -> Result<Self> {
        let name = output.to_string();
        let mut target = match output {
            Output::Stdout => Target::Stream(Box::new(io::stdout())),
            Output::File(path) => {
                let file = File::create(path).map_err(|error| cannot_write(&name, &error))?;
                // A pipe or a device has no length to cut back to.
                let is_file = file.metadata().is_ok_and(|about| about.is_file());
                if is_file { Target::File { file, whole: 0 } } else { Target::Stream(Box::new(file)) }
            }
        };
        if !header.is_empty() {
            let _ = told(&name, target.write(header.as_bytes()))?;
        }
        let route = match manner {
            Manner::Files => Route::Direct(target),
            Manner::Live => Route::Queued(Queue::start(target).map_err(|error| cannot_write(&name, &error))?),
        };
        Ok(Self { name, route, counts: (0, 0) })
    }

    #[cfg(test)]
    pub(super) fn to(to: impl Write + Send + 'static) -> Self {
        Self { name: "test".to_owned(), route: Route::Direct(Target::Stream(Box::new(to))), counts: (0, 0) }
    }

    /// The name of the output, for people.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Writes a record and flushes, or hands it to the thread that does, whose failures a later call returns.
    pub(super) fn write(&mut self, record: &[u8]) -> Result<Reader> {
        match &mut self.route {
            Route::Direct(target) => {
                let written = told(&self.name, target.write(record));
                match written {
                    Ok(_) => self.counts.0 += 1,
                    Err(_) => self.counts.1 += 1,
                }
                written
            }
            Route::Queued(queue) => told(&self.name, queue.push(record)),
        }
    }

    /// What went wrong since it was last told, where a thread does the writing.
    pub(super) fn check(&mut self) -> Result<Reader> {
        match &mut self.route {
            Route::Direct(_) => Ok(Reader::There),
            Route::Queued(queue) => told(&self.name, queue.check()),
        }
    }

    /// How many records were written so far.
    pub(super) fn written(&self) -> u64 {
        self.counts().0
    }

    /// How many could not be written.
    pub(super) fn failed(&self) -> u64 {
        self.counts().1
    }

    fn counts(&self) -> (u64, u64) {
        match &self.route {
            Route::Direct(_) => self.counts,
            Route::Queued(queue) => queue.counts(),
        }
    }

    /// Whether the newest record has not been written yet: a picture that follows would be late before it is seen.
    pub(super) fn is_behind(&self) -> bool {
        matches!(&self.route, Route::Queued(queue) if queue.is_behind())
    }

    /// Waits, until `deadline` at most, for what is still to be written. Returns how many records the reader was too slow for.
    pub(super) fn close(&mut self, deadline: Instant) -> (u64, Result<Reader>) {
        match &mut self.route {
            Route::Direct(_) => (0, Ok(Reader::There)),
            Route::Queued(queue) => {
                let (late, written) = queue.close(deadline);
                (late, told(&self.name, written))
            }
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What bytes are written to.
pub(super) enum Target {
    /// Anything that takes bytes.
    Stream(Box<dyn Write + Send>),
    /// A file, and how much of it is whole records.
    File { file: File, whole: u64 },
}

impl Target {
    /// Writes all of `record`, or, to a file, nothing of it.
    pub(super) fn write(&mut self, record: &[u8]) -> io::Result<()> {
        match self {
            Self::Stream(stream) => stream.write_all(record).and_then(|()| stream.flush()),
            Self::File { file, whole } => {
                if let Err(error) = file.write_all(record) {
                    // Half a record would spoil the file. Where this fails as well, nothing more can be done.
                    let _ = file.set_len(*whole).and_then(|()| file.seek(SeekFrom::Start(*whole)));
                    return Err(error);
                }
                *whole += record.len() as u64;
                Ok(())
            }
        }
    }
}

fn told(name: &str, written: io::Result<()>) -> Result<Reader> {
    match written {
        Ok(()) => Ok(Reader::There),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(cannot_write(name, &error)),
    }
}

fn cannot_write(name: &str, error: &io::Error) -> Error {
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
        for manner in [Manner::Files, Manner::Live] {
            let error = Writer::open(&output, manner, "").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert!(error.message().contains("/no/such/folder/out.jsonl"), "{error}");
        }
    }
}
