//! `bench stream`: strings of utterances through sessions, and everything about them measured.
//!
//! In: clips, how they are joined, and a driver. Out: a [`Run`]. Word errors are had three ways beside the stream: each utterance
//! alone, the same audio transcribed, and what was committed alone.

use std::collections::HashMap;
use std::sync::mpsc;
use std::thread;

use super::clips::Clip;
use super::drive::Driver;
use super::environment::Environment;
use super::join::{self, Plan, Strung};
use super::run::Run;
use crate::audio::pcm::ChannelChoice;
use crate::error::{Error, ErrorKind, Result};
use crate::latency::rows::Rows;
use crate::latency::score::{self, Session, Unit};
use crate::latency::words::Spoken;

/// What is streamed.
pub struct Material {
    /// The recordings.
    pub clips: Vec<Clip>,
    /// The strings made of them.
    pub plans: Vec<Plan>,
    /// Which channel of each recording.
    pub channel: ChannelChoice,
    /// All strings in one session; each in a session of its own without.
    pub continuous: bool,
    /// From the first string again until that session has lasted so many seconds; every string once without.
    pub repeat_s: Option<f64>,
    /// Whether the word errors of utterances alone and of transcription are had as well.
    pub compare_wer: bool,
    /// Sounds that are there, of material that is a single clip.
    pub sounds: Vec<Spoken>,
}

/// Who waits for it.
pub struct Watcher<'a> {
    /// Told that so many of so many are done, and of what.
    pub progress: &'a dyn Fn(usize, usize, &str),
    /// Whether to end with what there is.
    pub stopped: &'a dyn Fn() -> bool,
}

/// Streams the material and measures it.
///
/// # Errors
/// Those of clips and sessions.
pub fn measure(driver: &Driver, material: &Material, name: &str, environment: Environment, watcher: &Watcher<'_>) -> Result<Run> {
    let texts = if material.compare_wer { Some(Texts::read(driver, material, watcher)?) } else { None };
    let mut rows = Rows::default();
    let stream = if material.continuous { continuous } else { separate };
    stream(driver, material, texts.as_ref(), &mut rows, watcher)?;
    if rows.sessions.is_empty() {
        return Err(Error::new(ErrorKind::InvalidInput, "stopped before the first string was over: nothing was measured"));
    }
    Ok(Run::new(name, driver.pace, environment, rows))
}

/// What the same audio gives without a stream.
struct Texts {
    alone: HashMap<usize, String>,
    transcribed: HashMap<String, String>,
}

impl Texts {
    fn read(driver: &Driver, material: &Material, watcher: &Watcher<'_>) -> Result<Self> {
        let mut used: Vec<usize> = material.plans.iter().flat_map(|plan| plan.parts.iter().map(|part| part.0)).collect();
        used.sort_unstable();
        used.dedup();
        let all = used.len() + material.plans.len();
        let mut texts = Self { alone: HashMap::new(), transcribed: HashMap::new() };
        for (done, clip) in used.into_iter().enumerate() {
            if (watcher.stopped)() {
                break;
            }
            (watcher.progress)(done, all, "word errors without a stream");
            let (format, samples) = material.clips[clip].audio(material.channel)?;
            texts.alone.insert(clip, driver.transcribe(format, &samples)?);
        }
        for plan in &material.plans {
            if (watcher.stopped)() {
                break;
            }
            (watcher.progress)(texts.alone.len() + texts.transcribed.len(), all, "word errors without a stream");
            let strung = join::assemble(plan, &material.clips, material.channel)?;
            texts.transcribed.insert(plan.name.clone(), driver.transcribe(strung.format, &strung.samples)?);
        }
        Ok(texts)
    }

    /// The texts of a plan's utterances, and of the whole.
    fn of(&self, plan: &Plan, clips: &[Clip]) -> (Option<Vec<(usize, String)>>, Option<String>) {
        let alone = |(clip, _): &(usize, f64)| Some((clips[*clip].words.len(), self.alone.get(clip)?.clone()));
        (plan.parts.iter().map(alone).collect(), self.transcribed.get(&plan.name).cloned())
    }
}

