//! The provider `tract`: the same decisions as ONNX Runtime's on real audio, and a program that looks for no library.
//!
//! In: the models, a recording of speech, ESC-10 where it is there. Out: how far scores are apart. `make tract` runs this; models that
//! were not fetched are skipped with a line that says so, and fail with `CI` set.

#![cfg(feature = "tract")]

mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use auricle::bench::model::speech;
use auricle::frontend::FrontEnd;
use auricle::frontend::recipe::Recipe;
use auricle::model::silero::{Silero, SileroState, WINDOW};
use auricle::runtime::{Graph, GraphSettings, Input, Outlet, Provider, StoredIntegers};
use auricle::store::{self, Model, Places};
use auricle::time::SamplePosition;
use auricle::{Error, ErrorKind};
use program::{Ended, Program, auricle, recording};
use serde::Deserialize;

const TRACT: GraphSettings = GraphSettings { provider: Provider::Tract, threads: 1 };
/// Probabilities of the two may be so far apart.
const PROBABILITY: f32 = 1e-4;
/// What share of YAMNet's logits may differ by a step of their 256, and by more: where a sum falls between two steps, the order in which
/// it is taken decides, in each of 27 layers. Measured: .053 and .010.
const DIFFERENT: f64 = 0.08;
const BY_MORE_THAN_ONE: f64 = 0.02;

