//! `auricle bench model`: models alone, stage by stage, by threads and provider.
//!
//! In: names of models. Out: a table, ratios where configurations are compared, and JSON with every run.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use auricle::bench::model::{self, Configuration, DOUBTFUL_SPREAD, Effort, Figures, Measured, StageRuns};
use auricle::bench::stages::Sizes;
use auricle::runtime::{GraphSettings, Provider};
use auricle::store::Places;
use clap::Args;

use crate::cli::args::load_library;
use crate::cli::table;

/// Recording of real speech that comes with a model.
const SPEECH: (&str, &str) = ("moonshine-tiny-en", "two_cities.wav");

/// Measure models alone: each stage's time, loading and memory.
///
/// Every stage runs 0.2 s unmeasured, then at least 3 s and 10 times, on real speech. With --compare all configurations are
/// loaded and take turns at each stage that they share; ratios are to the first. Times are of one process: memory that a model
/// left over serves the next, so for memory measure one at a time. Processor time is that of the calling thread: with more threads
/// the others' is not in it.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  auricle bench model moonshine-tiny-en silero-vad yamnet
  auricle bench model yamnet audio-transformer             % of a core: what live audio costs, a decision every so often
  auricle bench model moonshine-tiny-en --threads 1,2 --compare
  auricle bench model moonshine-tiny-en moonshine-base-en --seconds 2.5 --tokens 1,8 --compare --json models.json")]
pub struct Model {
    /// Models to measure
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// Threads of each model, one configuration each
    #[arg(long, value_name = "N,...", default_value = "1", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Vec<u16>,
    /// Where models run, one configuration each: cpu, cuda[:N], tensorrt[:N], or tract in a build that has it
    #[arg(long, value_name = "PROVIDER,...", default_value = "cpu", value_delimiter = ',')]
    pub provider: Vec<Provider>,
    /// Lengths of speech that encoders and transcriptions are given, seconds, 0.1 to 60
    #[arg(long, value_name = "S,...", default_value = "1,2.5,5", value_delimiter = ',', value_parser = seconds)]
    pub seconds: Vec<f64>,
    /// Tokens in a call of the decoder
    #[arg(long, value_name = "N,...", default_value = "1,2,4,8,16", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=128))]
    pub tokens: Vec<u16>,
    /// Take turns and print ratios
    #[arg(long)]
    pub compare: bool,
    /// Recording of speech [default: two_cities.wav of moonshine-tiny-en]
    #[arg(long, value_name = "FILE")]
    pub audio: Option<PathBuf>,
    /// File for every run's duration, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// The only folder of models
    #[arg(long, value_name = "DIR")]
    pub models_dir: Option<PathBuf>,
    /// ONNX Runtime library, 1.20 or later
    #[arg(long, value_name = "PATH")]
    pub library: Option<PathBuf>,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("'{text}' is not a number of seconds"))?;
    if (0.1..=60.0).contains(&seconds) { Ok(seconds) } else { Err(format!("{seconds} s; expected 0.1 to 60")) }
}

/// Measures and prints.
pub fn run(arguments: &Model) -> Result<ExitCode> {
    let places = arguments.models_dir.clone().map_or_else(Places::find, Places::only);
    let audio = match &arguments.audio {
        Some(path) => path.clone(),
        None => places.model(SPEECH.0).context("real speech is needed; name a recording with --audio")?.join(SPEECH.1),
    };
    let speech = model::speech(&audio)?;
    load_library(&arguments.provider, arguments.library.as_deref())?;
    let mut configurations = Vec::new();
    for name in &arguments.names {
        for &provider in &arguments.provider {
            for &threads in &arguments.threads {
                let graph = GraphSettings { provider, threads: threads.into() };
                configurations.push(Configuration { model: name.clone(), graph });
            }
        }
    }
    let tokens = arguments.tokens.iter().copied().map(usize::from).collect();
    let sizes = Sizes { seconds: arguments.seconds.clone(), tokens };
    let measured = model::measure(&places, &configurations, &speech, &sizes, Effort::default(), arguments.compare)?;
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&measured)?;
        std::fs::write(path, text + "\n").with_context(|| format!("{}: cannot be written", path.display()))?;
    }
    table::print(&report(&measured, arguments.compare))?;
    Ok(ExitCode::SUCCESS)
}

/// The tables, with a warning below for what is doubtful.
fn report(measured: &[Measured], compared: bool) -> String {
    let cells = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
    let mut loads = vec![cells(&["model", "where", "threads", "load ms", "load cpu ms", "more resident, MiB"])];
    let mut rows = vec![cells(&[
        "model",
        "where",
        "threads",
        "stage",
        "n",
        "p50 ms",
        "p90",
        "p95",
        "p99",
        "caller's cpu p50",
        "% of a core",
        "spread %",
    ])];
    let mut doubtful = 0;
    for each in measured {
        let threads = each.threads.to_string();
        let mut row = cells(&[&each.model, &each.provider, &threads]);
        let mib = each.load_mib.map_or_else(|| "-".to_owned(), |mib| format!("{mib:.0}"));
        row.extend([format!("{:.0}", each.load_ms), format!("{:.0}", each.load_cpu_ms), mib]);
        loads.push(row);
        for stage in &each.stages {
            let (Some(wall), Some(cpu)) = (Figures::of(&stage.wall_ms), Figures::of(&stage.cpu_ms)) else { continue };
            doubtful += usize::from(wall.spread > DOUBTFUL_SPREAD);
            let mut row = cells(&[&each.model, &each.provider, &threads, &stage.stage]);
            row.push(wall.n.to_string());
            row.extend([wall.p50, wall.p90, wall.p95, wall.p99, cpu.p50].map(|ms| format!("{ms:.3}")));
            let share = stage.every_s.map_or_else(|| "-".to_owned(), |every_s| format!("{:.2}", cpu.p50 / (10.0 * every_s)));
            row.extend([share, format!("{:.1}", 100.0 * wall.spread)]);
            rows.push(row);
        }
    }
    let mut text = table::lined_up(&loads) + "\n" + &table::lined_up(&rows);
    if let [first, others @ ..] = measured
        && compared
        && !others.is_empty()
    {
        text += "\n";
        text += &table::lined_up(&compare(first, others));
    }
    if doubtful > 0 {
        let limit = 100.0 * DOUBTFUL_SPREAD;
        text += &format!(
            "\n{doubtful} stages spread by more than {limit} %: something else ran, or the clock changed; processor time suffers less\n"
        );
    }
    text
}

/// Ratios to `first`, round by round.
fn compare(first: &Measured, others: &[Measured]) -> Vec<Vec<String>> {
    let name = |each: &Measured| format!("{} on {}, {} threads", each.model, each.provider, each.threads);
    let head = ["stage", "of", "to", "wall ratio p50", "caller's cpu ratio p50", "spread %"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for base in &first.stages {
        for other in others {
            let Some(stage) = other.stages.iter().find(|stage| stage.stage == base.stage) else { continue };
            let of = |part: fn(&StageRuns) -> &Vec<f64>| Figures::of(&model::ratios(part(stage), part(base)));
            let (Some(wall), Some(cpu)) = (of(|runs| &runs.wall_ms), of(|runs| &runs.cpu_ms)) else { continue };
            let figures = [format!("{:.3}", wall.p50), format!("{:.3}", cpu.p50), format!("{:.1}", 100.0 * wall.spread)];
            rows.push([base.stage.clone(), name(other), name(first)].into_iter().chain(figures).collect());
        }
    }
    rows
}
