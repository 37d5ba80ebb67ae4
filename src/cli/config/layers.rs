//! What is in force: the file's values below those of the environment, and these below the flags.
//!
//! In: the arguments, the environment, the file. Out: [`InForce`], clap's matches as if all had been flags, and where each came from.
//! Values of file and environment become the arguments' defaults, so that clap's own parsers read them; what was given with a flag
//! is found out by a parse without them.

use std::collections::HashMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, Id};

use super::file::{Entry, File, Value, Wrong};
use super::keys::{self, Key, Kind, TABLES};

/// Separates several values in one variable: labels of sounds have commas in them.
const SEPARATOR: char = ';';

/// Who said what a setting is. The later go before the earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody.
    Default,
    /// The file, at this line; whether in the command's own table.
    File { line: usize, own_table: bool },
    /// The variable of this name.
    Variable(String),
    /// The command line.
    Flag,
}

impl Origin {
    fn strength(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File { own_table: false, .. } => 1,
            Self::File { own_table: true, .. } => 2,
            Self::Variable(_) => 3,
            Self::Flag => 4,
        }
    }
}

/// A setting and where its value came from.
#[derive(Clone, Debug)]
pub struct Setting {
    /// What is set.
    pub key: Key,
    /// Its values; none where nothing was said and there is no default.
    pub values: Vec<OsString>,
    /// Who said so.
    pub origin: Origin,
}

/// What was said about one key, before it is known whether it counts.
struct Said {
    key: Key,
    values: Vec<OsString>,
    origin: Origin,
    /// What to put in front of an error about it: path, line and column, or the variable.
    named: String,
}

impl Said {
    /// Whether it asks for anything: a switch that is off excludes nothing.
    fn asks(&self) -> bool {
        let off = match self.key.kind {
            Kind::Switch => "false",
            Kind::Count => "0",
            _ => return !self.values.is_empty(),
        };
        self.values.iter().any(|value| value != off)
    }
}

/// The commands with a hidden `--no-NAME` beside every switch, with which a flag can turn off what the file turned on.
pub fn with_opposites(root: Command) -> Command {
    fn add(command: Command) -> Command {
        let is_switch = |argument: &&Arg| matches!(argument.get_action(), ArgAction::SetTrue) && argument.get_long().is_some();
        let mut opposites = Vec::new();
        for argument in command.get_arguments().filter(is_switch) {
            let name = format!("no-{}", argument.get_long().unwrap_or_default());
            if !command.get_arguments().any(|other| other.get_long() == Some(&name)) {
                let opposite = Arg::new(name.clone()).long(name).action(ArgAction::SetTrue).hide(true);
                opposites.push(opposite.global(argument.is_global_set()).overrides_with(argument.get_id().clone()));
            }
        }
        command.args(opposites)
    }
    let root = add(root);
    let names: Vec<String> = keys::COMMANDS.iter().map(|&name| name.to_owned()).collect();
    names.into_iter().fold(root, |root, name| match root.find_subcommand(&name) {
        Some(_) => root.mut_subcommand(name, add),
        None => root,
    })
}

/// The path of the command that was given, and its own matches.
pub fn innermost(matches: &ArgMatches) -> (Vec<&str>, &ArgMatches) {
    let (mut path, mut inner) = (Vec::new(), matches);
    while let Some((name, below)) = inner.subcommand() {
        path.push(name);
        inner = below;
    }
    (path, inner)
}

/// Puts file and environment below `given`, the matches of `arguments` alone.
///
/// Returns `None` for the matches where nothing but flags was said: `given` are in force then.
///
/// # Errors
/// A value that its key does not take, and two of equal strength that exclude each other.
pub fn resolve(
    root: &Command,
    arguments: &[OsString],
    given: &ArgMatches,
    file: Option<&File>,
) -> Result<(Option<ArgMatches>, Vec<Setting>), Wrong> {
    let (path, inner) = innermost(given);
    let keys = keys::of(root, &path);
    let mut said: Vec<Said> = Vec::new();
    for key in &keys {
        said.extend(strongest(key, &path, inner, file)?);
    }
    let exclusions = Exclusions::new(root, &path);
    let kept: Vec<bool> = said.iter().map(|one| !exclusions.overruled(one, &said) && !beside_the_point(one, &said)).collect();
    let mut kept_ones: Vec<Said> = said.into_iter().zip(kept).filter_map(|(one, kept)| kept.then_some(one)).collect();
    for (index, one) in kept_ones.iter().enumerate() {
        if let Some(other) = kept_ones[..index].iter().find(|other| exclusions.exclude(one, other) && one.origin != Origin::Flag)
        {
            let (one, other) = (&one.named, &other.named);
            return Err(Wrong(format!("{one} and {other} exclude each other; keep one of them")));
        }
    }
    let mut with_defaults = root.clone();
    let mut changed = false;
    for one in kept_ones.iter().filter(|one| one.origin != Origin::Flag && !one.key.read_by_library_from(&one.origin)) {
        with_defaults = set_default(with_defaults, &one.key.defined_by, one.key.id(), &one.values);
        changed = true;
    }
    let matches = if changed {
        let matches = with_defaults.try_get_matches_from(arguments);
        Some(matches.map_err(|error| Wrong(error.to_string().trim_end().to_owned()))?)
    } else {
        None
    };
    let mut said: HashMap<String, Said> = kept_ones.drain(..).map(|one| (one.key.name.clone(), one)).collect();
    let settings = keys.into_iter().map(|key| match said.remove(&key.name) {
        Some(one) => Setting { key: one.key, values: one.values, origin: one.origin },
        None => Setting { values: defaults(&key), key, origin: Origin::Default },
    });
    Ok((matches, settings.collect()))
}