/// The model `name`, or nothing when it was not fetched and need not be.
fn model(name: &str) -> Option<Model> {
    let fetched = store::library().and_then(|_| Model::open(&Places::find(), name));
    match fetched.and_then(|model| if model.is_fetched() { Ok(model) } else { Err(not_fetched(name)) }) {
        Ok(model) => Some(model),
        Err(error) if std::env::var_os("CI").is_none() => {
            println!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn not_fetched(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("{name}: not fetched; 'make models' fetches it"))
}

/// Recordings, each by its first minute: one of speech, and of ESC-10 the first clips where they are there.
fn recordings() -> Vec<Vec<f32>> {
    let clips = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/esc10");
    let mut paths = vec![recording("two_cities.wav")];
    let mut found: Vec<PathBuf> = walk(&clips);
    found.sort();
    match found.len() {
        0 => println!("skipped ESC-10: it is not in {}", clips.display()),
        // Every thirteenth, which is of another class and another fold.
        _ => paths.extend(found.into_iter().step_by(13).take(16)),
    }
    paths.iter().map(|path| speech(path).unwrap()).collect()
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).filter(|path| audio(path)).collect()
}

fn audio(path: &Path) -> bool {
    path.extension().is_some_and(|extension| ["wav", "ogg", "flac"].iter().any(|known| extension == *known))
}

#[test]
fn silero_hears_the_same_speech() {
    let Some(model) = model("silero-vad") else { return };
    let [mut reference, mut tract] = [GraphSettings::default(), TRACT].map(|settings| Silero::load(&model, settings).unwrap());
    let (mut windows, mut spoken, mut apart) = (0, 0, 0.0_f32);
    for samples in recordings() {
        let mut states = [SileroState::default(), SileroState::default()];
        for window in samples.as_chunks::<WINDOW>().0 {
            let expected = reference.probability(&mut states[0], window).unwrap();
            let found = tract.probability(&mut states[1], window).unwrap();
            apart = apart.max((expected - found).abs());
            windows += 1;
            spoken += usize::from(expected > 0.5);
        }
    }
    println!("Silero: {windows} windows, {spoken} of speech, at most {apart:e} apart");
    assert!(spoken > 500 && windows > spoken, "{spoken} of {windows} windows are of speech");
    assert!(apart < PROBABILITY, "{apart} apart");
}

/// How logits of two runs of a quantised graph differ, in steps from one logit to the next.
#[derive(Debug, Default)]
struct Steps {
    logits: u32,
    differ: u32,
    by_more_than_one: u32,
    most: u8,
    patches: u32,
    same_first: u32,
}

impl Steps {
    fn add(&mut self, these: &[u8], those: &[u8]) {
        assert_eq!(these.len(), those.len());
        self.logits += these.len() as u32;
        self.differ += these.iter().zip(those).filter(|(this, that)| this != that).count() as u32;
        self.by_more_than_one += these.iter().zip(those).filter(|(this, that)| this.abs_diff(**that) > 1).count() as u32;
        self.most = these.iter().zip(those).map(|(this, that)| this.abs_diff(*that)).fold(self.most, u8::max);
        self.patches += 1;
        // The first of those that are highest in one is among the highest of the other.
        let highest = |logits: &[u8]| logits.iter().copied().max();
        let place = these.iter().position(|logit| Some(*logit) == highest(these)).unwrap();
        self.same_first += u32::from(Some(those[place]) == highest(those));
    }

    fn shares(&self) -> [f64; 2] {
        [self.differ, self.by_more_than_one].map(|count| f64::from(count) / f64::from(self.logits))
    }
}

#[derive(Deserialize)]
struct Quantisation {
    input_scale: f32,
    input_zero_point: u8,
}

/// tract computes the graph as it is written: floats between roundings to 8 bits. ONNX Runtime does so where it is told to keep stored
/// integers apart; as Auricle runs YAMNet, it fuses them into sums of integers, which round elsewhere.
#[test]
fn yamnet_gives_the_logits_of_the_graph_as_it_is_written() {
    let Some(model) = model("yamnet") else { return };
    let recipe: Recipe = model.section("recipe").unwrap();
    let quantisation: Quantisation = model.section("quantisation").unwrap();
    let path = model.file("model").unwrap();
    let load = |settings, integers| Graph::load_with(&path, settings, integers).unwrap();
    let mut written = load(GraphSettings::default(), StoredIntegers::BecomeFloats);
    let mut fused = load(GraphSettings::default(), StoredIntegers::Stay);
    let mut tract = load(TRACT, StoredIntegers::Stay);
    let (mut to_written, mut to_fused, mut fused_to_written) = (Steps::default(), Steps::default(), Steps::default());
    for samples in recordings() {
        let mut features = Vec::new();
        let quantise =
            |value: &f32| ((value / quantisation.input_scale).round_ties_even() + f32::from(quantisation.input_zero_point)) as u8;
        let mut front_end = FrontEnd::log_mel(&recipe).unwrap();
        front_end.push(SamplePosition(0), &samples, &mut |_, log_mel| features.extend(log_mel.iter().map(quantise)));
        for patch in features.chunks_exact(96 * recipe.mels) {
            let shape = [1, 1, 96, recipe.mels];
            let run =
                |graph: &mut Graph| graph.run(&[Input::u8("audio", &shape, patch)]).unwrap().u8("class_scores").unwrap().to_vec();
            let [written, fused, tract] = [&mut written, &mut fused, &mut tract].map(run);
            to_written.add(&tract, &written);
            to_fused.add(&tract, &fused);
            fused_to_written.add(&written, &fused);
        }
    }
    println!("YAMNet: tract and the graph as written: {to_written:?}, shares {:.4?}", to_written.shares());
    println!("YAMNet: tract and the fused graph: {to_fused:?}, shares {:.4?}", to_fused.shares());
    println!("YAMNet: ONNX Runtime's own two: {fused_to_written:?}, shares {:.4?}", fused_to_written.shares());
    assert!(to_written.patches > 50 && to_written.logits == 521 * to_written.patches);
    let [differ, by_more_than_one] = to_written.shares();
    assert!(differ < DIFFERENT && by_more_than_one < BY_MORE_THAN_ONE, "{to_written:?}");
    assert_eq!(to_written.same_first, to_written.patches, "the first class is another");
    // tract is no further from what Auricle hears with by default than ONNX Runtime is from itself.
    assert!(to_fused.shares()[0] < fused_to_written.shares()[0] + DIFFERENT, "{to_fused:?}, {fused_to_written:?}");
}

/// The two graphs alone, as live audio runs them: a window at a time, and several, which is another size to plan for.
#[test]
fn the_audio_transformer_gives_the_same_scores() {
    let Some(model) = model("audio-transformer") else { return };
    let graphs = |settings| ["window", "classifier"].map(|role| Graph::load(&model.file(role).unwrap(), settings).unwrap());
    let [mut reference, mut tract] = [graphs(GraphSettings::default()), graphs(TRACT)];
    let (mut apart, mut decisions, mut sure) = (0.0_f32, 0, 0.0_f32);
    for samples in recordings() {
        for second in samples.as_chunks::<16_000>().0 {
            let [expected, found] = [&mut reference, &mut tract].map(|[window, classifier]| {
                let one_by_one: Vec<f32> =
                    second.chunks(400).flat_map(|samples| first_output(window, &[1, 400], samples)).collect();
                let at_once: Vec<f32> =
                    second.chunks(3_200).flat_map(|samples| first_output(window, &[8, 400], samples)).collect();
                assert!(furthest(&one_by_one, &at_once) < 1e-4, "windows are independent of one another");
                first_output(classifier, &[1, 40, one_by_one.len() / 40], &one_by_one)
            });
            apart = apart.max(furthest(&expected, &found));
            sure = expected.iter().copied().fold(sure, f32::max);
            decisions += 1;
        }
    }
    println!("Audio Transformer: {decisions} decisions, at most {apart:e} apart; the surest is {sure}");
    assert!(decisions > 50 && sure > 0.1);
    assert!(apart < PROBABILITY, "{apart} apart");
}

fn first_output(graph: &mut Graph, shape: &[usize], values: &[f32]) -> Vec<f32> {
    let [input, output] = [graph.inputs(), graph.outputs()].map(|outlets| outlets[0].name().to_owned());
    let outputs = graph.run(&[Input::f32(&input, shape, values)]).unwrap();
    outputs.f32(&output).unwrap().to_vec()
}

fn furthest(these: &[f32], those: &[f32]) -> f32 {
    assert_eq!(these.len(), those.len());
    these.iter().zip(those).map(|(this, that)| (this - that).abs()).fold(0.0, f32::max)
}

/// A size that a graph leaves to the run is fixed by each run, and its contract is the one ONNX Runtime tells.
#[test]
fn a_graph_of_another_size_each_time_is_the_same_graph() {
    let Some(model) = model("moonshine-tiny-en") else { return };
    let path = model.file("stem").unwrap();
    let [mut reference, mut tract] = [GraphSettings::default(), TRACT].map(|settings| Graph::load(&path, settings).unwrap());
    for (told, expected) in [(tract.inputs(), reference.inputs()), (tract.outputs(), reference.outputs())] {
        let names = |outlets: &[Outlet]| -> Vec<String> { outlets.iter().map(|outlet| outlet.name().to_owned()).collect() };
        assert_eq!(names(told), names(expected));
        let shapes =
            told.iter().zip(expected).map(|(told, expected)| (told.dtype().tensor_shape(), expected.dtype().tensor_shape()));
        shapes.for_each(|(told, expected)| assert_eq!(told, expected));
    }
    let samples = speech(&recording("two_cities.wav")).unwrap();
    for length in [8_000, 16_000, 8_000, 9_000, 10_000, 11_000, 12_000, 16_000] {
        let [expected, found] = [&mut reference, &mut tract].map(|graph| first_output(graph, &[1, length], &samples[..length]));
        let loudest = expected.iter().copied().fold(0.0, |most: f32, value| most.max(value.abs()));
        assert!(furthest(&expected, &found) < 1e-4 * loudest, "{length} samples: {} apart", furthest(&expected, &found));
    }
}

#[test]
fn what_a_run_is_given_wrongly_is_told() {
    let Some(model) = model("silero-vad") else { return };
    let mut graph = Graph::load(&model.file("model").unwrap(), TRACT).unwrap();
    let (samples, state) = ([0.0; 576], [0.0; 256]);
    let given = |shape: &'static [usize]| Input::f32("input", shape, &samples);
    let state = Input::f32("state", &[2, 1, 128], &state);
    for (inputs, says) in [
        (vec![given(&[1, 576])], "nothing was given to input 'state'"),
        (vec![given(&[1, 576]), state, Input::f32("sr", &[], &[16_000.0])], "there is no input 'sr'"),
        (vec![given(&[1, 577]), state], "input 'input'"),
        (vec![given(&[576, 1]), state], "takes [1, 576]"),
        (vec![Input::u8("input", &[1, 576], &[0; 576]), state], "takes f32"),
    ] {
        let error = graph.run(&inputs).map(drop).unwrap_err();
        println!("{error}");
        assert_eq!(error.kind(), ErrorKind::Model);
        assert!(error.message().contains("run failed: ") && error.message().contains(says), "{error}");
    }
    let outputs = graph.run(&[state, given(&[1, 576])]).unwrap();
    assert_eq!(outputs.f32("output").unwrap().len(), 1);
    assert!(outputs.u8("output").unwrap_err().message().contains("run failed"));
    assert!(outputs.f32("outputs").unwrap_err().message().contains("gave no output 'outputs'"));
}

/// Cut or altered, a graph is an error or it runs; it is never a panic that leaves the library.
#[test]
fn a_graph_that_is_damaged_is_refused() {
    let Some(model) = model("silero-vad") else { return };
    let whole = fs::read(model.file("model").unwrap()).unwrap();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = folder.path().join("model.onnx");
    let load = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        Graph::load(&path, TRACT).map(drop)
    };
    for bytes in [&b""[..], b"not a graph", &whole[..100], &whole[..whole.len() / 2], &whole[..whole.len() - 1]] {
        let error = load(bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Model);
        assert!(error.message().contains("tract cannot load it") && error.message().contains("--provider cpu"), "{error}");
    }
    let mut refused = 0;
    for number in 0..40 {
        let mut bytes = whole.clone();
        let place = 40 + number * 331;
        bytes[place] ^= 0x55;
        refused += usize::from(load(&bytes).is_err());
    }
    assert!(refused > 0, "none of 40 altered graphs was refused");
    assert_eq!(load(&whole), Ok(()));
}

