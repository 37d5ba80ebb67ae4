//! What is to be read: files, the audio files in folders, standard input.
//!
//! In: paths as they were named. Out: inputs in order. Folders are walked by name; links to folders are not followed, so that a walk ends.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use auricle::audio::file::AudioFile;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::stop;

/// Extensions of files in folders that are taken for audio.
const AUDIO: [&str; 9] = ["wav", "wave", "flac", "mp3", "ogg", "oga", "m4a", "m4b", "mp4"];

/// One input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Where it is; `-` is standard input.
    pub path: PathBuf,
    /// Where it is below the folder that was named; of a file that was named itself, its name.
    pub below: PathBuf,
}

impl Input {
    fn named(path: &Path) -> Self {
        Self { path: path.to_owned(), below: path.file_name().map_or_else(|| path.to_owned(), PathBuf::from) }
    }

    /// Whether it is standard input.
    pub fn is_stdin(&self) -> bool {
        self.path.as_os_str() == "-"
    }

    /// Its name, for people.
    pub fn name(&self) -> String {
        if self.is_stdin() { "standard input".to_owned() } else { self.path.display().to_string() }
    }

    /// Its size, where it is a file.
    pub fn bytes(&self) -> Option<u64> {
        if self.is_stdin() {
            return None;
        }
        fs::metadata(&self.path).ok().filter(fs::Metadata::is_file).map(|about| about.len())
    }

    /// Opens it.
    pub fn open(&self) -> auricle::Result<AudioFile> {
        if !self.is_stdin() {
            return AudioFile::open(&self.path);
        }
        let opened = io::stdin().as_fd().try_clone_to_owned();
        let pipe = opened.map_err(|error| auricle::Error::io("read", Path::new(&self.name()), &error))?;
        AudioFile::from_stream(&self.name(), UntilStopped(File::from(pipe)))
    }
}

/// How often a pipe that gives nothing is left to look whether to stop.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// A pipe that ends when a signal asks to stop: what was heard until then is finished.
struct UntilStopped(File);

impl Read for UntilStopped {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if stop::asked() {
                return Ok(0);
            }
            match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&LOOK_EVERY)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return self.0.read(out),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// What `named` stands for. Of a folder that cannot be read, or holds no audio, the error comes with what can be read.
pub fn find(named: &[PathBuf]) -> (Vec<Input>, Vec<anyhow::Error>) {
    let (mut inputs, mut errors) = (Vec::new(), Vec::new());
    for path in named {
        if path.as_os_str() == "-" || !path.is_dir() {
            // What is not there is told when it is opened.
            inputs.push(Input::named(path));
            continue;
        }
        let (before, failed) = (inputs.len(), errors.len());
        walk(path, path, &mut inputs, &mut errors);
        if inputs.len() == before && errors.len() == failed {
            errors.push(anyhow!("{}: holds no audio files ({})", path.display(), AUDIO.join(", ")));
        }
    }
    (inputs, errors)
}

fn walk(root: &Path, folder: &Path, inputs: &mut Vec<Input>, errors: &mut Vec<anyhow::Error>) {
    let listed = || -> Result<Vec<(PathBuf, bool)>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            // Of the link itself: a folder behind one is none.
            entries.push((entry.path(), entry.file_type()?.is_dir()));
        }
        entries.sort();
        Ok(entries)
    };
    match listed().with_context(|| format!("{}: cannot be listed", folder.display())) {
        Err(error) => errors.push(error),
        Ok(entries) => {
            for (path, is_folder) in entries {
                if is_folder {
                    walk(root, &path, inputs, errors);
                } else if is_audio(&path) && path.is_file() {
                    let below = path.strip_prefix(root).map_or_else(|_| path.clone(), Path::to_owned);
                    inputs.push(Input { path, below });
                }
            }
        }
    }
}

fn is_audio(path: &Path) -> bool {
    path.extension().is_some_and(|extension| AUDIO.iter().any(|audio| extension.eq_ignore_ascii_case(audio)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_walked_by_name_and_links_do_not_lead_astray() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("b/inner")).unwrap();
        for name in ["c.WAV", "a.flac", "notes.txt", "b/inner/x.mp3", "b/y.ogg", "a.srt", "noextension"] {
            fs::write(root.join(name), "").unwrap();
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(root, root.join("b/loop")).unwrap();
            std::os::unix::fs::symlink(root.join("nowhere"), root.join("gone.wav")).unwrap();
        }
        let (inputs, errors) = find(&[root.to_owned(), PathBuf::from("-"), root.join("notes.txt")]);
        let below: Vec<String> = inputs.iter().map(|input| input.below.display().to_string()).collect();
        assert_eq!(below, ["a.flac", "b/inner/x.mp3", "b/y.ogg", "c.WAV", "-", "notes.txt"]);
        assert!(errors.is_empty(), "{errors:?}");
        let (inputs, errors) = find(&[root.join("b/inner")]);
        assert_eq!((inputs.len(), errors.len()), (1, 0));
        fs::remove_file(root.join("b/inner/x.mp3")).unwrap();
        let (_, errors) = find(&[root.join("b/inner")]);
        assert!(errors[0].to_string().contains("holds no audio files (wav, "), "{errors:?}");
    }
}