impl Key {
    /// Whether the library reads this itself, from the variable.
    fn read_by_library_from(&self, origin: &Origin) -> bool {
        self.read_by_library && matches!(origin, Origin::Variable(_))
    }
}

fn defaults(key: &Key) -> Vec<OsString> {
    match key.kind {
        Kind::Switch | Kind::Count => key.default().map(OsString::from).into_iter().collect(),
        _ => key.argument.get_default_values().iter().map(|value| value.to_os_string()).collect(),
    }
}

/// What was said about `key` by whom it is heard from.
fn strongest(key: &Key, path: &[&str], given: &ArgMatches, file: Option<&File>) -> Result<Option<Said>, Wrong> {
    if let Some(values) = from_flag(key, given) {
        let named = format!("--{}", key.name);
        return Ok(Some(Said { key: key.clone(), values, origin: Origin::Flag, named }));
    }
    if let Some(value) = env::var_os(&key.variable).filter(|value| !value.is_empty()) {
        let values = in_variable(key, &value);
        let named = key.variable.clone();
        if !key.read_by_library {
            for value in &values {
                key.check(value).map_err(|reason| Wrong(format!("{named} is {}{reason}", quoted(value))))?;
            }
        }
        let origin = Origin::Variable(named.clone());
        return Ok(Some(Said { key: key.clone(), values, origin, named }));
    }
    let Some(file) = file else { return Ok(None) };
    let command = path.first().copied().unwrap_or_default();
    let own: &[&str] = if command == "doctor" { &["listen"] } else { &[command] };
    let own: Vec<&str> = own.iter().copied().filter(|table| TABLES.contains(table)).collect();
    let of_table = |entry: &&Entry| entry.table.as_deref().is_some_and(|table| own.contains(&table));
    let entries = || file.entries.iter().filter(|entry| entry.name == key.name);
    let top = || entries().find(|entry| entry.table.is_none() && key.common);
    let Some(entry) = entries().find(of_table).or_else(top) else { return Ok(None) };
    let values = in_file(key, entry, file)?;
    let named = format!("{} (line {})", shown_name(entry), file.line(entry.at));
    let origin = Origin::File { line: file.line(entry.at), own_table: entry.table.is_some() };
    Ok(Some(Said { key: key.clone(), values, origin, named }))
}

/// The values given on the command line, if any.
fn from_flag(key: &Key, given: &ArgMatches) -> Option<Vec<OsString>> {
    let is_given =
        |id: &str| matches!(given.try_contains_id(id), Ok(true)) && given.value_source(id) == Some(ValueSource::CommandLine);
    if key.kind == Kind::Switch && is_given(&format!("no-{}", key.name)) {
        return Some(vec!["false".into()]);
    }
    let id = key.id().as_str();
    if !is_given(id) {
        return None;
    }
    Some(match key.kind {
        Kind::Switch => vec!["true".into()],
        Kind::Count => vec![given.get_count(id).to_string().into()],
        _ => given.get_raw(id).into_iter().flatten().map(OsStr::to_owned).collect(),
    })
}

fn in_variable(key: &Key, value: &OsStr) -> Vec<OsString> {
    match (key.kind, value.to_str()) {
        (Kind::Many, Some(text)) => {
            text.split(SEPARATOR).map(str::trim).filter(|part| !part.is_empty()).map(OsString::from).collect()
        }
        (Kind::Switch, Some("1")) => vec!["true".into()],
        (Kind::Switch, Some("0")) => vec!["false".into()],
        _ => vec![value.to_owned()],
    }
}

