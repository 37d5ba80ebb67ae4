//! `auricle models`: what models there are, adding one, and checking them.
//!
//! In: the arguments. Out: a table or a line on standard output, what is wrong on standard error.

mod add;
mod list;
mod verify;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use auricle::model::ReadingOptions;
use auricle::model::moonshine::Moonshine;
use auricle::model::silero::Silero;
use auricle::model::whisper::Whisper;
use auricle::runtime::GraphSettings;
use auricle::sound;
use auricle::store::{Family, Model, Places, Task};
use auricle::{Error, ErrorKind};

use super::args::{Models, ModelsCommand};

/// Runs the command.
pub fn run(arguments: &Models) -> Result<ExitCode> {
    match &arguments.command {
        None => list::run(&arguments.run),
        Some(ModelsCommand::Add(add)) => add::run(add, &arguments.run),
        Some(ModelsCommand::Verify(verify)) => verify::run(verify, &arguments.run),
    }
}

/// Loads the model as the command that uses it would, which runs it once, and says where it ran.
pub(super) fn prove(model: &Model, settings: GraphSettings) -> Result<String, Error> {
    let manifest = model.manifest();
    let ran_with = match (manifest.task, manifest.family) {
        (Task::Transcribe, Family::Moonshine) => Moonshine::load(model, settings).map(|_| settings),
        (Task::Transcribe, Family::Whisper) => Whisper::load(model, settings, &ReadingOptions::default()).map(|_| settings),
        // A graph this small runs on the processor whatever is asked for the others.
        (Task::DetectSpeech, Family::Silero) => Silero::load(model, settings.on_one_thread()).map(|silero| silero.settings()),
        (Task::Tag, Family::Yamnet | Family::AudioTransformer) => {
            let beside = Places::only(model.folder().parent().unwrap_or(Path::new("")).to_owned());
            sound::Engine::load(&beside, model.name(), settings).map(|_| settings)
        }
        (task, family) => {
            let message = format!(
                "{}: this build cannot run a model of family {family} for {}; correct model.toml or update Auricle",
                model.name(),
                task_name(task)
            );
            Err(Error::new(ErrorKind::Unsupported, message))
        }
    }?;
    let plural = if ran_with.threads == 1 { "" } else { "s" };
    Ok(format!("{}, {} thread{plural}", ran_with.provider, ran_with.threads))
}

/// The models are nowhere to be found.
fn none_there(places: &Places) -> anyhow::Error {
    let folders: Vec<String> = places.folders().iter().map(|folder| folder.display().to_string()).collect();
    anyhow::anyhow!("no models in {}; 'make models' fetches Auricle's", folders.join(", "))
}

fn task_name(task: Task) -> &'static str {
    match task {
        Task::Transcribe => "captions",
        Task::Tag => "sounds",
        Task::DetectSpeech => "speech detection",
        _ => "other",
    }
}
