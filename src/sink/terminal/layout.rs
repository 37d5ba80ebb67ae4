//! The layout: which lines to show, as a pure function of what there is to show and the size of the terminal.
//!
//! In: logical lines of styled spans, the status, columns and rows. Out: rows no wider than the terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What a piece of text is; the screen decides how that looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Text that is over and done with.
    Spoken,
    /// Text of an open caption that is never taken back.
    Committed,
    /// Text of an open caption that is likely to stay.
    Stable,
    /// Text of an open caption that may well change.
    Tentative,
    /// The tag of a sound.
    Tag,
    /// Something a reader must know: missing audio, a lost device.
    Alert,
    /// Times, names, scales.
    Faint,
    /// The part of the level bar that is reached.
    Level,
}

/// A piece of text and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) text: String,
    pub(super) style: Style,
}

/// Spans side by side: a logical line of any width, or a row of the terminal.
pub(super) type Line = Vec<Span>;

/// Columns and rows of the terminal, at least 1 x 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// What the status line tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Status {
    /// Level, dBFS; `None` before any audio.
    pub(super) level_dbfs: Option<f32>,
    /// How far behind, seconds.
    pub(super) lag_s: f64,
    /// Labels of the sounds that are heard now.
    pub(super) sounds: Vec<String>,
    /// Name of the device.
    pub(super) device: Option<String>,
    /// The device is lost.
    pub(super) lost: bool,
}

/// Level at the left end of the bar; its right end is 0 dBFS.
const BAR_FLOOR_DBFS: f32 = -60.0;
/// Below this nothing is heard: a muted microphone.
const SILENT_DBFS: f32 = -90.0;
/// A lag that a reader notices.
const LATE_S: f64 = 2.0;

impl Span {
    pub(super) fn new(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }
}

/// Columns that `line` takes.
pub(super) fn width(line: &[Span]) -> usize {
    line.iter().map(|span| span.text.width()).sum()
}

/// The rows at the bottom that are still open: the last of `open`'s that fit, and the status line where there is room for it.
pub(super) fn region(open: &[Line], status: &Status, size: Size) -> Vec<Line> {
    let status_rows = usize::from(size.rows > 1);
    let mut rows: Vec<Line> = open.iter().flat_map(|line| wrap(line, size.columns)).collect();
    rows.drain(..rows.len().saturating_sub(size.rows - status_rows));
    if status_rows > 0 {
        rows.push(status_line(status, size.columns));
    }
    rows
}

/// Breaks `line` at spaces into rows of at most `columns`; a word longer than a row is broken where the row ends.
/// Runs of spaces become one; an empty line is one empty row.
pub(super) fn wrap(line: &[Span], columns: usize) -> Vec<Line> {
    let mut rows = Rows { done: Vec::new(), row: Vec::new(), used: 0, columns: columns.max(1) };
    let mut word: Vec<(char, Style)> = Vec::new();
    for span in line {
        for character in span.text.chars() {
            if character == ' ' {
                rows.place(&std::mem::take(&mut word));
            } else {
                word.push((character, span.style));
            }
        }
    }
    rows.place(&word);
    rows.done.push(rows.row);
    rows.done
}

struct Rows {
    done: Vec<Line>,
    row: Line,
    used: usize,
    columns: usize,
}

impl Rows {
    fn place(&mut self, word: &[(char, Style)]) {
        if word.is_empty() {
            return;
        }
        let needed: usize = word.iter().map(|&(c, _)| c.width().unwrap_or(0)).sum();
        if self.used > 0 {
            if self.used + 1 + needed <= self.columns {
                let style = self.row.last().map_or(Style::Spoken, |span| span.style);
                self.put(' ', style);
            } else {
                self.break_row();
            }
        }
        for &(character, style) in word {
            if self.used > 0 && self.used + character.width().unwrap_or(0) > self.columns {
                self.break_row();
            }
            self.put(character, style);
        }
    }

    fn put(&mut self, character: char, style: Style) {
        self.used += character.width().unwrap_or(0);
        match self.row.last_mut() {
            Some(span) if span.style == style => span.text.push(character),
            _ => self.row.push(Span::new(character, style)),
        }
    }

    fn break_row(&mut self) {
        self.done.push(std::mem::take(&mut self.row));
        self.used = 0;
    }
}

/// The status line: level, lag, sounds, device, as many of them as fit into `columns`.
pub(super) fn status_line(status: &Status, columns: usize) -> Line {
    let (cells, lag) = if columns < 40 { (5, "") } else { (12, "lag ") };
    let mut line = level(status.level_dbfs, cells);
    let style = if status.lag_s >= LATE_S { Style::Alert } else { Style::Faint };
    add(&mut line, columns, format!("{lag}{:.1} s", status.lag_s.clamp(0.0, 9_999.0)), style);
    if !status.sounds.is_empty() {
        add(&mut line, columns, format!("[{}]", status.sounds.join(", ")), Style::Tag);
    }
    match &status.device {
        Some(device) if status.lost => add(&mut line, columns, format!("lost: {device}"), Style::Alert),
        Some(device) => add(&mut line, columns, device.clone(), Style::Faint),
        None => {}
    }
    if width(&line) > columns {
        line = vec![Span::new(shortened(&line.iter().map(|span| span.text.as_str()).collect::<String>(), columns), Style::Faint)];
    }
    line
}

