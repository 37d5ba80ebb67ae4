//! Which settings there are: read off the definitions of the flags, so that a flag cannot be without its key.
//!
//! In: clap's commands. Out: a [`Key`] for every flag that is a setting, with its name, its variable and what its values are.

use std::any::TypeId;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{Resettable, ValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command, Id};

use auricle::store::{LIBRARY_VARIABLE, MODELS_VARIABLE};

/// The commands that take settings. `bench` is none of them: a measurement says what it was given.
pub const COMMANDS: [&str; 6] = ["listen", "transcribe", "tag", "devices", "models", "doctor"];
/// The commands that may have a table of their own in the file.
pub const TABLES: [&str; 3] = ["listen", "transcribe", "tag"];
/// Flags that are no settings: they say what to do, once.
const ACTIONS: [&str; 4] = ["help", "version", "config", "replace"];
/// Variables that the library reads itself, and the flags they stand in for: the flag names the only folder, the variable one that is
/// looked at first.
const READ_BY_THE_LIBRARY: [(&str, &str); 2] = [("models-dir", MODELS_VARIABLE), ("library", LIBRARY_VARIABLE)];
/// `tag --model` hears sounds, every other `--model` makes captions: a key at the top of the file cannot be both.
const OF_ONE_COMMAND: [(&str, &str); 1] = [("tag", "model")];

/// What values a setting has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// On or off; `--NAME` on the command line, and `--no-NAME`.
    Switch,
    /// How often: `-v`, `-vv`.
    Count,
    /// One value.
    One,
    /// Any number of values; an array in the file, separated by ';' in the environment.
    Many,
}

/// A setting of one command.
#[derive(Clone, Debug)]
pub struct Key {
    /// The flag without its dashes, and the name in the file.
    pub name: String,
    /// The variable in the environment.
    pub variable: String,
    /// Whether the library reads the variable, so that it is not given to the argument.
    pub read_by_library: bool,
    /// Whether a key at the top of the file is meant for this command too.
    pub common: bool,
    /// What its values are.
    pub kind: Kind,
    /// The command that defines it, as a path below `auricle`.
    pub defined_by: Vec<String>,
    /// Its definition.
    pub argument: Arg,
}

/// The settings of the command at `path` (`["models", "verify"]`), in the order in which its help shows them.
pub fn of(root: &Command, path: &[&str]) -> Vec<Key> {
    let mut keys = Vec::new();
    let Some(name) = path.first().filter(|name| COMMANDS.contains(name)) else { return keys };
    let mut commands = vec![root];
    for part in path {
        match commands.last().and_then(|command| command.find_subcommand(part)) {
            Some(command) => commands.push(command),
            None => break,
        }
    }
    // What is common to all commands comes last, as in help.
    for depth in (0..commands.len()).rev() {
        let below = depth + 1 < commands.len();
        let arguments = commands[depth].get_arguments().filter(|argument| argument.is_global_set() || !below);
        keys.extend(arguments.filter_map(|argument| Key::new(name, &path[..depth], argument)));
    }
    keys
}

impl Key {
    fn new(command: &str, defined_by: &[&str], argument: &Arg) -> Option<Self> {
        let name = argument.get_long().filter(|name| !ACTIONS.contains(name) && !argument.is_hide_set())?;
        let kind = match argument.get_action() {
            ArgAction::SetTrue => Kind::Switch,
            ArgAction::Count => Kind::Count,
            ArgAction::Append => Kind::Many,
            ArgAction::Set => match argument.get_num_args() {
                Some(range) if range.max_values() > 1 => Kind::Many,
                _ => Kind::One,
            },
            _ => return None,
        };
        let common = !OF_ONE_COMMAND.contains(&(command, name));
        let by_library = READ_BY_THE_LIBRARY.iter().find(|(flag, _)| *flag == name).map(|(_, variable)| *variable);
        let shouted = |name: &str| name.to_uppercase().replace('-', "_");
        let variable = match by_library {
            Some(variable) => variable.to_owned(),
            None if common => format!("AURICLE_{}", shouted(name)),
            None => format!("AURICLE_{}_{}", shouted(command), shouted(name)),
        };
        Some(Self {
            name: name.to_owned(),
            variable,
            read_by_library: by_library.is_some(),
            common,
            kind,
            defined_by: defined_by.iter().map(|&part| part.to_owned()).collect(),
            argument: argument.clone(),
        })
    }

