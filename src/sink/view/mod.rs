//! The full-screen view: captions that roll over the whole terminal, sounds, and how the session is doing.
//!
//! In: events, the level in between, and keys. Out: a terminal drawn at most fifteen times a second, and what keys ask of the
//! session. [`state`] knows what there is to show, [`layout`] makes a picture of it, [`screen`] draws what changed.

mod history;
mod keys;
mod layout;
mod screen;
mod sounds;
mod state;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

pub use screen::restore_screen;

use super::output::Reader;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use keys::Key;
use screen::Screen;
use state::State;

/// Shortest time from one picture to the next.
const REDRAW_INTERVAL: Duration = Duration::from_millis(66);
/// What the system says of a terminal that is gone: EIO.
const HUNG_UP: i32 = 5;

/// What a key asks of the session; what it asks of the view is done here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To pause, or to listen again.
    Pause,
    /// To leave the terminal to the shell: [`View::leave`], stand still, [`View::come_back`].
    Suspend,
}

/// The view on standard output. Dropping it gives the terminal back.
#[derive(Debug)]
pub struct View {
    state: State,
    screen: Screen,
    keys: Receiver<Key>,
    colours: bool,
    drawn: Option<Instant>,
    /// When an event was emitted on the session's clock, and when it came here.
    clock: Option<(f64, Instant)>,
}

impl View {
    /// Takes the terminal. `on_stop` is called, on a thread of its own, whenever a key asks for the end. Keys are read until the
    /// process ends or the terminal is gone.
    ///
    /// # Errors
    /// `Io` when standard output or the keys are no terminal's.
    pub fn open(on_stop: impl Fn() + Send + 'static) -> Result<Self> {
        let screen = Screen::take().map_err(|error| undrawn(&error));
        let opened = screen.and_then(|screen| Ok((screen, keys::listen(on_stop)?)));
        let (screen, keys) = opened.inspect_err(|_| restore_screen())?;
        Ok(Self { state: State::new(), screen, keys, colours: super::colours(), drawn: None, clock: None })
    }

    /// Takes in what `event` says.
    pub fn event(&mut self, event: &Event) {
        self.clock = Some((event.emitted, Instant::now()));
        self.state.event(event);
    }

    /// Adds a line that is no event, such as a log line.
    pub fn note(&mut self, line: &str) {
        self.state.note(line);
    }

    /// Does what keys asked of the view, and draws what is due: call it at least fifteen times a second, with the level (dBFS).
    /// Returns what keys asked of the session.
    ///
    /// # Errors
    /// `Io` when the terminal cannot be drawn on. One that is gone is not an error: [`Reader::Gone`].
    pub fn tick(&mut self, level_dbfs: f32) -> Result<(Reader, Vec<Wish>)> {
        let wishes = self.answer_keys();
        self.state.level(level_dbfs);
        let due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW_INTERVAL);
        let reader = if due { self.draw()? } else { Reader::There };
        Ok((reader, wishes))
    }

    /// Says that the session is ending, for as long as that takes.
    ///
    /// # Errors
    /// As [`View::tick`].
    pub fn ending(&mut self) -> Result<Reader> {
        self.state.ending = true;
        self.draw()
    }

    /// Gives the terminal back for a while.
    pub fn leave(&mut self) {
        restore_screen();
    }

    /// Takes the terminal again, and draws everything anew.
    ///
    /// # Errors
    /// `Io` when it cannot be taken.
    pub fn come_back(&mut self) -> Result<()> {
        self.screen.retake().map_err(|error| undrawn(&error))
    }

    fn answer_keys(&mut self) -> Vec<Wish> {
        let mut wishes = Vec::new();
        let keys: Vec<Key> = self.keys.try_iter().collect();
        for key in keys {
            // Any key takes the help away again.
            let helped = std::mem::replace(&mut self.state.shows_keys, false);
            let history = &mut self.state.history;
            match key {
                Key::Pause => wishes.push(Wish::Pause),
                Key::Suspend => wishes.push(Wish::Suspend),
                Key::Rows(rows) => history.scroll(rows),
                Key::Pages(pages) => history.scroll(pages.saturating_mul(history.page())),
                Key::Oldest => history.scroll(isize::MIN),
                Key::Now => history.return_to_now(),
                Key::Help => self.state.shows_keys = !helped,
                Key::Redraw => self.screen.redraw(),
                // Was said on the keys' own thread.
                Key::Stop => {}
            }
            self.drawn = None;
        }
        wishes
    }

    fn draw(&mut self) -> Result<Reader> {
        self.drawn = Some(Instant::now());
        if let Some((emitted, came)) = self.clock {
            self.state.now(emitted + came.elapsed().as_secs_f64());
        }
        let (columns, rows) = crossterm::terminal::size().map_err(|error| undrawn(&error))?;
        let picture = layout::picture(&mut self.state, columns.max(1), rows.max(1), self.colours);
        match self.screen.draw(picture) {
            Ok(()) => Ok(Reader::There),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe || error.raw_os_error() == Some(HUNG_UP) => Ok(Reader::Gone),
            Err(error) => Err(undrawn(&error)),
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        restore_screen();
    }
}

fn undrawn(error: &io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("terminal: cannot be drawn on: {error}; leave --view away"))
}
