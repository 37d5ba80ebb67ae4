//! What a model does, stage by stage, each as something that can be run again and again on real speech.
//!
//! In: a model of the store, how to run it, 16 kHz speech. Out: [`Stage`]s with what loading took. Those of a model that reads speech are
//! in `reading_stages.rs`; a detector's is a window; a tagger's are its graphs, and what live audio costs it.

use std::cell::RefCell;
use std::rc::Rc;

use super::model::resident_mib;
use super::reading_stages;
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::{Features, FrontEnd};
use crate::model::audio_transformer::AudioTransformer;
use crate::model::moonshine::Moonshine;
use crate::model::silero::{Silero, SileroState, WINDOW};
use crate::model::whisper::Whisper;
use crate::model::yamnet::Yamnet;
use crate::model::{ReadingOptions, Tagger};
use crate::runtime::GraphSettings;
use crate::store::{Family, Model};
use crate::time::{SAMPLE_RATE, SamplePosition, Spent, Stopwatch};

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
            (spent, resident, reading_stages::of_moonshine(model, moonshine, settings, speech, sizes)?)
        }
        Family::Whisper => {
            let whisper = Whisper::load(model, settings, &ReadingOptions::default())?;
            let (spent, resident) = loaded();
            (spent, resident, reading_stages::of_whisper(model, whisper, settings, speech, sizes)?)
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
