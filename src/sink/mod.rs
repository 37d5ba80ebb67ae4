//! Where events go: JSON Lines, plain lines, or a terminal in which captions roll.
//!
//! In: events in order. Out: text on stdout or in a file, written at once. A [`Sink`] never waits for anything but the
//! operating system, and tells when its reader has gone.

mod jsonl;
mod output;
mod roll;
mod rows;
mod terminal;
mod text;
mod transcript;

use std::fmt;
use std::io::IsTerminal;

pub use output::{Output, Reader};
pub use terminal::restore_cursor;

use crate::error::Result;
use crate::event::Event;
use jsonl::Jsonl;
use output::Writer;
use terminal::Terminal;
use text::{Looks, Text};

/// How events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// For eyes: captions that roll in place, or coloured lines; as [`Format::Text`] where the output is not a terminal.
    #[default]
    Pretty,
    /// Plain lines: final captions, `[Dog] 00:12` for a sound, notices of missing audio.
    Text,
    /// One JSON object a line, as docs/events.md says.
    Jsonl,
}

/// When the events come; it decides what [`Format::Pretty`] looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Manner {
    /// As the sound is heard: the open caption is redrawn in place.
    Live,
    /// As fast as files can be read: one line an event, with its time.
    Files,
}

/// Writes events. Call [`Sink::finish`] at the end: dropping a sink restores the terminal but writes nothing more.
#[derive(Debug)]
pub struct Sink(Kind);

#[derive(Debug)]
enum Kind {
    Jsonl(Jsonl),
    Text(Text),
    Terminal(Box<Terminal>),
}

impl Sink {
    /// Opens `output`; a file is created, or emptied when it is there.
    ///
    /// # Errors
    /// `NotFound` or `Io`, naming the file, when it cannot be created.
    pub fn open(format: Format, output: &Output, manner: Manner) -> Result<Self> {
        let on_terminal = *output == Output::Stdout && std::io::stdout().is_terminal() && !is_dumb();
        let writer = Writer::open(output)?;
        Ok(Self(match (format, manner) {
            (Format::Jsonl, _) => Kind::Jsonl(Jsonl::new(writer)),
            (Format::Pretty, Manner::Live) if on_terminal => Kind::Terminal(Box::new(Terminal::new(writer, colours()))),
            (Format::Pretty, Manner::Files) if on_terminal => Kind::Text(Text::new(writer, Looks::Timed { colours: colours() })),
            (Format::Pretty | Format::Text, _) => Kind::Text(Text::new(writer, Looks::Plain)),
        }))
    }

    /// Whether captions roll in place: other text on the same terminal has to go through [`Sink::note`].
    pub fn rolls(&self) -> bool {
        matches!(self.0, Kind::Terminal(_))
    }

    /// Writes `event`, or takes it into the picture that [`Sink::tick`] draws.
    ///
    /// # Errors
    /// `Io`, naming the output, when it cannot be written. A reader that has gone is not an error: [`Reader::Gone`].
    pub fn event(&mut self, event: &Event) -> Result<Reader> {
        match &mut self.0 {
            Kind::Jsonl(jsonl) => jsonl.event(event),
            Kind::Text(text) => text.event(event),
            Kind::Terminal(terminal) => terminal.event(event),
        }
    }

    /// Says that what follows is about `file`. JSON Lines do not need it: their events carry the name.
    ///
    /// # Errors
    /// As [`Sink::event`].
    pub fn heading(&mut self, file: &str) -> Result<Reader> {
        match &mut self.0 {
            Kind::Jsonl(_) | Kind::Terminal(_) => Ok(Reader::There),
            Kind::Text(text) => text.heading(file),
        }
    }

    /// Puts a line that is no event (a log line) above the open captions, where captions roll in place.
    pub fn note(&mut self, line: &str) {
        if let Kind::Terminal(terminal) = &mut self.0 {
            terminal.note(line);
        }
    }

    /// Draws what is due: call it at least ten times a second while a live session runs, with the level (dBFS) and the lag (s).
    ///
    /// # Errors
    /// As [`Sink::event`].
    pub fn tick(&mut self, level_dbfs: f32, lag_s: f64) -> Result<Reader> {
        match &mut self.0 {
            Kind::Jsonl(_) | Kind::Text(_) => Ok(Reader::There),
            Kind::Terminal(terminal) => terminal.tick(level_dbfs, lag_s),
        }
    }

    /// Writes what is still open and leaves the terminal as it was found.
    ///
    /// # Errors
    /// As [`Sink::event`].
    pub fn finish(self) -> Result<Reader> {
        match self.0 {
            Kind::Jsonl(_) | Kind::Text(_) => Ok(Reader::There),
            Kind::Terminal(terminal) => terminal.finish(),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pretty => "pretty",
            Self::Text => "text",
            Self::Jsonl => "jsonl",
        })
    }
}

/// Colours are wanted unless `NO_COLOR` is set to anything (<https://no-color.org>).
fn colours() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A terminal that says it understands no escape sequences.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}
