//! `auricle bench report`: a log or a kept run, reported on.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use auricle::bench::run::Run;
use auricle::bench::{clips, log};
use auricle::latency::words::Spoken;

use super::args::Report;

/// Runs the command.
pub fn run(arguments: &Report) -> Result<ExitCode> {
    let mut run = read(arguments)?;
    if let Some(name) = &arguments.name {
        run.name.clone_from(name);
    }
    super::prepare(&arguments.places)?;
    super::tell(&run, &arguments.places)
}

fn read(arguments: &Report) -> Result<Run> {
    let path = &arguments.log;
    if is_run(path) {
        if !arguments.words.is_empty() {
            bail!("{}: is a run, which has its words in it; --words is for logs", path.display());
        }
        return Ok(Run::read(path)?);
    }
    let records = log::read(path)?;
    let words = if arguments.words.is_empty() {
        Vec::new()
    } else {
        records.iter().map(|(file, _)| words_of(file.as_deref(), arguments)).collect::<Result<_>>()?
    };
    let name = path.file_name().map_or_else(|| "log".to_owned(), |name| name.to_string_lossy().into_owned());
    Ok(log::run(&name, records, &words, arguments.offset)?)
}

/// The words of a file of the log: those with its name, or the only ones.
fn words_of(file: Option<&str>, arguments: &Report) -> Result<Vec<Spoken>> {
    let Some(file) = file else {
        let [words] = &arguments.words[..] else {
            bail!("{}: is the log of one session, but --words names {} files", arguments.log.display(), arguments.words.len());
        };
        return Ok(clips::read_words(words)?);
    };
    let stem = Path::new(file).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let named = |words: &&std::path::PathBuf| {
        let name = words.file_name().unwrap_or_default().to_string_lossy();
        name == format!("{stem}.words.tsv") || name == format!("{stem}.tsv")
    };
    match arguments.words.iter().find(named) {
        Some(words) => Ok(clips::read_words(words)?),
        None => bail!("{file}: is in the log, but none of --words is called {stem}.words.tsv"),
    }
}

/// Whether the file begins as a run does. What cannot be read is told by whoever reads it.
fn is_run(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(400).read_to_end(&mut head));
    read.is_ok() && Run::is_run(&String::from_utf8_lossy(&head))
}
