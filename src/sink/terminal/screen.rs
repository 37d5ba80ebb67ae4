//! The screen: draws settled lines and the open rows below them, with as few escape sequences as it takes.
//!
//! In: lines, rows, the terminal's size. Out: bytes for the terminal. Settled lines are written once and scroll away; only
//! the open rows are written again, so that the scrollback is a clean transcript.

use std::collections::VecDeque;
use std::io;

use crossterm::cursor::{Hide, MoveTo, MoveToColumn, MoveUp, Show};
use crossterm::queue;
use crossterm::style::{Attribute, Color, Print, SetAttribute, SetForegroundColor};
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};

use super::super::rows::{Line, Style, width, wrap};
use super::layout::Size;

/// Settled lines that are remembered, to be written again when the terminal changes its size.
const REMEMBERED: usize = 200;

/// What is on the terminal.
#[derive(Debug)]
pub(super) struct Screen {
    colours: bool,
    /// The size when it was drawn; `None` before the first drawing.
    size: Option<Size>,
    /// The rows at the bottom that may change. The cursor stands behind the last.
    open: Vec<Line>,
    /// The last settled lines, oldest first.
    settled: VecDeque<Line>,
}

impl Screen {
    pub(super) fn new(colours: bool) -> Self {
        Self { colours, size: None, open: Vec::new(), settled: VecDeque::new() }
    }

    /// The bytes that add `settled` above the open rows and replace those by `open`; none when nothing changed.
    ///
    /// # Errors
    /// None in practice: the bytes are written to memory.
    pub(super) fn draw(&mut self, settled: Vec<Line>, open: Vec<Line>, size: Size) -> io::Result<Vec<u8>> {
        let resized = self.size.is_some_and(|old| old != size);
        if settled.is_empty() && open == self.open && !resized && self.size.is_some() {
            return Ok(Vec::new());
        }
        let mut bytes = Vec::new();
        queue!(bytes, BeginSynchronizedUpdate)?;
        if self.size.is_none() {
            queue!(bytes, Hide)?;
        }
        let kept = if resized || !settled.is_empty() { 0 } else { kept(&self.open, &open) };
        if resized && self.fills(size, open.len()) {
            self.repaint(&mut bytes, size, open.len())?;
        } else {
            self.clear_from(&mut bytes, kept, size)?;
        }
        for line in settled {
            for row in wrap(&line, size.columns) {
                self.row(&mut bytes, &row)?;
                queue!(bytes, Print("\r\n"))?;
            }
            self.settled.push_back(line);
        }
        self.settled.drain(..self.settled.len().saturating_sub(REMEMBERED));
        for (index, row) in open.iter().enumerate().skip(kept) {
            self.row(&mut bytes, row)?;
            if index + 1 < open.len() {
                queue!(bytes, Print("\r\n"))?;
            }
        }
        queue!(bytes, EndSynchronizedUpdate)?;
        self.open = open;
        self.size = Some(size);
        Ok(bytes)
    }

    /// The bytes that take the open rows away, write `rest` in their place and give the cursor back.
    ///
    /// # Errors
    /// None in practice: the bytes are written to memory.
    pub(super) fn finish(&mut self, rest: Vec<Line>, size: Size) -> io::Result<Vec<u8>> {
        let mut bytes = self.draw(rest, Vec::new(), size)?;
        queue!(bytes, Show)?;
        Ok(bytes)
    }

    /// Moves to the open row `first` and clears from there on.
    fn clear_from(&self, bytes: &mut Vec<u8>, first: usize, size: Size) -> io::Result<()> {
        // After a change of width the terminal has broken the rows that no longer fit, as most do.
        let rows: usize = self.open[first..].iter().map(|row| width(row).div_ceil(size.columns).max(1)).sum();
        let up = rows.saturating_sub(1).min(size.rows - 1);
        if up > 0 {
            queue!(bytes, MoveUp(u16::try_from(up).unwrap_or(u16::MAX)))?;
        }
        clear_below(bytes)
    }

    /// Whether all that the terminal shows, before and after the change to `size`, is ours and remembered.
    fn fills(&self, size: Size, open: usize) -> bool {
        let rows = self.size.map_or(size.rows, |old| old.rows.max(size.rows));
        open + self.settled.iter().map(|line| wrap(line, size.columns).len()).sum::<usize>() >= rows
    }

    /// Writes the screen anew from the top: the settled lines that fill it, ready for `open` rows below. Where a terminal
    /// puts its rows when its size changes is its own affair, so nothing on it is trusted. The line that is cut by the upper
    /// edge is written whole and scrolls: rather a row twice in the scrollback than one lost.
    fn repaint(&self, bytes: &mut Vec<u8>, size: Size, open: usize) -> io::Result<()> {
        let mut rows: Vec<Line> = Vec::new();
        for line in self.settled.iter().rev() {
            if rows.len() + open >= size.rows {
                break;
            }
            rows.splice(0..0, wrap(line, size.columns));
        }
        queue!(bytes, MoveTo(0, 0))?;
        for row in rows {
            // Line by line: clearing a whole screen would make some terminals push it into the scrollback.
            queue!(bytes, Clear(ClearType::CurrentLine))?;
            self.row(bytes, &row)?;
            queue!(bytes, Print("\r\n"))?;
        }
        clear_below(bytes)
    }

    fn row(&self, bytes: &mut Vec<u8>, row: &Line) -> io::Result<()> {
        for span in row {
            let (attribute, colour) = look(span.style);
            if let Some(attribute) = attribute {
                queue!(bytes, SetAttribute(attribute))?;
            }
            if let Some(colour) = colour.filter(|_| self.colours) {
                queue!(bytes, SetForegroundColor(colour))?;
            }
            queue!(bytes, Print(&span.text))?;
            if attribute.is_some() || colour.is_some() {
                queue!(bytes, SetAttribute(Attribute::Reset))?;
            }
        }
        Ok(())
    }
}

/// Clears the cursor's row and all below it, and stands at the row's start. Not from the first column on: where that is the
/// corner of the screen, tmux takes it for a cleared screen and pushes what was there into the scrollback.
fn clear_below(bytes: &mut Vec<u8>) -> io::Result<()> {
    queue!(bytes, Clear(ClearType::CurrentLine), MoveToColumn(1), Clear(ClearType::FromCursorDown), MoveToColumn(0))
}

/// How many rows at the top are the same in both.
fn kept(old: &[Line], new: &[Line]) -> usize {
    let same = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    // The cursor has to end up behind the last row, so that is always written.
    same.min(new.len().saturating_sub(1)).min(old.len().saturating_sub(1))
}

/// Attribute and colour of a style. Attributes carry the meaning; colours only help.
fn look(style: Style) -> (Option<Attribute>, Option<Color>) {
    match style {
        Style::Spoken | Style::Stable => (None, None),
        Style::Committed => (Some(Attribute::Bold), None),
        Style::Tentative | Style::Faint => (Some(Attribute::Dim), None),
        Style::Tag => (None, Some(Color::DarkCyan)),
        Style::Alert => (Some(Attribute::Bold), Some(Color::Red)),
        Style::Level => (None, Some(Color::DarkGreen)),
    }
}