/// A bar of `cells` and the figure, of constant width so that what follows stands still.
fn level(dbfs: Option<f32>, cells: usize) -> Line {
    let reached = dbfs.map_or(0.0, |dbfs| (1.0 - dbfs / BAR_FLOOR_DBFS).clamp(0.0, 1.0));
    let full = (reached * cells as f32).round() as usize;
    let figure = match dbfs {
        None => "       ".to_owned(),
        Some(dbfs) if dbfs <= SILENT_DBFS => " silent".to_owned(),
        Some(dbfs) => format!("{:>4.0} dB", dbfs.round() + 0.0),
    };
    vec![
        Span::new("█".repeat(full), Style::Level),
        Span::new("░".repeat(cells - full.min(cells)), Style::Faint),
        Span::new(figure, Style::Faint),
    ]
}

/// Adds `text` two spaces on: cut short where at least six columns are left for it, else not at all.
fn add(line: &mut Line, columns: usize, text: String, style: Style) {
    const LEAST: usize = 6;
    let left = columns.saturating_sub(width(line) + 2);
    if left >= text.width().min(LEAST) {
        line.push(Span::new("  ", Style::Faint));
        line.push(Span::new(shortened(&text, left), style));
    }
}

/// `text` in at most `columns`, with an ellipsis where something was cut.
fn shortened(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut used = 1;
    let kept = text.chars().take_while(|c| {
        used += c.width().unwrap_or(0);
        used <= columns
    });
    let mut kept: String = kept.collect();
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(rows: &[Line]) -> Vec<String> {
        rows.iter().map(|row| row.iter().map(|span| span.text.as_str()).collect()).collect()
    }

    fn spoken(text: &str) -> Line {
        vec![Span::new(text, Style::Spoken)]
    }

    #[test]
    fn words_stay_whole_and_keep_their_style() {
        let line = vec![
            Span::new("the quick ", Style::Committed),
            Span::new("brown f", Style::Stable),
            Span::new("ox ran", Style::Tentative),
        ];
        let rows = wrap(&line, 10);
        assert_eq!(shown(&rows), ["the quick", "brown fox", "ran"]);
        assert_eq!(rows[0], [Span::new("the quick", Style::Committed)]);
        assert_eq!(rows[1], [Span::new("brown f", Style::Stable), Span::new("ox", Style::Tentative)]);
    }

    #[test]
    fn no_row_is_wider_than_the_terminal() {
        let text = "漢字はここで折り返す supercalifragilisticexpialidocious café 🎺🎺 e\u{301}nd";
        for columns in 2..60 {
            let rows = wrap(&spoken(text), columns);
            assert!(rows.iter().all(|row| width(row) <= columns), "{columns}: {:?}", shown(&rows));
            assert_eq!(shown(&rows).concat().replace(' ', ""), text.replace(' ', ""), "{columns}");
        }
        assert_eq!(shown(&wrap(&spoken("a  b "), 1)), ["a", "b"]);
        assert_eq!(shown(&wrap(&[], 5)), [""]);
    }

    #[test]
    fn a_row_may_be_exactly_full() {
        assert_eq!(shown(&wrap(&spoken("12345 678 0 1"), 5)), ["12345", "678 0", "1"]);
    }

    #[test]
    fn the_region_keeps_its_end_when_the_terminal_is_low() {
        let open = [spoken("one two three four five six")];
        let status = Status::default();
        assert_eq!(shown(&region(&open, &status, Size { columns: 20, rows: 24 }))[..2], ["one two three four", "five six"]);
        let low = region(&open, &status, Size { columns: 20, rows: 2 });
        assert_eq!(shown(&low)[0], "five six");
        assert_eq!(low.len(), 2);
        assert_eq!(shown(&region(&open, &status, Size { columns: 20, rows: 1 })), ["five six"]);
    }

    #[test]
    fn the_status_line_shows_what_fits() {
        let status = Status {
            level_dbfs: Some(-30.0),
            lag_s: 0.24,
            sounds: vec!["dog".to_owned(), "music".to_owned()],
            device: Some("Built-in Audio Analog Stereo".to_owned()),
            lost: false,
        };
        let at = |columns: usize| shown(&[status_line(&status, columns)]).remove(0);
        assert_eq!(at(80), "██████░░░░░░ -30 dB  lag 0.2 s  [dog, music]  Built-in Audio Analog Stereo");
        assert_eq!(at(60), "██████░░░░░░ -30 dB  lag 0.2 s  [dog, music]  Built-in Audi…");
        assert_eq!(at(30), "███░░ -30 dB  0.2 s  [dog, mu…");
        assert_eq!(at(20), "███░░ -30 dB  0.2 s");
        for columns in 1..100 {
            assert!(width(&status_line(&status, columns)) <= columns, "{columns}");
        }
    }

    #[test]
    fn the_level_bar_spans_sixty_decibels() {
        let bar = |dbfs: f32| shown(&[level(Some(dbfs), 12)]).remove(0);
        assert_eq!(bar(0.0), "████████████   0 dB");
        assert_eq!(bar(-0.2), "████████████   0 dB");
        assert_eq!(bar(-45.0), "███░░░░░░░░░ -45 dB");
        assert_eq!(bar(-70.0), "░░░░░░░░░░░░ -70 dB");
        assert_eq!(bar(-120.0), "░░░░░░░░░░░░ silent");
        assert_eq!(bar(f32::NAN).chars().filter(|&c| c == '█' || c == '░').count(), 12);
    }
}
