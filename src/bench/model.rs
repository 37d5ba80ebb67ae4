//! Models alone, stage by stage: how long a run takes, how long loading, how much memory.
//!
//! In: [`Configuration`]s and speech. Out: a [`Measured`] for each, with every duration. A stage runs unmeasured first, then for
//! some seconds; configurations that are compared take turns, so that what the machine does besides meets all of them alike.

use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use super::stages::{self, Sizes, Stage};
use crate::audio::file::AudioFile;
use crate::audio::pcm::{self, ChannelChoice};
use crate::audio::resample::Resampler;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::GraphSettings;
use crate::store::{Model, Places};
use crate::time::{SAMPLE_RATE, Stopwatch};

/// A relative spread above this makes a median doubtful; see [`Figures::spread`].
pub const DOUBTFUL_SPREAD: f64 = 0.025;
/// Recordings are read up to here, seconds.
const LONGEST_S: usize = 60;

/// How long every stage runs.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Seconds before anything is measured.
    pub warm_up_s: f64,
    /// Seconds that are measured, at least.
    pub measured_s: f64,
    /// Runs that are measured, at least.
    pub runs: usize,
}

impl Default for Effort {
    /// 0.2 s unmeasured, then at least 3 s and 10 runs.
    fn default() -> Self {
        Self { warm_up_s: 0.2, measured_s: 3.0, runs: 10 }
    }
}

/// A model and how it runs.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// Name of the model.
    pub model: String,
    /// Provider and threads.
    pub graph: GraphSettings,
}

/// What was measured of one configuration.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Name of the model.
    pub model: String,
    /// Where it ran.
    pub provider: String,
    /// Threads within an operator.
    pub threads: usize,
    /// Milliseconds that loading took: hashing the files, making the graphs, the run that proves them. The files were read before.
    pub load_ms: f64,
    /// The same in processor time of the thread that loads.
    pub load_cpu_ms: f64,
    /// MiB that the process held more afterwards, where the system tells; what models before it left over is used again.
    pub load_mib: Option<f64>,
    /// Its stages.
    pub stages: Vec<StageRuns>,
}

/// Every run of one stage.
#[derive(Clone, Debug, Serialize)]
pub struct StageRuns {
    /// The stage.
    pub stage: String,
    /// How often live audio needs it, seconds, where that is always the same.
    pub every_s: Option<f64>,
    /// Milliseconds of each run.
    pub wall_ms: Vec<f64>,
    /// Milliseconds of the processor that the calling thread used in each run; further threads' are not in it.
    pub cpu_ms: Vec<f64>,
}

/// What many durations come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// How many there are.
    pub n: usize,
    /// Half are shorter.
    pub p50: f64,
    /// Nine in ten are shorter.
    pub p90: f64,
    /// 19 in 20 are shorter.
    pub p95: f64,
    /// 99 in 100 are shorter.
    pub p99: f64,
    /// Half the distance between the quartiles, by the median.
    pub spread: f64,
}

impl Figures {
    /// Figures of `values`, in any order; `None` of none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| quantile(&sorted, share);
        let p50 = at(0.5)?;
        let spread = (at(0.75)? - at(0.25)?) / 2.0 / p50;
        Some(Self { n: sorted.len(), p50, p90: at(0.9)?, p95: at(0.95)?, p99: at(0.99)?, spread })
    }
}

/// The value that `share` of `sorted` lie below, between neighbours where it falls between them.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let (below, rest) = (place as usize, place.fract());
    let above = sorted.get(below + 1).or(sorted.get(below))?;
    Some(sorted.get(below)? * (1.0 - rest) + above * rest)
}

/// Loads and measures `configurations`, one after another, or taking turns at each stage that all of them have.
///
/// # Errors
/// Those of the store and of ONNX Runtime, and of [`stages::prepare`].
pub fn measure(
    places: &Places,
    configurations: &[Configuration],
    speech: &[f32],
    sizes: &Sizes,
    effort: Effort,
    in_turn: bool,
) -> Result<Vec<Measured>> {
    let mut all = Vec::new();
    let mut waiting: Vec<(Measured, Vec<Stage>)> = Vec::new();
    for configuration in configurations {
        let model = Model::open(places, &configuration.model)?;
        // The first reading of a file is the disk's; loading is measured with files that are in memory.
        if let Some(error) = model.verify().into_iter().next() {
            return Err(error);
        }
        waiting.push(load(&model, configuration.graph, speech, sizes)?);
        if !in_turn {
            all.append(&mut run(std::mem::take(&mut waiting), effort)?);
        }
    }
    all.append(&mut run(waiting, effort)?);
    Ok(all)
}

fn load(model: &Model, graph: GraphSettings, speech: &[f32], sizes: &Sizes) -> Result<(Measured, Vec<Stage>)> {
    let before = resident_mib();
    let prepared = stages::prepare(model, graph, speech, sizes)?;
    let measured = Measured {
        model: model.name().to_string(),
        provider: graph.provider.to_string(),
        threads: graph.threads,
        load_ms: prepared.load.wall_s * 1e3,
        load_cpu_ms: prepared.load.thread_s * 1e3,
        load_mib: prepared.resident_mib.zip(before).map(|(after, before)| after - before),
        stages: Vec::new(),
    };
    Ok((measured, prepared.stages))
}

