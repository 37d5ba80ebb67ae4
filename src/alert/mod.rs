//! Alerts: a program that is run, or an address that is told, when a sound is heard.
//!
//! In: the events of a session and what the user asked for ([`Settings`]). Out: programs and requests, and an `alert` event for
//! each that says what came of it. Nothing here is ever waited for by captions: events are read on a thread of its own, work waits
//! in a queue of fixed length, and every program and request has its time.

mod program;
mod settings;
mod template;
mod watch;
mod webhook;
mod worker;

pub use settings::{Action, Alert, Place, Settings};
pub use template::Argument;
pub use worker::Alerts;
