//! The pipeline: threads and bounded channels between the rooms, and the [`Session`] a program drives.
//!
//! In: audio, from a source or pushed. Out: [`Event`](crate::event::Event)s. A live session runs the front end, speech and sounds on
//! a thread each; a virtual one runs them in turn on the caller's, on a clock that the audio moves; a timed one simulates the threads of
//! a live one. All use the same stages.

mod bus;
mod delivery;
mod engines;
mod front_end;
mod intake;
mod live;
mod meter;
mod offline;
mod session;
mod timed;
mod trace;
mod workers;

pub use bus::{Events, Next};
pub use engines::{EngineSettings, Engines};
pub use meter::Meter;
pub use session::{Pace, Session, SessionBuilder};
pub use trace::{Span, Stage};
