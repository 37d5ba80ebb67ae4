//! The pipeline: threads and bounded channels between the rooms, and the [`Session`] a program drives.
//!
//! In: audio, from a source or pushed. Out: [`Event`](crate::event::Event)s. A live session runs the front end, speech and sounds on
//! a thread each; a virtual one runs them in turn on the caller's, on a clock that the audio moves. Both use the same stages.

mod bus;
mod engines;
mod intake;
mod live;
mod meter;
mod offline;
mod session;

pub use bus::{Events, Next};
pub use engines::{EngineSettings, Engines};
pub use meter::Meter;
pub use session::{Pace, Session, SessionBuilder};
