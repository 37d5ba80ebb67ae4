//! What the user asked for: the `[[alert]]` tables of `auricle.toml`.
//!
//! In: TOML. Out: checked [`Settings`]; every error says file, line and column, what stands there and what may.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use ureq::http::Uri;

use super::template::Argument;
use crate::error::{Error, ErrorKind, Result};
use crate::sound::Vocabulary;

/// No configuration has more.
const ALERTS_LIMIT: usize = 64;
const COOLDOWN_S: f64 = 30.0;
const COOLDOWN_LIMIT_S: f64 = 86_400.0;

/// The alerts of a configuration, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// One a table.
    pub alerts: Vec<Alert>,
}

/// One `[[alert]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Name or id of a label; what is below it in the ontology counts too.
    pub label: String,
    /// Score that a sound must reach, 0 to 1. Default 0: whatever is told.
    pub min_score: f32,
    /// Seconds until this alert may come again, 0 to a day. Default 30.
    pub cooldown_s: f64,
    /// What is done.
    pub action: Action,
    /// Where the label stands, for errors.
    pub place: Place,
}

/// What an alert does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Runs a program: its name or path, and its arguments.
    Run(String, Vec<Argument>),
    /// Posts the event to an http or https address.
    Webhook(String),
}

/// File, line and column, from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    file: String,
    line: usize,
    column: usize,
}

/// The part of a configuration that is about alerts; the rest is others' to read.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    alert: Vec<Spanned<Table>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    label: Spanned<String>,
    min_score: Option<Spanned<f32>>,
    cooldown: Option<Spanned<f64>>,
    run: Option<Spanned<Vec<Spanned<String>>>>,
    webhook: Option<Spanned<String>>,
}

impl Settings {
    /// Reads the `[[alert]]` tables of `text`, which is called `file` in errors. What else is in it is not looked at.
    ///
    /// # Errors
    /// `InvalidInput` with file, line and column.
    pub fn parse(text: &str, file: &str) -> Result<Self> {
        let place = |span: Range<usize>| Place::at(text, file, span.start);
        let read: File = toml::from_str(text).map_err(|error| {
            let place = place(error.span().unwrap_or(0..0));
            place.error(error.message())
        })?;
        if let Some(first) = read.alert.get(ALERTS_LIMIT) {
            return Err(place(first.span()).error(format!("more than {ALERTS_LIMIT} alerts")));
        }
        let alerts = read.alert.into_iter().map(|table| Alert::read(table, &place)).collect::<Result<_>>()?;
        Ok(Self { alerts })
    }

    /// Checks the labels against what can be told.
    ///
    /// # Errors
    /// `InvalidInput` with file, line and column: a label that is unknown, with the nearest one, or that is never told.
    pub fn check(&self, vocabulary: &Vocabulary) -> Result<()> {
        for alert in &self.alerts {
            vocabulary.check(&alert.label).map_err(|message| alert.place.error(message))?;
        }
        Ok(())
    }
}

impl Alert {
    fn read(table: Spanned<Table>, place: &dyn Fn(Range<usize>) -> Place) -> Result<Self> {
        let whole = table.span();
        let Table { label, min_score, cooldown, run, webhook } = table.into_inner();
        let min_score = match min_score {
            Some(value) if !(0.0..=1.0).contains(value.get_ref()) => {
                return Err(place(value.span()).error(format!("min_score is {}; it must be 0 to 1", value.get_ref())));
            }
            value => value.map_or(0.0, Spanned::into_inner),
        };
        let cooldown_s = match cooldown {
            Some(value) if !(0.0..=COOLDOWN_LIMIT_S).contains(value.get_ref()) => {
                let message = format!("cooldown is {}; it must be 0 to {COOLDOWN_LIMIT_S} seconds", value.get_ref());
                return Err(place(value.span()).error(message));
            }
            value => value.map_or(COOLDOWN_S, Spanned::into_inner),
        };
        let action = match (run, webhook) {
            (Some(run), None) => program(run, place)?,
            (None, Some(url)) => {
                let at = place(url.span());
                let url = url.into_inner();
                check_address(&url).map_err(|message| at.error(message))?;
                Action::Webhook(url)
            }
            (Some(_), Some(url)) => return Err(place(url.span()).error("run and webhook in one alert; write two alerts")),
            (None, None) => {
                return Err(place(whole).error("an alert needs run, a program and its arguments, or webhook, an address"));
            }
        };
        let place = place(label.span());
        Ok(Self { label: label.into_inner(), min_score, cooldown_s, action, place })
    }
}

