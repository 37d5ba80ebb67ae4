//! Raw PCM that comes through a pipe: `arecord`, `ffmpeg`, a network.
//!
//! In: bytes, and what they are: rate, channels, format of a sample. Out: [`SourceEvent`]s and frames in a ring, as from any other
//! source of live audio. Memory is one buffer and the ring.

use std::fmt;
use std::io::{ErrorKind as IoErrorKind, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::str::FromStr;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::pcm::Format;
use super::ring::Producer;
use super::source::{Pause, SourceEvent, connection};
use crate::error::{Error, ErrorKind, Result};

/// How often a pipe that gives nothing is left to look whether to stop.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// How long [`RawInput::stop`] waits for the thread: it may be in a read that something else made wait.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Without a byte for this long the source is lost, as a microphone is.
const LONGEST_SILENCE: Duration = Duration::from_secs(2);
/// The first byte may take longer: whoever writes has to start as well.
const LONGEST_START: Duration = Duration::from_secs(5);
/// Bytes read at once, as many as a pipe holds; but no more than 2 s of audio.
const BUFFER_BYTES: usize = 64 << 10;
/// Audio is let in faster than it plays by this much, so that a device whose clock is fast never waits: twice what a
/// [`ClockMap`](crate::time::ClockMap) takes for drift.
const FASTER: f64 = 1.001;
/// Seconds of audio that may come before their time.
const AHEAD_S: f64 = 0.2;
/// Seconds of audio that a writer may be behind and then deliver at once. More than that is let in as it plays.
const BEHIND_S: f64 = 10.0;
/// Audio that is before its time is let in in pieces of this length, seconds.
const PIECE_S: f64 = 0.01;
/// How long a front end that is busy is given before its ring is looked at again.
const FULL_PAUSE: Duration = Duration::from_millis(5);
/// What files begin with that are not raw.
const HEADERS: [&[u8]; 4] = [b"RIFF", b"fLaC", b"OggS", b"ID3"];

/// How a sample is written. All but `u8` are signed and little-endian.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SampleFormat {
    /// 8-bit integers, 128 for silence.
    U8,
    /// 16-bit integers.
    #[default]
    S16le,
    /// 24-bit integers in three bytes.
    S24le,
    /// 32-bit integers.
    S32le,
    /// 32-bit floats, -1 to 1.
    F32le,
}

/// Every format, as ffmpeg and ALSA name it.
const NAMES: [(&str, SampleFormat); 5] = [
    ("u8", SampleFormat::U8),
    ("s16le", SampleFormat::S16le),
    ("s24le", SampleFormat::S24le),
    ("s32le", SampleFormat::S32le),
    ("f32le", SampleFormat::F32le),
];

impl SampleFormat {
    /// Bytes of one sample.
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::S16le => 2,
            Self::S24le => 3,
            Self::S32le | Self::F32le => 4,
        }
    }

    /// Writes the samples that `bytes` holds whole to `out` in place of what it held. Integers become -1 to 1; floats stay as they are:
    /// they may be beyond that, or not finite. Allocates only where `out` is too short.
    pub fn decode(self, bytes: &[u8], out: &mut Vec<f32>) {
        out.clear();
        match self {
            Self::U8 => out.extend(bytes.iter().map(|byte| (f32::from(*byte) - 128.0) / 128.0)),
            Self::S16le => out.extend(bytes.as_chunks().0.iter().map(|b| f32::from(i16::from_le_bytes(*b)) / 32_768.0)),
            Self::S24le => out.extend(bytes.as_chunks().0.iter().map(|[a, b, c]| signed([0, *a, *b, *c]))),
            Self::S32le => out.extend(bytes.as_chunks().0.iter().map(|b| signed(*b))),
            Self::F32le => out.extend(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b))),
        }
    }
}

/// A 32-bit integer as -1 to 1, rounded to what an f32 holds.
fn signed(bytes: [u8; 4]) -> f32 {
    (f64::from(i32::from_le_bytes(bytes)) / 2_147_483_648.0) as f32
}

impl FromStr for SampleFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        named.map(|(_, format)| *format).ok_or_else(|| {
            let names = NAMES.map(|(name, _)| name).join(", ");
            Error::new(ErrorKind::InvalidInput, format!("sample format is {text:?}; choose one of {names}"))
        })
    }
}

impl fmt::Display for SampleFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, format)| format == self).map_or("", |(name, _)| name);
        f.pad(name)
    }
}

/// Raw PCM that is being read. Dropping it stops it.
pub struct RawInput {
    stop: Sender<()>,
    ended: Receiver<()>,
    pause: Pause,
}

