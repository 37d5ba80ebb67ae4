//! `auricle models verify`: every file of every model by its hash, and every model run once.

use std::process::ExitCode;

use anyhow::Result;
use auricle::Error;
use auricle::store::Model;

use super::super::args::{ModelsVerify, Run};
use super::super::{complain, table};
use super::{none_there, prove};

const HEADINGS: [&str; 3] = ["NAME", "RESULT", "FOLDER"];

/// Runs the command. The exit code is 1 when anything is wrong, or could not be tried.
pub fn run(arguments: &ModelsVerify, run: &Run) -> Result<ExitCode> {
    let places = run.places();
    let names = if arguments.names.is_empty() { places.names() } else { arguments.names.clone() };
    if names.is_empty() {
        return Err(none_there(&places));
    }
    // Files can be checked without it, so the error waits.
    let library = run.load_library();
    let mut rows = vec![HEADINGS.map(str::to_owned).to_vec()];
    let mut errors: Vec<Error> = Vec::new();
    for name in names {
        let mut row = vec![name.clone()];
        match Model::open(&places, &name) {
            Ok(model) => {
                let wrong = model.verify();
                row.push(match (wrong.len(), &library) {
                    (0, Ok(())) => prove(&model, run.graph()).map_or_else(
                        |error| {
                            errors.push(error);
                            "does not run".to_owned()
                        },
                        |ran_on| format!("ok, ran on {ran_on}"),
                    ),
                    (0, Err(_)) => "files ok, graphs not run".to_owned(),
                    (1, _) => "1 file is wrong".to_owned(),
                    (count, _) => format!("{count} files are wrong"),
                });
                row.push(model.folder().display().to_string());
                errors.extend(wrong);
            }
            Err(error) => {
                row.push("cannot be read".to_owned());
                errors.push(error);
            }
        }
        rows.push(row);
    }
    table::print(&table::lined_up(&rows))?;
    errors.extend(library.err());
    let failed = !errors.is_empty();
    errors.into_iter().for_each(|error| complain(&error.into()));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
