//! A microphone that is looked after: opened, watched, and opened again when it is lost.
//!
//! In: which device, and when to pause. Out: [`SourceEvent`]s. A thread of its own looks at the stream ten times a second;
//! whatever may hang (opening, dropping) happens on threads that can be left behind.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::alsa_messages;
use super::capture::{self, Open};
use super::devices::{self, HostChoice};
use super::pcm::ChannelChoice;
use super::source::{Pause, SourceEvent};
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
    pause: Pause,
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
        let pause = Pause::default();
        let asked = pause.clone();
        let thread = std::thread::Builder::new()
            .name("microphone".into())
            .spawn(move || Supervisor { settings, events, stopped, pause: asked }.run(first))
            .map_err(thread_error)?;
        Ok(Self { stop, pause, thread })
    }

    /// Pauses the microphone and lets it go on. Within 0.1 s of being asked its stream is closed, so that the device is free and
    /// nothing is recorded, and `Paused` is said; at the end it is opened again, and `Connected` is said, or `Lost` when it is no
    /// longer there: then it is looked for.
    pub fn pausing(&self) -> Pause {
        self.pause.clone()
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

/// Why a stream is no longer watched.
enum Outcome {
    Stopped,
    Paused,
    Lost(String),
    Failed(Error),
}

struct Supervisor {
    settings: MicrophoneSettings,
    events: Sender<SourceEvent>,
    stopped: Receiver<()>,
    pause: Pause,
}

/// What the supervisor is to do next.
enum Next {
    /// Listen to what is open.
    Listen(Open),
    /// Look for what was lost, after a while.
    LookFor(Device, Duration),
    /// Wait for the end of a pause, with nothing open.
    Pause(Device),
    /// End.
    Stop,
}

/// The device that is listened to or will be again.
struct Device {
    /// Where it was and its id; `None` while a first one is waited for.
    was: Option<(HostChoice, String)>,
    name: String,
}

impl Supervisor {
    fn run(self, first: Result<Open>) {
        let mut again = false;
        let mut next = match first {
            Ok(open) => Next::Listen(open),
            Err(error) => self.wait_for_one(&error),
        };
        loop {
            next = match next {
                Next::Listen(open) => self.listen(open, std::mem::replace(&mut again, true)),
                Next::LookFor(device, wait) => self.look_for(device, wait),
                Next::Pause(device) => self.wait_for_resume(device),
                Next::Stop => break,
            };
        }
        // Whoever holds the events hears that there are no more.
        let _ = self.events.send(SourceEvent::Ended);
    }

    /// Says that there is no microphone yet; it is looked for next.
    fn wait_for_one(&self, error: &Error) -> Next {
        let name = self.settings.device.clone().unwrap_or_else(|| "microphone".to_owned());
        log::warn!("waiting for a microphone: {error}");
        let sent = self.events.send(SourceEvent::Waiting { name: name.clone() });
        if sent.is_ok() { Next::LookFor(Device { was: None, name }, RETRY_EVERY) } else { Next::Stop }
    }

    /// Listens to `open` until it is lost or no longer wanted, and closes it.
    fn listen(&self, mut open: Open, again: bool) -> Next {
        let device = Device { was: Some((open.host, open.id.clone())), name: open.name.clone() };
        let outcome = if self.connect(&mut open, again) { self.watch(&open) } else { Outcome::Stopped };
        let closed = close(open);
        let closed_in_time = || {
            let in_time = closed.recv_timeout(CLOSE_TIMEOUT) != Err(RecvTimeoutError::Timeout);
            if !in_time {
                log::warn!("{}: closing it hangs; left behind", device.name);
            }
        };
        match outcome {
            Outcome::Stopped => {
                closed_in_time();
                Next::Stop
            }
            Outcome::Paused => {
                // Said when it is true.
                closed_in_time();
                self.paused(device)
            }
            Outcome::Lost(reason) => self.lost(device, reason, RETRY_EVERY),
            Outcome::Failed(error) => {
                closed_in_time();
                // A front end that is gone needs no last word.
                let _ = self.events.send(SourceEvent::Failed(error));
                Next::Stop
            }
        }
    }

    fn paused(&self, device: Device) -> Next {
        let sent = self.events.send(SourceEvent::Paused { name: device.name.clone() });
        if sent.is_ok() { Next::Pause(device) } else { Next::Stop }
    }

    fn lost(&self, device: Device, reason: String, wait: Duration) -> Next {
        log::warn!("{}: lost: {reason}", device.name);
        let sent = self.events.send(SourceEvent::Lost { name: device.name.clone(), reason });
        if sent.is_ok() { Next::LookFor(device, wait) } else { Next::Stop }
    }

    /// Waits until the pause is over, and opens the device again.
    fn wait_for_resume(&self, device: Device) -> Next {
        while self.pause.is_asked() {
            if self.told_to_stop(WATCH_EVERY) {
                return Next::Stop;
            }
        }
        let mut settings = self.settings.clone();
        if let Some((host, id)) = device.was.as_ref().filter(|_| self.settings.device.is_none()) {
            (settings.host, settings.device) = (Some(*host), Some(id.clone()));
        }
        match self.attempt(settings, &Arc::new(())) {
            Ok(Ok(open)) => Next::Listen(open),
            Ok(Err(error)) => self.lost(device, error.message().to_owned(), Duration::ZERO),
            Err(outcome) => self.broken_off(device, outcome),
        }
    }

    /// What is next where the search for `device` was broken off.
    fn broken_off(&self, device: Device, outcome: Outcome) -> Next {
        match outcome {
            Outcome::Paused => self.paused(device),
            Outcome::Stopped | Outcome::Lost(_) | Outcome::Failed(_) => Next::Stop,
        }
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
            if let Some(outcome) = self.unwanted(WATCH_EVERY) {
                return outcome;
            }
            if let Some(failure) = open.health.failure() {
                return Outcome::Lost(failure.to_owned());
            }
            if let Some(silence) = open.health.overdue(Instant::now()) {
                return Outcome::Lost(format!("no audio for {} s", silence.as_secs()));
            }
            if let Some(times) = open.health.runs_free(Instant::now(), open.format.rate_hz) {
                let what = format!("{}: brings audio {times:.0} times as fast as it is heard: it has no clock", open.name);
                return Outcome::Failed(Error::new(ErrorKind::Device, format!("{what}; choose another device")));
            }
            if open.health.overruns() > overruns {
                if overruns == 0 {
                    log::warn!("{}: its host lost samples: this process was too slow", open.name);
                }
                overruns = open.health.overruns();
            }
        }
    }

    /// Tries to open the device that was lost, or a first one, until it is there or no longer wanted. Where the settings leave a
    /// choice, others will do after a while.
    fn look_for(&self, device: Device, mut wait: Duration) -> Next {
        let since = Instant::now();
        let was = device.was.as_ref();
        let monitor_will_do = was.map_or_else(|| self.settings.names_a_monitor(), |(_, id)| is_monitor(id));
        let alive = Arc::new(());
        let mut failure = String::new();
        let mut same = true;
        loop {
            if let Some(outcome) = self.unwanted(std::mem::replace(&mut wait, RETRY_EVERY)) {
                return self.broken_off(device, outcome);
            }
            if Arc::strong_count(&alive) > MOST_HANGING {
                continue;
            }
            let mut settings = self.settings.clone();
            if let Some((host, id)) = was.filter(|_| self.settings.device.is_none()) {
                settings.host = settings.host.or((since.elapsed() < LOYALTY).then_some(*host));
                settings.device = same.then(|| id.clone());
                // In turns with whatever is the default now.
                same = !same;
            }
            match self.attempt(settings, &alive) {
                // A server without a microphone offers what its speakers play; that would look like a microphone come back.
                Ok(Ok(open)) if is_monitor(&open.id) && !monitor_will_do => drop(close(open)),
                Ok(Ok(open)) => return Next::Listen(open),
                Ok(Err(error)) => {
                    if failure != error.message() {
                        log::info!("still no microphone: {error}");
                        failure = error.message().to_owned();
                    }
                }
                Err(outcome) => return self.broken_off(device, outcome),
            }
        }
    }

    /// One attempt, or why it is no longer wanted.
    fn attempt(&self, settings: MicrophoneSettings, alive: &Arc<()>) -> std::result::Result<Result<Open>, Outcome> {
        let attempt = match Attempt::start(settings, Arc::clone(alive)) {
            Ok(attempt) => attempt,
            Err(error) => return Ok(Err(error)),
        };
        loop {
            match attempt.result.recv_timeout(WATCH_EVERY) {
                Ok(result) => return Ok(result),
                Err(RecvTimeoutError::Timeout) if attempt.started.elapsed() < OPEN_TIMEOUT => {}
                Err(_) => return Ok(Err(Error::new(ErrorKind::Device, "opening it hangs"))),
            }
            if let Some(outcome) = self.unwanted(Duration::ZERO) {
                return Err(outcome);
            }
        }
    }

    /// Waits for as long; `Stopped` or `Paused` as soon as no stream is wanted.
    fn unwanted(&self, wait: Duration) -> Option<Outcome> {
        if self.told_to_stop(wait) {
            return Some(Outcome::Stopped);
        }
        self.pause.is_asked().then_some(Outcome::Paused)
    }

    /// Waits for as long; true as soon as the stream is no longer wanted, and once only.
    fn told_to_stop(&self, wait: Duration) -> bool {
        self.stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout)
    }
}
