//! The command line: one file a command, arguments resolved once in [`args`].
//!
//! In: the arguments of the process. Out: events on the output, messages on standard error, an exit code.

mod args;
mod bench;
mod devices;
mod files;
mod listen;
mod logs;
mod models;
#[allow(dead_code, unused_imports, reason = "the full-screen view takes them next")]
mod stop;
mod table;
mod tag;
mod transcribe;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};

/// Runs the program: 0 done, 1 failed while running, 2 wrong usage.
pub fn run() -> ExitCode {
    let arguments = Arguments::try_parse().unwrap_or_else(|error| error.exit());
    logs::start(arguments.verbose, arguments.quiet);
    let result = match &arguments.command {
        Command::Listen(listen) => listen::run(listen),
        Command::Transcribe(transcribe) => transcribe::run(transcribe),
        Command::Tag(tag) => tag::run(tag),
        Command::Devices => devices::run(),
        Command::Models(models) => models::run(models),
        Command::Bench(bench) => bench::run(bench),
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
