//! The bus: numbers events, stamps them and hands them to whoever subscribed.
//!
//! In: event bodies from any thread. Out: [`Events`], one a subscriber. A slow subscriber loses events, counted; it never makes a
//! stage wait.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::event::{Event, EventBody, SCHEMA_VERSION};
use crate::time::Clock;

/// Events a subscriber may leave unread before it loses some: about 20 minutes of rolling captions.
const CAPACITY: usize = 4_096;

/// Where stages publish. Clones share one bus.
#[derive(Clone)]
pub(super) struct Bus {
    clock: Clock,
    file: Option<Arc<str>>,
    state: Arc<Mutex<State>>,
}

struct State {
    next_seq: u64,
    subscribers: Vec<(SyncSender<Event>, Arc<AtomicU64>)>,
    open: bool,
}

impl Bus {
    pub(super) fn new(clock: Clock, file: Option<Arc<str>>) -> Self {
        let state = State { next_seq: 0, subscribers: Vec::new(), open: true };
        Self { clock, file, state: Arc::new(Mutex::new(state)) }
    }

    /// Events published from now on.
    pub(super) fn subscribe(&self) -> Events {
        let (sender, receiver) = sync_channel(CAPACITY);
        let missed = Arc::new(AtomicU64::new(0));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.open {
            state.subscribers.push((sender, Arc::clone(&missed)));
        }
        Events { receiver, missed }
    }

    pub(super) fn publish(&self, body: EventBody) {
        // The lock is held while numbering and sending, so that every subscriber sees the numbers in order.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.open {
            return;
        }
        let event = Event {
            v: SCHEMA_VERSION,
            seq: state.next_seq,
            emitted: microseconds(self.clock.now()),
            file: self.file.clone(),
            body,
        };
        state.next_seq += 1;
        state.subscribers.retain(|(sender, missed)| match sender.try_send(event.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                missed.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        });
    }

    /// No more events: subscribers read what is left and then the end.
    pub(super) fn close(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.open = false;
        state.subscribers.clear();
    }
}

/// Seconds, rounded to the microsecond: digits beyond are noise of the arithmetic.
pub(super) fn microseconds(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

/// What waiting for an event gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// The next event.
    Event(Box<Event>),
    /// None yet.
    Nothing,
    /// The session is over and every event was read.
    End,
}

/// The events of a session, from when it was subscribed to. As an iterator it waits for each and ends with the session.
#[derive(Debug)]
pub struct Events {
    receiver: Receiver<Event>,
    missed: Arc<AtomicU64>,
}

impl Events {
    /// The next event, waiting at most `timeout`.
    pub fn next_within(&self, timeout: Duration) -> Next {
        match self.receiver.recv_timeout(timeout) {
            Ok(event) => Next::Event(Box::new(event)),
            Err(RecvTimeoutError::Timeout) => Next::Nothing,
            Err(RecvTimeoutError::Disconnected) => Next::End,
        }
    }

    /// The next event, if one waits.
    pub fn next_now(&self) -> Next {
        match self.receiver.try_recv() {
            Ok(event) => Next::Event(Box::new(event)),
            Err(TryRecvError::Empty) => Next::Nothing,
            Err(TryRecvError::Disconnected) => Next::End,
        }
    }

    /// The events that wait now, without waiting for more.
    pub fn waiting(&self) -> impl Iterator<Item = Event> + '_ {
        self.receiver.try_iter()
    }

    /// Events this subscriber lost because it left too many unread.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.receiver.recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Gap, GapReason};
    use crate::time::SamplePosition;

    fn gap(samples: u64) -> EventBody {
        EventBody::Gap(Gap { start: SamplePosition(0), samples, reason: GapReason::Overrun })
    }

    #[test]
    fn a_slow_subscriber_loses_events_by_count_and_the_others_none() {
        let bus = Bus::new(Clock::of_audio(), None);
        let slow = bus.subscribe();
        let quick = bus.subscribe();
        for sample in 0..CAPACITY as u64 + 10 {
            bus.publish(gap(sample));
            let Next::Event(event) = quick.next_now() else { panic!("an event was published") };
            assert_eq!(event.seq, sample);
        }
        bus.close();
        bus.publish(gap(0));
        assert_eq!((slow.missed(), quick.missed()), (10, 0));
        assert_eq!(slow.count(), CAPACITY);
        assert_eq!(quick.next_now(), Next::End);
    }
}
