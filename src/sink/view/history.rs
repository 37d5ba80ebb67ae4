//! The captions so far, as rows: the last lines, and the place in them that is looked at.
//!
//! In: lines that are settled, lines that are open, columns and rows to show them in. Out: the rows that are visible. What is
//! settled or committed never moves but upwards, and the newest row is the last.

use std::collections::VecDeque;

use super::super::rows::{Line, Span, wrap};

/// Settled lines that can be looked back at.
const REMEMBERED: usize = 2_000;

/// How `rows` rows are shared out where somebody looks back: rows to look at, a rule, and rows that show what is said meanwhile.
pub(super) fn panes(rows: usize) -> (usize, usize, usize) {
    let live = if rows >= 8 { rows / 4 } else { 0 };
    let rule = usize::from(rows > 1);
    (rows - rule - live, rule, live)
}

/// Every row has a number, counted from the first settled one at this width.
#[derive(Debug, Default)]
pub(super) struct History {
    columns: usize,
    rows: usize,
    settled: VecDeque<Settled>,
    /// The row after the last settled one.
    settled_end: usize,
    open: Vec<Line>,
    /// The row after the last on the screen when nobody looks back. It may lie past the text: where an open caption has lost a row
    /// again, that stays blank, so that what stands above does not move down and up.
    end: usize,
    /// The same where somebody looks back.
    back_to: Option<usize>,
}

#[derive(Debug)]
struct Settled {
    line: Line,
    rows: Vec<Line>,
}

impl History {
    /// Adds a line that will not change.
    pub(super) fn settle(&mut self, line: Line) {
        let rows = wrap(&line, self.columns);
        self.settled_end += rows.len();
        self.settled.push_back(Settled { line, rows });
        if self.settled.len() > REMEMBERED {
            self.settled.pop_front();
        }
        let first = self.first();
        self.back_to = self.back_to.map(|end| end.max(first + 1));
    }

    /// Takes the lines that are open, and how many columns and rows there are: at least one of each.
    pub(super) fn fit(&mut self, open: &[Line], columns: usize, rows: usize) {
        if self.columns != columns {
            self.columns = columns;
            self.settled.iter_mut().for_each(|settled| settled.rows = wrap(&settled.line, columns));
            self.settled_end = self.settled.iter().map(|settled| settled.rows.len()).sum();
            (self.end, self.back_to) = (0, None);
        }
        self.rows = rows;
        self.open = open.iter().flat_map(|line| wrap(line, columns)).collect();
        let text_end = self.settled_end + self.open.len();
        // Of what is newest something is to be seen in any case.
        self.end = self.end.clamp(text_end, text_end + rows / 4);
    }

    /// Whether there is nothing yet.
    pub(super) fn is_empty(&self) -> bool {
        self.settled_end + self.open.len() == 0
    }

    /// Whether somebody looks back.
    pub(super) fn looks_back(&self) -> bool {
        self.back_to.is_some()
    }

    /// How many rows are looked at when somebody looks back.
    pub(super) fn page(&self) -> isize {
        panes(self.rows).0 as isize
    }

    /// Moves the place that is looked at by `rows`, back where that is negative; at the end it is live again.
    pub(super) fn scroll(&mut self, rows: isize) {
        let text_end = self.settled_end + self.open.len();
        let from = self.back_to.unwrap_or(text_end);
        let oldest = self.first() + panes(self.rows).0;
        let to = from.saturating_add_signed(rows).max(oldest);
        self.back_to = (to < text_end).then_some(to);
    }

    /// Looks at what is newest again.
    pub(super) fn return_to_now(&mut self) {
        self.back_to = None;
    }

    /// The last `rows` rows, what is newest last.
    pub(super) fn newest(&self, rows: usize) -> Vec<&[Span]> {
        self.rows_before(self.end, rows)
    }

    /// `rows` rows at the place that is looked at.
    pub(super) fn looked_at(&self, rows: usize) -> Vec<&[Span]> {
        self.rows_before(self.back_to.unwrap_or(self.end), rows)
    }

