//! Ctrl-C, SIGTERM and SIGHUP: the first asks the session to end in order, a second ends the process at once.

use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

/// What a shell reports of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

static ASKED: AtomicBool = AtomicBool::new(false);

/// Catches the signals from now on; `before_exit` runs when the second comes.
pub fn on_signal(before_exit: impl Fn() + Send + 'static) -> Result<()> {
    let caught = ctrlc::set_handler(move || {
        if ASKED.swap(true, Ordering::Relaxed) {
            before_exit();
            exit(INTERRUPTED);
        }
    });
    caught.context("cannot catch Ctrl-C")
}

/// Whether a signal came.
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
