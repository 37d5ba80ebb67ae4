//! Audio files: wav, flac, mp3, ogg/vorbis, m4a/aac, decoded block by block with symphonia.
//!
//! In: a path to something that may be anything. Out: interleaved f32 frames of one format, or an error that names the file
//! and the way out. Memory is bounded by one block; a damaged file ends or fails, it does not hang. Times are true to the
//! sample but for AAC, whose first frames (1,024 to 2,112) are the encoder's own: symphonia 0.6 reads no edit lists.

use std::fs::File;
use std::io::{ErrorKind as IoErrorKind, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadOnlySource};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;
use symphonia::core::units::TimeBase;

use super::bounded::{Allowance, Bounded};
use super::pcm::Format;
use crate::error::{Error, ErrorKind, Result};

/// Packets in a row that may bring nothing (damaged, or of no length) before the file is given up.
const MOST_FRUITLESS: u32 = 50;
/// The most silence in a file put in place of packets that are gone; claims of more are not believed.
const MOST_SILENCE_S: u64 = 600;
/// The most bytes that the header, with pictures and whatever else stands before the audio, or one packet may make the decoder read.
const MOST_BYTES_A_STEP: u64 = 64 << 20;
/// What is said of one that has more.
const TOO_LONG: &str = "there are more than 64 MiB before the audio goes on (pictures, or a length that is wrong)";
/// Silence is given in blocks of this many frames.
const SILENCE_FRAMES: usize = 4096;

/// An audio file being read from its start to its end.
pub struct AudioFile {
    path: PathBuf,
    allowance: Allowance,
    reader: Box<dyn FormatReader>,
    track: u32,
    time_base: Option<TimeBase>,
    decoder: Box<dyn AudioDecoder>,
    format: Format,
    announced: Option<u64>,
    /// The newest block, interleaved.
    block: Vec<f32>,
    /// Whether `block` has been decoded but not given.
    waiting: bool,
    /// Zeros, interleaved.
    silence: Vec<f32>,
    /// Frames of silence to give before `block`.
    owed: u64,
    /// Frames of silence given or owed so far.
    made_up: u64,
    /// Where the packet after the last good one belongs, in units of the time base.
    next: Option<i64>,
    given: u64,
    damaged: u64,
    fruitless: u32,
    ended: bool,
}

/// What reading one packet came to.
enum Step {
    /// The block is new.
    Decoded,
    /// No frames.
    Nothing,
    /// A packet of another track.
    OtherTrack,
    End,
}

impl AudioFile {
    /// Opens `path` and decodes its first block, so that the format is the audio's, not the header's.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] or [`ErrorKind::Io`] from the operating system, [`ErrorKind::Unsupported`] for a format that
    /// is not read here, [`ErrorKind::Corrupt`] for a file that is empty or damaged from the start,
    /// [`ErrorKind::InvalidInput`] for a folder, or a sample rate or number of channels out of range.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|error| Error::io("open", path, &error))?;
        let about = file.metadata().map_err(|error| Error::io("read", path, &error))?;
        if about.is_dir() {
            let message = format!("{}: is a folder; name the audio files in it", path.display());
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        if about.is_file() && about.len() == 0 {
            let message = format!("{}: is empty; record or copy it again", path.display());
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        Self::from_source(Box::new(file), path)
    }

    /// Reads a file from `bytes` that come one after the other, as from standard input; `name` stands for it in errors. The format is
    /// found by content. Memory is bounded as for a file; an m4a whose index is at its end cannot be read so.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_stream(name: &str, bytes: impl Read + Send + Sync + 'static) -> Result<Self> {
        Self::from_source(Box::new(ReadOnlySource::new(bytes)), Path::new(name))
    }

