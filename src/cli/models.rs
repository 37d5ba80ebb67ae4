//! `auricle models`: what each model is, whether it was fetched, and where it was proven to run.

use std::process::ExitCode;

use anyhow::{Result, bail};
use auricle::model::moonshine::Moonshine;
use auricle::model::silero::Silero;
use auricle::model::yamnet::Yamnet;
use auricle::runtime::{self, GraphSettings};
use auricle::store::{Family, Model, Task};
use auricle::{Error, ErrorKind};

use super::args::Models;
use super::table;

const HEADINGS: [&str; 6] = ["NAME", "TASK", "FAMILY", "LICENCE", "MB", "RUNS ON"];

/// Runs the command. A model that was fetched and does not run makes the exit code 1.
pub fn run(arguments: &Models) -> Result<ExitCode> {
    let places = arguments.run.places();
    let names = places.names();
    if names.is_empty() {
        let folders: Vec<String> = places.folders().iter().map(|folder| folder.display().to_string()).collect();
        bail!("no models in {}; 'make models' fetches Auricle's", folders.join(", "));
    }
    let settings = arguments.run.engines(None, None).graph;
    // Without the library the table is still worth reading, so the error waits.
    let library = runtime::load_library(arguments.run.library.as_deref());
    let mut rows = vec![HEADINGS.map(str::to_owned).to_vec()];
    let mut measured = Vec::new();
    let mut errors: Vec<Error> = library.as_ref().err().cloned().into_iter().collect();
    for name in names {
        match Model::open(&places, &name) {
            Ok(model) => {
                let (runs_on, error) = match (&library, model.is_fetched()) {
                    (_, false) => ("not fetched".to_owned(), None),
                    (Err(_), true) => ("no library".to_owned(), None),
                    (Ok(()), true) => prove(&model, settings),
                };
                errors.extend(error);
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
    errors.into_iter().for_each(|error| super::complain(&error.into()));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Loads the model, which runs it once, and says where it ran.
fn prove(model: &Model, settings: GraphSettings) -> (String, Option<Error>) {
    let proven = match model.manifest().family {
        Family::Moonshine => Moonshine::load(model, settings).map(|_| settings),
        // A graph this small runs on the processor whatever is asked for the others.
        Family::Silero => Silero::load(model, GraphSettings::default()).map(|silero| silero.settings()),
        Family::Yamnet => Yamnet::load(model, settings).map(|yamnet| yamnet.settings()),
        _ => {
            Err(Error::new(ErrorKind::Unsupported, format!("{}: this build knows no such family; update Auricle", model.name())))
        }
    };
    match proven {
        Ok(settings) => {
            let plural = if settings.threads == 1 { "" } else { "s" };
            (format!("{}, {} thread{plural}", settings.provider, settings.threads), None)
        }
        Err(error) => (format!("not on {}", settings.provider), Some(error)),
    }
}

fn row(model: &Model, runs_on: String) -> Vec<String> {
    let manifest = model.manifest();
    vec![
        manifest.name.to_string(),
        task(manifest.task).to_owned(),
        format!("{:?}", manifest.family).to_lowercase(),
        manifest.licence.clone(),
        format!("{:.1}", model.bytes() as f64 / 1e6),
        runs_on,
    ]
}

fn task(task: Task) -> &'static str {
    match task {
        Task::Transcribe => "captions",
        Task::Tag => "sounds",
        Task::DetectSpeech => "speech detection",
        _ => "other",
    }
}