/// Reads `input`, raw PCM of `format` in samples of `samples`, until it ends; `name` is what it is called.
///
/// `Connected` comes at once, `Ended` when the writer has ended, [`SourceEvent::Failed`] when reading fails. Whole frames are handed on as
/// they come, and never faster than they play, but for 0.2 s: a writer that is faster waits, as do all while the ring is full, so
/// that nothing is lost. One that was held up may deliver up to 10 s at once. Without a byte for 2 s (5 at the start) the source is
/// `Lost`, and `Connected` again when more comes. While it is paused what comes is read and thrown away: a pipe cannot be closed and
/// opened again, and what was said meanwhile is not to be heard afterwards.
///
/// # Errors
/// [`ErrorKind::Io`] when no thread can be started.
pub fn start(
    input: impl Read + AsFd + Send + 'static,
    format: Format,
    samples: SampleFormat,
    name: &str,
    events: Sender<SourceEvent>,
) -> Result<RawInput> {
    let (stop, stopped) = mpsc::channel();
    let (done, ended) = mpsc::channel();
    let pause = Pause::default();
    let asked = pause.clone();
    let name = name.to_owned();
    let body = move || {
        let mut feed = Feed {
            format,
            name,
            events,
            stopped,
            pause: asked,
            paused: false,
            producer: None,
            next_frame: 0,
            budget: 0.0,
            refilled: Instant::now(),
        };
        let last = match feed.read_all(input, samples) {
            Ok(()) => SourceEvent::Ended,
            Err(error) => SourceEvent::Failed(error),
        };
        // A front end that is gone needs no last word.
        let _ = feed.events.send(last);
        drop(done);
    };
    let spawned = std::thread::Builder::new().name("raw-input".into()).spawn(body);
    spawned.map_err(|error| Error::new(ErrorKind::Io, format!("cannot start a thread to read raw audio: {error}")))?;
    Ok(RawInput { stop, ended, pause })
}

impl RawInput {
    /// Pauses what is heard and lets it go on. A pause is looked for ten times a second at least.
    pub fn pausing(&self) -> Pause {
        self.pause.clone()
    }

    /// Ends the reading; `Ended` follows. Returns within 1 s.
    pub fn stop(self) {
        // An error means that the thread has ended already.
        let _ = self.stop.send(());
        let _: std::result::Result<(), RecvTimeoutError> = self.ended.recv_timeout(CLOSE_TIMEOUT);
    }
}

/// What waiting for bytes came to.
enum Waited {
    Readable,
    /// Nothing came for as long as it may take.
    Quiet,
    Stop,
}

/// The way from the pipe into the ring.
struct Feed {
    format: Format,
    name: String,
    events: Sender<SourceEvent>,
    stopped: Receiver<()>,
    pause: Pause,
    paused: bool,
    /// `None` while the source is lost or paused.
    producer: Option<Producer>,
    next_frame: u64,
    /// Frames that may be handed on now.
    budget: f64,
    refilled: Instant,
}

