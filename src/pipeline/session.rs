//! The session: one stream of audio in, events out. What the binary does, a program does through this.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use super::bus::{Bus, Events};
use super::engines::Engines;
use super::intake::Intake;
use super::live::{Live, Plan};
use super::meter::Meter;
use super::offline::{Offline, Stages};
use super::timed::{Timed, TimedPlan};
use super::trace::{Span, Tracer};
use crate::audio::pcm::{ChannelChoice, Format};
use crate::audio::ring::{self, Producer};
use crate::audio::source::SourceEvent;
use crate::error::{Error, ErrorKind, Result};
use crate::event::ModelInUse;
use crate::frontend::FrontEnd;
use crate::time::{Clock, SAMPLE_RATE, SamplePosition};
use crate::{sound, speech};

/// How a session keeps time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// As the audio comes, on the monotonic clock and on threads of its own: [`Session::push`] never waits, and what the session
    /// cannot keep up with becomes a gap.
    #[default]
    Live,
    /// As fast as the machine allows, on the caller's thread and on a clock that the audio moves: [`Session::push`] returns when
    /// the audio was dealt with, and the same audio gives the same events.
    Virtual,
    /// Live, simulated: on the caller's thread, on a clock that the audio and the measured time of the processor move. Events say
    /// when a live session would have emitted them, on a machine with a core free for each of its threads. Needs models that run
    /// on one thread of the processor, whose time is what is measured.
    Timed,
}

/// Seconds of pushed audio that a live session's ring holds.
const PUSH_RING_S: f64 = 10.0;

/// What a session is made of. See [`Session::builder`].
#[derive(Clone)]
pub struct SessionBuilder {
    engines: Option<Arc<Engines>>,
    pace: Pace,
    format: Option<Format>,
    choice: ChannelChoice,
    speech: speech::Settings,
    sound: sound::Settings,
    file: Option<Arc<str>>,
    ring_s: f64,
    spans: Option<Sender<Span>>,
}

impl SessionBuilder {
    /// The models to use. Required.
    #[must_use]
    pub fn engines(mut self, engines: Arc<Engines>) -> Self {
        self.engines = Some(engines);
        self
    }

    /// How the session keeps time; [`Pace::Live`] unless said.
    #[must_use]
    pub fn pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// How audio that is pushed is to be read; 16 kHz, one channel, unless said. A source brings its own format.
    #[must_use]
    pub fn input(mut self, format: Format) -> Self {
        self.format = Some(format);
        self
    }

    /// Which channel to listen to; the first unless said.
    #[must_use]
    pub fn channel(mut self, choice: ChannelChoice) -> Self {
        self.choice = choice;
        self
    }

    /// How speech becomes captions.
    #[must_use]
    pub fn speech(mut self, settings: speech::Settings) -> Self {
        self.speech = settings;
        self
    }

    /// How scores become sound events.
    #[must_use]
    pub fn sound(mut self, settings: sound::Settings) -> Self {
        self.sound = settings;
        self
    }

    /// Name of the file that every event is to carry.
    #[must_use]
    pub fn file(mut self, name: impl Into<Arc<str>>) -> Self {
        self.file = Some(name.into());
        self
    }

    /// Seconds of audio that a live session holds between [`Session::push`] and its front end: 10 unless said.
    #[must_use]
    pub fn push_ring_s(mut self, seconds: f64) -> Self {
        self.ring_s = seconds;
        self
    }

    /// Where a live or timed session tells what each stage took; hundreds of spans a second.
    #[must_use]
    pub fn trace(mut self, spans: Sender<Span>) -> Self {
        self.spans = Some(spans);
        self
    }

