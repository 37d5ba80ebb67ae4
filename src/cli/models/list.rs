//! `auricle models`: what each model is, whether it was fetched, and where it was proven to run.

use std::process::ExitCode;

use anyhow::Result;
use auricle::store::Model;
use auricle::{Error, runtime};

use super::super::args::Run;
use super::super::{complain, table};
use super::{none_there, prove, task_name};

const HEADINGS: [&str; 7] = ["NAME", "TASK", "FAMILY", "LICENCE", "MB", "ORT", "RUNS ON"];

/// Runs the command. A model that was fetched and does not run makes the exit code 1.
pub fn run(arguments: &Run) -> Result<ExitCode> {
    let places = arguments.places();
    let names = places.names();
    if names.is_empty() {
        return Err(none_there(&places));
    }
    let settings = arguments.graph();
    // Without the library the table is still worth reading, so the error waits.
    let library = arguments.load_library();
    let mut rows = vec![HEADINGS.map(str::to_owned).to_vec()];
    let mut measured = Vec::new();
    let mut errors: Vec<Error> = library.as_ref().err().cloned().into_iter().collect();
    for name in names {
        match Model::open(&places, &name) {
            Ok(model) => {
                let runs_on = match (&library, model.is_fetched()) {
                    (_, false) => "not fetched".to_owned(),
                    (Err(_), true) => "no library".to_owned(),
                    (Ok(()), true) => prove(&model, settings).unwrap_or_else(|error| {
                        errors.push(error);
                        format!("not on {}", settings.provider)
                    }),
                };
                rows.push(row(&model, runs_on));
                let accuracy = model.manifest().accuracy.iter();
                measured.extend(accuracy.map(|figure| vec![name.clone(), figure.value.to_string(), figure.measure.clone()]));
            }
            Err(error) => {
                rows.push(vec![name, "unreadable".to_owned()]);
                errors.push(error);
            }
        }
    }
    let mut text = table::lined_up(&rows);
    if !measured.is_empty() {
        text.push_str(&format!("\nMeasured:\n{}", table::lined_up(&measured)));
    }
    if let Some(path) = runtime::library_path() {
        text.push_str(&format!("\nONNX Runtime: {}\n", path.display()));
    }
    table::print(&text)?;
    let failed = !errors.is_empty();
    errors.into_iter().for_each(|error| complain(&error.into()));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn row(model: &Model, runs_on: String) -> Vec<String> {
    let manifest = model.manifest();
    vec![
        manifest.name.to_string(),
        task_name(manifest.task).to_owned(),
        manifest.family.to_string(),
        manifest.licence.clone(),
        format!("{:.1}", model.bytes() as f64 / 1e6),
        format!("{}+", manifest.minimum_ort),
        runs_on,
    ]
}
