//! The table of a tagger's labels: `index,mid,display_name` with a heading, as AudioSet's class maps are written.
//!
//! In: the path of a checked file. Out: a [`Label`] for each score, in their order. The file is hostile: nothing of it is longer
//! than a limit.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::Label;
use crate::error::{Error, ErrorKind, Result};

/// No file of labels is longer, and none has more rows.
const LABELS_LIMIT_BYTES: u64 = 1 << 20;
const LABELS_LIMIT: usize = 10_000;

/// Labels of the table at `path`.
///
/// # Errors
/// `Io` when it cannot be read; `Corrupt` naming the line that is no label.
pub(super) fn read(path: &Path) -> Result<Vec<Label>> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(LABELS_LIMIT_BYTES).read_to_string(&mut text))
        .map_err(|error| Error::io("read", path, &error))?;
    parse(&text).map_err(|error| error.within(path.display()))
}

/// Labels of a table `index,mid,display_name` with a heading, the rows in order of their index.
fn parse(text: &str) -> Result<Vec<Label>> {
    let mut labels = Vec::new();
    for (index, line) in text.lines().skip(1).enumerate() {
        let number = index + 2;
        let row = fields(line).ok_or_else(|| corrupt(format!("line {number}: a quote is not closed")))?;
        let [written, id, name] = row.as_slice() else {
            return Err(corrupt(format!("line {number}: expected index, mid and display_name, found {} fields", row.len())));
        };
        if written.parse() != Ok(index) {
            return Err(corrupt(format!("line {number}: expected index {index}, found '{}'", written.escape_debug())));
        }
        if id.is_empty() || name.is_empty() {
            return Err(corrupt(format!("line {number}: mid or display_name is empty")));
        }
        if index == LABELS_LIMIT {
            return Err(corrupt(format!("has more than {LABELS_LIMIT} labels")));
        }
        labels.push(Label { id: id.as_str().into(), name: name.as_str().into() });
    }
    if labels.is_empty() { Err(corrupt("has no labels".to_owned())) } else { Ok(labels) }
}

/// [`parse`] for the fuzzer, which sees what is public only.
#[cfg(fuzzing)]
#[doc(hidden)]
pub fn parse_labels_of(text: &str) -> Result<Vec<Label>> {
    parse(text)
}

/// The fields of one line of a CSV file (RFC 4180); `None` when a quote is not closed.
fn fields(line: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let field = fields.last_mut()?;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => field.push(c),
        }
    }
    (!quoted).then_some(fields)
}

fn corrupt(message: String) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_with_quoted_commas() {
        let text =
            "index,mid,display_name\n0,/m/09x0r,Speech\n1,/m/0ytgt,\"Child speech, kid speaking\"\r\n2,/m/x,\"a \"\"b\"\"\"\n";
        let labels = parse(text).unwrap();
        let names: Vec<&str> = labels.iter().map(|label| &*label.name).collect();
        assert_eq!(names, ["Speech", "Child speech, kid speaking", "a \"b\""]);
        assert_eq!(&*labels[1].id, "/m/0ytgt");
    }

    #[test]
    fn wrong_labels_are_refused_with_the_line() {
        for (rows, says) in [
            ("", "no labels"),
            ("0,/m/a,\"open\n", "line 2: a quote"),
            ("0,/m/a,A\n2,/m/b,B\n", "line 3: expected index 1, found '2'"),
            ("0,/m/a\n", "found 2 fields"),
            ("0,,A\n", "is empty"),
            ("zero,/m/a,A\n", "expected index 0"),
        ] {
            let error = parse(&format!("index,mid,display_name\n{rows}")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.message().contains(says), "{error}");
        }
        let many: String = (0..=LABELS_LIMIT).map(|n| format!("{n},/m/{n},N\n")).collect();
        assert!(parse(&format!("heading\n{many}")).unwrap_err().message().contains("more than"));
    }
}
