//! Where events go: JSON Lines, plain lines, subtitles, a terminal in which captions roll, or one that they fill; to several places at
//! once.
//!
//! In: events in order. Out: text on stdout or in files, written as soon as it is settled. A live [`Sink`] waits for nobody: what a reader is
//! too slow for is left out and counted. An output that fails does not take the others with it.

mod jsonl;
mod output;
mod queue;
mod roll;
mod rows;
mod subtitles;
mod terminal;
mod text;
mod transcript;
mod view;

use std::fmt;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

pub use output::{Output, Reader};
pub use terminal::restore_cursor;
pub use view::{View, Wish, restore_screen};

use crate::caption;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use jsonl::Jsonl;
use output::Writer;
use subtitles::Subtitles;
use terminal::Terminal;
use text::{Looks, Text};

/// How long [`Sink::finish`] waits for slow readers, all of them together.
pub const GRACE: Duration = Duration::from_secs(1);

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
    /// Subtitles of one session or file, [`caption::Settings`] has their measures.
    Subtitles(caption::Subtitles),
}

/// When the events come; it decides what [`Format::Pretty`] looks like, and who waits for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Manner {
    /// As the sound is heard: the open caption is redrawn in place, and nothing waits for a slow reader.
    Live,
    /// As fast as files can be read: one line an event, with its time; a slow reader is waited for.
    Files,
}

/// Writes events. Call [`Sink::finish`] at the end: dropping a sink restores the terminal but writes nothing more.
#[derive(Debug)]
pub struct Sink {
    outputs: Vec<Open>,
}

/// An output, and how it is doing.
#[derive(Debug)]
struct Open {
    kind: Kind,
    /// Its reader has gone: nothing more is written there.
    gone: bool,
    /// Why the last record could not be written, where it could not, and how many had been written when that began.
    failing: Option<(Error, u64)>,
}

#[derive(Debug)]
enum Kind {
    Jsonl(Jsonl),
    Text(Text),
    Subtitles(Box<Subtitles>),
    Terminal(Box<Terminal>),
}

impl Sink {
    /// Opens `output`; a file is created, or emptied when it is there.
    ///
    /// # Errors
    /// `NotFound` or `Io`, naming the file, when it cannot be created.
    pub fn open(format: Format, output: &Output, manner: Manner) -> Result<Self> {
        Self::open_all(&[(format, output.clone())], manner)
    }

    /// Opens every output. What one of them cannot take, the others still get.
    ///
    /// # Errors
    /// As [`Sink::open`], for the first that cannot be opened.
    pub fn open_all(outputs: &[(Format, Output)], manner: Manner) -> Result<Self> {
        let open = |(format, output): &(Format, Output)| {
            Ok(Open { kind: Kind::open(*format, output, manner)?, gone: false, failing: None })
        };
        Ok(Self { outputs: outputs.iter().map(open).collect::<Result<_>>()? })
    }

    /// Whether captions roll in place: other text on the same terminal has to go through [`Sink::note`].
    pub fn rolls(&self) -> bool {
        self.outputs.iter().any(|open| matches!(open.kind, Kind::Terminal(_)))
    }

    /// Writes `event`, or takes it into the picture that [`Sink::tick`] draws.
    ///
    /// # Errors
    /// `Io`, naming the output, when none can be written any more. While one can, what fails is logged when it begins and returned
    /// by [`Sink::finish`]. A reader that has gone is not an error: [`Reader::Gone`] when all have.
    pub fn event(&mut self, event: &Event) -> Result<Reader> {
        self.each(|kind| kind.event(event))
    }

    /// Says that what follows is about `file`. JSON Lines do not need it: their events carry the name.
    ///
    /// # Errors
    /// As [`Sink::event`].
    pub fn heading(&mut self, file: &str) -> Result<Reader> {
        self.each(|kind| match kind {
            Kind::Text(text) => text.heading(file),
            _ => Ok(Reader::There),
        })
    }

    /// Puts a line that is no event (a log line) above the open captions, where captions roll in place.
    pub fn note(&mut self, line: &str) {
        for open in &mut self.outputs {
            if let Kind::Terminal(terminal) = &mut open.kind {
                terminal.note(line);
            }
        }
    }

    /// Draws what is due, and tells what could not be written: call it at least ten times a second while a live session runs, with the level (dBFS) and the lag (s).
    ///
    /// # Errors
    /// As [`Sink::event`].
    pub fn tick(&mut self, level_dbfs: f32, lag_s: f64) -> Result<Reader> {
        self.each(|kind| match kind {
            Kind::Terminal(terminal) => terminal.tick(level_dbfs, lag_s),
            other => other.writer().check(),
        })
    }

