//! What was said and when: the words of a recording as somebody marked them, and sounds in the same form.
//!
//! In: the text of a TSV file, `start s <tab> end s <tab> word` a line. Out: [`Spoken`] in order, or an error that names the line.

use crate::error::{Error, ErrorKind, Result};

/// One thing that was said, or sounded, with its times in the recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Spoken {
    /// Where it starts, seconds.
    pub start_s: f64,
    /// Where it ends, seconds; `start_s` or later.
    pub end_s: f64,
    /// The word, or the label of the sound.
    pub text: String,
}

impl Spoken {
    /// The same, `seconds` later.
    #[must_use]
    pub fn later(&self, seconds: f64) -> Self {
        Self { start_s: self.start_s + seconds, end_s: self.end_s + seconds, text: self.text.clone() }
    }
}

/// No file of words has more lines.
const MOST_LINES: usize = 100_000;
/// No line is longer, bytes.
const LONGEST_LINE: usize = 1_000;
/// No recording is longer, seconds: 24 hours.
const LONGEST_S: f64 = 86_400.0;

/// The lines of a TSV file, called `name` in errors. Empty lines are passed over.
///
/// # Errors
/// `Corrupt`, with the number of the line, for a line that has not three fields, times that are no numbers, run backwards or lie
/// beyond 24 hours, or a start before that of the line above; and for more than 100,000 lines.
pub fn parse(text: &str, name: &str) -> Result<Vec<Spoken>> {
    let mut all: Vec<Spoken> = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |what: String| {
            Error::new(ErrorKind::Corrupt, format!("{name}: line {}: {what}; expected start s, end s, word with tabs", index + 1))
        };
        if line.len() > LONGEST_LINE || index >= MOST_LINES {
            return Err(wrong(format!("more than {LONGEST_LINE} bytes in a line or {MOST_LINES} lines are not read")));
        }
        let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
        let [start, end, text] = fields[..] else { return Err(wrong(format!("has {} fields", fields.len()))) };
        let seconds = |field: &str| match field.parse::<f64>() {
            Ok(seconds) if (0.0..=LONGEST_S).contains(&seconds) => Ok(seconds),
            _ => Err(wrong(format!("'{field}' is no time from 0 to {LONGEST_S} s"))),
        };
        let (start_s, end_s) = (seconds(start)?, seconds(end)?);
        if end_s < start_s {
            return Err(wrong(format!("ends at {end_s} s, before its start at {start_s} s")));
        }
        if all.last().is_some_and(|before| before.start_s > start_s) {
            return Err(wrong(format!("starts at {start_s} s, before the line above")));
        }
        if text.is_empty() {
            return Err(wrong("has no word".to_owned()));
        }
        all.push(Spoken { start_s, end_s, text: text.to_owned() });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_words_and_empty_ones_nothing() {
        let words = parse("0.5\t0.75\tshe\n\n0.75\t1\thad\r\n", "a.tsv").unwrap();
        assert_eq!(words.len(), 2);
        assert_eq!(words[1], Spoken { start_s: 0.75, end_s: 1.0, text: "had".to_owned() });
        assert_eq!(words[1].later(2.0).end_s, 3.0);
    }

    #[test]
    fn a_line_that_is_no_word_is_named() {
        let cases = [
            ("0 1 she", "has 1 fields"),
            ("0\t1", "has 2 fields"),
            ("x\t1\ta", "'x' is no time"),
            ("NaN\t1\ta", "'NaN' is no time"),
            ("-1\t1\ta", "'-1' is no time"),
            ("0\t1e9\ta", "'1e9' is no time"),
            ("2\t1\ta", "before its start"),
            ("0\t1\t ", "has no word"),
        ];
        for (line, said) in cases {
            let error = parse(&format!("0\t0\tok\n{line}\n"), "a.tsv").unwrap_err();
            assert!(error.message().starts_with("a.tsv: line 2: ") && error.message().contains(said), "{error}");
        }
        assert!(parse("1\t2\ta\n0.5\t3\tb", "a").unwrap_err().message().contains("before the line above"));
        assert!(parse(&"x".repeat(2_000), "a").is_err());
    }
}
