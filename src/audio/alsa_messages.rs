//! What ALSA's library has to say about its own errors: to the log, not to standard error.
//!
//! In: work on a thread of its own that may call ALSA. Out: what the work gave; a line for every error, at level debug. A microphone
//! that is looked for twice a second would else fill the terminal, or the journal of a device, with lines nobody asked for.

/// Does `work` on this thread, which should not live on: its messages are held until the work is over, and what comes later on the
/// same thread is held for ever.
#[cfg(target_os = "linux")]
pub(super) fn logged<T>(work: impl FnOnce() -> T) -> T {
    let Ok(messages) = alsa::Output::local_error_handler() else { return work() };
    let result = work();
    let text = messages.borrow().to_string();
    text.lines().filter(|line| !line.trim().is_empty()).for_each(|line| log::debug!("{line}"));
    result
}

/// There is no ALSA.
#[cfg(not(target_os = "linux"))]
pub(super) fn logged<T>(work: impl FnOnce() -> T) -> T {
    work()
}