    /// The same for audio that is not in a file with a path: standard input, bytes in memory. `name` is what errors call it; its
    /// extension says which format to try first. A source that cannot be sought in is read once from its start to its end.
    ///
    /// # Errors
    /// As [`open`](Self::open), but for those of the operating system's opening.
    pub fn from_source(source: Box<dyn MediaSource>, name: &Path) -> Result<Self> {
        let path = name;
        let mut hint = Hint::new();
        if let Some(extension) = path.extension().and_then(|extension| extension.to_str()) {
            hint.with_extension(extension);
        }
        let allowance = Allowance::default();
        allowance.set(MOST_BYTES_A_STEP);
        let source = Bounded::new(source, allowance.clone());
        let stream = MediaSourceStream::new(Box::new(source), Default::default());
        let probe = || {
            let probe = symphonia::default::get_probe();
            let reader = probe.probe(&hint, stream, FormatOptions::default(), MetadataOptions::default());
            let reader = reader.map_err(|error| unreadable(path, &error))?;
            let selected = select(path, reader.as_ref())?;
            Ok((reader, selected))
        };
        let (reader, (track, time_base, decoder)) = contained(path, probe)??;
        let announced = reader.tracks().iter().find(|t| t.id == track).and_then(|t| t.num_frames);

        // Codecs that carry their own format correct this with the first block.
        let parameters = decoder.codec_params();
        let channels = parameters.channels.as_ref().map_or(0, |channels| channels.count());
        let stated = (parameters.sample_rate, u16::try_from(channels).unwrap_or(u16::MAX));

        let mut opened = Self {
            path: path.to_owned(),
            allowance,
            reader,
            track,
            time_base,
            decoder,
            format: Format { rate_hz: 0, channels: 0 },
            announced,
            block: Vec::new(),
            waiting: false,
            silence: Vec::new(),
            owed: 0,
            made_up: 0,
            next: None,
            given: 0,
            damaged: 0,
            fruitless: 0,
            ended: false,
        };
        opened.waiting = opened.decode_block()?;
        if !opened.waiting {
            if opened.damaged > 0 {
                return Err(opened.error(ErrorKind::Corrupt, "none of its audio can be decoded"));
            }
            // No audio at all: the header alone says what it would have been.
            opened.format = Format::new(stated.0.unwrap_or(0), stated.1).map_err(|error| error.within(path.display()))?;
        }
        Ok(opened)
    }

    /// The format of every block.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Frames in the whole file as its header says, where it does. Not to be trusted: the file may end earlier.
    pub fn frames(&self) -> Option<u64> {
        self.announced
    }

    /// The file being read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next frames, interleaved, as many as the file packs together (65,535 at most in FLAC, about 1,000 elsewhere);
    /// `None` at the end. Samples are as they are in the file: they may be beyond [-1, 1], or not finite.
    ///
    /// Where packets are damaged or gone there is silence of their length, so that what follows keeps its time; a file that
    /// breaks off gives what there is. Both are logged.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] after 50 damaged packets in a row, [`ErrorKind::Unsupported`] when the format changes half-way,
    /// [`ErrorKind::Io`] when reading fails. After an error the file is at its end.
    pub fn next_block(&mut self) -> Result<Option<&[f32]>> {
        if !self.waiting {
            self.waiting = self.decode_block().inspect_err(|_| self.ended = true)?;
        }
        if !self.waiting {
            return Ok(None);
        }
        let channels = usize::from(self.format.channels);
        let block = if self.owed > 0 {
            let frames = SILENCE_FRAMES.min(self.owed as usize);
            self.owed -= frames as u64;
            &self.silence[..frames * channels]
        } else {
            self.waiting = false;
            &self.block
        };
        self.given += (block.len() / channels) as u64;
        Ok(Some(block))
    }

    /// Decodes until there is a block that is not empty; false at the end.
    fn decode_block(&mut self) -> Result<bool> {
        while !self.ended {
            match self.step()? {
                Step::Decoded => {
                    self.fruitless = 0;
                    return Ok(true);
                }
                Step::OtherTrack => {}
                Step::End => self.end(),
                Step::Nothing => {
                    self.fruitless += 1;
                    if self.fruitless >= MOST_FRUITLESS {
                        if self.damaged > 0 {
                            let what = format!("is damaged from about {:.1} s on", self.seconds(self.given));
                            return Err(self.error(ErrorKind::Corrupt, &what));
                        }
                        // An MP3 that was joined from several says the length of the first.
                        let (shown, at) = (self.path.display(), self.seconds(self.given));
                        log::warn!("{shown}: goes on after the {at:.1} s that its header announces; {}", way_out(&self.path));
                        self.end();
                    }
                }
            }
        }
        Ok(false)
    }

