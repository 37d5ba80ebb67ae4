//! What every source of live audio tells the front end, how it is paused, and the ring it makes for each connection.
//!
//! In: nothing. Out: [`SourceEvent`], in the order in which things happened; [`Pause`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::pcm::Format;
use super::ring::{Consumer, Producer, ring};
use crate::error::Error;

/// Audio that a ring holds before it drops: more than the longest stall that the front end should survive.
const RING_SECONDS: usize = 10;
/// Blocks that a ring holds: at 10 s, blocks of 2.4 ms.
const RING_RECORDS: usize = 4096;

/// What happened to a source.
pub enum SourceEvent {
    /// Audio comes through a new ring, from frame 0 on. A ring from before is to be let go.
    Connected {
        /// Where the frames come out.
        consumer: Consumer,
        /// Of those frames. It can differ from the format before.
        format: Format,
        /// Name of the device or file, for people.
        name: String,
        /// Whether the source had been lost or paused.
        again: bool,
    },
    /// There is no device yet; it is waited for.
    Waiting {
        /// What is waited for, for people.
        name: String,
    },
    /// No audio comes until the next `Connected`.
    Lost {
        /// As in `Connected`.
        name: String,
        /// Why, for people.
        reason: String,
    },
    /// The source was paused: it is closed, and no audio comes until the next `Connected`, or `Lost` where it is gone by then.
    Paused {
        /// As in `Connected`.
        name: String,
    },
    /// The source has ended in order: no more will come, but what is in the ring.
    Ended,
    /// The source has failed for good: no more will come, but what is in the ring.
    Failed(Error),
}

/// Pauses a source and lets it go on, from any thread. Clones are for the same source.
///
/// What it does takes a moment: the source says [`SourceEvent::Paused`] when its device is closed, and
/// [`SourceEvent::Connected`] when it is open again.
#[derive(Clone, Debug, Default)]
pub struct Pause(Arc<AtomicBool>);

impl Pause {
    /// Asks for a pause: the device is closed, so that nothing is recorded. No effect during one.
    pub fn pause(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Asks for the end of the pause. No effect outside of one.
    pub fn resume(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Asks for a pause, or for the end of one. Returns whether it was for a pause.
    pub fn toggle(&self) -> bool {
        !self.0.fetch_xor(true, Ordering::Relaxed)
    }

    /// Whether a pause is asked for.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A ring for one connection.
pub(super) fn connection(format: Format) -> (Producer, Consumer) {
    ring(usize::from(format.channels), format.rate_hz as usize * RING_SECONDS, RING_RECORDS)
}
