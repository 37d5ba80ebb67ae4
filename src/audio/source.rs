//! What every source of live audio tells the front end, and the ring it makes for each connection.
//!
//! In: nothing. Out: [`SourceEvent`], in the order in which things happened.

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
        /// Whether the source had been lost.
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
    /// The source has ended in order: no more will come, but what is in the ring.
    Ended,
    /// The source has failed for good: no more will come, but what is in the ring.
    Failed(Error),
}

/// A ring for one connection.
pub(super) fn connection(format: Format) -> (Producer, Consumer) {
    ring(usize::from(format.channels), format.rate_hz as usize * RING_SECONDS, RING_RECORDS)
}
