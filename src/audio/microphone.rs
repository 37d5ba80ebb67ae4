//! A microphone that is looked after: opened, watched, and opened again when it is lost.
//!
//! In: which device. Out: [`SourceEvent`]s. A thread of its own looks at the stream ten times a second; whatever may hang
//! (opening, dropping) happens on threads that can be left behind.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::alsa_messages;
use super::capture::{self, Open};
use super::devices::{self, HostChoice};
use super::pcm::ChannelChoice;
use super::source::SourceEvent;
use crate::error::{Error, ErrorKind, Result};

/// How often the stream is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(100);
/// Pause between attempts to open a lost device.
const RETRY_EVERY: Duration = Duration::from_millis(500);
/// How long one attempt may take before it is left behind.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// Attempts that may hang at once; no more are made while there are so many.
const MOST_HANGING: usize = 4;
/// How long a lost device is looked for where it was, before any other host or device will do.
const LOYALTY: Duration = Duration::from_secs(5);
/// How long `stop` waits for the device to be closed in order.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Which microphone, and how.
#[derive(Clone, Debug, Default)]
pub struct MicrophoneSettings {
    /// Where to look. By default PulseAudio where its server answers, else ALSA.
    pub host: Option<HostChoice>,
    /// An id as `auricle devices` lists it, or a name or part of one, in any case. By default what the host records from.
    pub device: Option<String>,
    /// Sample rate to ask the device for. By default its own, which is then resampled here.
    pub rate_hz: Option<u32>,
    /// The channel that will be listened to: the device must have it.
    pub channel: ChannelChoice,
    /// Whether to wait for a microphone where none can be opened, rather than fail. Default: no.
    pub wait: bool,
}

impl MicrophoneSettings {
    /// Whether what was asked for by name is what speakers play.
    fn names_a_monitor(&self) -> bool {
        self.device.as_deref().is_some_and(|wanted| wanted.to_lowercase().contains("monitor"))
    }
}

/// A microphone that is open or being looked for. Dropping it stops it without waiting.
pub struct Microphone {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Microphone {
    /// Opens the microphone and looks after it until [`stop`](Self::stop). The first event is `Connected`; when the device is
    /// lost (an error of its host, no audio for 2 s, or none at all in the first 5 s) `Lost` follows, then `Connected` with
    /// `again` once it or, where none was named, another is found (which is then kept); at the end `Ended`.
    ///
    /// With [`wait`](MicrophoneSettings::wait) a microphone that cannot be opened is no error: `Waiting` comes first, and
    /// `Connected` once there is one. What speakers play is then no microphone unless it is named.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::InvalidInput`] (several devices match, or the channel is not there) or
    /// [`ErrorKind::Device`], when the first opening fails or takes more than 5 s.
    pub fn start(settings: MicrophoneSettings, events: Sender<SourceEvent>) -> Result<Self> {
        let attempt = Attempt::start(settings.clone(), Arc::new(()))?;
        let first = attempt.result.recv_timeout(OPEN_TIMEOUT).unwrap_or_else(|_| {
            let message = format!(
                "the microphone did not open within {} s: its host hangs; restart the sound server, or choose another host",
                OPEN_TIMEOUT.as_secs()
            );
            Err(Error::new(ErrorKind::Device, message))
        });
        let first = match first {
            Err(error) if !settings.wait || error.kind() == ErrorKind::InvalidInput => return Err(error),
            Ok(open) if settings.wait && is_monitor(&open.id) && !settings.names_a_monitor() => {
                drop(close(open));
                Err(Error::new(ErrorKind::NotFound, "there is only what the speakers play"))
            }
            first => first,
        };
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("microphone".into())
            .spawn(move || Supervisor { settings, events, stopped }.run(first))
            .map_err(thread_error)?;
        Ok(Self { stop, thread })
    }

