//! What a model does, stage by stage, each as something that can be run again and again on real speech.
//!
//! In: a model of the store, how to run it, 16 kHz speech. Out: [`Stage`]s with what loading took. Moonshine's are its graphs, one
//! by one, and a whole transcription with and without a draft, of audio that it has not heard; a detector's is a window; a tagger's are
//! its graphs, and what live audio costs it.

use std::cell::RefCell;
use std::rc::Rc;

use ort::value::{DynValue, Tensor};
use serde::Deserialize;

use super::model::resident_mib;
use crate::decode::Prior;
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::{Features, FrontEnd};
use crate::model::audio_transformer::AudioTransformer;
use crate::model::moonshine::Moonshine;
use crate::model::silero::{Silero, SileroState, WINDOW};
use crate::model::yamnet::Yamnet;
use crate::model::{Tagger, Transcriber};
use crate::runtime::{BoundGraph, Graph, GraphSettings, Memory, Outlet, StoredIntegers, failed_run};
use crate::store::{Family, Model};
use crate::time::{SAMPLE_RATE, SamplePosition, Spent, Stopwatch};

/// Tokens that a measured step comes after, at most.
const PAST_TOKENS: usize = 8;
/// The decoder's input that is not keys or values.
const TOKENS: &str = "input_ids";
/// Its input that says which frames are the audio's.
const MASK: &str = "encoder_mask";

/// One stage of a model, ready to run.
pub struct Stage {
    /// What it is: `step, 8 tokens`.
    pub name: String,
    /// How often live audio needs it, seconds, where that is always the same.
    pub every_s: Option<f64>,
    run: Box<dyn FnMut() -> Result<()>>,
}

impl Stage {
    pub(super) fn new(name: String, run: impl FnMut() -> Result<()> + 'static) -> Self {
        Self { name, every_s: None, run: Box::new(run) }
    }

    /// This stage, which live audio needs every so many seconds.
    fn every(self, seconds: f64) -> Self {
        Self { every_s: Some(seconds), ..self }
    }

    /// Runs it once.
    ///
    /// # Errors
    /// `Model` when ONNX Runtime fails.
    pub fn run(&mut self) -> Result<()> {
        (self.run)()
    }
}

/// What is measured of a model that reads speech.
#[derive(Clone, Debug)]
pub struct Sizes {
    /// Lengths of audio, seconds.
    pub seconds: Vec<f64>,
    /// Tokens in a call of the decoder.
    pub tokens: Vec<usize>,
}

/// A model, loaded, with its stages.
pub struct Prepared {
    /// What loading took: hashing, graphs and the run that proves them.
    pub load: Spent,
    /// MiB that the process held then, where the system tells.
    pub resident_mib: Option<f64>,
    /// Its stages.
    pub stages: Vec<Stage>,
}

/// Loads `model` as a session does, and prepares its stages.
///
/// # Errors
/// Those of the store and of ONNX Runtime; `InvalidInput` when `speech`, 16 kHz, is shorter than a length asked for.
pub fn prepare(model: &Model, settings: GraphSettings, speech: &[f32], sizes: &Sizes) -> Result<Prepared> {
    let stopwatch = Stopwatch::start();
    let loaded = || (stopwatch.spent(), resident_mib());
    let (load, resident_mib, stages) = match model.manifest().family {
        Family::Moonshine => {
            let moonshine = Moonshine::load(model, settings)?;
            let (spent, resident) = loaded();
            (spent, resident, of_moonshine(model, moonshine, settings, speech, sizes)?)
        }
        Family::Silero => {
            let mut silero = Silero::load(model, settings)?;
            let (spent, resident) = loaded();
            let windows: Vec<[f32; WINDOW]> = speech.as_chunks().0.to_vec();
            let (mut state, mut next) = (SileroState::default(), 0);
            let stage = Stage::new("window".to_owned(), move || {
                let window = windows.get(next).copied().unwrap_or([0.0; WINDOW]);
                next = (next + 1) % windows.len().max(1);
                silero.probability(&mut state, &window).map(drop)
            });
            (spent, resident, vec![stage])
        }
        Family::Yamnet => {
            let yamnet = Yamnet::load(model, settings)?;
            let (spent, resident) = loaded();
            (spent, resident, of_tagger(yamnet, speech)?)
        }
        Family::AudioTransformer => {
            let transformer = AudioTransformer::load(model, settings)?;
            let (spent, resident) = loaded();
            (spent, resident, of_tagger(transformer, speech)?)
        }
    };
    Ok(Prepared { load, resident_mib, stages })
}

