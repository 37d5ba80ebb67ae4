//! Outputs of their own for each of many inputs: where they go, and that they have their name only when they are complete.
//!
//! In: inputs, formats, a place. Out: a path an input and format; sinks that write to `PATH.part`, which is renamed at the end.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use auricle::sink::{Manner, Output, Sink};

use super::args::FormatArg;
use super::inputs::Input;

/// What an unfinished file has behind its name.
const PART: &str = "part";

/// Where outputs go.
#[derive(Clone, Debug)]
pub enum Place {
    /// Beside each input.
    Beside,
    /// Into a folder, as the inputs lie below theirs.
    Folder(PathBuf),
}

/// The outputs of one input.
#[derive(Clone, Debug)]
pub struct Outputs(Vec<(FormatArg, PathBuf)>);

/// The outputs of every input.
///
/// # Errors
/// A message for the user, when two would be one or one is an input.
pub fn of_all(inputs: &[Input], formats: &[FormatArg], place: &Place) -> Result<Vec<Outputs>, String> {
    let read: HashMap<PathBuf, &Input> =
        inputs.iter().filter_map(|input| input.path.canonicalize().ok().map(|path| (path, input))).collect();
    let mut taken: HashMap<PathBuf, &Input> = HashMap::new();
    let mut all = Vec::new();
    for input in inputs {
        if input.is_stdin() {
            return Err("standard input has no name to write beside; name an --output for it".into());
        }
        let stem = match place {
            Place::Beside => input.path.clone(),
            Place::Folder(folder) => folder.join(&input.below),
        };
        let mut outputs: Vec<(FormatArg, PathBuf)> = Vec::new();
        for &format in formats {
            let path = stem.with_extension(format.extension());
            if outputs.iter().any(|(_, other)| *other == path) {
                continue;
            }
            let (shown, name) = (path.display(), input.name());
            for path in [path.clone(), part(&path)] {
                if path.canonicalize().is_ok_and(|path| read.contains_key(&path)) {
                    return Err(format!("{name}: its output {shown} would be written over a file that is to be read"));
                }
            }
            if let Some(other) = taken.insert(path.clone(), input) {
                let message = "would both be written to";
                return Err(format!("{} and {name} {message} {shown}; rename one, or read them apart", other.name()));
            }
            outputs.push((format, path));
        }
        all.push(Outputs(outputs));
    }
    Ok(all)
}

fn part(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(PART);
    name.into()
}

impl Outputs {
    /// Whether all are there and none is older than `input`.
    pub fn are_done(&self, input: &Input) -> bool {
        let changed = |path: &Path| fs::metadata(path).and_then(|about| about.modified());
        let Ok(read) = changed(&input.path) else { return false };
        self.0.iter().all(|(_, path)| changed(path).is_ok_and(|written| written >= read))
    }

    /// Opens them under their unfinished names, in folders that are made where there are none.
    pub fn begin(&self) -> Result<Sink> {
        for folder in self.0.iter().filter_map(|(_, path)| path.parent()).filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
        }
        let outputs: Vec<_> = self.0.iter().map(|(format, path)| ((*format).into(), Output::File(part(path)))).collect();
        Ok(Sink::open_all(&outputs, Manner::Files)?)
    }

    /// Gives them their names: they are complete.
    pub fn complete(&self) -> Result<()> {
        for (_, path) in &self.0 {
            let part = part(path);
            let named = File::open(&part).and_then(|file| file.sync_all()).and_then(|()| fs::rename(&part, path));
            named.with_context(|| format!("{}: cannot be renamed to {}", part.display(), path.display()))?;
        }
        Ok(())
    }

    /// Removes what is unfinished.
    pub fn discard(&self) {
        for (_, path) in &self.0 {
            // Where that fails the name still says that it is unfinished.
            let _ = fs::remove_file(part(path));
        }
    }

    /// The unfinished names, for people.
    pub fn unfinished(&self) -> String {
        self.0.iter().map(|(_, path)| part(path).display().to_string()).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(path: &str, below: &str) -> Input {
        Input { path: path.into(), below: below.into() }
    }

    #[test]
    fn outputs_lie_beside_or_below_and_clashes_are_told() {
        let formats = [FormatArg::Srt, FormatArg::Pretty, FormatArg::Text];
        let inputs = [input("talks/a.flac", "a.flac"), input("talks/b/a.x.wav", "b/a.x.wav")];
        let paths = |place| -> Vec<String> {
            let all = of_all(&inputs, &formats, &place).unwrap();
            all.iter().flat_map(|outputs| &outputs.0).map(|(_, path)| path.display().to_string()).collect()
        };
        assert_eq!(paths(Place::Beside), ["talks/a.srt", "talks/a.txt", "talks/b/a.x.srt", "talks/b/a.x.txt"]);
        assert_eq!(paths(Place::Folder("out".into())), ["out/a.srt", "out/a.txt", "out/b/a.x.srt", "out/b/a.x.txt"]);
        let clash = of_all(&[input("a.flac", "a.flac"), input("a.wav", "a.wav")], &formats, &Place::Beside).unwrap_err();
        assert!(clash.starts_with("a.flac and a.wav would both be written to a.srt"), "{clash}");
        assert!(of_all(&[input("-", "-")], &formats, &Place::Beside).unwrap_err().contains("--output"));
    }

    #[test]
    fn an_input_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audio.srt");
        fs::write(&path, "RIFF").unwrap();
        let error = of_all(&[Input { path, below: "audio.srt".into() }], &[FormatArg::Srt], &Place::Beside).unwrap_err();
        assert!(error.contains("would be written over"), "{error}");
    }
}
