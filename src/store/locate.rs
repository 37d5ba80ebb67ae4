//! Where models and the ONNX Runtime library are looked for.
//!
//! In: explicit paths, environment, the path of the running program. Out: folders that hold models, the library's file.
//!
//! The program looks upwards from its own path for `share/auricle/models` and `lib/auricle/`, so that `PREFIX/bin/auricle`
//! and `target/release/auricle` find their own by one rule.

use std::env;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

/// Names a folder of models; goes before the places looked at by default.
pub const MODELS_VARIABLE: &str = "AURICLE_MODELS";
/// Names the ONNX Runtime library; `ORT_DYLIB_PATH` is read too.
pub const LIBRARY_VARIABLE: &str = "AURICLE_ONNXRUNTIME";

const LIBRARY_NAME: &str = if cfg!(target_os = "macos") {
    "libonnxruntime.dylib"
} else if cfg!(windows) {
    "onnxruntime.dll"
} else {
    "libonnxruntime.so"
};

/// The folders where models are looked for, in order, and the one of them that takes new ones.
#[derive(Clone, Debug)]
pub struct Places {
    folders: Vec<PathBuf>,
    /// Where the user's own models go; it need not exist yet.
    own: Option<PathBuf>,
}

impl Places {
    /// The default places: `$AURICLE_MODELS` when it is set, then above the program, then `$XDG_DATA_HOME/auricle/models` or
    /// `~/.local/share/auricle/models`, then `/usr/share/auricle/models`. The user's own models go to the first or the third.
    pub fn find() -> Self {
        let named = folder_in(MODELS_VARIABLE);
        // The XDG base directory specification asks for a relative path to be ignored.
        let data_home = folder_in("XDG_DATA_HOME").filter(|folder| folder.is_absolute());
        let data_home = data_home.or_else(|| folder_in("HOME").map(|home| home.join(".local/share")));
        let of_user = data_home.map(|data| data.join("auricle/models"));
        let mut folders: Vec<PathBuf> = named.iter().cloned().collect();
        folders.extend(above_program("share/auricle/models"));
        folders.extend(of_user.clone());
        folders.push(PathBuf::from("/usr/share/auricle/models"));
        Self { folders, own: named.or(of_user) }
    }

    /// One folder and no other.
    pub fn only(folder: PathBuf) -> Self {
        Self { folders: vec![folder.clone()], own: Some(folder) }
    }

    /// The folder that takes the user's own models; it may have to be created.
    ///
    /// # Errors
    /// `NotFound` when the environment names no such folder.
    pub fn for_adding(&self) -> Result<&Path> {
        self.own.as_deref().ok_or_else(|| {
            let message =
                format!("no folder for models of your own: none of ${MODELS_VARIABLE}, $XDG_DATA_HOME and $HOME is set");
            Error::new(ErrorKind::NotFound, message)
        })
    }

    /// The folders, in order.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// The folder of the model `name`.
    ///
    /// # Errors
    /// `InvalidInput` when `name` is not a plain folder name; `NotFound` with every place looked at and the models that are there.
    pub fn model(&self, name: &str) -> Result<PathBuf> {
        check_name(name)?;
        let found = self.folders.iter().map(|folder| folder.join(name)).find(|folder| folder.join("model.toml").is_file());
        found.ok_or_else(|| {
            let names = self.names();
            let known =
                if names.is_empty() { "no model is there".to_owned() } else { format!("there are: {}", names.join(", ")) };
            Error::new(
                ErrorKind::NotFound,
                format!("no model named {name} in {}; {known}; 'make models' fetches Auricle's", list(&self.folders)),
            )
        })
    }

    /// Names of all models, sorted, each once.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .folders
            .iter()
            .filter_map(|folder| folder.read_dir().ok())
            .flatten()
            .filter_map(|entry| entry.ok())
            .filter(|entry| entry.path().join("model.toml").is_file())
            .filter_map(|entry| entry.file_name().into_string().ok())
            // What begins with a dot is half copied, or not meant.
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

/// Whether `name` can be a model's: it is a folder's name on every system, and goes into messages as it is.
pub(super) fn check_name(name: &str) -> Result<()> {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if plain && !name.starts_with('.') {
        return Ok(());
    }
    let message = format!("'{}' is not the name of a model: letters, digits, '-', '_' and '.'", name.escape_debug());
    Err(Error::new(ErrorKind::InvalidInput, message))
}

fn folder_in(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The ONNX Runtime library: `$AURICLE_ONNXRUNTIME`, `$ORT_DYLIB_PATH`, else above the program.
///
/// # Errors
/// `NotFound` with every place looked at.
pub fn library() -> Result<PathBuf> {
    for variable in [LIBRARY_VARIABLE, "ORT_DYLIB_PATH"] {
        if let Some(path) = folder_in(variable) {
            let path = if path.is_dir() { path.join(LIBRARY_NAME) } else { path };
            if path.is_file() {
                return Ok(path);
            }
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("no ONNX Runtime library at {}, where ${variable} points; correct or unset it", path.display()),
            ));
        }
    }
    let places = above_program(&format!("lib/auricle/{LIBRARY_NAME}"));
    places.iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            format!(
                "no ONNX Runtime library; looked for {}; 'make library' puts one there, or set ${LIBRARY_VARIABLE} to a libonnxruntime of version 1.20 or later",
                list(&places)
            ),
        )
    })
}

/// `relative` seen from each folder above the running program, nearest first, at most four levels up.
fn above_program(relative: &str) -> Vec<PathBuf> {
    let program = env::current_exe().and_then(|path| path.canonicalize());
    let Ok(program) = program else { return Vec::new() };
    program.ancestors().skip(1).take(4).map(|folder| folder.join(relative)).collect()
}

fn list(paths: &[PathBuf]) -> String {
    let shown: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    if shown.is_empty() { "no place at all".to_owned() } else { shown.join(", ") }
}