fn program(run: Spanned<Vec<Spanned<String>>>, place: &dyn Fn(Range<usize>) -> Place) -> Result<Action> {
    let at = place(run.span());
    let mut arguments = Vec::new();
    let mut name = None;
    for argument in run.into_inner() {
        let at = place(argument.span());
        let text = argument.into_inner();
        let read = Argument::parse(&text).map_err(|message| at.error(message))?;
        if name.is_some() {
            arguments.push(read);
        } else if text.is_empty() || !read.is_plain() {
            return Err(at.error("the program is a name or a path, without placeholders"));
        } else {
            name = Some(text);
        }
    }
    let name = name.ok_or_else(|| at.error("run is empty; it is a list of a program and its arguments"))?;
    Ok(Action::Run(name, arguments))
}

fn check_address(url: &str) -> std::result::Result<(), String> {
    let wrong = |why: &str| format!("webhook is '{}': {why}", url.escape_debug());
    let uri: Uri = url.parse().map_err(|error| wrong(&format!("no address ({error})")))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(wrong("it must begin with http:// or https://"));
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err(wrong("it names no host"));
    }
    Ok(())
}

impl Place {
    fn at(text: &str, file: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Self { file: file.to_owned(), line, column }
    }

    fn error(&self, message: impl fmt::Display) -> Error {
        Error::new(ErrorKind::InvalidInput, format!("{self}: {message}"))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_has_a_default_and_the_rest_of_the_file_is_not_looked_at() {
        let text = "model = 3\n[[alert]]\nlabel = \"Dog\"\nrun = [\"notify-send\", \"{label}\"]\n\n[[alert]]\nlabel = \"Alarm\"\n\
                    min_score = 0.5\ncooldown = 5\nwebhook = \"https://example.org/a?b\"\n";
        let Settings { alerts } = Settings::parse(text, "auricle.toml").unwrap();
        assert_eq!((alerts[0].min_score, alerts[0].cooldown_s), (0.0, 30.0));
        assert_eq!(alerts[0].action, Action::Run("notify-send".to_owned(), vec![Argument::parse("{label}").unwrap()]));
        assert_eq!((alerts[1].min_score, alerts[1].cooldown_s), (0.5, 5.0));
        assert_eq!(alerts[1].action, Action::Webhook("https://example.org/a?b".to_owned()));
        assert_eq!(Settings::parse("", "x").unwrap(), Settings::default());
    }

    #[test]
    fn errors_say_where() {
        let cases = [
            ("[[alert]]\nlabel = \"Dog\"\n", "a.toml:1:1: an alert needs run"),
            ("\n[[alert]]\nlabel = \"Dog\"\nrun = []", "a.toml:4:7: run is empty"),
            ("[[alert]]\nlabel = \"Dog\"\nrun = \"ls\"", "a.toml:3:7: "),
            ("[[alert]]\nlabel = \"Dog\"\nrun = [\"x\", \"{lable}\"]", "a.toml:3:13: '{lable}'"),
            ("[[alert]]\nlabel = \"Dog\"\nrun = [\"{label}\"]", "a.toml:3:8: the program"),
            ("[[alert]]\nlabel = \"Dog\"\nmin_score = 1.5\nrun = [\"x\"]", "a.toml:3:13: min_score is 1.5"),
            ("[[alert]]\nlabel = \"Dog\"\nmin_score = nan\nrun = [\"x\"]", "a.toml:3:13: min_score is NaN"),
            ("[[alert]]\nlabel = \"Dog\"\ncooldown = -1\nrun = [\"x\"]", "a.toml:3:12: cooldown is -1"),
            ("[[alert]]\nlabel = \"Dog\"\nwebhook = \"file:///etc/passwd\"", "a.toml:3:11: webhook is 'file:///etc/passwd'"),
            ("[[alert]]\nlabel = \"Dog\"\nwebhook = \"example.org\"", "begin with http"),
            ("[[alert]]\nlabel = \"Dog\"\nwebhook = \"http://a\"\nrun = [\"x\"]", "a.toml:3:11: run and webhook"),
            ("[[alert]]\nlabel = \"Dog\"\ncolour = 1\nrun = [\"x\"]", "unknown field `colour`"),
            ("[[alert]]\nlabel = \"D", "a.toml:2:"),
        ];
        for (text, says) in cases {
            let error = Settings::parse(text, "a.toml").unwrap_err();
            assert!(error.kind() == ErrorKind::InvalidInput && error.message().contains(says), "{says} / {error}");
        }
        let many = "[[alert]]\nlabel = \"Dog\"\nrun = [\"x\"]\n".repeat(ALERTS_LIMIT + 1);
        assert!(Settings::parse(&many, "a.toml").unwrap_err().message().starts_with("a.toml:193:1: more than 64"));
    }
}
