//! Captions that roll in place on a terminal, sounds between them, a status line below.
//!
//! In: events, and the level and lag in between. Out: escape sequences, at most fifteen pictures a second. [`Roll`] knows what
//! there is to show, [`layout`] makes rows of it, [`screen`] draws them.

mod layout;
mod screen;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::time::{Duration, Instant};

use crossterm::cursor::Show;
use crossterm::execute;

use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;

use super::output::{Reader, Writer};
use super::roll::Roll;
use super::rows::{self, Line, Span, Style};
use super::transcript::printable;
use layout::Size;
use screen::Screen;

/// Shortest time from one picture to the next.
const REDRAW_INTERVAL: Duration = Duration::from_millis(66);
/// The size of a terminal that does not tell its own.
const FALLBACK_SIZE: Size = Size { columns: 80, rows: 24 };

#[derive(Debug)]
pub(super) struct Terminal {
    pub(super) writer: Writer,
    roll: Roll,
    screen: Screen,
    notes: Vec<Line>,
    drawn: Option<Instant>,
    finished: bool,
}

impl Terminal {
    pub(super) fn new(writer: Writer, colours: bool) -> Self {
        let (roll, screen) = (Roll::default(), Screen::new(colours));
        Self { writer, roll, screen, notes: Vec::new(), drawn: None, finished: false }
    }

    pub(super) fn event(&mut self, event: &Event) -> Result<Reader> {
        self.roll.event(event);
        self.draw_when_due()
    }

    pub(super) fn note(&mut self, line: &str) {
        self.notes.push(vec![Span::new(printable(line), Style::Faint)]);
    }

    pub(super) fn tick(&mut self, level_dbfs: f32, lag_s: f64) -> Result<Reader> {
        self.roll.status.level_dbfs = Some(level_dbfs);
        self.roll.status.lag_s = lag_s;
        self.draw_when_due()
    }

    pub(super) fn finish(&mut self) -> Result<Reader> {
        if std::mem::replace(&mut self.finished, true) {
            return Ok(Reader::There);
        }
        let mut rest = std::mem::take(&mut self.notes);
        rest.extend(self.roll.rest());
        let bytes = self.screen.finish(rest, size()).map_err(|error| undrawn(&error))?;
        self.writer.write(&bytes)
    }

    fn draw_when_due(&mut self) -> Result<Reader> {
        if self.writer.is_behind() || self.drawn.is_some_and(|drawn| drawn.elapsed() < REDRAW_INTERVAL) {
            return Ok(Reader::There);
        }
        self.drawn = Some(Instant::now());
        let size = size();
        let mut settled = std::mem::take(&mut self.notes);
        settled.extend(self.roll.settled());
        let open = layout::region(&self.roll.open(), &self.roll.status, size);
        let bytes = self.screen.draw(settled, open, size).map_err(|error| undrawn(&error))?;
        if bytes.is_empty() { Ok(Reader::There) } else { self.writer.write(&bytes) }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.drawn.is_some() && !self.finished {
            restore_cursor();
        }
    }
}

/// Shows the cursor again and moves to a new line: for a program that ends without [`super::Sink::finish`].
///
/// It waits for whoever writes to standard output, and for a terminal that takes nothing; who must not wait calls it on a thread
/// that can be left behind.
pub fn restore_cursor() {
    // There is nobody left to tell of a failure.
    let _ = execute!(io::stdout(), Show).and_then(|()| io::stdout().write_all(b"\r\n")).and_then(|()| io::stdout().flush());
}

/// Columns of the terminal.
pub(super) fn columns() -> usize {
    size().columns
}

/// `text` in rows of at most `columns`, broken at spaces.
pub(super) fn rows(text: &str, columns: usize) -> Vec<String> {
    let rows = rows::wrap(&[Span::new(text, Style::Spoken)], columns);
    rows.into_iter().map(|row| row.into_iter().map(|span| span.text).collect()).collect()
}

fn size() -> Size {
    match crossterm::terminal::size() {
        Ok((columns, rows)) if columns > 0 && rows > 0 => Size { columns: columns.into(), rows: rows.into() },
        _ => FALLBACK_SIZE,
    }
}

fn undrawn(error: &io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("terminal: cannot be drawn on: {error}; use --format text"))
}
