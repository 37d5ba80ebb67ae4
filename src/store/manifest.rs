//! A model's manifest, `model.toml`: what the model is, its files by sha256, its recipe and measured accuracy.
//!
//! In: the folder of a model. Out: a [`Model`] whose files were checked.

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::locate::{self, Places};
use crate::error::{Error, ErrorKind, Result};

/// Name of the manifest in a model's folder.
pub(super) const MANIFEST: &str = "model.toml";
/// Name of the record that the exporter leaves beside it; the runtime does not read it.
pub(super) const LOCK: &str = "model.lock";
/// Role of the files that a model runs without: recordings to try it on.
const SAMPLE: &str = "sample";
/// The version of the manifest's schema that this build reads.
const SCHEMA: u32 = 1;
/// No manifest is longer than this.
const MANIFEST_LIMIT_BYTES: u64 = 1 << 20;
/// What to do about a file that is not as its manifest says.
const WAY_OUT: &str = "export or fetch it again ('make models' fetches Auricle's own)";

/// A family of models: the runtime's code that runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Family {
    /// Moonshine, raw audio to text.
    Moonshine,
    /// Whisper, log-mel of up to 30 s to text.
    Whisper,
    /// Silero voice-activity detection.
    Silero,
    /// YAMNet, log-mel patches to 521 AudioSet classes.
    Yamnet,
    /// The raw-waveform Audio Transformer: windows of samples to embeddings, the last of these to classes.
    AudioTransformer,
}

impl fmt::Display for Family {
    /// As manifests write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Moonshine => "moonshine",
            Self::Whisper => "whisper",
            Self::Silero => "silero",
            Self::Yamnet => "yamnet",
            Self::AudioTransformer => "audio-transformer",
        })
    }
}

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Task {
    /// Speech to text.
    Transcribe,
    /// Sound to class scores.
    Tag,
    /// Audio to the probability of speech.
    DetectSpeech,
}

/// One file of a model.
#[derive(Clone, Debug, Deserialize)]
pub struct FileEntry {
    /// What the family uses it for: `encoder`, `labels`, ...
    pub role: String,
    /// Path below the model's folder.
    pub path: PathBuf,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
}

/// A measured figure and what it was measured on.
#[derive(Clone, Debug, Deserialize)]
pub struct Accuracy {
    /// What was measured, on what, how.
    pub measure: String,
    /// The figure.
    pub value: f64,
}

/// The manifest of a model.
#[derive(Clone, Debug, Deserialize)]
pub struct Manifest {
    schema: u32,
    /// Name of the model and of its folder.
    pub name: Arc<str>,
    /// The runtime's code that runs it.
    pub family: Family,
    /// What it is for.
    pub task: Task,
    /// One line for people.
    pub description: String,
    /// SPDX expression of the weights' licence.
    pub licence: String,
    /// Oldest ONNX Runtime that runs it, `major.minor`.
    pub minimum_ort: String,
    /// Parameters, where known.
    pub parameters: Option<u64>,
    /// Files, each by hash.
    #[serde(rename = "file", default)]
    pub files: Vec<FileEntry>,
    /// Measured figures.
    #[serde(default)]
    pub accuracy: Vec<Accuracy>,
    #[serde(flatten)]
    sections: toml::Table,
}

/// A model of the store: its folder and its manifest. Files are checked by [`Model::file`] before they are used.
#[derive(Clone, Debug)]
pub struct Model {
    folder: PathBuf,
    /// The manifest as it was read.
    text: String,
    manifest: Manifest,
}

impl Model {
    /// Reads the manifest of the model `name`.
    ///
    /// # Errors
    /// `NotFound` where there is none; `Corrupt` where it cannot be read as a manifest.
    pub fn open(places: &Places, name: &str) -> Result<Self> {
        Self::open_folder(&places.model(name)?)
    }

    /// Reads the manifest in `folder`.
    ///
    /// # Errors
    /// `NotFound`, `Io`, or `Corrupt` naming the line, the file or the field.
    pub fn open_folder(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        let mut text = String::new();
        let read = open(&path)?.take(MANIFEST_LIMIT_BYTES).read_to_string(&mut text);
        read.map_err(|error| Error::io("read", &path, &error))?;
        if text.len() as u64 == MANIFEST_LIMIT_BYTES {
            return Err(corrupt(format!("{}: is longer than a manifest may be, 1 MiB", path.display())));
        }
        let manifest = Manifest::parse(&text).map_err(|error| error.within(path.display()))?;
        let folder_name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if *manifest.name != *folder_name {
            return Err(corrupt(format!("name is '{}', but the folder is '{folder_name}'", manifest.name)).within(path.display()));
        }
        Ok(Self { folder: folder.to_owned(), text, manifest })
    }

    /// The manifest as it was read.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The folder that holds the model.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Name of the model.
    pub fn name(&self) -> &Arc<str> {
        &self.manifest.name
    }

