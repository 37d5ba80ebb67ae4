//! The queue in front of a live output: whoever reads slowly, or not at all, keeps nobody else waiting.
//!
//! In: records from the thread that has the events. Out: the same, written by a thread of its own; records that find no room are left out
//! and counted. What waits is bounded in bytes, how long the end waits for it in time.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use super::output::Target;

/// Bytes that may wait: minutes of rolling captions as JSON Lines. One record more than that is let in when nothing waits.
const MOST_BYTES: usize = 4 << 20;

/// Records that wait for their output.
pub(super) struct Queue(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    records: VecDeque<Box<[u8]>>,
    bytes: usize,
    /// A record is being written.
    writing: bool,
    closed: bool,
    /// Records left out.
    late: u64,
    /// The last failure that was not told.
    failed: Option<io::Error>,
    /// Records written, and records that failed.
    counts: (u64, u64),
    gone: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Starts the thread that writes to `target`. It is left behind if it still waits for a reader when the program ends.
    pub(super) fn start(target: Target) -> io::Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let its = Arc::clone(&shared);
        thread::Builder::new().name("output".into()).spawn(move || write_all(&its, target))?;
        Ok(Self(shared))
    }

    /// Hands over a record. Returns what went wrong with an earlier one.
    pub(super) fn push(&mut self, record: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock();
        if state.gone {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if !state.records.is_empty() && state.bytes + record.len() > MOST_BYTES {
            state.late += 1;
        } else {
            state.bytes += record.len();
            state.records.push_back(record.into());
            self.0.changed.notify_all();
        }
        state.failed.take().map_or(Ok(()), Err)
    }

    /// What went wrong since it was last told.
    pub(super) fn check(&mut self) -> io::Result<()> {
        let mut state = self.0.lock();
        if state.gone { Err(io::ErrorKind::BrokenPipe.into()) } else { state.failed.take().map_or(Ok(()), Err) }
    }

    /// How many records were written, and how many could not be, so far.
    pub(super) fn counts(&self) -> (u64, u64) {
        self.0.lock().counts
    }

    /// Whether something waits to be written.
    pub(super) fn is_behind(&self) -> bool {
        let state = self.0.lock();
        state.writing || !state.records.is_empty()
    }

    /// Ends the queue when all is written or at `deadline`. Returns how many records were left out, and what went wrong last.
    pub(super) fn close(&mut self, deadline: Instant) -> (u64, io::Result<()>) {
        let mut state = self.0.lock();
        state.closed = true;
        self.0.changed.notify_all();
        while state.writing || !state.records.is_empty() {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { break };
            state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let unwritten = state.records.len() as u64 + u64::from(state.writing);
        state.records.clear();
        let failed = if state.gone { Some(io::ErrorKind::BrokenPipe.into()) } else { state.failed.take() };
        (std::mem::take(&mut state.late) + unwritten, failed.map_or(Ok(()), Err))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        self.0.changed.notify_all();
    }
}

fn write_all(shared: &Shared, mut target: Target) {
    let mut state = shared.lock();
    loop {
        let Some(record) = state.records.pop_front() else {
            if state.closed || state.gone {
                return;
            }
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        state.writing = true;
        drop(state);
        let written = target.write(&record);
        state = shared.lock();
        state.writing = false;
        state.bytes -= record.len().min(state.bytes);
        match written {
            Ok(()) => state.counts.0 += 1,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                state.gone = true;
                state.records.clear();
                state.bytes = 0;
            }
            Err(error) => {
                state.counts.1 += 1;
                state.failed = Some(error);
            }
        }
        shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    /// Takes a record when the test lets it.
    struct Reluctant {
        leave: Receiver<()>,
        taken: Sender<Vec<u8>>,
    }

    impl Write for Reluctant {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.leave.recv();
            self.taken.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn reluctant() -> (Queue, Sender<()>, Receiver<Vec<u8>>) {
        let (let_it, leave) = channel();
        let (taken, took) = channel();
        (Queue::start(Target::Stream(Box::new(Reluctant { leave, taken }))).unwrap(), let_it, took)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(50)
    }

    #[test]
    fn a_reader_that_takes_nothing_costs_records_and_no_time() {
        let (mut queue, let_it, took) = reluctant();
        let record = vec![b'x'; MOST_BYTES / 4];
        let started = Instant::now();
        for _ in 0..20 {
            queue.push(&record).unwrap();
        }
        assert!(queue.is_behind());
        let (late, end) = queue.close(soon());
        assert!(end.is_ok() && late == 20, "{late}: none was written");
        assert!(started.elapsed() < Duration::from_secs(5));
        drop((let_it, took));
    }

    #[test]
    fn what_waits_is_written_in_order_before_the_end() {
        let (mut queue, let_it, took) = reluctant();
        for record in [b"a", b"b", b"c"] {
            queue.push(record).unwrap();
            let_it.send(()).unwrap();
        }
        let (late, end) = queue.close(Instant::now() + Duration::from_secs(30));
        assert!(late == 0 && end.is_ok() && !queue.is_behind());
        assert_eq!(took.try_iter().collect::<Vec<_>>().concat(), b"abc");
    }

    #[test]
    fn a_reader_that_has_gone_is_told() {
        let (mut queue, let_it, took) = reluctant();
        drop(took);
        queue.push(b"a").unwrap();
        let_it.send(()).unwrap();
        let (_, end) = queue.close(Instant::now() + Duration::from_secs(30));
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(queue.push(b"b").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