    /// How clap calls it.
    pub fn id(&self) -> &Id {
        self.argument.get_id()
    }

    /// Its help, in one line or several.
    pub fn help(&self) -> String {
        let help = self.argument.get_long_help().or(self.argument.get_help());
        help.map(ToString::to_string).unwrap_or_default()
    }

    /// What it is when nobody says anything; `None` where its help says what is done then.
    pub fn default(&self) -> Option<String> {
        let defaults = self.argument.get_default_values();
        match self.kind {
            Kind::Switch => Some("false".to_owned()),
            Kind::Count => Some("0".to_owned()),
            _ if defaults.is_empty() => None,
            _ => Some(defaults.iter().map(|value| value.to_string_lossy()).collect::<Vec<_>>().join(" ")),
        }
    }

    /// The values it takes, where these can be listed.
    pub fn possible(&self) -> Vec<String> {
        match self.kind {
            Kind::Switch => vec!["true".to_owned(), "false".to_owned()],
            Kind::Count => Vec::new(),
            _ => {
                let values = self.argument.get_possible_values();
                values.iter().filter(|value| !value.is_hide_set()).map(|value| value.get_name().to_owned()).collect()
            }
        }
    }

    /// Whether its value is a number, and so is written without quotes.
    pub fn is_number(&self) -> bool {
        let parser: &ValueParser = self.argument.get_value_parser();
        let known = [
            TypeId::of::<u8>(),
            TypeId::of::<u16>(),
            TypeId::of::<u32>(),
            TypeId::of::<u64>(),
            TypeId::of::<usize>(),
            TypeId::of::<f32>(),
            TypeId::of::<f64>(),
        ];
        known.iter().any(|known| parser.type_id() == *known)
    }

    /// Whether its value is a path.
    pub fn is_path(&self) -> bool {
        self.argument.get_value_parser().type_id() == TypeId::of::<PathBuf>()
    }

    /// Checks `value` as if it had come with the flag.
    ///
    /// # Errors
    /// What is expected instead, to go after "NAME is VALUE".
    pub fn check(&self, value: &OsString) -> Result<(), String> {
        match self.kind {
            Kind::Switch if value == "true" || value == "false" => return Ok(()),
            Kind::Switch => return Err("; expected true or false".to_owned()),
            Kind::Count => {
                let count = value.to_str().and_then(|text| text.parse::<u8>().ok());
                return count.map(drop).ok_or_else(|| "; expected a whole number, 0 to 255".to_owned());
            }
            Kind::One | Kind::Many => {}
        }
        // By itself: what it excludes or needs is another question.
        let alone = self.argument.clone();
        let alone = alone.conflicts_with(Resettable::<Id>::Reset).requires(Resettable::<Id>::Reset);
        let alone = alone.overrides_with(Resettable::<Id>::Reset).default_value(Resettable::<clap::builder::OsStr>::Reset);
        let command = Command::new("value").no_binary_name(true).disable_help_flag(true).arg(alone.global(false).required(false));
        let mut given = OsString::from(format!("--{}=", self.name));
        given.push(value);
        let Err(error) = command.try_get_matches_from([given]) else { return Ok(()) };
        Err(match (error.kind(), error.get(ContextKind::ValidValue)) {
            (ErrorKind::InvalidValue, Some(ContextValue::Strings(valid))) if !valid.is_empty() => {
                format!("; expected {}", alternatives(valid))
            }
            (ErrorKind::InvalidValue, _) if value.is_empty() => "; expected a value, or no such line at all".to_owned(),
            _ => match std::error::Error::source(&error).map(ToString::to_string) {
                // What Rust says of a word that is no number is of no help.
                Some(reason) if reason.contains("invalid digit") || reason.contains("invalid float") => {
                    "; expected a number".to_owned()
                }
                Some(reason) => format!(": {reason}"),
                None => "; that is no value for it".to_owned(),
            },
        })
    }
}

/// `a, b or c`.
pub fn alternatives(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// The one of `known` that `word` was probably meant to be.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('_', "-");
    let near = known.into_iter().map(|candidate| {
        let plain = candidate.to_lowercase().replace('_', "-");
        (strsim::jaro_winkler(&word, &plain), candidate)
    });
    near.filter(|(likeness, _)| *likeness > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, candidate)| candidate)
}
