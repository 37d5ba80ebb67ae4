//! `auricle doctor`: everything that captions need, looked at one after the other.
//!
//! In: the arguments, and what came of reading the settings. Out: a line for each thing as soon as it is known: ok, a note, or a problem
//! with what to do about it. What may hang is left behind after a few seconds.

mod audio;
mod machine;
mod models;
mod report;

use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::args::Doctor;
use super::config::Reading;
use report::Report;

/// Runs the command. The exit code is 1 when there is a problem.
pub fn run(arguments: &Doctor, settings: &Reading) -> Result<ExitCode> {
    let started = Instant::now();
    let mut report = Report::default();
    machine::program(&mut report)?;
    machine::processor(&mut report)?;
    machine::settings(&mut report, settings)?;
    models::library(&mut report, arguments)?;
    models::models(&mut report, arguments)?;
    models::providers(&mut report, arguments)?;
    audio::hosts(&mut report)?;
    audio::microphone(&mut report, arguments)?;
    machine::real_time(&mut report)?;
    machine::places(&mut report, arguments, settings)?;
    report.end(started.elapsed())
}

/// What `ask` answers within `limit`; else `None`, and its thread is left behind.
fn within<T: Send + 'static>(limit: Duration, ask: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (answer, answered) = mpsc::channel();
    let asked = std::thread::Builder::new().name("doctor".into()).spawn(move || {
        // Where nobody waits any more, the answer is dropped.
        let _ = answer.send(ask());
    });
    asked.ok().and_then(|_| answered.recv_timeout(limit).ok())
}
