//! The stages of a model that reads speech: its graphs, one by one, and whole transcriptions with and without a draft.
//!
//! In: the model, how to run it, 16 kHz speech, the lengths to measure. Out: [`Stage`]s. Audio is always audio that the model has not
//! heard.

use std::cell::RefCell;
use std::rc::Rc;

use ort::value::{DynValue, Tensor};
use serde::Deserialize;

use super::stages::{Sizes, Stage};
use crate::decode::Prior;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Transcriber;
use crate::model::moonshine::Moonshine;
use crate::model::whisper::{LogMel, Whisper};
use crate::runtime::{BoundGraph, Graph, GraphSettings, Memory, Outlet, StoredIntegers, failed_run};
use crate::store::Model;
use crate::time::SAMPLE_RATE;

/// Tokens that a measured step comes after, at most.
const PAST_TOKENS: usize = 8;
/// The decoder's input that is not keys or values.
const TOKENS: &str = "input_ids";
/// Its input that says which frames are the audio's.
const MASK: &str = "encoder_mask";

type Shared = Rc<RefCell<BoundGraph>>;

/// The stages from audio to the encoder's states: of so many seconds, the audio; with the states.
type Front<'a> = &'a mut dyn FnMut(f64, &[f32]) -> Result<(Vec<Stage>, DynValue)>;

/// The stages of Moonshine.
pub(super) fn of_moonshine(
    model: &Model,
    moonshine: Moonshine,
    settings: GraphSettings,
    speech: &[f32],
    sizes: &Sizes,
) -> Result<Vec<Stage>> {
    let stem = bound(model, "stem", settings)?;
    let encoder = bound(model, "encoder", settings)?;
    let mut front = |seconds: f64, audio: &[f32]| {
        let input = floats(&stem.borrow(), vec![1, audio.len()], audio.to_vec())?;
        let heard = run_on(&stem, &input)?;
        let convolved = heard.into_iter().next().ok_or_else(|| stem.borrow().graph().error("gave nothing"))?;
        // Their values make no difference to the time.
        for name in ["mean", "variance"] {
            let value = floats(&encoder.borrow(), vec![1], vec![0.1])?;
            encoder.borrow_mut().give(name, &value)?;
        }
        let states = run_on(&encoder, &convolved)?.pop().ok_or_else(|| encoder.borrow().graph().error("gave no states"))?;
        let (stem, encoder) = (Rc::clone(&stem), Rc::clone(&encoder));
        let stages = vec![
            Stage::new(format!("stem, {seconds} s"), move || run_on(&stem, &input).map(drop)),
            Stage::new(format!("encoder, {seconds} s"), move || run_on(&encoder, &convolved).map(drop)),
        ];
        Ok((stages, states))
    };
    of_transcriber(model, moonshine, settings, speech, sizes, &mut front)
}

/// The stages of Whisper. Its encoder hears as much as the manifest says.
pub(super) fn of_whisper(
    model: &Model,
    whisper: Whisper,
    settings: GraphSettings,
    speech: &[f32],
    sizes: &Sizes,
) -> Result<Vec<Stage>> {
    let encoder = bound(model, "encoder", settings)?;
    let mels = whisper.mels();
    let lengths: Vec<(f64, usize)> =
        sizes.seconds.iter().map(|seconds| (*seconds, whisper.heard_samples(samples_in(*seconds)))).collect();
    let mut front = |seconds: f64, audio: &[f32]| {
        let mut heard = audio.to_vec();
        let length = lengths.iter().find(|(of, _)| *of == seconds).map_or(audio.len(), |(_, length)| *length);
        heard.resize(length, 0.0);
        let mut log_mel = LogMel::new(mels);
        let mel = log_mel.compute(&heard);
        let mel = floats(&encoder.borrow(), vec![1, mels, mel.len() / mels], mel)?;
        let states = run_on(&encoder, &mel)?.pop().ok_or_else(|| encoder.borrow().graph().error("gave no states"))?;
        let encoder = Rc::clone(&encoder);
        let heard_s = length as f64 / f64::from(SAMPLE_RATE);
        let of_mel = move || {
            std::hint::black_box(log_mel.compute(&heard));
            Ok(())
        };
        let stages = vec![
            Stage::new(format!("log-mel, {seconds} s as {heard_s} s"), of_mel),
            Stage::new(format!("encoder, {seconds} s as {heard_s} s"), move || run_on(&encoder, &mel).map(drop)),
        ];
        Ok((stages, states))
    };
    of_transcriber(model, whisper, settings, speech, sizes, &mut front)
}