    /// Writes what is still open, waits a second at most for slow readers, and leaves the terminal as it was found. What a reader was too
    /// slow for is logged.
    ///
    /// # Errors
    /// `Io`, naming every output that failed at any time, and how much is missing from it.
    pub fn finish(mut self) -> Result<Reader> {
        let ended = self.each(Kind::finish);
        let deadline = Instant::now() + GRACE;
        let mut missing = Vec::new();
        for open in &mut self.outputs {
            let what = open.kind.records();
            let writer = open.kind.writer();
            let (late, closed) = writer.close(deadline);
            if late > 0 {
                log::warn!("{}: its reader was too slow: {late} {what} are missing from it", writer.name());
            }
            match closed {
                Ok(Reader::There) => {}
                Ok(Reader::Gone) => open.gone = true,
                Err(error) => open.failing = Some((error, 0)),
            }
            let writer = open.kind.writer();
            if writer.failed() > 0 {
                let why = open.failing.take().map_or_else(|| writer.name().to_owned(), |(error, _)| error.to_string());
                missing.push(format!("{why} ({} {what} are missing from it)", writer.failed()));
            }
        }
        if !missing.is_empty() {
            return Err(Error::new(ErrorKind::Io, missing.join("; ")));
        }
        ended.map(|_| self.reader())
    }

    /// Does `work` for every output whose reader is there. Fails when no output is left that works.
    fn each(&mut self, mut work: impl FnMut(&mut Kind) -> Result<Reader>) -> Result<Reader> {
        let mut news = Vec::new();
        for open in self.outputs.iter_mut().filter(|open| !open.gone) {
            match work(&mut open.kind) {
                Ok(Reader::There) => {
                    let writer = open.kind.writer();
                    // Most events write nothing; and what is queued was not written yet.
                    if open.failing.take_if(|(_, written)| writer.written() > *written).is_some() {
                        log::warn!("{}: can be written again; what could not be written is lost", writer.name());
                    }
                }
                Ok(Reader::Gone) => open.gone = true,
                Err(error) => {
                    let written = open.kind.writer().written();
                    if open.failing.is_none() {
                        news.push(error.clone());
                    }
                    open.failing = Some((error, written));
                }
            }
        }
        let working = self.outputs.iter().any(|open| !open.gone && open.failing.is_none());
        match self.outputs.iter().find_map(|open| open.failing.as_ref()) {
            Some((error, _)) if !working => Err(error.clone()),
            _ => {
                news.iter().for_each(|error| log::error!("{error}; what cannot be written is lost"));
                Ok(self.reader())
            }
        }
    }

    fn reader(&self) -> Reader {
        if self.outputs.iter().all(|open| open.gone) { Reader::Gone } else { Reader::There }
    }
}

impl Kind {
    fn open(format: Format, output: &Output, manner: Manner) -> Result<Self> {
        let on_terminal = *output == Output::Stdout && std::io::stdout().is_terminal() && !is_dumb();
        let header = if let Format::Subtitles(kind) = format { kind.header() } else { "" };
        let writer = Writer::open(output, manner, header)?;
        Ok(match (format, manner) {
            (Format::Jsonl, _) => Self::Jsonl(Jsonl::new(writer)),
            (Format::Subtitles(kind), _) => Self::Subtitles(Box::new(Subtitles::new(writer, kind)?)),
            (Format::Pretty, Manner::Live) if on_terminal => Self::Terminal(Box::new(Terminal::new(writer, colours()))),
            (Format::Pretty, Manner::Files) if on_terminal => Self::Text(Text::new(writer, Looks::Timed { colours: colours() })),
            (Format::Pretty | Format::Text, _) => Self::Text(Text::new(writer, Looks::Plain)),
        })
    }

    fn event(&mut self, event: &Event) -> Result<Reader> {
        match self {
            Self::Jsonl(jsonl) => jsonl.event(event),
            Self::Text(text) => text.event(event),
            Self::Subtitles(subtitles) => subtitles.event(event),
            Self::Terminal(terminal) => terminal.event(event),
        }
    }

    fn finish(&mut self) -> Result<Reader> {
        match self {
            Self::Jsonl(_) | Self::Text(_) => Ok(Reader::There),
            Self::Subtitles(subtitles) => subtitles.finish(),
            Self::Terminal(terminal) => terminal.finish(),
        }
    }

    fn writer(&mut self) -> &mut Writer {
        match self {
            Self::Jsonl(jsonl) => &mut jsonl.writer,
            Self::Text(text) => &mut text.writer,
            Self::Subtitles(subtitles) => &mut subtitles.writer,
            Self::Terminal(terminal) => &mut terminal.writer,
        }
    }

    /// What it writes, in the plural.
    fn records(&self) -> &'static str {
        match self {
            Self::Jsonl(_) => "events",
            Self::Text(_) => "lines",
            Self::Subtitles(_) => "subtitles",
            Self::Terminal(_) => "pictures",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pretty => "pretty",
            Self::Text => "text",
            Self::Jsonl => "jsonl",
            Self::Subtitles(caption::Subtitles::SubRip) => "srt",
            Self::Subtitles(caption::Subtitles::WebVtt) => "vtt",
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
