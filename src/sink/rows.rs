//! Styled text, and how it is broken into rows.
//!
//! In: logical lines of styled spans, and columns. Out: rows no wider than that.

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

impl Span {
    pub(super) fn new(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }
}

/// Columns that `line` takes.
pub(super) fn width(line: &[Span]) -> usize {
    line.iter().map(|span| span.text.width()).sum()
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

/// `text` in at most `columns`, with an ellipsis where something was cut.
pub(super) fn shortened(text: &str, columns: usize) -> String {
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
}
