//! Cues: what is said and heard, cut into subtitles that can be read in the time they are shown.
//!
//! In: events, in the order they were emitted. Out: [`Cue`]s in the order of their times, each told once and never taken back,
//! and their text as SubRip or WebVTT. Everything here is a function of the events: no clock, no file.
//!
//! `Cues` puts speech and sounds in the order in which they happened, `cut` finds where to end one cue and begin the next,
//! `lines` breaks a cue into lines, `timing` says from when until when it is shown, `subtitles` writes it down.

mod cut;
mod language;
mod lines;
mod order;
mod settings;
mod subtitles;
mod timing;

pub use order::Cues;
pub use settings::Settings;
pub use subtitles::Subtitles;

/// One subtitle: what is shown, from when until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cue {
    /// When it appears, milliseconds of the session; never before the end of the cue before it.
    pub start_ms: u64,
    /// When it goes, milliseconds; after `start_ms`.
    pub end_ms: u64,
    /// One line or two, no wider than [`Settings::columns`], without control characters and never empty.
    pub lines: Vec<String>,
}

/// A word or a tag, where it is in the audio, in milliseconds; `end_ms` is `start_ms` or later.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    text: String,
    /// Columns that `text` takes.
    columns: usize,
    start_ms: u64,
    end_ms: u64,
    kind: Kind,
}

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Speech.
    Word,
    /// A sound or a notice, in brackets: it stands on a line of its own.
    Tag,
}

/// What one cue is to show, and where that is in the audio.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Block {
    start_ms: u64,
    end_ms: u64,
    lines: Vec<String>,
}
