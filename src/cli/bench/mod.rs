//! `auricle bench`: one file a command.

pub mod args;
mod model;

use std::process::ExitCode;

use anyhow::Result;

use args::{Bench, BenchCommand};

/// Runs the command.
pub fn run(arguments: &Bench) -> Result<ExitCode> {
    match &arguments.command {
        BenchCommand::Model(model) => model::run(model),
    }
}
