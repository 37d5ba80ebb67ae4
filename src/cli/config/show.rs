//! `auricle config`: what is in force for a command, and who said so.
//!
//! In: the command with the flags it would be given. Out: a table, the places looked at, and what is not understood.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::Command;

use super::super::args::ConfigArgs;
use super::super::table;
use super::file::{File, Search, VARIABLE};
use super::keys::{self, COMMANDS, Kind};
use super::layers::{self, Origin, Setting};
use super::{definitions, reference};

/// Variables that begin as settings do and are read by other parts: by `make models`.
const OTHERS: [&str; 3] = [VARIABLE, "AURICLE_CACHE", "AURICLE_MODEL_SOURCES"];
/// Variables of the tests.
const OF_TESTS: &str = "AURICLE_TEST_";

/// Runs the command.
pub fn run(arguments: &ConfigArgs, named: Option<&Path>) -> Result<ExitCode> {
    let root = asked_for_nothing(definitions());
    if arguments.example {
        table::print(&reference::example(&root))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut given: Vec<OsString> = vec!["auricle".into()];
    // Flags alone are those of the default.
    if arguments.command.first().is_none_or(|first| first.to_string_lossy().starts_with('-')) {
        given.push("listen".into());
    }
    given.extend(arguments.command.iter().cloned());
    let matches = root.clone().try_get_matches_from(&given).unwrap_or_else(|error| error.exit());
    let (path, _) = layers::innermost(&matches);
    let command = path.first().copied().unwrap_or("listen");
    if !COMMANDS.contains(&command) {
        return Err(anyhow!("'auricle {command}' takes no settings; those that do: {}", COMMANDS.join(", ")));
    }
    let search = Search::new(matches.get_one::<PathBuf>("config").map(PathBuf::as_path).or(named));
    let read = search.read(&root).and_then(|file| {
        // What is wrong with another command's settings is worth telling too.
        for other in COMMANDS {
            let alone = [OsString::from("auricle"), other.into()];
            let matches = root.clone().try_get_matches_from(&alone).unwrap_or_else(|error| error.exit());
            layers::resolve(&root, &alone, &matches, file.as_ref())?;
        }
        let (_, settings) = layers::resolve(&root, &given, &matches, file.as_ref())?;
        Ok((file, settings))
    });
    let (file, settings) = read.map_err(|wrong| anyhow!(wrong.0))?;
    table::print(&format!("{}\n{}", shown(&settings, file.as_ref()), remarks(&root, command, &search, file.as_ref())?))?;
    Ok(ExitCode::SUCCESS)
}

/// The definitions without what has to be there: the files to read.
fn asked_for_nothing(root: Command) -> Command {
    COMMANDS.into_iter().fold(root, |root, name| match root.find_subcommand(name) {
        Some(_) => root.mut_subcommand(name, |command| command.mut_args(|argument| argument.required(false))),
        None => root,
    })
}

fn shown(settings: &[Setting], file: Option<&File>) -> String {
    let mut rows = vec![["KEY", "VALUE", "FROM"].map(str::to_owned).to_vec()];
    rows.extend(settings.iter().map(|setting| {
        let key = &setting.key;
        let mut value: Vec<String> = setting.values.iter().map(|value| value.to_string_lossy().into_owned()).collect();
        if value.is_empty() {
            value.push("not set".to_owned());
        }
        let from = match &setting.origin {
            Origin::Default => "default".to_owned(),
            Origin::Flag if key.kind == Kind::Switch && value == ["false"] => format!("--no-{}", key.name),
            Origin::Flag => format!("--{}", key.name),
            Origin::Variable(name) => name.clone(),
            Origin::File { line, .. } => match file.and_then(|file| file.path.file_name()) {
                Some(name) => format!("{}:{line}", name.to_string_lossy()),
                None => format!("line {line}"),
            },
        };
        vec![key.name.clone(), value.join("; "), from]
    }));
    table::lined_up(&rows)
}

/// Which command it was, where the file was looked for, and what looks like a setting but is none.
fn remarks(root: &Command, command: &str, search: &Search, file: Option<&File>) -> Result<String> {
    let mut text = format!("This is what 'auricle {command}' would use; a flag goes before a variable, that before the file.\n");
    if search.places.is_empty() {
        text.push_str(&format!("No file is read: {} says so.\n", search.named_by.unwrap_or("nobody")));
    }
    for place in &search.places {
        let state = match file {
            Some(file) if file.path == *place => "read",
            // Places after the one that is read are not looked at.
            Some(_) if place.exists() => "not read, another goes before it",
            _ => "not there",
        };
        text.push_str(&format!("{}: {state}\n", place.display()));
    }
    if let Some(file) = file {
        let alerts = file.alerts().settings()?.alerts.len();
        if alerts > 0 {
            text.push_str(&format!("{alerts} [[alert]] in it.\n"));
        }
    }
    let keys = reference::all(root);
    let known: Vec<&str> = keys.iter().map(|described| described.key.variable.as_str()).chain(OTHERS).collect();
    let mut unknown: Vec<String> = env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
    unknown.retain(|name| name.starts_with("AURICLE_") && !name.starts_with(OF_TESTS) && !known.contains(&name.as_str()));
    unknown.sort();
    for name in unknown {
        let meant = keys::nearest(&name, known.iter().copied()).map(|near| format!("; did you mean {near}?"));
        text.push_str(&format!("{name} is set, but is no setting{}\n", meant.unwrap_or_default()));
    }
    Ok(text)
}
