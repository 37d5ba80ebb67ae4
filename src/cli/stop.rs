//! Ctrl-C, SIGTERM and SIGHUP: the first asks the session to end in order, a second ends the process at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use signal_hook::low_level::exit;

/// What a shell reports of a program that Ctrl-C ended.
pub const INTERRUPTED: u8 = 130;
/// How long the second signal waits for the terminal to be left in order.
const TIDY_UP: Duration = Duration::from_millis(100);

static ASKED: AtomicBool = AtomicBool::new(false);

/// Catches the signals from now on; `before_exit` runs when the second comes, for at most 0.1 s.
pub fn on_signal(before_exit: impl FnOnce() + Send + 'static) -> Result<()> {
    let mut before_exit = Some(before_exit);
    let caught = ctrlc::set_handler(move || {
        if ASKED.swap(true, Ordering::Relaxed) {
            if let Some(before_exit) = before_exit.take() {
                run_within(TIDY_UP, before_exit);
            }
            // Exit handlers must not run: ONNX Runtime's take its globals from under models that still run, which then complain
            // on a terminal that may take nothing, holding a lock that the handlers of the C++ library wait for.
            exit(INTERRUPTED.into());
        }
    });
    caught.context("cannot catch Ctrl-C")
}

/// Whether a signal came.
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// Runs `work` on a thread of its own, which is left behind if it takes longer than `limit`: a terminal that was stopped with
/// Ctrl-S or is at the other end of a stalled line takes no byte, and whoever waits for its lock waits for ever.
fn run_within(limit: Duration, work: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel::<()>();
    let spawned = thread::Builder::new().name("tidy-up".into()).spawn(move || {
        work();
        drop(done);
    });
    if spawned.is_ok() {
        // Either way the process ends now.
        let _ = ended.recv_timeout(limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Instant;

    #[test]
    fn work_that_ends_is_done_and_work_that_hangs_is_left_behind() {
        let done = Arc::new(AtomicBool::new(false));
        let work = Arc::clone(&done);
        run_within(Duration::from_secs(60), move || work.store(true, Ordering::Relaxed));
        assert!(done.load(Ordering::Relaxed));
        let (_keep, never) = mpsc::channel::<()>();
        let started = Instant::now();
        run_within(TIDY_UP, move || {
            let _ = never.recv();
        });
        assert!(started.elapsed() >= TIDY_UP && started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    }
}
