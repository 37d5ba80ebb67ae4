//! Runs one program, for a limited time, and leaves nothing of it behind that it did not put there itself.
//!
//! In: its name and arguments. Out: whether it ended well, or why not. No shell; nothing to read, and what it writes is discarded.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often a program that runs is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How long a program that was killed may take to be gone; one that the system will not let go is left to it.
const GONE: Duration = Duration::from_secs(1);

/// Runs `name` with `arguments` for at most `limit`, or until `stopping`; then it and whatever it started in its process group
/// are killed.
///
/// # Errors
/// Why it did not end well, in one line.
pub(super) fn run(name: &str, arguments: &[String], limit: Duration, stopping: &dyn Fn() -> bool) -> Result<(), String> {
    let mut command = Command::new(name);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    in_a_group(&mut command);
    let mut child = command.spawn().map_err(|error| format!("{name}: cannot be run: {error}"))?;
    let began = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return ended(name, status),
            Ok(None) => {}
            Err(error) => {
                kill(&mut child);
                return Err(format!("{name}: cannot be waited for: {error}"));
            }
        }
        let reason = if began.elapsed() >= limit {
            Some(format!("it took longer than {} s and was ended", limit.as_secs_f64()))
        } else if stopping() {
            Some("the session ended before it did, and it was ended".to_owned())
        } else {
            None
        };
        if let Some(reason) = reason {
            kill(&mut child);
            return Err(format!("{name}: {reason}"));
        }
        thread::sleep(LOOK);
    }
}

fn ended(name: &str, status: ExitStatus) -> Result<(), String> {
    if status.success() {
        return Ok(());
    }
    Err(format!("{name}: {status}"))
}

#[cfg(unix)]
fn in_a_group(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(not(unix))]
fn in_a_group(_: &mut Command) {}

/// Kills a program with its group and takes its exit status, so that no zombie stays.
fn kill(child: &mut Child) {
    kill_group(child);
    let killed = Instant::now();
    while killed.elapsed() < GONE {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(LOOK);
    }
    log::debug!("process {} was killed and is not gone after {} s", child.id(), GONE.as_secs());
}

#[cfg(unix)]
fn kill_group(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process_group};
    // It has not been waited for, so its number, which is the group's too, is still its own.
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let killed = group.is_some_and(|group| kill_process_group(group, Signal::KILL).is_ok());
    if !killed {
        let _ = child.kill();
    }
}

#[cfg(not(unix))]
fn kill_group(child: &mut Child) {
    let _ = child.kill();
}
