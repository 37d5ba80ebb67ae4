//! JSON Lines: one event a line, flushed each, so that a reader has it when it was said.
//!
//! In: events. Out: the lines that docs/events.md describes.

use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;

use super::output::{Reader, Writer};

#[derive(Debug)]
pub(super) struct Jsonl {
    pub(super) writer: Writer,
    line: Vec<u8>,
}

impl Jsonl {
    pub(super) fn new(writer: Writer) -> Self {
        Self { writer, line: Vec::new() }
    }

    pub(super) fn event(&mut self, event: &Event) -> Result<Reader> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, event)
            .map_err(|error| Error::new(ErrorKind::Io, format!("event {}: cannot be written as JSON: {error}", event.seq)))?;
        self.line.push(b'\n');
        self.writer.write(&self.line)
    }
}
