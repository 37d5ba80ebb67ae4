//! The state: everything that the view shows, taken from events.
//!
//! In: events, log lines, the level, the time, and what keys ask for. Out: captions, sounds, and the words of the status and
//! of what has to be said in large.

use unicode_width::UnicodeWidthStr;

use super::super::roll::{Absence, Roll};
use super::super::rows::{Line, Span, Style, shortened};
use super::super::transcript::{clock, printable};
use super::history::History;
use super::sounds::{Sounds, span};
use crate::audio::pcm::SILENCE_DBFS;
use crate::event::{Event, EventBody, Speech};
use crate::time::{SAMPLE_RATE, SamplePosition};

/// Level at the left end of the bar; its right end is 0 dBFS.
const BAR_FLOOR_DBFS: f32 = -60.0;
/// Below this nothing is heard: a muted microphone.
const SILENT_DBFS: f32 = -90.0;
/// How long nothing is heard before that is said, seconds.
const SILENT_S: f64 = 5.0;
/// A lag that a reader notices, seconds.
const LATE_S: f64 = 2.0;

/// What the view shows.
#[derive(Debug)]
pub(super) struct State {
    roll: Roll,
    pub(super) history: History,
    pub(super) sounds: Sounds,
    /// Seconds on the session's clock.
    now_s: f64,
    /// When the device was lost or paused.
    absent_since_s: f64,
    /// When something was last heard at all.
    heard_s: f64,
    level_dbfs: f32,
    lag_s: f64,
    dropped: u64,
    /// Name of the model that the captions are from.
    model: Option<String>,
    /// Segments of speech that are open.
    speaking: usize,
    pub(super) shows_keys: bool,
    pub(super) ending: bool,
}

