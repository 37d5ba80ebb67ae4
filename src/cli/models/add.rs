//! `auricle models add`: a model from any folder, checked and run, into the user's own.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use auricle::store::{Model, Plan, Task};

use super::super::args::{ModelsAdd, Run, VAD};
use super::super::table;
use super::prove;

/// Runs the command: nothing is copied that was not loaded and run first.
pub fn run(arguments: &ModelsAdd, run: &Run) -> Result<ExitCode> {
    let places = run.places();
    let addition = match Plan::make(&arguments.folder, &places, arguments.replace)? {
        Plan::Add(addition) => addition,
        Plan::AlreadyThere(folder) => {
            table::print(&format!("{}: the same model is there already; nothing to do\n", folder.display()))?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    run.load_library()?;
    let model = addition.model().clone();
    // Where it comes from first: what is wrong with it is told of the files that the user knows.
    prove(&model, run.graph())?;
    let (folder, ran_on) = addition.carry_out(|copy| prove(copy, run.graph()))?;
    let mut text = format!("{}: added; it ran on {ran_on}\n", folder.display());
    match uses(&model, run.models_dir.as_deref()) {
        Some(commands) => commands.iter().for_each(|command| text.push_str(&format!("  {command}\n"))),
        None => text.push_str(&format!("No command takes it by name: speech is always detected by {VAD}\n")),
    }
    table::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// The commands that use the model; `None` for one that is never chosen.
fn uses(model: &Model, models_dir: Option<&Path>) -> Option<Vec<String>> {
    let name = model.name();
    let place = models_dir.map(|folder| format!(" --models-dir '{}'", folder.display())).unwrap_or_default();
    match model.manifest().task {
        Task::Transcribe => {
            Some(vec![format!("auricle listen{place} --model {name}"), format!("auricle transcribe{place} --model {name} FILE")])
        }
        Task::Tag => {
            Some(vec![format!("auricle listen{place} --sounds {name}"), format!("auricle tag{place} --model {name} FILE")])
        }
        _ if **name == *VAD => Some(vec![format!("auricle listen{place}")]),
        _ => None,
    }
}
