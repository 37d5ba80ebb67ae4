//! Settings: a file, the environment and flags, in that order of strength, all from the definitions of the flags.
//!
//! In: the arguments of the process. Out: [`Arguments`] with every setting in force, and where each came from.

mod file;
mod keys;
mod layers;
mod reference;
mod show;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Command as Definitions, CommandFactory, FromArgMatches};

pub use file::{Alerts, File, Search, Wrong};
pub use keys::COMMANDS;
pub use show::run;

use super::args::{Arguments, Command};

/// What came of reading the settings.
#[derive(Debug)]
pub struct Reading {
    /// Where the file was looked for.
    pub search: Search,
    /// The file that was read, if any, or what is wrong with it or with a variable.
    pub file: Result<Option<File>, Wrong>,
}

/// Why there are no arguments.
#[derive(Debug)]
pub enum Failure {
    /// The command line is wrong, or asked for help.
    Usage(Box<clap::Error>),
    /// The file or a variable is wrong.
    Settings(Wrong),
}

impl From<clap::Error> for Failure {
    fn from(error: clap::Error) -> Self {
        Self::Usage(Box::new(error))
    }
}

impl From<Wrong> for Failure {
    fn from(wrong: Wrong) -> Self {
        Self::Settings(wrong)
    }
}

/// The definitions of all commands, with `--no-NAME` for every switch.
fn definitions() -> Definitions {
    layers::with_opposites(Arguments::command())
}

/// Reads the arguments of the process, with the settings of file and environment below them.
///
/// # Errors
/// Usage, and what is wrong with the settings. `doctor` is told of that instead, and goes on without them.
pub fn arguments(arguments: &[OsString]) -> Result<(Arguments, Reading), Failure> {
    let root = definitions();
    let mut matches = root.clone().try_get_matches_from(arguments)?;
    let (path, _) = layers::innermost(&matches);
    let command = path.first().copied().unwrap_or_default().to_owned();
    let search = Search::new(matches.get_one::<PathBuf>("config").map(PathBuf::as_path));
    let mut reading = Reading { search, file: Ok(None) };
    if COMMANDS.contains(&command.as_str()) {
        reading.file = reading.search.read(&root);
        let file = reading.file.as_ref().ok().and_then(Option::as_ref);
        match layers::resolve(&root, arguments, &matches, file) {
            Ok((Some(in_force), _)) => matches = in_force,
            Ok((None, _)) => {}
            Err(wrong) => reading.file = reading.file.and(Err(wrong)),
        }
        if let (Err(wrong), true) = (&reading.file, command != "doctor") {
            return Err(wrong.clone().into());
        }
    }
    let mut arguments = Arguments::from_arg_matches(&matches)?;
    if let (Command::Listen(listen), Ok(Some(file))) = (&mut arguments.command, &reading.file) {
        listen.alerts = file.alerts();
    }
    Ok((arguments, reading))
}

/// The definitions with the variable of every setting, for pages that show it. Not for reading arguments: what comes from a variable is
/// read in [`layers`], as clap would take it for a flag that excludes others.
pub fn with_variables(root: Definitions) -> Definitions {
    let definitions = root.clone();
    let mut root = root;
    for command in COMMANDS {
        for key in keys::of(&definitions, &[command]).into_iter().filter(|key| key.defined_by == [command]) {
            let variable = key.variable.clone();
            root = root.mut_subcommand(command, |below| below.mut_arg(key.id().as_str(), |argument| argument.env(variable)));
        }
    }
    let common = keys::of(&definitions, &["devices"]).into_iter().filter(|key| key.defined_by.is_empty());
    common.fold(root, |root, key| root.mut_arg(key.id().as_str(), |argument| argument.env(key.variable.clone())))
}