/// The values of an entry, each checked by its key.
fn in_file(key: &Key, entry: &Entry, file: &File) -> Result<Vec<OsString>, Wrong> {
    let name = shown_name(entry);
    let wrong = |span: &std::ops::Range<usize>, reason: &str| {
        let written = shortened(file.written(span.clone()));
        file.wrong(span.start, &format!("{name} is {written}{reason}"))
    };
    let one = |span: &std::ops::Range<usize>, value: &Value| {
        let text = match (value, key.kind) {
            (Value::Boolean(on), Kind::Switch) => on.to_string(),
            (_, Kind::Switch) => return Err(wrong(span, "; expected true or false, without quotes")),
            (Value::Boolean(_), _) => {
                let expected = match key.possible() {
                    possible if !possible.is_empty() => keys::alternatives(&possible),
                    _ if key.is_number() || key.kind == Kind::Count => "a number".to_owned(),
                    _ => "text in quotes".to_owned(),
                };
                return Err(wrong(span, &format!("; expected {expected}")));
            }
            (Value::Text(text), _) if key.is_path() => return Ok(at_home(text)),
            (Value::Text(text) | Value::Number(text), _) => text.clone(),
            (Value::Several(_), _) => return Err(wrong(span, "; expected a single value")),
            (Value::Other(what), _) => return Err(wrong(span, &format!("; that is {what}, expected a single value"))),
        };
        Ok(OsString::from(text))
    };
    let checked = |span: &std::ops::Range<usize>, value: &Value| {
        let text = one(span, value)?;
        key.check(&text).map_err(|reason| wrong(span, &reason))?;
        Ok(text)
    };
    match (&entry.value, key.kind) {
        (Value::Several(values), Kind::Many) => values.iter().map(|(span, value)| checked(span, value)).collect(),
        (value, _) => Ok(vec![checked(&entry.span, value)?]),
    }
}

/// A path that begins with `~/` is below the user's home, as a shell would have it.
fn at_home(path: &str) -> OsString {
    match (path.strip_prefix("~/"), env::var_os("HOME")) {
        (Some(below), Some(home)) if !home.is_empty() => PathBuf::from(home).join(below).into_os_string(),
        _ => Path::new(path).as_os_str().to_owned(),
    }
}

fn shown_name(entry: &Entry) -> String {
    match &entry.table {
        Some(table) => format!("{table}.{}", entry.name),
        None => entry.name.clone(),
    }
}

fn quoted(value: &OsStr) -> String {
    shortened(&format!("\"{}\"", value.to_string_lossy()))
}

/// Enough of a value to know it by.
fn shortened(written: &str) -> String {
    const MOST: usize = 60;
    let line = written.lines().next().unwrap_or_default();
    let short: String = line.chars().take(MOST).collect();
    if short.len() < written.len() { format!("{short}...") } else { short }
}

/// Which arguments of a command exclude which.
struct Exclusions {
    pairs: Vec<(Id, Id)>,
}

impl Exclusions {
    fn new(root: &Command, path: &[&str]) -> Self {
        // Global arguments are part of a command only once it is built.
        let mut root = root.clone();
        root.build();
        let mut command = &root;
        for part in path {
            command = command.find_subcommand(part).unwrap_or(command);
        }
        let with = |argument: &Arg| {
            let others = command.get_arg_conflicts_with(argument);
            others.into_iter().map(|other| (argument.get_id().clone(), other.get_id().clone())).collect::<Vec<_>>()
        };
        Self { pairs: command.get_arguments().flat_map(with).collect() }
    }

    fn exclude(&self, one: &Said, other: &Said) -> bool {
        let (a, b) = (one.key.id(), other.key.id());
        one.asks() && other.asks() && self.pairs.iter().any(|(x, y)| (x == a && y == b) || (x == b && y == a))
    }

    /// Whether something stronger was said that excludes `one`.
    fn overruled(&self, one: &Said, all: &[Said]) -> bool {
        all.iter().any(|other| other.origin.strength() > one.origin.strength() && self.exclude(one, other))
    }
}

/// What clap does not know: a weaker setting that means nothing beside what was said more strongly, and would be refused beside it
/// if it had been said on the same line.
fn beside_the_point(one: &Said, all: &[Said]) -> bool {
    let said = |name: &str| all.iter().find(|other| other.key.name == name && other.asks());
    let stronger = |name: &str| said(name).filter(|other| other.origin.strength() > one.origin.strength());
    match one.key.name.as_str() {
        // What fills the terminal, writes scores, or goes to files whose names say their formats has no use for another.
        "format" => {
            let by_name = |output: &Said| output.values.iter().all(|path| Path::new(path).extension().is_some());
            stronger("view").is_some() || stronger("scores").is_some() || stronger("output").is_some_and(by_name)
        }
        // They describe raw audio on standard input; other audio says itself.
        "rate" | "channels" | "sample-format" => {
            one.origin != Origin::Flag && said("input").is_none_or(|input| input.values != ["-"])
        }
        _ => false,
    }
}

fn set_default(command: Command, path: &[String], id: &Id, values: &[OsString]) -> Command {
    match path.split_first() {
        None => command.mut_arg(id.as_str(), |argument| argument.default_values(values.iter().cloned())),
        Some((first, below)) => command.mut_subcommand(first, |command| set_default(command, below, id, values)),
    }
}
