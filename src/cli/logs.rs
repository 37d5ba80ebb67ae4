//! Log lines: to standard error, or above the captions where these roll on the same terminal.
//!
//! In: `-v`, `-q` and `RUST_LOG`. Out: a logger, and [`take`] for whoever draws on the terminal.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use env_logger::{Builder, Target};
use log::LevelFilter;

/// Lines held for the terminal; the oldest go first when nobody takes them.
const HELD_LIMIT: usize = 200;

/// Lines that wait for [`take`]; `None`: lines go to standard error.
static HELD: Mutex<Option<VecDeque<String>>> = Mutex::new(None);

/// Starts logging: warnings by default, `RUST_LOG` before `-v` and `-q`.
pub fn start(verbose: u8, quiet: bool) {
    // Of other crates only what was asked for: what fails there is told in our own words.
    let (ours, others) = match (quiet, verbose) {
        (true, _) => (LevelFilter::Error, LevelFilter::Off),
        (false, 0) => (LevelFilter::Warn, LevelFilter::Off),
        (false, 1) => (LevelFilter::Info, LevelFilter::Warn),
        (false, 2) => (LevelFilter::Debug, LevelFilter::Info),
        (false, _) => (LevelFilter::Trace, LevelFilter::Trace),
    };
    let mut builder = Builder::new();
    builder.filter_level(others).filter_module("auricle", ours).parse_default_env();
    builder.target(Target::Pipe(Box::new(Lines))).init();
}

/// Holds log lines from now on, where standard error is the terminal that is drawn on.
pub fn hold() {
    if io::stderr().is_terminal() {
        *HELD.lock().unwrap_or_else(PoisonError::into_inner) = Some(VecDeque::new());
    }
}

/// The lines held since the last call.
pub fn take() -> Vec<String> {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    held.as_mut().map(|held| held.drain(..).collect()).unwrap_or_default()
}

/// Lets log lines go to standard error again, with those that were held.
pub fn release() {
    let held = HELD.lock().unwrap_or_else(PoisonError::into_inner).take();
    for line in held.into_iter().flatten() {
        let _ = writeln!(io::stderr(), "{line}");
    }
}

/// What the logger writes to: it gives one whole record at a time.
struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        match held.as_mut() {
            None => return io::stderr().write(bytes),
            Some(held) => {
                held.extend(String::from_utf8_lossy(bytes).lines().map(str::to_owned));
                let over = held.len().saturating_sub(HELD_LIMIT);
                held.drain(..over);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
