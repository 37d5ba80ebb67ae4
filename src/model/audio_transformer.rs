//! The Audio Transformer on raw waveforms (Verma and Berger, arXiv 2105.00335): 1 s of sound as 40 windows of 25 ms.
//!
//! In: a checked model of the store, then windows of samples, each once, then the embeddings of the last of them. Out: a row for each
//! window, a probability for each class. Two graphs: `window` has the learned front end, `classifier` all that looks at more than one
//! window, so that live audio pays for each window once, however many decisions it takes part in.

use std::sync::Arc;

use serde::Deserialize;

use super::patch::{PATCH_VALUES_LIMIT, PatchShape, Rows};
use super::{Label, Tagger, labels};
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::Features;
use crate::frontend::window::WINDOW_LIMIT_SAMPLES;
use crate::runtime::Extent::Is;
use crate::runtime::{Graph, GraphSettings, Input, Port};
use crate::store::{Family, Model};

const WINDOW_INPUT: &str = "samples";
const WINDOW_OUTPUT: &str = "embeddings";
const CLASSIFIER_INPUT: &str = "embeddings";
const CLASSIFIER_OUTPUT: &str = "scores";

/// The `[window]` section of the manifest.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Window {
    /// Samples at 16 kHz in a window; the next begins where it ends.
    samples: usize,
    /// Values in the embedding of one.
    embedding: usize,
}

/// The Audio Transformer, loaded. The state of a stream is elsewhere.
#[derive(Debug)]
pub struct AudioTransformer {
    name: Arc<str>,
    window: Graph,
    classifier: Graph,
    features: Features,
    patch: PatchShape,
    labels: Vec<Label>,
    /// The embedding of a window of zeros.
    silence: Vec<f32>,
    /// The embeddings of a patch, contiguous; used again by every call.
    embeddings: Vec<f32>,
}

impl AudioTransformer {
    /// Loads both graphs and the labels of `model`, checks that they fit its manifest, and proves the provider by one run of each.
    ///
    /// # Errors
    /// `InvalidInput` when `model` is of another family; `Corrupt` when its manifest, labels or files are not what they should
    /// be; `Unsupported`, `Library` or `Model` from ONNX Runtime, or where a graph is not of the shapes its manifest says.
    pub fn load(model: &Model, settings: GraphSettings) -> Result<Self> {
        let family = model.manifest().family;
        if family != Family::AudioTransformer {
            let message =
                format!("{}: the family is {family}, not {}; choose another model", model.name(), Family::AudioTransformer);
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let manifest = model.folder().join("model.toml");
        let Window { samples, embedding } = model.section("window")?;
        let patch: PatchShape = model.section("patch")?;
        check("samples", samples, WINDOW_LIMIT_SAMPLES)
            .and_then(|()| check("embedding", embedding, PATCH_VALUES_LIMIT))
            .and_then(|()| patch.check(embedding))
            .map_err(|error| error.within(manifest.display()))?;
        let labels = labels::read(&model.file("labels")?)?;
        let window = super::graph(model, "window", settings)?;
        window.expect(&[Port::f32(WINDOW_INPUT, [Is(1), Is(samples)])], &[Port::f32(WINDOW_OUTPUT, [Is(1), Is(embedding)])])?;
        let classifier = super::graph(model, "classifier", settings)?;
        classifier.expect(
            &[Port::f32(CLASSIFIER_INPUT, [Is(1), Is(patch.frames), Is(embedding)])],
            &[Port::f32(CLASSIFIER_OUTPUT, [Is(1), Is(labels.len())])],
        )?;
        let mut transformer = Self {
            name: model.name().clone(),
            window,
            classifier,
            features: Features::Samples { window: samples },
            patch,
            silence: vec![0.0; embedding],
            embeddings: vec![0.0; patch.frames * embedding],
            labels,
        };
        let mut silence = vec![0.0; embedding];
        transformer.embed(&vec![0.0; samples], &mut silence)?;
        let patch = silence.repeat(transformer.patch.frames);
        transformer.silence = silence;
        let mut scores = vec![0.0; transformer.labels.len()];
        transformer.score(patch.as_slice().into(), &mut scores)?;
        Ok(transformer)
    }

    /// How the graphs were loaded; the provider in it has run.
    pub fn settings(&self) -> GraphSettings {
        self.window.settings()
    }
}

impl Tagger for AudioTransformer {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn labels(&self) -> &[Label] {
        &self.labels
    }

    fn features(&self) -> &Features {
        &self.features
    }

    fn patch_frames(&self) -> usize {
        self.patch.frames
    }

    fn patch_hop_frames(&self) -> usize {
        self.patch.hop_frames
    }

    fn silence(&self) -> &[f32] {
        &self.silence
    }

    fn embed(&mut self, frame: &[f32], row: &mut [f32]) -> Result<()> {
        expect(&self.window, frame.len(), self.features.width(), "samples in the window")?;
        expect(&self.window, row.len(), self.silence.len(), "values in the embedding")?;
        run(&mut self.window, (WINDOW_INPUT, [1, frame.len()], frame), WINDOW_OUTPUT, row)
    }

    fn score(&mut self, patch: Rows<'_>, scores: &mut [f32]) -> Result<()> {
        expect(&self.classifier, patch.len(), self.embeddings.len(), "values in the patch")?;
        expect(&self.classifier, scores.len(), self.labels.len(), "scores")?;
        let (older, newer) = self.embeddings.split_at_mut(patch.older.len());
        older.copy_from_slice(patch.older);
        newer.copy_from_slice(patch.newer);
        let shape = [1, self.patch.frames, self.silence.len()];
        run(&mut self.classifier, (CLASSIFIER_INPUT, shape, &self.embeddings), CLASSIFIER_OUTPUT, scores)
    }
}

/// Runs a graph of one input and copies its output into `out`.
fn run<const N: usize>(
    graph: &mut Graph,
    (input, shape, values): (&'static str, [usize; N], &[f32]),
    output: &str,
    out: &mut [f32],
) -> Result<()> {
    let outputs = graph.run(&[Input::f32(input, &shape, values)])?;
    let found = outputs.f32(output)?;
    // A graph that leaves this size to the run was not held to it when it was loaded.
    if found.len() != out.len() {
        return Err(outputs.error(format!("output '{output}': expected {} values, found {}", out.len(), found.len())));
    }
    out.copy_from_slice(found);
    Ok(())
}

fn expect(graph: &Graph, found: usize, expected: usize, what: &str) -> Result<()> {
    if found == expected { Ok(()) } else { Err(graph.error(format!("expected {expected} {what}, found {found}"))) }
}

fn check(field: &str, value: usize, limit: usize) -> Result<()> {
    if (1..=limit).contains(&value) {
        return Ok(());
    }
    let message = format!("[window]: {field} is {value}; it must be 1 to {limit}");
    Err(Error::new(ErrorKind::Corrupt, message))
}
