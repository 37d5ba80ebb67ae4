//! The command line: one file a command, arguments resolved once in [`args`].
//!
//! In: the arguments of the process. Out: events on the output, messages on standard error, an exit code.

mod args;
mod bench;
mod config;
mod devices;
mod doctor;
mod files;
mod inputs;
mod listen;
mod logs;
mod models;
mod pages;
mod places;
mod progress;
mod stop;
mod table;
mod tag;
mod transcribe;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use args::Command;
use config::Failure;

/// Exit code where the arguments or the settings are wrong.
const WRONG_USAGE: u8 = 2;

/// Runs the program: 0 done, 1 failed while running, 2 wrong usage.
pub fn run() -> ExitCode {
    let given: Vec<OsString> = std::env::args_os().collect();
    let (arguments, settings) = match config::arguments(&given) {
        Ok(read) => read,
        Err(Failure::Usage(error)) => error.exit(),
        Err(Failure::Settings(wrong)) => {
            complain(&anyhow::anyhow!(wrong.0));
            return ExitCode::from(WRONG_USAGE);
        }
    };
    logs::start(arguments.verbose, arguments.quiet);
    let result = match &arguments.command {
        Command::Listen(listen) => listen::run(listen),
        Command::Transcribe(transcribe) => transcribe::run(transcribe),
        Command::Tag(tag) => tag::run(tag),
        Command::Devices => devices::run(),
        Command::Models(models) => models::run(models),
        Command::Doctor(doctor) => doctor::run(doctor, &settings),
        Command::Config(asked) => config::run(asked, arguments.config.as_deref()),
        Command::Bench(bench) => bench::run(bench),
        Command::Generate(generate) => pages::run(generate),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Says on standard error what went wrong, in one line.
fn complain(error: &anyhow::Error) {
    // A message may quote a file, which then does not steer the terminal.
    let line = format!("{error:#}").replace(char::is_control, " ");
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "auricle: {line}");
}
