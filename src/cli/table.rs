//! Tables on standard output, for `devices` and `models`.
//!
//! In: rows of cells. Out: columns as wide as their widest cell; a reader that has gone is no error.

use std::io::{self, Write};

use anyhow::{Context, Result};
use unicode_width::UnicodeWidthStr;

/// Lines up `rows` in columns, two spaces between them; the last column may be of any width.
///
/// Manifests and devices have a say in what cells hold, so nothing in them steers the terminal.
pub fn lined_up(rows: &[Vec<String>]) -> String {
    let tame = |cell: &String| cell.replace(char::is_control, "\u{fffd}");
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(tame).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.width() + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Writes `text` to standard output.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("standard output: cannot be written"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row(["name", "licence", "what"]), row(["日本", "MIT", ""]), row(["a", "Apache-2.0", "b c"])];
        assert_eq!(lined_up(&rows), "name  licence     what\n日本  MIT\na     Apache-2.0  b c\n");
    }

    #[test]
    fn a_cell_cannot_steer_the_terminal() {
        assert_eq!(lined_up(&[vec!["a\x1b[2Jb\n".to_owned(), "c".to_owned()]]), "a\u{fffd}[2Jb\u{fffd}  c\n");
    }
}
