//! Subtitles: a file of cues, complete after each.
//!
//! In: events. Out: after the header a cue in one piece as soon as nothing can change it any more.

use crate::caption::{Cue, Cues, Settings, Subtitles as Kind};
use crate::error::Result;
use crate::event::Event;

use super::output::{Reader, Writer};

#[derive(Debug)]
pub(super) struct Subtitles {
    pub(super) writer: Writer,
    kind: Kind,
    cues: Cues,
    /// How many were written.
    number: u64,
}

impl Subtitles {
    /// Goes on after the header, which was written when `writer` was opened.
    pub(super) fn new(writer: Writer, kind: Kind) -> Result<Self> {
        Ok(Self { writer, kind, cues: Cues::new(Settings::default())?, number: 0 })
    }

    pub(super) fn event(&mut self, event: &Event) -> Result<Reader> {
        let mut settled = Vec::new();
        self.cues.event(&event.body, &mut |cue| settled.push(cue));
        self.write(&settled)
    }

    /// Writes what waits.
    pub(super) fn finish(&mut self) -> Result<Reader> {
        let mut settled = Vec::new();
        self.cues.finish(&mut |cue| settled.push(cue));
        self.write(&settled)
    }

    /// Writes every cue that can be written; the last failure is returned.
    fn write(&mut self, cues: &[Cue]) -> Result<Reader> {
        let mut reader = Ok(Reader::There);
        for cue in cues {
            match self.writer.write(self.kind.cue(self.number + 1, cue).as_bytes()) {
                Ok(Reader::There) => self.number += 1,
                other => reader = other,
            }
        }
        reader
    }
}
