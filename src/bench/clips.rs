//! The recordings that are measured on, each with the words that are said in it.
//!
//! In: files and folders, and where the words are. Out: [`Clip`]s in the order of their names, and their audio.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::audio::file::AudioFile;
use crate::audio::pcm::{self, ChannelChoice, Format};
use crate::error::{Error, ErrorKind, Result};
use crate::latency::words::{self, Spoken};

/// What audio files are called.
const AUDIO: [&str; 7] = ["wav", "flac", "mp3", "ogg", "m4a", "mp4", "aac"];
/// What the words of `NAME.flac` are called: `NAME.words.tsv`.
const WORDS: &str = ".words.tsv";
/// No file of words is longer, bytes.
const LONGEST_WORDS: u64 = 16 << 20;
/// No clip is longer, seconds: it is held in memory.
const LONGEST_S: u64 = 3_600;
/// Clips of one run.
const MOST_CLIPS: usize = 100_000;

/// A recording and its words.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// The audio.
    pub path: PathBuf,
    /// The file's name without its ending.
    pub name: String,
    /// What is said in it.
    pub words: Vec<Spoken>,
}

impl Clip {
    /// Who speaks: the name up to its first `_`, the whole name where it has none.
    pub fn speaker(&self) -> &str {
        self.name.split('_').next().unwrap_or(&self.name)
    }

    /// All of its audio: the chosen channel, finite and within [-1, 1], and its rate.
    ///
    /// # Errors
    /// Those of [`AudioFile`]; `InvalidInput` for a channel that is not there or more than an hour.
    pub fn audio(&self, channel: ChannelChoice) -> Result<(Format, Vec<f32>)> {
        let mut file = AudioFile::open(&self.path)?;
        let format = file.format();
        let within = |error: Error| error.within(self.path.display());
        channel.check(format.channels).map_err(within)?;
        let mut mono = Vec::new();
        let channels = usize::from(format.channels);
        while let Some(block) = file.next_block()? {
            let from = mono.len();
            mono.resize(from + block.len() / channels, 0.0);
            pcm::pick(channel, format.channels, block, &mut mono[from..]);
            if mono.len() as u64 > LONGEST_S * u64::from(format.rate_hz) {
                let message = format!("{}: is longer than {LONGEST_S} s; cut it into shorter clips", self.path.display());
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
        }
        Ok((Format::new(format.rate_hz, 1).map_err(within)?, mono))
    }
}

/// What was found, and what of the folders was passed over because no words are beside it.
#[derive(Debug)]
pub struct Found {
    /// The clips.
    pub clips: Vec<Clip>,
    /// Audio files in the folders without words.
    pub passed_over: usize,
}

/// The clips in `inputs`. A folder stands for the recordings in it that have words beside them; a file without words is an error.
/// `tables` are files of words; each is that of the clip with the same name, or of the only clip.
///
/// # Errors
/// `NotFound` for a file or its words, `Corrupt` for words that cannot be read, `InvalidInput` where nothing is left.
pub fn find(inputs: &[PathBuf], tables: &[PathBuf]) -> Result<Found> {
    let mut clips = Vec::new();
    let mut passed_over = 0;
    for input in inputs {
        if input.is_dir() {
            for path in audio_in(input)? {
                match table_of(&path, tables, false) {
                    Some(table) => clips.push(clip(path, &table)?),
                    None => passed_over += 1,
                }
            }
        } else {
            let missing = || {
                let beside = input.with_extension("").display().to_string() + WORDS;
                let message = format!("{}: has no words: {beside} is not there; name them with --words", input.display());
                Error::new(ErrorKind::NotFound, message)
            };
            let table = table_of(input, tables, inputs.len() == 1 && tables.len() == 1).ok_or_else(missing)?;
            clips.push(clip(input.clone(), &table)?);
        }
        if clips.len() > MOST_CLIPS {
            let message = format!("{}: there are more than {MOST_CLIPS} clips; measure fewer", input.display());
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
    }
    if clips.is_empty() {
        let names: Vec<String> = inputs.iter().map(|input| input.display().to_string()).collect();
        let message = format!("{}: no recording with words beside it (NAME.flac and NAME{WORDS})", names.join(", "));
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    Ok(Found { clips, passed_over })
}

/// The words in the file at `path`.
///
/// # Errors
/// `NotFound` or `Io`; `Corrupt` naming the line.
pub fn read_words(path: &Path) -> Result<Vec<Spoken>> {
    words::parse(&read_text(path, LONGEST_WORDS)?, &path.display().to_string())
}

/// All of a text file that has at most `limit` bytes.
pub(super) fn read_text(path: &Path, limit: u64) -> Result<String> {
    let failed = |error: std::io::Error| Error::io("read", path, &error);
    let file = File::open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, format!("{}: is not a file", path.display())));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        let message = format!("{}: is longer than {} MiB", path.display(), limit >> 20);
        return Err(Error::new(ErrorKind::Corrupt, message));
    }
    String::from_utf8(bytes).map_err(|_| Error::new(ErrorKind::Corrupt, format!("{}: is no text in UTF-8", path.display())))
}

