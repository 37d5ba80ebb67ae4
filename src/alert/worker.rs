//! The threads of alerts: one reads events, a few do what was asked for.
//!
//! In: events of a session. Out: `alert` events to a callback, warnings where something failed. The queue between the threads has a
//! fixed length; what finds no room fails and says so.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::program;
use super::settings::{Action, Alert, Settings};
use super::watch::Watch;
use super::webhook::Webhook;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{self, AlertState, Event, Sound};
use crate::pipeline::{Engines, Session};
use crate::sound::Vocabulary;
use crate::time::now_utc;

/// Programs and requests at one time.
const AT_ONCE: usize = 4;
/// Alerts that may wait for one of these.
const WAITING: usize = 32;
/// What a program, or one try of a request, may take.
const LIMIT: Duration = Duration::from_secs(10);
/// Between two warnings about one alert.
const WARNING_PERIOD: Duration = Duration::from_secs(60);
/// How often a thread that waits looks whether it may end.
const LOOK: Duration = Duration::from_millis(10);

/// Where `alert` events go.
type Tell = Arc<dyn Fn(event::Alert) + Send + Sync>;

/// Alerts that are watched for. Ends with the session; [`finish`](Self::finish) waits a little for what still runs.
#[derive(Debug)]
pub struct Alerts {
    threads: Vec<JoinHandle<()>>,
    stopping: Arc<AtomicBool>,
}

/// What is to be done.
struct Job {
    number: usize,
    alert: Alert,
    sound: Sound,
    /// The event as JSON.
    json: String,
}

/// What the threads share.
#[derive(Clone)]
struct Shared {
    tell: Tell,
    stopping: Arc<AtomicBool>,
    warned: Arc<Mutex<HashMap<usize, Instant>>>,
    webhook: Webhook,
}

impl Alerts {
    /// Watches `events` for what `settings` ask for; `tell` is given what becomes of each alert, on threads of this room.
    ///
    /// `events` may be anything that waits for the next event and ends with the session, such as [`Events`](crate::Events).
    ///
    /// # Errors
    /// `InvalidInput` with the place of a label that is unknown or never told; `Io` when no thread can be started.
    pub fn start<E>(
        settings: &Settings,
        vocabulary: Vocabulary,
        events: E,
        tell: impl Fn(event::Alert) + Send + Sync + 'static,
    ) -> Result<Self>
    where
        E: Iterator<Item = Event> + Send + 'static,
    {
        settings.check(&vocabulary)?;
        let stopping = Arc::new(AtomicBool::new(false));
        let shared = Shared {
            tell: Arc::new(tell),
            stopping: Arc::clone(&stopping),
            warned: Arc::default(),
            webhook: Webhook::new(LIMIT),
        };
        let (sender, receiver) = sync_channel(WAITING);
        let receiver = Arc::new(Mutex::new(receiver));
        let mut threads = Vec::new();
        for number in 0..AT_ONCE {
            let (shared, receiver) = (shared.clone(), Arc::clone(&receiver));
            threads.push(start(&format!("alert {number}"), move || work(&shared, &receiver))?);
        }
        let watch = Watch::new(settings, vocabulary);
        threads.push(start("alerts", move || read(watch, events, &sender, &shared))?);
        Ok(Self { threads, stopping })
    }

    /// Alerts of a session, if there are any: what they say comes in order with the session's own events.
    ///
    /// # Errors
    /// As [`start`](Self::start); `InvalidInput` also where the session hears no sounds.
    pub fn of_session(settings: &Settings, engines: &Engines, session: &Session) -> Result<Option<Self>> {
        if settings.alerts.is_empty() {
            return Ok(None);
        }
        let vocabulary = engines.vocabulary().ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidInput,
                "there are alerts, but sound events are off; choose a model for them or remove the alerts",
            )
        })?;
        Self::start(settings, vocabulary, session.events(), session.teller()).map(Some)
    }

    /// Waits until everything was done, at most `patience`; then programs that still run are ended, and requests are left to
    /// their own time limit. Call it when the session was finished: before, events never end.
    pub fn finish(mut self, patience: Duration) {
        let until = Instant::now() + patience;
        let busy = |threads: &[JoinHandle<()>]| threads.iter().any(|thread| !thread.is_finished());
        while busy(&self.threads) && Instant::now() < until {
            thread::sleep(LOOK);
        }
        self.stopping.store(true, Ordering::Relaxed);
        // A program that was killed is gone at once; a request cannot be called off.
        let until = Instant::now() + 10 * LOOK;
        while busy(&self.threads) && Instant::now() < until {
            thread::sleep(LOOK);
        }
        for thread in self.threads.drain(..).filter(JoinHandle::is_finished) {
            let _ = thread.join();
        }
    }
}

impl Drop for Alerts {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
    }
}

fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let started = thread::Builder::new().name(name.to_owned()).spawn(work);
    started.map_err(|error| Error::new(ErrorKind::Io, format!("alerts: no thread can be started: {error}")))
}

/// Reads events and puts in the queue what is to be done.
fn read(mut watch: Watch, events: impl Iterator<Item = Event>, queue: &SyncSender<Job>, shared: &Shared) {
    for event in events {
        let Some((sound, set_off)) = watch.take(&event) else { continue };
        if set_off.is_empty() {
            continue;
        }
        let json = serde_json::to_string(&event).unwrap_or_default();
        for number in set_off {
            let job = Job { number, alert: watch.alert(number).clone(), sound: sound.clone(), json: json.clone() };
            shared.tell(&job, AlertState::Fired, None);
            match queue.try_send(job) {
                Ok(()) => {}
                Err(TrySendError::Full(job)) => {
                    shared.failed(&job, format!("{WAITING} alerts wait already; this one was dropped"));
                }
                Err(TrySendError::Disconnected(job)) => shared.failed(&job, "no thread is left to do it".to_owned()),
            }
        }
    }
}

/// Does one thing after the other, until there will be no more.
fn work(shared: &Shared, queue: &Mutex<Receiver<Job>>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        let stopping = || shared.stopping.load(Ordering::Relaxed);
        if stopping() {
            shared.failed(&job, "the session ended before it could be done".to_owned());
            continue;
        }
        let done = match &job.alert.action {
            Action::Run(name, arguments) => {
                let time = now_utc();
                let arguments: Vec<String> = arguments.iter().map(|argument| argument.of(&job.sound, &time)).collect();
                program::run(name, &arguments, LIMIT, &stopping)
            }
            Action::Webhook(url) => shared.webhook.post(url, &job.json, &stopping),
        };
        match done {
            Ok(()) => shared.tell(&job, AlertState::Done, None),
            Err(why) => shared.failed(&job, why),
        }
    }
}

impl Shared {
    fn tell(&self, job: &Job, state: AlertState, reason: Option<String>) {
        let Sound { event, label, id, score, start, .. } = job.sound.clone();
        (self.tell)(event::Alert { alert: job.number, state, event, label, id, score, start, reason });
    }

    fn failed(&self, job: &Job, why: String) {
        let now = Instant::now();
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = warned.get(&job.number).is_some_and(|at| now.duration_since(*at) < WARNING_PERIOD);
        if !lately {
            warned.insert(job.number, now);
        }
        drop(warned);
        let Alert { label, .. } = &job.alert;
        if lately {
            log::debug!("alert {} ({label}): {why}", job.number);
        } else {
            log::warn!("alert {} ({label}): {why}; the next warning about it comes in a minute at the earliest", job.number);
        }
        self.tell(job, AlertState::Failed, Some(why));
    }
}
