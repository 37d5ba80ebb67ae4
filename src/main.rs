//! The program: arguments in, exit code out. It composes the library and nothing else.

#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