fn clip(path: PathBuf, table: &Path) -> Result<Clip> {
    let words = read_words(table)?;
    if words.is_empty() {
        return Err(Error::new(ErrorKind::Corrupt, format!("{}: has no words", table.display())));
    }
    if let Some(word) = words.iter().find(|word| word.text.contains(char::is_whitespace)) {
        let message = format!("{}: '{}' is more than one word; a line has one", table.display(), word.text);
        return Err(Error::new(ErrorKind::Corrupt, message));
    }
    Ok(Clip { name: stem(&path), path, words })
}

fn table_of(audio: &Path, tables: &[PathBuf], only: bool) -> Option<PathBuf> {
    let name = stem(audio);
    let named = |table: &&PathBuf| {
        let file = table.file_name().map(|file| file.to_string_lossy().into_owned()).unwrap_or_default();
        only || file == format!("{name}{WORDS}") || file == format!("{name}.tsv")
    };
    let beside = || Some(audio.with_file_name(format!("{name}{WORDS}"))).filter(|path| path.is_file());
    tables.iter().find(named).cloned().or_else(beside)
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn audio_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error: std::io::Error| Error::io("read", folder, &error);
    let is_audio = |path: &PathBuf| {
        path.extension().is_some_and(|ending| AUDIO.iter().any(|audio| ending.eq_ignore_ascii_case(audio))) && path.is_file()
    };
    let entries = fs::read_dir(folder).map_err(failed)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>().map_err(failed)?;
    let mut audio: Vec<PathBuf> = paths.into_iter().filter(is_audio).collect();
    audio.sort();
    Ok(audio)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b_1.wav", "b_2.flac", "a.wav", "notes.txt"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::write(folder.path().join("b_1.words.tsv"), "0\t1\thello\n").unwrap();
        folder
    }

    #[test]
    fn a_folder_is_its_recordings_that_have_words() {
        let folder = folder();
        let found = find(&[folder.path().to_owned()], &[]).unwrap();
        assert_eq!((found.clips.len(), found.passed_over), (1, 2));
        assert_eq!((found.clips[0].name.as_str(), found.clips[0].speaker(), found.clips[0].words.len()), ("b_1", "b", 1));
    }

    #[test]
    fn a_file_without_words_is_named() {
        let folder = folder();
        let error = find(&[folder.path().join("a.wav")], &[]).unwrap_err();
        assert!(error.message().contains("a.wav: has no words") && error.message().contains("a.words.tsv"), "{error}");
    }

    #[test]
    fn words_may_lie_elsewhere() {
        let folder = folder();
        let table = folder.path().join("b_1.words.tsv");
        assert_eq!(find(&[folder.path().join("a.wav")], std::slice::from_ref(&table)).unwrap().clips[0].words[0].text, "hello");
        assert!(find(&[folder.path().join("a.wav"), folder.path().join("b_1.wav")], &[table]).is_err());
    }

    #[test]
    fn two_words_on_a_line_are_refused() {
        let folder = folder();
        fs::write(folder.path().join("b_1.words.tsv"), "0\t1\thello there\n").unwrap();
        let error = find(&[folder.path().join("b_1.wav")], &[]).unwrap_err();
        assert!(error.message().contains("more than one word"), "{error}");
    }
}