    /// Reads and decodes one packet.
    fn step(&mut self) -> Result<Step> {
        self.allowance.set(MOST_BYTES_A_STEP);
        let packet = match contained(&self.path, || self.reader.next_packet())? {
            Ok(Some(packet)) => packet,
            Ok(None) => return Ok(Step::End),
            Err(SymphoniaError::ResetRequired) => {
                // A chained stream: another starts in the same file.
                (self.track, self.time_base, self.decoder) = contained(&self.path, || select(&self.path, self.reader.as_ref()))??;
                self.next = None;
                return Ok(Step::Nothing);
            }
            Err(SymphoniaError::IoError(error)) if error.kind() == IoErrorKind::UnexpectedEof => return Ok(Step::End),
            Err(SymphoniaError::IoError(error)) if error.kind() == IoErrorKind::FileTooLarge => {
                return Err(
                    self.error(ErrorKind::Corrupt, &format!("is damaged at {:.1} s: {TOO_LONG}", self.seconds(self.given)))
                );
            }
            Err(SymphoniaError::IoError(error)) => return Err(Error::io("read", &self.path, &error)),
            Err(error) => {
                self.note_damage(&error);
                return Ok(Step::Nothing);
            }
        };
        if packet.track_id != self.track {
            return Ok(if packet.data.is_empty() { Step::Nothing } else { Step::OtherTrack });
        }
        let (rate_hz, channels) = match contained(&self.path, || self.decoder.decode(&packet))? {
            Ok(decoded) if decoded.frames() == 0 => return Ok(Step::Nothing),
            Ok(decoded) => {
                decoded.copy_to_vec_interleaved(&mut self.block);
                (decoded.spec().rate(), decoded.spec().channels().count())
            }
            Err(error) => {
                self.note_damage(&error);
                return Ok(Step::Nothing);
            }
        };
        self.accept(rate_hz, channels)?;
        self.owe_hole_before(&packet);
        Ok(Step::Decoded)
    }

    /// Takes the format of the first block, and holds every later one to it.
    fn accept(&mut self, rate_hz: u32, channels: usize) -> Result<()> {
        let channels = u16::try_from(channels).unwrap_or(u16::MAX);
        if self.format.channels == 0 {
            self.format = Format::new(rate_hz, channels).map_err(|error| error.within(self.path.display()))?;
            self.silence = vec![0.0; SILENCE_FRAMES * usize::from(channels)];
        } else if (rate_hz, channels) != (self.format.rate_hz, self.format.channels) {
            let what =
                format!("changes at {:.1} s from {} to {}", self.seconds(self.given), self.format, Format { rate_hz, channels });
            return Err(self.error(ErrorKind::Unsupported, &what));
        }
        Ok(())
    }

    /// Owes silence for packets that are missing between the last good one and `packet`.
    fn owe_hole_before(&mut self, packet: &Packet) {
        let starts = packet.pts.get();
        let due = self.next.unwrap_or(starts);
        self.next = starts.checked_add_unsigned(packet.dur.get());
        let Some(base) = self.time_base else { return };
        let missing = frames_of(starts.saturating_sub(due).max(0) as u64, base, self.format.rate_hz);
        if missing == 0 {
            return;
        }
        let (at, length) = (self.seconds(self.given), self.seconds(missing));
        if missing <= (MOST_SILENCE_S * u64::from(self.format.rate_hz)).saturating_sub(self.made_up) {
            log::warn!("{}: {length:.3} s are missing at {at:.1} s; taken as silence", self.path.display());
            self.owed = missing;
            self.made_up += missing;
        } else {
            log::warn!("{}: jumps by {length:.0} s at {at:.1} s; not believed", self.path.display());
        }
    }

