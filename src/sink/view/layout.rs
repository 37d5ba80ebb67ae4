//! The picture: what stands where, as a function of the state and the size of the terminal.
//!
//! In: the state, columns and rows. Out: a buffer of that size. Captions fill what is left by an alarm above them, and a notice, the
//! sounds and the status below; where there are too few rows for all of these, captions come first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style as Look};

use super::super::rows::{Line, Span, Style, shortened, width, wrap};
use super::history::panes;
use super::state::State;

/// Columns of a caption at most: the eye finds the next row no longer in wider ones.
const MEASURE: usize = 96;
/// What keys do, on request.
const KEYS: [&str; 6] = [
    "space or p   pause; again: listen",
    "up, down     look back by a row",
    "PgUp, PgDn   look back by a page",
    "End          return to now",
    "?            these keys",
    "q or Ctrl-C  stop; twice: at once",
];

/// How the rows are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shares {
    alarm: u16,
    captions: u16,
    notice: u16,
    rule: u16,
    sounds: u16,
    status: u16,
}

impl Shares {
    fn of(rows: u16, alarm: bool, notice: bool) -> Self {
        let large = if rows >= 20 { 3 } else { 1 };
        let mut shares = Self { alarm: 0, captions: rows, notice: 0, rule: 0, sounds: 0, status: 0 };
        let mut take = |share: fn(&mut Self) -> &mut u16, wanted: u16, leave: u16| {
            let taken = wanted.min(shares.captions.saturating_sub(leave));
            shares.captions -= taken;
            *share(&mut shares) = taken;
        };
        // In the order in which they matter, and how many rows captions keep.
        if alarm {
            take(|shares| &mut shares.alarm, large, 1);
        }
        if notice {
            take(|shares| &mut shares.notice, large, 1);
        }
        take(|shares| &mut shares.status, 1, 1);
        take(|shares| &mut shares.sounds, if rows >= 30 { 2 } else { 1 }, 2);
        take(|shares| &mut shares.rule, 1, 6);
        shares
    }
}

/// Draws `state` at `columns` x `rows`, each at least 1.
pub(super) fn picture(state: &mut State, columns: u16, rows: u16, colours: bool) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, columns, rows));
    let (alarm, notice) = (state.alarm(), state.notice());
    let shares = Shares::of(rows, alarm.is_some(), notice.is_some());
    let margin: u16 = match columns {
        0..=39 => 0,
        40..=99 => 1,
        100.. => 4,
    };
    let measure = (columns - 2 * margin).min(MEASURE as u16);
    let left = (columns - measure) / 2;
    let mut pen = Pen { buffer: &mut buffer, left, measure, colours, row: 0 };
    if let Some(alarm) = alarm {
        pen.large(&alarm, Style::Alert, shares.alarm);
    }
    state.fit(measure.into(), shares.captions.into());
    pen.captions(state, shares.captions);
    if let Some(notice) = notice {
        pen.large(&notice, Style::Tag, shares.notice);
    }
    if shares.rule > 0 {
        pen.line(&[Span::new("─".repeat(measure.into()), Style::Faint)]);
    }
    pen.sounds(state, shares.sounds);
    if shares.status > 0 {
        pen.line(&state.status(measure.into()));
    }
    buffer
}

/// Writes row after row.
struct Pen<'a> {
    buffer: &'a mut Buffer,
    left: u16,
    measure: u16,
    colours: bool,
    row: u16,
}

