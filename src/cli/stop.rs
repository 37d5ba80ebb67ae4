//! Signals. Ctrl-C, SIGTERM and SIGHUP: the first asks the session to end in order, a second ends the process at once. So does the
//! first where there is nothing to end in order: while models are loaded, or when nobody takes what is written. Other signals are noted,
//! for whoever looks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use auricle::sink::GRACE;
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
/// A write that takes longer than this, after a signal, is not waited for: nobody reads. Outputs that are closed may wait themselves.
const LONGEST_WRITE: Duration = GRACE.saturating_add(Duration::from_millis(400));
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

static ASKED: AtomicBool = AtomicBool::new(false);
/// Apart from the signals, so that one that follows is not taken for the second.
static OVER: AtomicBool = AtomicBool::new(false);
/// Whether there is something to end in order.
static IN_ORDER: AtomicBool = AtomicBool::new(false);
/// When the write that is going on began, in milliseconds since [`beginning`]; `NOTHING` while nothing is written.
static WRITING_SINCE: AtomicU64 = AtomicU64::new(NOTHING);
const NOTHING: u64 = u64::MAX;

type BeforeExit = Box<dyn FnOnce() + Send>;

/// Catches the signals from now on; `before_exit` runs when the process ends at once, for at most 0.1 s. Until [`in_order`] is called the
/// first signal does that.
pub fn on_signal(before_exit: impl FnOnce() + Send + 'static) -> Result<()> {
    static BEFORE_EXIT: Mutex<Option<BeforeExit>> = Mutex::new(None);
    *BEFORE_EXIT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(before_exit));
    beginning();
    let end_at_once = || {
        if let Some(before_exit) = BEFORE_EXIT.lock().unwrap_or_else(PoisonError::into_inner).take() {
            run_within(TIDY_UP, before_exit);
        }
        // Exit handlers must not run: ONNX Runtime's take its globals from under models that still run, which then complain
        // on a terminal that may take nothing, holding a lock that the handlers of the C++ library wait for.
        exit(INTERRUPTED.into());
    };
    let caught = ctrlc::set_handler(move || {
        if ASKED.swap(true, Ordering::Relaxed) || !IN_ORDER.load(Ordering::Relaxed) {
            end_at_once();
        }
        // The next signal is still to be heard meanwhile.
        let watch = move || {
            while !is_stuck() {
                thread::sleep(LOOK_EVERY);
            }
            end_at_once();
        };
        let _ = thread::Builder::new().name("stop".into()).spawn(watch);
    });
    caught.context("cannot catch Ctrl-C")
}

/// From now on the first signal is to be asked for with [`asked`], and what was heard is finished.
pub fn in_order() {
    IN_ORDER.store(true, Ordering::Relaxed);
}

/// Whether the session is to end: a signal came, or [`ask`].
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed) || OVER.load(Ordering::Relaxed)
}

/// Asks the session to end in order.
pub fn ask() {
    OVER.store(true, Ordering::Relaxed);
}

/// Does what writes to where somebody may have stopped to read: after a signal it is given 1.4 s.
pub fn while_writing<T>(write: impl FnOnce() -> T) -> T {
    WRITING_SINCE.store(beginning().elapsed().as_millis() as u64, Ordering::Relaxed);
    let written = write();
    WRITING_SINCE.store(NOTHING, Ordering::Relaxed);
    written
}

/// Some moment before anything is written.
fn beginning() -> Instant {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    *BEGINNING.get_or_init(Instant::now)
}

fn is_stuck() -> bool {
    let since = WRITING_SINCE.load(Ordering::Relaxed);
    since != NOTHING && beginning().elapsed() >= Duration::from_millis(since) + LONGEST_WRITE
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
