//! The file of settings: where it is looked for, what stands in it, and at which line and column.
//!
//! In: `--config`, the environment. Out: a [`File`] whose keys exist; values are judged by their keys. The folder the program happens
//! to be started in is not looked at: an alert can run a program, and a folder may come from anyone.

use std::env;
use std::fs;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use auricle::alert;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::keys::{self, COMMANDS, Key, TABLES};

/// Names the file of settings, or none when it is empty or 'none'.
pub const VARIABLE: &str = "AURICLE_CONFIG";
/// What `--config` says for no file at all.
const NONE: &str = "none";
/// No file of settings is longer.
const LIMIT_BYTES: u64 = 1 << 20;
/// The array of tables that is not made of flags.
const ALERT: &str = "alert";

/// What is wrong with a file or a variable, ready to be shown.
#[derive(Clone, Debug)]
pub struct Wrong(pub String);

/// A file that was read and whose keys exist.
#[derive(Clone, Debug)]
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    text: String,
    /// What it says, in the order of its lines.
    pub entries: Vec<Entry>,
}

/// A line of the file: a key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The table it stands in, a command's; `None` at the top.
    pub table: Option<String>,
    /// The key.
    pub name: String,
    /// Where the key is, in bytes.
    pub at: usize,
    /// The value.
    pub value: Value,
    /// Where the value is, in bytes.
    pub span: Range<usize>,
}

/// A value as it was written.
#[derive(Clone, Debug)]
pub enum Value {
    /// In quotes.
    Text(String),
    /// A number, in decimal.
    Number(String),
    /// `true` or `false`.
    Boolean(bool),
    /// In square brackets; each with its place.
    Several(Vec<(Range<usize>, Value)>),
    /// What no setting is: says what it is.
    Other(&'static str),
}

/// Where the file was looked for.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Places in their order; the first that is there is read and no other.
    pub places: Vec<PathBuf>,
    /// Who named the file: a flag or a variable.
    pub named_by: Option<&'static str>,
}

/// The `[[alert]]` tables as they were written, for the room that knows what they mean.
#[derive(Clone, Debug, Default)]
pub struct Alerts {
    file: Option<(PathBuf, String)>,
}

impl Search {
    /// `named` is what `--config` says.
    pub fn new(named: Option<&Path>) -> Self {
        let from_variable = env::var_os(VARIABLE).map(PathBuf::from);
        let named = named.map(|path| (path.to_owned(), "--config")).or(from_variable.map(|path| (path, VARIABLE)));
        if let Some((path, by)) = named {
            let none = path.as_os_str().is_empty() || path.as_os_str() == NONE;
            return Self { places: if none { Vec::new() } else { vec![path] }, named_by: Some(by) };
        }
        let folder = |variable| env::var_os(variable).map(PathBuf::from).filter(|folder| folder.is_absolute());
        let of_user = folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")));
        let mut places: Vec<PathBuf> = of_user.map(|folder| folder.join("auricle/auricle.toml")).into_iter().collect();
        places.push(PathBuf::from("/etc/auricle/auricle.toml"));
        Self { places, named_by: None }
    }

    /// The first file that is there.
    ///
    /// # Errors
    /// A file that was named and is not there, one that cannot be read, is no TOML, or has keys that do not exist.
    pub fn read(&self, root: &clap::Command) -> Result<Option<File>, Wrong> {
        for path in &self.places {
            match (read_text(path)?, self.named_by) {
                (Some(text), _) => return File::parse(path, text, root).map(Some),
                (None, Some(by)) => {
                    let path = path.display();
                    return Err(Wrong(format!("{path}: not there, but {by} names it; correct it, or say '{NONE}' for no file")));
                }
                (None, None) => {}
            }
        }
        Ok(None)
    }
}

/// The text of the file; `None` where there is none.
fn read_text(path: &Path) -> Result<Option<String>, Wrong> {
    let shown = path.display();
    let cannot = |error: std::io::Error| Wrong(format!("{shown}: cannot be read: {error}"));
    let about = match fs::metadata(path) {
        // A file where a folder is expected, and so no settings below it.
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        about => about.map_err(cannot)?,
    };
    if !about.is_file() {
        let what = if about.is_dir() { "a folder" } else { "no plain file" };
        return Err(Wrong(format!("{shown}: is {what}; settings are a file, auricle.toml")));
    }
    let mut bytes = Vec::new();
    fs::File::open(path).and_then(|file| file.take(LIMIT_BYTES + 1).read_to_end(&mut bytes)).map_err(cannot)?;
    if bytes.len() as u64 > LIMIT_BYTES {
        return Err(Wrong(format!("{shown}: is longer than settings may be, 1 MiB")));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
        Wrong(format!("{shown}:{}: is not UTF-8 text; save it as UTF-8", position(&before, good)))
    })?;
    // Some editors begin a file with a mark of their own.
    Ok(Some(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)))
}