    /// The number of the oldest row there is.
    fn first(&self) -> usize {
        self.settled_end - self.settled.iter().map(|settled| settled.rows.len()).sum::<usize>()
    }

    /// `rows` rows, the last of them before `end`; blank where there is no text.
    fn rows_before(&self, end: usize, rows: usize) -> Vec<&[Span]> {
        let text_end = self.settled_end + self.open.len();
        let blank = end.saturating_sub(text_end).min(rows);
        let newest_first = self.open.iter().rev().chain(self.settled.iter().rev().flat_map(|settled| settled.rows.iter().rev()));
        let text = newest_first.skip(text_end.saturating_sub(end)).map(Vec::as_slice);
        let mut shown: Vec<&[_]> = std::iter::repeat_n(&[][..], blank).chain(text).take(rows).collect();
        shown.resize(rows, &[]);
        shown.reverse();
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::rows::Style;

    fn line(text: &str) -> Line {
        vec![Span::new(text, Style::Spoken)]
    }

    fn shown(rows: &[&[Span]]) -> Vec<String> {
        rows.iter().map(|row| row.iter().map(|span| span.text.as_str()).collect()).collect()
    }

    #[test]
    fn the_newest_row_is_the_last_and_what_stands_above_stays() {
        let mut history = History::default();
        history.fit(&[line("one two three")], 9, 8);
        assert_eq!(shown(&history.newest(8))[6..], ["one two", "three"]);
        history.fit(&[line("one two three four")], 9, 8);
        assert_eq!(shown(&history.newest(8))[5..], ["one two", "three", "four"]);
        // A tentative word is taken back: nothing moves down.
        history.fit(&[line("one two three")], 9, 8);
        assert_eq!(shown(&history.newest(8))[5..], ["one two", "three", ""]);
        history.fit(&[line("one two three five")], 9, 8);
        assert_eq!(shown(&history.newest(8))[5..], ["one two", "three", "five"]);
        history.settle(line("One two three five."));
        history.fit(&[line("six")], 9, 8);
        assert_eq!(shown(&history.newest(8))[4..], ["One two", "three", "five.", "six"]);
        // Where there is hardly any room, none of it stays blank.
        history.fit(&[], 9, 2);
        assert_eq!(shown(&history.newest(2)), ["three", "five."]);
    }

    #[test]
    fn looking_back_stays_where_it_is_while_more_comes() {
        let mut history = History::default();
        history.fit(&[], 20, 5);
        assert!(history.is_empty());
        for number in 0..30 {
            history.settle(line(&format!("line {number}")));
        }
        history.fit(&[line("open")], 20, 5);
        history.scroll(-5);
        assert_eq!(shown(&history.looked_at(5)), ["line 21", "line 22", "line 23", "line 24", "line 25"]);
        for number in 30..40 {
            history.settle(line(&format!("line {number}")));
        }
        history.fit(&[line("open")], 20, 5);
        assert_eq!(shown(&history.looked_at(5))[4], "line 25");
        assert_eq!(shown(&history.newest(2)), ["line 39", "open"]);
        history.scroll(-1_000);
        assert_eq!(shown(&history.looked_at(4))[0], "line 0");
        history.scroll(1_000);
        assert!(!history.looks_back());
        history.scroll(-3);
        history.return_to_now();
        assert_eq!(shown(&history.looked_at(1)), ["open"]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut history = History::default();
        history.fit(&[], 80, 24);
        for number in 0..REMEMBERED + 500 {
            history.settle(line(&format!("line {number}")));
            if number == 100 {
                history.fit(&[], 80, 24);
                history.scroll(-50);
            }
        }
        assert_eq!(history.settled.len(), REMEMBERED);
        history.scroll(-1_000_000);
        assert_eq!(shown(&history.looked_at(panes(24).0))[0], "line 500");
        history.fit(&[], 40, 10);
        assert_eq!(shown(&history.newest(1)), [format!("line {}", REMEMBERED + 499)]);
    }
}
