//! `auricle devices`: what there is to listen to.

use std::process::ExitCode;

use anyhow::Result;
use auricle::audio::devices;

use super::table;

/// Runs the command.
pub fn run() -> Result<ExitCode> {
    let _ = devices::list();
    table::print("")?;
    Ok(ExitCode::SUCCESS)
}