fn unit(name: String, plan: &Plan, strung: &Strung, start_s: f64, texts: Option<&Texts>, clips: &[Clip]) -> Unit {
    let (alone, transcribed) = texts.map_or((None, None), |texts| texts.of(plan, clips));
    let words = strung.words.iter().map(|word| word.later(start_s)).collect();
    Unit { name, start_s, end_s: start_s + strung.seconds(), words, alone, transcribed }
}

/// A session for every string.
fn separate(driver: &Driver, material: &Material, texts: Option<&Texts>, rows: &mut Rows, watcher: &Watcher<'_>) -> Result<()> {
    for (done, plan) in material.plans.iter().enumerate() {
        (watcher.progress)(done, material.plans.len(), &plan.name);
        let strung = join::assemble(plan, &material.clips, material.channel)?;
        let unit = unit(plan.name.clone(), plan, &strung, 0.0, texts, &material.clips);
        let mut samples = Some(strung.samples);
        let outcome = driver.run(strung.format, &mut || Ok(samples.take()), watcher.stopped)?;
        if (watcher.stopped)() {
            return Ok(());
        }
        let session = Session {
            name: plan.name.clone(),
            audio_s: outcome.audio_s,
            cpu_s: outcome.cpu_s,
            tally: outcome.tally,
            sounds: material.sounds.clone(),
        };
        score::add(rows, session, vec![unit], &outcome.record)?;
    }
    Ok(())
}

/// One session over all strings, again from the first when they are over, until it has lasted.
fn continuous(driver: &Driver, material: &Material, texts: Option<&Texts>, rows: &mut Rows, watcher: &Watcher<'_>) -> Result<()> {
    let rounds = (0..).flat_map(|round: u32| material.plans.iter().map(move |plan| (round, plan)));
    let mut units: Vec<Unit> = Vec::new();
    let outcome = thread::scope(|scope| {
        // The next string is read while one plays.
        let (sender, strings) = mpsc::sync_channel(1);
        scope.spawn(move || {
            for (round, plan) in rounds {
                let strung = join::assemble(plan, &material.clips, material.channel);
                let failed = strung.is_err();
                if sender.send((round, plan, strung)).is_err() || failed {
                    break;
                }
            }
        });
        let mut end_s = 0.0;
        let first = strings.recv().map_err(|_| Error::new(ErrorKind::InvalidInput, "there are no strings to play"))?;
        let format = first.2.as_ref().map_err(Clone::clone)?.format;
        let mut first = Some(first);
        let mut next = || {
            let over = material.repeat_s.map_or(units.len() == material.plans.len(), |seconds| end_s >= seconds);
            if over {
                return Ok(None);
            }
            let Some((round, plan, strung)) = first.take().or_else(|| strings.recv().ok()) else { return Ok(None) };
            let strung = strung?;
            let (done, all) = material.repeat_s.map_or((units.len(), material.plans.len()), |all| (end_s as usize, all as usize));
            (watcher.progress)(done, all, if material.repeat_s.is_some() { "seconds" } else { "strings" });
            let name = if round == 0 { plan.name.clone() } else { format!("{}-r{}", plan.name, round + 1) };
            let unit = unit(name, plan, &strung, end_s, texts, &material.clips);
            end_s = unit.end_s;
            units.push(unit);
            Ok(Some(strung.samples))
        };
        let outcome = driver.run(format, &mut next, watcher.stopped);
        drop(strings);
        outcome
    })?;
    // What was not played to its end is not measured.
    units.retain(|unit| unit.end_s <= outcome.audio_s + 0.1);
    if units.is_empty() {
        return Ok(());
    }
    let session = Session {
        name: "continuous".to_owned(),
        audio_s: outcome.audio_s,
        cpu_s: outcome.cpu_s,
        tally: outcome.tally,
        sounds: Vec::new(),
    };
    score::add(rows, session, units, &outcome.record)
}