    /// Closes the microphone. Returns within 2 s whatever its host does: a stream that hangs is left behind on its thread.
    pub fn stop(self) {
        // An error means that the thread has ended already.
        let _ = self.stop.send(());
        let deadline = Instant::now() + CLOSE_TIMEOUT + 2 * WATCH_EVERY;
        while !self.thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// An attempt to open the device, on a thread of its own.
struct Attempt {
    started: Instant,
    result: Receiver<Result<Open>>,
}

impl Attempt {
    /// `alive` is held for as long as the attempt lives, so that those that hang can be counted.
    fn start(settings: MicrophoneSettings, alive: Arc<()>) -> Result<Self> {
        let (answer, result) = mpsc::channel();
        std::thread::Builder::new()
            .name("open-microphone".into())
            .spawn(move || {
                let _alive = alive;
                let opened = alsa_messages::logged(|| open(&settings));
                // Nobody waits any more: what was opened is dropped here.
                let _ = answer.send(opened);
            })
            .map_err(thread_error)?;
        Ok(Self { started: Instant::now(), result })
    }
}

fn open(settings: &MicrophoneSettings) -> Result<Open> {
    let found = devices::find(settings.host, settings.device.as_deref())?;
    let least = match settings.channel {
        ChannelChoice::One(number) => number,
        ChannelChoice::Mix => 1,
    };
    let open = capture::open(found, settings.rate_hz, least)?;
    match settings.channel.check(open.format.channels) {
        Ok(()) => Ok(open),
        Err(error) => Err(error.within(&open.id)),
    }
}

/// Drops `open` on a thread of its own; the receiver hears when that is done.
fn close(open: Open) -> Receiver<()> {
    let (done, closed) = mpsc::channel();
    let spawned = std::thread::Builder::new().name("close-microphone".into()).spawn(move || {
        alsa_messages::logged(|| drop(open.stream));
        let _ = done.send(());
    });
    if let Err(error) = spawned {
        log::warn!("cannot start a thread to close the microphone: {error}");
    }
    closed
}

/// Whether a device records what another one plays, as PulseAudio and PipeWire name them.
fn is_monitor(id: &str) -> bool {
    id.ends_with(".monitor")
}

fn thread_error(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot start a thread for the microphone: {error}"))
}

struct Supervisor {
    settings: MicrophoneSettings,
    events: Sender<SourceEvent>,
    stopped: Receiver<()>,
}

/// Why a stream is no longer watched.
enum Outcome {
    Stopped,
    Lost(String),
}

impl Supervisor {
    fn run(self, first: Result<Open>) {
        // Whoever holds the events hears that there are no more.
        let open = match first {
            Ok(open) => Some(open),
            Err(error) => self.wait_for_one(&error),
        };
        if let Some(open) = open {
            self.look_after(open);
        }
        let _ = self.events.send(SourceEvent::Ended);
    }

    fn look_after(&self, mut open: Open) {
        let mut again = false;
        loop {
            let (host, id, name) = (open.host, open.id.clone(), open.name.clone());
            let outcome = if self.connect(&mut open, again) { self.watch(&open) } else { Outcome::Stopped };
            let closed = close(open);
            match outcome {
                Outcome::Stopped => {
                    if closed.recv_timeout(CLOSE_TIMEOUT) == Err(RecvTimeoutError::Timeout) {
                        log::warn!("{name}: closing it hangs; left behind");
                    }
                    break;
                }
                Outcome::Lost(reason) => {
                    log::warn!("{name}: lost: {reason}");
                    if self.events.send(SourceEvent::Lost { name, reason }).is_err() {
                        break;
                    }
                }
            }
            match self.look_for(Some((host, &id))) {
                Some(found) => open = found,
                None => break,
            }
            again = true;
        }
    }

    /// Waits for a first microphone; `None` when no longer wanted.
    fn wait_for_one(&self, error: &Error) -> Option<Open> {
        let name = self.settings.device.clone().unwrap_or_else(|| "microphone".to_owned());
        log::warn!("waiting for a microphone: {error}");
        self.events.send(SourceEvent::Waiting { name }).ok()?;
        self.look_for(None)
    }

    /// Tells the front end; false when it is gone.
    fn connect(&self, open: &mut Open, again: bool) -> bool {
        let Some(consumer) = open.consumer.take() else { return false };
        let (format, name) = (open.format, open.name.clone());
        self.events.send(SourceEvent::Connected { consumer, format, name, again }).is_ok()
    }

    /// Watches the stream until it is lost or no longer wanted.
    fn watch(&self, open: &Open) -> Outcome {
        let mut overruns = 0;
        loop {
            if self.told_to_stop(WATCH_EVERY) {
                return Outcome::Stopped;
            }
            if let Some(failure) = open.health.failure() {
                return Outcome::Lost(failure.to_owned());
            }
            if let Some(silence) = open.health.overdue(Instant::now()) {
                return Outcome::Lost(format!("no audio for {} s", silence.as_secs()));
            }
            if open.health.overruns() > overruns {
                if overruns == 0 {
                    log::warn!("{}: its host lost samples: this process was too slow", open.name);
                }
                overruns = open.health.overruns();
            }
        }
    }

    /// Tries to open the device that was `lost`, or a first one, until it is there or no longer wanted. Where the settings leave a
    /// choice, others will do after a while.
    fn look_for(&self, lost: Option<(HostChoice, &str)>) -> Option<Open> {
        let since = Instant::now();
        let monitor_will_do = lost.map_or_else(|| self.settings.names_a_monitor(), |(_, id)| is_monitor(id));
        let alive = Arc::new(());
        let mut failure = String::new();
        let mut same = true;
        loop {
            if self.told_to_stop(RETRY_EVERY) {
                return None;
            }
            if Arc::strong_count(&alive) > MOST_HANGING {
                continue;
            }
            let mut settings = self.settings.clone();
            if let Some((host, id)) = lost.filter(|_| self.settings.device.is_none()) {
                settings.host = settings.host.or((since.elapsed() < LOYALTY).then_some(host));
                settings.device = same.then(|| id.to_owned());
                // In turns with whatever is the default now.
                same = !same;
            }
            match self.attempt(settings, &alive) {
                // A server without a microphone offers what its speakers play; that would look like a microphone come back.
                Some(Ok(open)) if is_monitor(&open.id) && !monitor_will_do => drop(close(open)),
                Some(Ok(open)) => return Some(open),
                Some(Err(error)) => {
                    if failure != error.message() {
                        log::info!("still no microphone: {error}");
                        failure = error.message().to_owned();
                    }
                }
                None => return None,
            }
        }
    }

    /// One attempt; `None` when no longer wanted.
    fn attempt(&self, settings: MicrophoneSettings, alive: &Arc<()>) -> Option<Result<Open>> {
        let attempt = match Attempt::start(settings, Arc::clone(alive)) {
            Ok(attempt) => attempt,
            Err(error) => return Some(Err(error)),
        };
        loop {
            match attempt.result.recv_timeout(WATCH_EVERY) {
                Ok(result) => return Some(result),
                Err(RecvTimeoutError::Timeout) if attempt.started.elapsed() < OPEN_TIMEOUT => {}
                Err(_) => return Some(Err(Error::new(ErrorKind::Device, "opening it hangs"))),
            }
            if self.told_to_stop(Duration::ZERO) {
                return None;
            }
        }
    }

    /// Waits for as long; true as soon as the stream is no longer wanted.
    fn told_to_stop(&self, wait: Duration) -> bool {
        self.stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout)
    }
}
