//! Signals. Ctrl-C, SIGTERM and SIGHUP: the first asks the session to end in order, a second ends the process at once. Others are
//! noted, for whoever looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use signal_hook::flag;
use signal_hook::low_level::{exit, raise, signal_name};

/// Pauses and resumes.
pub use signal_hook::consts::SIGUSR1 as TOGGLE;
/// The terminal's wish that the program stand still, and the end of that.
pub use signal_hook::consts::{SIGCONT as GOES_ON, SIGTSTP as STANDS_STILL};

/// What a shell reports of a program that Ctrl-C ended.
pub const INTERRUPTED: u8 = 130;
/// How long the second signal waits for the terminal to be left in order.
const TIDY_UP: Duration = Duration::from_millis(100);

static ASKED: AtomicBool = AtomicBool::new(false);
/// Apart from the signals, so that one that follows is not taken for the second.
static OVER: AtomicBool = AtomicBool::new(false);

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

/// Whether the session is to end: a signal came, or [`ask`].
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed) || OVER.load(Ordering::Relaxed)
}

/// Asks the session to end in order.
pub fn ask() {
    OVER.store(true, Ordering::Relaxed);
}

/// Does what Ctrl-C does, for a key that means the same.
pub fn interrupt() {
    // The signal is one that can be raised.
    let _ = raise(signal_hook::consts::SIGINT);
}

/// A signal that is noted instead of what it does by default.
pub struct Noted(Arc<AtomicBool>);

impl Noted {
    /// Notes `signal` from now on.
    pub fn new(signal: i32) -> Result<Self> {
        let came = Arc::new(AtomicBool::new(false));
        let name = || format!("cannot catch {}", signal_name(signal).unwrap_or("a signal"));
        flag::register(signal, Arc::clone(&came)).with_context(name)?;
        Ok(Self(came))
    }

    /// Whether it came since the last call.
    pub fn came(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// Stands still, as the terminal wished, until the program is to go on.
pub fn stand_still() {
    // Not the default of the signal, which is noted, but what that would be.
    let _ = raise(signal_hook::consts::SIGSTOP);
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