impl Pen<'_> {
    fn line(&mut self, line: &[Span]) {
        self.line_at(self.left, line);
        self.row += 1;
    }

    fn line_at(&mut self, left: u16, line: &[Span]) {
        let (mut column, end) = (left, self.left + self.measure);
        for span in line {
            let look = look(span.style, self.colours);
            (column, _) = self.buffer.set_stringn(column, self.row, &span.text, usize::from(end.saturating_sub(column)), look);
        }
    }

    /// Says `text` over the full width, in reverse, in the middle one of `rows` rows.
    fn large(&mut self, text: &str, style: Style, rows: u16) {
        let area = Rect::new(0, self.row, self.buffer.area.width, rows);
        let look = banner(style, self.colours);
        self.buffer.set_style(area, look);
        if rows > 0 {
            let text = shortened(text, self.measure.into());
            self.buffer.set_stringn(self.left, self.row + rows / 2, text, self.measure.into(), look);
        }
        self.row += rows;
    }

    fn captions(&mut self, state: &State, rows: u16) {
        let end = self.row + rows;
        if state.shows_keys {
            self.keys(rows);
        } else if state.history.is_empty() {
            self.row = end.saturating_sub(1);
            self.line(&[Span::new(state.invitation(), Style::Faint)]);
        } else if state.history.looks_back() {
            // What is said now is still seen, where there is room for both.
            let (page, rule, live) = panes(rows.into());
            for row in state.history.looked_at(page) {
                self.line(row);
            }
            if rule > 0 {
                self.line(&between("looking back; End: return to now", self.measure.into()));
            }
            for row in state.history.newest(live) {
                self.line(row);
            }
        } else {
            for row in state.history.newest(rows.into()) {
                self.line(row);
            }
        }
        self.row = end;
    }

    fn keys(&mut self, rows: u16) {
        let rows_of = |key: &&str| match [Span::new(*key, Style::Spoken)] {
            key if width(&key) <= self.measure.into() => vec![key.to_vec()],
            key => wrap(&key, self.measure.into()),
        };
        let text: Vec<Line> = KEYS.iter().flat_map(rows_of).take(rows.into()).collect();
        self.row += (rows - text.len() as u16) / 2;
        text.iter().for_each(|line| self.line(line));
    }

    fn sounds(&mut self, state: &State, rows: u16) {
        let measure = usize::from(self.measure);
        if rows >= 2 {
            self.line(&state.sounds_now(measure));
            self.line(&state.sounds.before(measure));
        } else if rows == 1 {
            let now = state.sounds_now(measure);
            let used = width(&now) + 3;
            let before = state.sounds.before(measure.saturating_sub(used));
            // From the right, so that it stands still while the other changes.
            if width(&before) + used <= measure {
                self.line_at(self.left + self.measure - width(&before) as u16, &before);
            }
            self.line(&now);
        }
    }
}

/// `words` in the middle of a rule.
fn between(words: &str, columns: usize) -> Line {
    let words = shortened(&format!(" {words} "), columns);
    let spare = columns - width(&[Span::new(words.as_str(), Style::Faint)]);
    vec![
        Span::new("─".repeat(spare / 2), Style::Faint),
        Span::new(words, Style::Alert),
        Span::new("─".repeat(spare - spare / 2), Style::Faint),
    ]
}

/// How a style looks. Attributes carry the meaning; colours only help. What is committed looks as it will for ever.
fn look(style: Style, colours: bool) -> Look {
    let colour = |look: Look, colour| if colours { look.fg(colour) } else { look };
    let plain = Look::new();
    match style {
        Style::Spoken | Style::Committed => plain,
        Style::Stable => plain.add_modifier(Modifier::ITALIC),
        Style::Tentative => plain.add_modifier(Modifier::ITALIC | Modifier::DIM),
        Style::Faint => plain.add_modifier(Modifier::DIM),
        Style::Tag => colour(plain.add_modifier(Modifier::BOLD), Color::Cyan),
        Style::Alert => colour(plain.add_modifier(Modifier::BOLD), Color::Red),
        Style::Level => colour(plain, Color::Green),
    }
}

/// How what is said in large looks.
fn banner(style: Style, colours: bool) -> Look {
    let plain = Look::new().add_modifier(Modifier::BOLD);
    match (style, colours) {
        (_, false) => plain.add_modifier(Modifier::REVERSED),
        (Style::Alert, true) => plain.fg(Color::White).bg(Color::Red),
        (_, true) => plain.fg(Color::Black).bg(Color::Yellow),
    }
}