/// Line and column of the byte at `offset`, both from 1, columns in characters.
fn position(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    format!("{}:{}", before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

impl File {
    /// Reads `text` and checks that every key is one of `root`'s.
    fn parse(path: &Path, text: String, root: &clap::Command) -> Result<Self, Wrong> {
        let mut file = Self { path: path.to_owned(), text, entries: Vec::new() };
        let document = DeTable::parse(&file.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            file.wrong(at, error.message().trim_end())
        })?;
        let mut entries = Vec::new();
        for (key, value) in document.into_inner() {
            let (at, name) = (key.span().start, key.into_inner());
            let span = value.span();
            match value.into_inner() {
                DeValue::Table(table) if TABLES.contains(&&*name) => {
                    entries.extend(table.into_iter().map(|(key, value)| entry(Some(&name), key, value)));
                }
                DeValue::Array(tables) if name == ALERT && tables.iter().all(|table| table.get_ref().is_table()) => {}
                _ if name == ALERT => {
                    return Err(file.wrong(at, "alert is an array of tables; begin each alert with a line [[alert]]"));
                }
                DeValue::Table(_) => return Err(file.wrong(at, &unknown_table(&name))),
                value => entries.push(entry(None, Spanned::new(at..at, name), Spanned::new(span, value))),
            }
        }
        entries.sort_by_key(|entry| entry.at);
        file.entries = entries;
        for entry in &file.entries {
            known(entry, root).map_err(|reason| file.wrong(entry.at, &reason))?;
        }
        Ok(file)
    }

    /// The error `reason` at the byte `at`.
    pub fn wrong(&self, at: usize, reason: &str) -> Wrong {
        Wrong(format!("{}:{}: {reason}", self.path.display(), position(&self.text, at)))
    }

    /// Line of the byte `at`, from 1.
    pub fn line(&self, at: usize) -> usize {
        self.text.get(..at).unwrap_or(&self.text).matches('\n').count() + 1
    }

    /// What stands at `span`, as it was written.
    pub fn written(&self, span: Range<usize>) -> &str {
        self.text.get(span).unwrap_or_default()
    }

    /// The alerts.
    pub fn alerts(&self) -> Alerts {
        Alerts { file: Some((self.path.clone(), self.text.clone())) }
    }
}

impl Alerts {
    /// Every `[[alert]]`, in the order of the file.
    ///
    /// # Errors
    /// What is wrong with the first that is none, with path, line and column.
    pub fn settings(&self) -> auricle::Result<alert::Settings> {
        match &self.file {
            Some((path, text)) => alert::Settings::parse(text, &path.display().to_string()),
            None => Ok(alert::Settings::default()),
        }
    }
}

fn entry(table: Option<&str>, key: Spanned<DeString<'_>>, value: Spanned<DeValue<'_>>) -> Entry {
    let (at, span) = (key.span().start, value.span());
    Entry {
        table: table.map(str::to_owned),
        at,
        name: key.into_inner().into_owned(),
        value: Value::new(value.into_inner()),
        span,
    }
}

impl Value {
    fn new(value: DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.into_owned()),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Self::Number(number.to_string()),
                Err(_) => Self::Other("a number that is too large"),
            },
            DeValue::Float(number) => Self::Number(number.as_str().to_owned()),
            DeValue::Boolean(on) => Self::Boolean(on),
            DeValue::Array(values) => {
                Self::Several(values.into_iter().map(|value| (value.span(), Self::new(value.into_inner()))).collect())
            }
            DeValue::Datetime(_) => Self::Other("a date"),
            DeValue::Table(_) => Self::Other("a table"),
        }
    }
}

/// Whether the key exists where it stands; else what could have been meant.
fn known(entry: &Entry, root: &clap::Command) -> Result<(), String> {
    let name = &entry.name;
    let here = |command: &str| -> Vec<Key> {
        let keys = keys::of(root, &[command]).into_iter();
        keys.filter(|key| key.common || entry.table.is_some()).collect()
    };
    let commands: Vec<&str> = match &entry.table {
        Some(table) => vec![table.as_str()],
        None => COMMANDS.to_vec(),
    };
    let keys: Vec<Key> = commands.into_iter().flat_map(here).collect();
    if keys.iter().any(|key| key.name == *name) {
        return Ok(());
    }
    let place = entry.table.as_ref().map_or(String::new(), |table| format!(" in [{table}]"));
    let elsewhere: Vec<&str> =
        TABLES.into_iter().filter(|command| keys::of(root, &[command]).iter().any(|key| key.name == *name)).collect();
    let way_out = match (keys::nearest(name, keys.iter().map(|key| key.name.as_str())), elsewhere.as_slice()) {
        (_, [one]) => format!("it belongs in [{one}]"),
        (Some(near), _) => format!("did you mean {near}?"),
        _ => "'auricle config --example' shows every key".to_owned(),
    };
    Err(format!("there is no key {}{place}; {way_out}", name.escape_debug()))
}

fn unknown_table(name: &str) -> String {
    let known = TABLES.into_iter().chain([ALERT]);
    let all = "the tables are [listen], [transcribe], [tag] and [[alert]]";
    let name = name.escape_debug().to_string();
    match keys::nearest(&name, known) {
        Some(near) => format!("there is no table [{name}]; did you mean [{near}]? {all}"),
        None => format!("there is no table [{name}]; {all}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_1() {
        let text = "a\né = 1\r\n";
        for (offset, expected) in [(0, "1:1"), (1, "1:2"), (2, "2:1"), (4, "2:2"), (5, "2:3"), (99, "3:1")] {
            assert_eq!(position(text, offset), expected, "{offset}");
        }
    }

    #[test]
    fn alerts_are_read_by_their_room_and_what_is_wrong_has_its_place() {
        let root = super::super::definitions();
        let file = |text: &str| File::parse(Path::new("a.toml"), text.to_owned(), &root).unwrap();
        let text = "threads = 2\n[[alert]]\nlabel = 'Dog'\nrun = ['true']\n[[alert]]\nlabel = 'Cat'\nrun = ['true']\n";
        let settings = file(text).alerts().settings().unwrap();
        let labels: Vec<&str> = settings.alerts.iter().map(|alert| alert.label.as_str()).collect();
        assert_eq!(labels, ["Dog", "Cat"]);
        let error = file("[[alert]]\nlabel = 'Dog'\n\n[[alert]]\nlabl = 'Cat'\n").alerts().settings().unwrap_err();
        assert!(error.message().starts_with("a.toml:"), "{error}");
        assert!(Alerts::default().settings().unwrap().alerts.is_empty());
    }
}