    /// Starts the session.
    ///
    /// # Errors
    /// `InvalidInput` without engines, for a timed session on more than one thread or another provider, or when a setting does not fit the models or the format.
    pub fn build(self) -> Result<Session> {
        let no_engines = || Error::new(ErrorKind::InvalidInput, "a session needs engines: Session::builder().engines(...)");
        let engines = self.engines.ok_or_else(no_engines)?;
        let (rate_hz, channels) = self.format.map_or((SAMPLE_RATE, 1), |format| (format.rate_hz, format.channels));
        let format = Format::new(rate_hz, channels)?;
        if self.format.is_some() || self.pace != Pace::Live {
            self.choice.check(channels)?;
        }
        if !(0.01..=600.0).contains(&self.ring_s) {
            let message = format!("push_ring_s is {}; choose 0.01 to 600 seconds", self.ring_s);
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        if self.pace != Pace::Virtual && self.speech.batch > 1 {
            let message = format!("speech setting batch is {}; it is for virtual sessions, choose 1", self.speech.batch);
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let clock = match self.pace {
            Pace::Live => Clock::real(),
            Pace::Virtual => Clock::of_audio(),
            Pace::Timed => Clock::simulated(),
        };
        let one_thread = |model: &&ModelInUse| model.threads == 1 && &*model.provider == "cpu";
        if let (Pace::Timed, Some(model)) = (self.pace, engines.models().iter().find(|model| !one_thread(model))) {
            let (name, provider, threads) = (&model.model, &model.provider, model.threads);
            let message = format!("{name} runs on {provider} with {threads} threads; a timed session measures one thread of cpu");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let bus = Bus::new(clock.clone(), self.file);
        let meter = Meter::new(clock.clone(), self.speech.refresh.most_s);
        let tracer = Tracer::new(clock.clone(), self.spans);
        let speech = engines.speech.as_ref().map(|engine| {
            let engine = engine.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            speech::Stream::new(&engine, self.speech)
        });
        let speech = speech.transpose()?;
        let sound = engines.sound.as_ref().map(|engine| {
            let engine = engine.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            Ok((FrontEnd::new(engine.features())?, sound::Stream::new(&engine, self.sound)?))
        });
        let sound: Option<(FrontEnd, sound::Stream)> = sound.transpose()?;
        let drive = match self.pace {
            Pace::Virtual => {
                let intake = Intake::new(format, self.choice, SamplePosition(0))?;
                let stages = Stages { engines, speech, sound, bus: bus.clone(), clock, meter: meter.clone() };
                Drive::Virtual(Box::new(Offline::new(intake, format.channels, stages)))
            }
            Pace::Timed => {
                let intake = Intake::new(format, self.choice, SamplePosition(0))?;
                let plan = TimedPlan { engines, speech, sound, bus: bus.clone(), clock, meter: meter.clone(), tracer };
                Drive::Timed(Box::new(Timed::new(intake, format.channels, format.rate_hz, plan)))
            }
            Pace::Live => {
                let (sources, reports) = channel();
                let plan =
                    Plan { engines, speech, sound, choice: self.choice, bus: bus.clone(), clock, meter: meter.clone(), tracer };
                let live = Live::start(plan, reports)?;
                Drive::Live { live, sources: Some(sources), pushing: None }
            }
        };
        Ok(Session { drive, bus, meter, format, ring_s: self.ring_s, finished: false })
    }
}

/// One stream of audio in, events out.
///
/// ```no_run
/// # fn samples() -> Vec<f32> { Vec::new() }
/// use auricle::{EngineSettings, Engines, EventBody, Pace, Session};
///
/// let engines = Engines::load(&EngineSettings::default())?;
/// let mut session = Session::builder().engines(engines).pace(Pace::Virtual).build()?;
/// let events = session.events();
/// session.push(&samples())?;
/// session.finish()?;
/// for event in events {
///     if let EventBody::Caption(caption) = event.body {
///         println!("{:6.2} s  {}", caption.start.seconds(), caption.text);
///     }
/// }
/// # Ok::<(), auricle::Error>(())
/// ```
pub struct Session {
    drive: Drive,
    bus: Bus,
    meter: Meter,
    format: Format,
    ring_s: f64,
    finished: bool,
}

enum Drive {
    Virtual(Box<Offline>),
    Timed(Box<Timed>),
    Live {
        live: Live,
        /// `None` once the session was finished.
        sources: Option<Sender<SourceEvent>>,
        /// The ring of pushed audio and the number of the next frame.
        pushing: Option<(Producer, u64)>,
    },
}

impl Session {
    /// A builder with every default; it needs [`engines`](SessionBuilder::engines).
    pub fn builder() -> SessionBuilder {
        SessionBuilder {
            engines: None,
            pace: Pace::default(),
            format: None,
            choice: ChannelChoice::default(),
            speech: speech::Settings::default(),
            sound: sound::Settings::default(),
            file: None,
            ring_s: PUSH_RING_S,
            spans: None,
        }
    }

    /// The events from now on. Subscribe before audio comes.
    pub fn events(&self) -> Events {
        self.bus.subscribe()
    }

    /// Publishes what became of an alert, in order with the session's own events; after the session's end it does nothing.
    pub fn teller(&self) -> impl Fn(crate::event::Alert) + Send + Sync + 'static {
        let bus = self.bus.clone();
        move |alert| bus.publish(crate::event::EventBody::Alert(alert))
    }

    /// Level, lag and position, to be read at any moment.
    pub fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// Where a source of a live session reports to; `None` for a virtual or timed session, or one that was finished. One source at a time: a
    /// new connection, pushed audio included, takes the place of the one before.
    pub fn sources(&self) -> Option<Sender<SourceEvent>> {
        match &self.drive {
            Drive::Live { sources, .. } => sources.clone(),
            Drive::Virtual(_) | Drive::Timed(_) => None,
        }
    }

    /// Takes interleaved frames in the format the builder was given, -1 to 1.
    ///
    /// Live: wait-free after the first call; frames that find no room are dropped and become a gap. Virtual: returns when every
    /// stage has dealt with them.
    ///
    /// # Errors
    /// `InvalidInput` for part of a frame, or after [`finish`](Self::finish); `Model` when a graph fails (virtual), or what ended a
    /// live session early.
    pub fn push(&mut self, interleaved: &[f32]) -> Result<()> {
        let channels = usize::from(self.format.channels);
        if !interleaved.len().is_multiple_of(channels) {
            let message = format!("{} samples are no whole number of frames of {channels} channels", interleaved.len());
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let finished = || Error::new(ErrorKind::InvalidInput, "the session was finished; build another");
        match &mut self.drive {
            Drive::Virtual(_) | Drive::Timed(_) if self.finished => Err(finished()),
            Drive::Timed(timed) => timed.push(interleaved),
            Drive::Virtual(offline) => offline.push(interleaved),
            Drive::Live { live, sources, pushing } => {
                let sources = sources.as_ref().ok_or_else(finished)?;
                if let Some(error) = live.ended() {
                    return Err(error);
                }
                if pushing.is_none() {
                    let capacity = self.format.frames_in(self.ring_s).clamp(1, 1 << 26) as usize;
                    let (producer, consumer) = ring::ring(channels, capacity, capacity.div_ceil(32).clamp(64, 1 << 16));
                    let connected =
                        SourceEvent::Connected { consumer, format: self.format, name: "pushed audio".to_owned(), again: false };
                    sources.send(connected).map_err(|_| finished())?;
                    *pushing = Some((producer, 0));
                }
                if let Some((producer, next_frame)) = pushing {
                    producer.push(*next_frame, interleaved, Instant::now());
                    *next_frame += (interleaved.len() / channels) as u64;
                }
                Ok(())
            }
        }
    }

    /// Ends the session: what was pushed or captured is dealt with to the end, the last segment becomes a final, and the events
    /// end. A second call does nothing.
    ///
    /// # Errors
    /// The first thing that failed in the session: a model, or its source.
    pub fn finish(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.finished, true) {
            return Ok(());
        }
        let result = match &mut self.drive {
            Drive::Virtual(offline) => offline.finish(),
            Drive::Timed(timed) => timed.finish(),
            Drive::Live { live, sources, pushing } => {
                (*sources, *pushing) = (None, None);
                live.finish()
            }
        };
        self.bus.close();
        result
    }
}