/// The graphs of a tagger, and all that live audio costs it from samples to scores: at the hop its manifest recommends, and with a
/// decision every frame where a frame costs a run of a graph anyway.
fn of_tagger<T: Tagger + 'static>(tagger: T, speech: &[f32]) -> Result<Vec<Stage>> {
    let features = tagger.features().clone();
    let (hop, recommended, width) = (features.hop(), tagger.patch_hop_frames(), tagger.silence().len());
    let frame = speech.get(..features.window()).ok_or_else(|| {
        Error::new(ErrorKind::InvalidInput, "the speech is shorter than a window; name a longer recording with --audio")
    })?;
    let is_embedded = matches!(features, Features::Samples { .. });
    let rows = tagger.silence().repeat(tagger.patch_frames());
    let scores = vec![0.0; tagger.labels().len()];
    let tagger = Rc::new(RefCell::new(tagger));
    let mut stages = Vec::new();
    if is_embedded {
        let (tagger, frame, mut row) = (Rc::clone(&tagger), frame.to_vec(), vec![0.0; width]);
        stages.push(Stage::new("window".to_owned(), move || tagger.borrow_mut().embed(&frame, &mut row)));
    }
    let (patch, of_patch, mut found) = (Rc::clone(&tagger), rows.clone(), scores.clone());
    stages.push(Stage::new("patch".to_owned(), move || patch.borrow_mut().score(of_patch.as_slice().into(), &mut found)));
    let hops = if is_embedded { vec![1, recommended] } else { vec![recommended] };
    for frames in hops {
        let (tagger, speech) = (Rc::clone(&tagger), speech.to_vec());
        let (mut front_end, mut rows, mut scores) = (FrontEnd::new(&features)?, rows.clone(), scores.clone());
        let (samples, mut position) = (frames * hop, 0);
        let every_s = samples as f64 / f64::from(SAMPLE_RATE);
        let run = move || {
            let mut tagger = tagger.borrow_mut();
            let from = position % (speech.len() + 1 - samples.min(speech.len()));
            let mut embedded = Ok(());
            let start = SamplePosition(position as u64);
            front_end.push(start, &speech[from..][..samples.min(speech.len())], &mut |_, frame| {
                rows.rotate_left(width);
                let place = rows.len() - width;
                if embedded.is_ok() {
                    embedded = tagger.embed(frame, &mut rows[place..]);
                }
            });
            position += samples;
            embedded.and_then(|()| tagger.score(rows.as_slice().into(), &mut scores))
        };
        let name = format!("samples to scores, every {:.0} ms", 1e3 * every_s);
        stages.push(Stage::new(name, run).every(every_s));
    }
    Ok(stages)
}

fn of_moonshine(
    model: &Model,
    mut moonshine: Moonshine,
    settings: GraphSettings,
    speech: &[f32],
    sizes: &Sizes,
) -> Result<Vec<Stage>> {
    let bound = |role: &str| {
        let graph = Graph::load_with(&model.file(role)?, settings, StoredIntegers::BecomeFloats)?;
        let outputs = graph.outputs().iter().map(|output| (output.name().to_owned(), Memory::Device)).collect();
        BoundGraph::new(graph, outputs)
    };
    let stem = Rc::new(RefCell::new(bound("stem")?));
    let encoder = Rc::new(RefCell::new(bound("encoder")?));
    let cross_kv = Rc::new(RefCell::new(bound("cross_kv")?));
    let mut stages = Vec::new();
    let mut longest: Option<(f64, Vec<DynValue>, Vec<u32>)> = None;
    let mut whole = Vec::new();
    for &seconds in &sizes.seconds {
        let samples = (seconds * f64::from(SAMPLE_RATE)) as usize;
        let audio = speech.get(..samples).ok_or_else(|| {
            let there = speech.len() as f64 / f64::from(SAMPLE_RATE);
            let message = format!("{seconds} s of speech asked for, {there:.1} s there; name a longer recording with --audio");
            Error::new(ErrorKind::InvalidInput, message)
        })?;
        let input = floats(&stem.borrow(), vec![1, samples], audio.to_vec())?;
        let heard = run_on(&stem, &input)?;
        let convolved = heard.into_iter().next().ok_or_else(|| stem.borrow().graph().error("gave nothing"))?;
        // Their values make no difference to the time.
        for name in ["mean", "variance"] {
            let value = floats(&encoder.borrow(), vec![1], vec![0.1])?;
            encoder.borrow_mut().give(name, &value)?;
        }
        let states = run_on(&encoder, &convolved)?.pop().ok_or_else(|| encoder.borrow().graph().error("gave no states"))?;
        let cross = run_on(&cross_kv, &states)?;
        let tokens = moonshine.transcribe(audio, Prior::default())?.tokens;
        if longest.as_ref().is_none_or(|(before, ..)| *before < seconds) {
            longest = Some((seconds, cross, tokens.clone()));
        }
        let (graph, encoder_of, states_of) = (Rc::clone(&stem), Rc::clone(&encoder), Rc::clone(&cross_kv));
        stages.push(Stage::new(format!("stem, {seconds} s"), move || run_on(&graph, &input).map(drop)));
        stages.push(Stage::new(format!("encoder, {seconds} s"), move || run_on(&encoder_of, &convolved).map(drop)));
        stages.push(Stage::new(format!("cross_kv, {seconds} s"), move || run_on(&states_of, &states).map(drop)));
        whole.push((seconds, audio, tokens));
    }
    if let Some((seconds, cross, tokens)) = longest {
        let names: Vec<String> = cross_kv.borrow().graph().outputs().iter().map(|output| output.name().to_owned()).collect();
        let start: StartToken = model.section("moonshine")?;
        let read: Vec<i64> = [start.start_token].iter().chain(&tokens).copied().map(i64::from).collect();
        let step = Rc::new(RefCell::new(Step::new(bound("step")?, names.iter().zip(&cross), &read)?));
        for &count in &sizes.tokens {
            let past = step.borrow().past;
            let ids: Vec<i64> = read.iter().cycle().skip(past).take(count).copied().collect();
            let input = tokens_tensor(&step.borrow().graph, ids)?;
            let step = Rc::clone(&step);
            let name = format!("step, {count} after {past} tokens, {seconds} s");
            stages.push(Stage::new(name, move || step.borrow_mut().call(&input).map(drop)));
        }
    }
    let moonshine = Rc::new(RefCell::new(moonshine));
    for (seconds, audio, tokens) in whole {
        for (draft, what) in [(Vec::new(), ""), (tokens, ", all in the draft")] {
            let (engine, mut audio) = (Rc::clone(&moonshine), NotHeard::new(audio));
            let name = format!("transcribe, {seconds} s{what}");
            let run = move || engine.borrow_mut().transcribe(audio.next(), Prior::draft(&draft)).map(drop);
            stages.push(Stage::new(name, run));
        }
    }
    Ok(stages)
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
