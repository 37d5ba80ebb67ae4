//! Auricle turns live audio into one timeline of captions and sound events, on the device that hears it.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod alert;
pub mod audio;
pub mod bench;
pub mod caption;
pub mod decode;
pub mod error;
pub mod event;
pub mod frontend;
pub mod latency;
pub mod model;
pub mod pipeline;
pub mod runtime;
pub mod sink;
pub mod sound;
pub mod speech;
pub mod store;
pub mod time;

pub use error::{Error, ErrorKind, Result};
pub use event::{Event, EventBody};
pub use pipeline::{EngineSettings, Engines, Events, Meter, Next, Pace, Session, SessionBuilder, Span, Stage};
