//! Lines of the report: a verdict, what was looked at, what was found.
//!
//! In: findings. Out: lines on standard output, folded at the terminal's width, and the exit code.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use unicode_width::UnicodeWidthStr;

use super::super::table;

/// Columns before what was found: verdict and subject.
const INDENT: usize = 23;
/// A terminal narrower than this is not folded for.
const NARROWEST: usize = 40;

/// What was found so far.
#[derive(Debug, Default)]
pub struct Report {
    problems: usize,
}

impl Report {
    /// `subject` is as it should be.
    pub fn ok(&mut self, subject: &str, found: &str) -> Result<()> {
        line("ok", subject, found)
    }

    /// Worth knowing; captions come all the same.
    pub fn note(&mut self, subject: &str, found: &str) -> Result<()> {
        line("note", subject, found)
    }

    /// In the way of captions; `found` ends with what to do.
    pub fn problem(&mut self, subject: &str, found: &str) -> Result<()> {
        self.problems += 1;
        line("problem", subject, found)
    }

    /// The last line and the exit code.
    pub fn end(self, took: Duration) -> Result<ExitCode> {
        let found = match self.problems {
            0 => "No problem was found".to_owned(),
            1 => "1 problem was found".to_owned(),
            several => format!("{several} problems were found"),
        };
        table::print(&format!("{found}; it took {:.1} s\n", took.as_secs_f64()))?;
        Ok(if self.problems == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn line(verdict: &str, subject: &str, found: &str) -> Result<()> {
    let width =
        if io::stdout().is_terminal() { crossterm::terminal::size().ok().map(|(width, _)| usize::from(width)) } else { None };
    // Devices and models have a say in what was found, and none in what the terminal does.
    let found = found.replace(char::is_control, " ");
    let lines = folded(&found, width.filter(|width| *width >= NARROWEST).map(|width| width - INDENT));
    table::print(&format!("{verdict:<9}{subject:<14}{}\n", lines.join(&format!("\n{}", " ".repeat(INDENT)))))
}

/// `text` in lines of at most `width` columns, where no word is longer.
fn folded(text: &str, width: Option<usize>) -> Vec<String> {
    let Some(width) = width else { return vec![text.to_owned()] };
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        if let Some(line) = lines.last_mut() {
            if line.is_empty() {
                line.push_str(word);
            } else if line.width() + 1 + word.width() <= width {
                line.push(' ');
                line.push_str(word);
            } else {
                lines.push(word.to_owned());
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_findings_are_folded_between_words() {
        let text = "the quick brown fox";
        assert_eq!(folded(text, None), [text]);
        assert_eq!(folded(text, Some(10)), ["the quick", "brown fox"]);
        assert_eq!(folded("incomprehensibilities of it", Some(5)), ["incomprehensibilities", "of it"]);
    }
}
