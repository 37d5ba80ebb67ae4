//! What a source of live audio reports: connections, losses and its end.
//!
//! In: nothing. Out: [`SourceEvent`]s over a channel; the samples themselves go through a ring made for each connection, so that a
//! lost device's ring, and the callback that may still hold it, can be left behind.

use super::pcm::Format;
use super::ring::Consumer;
use crate::error::Error;

/// What a source reports to whoever reads its audio.
pub enum SourceEvent {
    /// Audio comes through `consumer` from now on, frames numbered from 0.
    Connected {
        /// The reading end of the connection's ring.
        consumer: Consumer,
        /// How its frames are to be read.
        format: Format,
        /// Name of the device or file, for people.
        name: String,
        /// Whether a connection was lost before this one.
        again: bool,
    },
    /// The connection broke; another may follow.
    Lost {
        /// Name of the device, for people.
        name: String,
        /// Why, for people.
        reason: String,
    },
    /// The source gave everything it had; nothing follows.
    Ended,
    /// The source cannot go on; nothing follows.
    Failed(Error),
}