fn of_transcriber(
    model: &Model,
    mut transcriber: impl Transcriber + 'static,
    settings: GraphSettings,
    speech: &[f32],
    sizes: &Sizes,
    front: Front<'_>,
) -> Result<Vec<Stage>> {
    let cross_kv = bound(model, "cross_kv", settings)?;
    let mut stages = Vec::new();
    let mut longest: Option<(f64, Vec<DynValue>, Vec<u32>)> = None;
    let mut whole = Vec::new();
    for &seconds in &sizes.seconds {
        let audio = speech.get(..samples_in(seconds)).ok_or_else(|| {
            let there = speech.len() as f64 / f64::from(SAMPLE_RATE);
            let message = format!("{seconds} s of speech asked for, {there:.1} s there; name a longer recording with --audio");
            Error::new(ErrorKind::InvalidInput, message)
        })?;
        let (of_front, states) = front(seconds, audio)?;
        let cross = run_on(&cross_kv, &states)?;
        let tokens = transcriber.transcribe(audio, Prior::default())?.tokens;
        if longest.as_ref().is_none_or(|(before, ..)| *before < seconds) {
            longest = Some((seconds, cross, tokens.clone()));
        }
        let states_of = Rc::clone(&cross_kv);
        stages.extend(of_front);
        stages.push(Stage::new(format!("cross_kv, {seconds} s"), move || run_on(&states_of, &states).map(drop)));
        whole.push((seconds, audio, tokens));
    }
    if let Some((seconds, cross, tokens)) = longest {
        let names: Vec<String> = cross_kv.borrow().graph().outputs().iter().map(|output| output.name().to_owned()).collect();
        let start: StartToken = model.section(&model.manifest().family.to_string())?;
        let read: Vec<i64> = [start.start_token].iter().chain(&tokens).copied().map(i64::from).collect();
        let step = bound_graph(model, "step", settings)?;
        let step = Rc::new(RefCell::new(Step::new(step, names.iter().zip(&cross), &read)?));
        for &count in &sizes.tokens {
            let past = step.borrow().past;
            let ids: Vec<i64> = read.iter().cycle().skip(past).take(count).copied().collect();
            let input = tokens_tensor(&step.borrow().graph, ids)?;
            let step = Rc::clone(&step);
            let name = format!("step, {count} after {past} tokens, {seconds} s");
            stages.push(Stage::new(name, move || step.borrow_mut().call(&input).map(drop)));
        }
    }
    let transcriber = Rc::new(RefCell::new(transcriber));
    for (seconds, audio, tokens) in whole {
        for (draft, what) in [(Vec::new(), ""), (tokens, ", all in the draft")] {
            let (engine, mut audio) = (Rc::clone(&transcriber), NotHeard::new(audio));
            let name = format!("transcribe, {seconds} s{what}");
            let run = move || engine.borrow_mut().transcribe(audio.next(), Prior::draft(&draft)).map(drop);
            stages.push(Stage::new(name, run));
        }
    }
    Ok(stages)
}

fn samples_in(seconds: f64) -> usize {
    (seconds * f64::from(SAMPLE_RATE)) as usize
}

fn bound_graph(model: &Model, role: &str, settings: GraphSettings) -> Result<BoundGraph> {
    let graph = Graph::load_with(&model.file(role)?, settings, StoredIntegers::BecomeFloats)?;
    let outputs = graph.outputs().iter().map(|output| (output.name().to_owned(), Memory::Device)).collect();
    BoundGraph::new(graph, outputs)
}

fn bound(model: &Model, role: &str, settings: GraphSettings) -> Result<Shared> {
    Ok(Rc::new(RefCell::new(bound_graph(model, role, settings)?)))
}

#[derive(Deserialize)]
struct StartToken {
    start_token: u32,
}

/// The decoder's graph with the audio's keys and values bound, and those of the tokens before at hand.
struct Step {
    graph: BoundGraph,
    /// Keys and values of the tokens before, with the inputs that take them.
    values: Vec<(String, DynValue)>,
    /// How many tokens those are.
    past: usize,
}