    /// A section of the manifest that its family defines (`[recipe]`, `[moonshine]`, ...).
    ///
    /// # Errors
    /// `Corrupt` when it is missing or does not fit `T`.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let path = self.folder.join(MANIFEST);
        let value = self.manifest.sections.get(name).cloned();
        let value = value.ok_or_else(|| corrupt(format!("has no [{name}] section")).within(path.display()))?;
        value.try_into().map_err(|error| corrupt(format!("[{name}]: {error}")).within(path.display()))
    }

    /// Path of the file with `role`, after its length and SHA-256 were checked.
    ///
    /// # Errors
    /// `Corrupt` when the manifest names no such file or the file differs; `NotFound` when it is not there.
    pub fn file(&self, role: &str) -> Result<PathBuf> {
        let entry =
            self.manifest.files.iter().find(|entry| entry.role == role).ok_or_else(|| {
                corrupt(format!("names no file with role '{role}'")).within(self.folder.join(MANIFEST).display())
            })?;
        self.read(entry, |_| Ok(()))?;
        Ok(self.folder.join(&entry.path))
    }

    /// Checks the length and SHA-256 of every file; samples may be missing. One error for each file that is wrong.
    pub fn verify(&self) -> Vec<Error> {
        self.files_there().filter_map(|entry| self.read(entry, |_| Ok(())).err()).collect()
    }

    /// The files a model of the store has: all that it needs, and the samples that are there.
    pub(super) fn files_there(&self) -> impl Iterator<Item = &FileEntry> {
        self.manifest.files.iter().filter(|entry| entry.role != SAMPLE || self.folder.join(&entry.path).exists())
    }

    /// Whether every file but samples is there with the right length; hashes are not computed.
    pub fn is_fetched(&self) -> bool {
        let is_there =
            |entry: &FileEntry| fs::metadata(self.folder.join(&entry.path)).is_ok_and(|meta| meta.len() == entry.bytes);
        self.needed().all(is_there)
    }

    /// Bytes of all files but samples.
    pub fn bytes(&self) -> u64 {
        self.needed().fold(0, |sum, entry| sum.saturating_add(entry.bytes))
    }

    fn needed(&self) -> impl Iterator<Item = &FileEntry> {
        self.manifest.files.iter().filter(|entry| entry.role != SAMPLE)
    }

    /// Reads a file piece by piece, and fails at its end when its length or SHA-256 are not those of the manifest.
    pub(super) fn read(&self, entry: &FileEntry, mut piece: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let path = self.folder.join(&entry.path);
        let shown = path.display();
        let mut file = open(&path)?;
        let length = file.metadata().map_err(|error| Error::io("read", &path, &error))?.len();
        if length != entry.bytes {
            return Err(corrupt(format!("{shown}: is {length} bytes long, expected {}; {WAY_OUT}", entry.bytes)));
        }
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        // A file that grows meanwhile is not followed.
        let mut rest = entry.bytes;
        while rest > 0 {
            let limit = usize::try_from(rest).map_or(buffer.len(), |rest| rest.min(buffer.len()));
            let read = file.read(&mut buffer[..limit]).map_err(|error| Error::io("read", &path, &error))?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
            piece(&buffer[..read])?;
            rest -= read as u64;
        }
        let found: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        if found != entry.sha256 {
            return Err(corrupt(format!("{shown}: sha256 is {found}, expected {}; {WAY_OUT}", entry.sha256)));
        }
        Ok(())
    }
}

/// Opens a file of a model. A pipe or a device in its place would be waited for, or never end.
fn open(path: &Path) -> Result<File> {
    let missing = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::new(ErrorKind::NotFound, format!("{}: not there; {WAY_OUT}", path.display())),
        _ => Error::io("read", path, &error),
    };
    if !fs::metadata(path).map_err(missing)?.is_file() {
        return Err(corrupt(format!("{}: is not a file", path.display())));
    }
    File::open(path).map_err(missing)
}

impl Manifest {
    /// Parses and checks the text of a manifest.
    ///
    /// # Errors
    /// `Corrupt` naming the line or the field; `Unsupported` for a newer schema.
    pub fn parse(text: &str) -> Result<Self> {
        let manifest: Self = toml::from_str(text).map_err(|error| corrupt(error.to_string().trim_end().to_owned()))?;
        if manifest.schema != SCHEMA {
            let message = format!("schema is {}, this build reads {SCHEMA}; update Auricle", manifest.schema);
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        locate::check_name(&manifest.name).map_err(|error| corrupt(error.message().to_owned()).within("name"))?;
        let mut taken = HashSet::from([Path::new(MANIFEST), Path::new(LOCK)]);
        for entry in &manifest.files {
            let inside = entry.path.components().all(|part| matches!(part, Component::Normal(_)));
            if !inside || entry.path.as_os_str().is_empty() {
                return Err(corrupt(format!("file path '{}' leaves the model's folder", entry.path.display())));
            }
            if !taken.insert(&entry.path) {
                return Err(corrupt(format!("file path '{}' stands for two files", entry.path.display())));
            }
            if entry.sha256.len() != 64 || !entry.sha256.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')) {
                return Err(corrupt(format!("file {}: sha256 is not 64 lower-case hexadecimal digits", entry.path.display())));
            }
        }
        Ok(manifest)
    }
}

fn corrupt(message: String) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}
