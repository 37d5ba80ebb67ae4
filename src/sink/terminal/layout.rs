//! The layout: which lines to show, as a pure function of what there is to show and the size of the terminal.
//!
//! In: logical lines of styled spans, the status, columns and rows. Out: rows no wider than the terminal.

use unicode_width::UnicodeWidthStr;

use super::super::roll::{Absence, Status};
use super::super::rows::{Line, Span, Style, shortened, width, wrap};

/// Columns and rows of the terminal, at least 1 x 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// Columns left free behind the status line, where the cursor stands: the terminal shows `^C` there, and other keys. Were
/// that to break the row, the cursor would no longer stand where the next drawing starts from.
const ECHO_COLUMNS: usize = 4;
/// Level at the left end of the bar; its right end is 0 dBFS.
const BAR_FLOOR_DBFS: f32 = -60.0;
/// Below this nothing is heard: a muted microphone.
const SILENT_DBFS: f32 = -90.0;
/// A lag that a reader notices.
const LATE_S: f64 = 2.0;

/// The rows at the bottom that are still open: the last of `open`'s that fit, and the status line where there is room for it.
pub(super) fn region(open: &[Line], status: &Status, size: Size) -> Vec<Line> {
    let status_rows = usize::from(size.rows > 1);
    let mut rows: Vec<Line> = open.iter().flat_map(|line| wrap(line, size.columns)).collect();
    rows.drain(..rows.len().saturating_sub(size.rows - status_rows));
    if status_rows > 0 {
        rows.push(status_line(status, size.columns.saturating_sub(ECHO_COLUMNS).max(1)));
    }
    rows
}

/// The status line: level, lag, sounds, device, as many of them as fit into `columns`.
pub(super) fn status_line(status: &Status, columns: usize) -> Line {
    let (cells, lag) = if columns < 40 { (5, "") } else { (12, "lag ") };
    let mut line = level(status.level_dbfs.filter(|_| status.absence.is_none()), cells);
    if status.absence.is_none() {
        let style = if status.lag_s >= LATE_S { Style::Alert } else { Style::Faint };
        add(&mut line, columns, format!("{lag}{:.1} s", status.lag_s.clamp(0.0, 9_999.0)), style);
    }
    if !status.sounds.is_empty() {
        add(&mut line, columns, format!("[{}]", status.sounds.join(", ")), Style::Tag);
    }
    if let Some(device) = &status.device {
        match status.absence {
            Some(Absence::Waiting) => add(&mut line, columns, format!("waiting: {device}"), Style::Alert),
            Some(Absence::Paused) => add(&mut line, columns, format!("paused: {device}"), Style::Alert),
            Some(Absence::Lost) => add(&mut line, columns, format!("lost: {device}"), Style::Alert),
            None => add(&mut line, columns, device.clone(), Style::Faint),
        }
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
            absence: None,
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