impl Step {
    /// Reads the first of `tokens` after nothing.
    fn new<'a>(mut graph: BoundGraph, cross: impl Iterator<Item = (&'a String, &'a DynValue)>, tokens: &[i64]) -> Result<Self> {
        let mut bound = vec![TOKENS.to_owned(), MASK.to_owned()];
        let mut frames = 0;
        for (name, value) in cross {
            graph.give(name, value)?;
            bound.push(name.clone());
            // [1, heads, frames, width]
            frames = value.dtype().tensor_shape().and_then(|shape| usize::try_from(*shape.get(2)?).ok()).unwrap_or(0);
        }
        let mask = floats(&graph, vec![1, 1, 1, frames], vec![0.0; frames])?;
        graph.give(MASK, &mask)?;
        let own: Vec<(String, DynValue)> = graph
            .graph()
            .inputs()
            .iter()
            .filter(|input| !bound.iter().any(|name| name == input.name()))
            .map(|input| Ok((input.name().to_owned(), nothing_before(&graph, input)?)))
            .collect::<Result<_>>()?;
        let mut step = Self { graph, values: own, past: 0 };
        let some = &tokens[..tokens.len().min(PAST_TOKENS)];
        let ids = tokens_tensor(&step.graph, some.to_vec())?;
        let made = step.call(&ids)?;
        let outputs: Vec<String> = step.graph.graph().outputs().iter().map(|output| output.name().to_owned()).collect();
        for (name, value) in outputs.iter().zip(made) {
            let input = name.replacen("present.", "past_key_values.", 1);
            if let Some(place) = step.values.iter_mut().find(|(taken, _)| *taken == input) {
                place.1 = value;
            }
        }
        step.past = some.len();
        Ok(step)
    }

    fn call(&mut self, tokens: &DynValue) -> Result<Vec<DynValue>> {
        self.graph.give(TOKENS, tokens)?;
        for (name, value) in &self.values {
            self.graph.give(name, value)?;
        }
        self.graph.run()
    }
}

/// Keys or values of no token, for a batch of one: where the input leaves another size to the run, there is none of it.
fn nothing_before(graph: &BoundGraph, input: &Outlet) -> Result<DynValue> {
    let shape = input.dtype().tensor_shape().map_or(&[][..], |shape| &shape[..]);
    let mut sizes: Vec<usize> = shape.iter().map(|size| usize::try_from(*size).unwrap_or(0)).collect();
    sizes.iter_mut().take(1).for_each(|batch| *batch = 1);
    floats(graph, sizes, Vec::new())
}

fn tokens_tensor(graph: &BoundGraph, ids: Vec<i64>) -> Result<DynValue> {
    let made = Tensor::from_array(([1, ids.len()], ids));
    Ok(made.map_err(|error| failed_run(graph.graph().name(), &error))?.into_dyn())
}

fn floats(graph: &BoundGraph, shape: Vec<usize>, values: Vec<f32>) -> Result<DynValue> {
    let made = Tensor::from_array((shape, values));
    Ok(made.map_err(|error| failed_run(graph.graph().name(), &error))?.into_dyn())
}

/// Audio that is new to a model which keeps what it heard last: its first sample is, by turns, a millionth more and as it was.
struct NotHeard {
    audio: Vec<f32>,
    touched: bool,
}

impl NotHeard {
    fn new(audio: &[f32]) -> Self {
        Self { audio: audio.to_vec(), touched: false }
    }

    fn next(&mut self) -> &[f32] {
        if let Some(sample) = self.audio.first_mut() {
            *sample += if self.touched { -1e-6 } else { 1e-6 };
            self.touched = !self.touched;
        }
        &self.audio
    }
}

/// Runs a graph on what its first input takes.
fn run_on(graph: &RefCell<BoundGraph>, input: &DynValue) -> Result<Vec<DynValue>> {
    let mut graph = graph.borrow_mut();
    let name = graph.graph().inputs().first().map(|input| input.name().to_owned());
    let name = name.ok_or_else(|| graph.graph().error("has no input"))?;
    graph.give(&name, input)?;
    graph.run()
}
