//! `auricle bench compare`: two runs side by side.

use std::process::ExitCode;

use anyhow::Result;
use auricle::bench::compare;
use auricle::bench::run::Run;

use super::super::table;
use super::args::Compare;

/// Runs the command.
pub fn run(arguments: &Compare) -> Result<ExitCode> {
    let (first, second) = (Run::read(&arguments.first)?, Run::read(&arguments.second)?);
    table::print(&compare::report(&first, &second))?;
    Ok(ExitCode::SUCCESS)
}