impl State {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self {
            roll: Roll::with_captions_last(),
            history: History::default(),
            sounds: Sounds::default(),
            now_s: 0.0,
            absent_since_s: 0.0,
            heard_s: 0.0,
            level_dbfs: SILENCE_DBFS,
            lag_s: 0.0,
            dropped: 0,
            model: None,
            speaking: 0,
            shows_keys: false,
            ending: false,
        }
    }

    /// Takes in what `event` says.
    pub(super) fn event(&mut self, event: &Event) {
        let absence = self.roll.status.absence;
        self.roll.event(event);
        self.now(event.emitted);
        if self.roll.status.absence != absence {
            self.absent_since_s = event.emitted;
            self.heard_s = event.emitted;
        }
        match &event.body {
            EventBody::Sound(sound) => self.sounds.event(sound),
            EventBody::Speech(Speech::Start { .. }) => self.speaking += 1,
            EventBody::Speech(Speech::End { .. }) => self.speaking = self.speaking.saturating_sub(1),
            EventBody::Stats(stats) => (self.lag_s, self.dropped) = (stats.lag, stats.dropped),
            EventBody::Caption(caption) => self.model = Some(printable(&caption.model)),
            _ => {}
        }
    }

    /// Adds a line that is no event.
    pub(super) fn note(&mut self, line: &str) {
        self.history.settle(vec![Span::new(printable(line), Style::Faint)]);
    }

    /// Takes the level that is heard now, dBFS.
    pub(super) fn level(&mut self, dbfs: f32) {
        self.level_dbfs = dbfs;
        if dbfs > SILENT_DBFS {
            self.heard_s = self.now_s;
        }
    }

    /// Takes the time, seconds on the session's clock; it does not go back.
    pub(super) fn now(&mut self, now_s: f64) {
        self.now_s = self.now_s.max(now_s);
    }

    /// Breaks the captions into rows of `columns`, of which `rows` are shown.
    pub(super) fn fit(&mut self, columns: usize, rows: usize) {
        self.roll.settled().into_iter().for_each(|line| self.history.settle(line));
        self.history.fit(&self.roll.open(), columns, rows);
    }

    /// What to say of an alarm.
    pub(super) fn alarm(&self) -> Option<String> {
        self.sounds.alarm(self.now_s)
    }

    /// The sounds heard now.
    pub(super) fn sounds_now(&self, columns: usize) -> Line {
        self.sounds.now(self.now_s, columns)
    }

    /// What to say in large of why no captions come.
    pub(super) fn notice(&self) -> Option<String> {
        let device = self.roll.status.device.as_deref();
        let since = || clock(SamplePosition::from_seconds(self.absent_since_s));
        let lasts = || span(self.now_s - self.absent_since_s);
        match (self.ending, self.roll.status.absence, device) {
            (true, ..) => Some("STOPPING: the last sentence is finished".to_owned()),
            (_, Some(Absence::Paused), _) => {
                Some(format!("PAUSED for {}: nothing is heard or kept. Space: listen again", lasts()))
            }
            (_, Some(Absence::Waiting), _) => Some(format!("WAITING for a microphone for {}", lasts())),
            (_, Some(Absence::Lost), device) => {
                Some(format!("NO SOUND since {}: lost {}; looking for it", since(), device.unwrap_or("the microphone")))
            }
            (_, None, Some(_)) if self.now_s - self.heard_s >= SILENT_S => {
                Some(format!("SILENT for {}: is the microphone muted?", span(self.now_s - self.heard_s)))
            }
            _ => None,
        }
    }

    /// What stands where captions will.
    pub(super) fn invitation(&self) -> &'static str {
        if self.roll.status.device.is_some() { "Captions appear here." } else { "Opening the microphone." }
    }

    /// The status in at most `columns`: level, whether somebody speaks, lag, what was lost, device, model, time; what matters least is
    /// left out first.
    pub(super) fn status(&self, columns: usize) -> Line {
        let heard = self.roll.status.absence.is_none();
        let cells = if columns >= 60 { 12 } else { 6 };
        let reached = if heard { (1.0 - self.level_dbfs / BAR_FLOOR_DBFS).clamp(0.0, 1.0) } else { 0.0 };
        let full = ((reached * cells as f32).round() as usize).min(cells);
        let mut line = vec![Span::new("█".repeat(full), Style::Level), Span::new("░".repeat(cells - full), Style::Faint)];
        if columns < cells {
            return vec![Span::new(shortened(&clock(SamplePosition::from_seconds(self.now_s)), columns), Style::Faint)];
        }
        let late = if self.lag_s >= LATE_S { Style::Alert } else { Style::Faint };
        let lost_s = self.dropped as f64 / f64::from(SAMPLE_RATE);
        let lost = if self.dropped > 0 { Style::Alert } else { Style::Faint };
        let speech = if heard && self.speaking > 0 { "speech" } else { "      " };
        let time = clock(SamplePosition::from_seconds(self.now_s));
        // In the order in which they stand, with how much each matters.
        let mut words = vec![(1, speech.to_owned(), Style::Spoken)];
        if heard {
            words.push((2, format!("lag {:.1} s", self.lag_s.clamp(0.0, 9_999.0)), late));
        }
        words.push((3, format!("lost {} s", round(lost_s)), lost));
        words.extend(self.roll.status.device.iter().map(|device| (5, device.clone(), Style::Faint)));
        words.extend(self.model.iter().map(|model| (7, model.clone(), Style::Faint)));
        words.push((4, time, Style::Faint));
        words.push((6, "? keys".to_owned(), Style::Faint));
        let mut left = columns - cells;
        let mut fits: Vec<bool> = vec![false; words.len()];
        for importance in 1..=7 {
            for (index, (_, word, _)) in words.iter_mut().enumerate().filter(|(_, word)| word.0 == importance) {
                // A name may be cut short; a figure may not.
                if matches!(importance, 5 | 7) && word.width() + 2 > left && left >= 12 {
                    *word = shortened(word, left - 2);
                }
                if word.width() + 2 <= left {
                    fits[index] = true;
                    left -= word.width() + 2;
                }
            }
        }
        for ((_, word, style), _) in words.into_iter().zip(fits).filter(|(_, fits)| *fits) {
            line.push(Span::new("  ", Style::Faint));
            line.push(Span::new(word, style));
        }
        line
    }
}

/// Seconds with a decimal where they have one.
fn round(seconds: f64) -> String {
    if seconds == 0.0 { "0".to_owned() } else { format!("{:.1}", seconds.clamp(0.1, 99_999.0)) }
}