/// Runs the stages of all that were loaded, in turn where there are several.
fn run(mut loaded: Vec<(Measured, Vec<Stage>)>, effort: Effort) -> Result<Vec<Measured>> {
    let Some((_, first)) = loaded.first() else { return Ok(Vec::new()) };
    let names: Vec<String> = first.iter().map(|stage| stage.name.clone()).collect();
    let shared = |name: &String| loaded.iter().all(|(_, stages)| stages.iter().any(|stage| stage.name == *name));
    let names: Vec<String> = names.into_iter().filter(shared).collect();
    for name in names {
        let mut turns: Vec<&mut Stage> =
            loaded.iter_mut().filter_map(|(_, stages)| stages.iter_mut().find(|stage| stage.name == name)).collect();
        for stage in &mut turns {
            let warming = Instant::now();
            while warming.elapsed().as_secs_f64() < effort.warm_up_s {
                stage.run()?;
            }
        }
        let empty = |stage: &&mut Stage| {
            let (wall_ms, cpu_ms) = (Vec::new(), Vec::new());
            StageRuns { stage: name.clone(), every_s: stage.every_s, wall_ms, cpu_ms }
        };
        let mut runs: Vec<StageRuns> = turns.iter().map(empty).collect();
        let begun = Instant::now();
        let needed_s = effort.measured_s * turns.len() as f64;
        let mut round = 0;
        while round < effort.runs || begun.elapsed().as_secs_f64() < needed_s {
            for turn in 0..turns.len() {
                // Another one is first in every round.
                let place = (turn + round) % turns.len();
                let stopwatch = Stopwatch::start();
                turns[place].run()?;
                let spent = stopwatch.spent();
                runs[place].wall_ms.push(spent.wall_s * 1e3);
                runs[place].cpu_ms.push(spent.thread_s * 1e3);
            }
            round += 1;
        }
        for ((measured, _), runs) in loaded.iter_mut().zip(runs) {
            measured.stages.push(runs);
        }
    }
    Ok(loaded.into_iter().map(|(measured, _)| measured).collect())
}

/// The ratios of two stages that took turns, round by round: `of` by `to`.
pub fn ratios(of: &[f64], to: &[f64]) -> Vec<f64> {
    of.iter().zip(to).map(|(of, to)| of / to).collect()
}

/// The first minute of a recording: its first channel at 16 kHz.
///
/// # Errors
/// Those of the file.
pub fn speech(path: &Path) -> Result<Vec<f32>> {
    let mut file = AudioFile::open(path)?;
    let format = file.format();
    let mut samples = Vec::new();
    let mut resampler = Resampler::new(format.rate_hz, 4_096)?;
    while samples.len() < LONGEST_S * SAMPLE_RATE as usize {
        let Some(block) = file.next_block()? else { break };
        let mut mono = vec![0.0; block.len() / usize::from(format.channels).max(1)];
        let picked = pcm::pick(ChannelChoice::default(), format.channels, block, &mut mono);
        resampler.process(&mono[..picked], |ready| samples.extend_from_slice(ready));
    }
    resampler.finish(|ready| samples.extend_from_slice(ready));
    if samples.is_empty() {
        return Err(Error::new(ErrorKind::Corrupt, format!("{}: has no audio", path.display())));
    }
    Ok(samples)
}

/// MiB that this process holds, where /proc tells.
pub(super) fn resident_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_fall_between_neighbours() {
        let figures = Figures::of(&[4.0, 1.0, 3.0, 2.0, 5.0]).unwrap();
        assert_eq!((figures.n, figures.p50, figures.spread), (5, 3.0, 1.0 / 3.0));
        assert!((figures.p90 - 4.6).abs() < 1e-12);
        assert_eq!(Figures::of(&[]), None);
        assert_eq!(Figures::of(&[2.0]).unwrap().p99, 2.0);
    }

    #[test]
    fn compared_stages_run_equally_often_in_turn() {
        use std::cell::RefCell;
        use std::rc::Rc;
        let order = Rc::new(RefCell::new(Vec::new()));
        let loaded = ["a", "b"].map(|name| {
            let order = Rc::clone(&order);
            let stage = Stage::new("work".to_owned(), move || {
                order.borrow_mut().push(name);
                Ok(())
            });
            let only = Stage::new(format!("only {name}"), || Ok(()));
            let measured = Measured {
                model: name.to_owned(),
                provider: "cpu".to_owned(),
                threads: 1,
                load_ms: 0.0,
                load_cpu_ms: 0.0,
                load_mib: None,
                stages: Vec::new(),
            };
            (measured, vec![stage, only])
        });
        let effort = Effort { warm_up_s: 0.0, measured_s: 0.0, runs: 3 };
        let measured = run(loaded.into(), effort).unwrap();
        assert_eq!(*order.borrow(), ["a", "b", "b", "a", "a", "b"]);
        for each in measured {
            assert_eq!(each.stages.len(), 1, "a stage that not all have is left out");
            assert_eq!(each.stages[0].wall_ms.len(), 3);
        }
    }
}