/// A library that is not there.
const NOWHERE: &str = "/nowhere/libonnxruntime.so";

/// The program, where no library is to be found.
fn without_library() -> Command {
    let mut command = auricle();
    command.env("AURICLE_ONNXRUNTIME", NOWHERE);
    command
}

fn run(command: &mut Command) -> Ended {
    Program::start(command).finish()
}

#[test]
fn files_are_tagged_where_there_is_no_library() {
    if model("yamnet").is_none() {
        return;
    }
    let tag = |mut command: Command, more: &[&str]| {
        command.args(["tag", "--model", "yamnet", "--scores"]).args(more);
        run(command.arg(recording("beckett.wav")))
    };
    let (with, without) = (tag(auricle(), &[]), tag(without_library(), &[]));
    assert_eq!((with.code, without.code), (Some(0), Some(1)), "{without:?}");
    for part in [NOWHERE, "--provider tract"] {
        assert!(without.stderr.contains(part), "'{part}' is not in: {}", without.stderr);
    }
    for more in [&["--provider", "tract"][..], &["--provider", "tract", "--library", NOWHERE]] {
        let tract = tag(without_library(), more);
        assert_eq!((tract.code, tract.lines.len()), (Some(0), with.lines.len()), "{tract:?}");
    }
}

#[test]
fn captions_say_that_they_need_the_library() {
    if model("moonshine-tiny-en").is_none() {
        return;
    }
    for words in [["listen", "--input"], ["transcribe", "--format=text"]] {
        let ended = run(without_library().args(words).arg(recording("beckett.wav")).args(["--provider", "tract"]));
        assert_eq!((ended.code, ended.lines.len()), (Some(1), 0), "{ended:?}");
        for part in ["moonshine-tiny-en", "captions need ONNX Runtime", "--provider cpu", "auricle tag"] {
            assert!(ended.stderr.contains(part), "'{part}' is not in: {}", ended.stderr);
        }
    }
}

#[test]
fn a_second_thread_is_refused() {
    if model("yamnet").is_none() {
        return;
    }
    let ended = run(without_library().args(["tag", "--provider", "tract", "--threads", "2"]).arg(recording("beckett.wav")));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("one thread") && ended.stderr.contains("--threads"), "{}", ended.stderr);
}
