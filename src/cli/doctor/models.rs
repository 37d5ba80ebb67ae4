//! What `auricle doctor` finds about the ONNX Runtime library, the models, and where they run.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use auricle::runtime::{self, GraphSettings, Provider};
use auricle::store::Model;

use super::super::args::{Doctor, VAD};
use super::super::models::prove;
use super::report::Report;
use super::within;

/// What comes before the version in a symbol's name, and how far into the library such names are looked for.
const SYMBOL_VERSION: &[u8] = b"VERS_";
const SYMBOLS_BYTES: u64 = 4 << 20;
/// How long a GPU may take until a model has run on it: TensorRT builds an engine first.
const GPU_TIMEOUT: Duration = Duration::from_secs(60);

/// Where the library is, and its version.
pub fn library(report: &mut Report, arguments: &Doctor) -> Result<()> {
    let provider = arguments.run.provider;
    if !provider.needs_library() {
        return report.ok("library", &format!("none is needed by provider {provider}"));
    }
    match arguments.run.load_library() {
        Ok(()) => {
            let path = runtime::library_path().unwrap_or_default();
            // One that was loaded is at least this.
            let version = version(&path).unwrap_or_else(|| "1.20 or later".to_owned());
            report.ok("library", &format!("ONNX Runtime {version}, {}", path.display()))
        }
        Err(error) => report.problem("library", error.message()),
    }
}

/// The version that the library's symbols carry, `VERS_1.31.1`: ONNX Runtime's description of its build need not have it.
fn version(library: &Path) -> Option<String> {
    let mut head = Vec::new();
    // Names of symbols come before code.
    File::open(library).ok()?.take(SYMBOLS_BYTES).read_to_end(&mut head).ok()?;
    let at = head.windows(SYMBOL_VERSION.len()).position(|bytes| bytes == SYMBOL_VERSION)? + SYMBOL_VERSION.len();
    let digits = head[at..].iter().map(|&byte| char::from(byte)).take_while(|c| c.is_ascii_digit() || *c == '.');
    Some(digits.take(20).collect::<String>()).filter(|version| version.contains('.'))
}

/// The models that captions need, every file by its hash and each run once; of the others, their files.
pub fn models(report: &mut Report, arguments: &Doctor) -> Result<()> {
    let places = arguments.run.places();
    let needed = needed(arguments);
    for name in &needed {
        match Model::open(&places, name) {
            Ok(model) => check(report, &model, arguments.run.graph())?,
            Err(error) => report.problem("model", error.message())?,
        }
    }
    for name in places.names().iter().filter(|name| !needed.contains(name)) {
        let wrong = match Model::open(&places, name) {
            Ok(model) if !model.is_fetched() => vec![format!("{name}: not fetched, and not needed; 'make models' fetches it")],
            Ok(model) => model.verify().iter().map(|error| error.message().to_owned()).collect(),
            Err(error) => vec![error.message().to_owned()],
        };
        match wrong.as_slice() {
            [] => report.ok("model", &format!("{name}: every file is right; not run, as it is not in use"))?,
            wrong => wrong.iter().try_for_each(|wrong| report.note("model", wrong))?,
        }
    }
    Ok(())
}

fn needed(arguments: &Doctor) -> Vec<String> {
    let sounds = Some(arguments.sounds.clone()).filter(|name| name != "off");
    [arguments.model.clone(), VAD.to_owned()].into_iter().chain(sounds).collect()
}

fn check(report: &mut Report, model: &Model, settings: GraphSettings) -> Result<()> {
    let wrong = model.verify();
    if !wrong.is_empty() {
        return wrong.iter().try_for_each(|error| report.problem("model", error.message()));
    }
    let files = format!("{}: every file is right ({:.0} MB)", model.name(), model.bytes() as f64 / 1e6);
    if settings.provider.needs_library() && runtime::library_path().is_none() {
        return report.note("model", &format!("{files}; not run, as there is no library"));
    }
    let started = Instant::now();
    match prove(model, settings) {
        Ok(ran_on) => {
            let took = started.elapsed().as_secs_f64();
            report.ok("model", &format!("{files}; loaded and run in {took:.1} s on {ran_on}"))
        }
        Err(error) => report.problem("model", error.message()),
    }
}

/// The providers that were not asked for: what else models could run on here.
pub fn providers(report: &mut Report, arguments: &Doctor) -> Result<()> {
    let asked = arguments.run.graph();
    let model = Model::open(&arguments.run.places(), &arguments.model).ok().filter(Model::is_fetched);
    let Some(model) = model.filter(|_| runtime::library_path().is_some()) else { return Ok(()) };
    for (name, provider) in [("cuda", Provider::Cuda { device: 0 }), ("tensorrt", Provider::TensorRt { device: 0 })] {
        if asked.provider == provider {
            // The models above ran on it, or it was told why not.
            continue;
        }
        let model = model.clone();
        match within(GPU_TIMEOUT, move || prove(&model, GraphSettings { provider, ..asked })) {
            Some(Ok(ran_on)) => report.ok(name, &format!("{} ran on {ran_on}; --provider {name} uses it", arguments.model))?,
            Some(Err(error)) => {
                report.note(name, &format!("cannot be used here, and is not asked for: {}", reason(error.message())))?
            }
            None => {
                report.note(name, &format!("did not run a model within {} s, and is not asked for", GPU_TIMEOUT.as_secs()))?;
            }
        }
    }
    Ok(())
}

/// The heart of what ONNX Runtime says: its messages begin with where in its source they come from.
fn reason(message: &str) -> &str {
    const MOST: usize = 160;
    let told = message.split_once("cannot be used: ").map_or(message, |(_, told)| told);
    let told = told.split("; choose another").next().unwrap_or(told);
    told.char_indices().nth(MOST).map_or(told, |(end, _)| &told[..end])
}