    fn note_damage(&mut self, error: &SymphoniaError) {
        if self.damaged == 0 {
            let at = self.seconds(self.given);
            log::warn!("{}: damaged at about {at:.1} s ({error}); going on after it", self.path.display());
        }
        self.damaged += 1;
    }

    fn end(&mut self) {
        self.ended = true;
        let missing = self.announced.map_or(0, |announced| announced.saturating_sub(self.given));
        // Some headers count a padding that decoders leave out.
        if self.seconds(missing) > 0.2 {
            log::warn!(
                "{}: ends after {:.1} s of the {:.1} s that its header announces",
                self.path.display(),
                self.seconds(self.given),
                self.seconds(self.given + missing)
            );
        }
    }

    fn seconds(&self, frames: u64) -> f64 {
        frames as f64 / f64::from(self.format.rate_hz.max(1))
    }

    fn error(&self, kind: ErrorKind, what: &str) -> Error {
        Error::new(kind, format!("{}: {what}; {}", self.path.display(), way_out(&self.path)))
    }
}

/// The audio track that the container prefers, and a decoder for it.
fn select(path: &Path, reader: &dyn FormatReader) -> Result<(u32, Option<TimeBase>, Box<dyn AudioDecoder>)> {
    let Some(track) = reader.default_track(TrackType::Audio) else {
        let message = format!("{}: holds no audio that can be read here; {}", path.display(), way_out(path));
        return Err(Error::new(ErrorKind::Unsupported, message));
    };
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
    let parameters = parameters.ok_or_else(|| unreadable(path, &SymphoniaError::Unsupported("a codec without parameters")))?;
    let decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(|error| unreadable(path, &error))?;
    Ok((track.id, track.time_base, decoder))
}

/// Why `path` cannot be opened, and what to do about it.
fn unreadable(path: &Path, error: &SymphoniaError) -> Error {
    let (kind, what) = match error {
        SymphoniaError::IoError(error) if error.kind() == IoErrorKind::UnexpectedEof => {
            (ErrorKind::Corrupt, "ends before its audio starts".to_owned())
        }
        SymphoniaError::IoError(error) if error.kind() == IoErrorKind::FileTooLarge => {
            (ErrorKind::Corrupt, format!("cannot be read: {TOO_LONG}"))
        }
        SymphoniaError::IoError(error) if error.kind() == IoErrorKind::FileTooLarge => {
            (ErrorKind::Corrupt, format!("cannot be read: {TOO_LONG}"))
        }
        SymphoniaError::IoError(error) => return Error::io("read", path, error),
        SymphoniaError::Unsupported(detail) => {
            (ErrorKind::Unsupported, format!("is not wav, flac, mp3, ogg/vorbis or m4a/aac as read here ({detail})"))
        }
        error => (ErrorKind::Corrupt, format!("is damaged ({error})")),
    };
    Error::new(kind, format!("{}: {what}; {}", path.display(), way_out(path)))
}

/// Runs `work` of a decoder that is not ours. Damage that nobody foresaw can make it panic, which must cost no more than the file; what
/// panicked is not used again, as after an error the file is at its end.
fn contained<T>(path: &Path, work: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| {
        let message = format!("{}: is damaged in a way that its decoder does not survive; {}", path.display(), way_out(path));
        Error::new(ErrorKind::Corrupt, message)
    })
}

fn way_out(path: &Path) -> String {
    format!("convert it: ffmpeg -i {:?} -ac 1 -ar 16000 out.wav", path.display().to_string())
}

/// Frames at `rate_hz` in `ticks` of `base`.
fn frames_of(ticks: u64, base: TimeBase, rate_hz: u32) -> u64 {
    let frames = u128::from(ticks) * u128::from(base.numer.get()) * u128::from(rate_hz) / u128::from(base.denom.get());
    frames.min(u128::from(u64::MAX)) as u64
}
