//! Adding a model: from any folder into the user's own, whole or not at all.
//!
//! In: a folder that holds a model, and the places where models are looked for. Out: an [`Addition`] whose files were checked,
//! for the caller to try, and then the copy, tried again: what the manifest names and nothing else, under the model's name.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::locate::Places;
use super::manifest::{LOCK, MANIFEST, Model};
use crate::error::{Error, ErrorKind, Result};

/// Where a copy is made, beside its place. Only who holds the lock on the folder writes there.
const STAGING: &str = ".adding";
/// No record of an export is longer.
const LOCK_LIMIT_BYTES: u64 = 1 << 20;

/// What is to be done with a folder.
#[derive(Debug)]
pub enum Plan {
    /// Nothing: the same model is in this folder already.
    AlreadyThere(PathBuf),
    /// It can be copied.
    Add(Box<Addition>),
}

/// A model that was checked, and the place it goes to.
#[derive(Debug)]
pub struct Addition {
    model: Model,
    home: PathBuf,
    replaces: bool,
}

impl Plan {
    /// Looks at the model in `folder`, checks each of its files, and finds where it goes. Nothing is written.
    ///
    /// # Errors
    /// `NotFound`, `Io` or `Corrupt` when the folder holds no model, or a file of it is missing, altered, or a link to somewhere
    /// else; `InvalidInput` when another model has its name, unless it may be replaced and would be; `NotFound` when the user has
    /// no place for models.
    pub fn make(folder: &Path, places: &Places, replace: bool) -> Result<Self> {
        // `.` has no name of its own.
        let named = if folder.file_name().is_some() { Ok(folder.to_owned()) } else { folder.canonicalize() };
        let model = Model::open_folder(&named.map_err(|error| Error::io("read", folder, &error))?)?;
        stays_inside(&model)?;
        if let Some(error) = model.verify().into_iter().next() {
            return Err(error);
        }
        let home = places.for_adding()?.to_owned();
        for place in places.folders() {
            let there = place.join(&**model.name());
            if !is_there(&there) {
                continue;
            }
            let at_home = same_folder(place, &home);
            let difference = match there.join(MANIFEST).is_file() {
                true => difference(&model, &there),
                false if at_home => {
                    let message = format!("{}: is there already and is no model; move it away first", there.display());
                    return Err(Error::new(ErrorKind::InvalidInput, message));
                }
                false => continue,
            };
            let Some(difference) = difference else { return Ok(Self::AlreadyThere(there)) };
            if at_home && replace {
                return Ok(Self::Add(Box::new(Addition { model, home, replaces: true })));
            }
            let (there, from) = (there.display(), model.folder().display());
            let way_out = if at_home {
                format!("--replace puts {from} in its place")
            } else {
                format!("it would be found before one in {}, so give {from} a name of its own", home.display())
            };
            let message = format!("{there}: is a model of this name already, and not the one in {from}: {difference}; {way_out}");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(Self::Add(Box::new(Addition { model, home, replaces: false })))
    }
}

impl Addition {
    /// The model, where it is now.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Copies the model, lets `prove` run the copy, and says where the model is then and what `prove` said. Each file is checked
    /// again as it is copied.
    ///
    /// # Errors
    /// `Io` naming the path, when the place cannot be written or another addition is at work there; `Corrupt` when a file has
    /// changed; what `prove` returns. The place is then as it was before.
    pub fn carry_out<T>(self, prove: impl FnOnce(&Model) -> Result<T>) -> Result<(PathBuf, T)> {
        let Self { model, home, replaces } = self;
        fs::create_dir_all(&home).map_err(|error| writing(&home, &error))?;
        let held = lock(&home)?;
        let to = home.join(&**model.name());
        let aside = home.join(format!(".replaced-{}", model.name()));
        // A process that was ended between the two renames below left the old model here.
        if is_there(&aside) && !is_there(&to) {
            fs::rename(&aside, &to).map_err(|error| writing(&to, &error))?;
        }
        remove(&aside)?;
        let staging = Staging::make(home.join(STAGING))?;
        let copied = staging.0.join(&**model.name());
        copy(&model, &copied)?;
        // A graph can read files by itself that the manifest does not name, and those were not copied.
        let proven = prove(&Model::open_folder(&copied)?).map_err(|error| {
            error.within(format!("{}: a copy of what {MANIFEST} names does not run", model.folder().display()))
        })?;
        if replaces && is_there(&to) {
            fs::rename(&to, &aside).map_err(|error| writing(&to, &error))?;
        }
        if let Err(error) = fs::rename(&copied, &to) {
            if replaces {
                let _ = fs::rename(&aside, &to);
            }
            return Err(writing(&to, &error));
        }
        // Some file systems cannot do this for a folder; the model is there all the same.
        let _ = held.sync_all();
        remove(&aside)?;
        Ok((to, proven))
    }
}

/// A folder for half of a model, removed with all that is in it.
struct Staging(PathBuf);

impl Staging {
    fn make(path: PathBuf) -> Result<Self> {
        // Whoever left one did not finish, and holds the lock no more.
        remove(&path)?;
        fs::create_dir(&path).map_err(|error| writing(&path, &error))?;
        Ok(Self(path))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The folder, held against other additions until the file is dropped.
fn lock(folder: &Path) -> Result<File> {
    let file = File::open(folder).map_err(|error| Error::io("open", folder, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let message = format!("{}: a model is being added there by another process; try again after it", folder.display());
            Err(Error::new(ErrorKind::Io, message))
        }
        Err(TryLockError::Error(error)) => Err(Error::io("lock", folder, &error)),
    }
}

fn copy(model: &Model, to: &Path) -> Result<()> {
    fs::create_dir(to).map_err(|error| writing(to, &error))?;
    write(&to.join(MANIFEST), |file| file(model.text().as_bytes()))?;
    let record = model.folder().join(LOCK);
    if fs::metadata(&record).is_ok_and(|meta| meta.is_file() && meta.len() <= LOCK_LIMIT_BYTES) {
        let bytes = fs::read(&record).map_err(|error| Error::io("read", &record, &error))?;
        write(&to.join(LOCK), |file| file(&bytes))?;
    }
    for entry in model.files_there() {
        let path = to.join(&entry.path);
        let folder = path.parent().unwrap_or(to);
        fs::create_dir_all(folder).map_err(|error| writing(folder, &error))?;
        write(&path, |file| model.read(entry, file))?;
    }
    Ok(())
}

/// Writes a new file from the pieces that `fill` gives, and waits until the disk has it: after a rename, a file that a power cut
/// emptied would look whole.
fn write(path: &Path, fill: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>) -> Result<()> {
    let failed = |error: std::io::Error| writing(path, &error);
    let mut file = File::create_new(path).map_err(failed)?;
    fill(&mut |piece| file.write_all(piece).map_err(failed))?;
    file.sync_all().map_err(failed)
}

/// Refuses files that are links to outside of the model's folder: what they name may be anything of the user's.
fn stays_inside(model: &Model) -> Result<()> {
    let real = |path: &Path| path.canonicalize().map_err(|error| Error::io("read", path, &error));
    let folder = real(model.folder())?;
    let files = model.files_there().map(|entry| entry.path.as_path());
    for path in files.chain([Path::new(MANIFEST), Path::new(LOCK)]).map(|path| model.folder().join(path)) {
        // What is missing is told by the check of the files.
        if !path.exists() {
            continue;
        }
        let there = real(&path)?;
        if !there.starts_with(&folder) {
            let (shown, there) = (path.display(), there.display());
            let message = format!("{shown}: leaves the model's folder, it is a link to {there}; put the file itself there");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
    }
    Ok(())
}

/// In what the model in `there` is another than `model`; `None` when it is the same and whole.
fn difference(model: &Model, there: &Path) -> Option<String> {
    match Model::open_folder(there) {
        Ok(other) if other.text() != model.text() => Some(format!("their {MANIFEST} differ")),
        Ok(other) => other.verify().into_iter().next().map(|error| error.message().to_owned()),
        Err(error) => Some(error.message().to_owned()),
    }
}

fn same_folder(one: &Path, other: &Path) -> bool {
    one == other || one.canonicalize().ok().is_some_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

/// Whether anything has this path, even a link to nothing.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, &error)),
        _ => Ok(()),
    }
}

fn writing(path: &Path, error: &std::io::Error) -> Error {
    let message = format!("{}: cannot write: {error}; --models-dir names another folder", path.display());
    Error::new(ErrorKind::Io, message)
}
