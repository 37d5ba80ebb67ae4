//! Lines: words into one line or two, and text that may hold anything into words that can stand in a subtitle.
//!
//! In: words with their widths; text from models. Out: where to break; words of printable characters, none wider than a line.

use unicode_width::UnicodeWidthStr;

use super::Piece;
use super::language::break_cost;

/// What a line that is as much shorter than the other costs, by the column.
const IMBALANCE: u32 = 1;

/// How `words` go on lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Break {
    /// How many stand on the first line; all, where one line is enough.
    pub(super) first: usize,
    /// What it costs a reader; 0 for one line.
    pub(super) cost: u32,
}

/// Columns of `words` on one line.
pub(super) fn columns_of(words: &[&Piece]) -> usize {
    words.iter().map(|word| word.columns).sum::<usize>() + words.len().saturating_sub(1)
}

/// Where to break `words` that go on at most two lines of `columns`; `None` when they do not.
///
/// One line where it is enough. Else after punctuation, before a word that begins something, and never far from the middle.
pub(super) fn break_words(words: &[&Piece], columns: usize) -> Option<Break> {
    let whole = columns_of(words);
    if whole <= columns {
        return Some(Break { first: words.len(), cost: 0 });
    }
    let mut best: Option<Break> = None;
    let mut upper = 0;
    for (index, pair) in words.windows(2).enumerate() {
        upper += pair[0].columns + usize::from(index > 0);
        let lower = whole - upper - 1;
        if upper > columns {
            break;
        }
        if lower > columns {
            continue;
        }
        let cost = break_cost(&pair[0].text, &pair[1].text) + upper.abs_diff(lower) as u32 * IMBALANCE;
        if best.is_none_or(|best| cost < best.cost) {
            best = Some(Break { first: index + 1, cost });
        }
    }
    best
}

/// `words` on one line.
pub(super) fn join(words: &[&Piece]) -> String {
    words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

/// The words of `text`, of printable characters only; one that is wider than `columns` comes in parts that are not.
pub(super) fn words(text: &str, columns: usize) -> Vec<String> {
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        let word: String = word.chars().filter(|&c| !is_unprintable(c)).collect();
        if word.width() <= columns {
            words.push(word);
            continue;
        }
        let mut part = String::new();
        for character in word.chars() {
            part.push(character);
            if part.width() > columns {
                part.pop();
                words.push(std::mem::replace(&mut part, character.to_string()));
            }
        }
        words.push(part);
    }
    words.retain(|word| word.width() > 0);
    words
}

/// `text` on one line, cut short with an ellipsis where it is wider than `columns`.
pub(super) fn clip(text: &str, columns: usize) -> String {
    let mut line = words(text, usize::MAX).join(" ");
    if line.width() > columns {
        while line.width() >= columns && line.pop().is_some() {}
        line.push('…');
    }
    line
}

/// Control characters, marks that turn the direction of what follows, and the joints that break a line for some players.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caption::Kind;

    fn broken(text: &str) -> Option<String> {
        let pieces: Vec<Piece> = words(text, 42)
            .into_iter()
            .map(|text| Piece { columns: text.width(), text, start_ms: 0, end_ms: 0, kind: Kind::Word })
            .collect();
        let pieces: Vec<&Piece> = pieces.iter().collect();
        let at = break_words(&pieces, 42)?;
        Some(if at.first == pieces.len() {
            join(&pieces)
        } else {
            format!("{} / {}", join(&pieces[..at.first]), join(&pieces[at.first..]))
        })
    }

    #[test]
    fn lines_break_where_the_language_does() {
        for expected in [
            "We had nothing before us.",
            "It was the best of times, / it was the worst of times.",
            "I would have told you about the dog / if you had asked me at breakfast.",
            "She put the letters that had come / on the table beside the window.",
        ] {
            assert_eq!(broken(&expected.replace(" / ", " ")).as_deref(), Some(expected));
        }
        assert_eq!(broken(&"word ".repeat(17)), None, "84 columns of words of four do not go on two lines");
    }

    #[test]
    fn what_no_subtitle_can_hold_is_left_out_and_what_is_too_wide_is_broken() {
        assert_eq!(words("a\u{1b}[2J\n\n2\r\n\u{202e}b\u{0}  \u{200b} \u{301}", 42), ["a[2J", "2", "b"]);
        assert_eq!(words("日本語の字幕", 7), ["日本語", "の字幕"]);
        assert_eq!(words("abcdefgh-12", 8), ["abcdefgh", "-12"]);
        assert_eq!(clip("Vehicle horn,\n car horn", 42), "Vehicle horn, car horn");
        assert_eq!(clip("日本語の字幕", 7), "日本語…");
    }
}