impl Feed {
    /// Reads until the writer ends, something fails, or it is to stop.
    fn read_all(&mut self, mut input: impl Read + AsFd, samples: SampleFormat) -> Result<()> {
        let frame_bytes = samples.bytes() * usize::from(self.format.channels);
        let frames = (BUFFER_BYTES / frame_bytes).clamp(1, 2 * self.format.rate_hz as usize);
        let (mut bytes, mut held) = (vec![0; frames * frame_bytes], 0);
        let mut decoded = Vec::with_capacity(frames * usize::from(self.format.channels));
        let mut heard_any = false;
        self.connect(false);
        loop {
            let patience = if heard_any { LONGEST_SILENCE } else { LONGEST_START };
            match self.wait(&input, patience)? {
                Waited::Readable => {}
                Waited::Stop => return Ok(()),
                Waited::Quiet => {
                    let reason = format!("nothing came for {} s", patience.as_secs());
                    self.producer = None;
                    let _ = self.events.send(SourceEvent::Lost { name: self.name.clone(), reason });
                    continue;
                }
            }
            let read = match input.read(&mut bytes[held..]) {
                Ok(read) => read,
                Err(error) if error.kind() == IoErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::io("read", Path::new(&self.name), &error)),
            };
            if read == 0 {
                self.say_what_is_odd(heard_any, held, frame_bytes);
                return Ok(());
            }
            if !heard_any {
                self.say_if_file(&bytes[..read]);
            }
            heard_any = true;
            if self.producer.is_none() && !self.paused {
                self.connect(true);
            }
            held += read;
            let whole = held - held % frame_bytes;
            samples.decode(&bytes[..whole], &mut decoded);
            bytes.copy_within(whole..held, 0);
            held -= whole;
            if !self.hand_on(&decoded) {
                return Ok(());
            }
        }
    }

    fn connect(&mut self, again: bool) {
        let (producer, consumer) = connection(self.format);
        (self.producer, self.next_frame, self.budget) = (Some(producer), 0, 0.0);
        let connected = SourceEvent::Connected { consumer, format: self.format, name: self.name.clone(), again };
        // A front end that is gone is noticed by whoever stops this.
        let _ = self.events.send(connected);
    }

    /// Closes the connection when a pause is asked for, and opens another at its end.
    fn heed_pause(&mut self) {
        match (self.pause.is_asked(), self.paused) {
            (true, false) => {
                self.producer = None;
                let _ = self.events.send(SourceEvent::Paused { name: self.name.clone() });
            }
            (false, true) => self.connect(true),
            _ => return,
        }
        self.paused = !self.paused;
    }

    /// Waits for bytes, or for the end of them. While the source is lost or paused it is quiet already.
    fn wait(&mut self, input: &impl AsFd, patience: Duration) -> Result<Waited> {
        let since = Instant::now();
        loop {
            if self.stopped.try_recv() != Err(TryRecvError::Empty) {
                return Ok(Waited::Stop);
            }
            self.heed_pause();
            match poll(&mut [PollFd::new(input, PollFlags::IN)], Some(&LOOK_EVERY)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(Waited::Readable),
                Err(error) => return Err(Error::io("wait for", Path::new(&self.name), &error.into())),
            }
            if self.producer.is_some() && since.elapsed() >= patience {
                return Ok(Waited::Quiet);
            }
        }
    }

    /// Pushes whole frames when it is time for them and there is room; false when told to stop.
    fn hand_on(&mut self, mut samples: &[f32]) -> bool {
        let channels = usize::from(self.format.channels);
        let rate = f64::from(self.format.rate_hz);
        let piece = (rate * PIECE_S).ceil() as usize;
        if self.next_frame == 0 {
            // What waited in the pipe while models were loaded is in time.
            (self.budget, self.refilled) = ((samples.len() / channels) as f64 + rate * AHEAD_S, Instant::now());
        }
        while !samples.is_empty() {
            self.heed_pause();
            self.refill();
            let frames = samples.len() / channels;
            let now = if self.budget >= frames as f64 { frames } else { piece.min(frames) };
            let wait = Duration::from_secs_f64(((now as f64 - self.budget) / (rate * FASTER)).max(0.0));
            if wait > Duration::ZERO && !self.pause(wait) {
                return false;
            }
            while self.producer.as_ref().is_some_and(|producer| producer.room_frames() < now) {
                if !self.pause(FULL_PAUSE) {
                    return false;
                }
            }
            self.refill();
            self.budget -= now as f64;
            let (head, rest) = samples.split_at(now * channels);
            if let Some(producer) = &mut self.producer {
                producer.push(self.next_frame, head, Instant::now());
            }
            self.next_frame += now as u64;
            samples = rest;
        }
        true
    }

    fn refill(&mut self) {
        let rate = f64::from(self.format.rate_hz);
        let now = Instant::now();
        let gained = now.duration_since(self.refilled).as_secs_f64() * rate * FASTER;
        (self.budget, self.refilled) = ((self.budget + gained).min(rate * BEHIND_S), now);
    }

    /// False when told to stop meanwhile.
    fn pause(&self, wait: Duration) -> bool {
        self.stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout)
    }

    fn say_if_file(&self, start: &[u8]) {
        if let Some(header) = HEADERS.iter().find(|header| start.starts_with(header)) {
            log::warn!(
                "{}: begins with '{}', as a file does that is not raw; it is read as raw all the same: for a file, 'transcribe' or \
                 'listen --input FILE'; to make it raw, 'ffmpeg -i FILE -f s16le -ac 1 -ar 16000 -'",
                self.name,
                String::from_utf8_lossy(header)
            );
        }
    }

    fn say_what_is_odd(&self, heard_any: bool, held: usize, frame_bytes: usize) {
        if !heard_any {
            log::warn!("{}: ended before any audio came", self.name);
        } else if held > 0 {
            log::warn!(
                "{}: ends with {held} of the {frame_bytes} bytes of a frame; if that is no accident, check --sample-format and \
                 --channels",
                self.name
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(format: SampleFormat, bytes: &[u8]) -> Vec<f32> {
        let mut out = vec![7.0];
        format.decode(bytes, &mut out);
        out
    }

    #[test]
    fn every_format_is_one_at_full_scale_and_nothing_at_rest() {
        assert_eq!(decoded(SampleFormat::U8, &[0, 128, 255]), [-1.0, 0.0, 127.0 / 128.0]);
        assert_eq!(decoded(SampleFormat::S16le, &[0, 0x80, 0, 0, 0, 0x40]), [-1.0, 0.0, 0.5]);
        assert_eq!(decoded(SampleFormat::S24le, &[0, 0, 0x80, 0, 0, 0, 0, 0, 0x40]), [-1.0, 0.0, 0.5]);
        assert_eq!(decoded(SampleFormat::S32le, &[0, 0, 0, 0x80, 0, 0, 0, 0x40]), [-1.0, 0.5]);
        assert_eq!(decoded(SampleFormat::F32le, &[0, 0, 0x80, 0xbf, 0, 0, 0, 0x40]), [-1.0, 2.0]);
        for (_, format) in NAMES {
            assert_eq!(decoded(format, &[0x80; 11]).len(), 11 / format.bytes(), "part of a sample is left alone");
        }
    }

    #[test]
    fn formats_are_named_as_others_name_them() {
        for (name, format) in NAMES {
            assert_eq!((name.parse(), format.to_string().as_str()), (Ok(format), name));
        }
        assert_eq!("S16LE".parse(), Ok(SampleFormat::S16le));
        let error = "s16be".parse::<SampleFormat>().unwrap_err();
        assert!(error.message().contains("\"s16be\"; choose one of u8, s16le, s24le"), "{error}");
    }
}
