//! The model families and what the rooms ask of them.
//!
//! In: a checked model of the store, audio or features. Out: text and tokens ([`Transcriber`]), class scores ([`Tagger`]),
//! the probability of speech ([`silero::Silero`]). Weights and ONNX Runtime sessions live here; the state of a stream never does.

use std::sync::Arc;

use crate::decode::alignment::Span;
use crate::decode::segments::Context;
use crate::decode::vocabulary::Vocabulary;
use crate::decode::{Hypothesis, Prior};
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::Features;
use crate::runtime::{Graph, GraphSettings, StoredIntegers};
use crate::store::{Family, Model};
use crate::time::Spent;

pub mod audio_transformer;
mod decoder;
// Public for the fuzzer, which sees what is public only.
#[cfg(fuzzing)]
pub mod labels;
#[cfg(not(fuzzing))]
mod labels;
pub mod moonshine;
mod patch;
pub mod silero;
pub mod whisper;
pub mod yamnet;

pub use patch::{PATCH_VALUES_LIMIT, Rows};

/// Loads the graph in the file with `role`; an error says which ONNX Runtime the model needs.
fn graph(model: &Model, role: &str, settings: GraphSettings) -> Result<Graph> {
    let integers = match model.manifest().family {
        Family::Moonshine | Family::Whisper | Family::AudioTransformer => StoredIntegers::BecomeFloats,
        _ => StoredIntegers::Stay,
    };
    Graph::load_with(&model.file(role)?, settings, integers).map_err(|error| match error.kind() {
        ErrorKind::Model if settings.provider.needs_library() => {
            let message = format!("{error}; {} needs ONNX Runtime {} or later", model.name(), model.manifest().minimum_ort);
            Error::new(ErrorKind::Model, message)
        }
        _ => error,
    })
}

/// A class a tagger knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The class's id in its ontology: `/m/0bt9lr` of AudioSet.
    pub id: Arc<str>,
    /// Its name for people: `Dog`.
    pub name: Arc<str>,
}

/// Gives every class of sound a probability, patch by patch.
///
/// Frames of features come one by one. Each becomes a row, once; the rows of the last frames are kept by whoever has the stream, and
/// a patch of them is what a decision is made of.
pub trait Tagger: Send {
    /// Name of the model.
    fn name(&self) -> &Arc<str>;
    /// The classes, in the order of the scores.
    fn labels(&self) -> &[Label];
    /// What a frame is made of.
    fn features(&self) -> &Features;
    /// Rows in a patch.
    fn patch_frames(&self) -> usize;
    /// Frames from the start of one patch to the next, as the manifest recommends.
    fn patch_hop_frames(&self) -> usize;
    /// The row of a frame of digital silence, as wide as every row. A patch has at most [`PATCH_VALUES_LIMIT`] values.
    fn silence(&self) -> &[f32];
    /// Makes the `row` of one `frame`: what of it a patch keeps. Nothing of other frames goes into it.
    ///
    /// # Errors
    /// `Model` when ONNX Runtime fails or a length does not fit.
    fn embed(&mut self, frame: &[f32], row: &mut [f32]) -> Result<()>;
    /// Probabilities (0 to 1) of all classes for one patch: [`patch_frames`](Self::patch_frames) rows, oldest first.
    ///
    /// `scores` has one place a label.
    ///
    /// # Errors
    /// `Model` when ONNX Runtime fails or a length does not fit.
    fn score(&mut self, patch: Rows<'_>, scores: &mut [f32]) -> Result<()>;
}

/// What reading has taken so far, by what was done.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReadingTime {
    /// Pieces of audio read.
    pub readings: u64,
    /// From audio to states.
    pub encode: Spent,
    /// From states to tokens.
    pub decode: Spent,
    /// From tokens to words and their places.
    pub align: Spent,
}

/// Turns a piece of speech into text.
pub trait Transcriber: Send {
    /// Name of the model.
    fn name(&self) -> &Arc<str>;
    /// How its graphs run.
    fn settings(&self) -> GraphSettings;
    /// Reads `audio`: 16 kHz, one channel, -1 to 1. Too short to hold a word gives an empty hypothesis.
    ///
    /// `prior` is what is known before.
    ///
    /// # Errors
    /// `Model` when ONNX Runtime fails.
    fn transcribe(&mut self, audio: &[f32], prior: Prior<'_>) -> Result<Hypothesis>;
    /// Reads pieces of audio that have nothing to do with each other, each as [`transcribe`](Self::transcribe) without a prior reads
    /// it but for a float's last bits, at less cost where the model can read several at once; or better. Hypotheses come in the order
    /// of `pieces`.
    ///
    /// # Errors
    /// `Model` when ONNX Runtime fails, for whichever piece.
    fn transcribe_all(&mut self, pieces: &[&[f32]]) -> Result<Vec<Hypothesis>> {
        pieces.iter().map(|audio| self.transcribe(audio, Prior::default())).collect()
    }
    /// Whether it reads on from words that are given as it would have had it read them. If not, an open segment is read anew from its
    /// start, however long it is.
    fn goes_on_from_given(&self) -> bool {
        true
    }
    /// Whether [`transcribe_all`](Self::transcribe_all) reads better than [`transcribe`](Self::transcribe), at more cost: then a segment
    /// that has ended is read once more, whole.
    fn reads_better_at_leisure(&self) -> bool {
        false
    }
    /// The same model where it cuts long recordings itself; `None` where it cannot.
    fn windows(&mut self) -> Option<&mut dyn Windows> {
        None
    }
    /// From now on reads `vocabulary`'s terms where they may have been said, as they are written there; probabilities stay the model's.
    ///
    /// # Errors
    /// `Unsupported` where the model cannot.
    fn listen_for(&mut self, vocabulary: &Vocabulary) -> Result<()> {
        let count = vocabulary.terms().len();
        let message = format!("{} cannot be given a vocabulary ({count} terms); leave --vocabulary away", self.name());
        Err(Error::new(ErrorKind::Unsupported, message))
    }
    /// What reading has taken since the model was loaded.
    fn reading_time(&self) -> ReadingTime;
}

/// What a person may ask of a model that reads speech.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadingOptions {
    /// Code of the language that is spoken, `en`; `None`: heard, where the model knows several.
    pub language: Option<String>,
    /// Written in English, whatever is spoken.
    pub translate: bool,
    /// What was said before, in words: names, spelling and manner are taken from it.
    pub prompt: Option<String>,
    /// Texts that are followed side by side where there is time to search for the likeliest; 0 and 1: one.
    pub beam: usize,
}

/// Reads a long recording window by window, each cut into segments by the model's own timestamps.
pub trait Windows {
    /// Samples of a window; the last one may be shorter.
    fn window_samples(&self) -> usize;
    /// What is known before the first window.
    fn context(&self) -> Context;
    /// Reads a window, of which what is past [`window_samples`](Self::window_samples) is not heard. `context` is what was said before it, and
    /// then what was said until its end.
    ///
    /// # Errors
    /// `Model` when ONNX Runtime fails.
    fn read_window(&mut self, audio: &[f32], context: &mut Context) -> Result<Window>;
}

/// What was read of a window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Window {
    /// In order.
    pub segments: Vec<WindowSegment>,
    /// Samples from its beginning to that of the next, 1 at least.
    pub advance: u64,
}

/// A part of a window that belongs together.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowSegment {
    /// Where it was said, samples from the window's beginning.
    pub said: Span,
    /// What was said; places of words count from there too.
    pub hypothesis: Hypothesis,
}
