//! `auricle bench`: one file a command below it.
//!
//! In: arguments. Out: a report on standard output and in files; exit code 1 where committed words changed.

pub mod args;
mod compare;
mod model;
mod report;
mod stream;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use auricle::bench::run::Run;
use auricle::bench::{page, text};

use self::args::{Bench, BenchCommand, Places};
use super::table;

/// Runs the command.
pub fn run(arguments: &Bench) -> Result<ExitCode> {
    match &arguments.command {
        BenchCommand::Stream(stream) => stream::run(stream),
        BenchCommand::Model(model) => model::run(model),
        BenchCommand::Report(report) => report::run(report),
        BenchCommand::Compare(compare) => compare::run(compare),
    }
}

/// Makes the folder and opens nothing yet: what cannot be written is found before anything is measured.
fn prepare(places: &Places) -> Result<()> {
    if let Some(folder) = &places.output {
        fs::create_dir_all(folder).with_context(|| format!("{}: cannot be made; name another --output", folder.display()))?;
    }
    Ok(())
}

/// Writes the report wherever it was asked for, and says by the exit code whether committed words stayed.
fn tell(run: &Run, places: &Places) -> Result<ExitCode> {
    let report = text::report(run);
    table::print(&report)?;
    let mut kept = run.clone();
    if places.without_text {
        kept.leave_out_text();
    }
    if places.output.is_some() || places.html.is_some() {
        let html = page::page(&kept);
        let beside = places.output.as_ref().map(|folder| folder.join("report.html"));
        for path in beside.iter().chain(&places.html) {
            write(path, &html)?;
        }
    }
    if places.output.is_some() || places.json.is_some() {
        kept.thin();
        let json = kept.to_json()?;
        let beside = places.output.as_ref().map(|folder| folder.join("run.json"));
        for path in beside.iter().chain(&places.json) {
            write(path, &json)?;
        }
    }
    if let Some(folder) = &places.output {
        write(&folder.join("report.txt"), &report)?;
    }
    Ok(if run.summary().committed_changes() > 0.0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("{}: cannot be written", path.display()))
}
