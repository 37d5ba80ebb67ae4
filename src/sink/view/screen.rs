//! The screen: the whole terminal, taken and given back.
//!
//! In: pictures. Out: escape sequences for what changed since the last one.

use std::io::{self, BufWriter, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::{Hide, Show};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;

/// Bytes that are collected before they are written: more than any picture of usual size takes.
const WRITE_BYTES: usize = 1 << 16;
/// Cells that change before a terminal is asked to show them all at once.
const MANY_CELLS: usize = 40;

/// Whether the terminal is ours at present.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal, and what is on it.
#[derive(Debug)]
pub(super) struct Screen {
    backend: CrosstermBackend<BufWriter<io::Stdout>>,
    /// `None` where nothing on it is to be trusted.
    shown: Option<Buffer>,
}

impl Screen {
    /// Takes the terminal. It is given back by [`restore_screen`], which a panic calls too.
    pub(super) fn take() -> io::Result<Self> {
        static ON_PANIC: Once = Once::new();
        ON_PANIC.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore_screen();
                before(panic);
            }));
        });
        let backend = CrosstermBackend::new(BufWriter::with_capacity(WRITE_BYTES, io::stdout()));
        let mut screen = Self { backend, shown: None };
        screen.retake()?;
        Ok(screen)
    }

    /// Takes the terminal again after it was given back, or after another program drew on it.
    pub(super) fn retake(&mut self) -> io::Result<()> {
        TAKEN.store(true, Ordering::Relaxed);
        enable_raw_mode()?;
        queue!(self.backend, EnterAlternateScreen, Hide)?;
        self.redraw();
        Ok(())
    }

    /// Lets the next picture be drawn whole.
    pub(super) fn redraw(&mut self) {
        self.shown = None;
    }

    /// Draws what of `picture` is not on the terminal yet; writes nothing where that is nothing.
    pub(super) fn draw(&mut self, picture: Buffer) -> io::Result<()> {
        let blank;
        let shown = match &self.shown {
            Some(shown) if shown.area == picture.area => shown,
            _ => {
                queue!(self.backend, Clear(ClearType::All))?;
                blank = Buffer::empty(picture.area);
                &blank
            }
        };
        let changed = shown.diff(&picture);
        if !changed.is_empty() {
            let at_once = changed.len() >= MANY_CELLS;
            if at_once {
                queue!(self.backend, BeginSynchronizedUpdate)?;
            }
            self.backend.draw(changed.into_iter())?;
            if at_once {
                queue!(self.backend, EndSynchronizedUpdate)?;
            }
        }
        self.shown = Some(picture);
        io::Write::flush(&mut self.backend)
    }
}

/// Gives the terminal back as it was, where [`View`](super::View) has taken it: for a program that ends without
/// dropping that.
///
/// It waits for whoever writes to standard output, and for a terminal that takes nothing; who must not wait calls it on a thread
/// that can be left behind.
pub fn restore_screen() {
    if TAKEN.swap(false, Ordering::Relaxed) {
        // There is nobody left to tell of a failure. What a picture had begun may stand in an attribute.
        let _ = execute!(io::stdout(), EndSynchronizedUpdate, LeaveAlternateScreen, Show);
        let _ = io::stdout().flush();
        let _ = disable_raw_mode();
    }
}
