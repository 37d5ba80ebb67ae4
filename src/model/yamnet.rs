//! YAMNet: 521 AudioSet classes for every 0.96 s, as tensorflow/models, research/audioset/yamnet, defines them.
//!
//! In: a checked model of the store, then patches of log-mel. Out: a probability for each class. The exported graph takes
//! uint8 log-mel and gives uint8 logits; the manifest's `[quantisation]` says with which scales and zero points.

use std::sync::Arc;

use serde::Deserialize;

use super::patch::{PatchShape, Rows};
use super::{Label, Tagger, labels};
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::Features;
use crate::frontend::recipe::Recipe;
use crate::runtime::Extent::Is;
use crate::runtime::{Graph, GraphSettings, Input, Port};
use crate::store::{Family, Model};

const INPUT: &str = "audio";
const OUTPUT: &str = "class_scores";

/// The `[quantisation]` section of the manifest: real = scale x (integer - zero point).
#[derive(Clone, Copy, Debug, Deserialize)]
struct Quantisation {
    input_scale: f32,
    input_zero_point: u8,
    output_scale: f32,
    output_zero_point: u8,
}

/// YAMNet, loaded. The state of a stream is elsewhere.
#[derive(Debug)]
pub struct Yamnet {
    name: Arc<str>,
    graph: Graph,
    features: Features,
    patch: PatchShape,
    /// Log-mel of digital silence.
    silence: Vec<f32>,
    quantisation: Quantisation,
    labels: Vec<Label>,
    /// The quantised patch, used again by every call.
    quantised: Vec<u8>,
    /// Probability of each logit the graph can give.
    probability: [f32; 256],
}

impl Yamnet {
    /// Loads the graph and the labels of `model`, checks that they fit its manifest, and proves the provider by one run.
    ///
    /// # Errors
    /// `InvalidInput` when `model` is of another family; `Corrupt` when its manifest, labels or files are not what they should
    /// be; `Unsupported`, `Library` or `Model` from ONNX Runtime.
    pub fn load(model: &Model, settings: GraphSettings) -> Result<Self> {
        let family = model.manifest().family;
        if family != Family::Yamnet {
            let message = format!("{}: the family is {family}, not yamnet; choose another model", model.name());
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let manifest = model.folder().join("model.toml");
        let recipe: Recipe = model.section("recipe")?;
        let patch: PatchShape = model.section("patch")?;
        let quantisation: Quantisation = model.section("quantisation")?;
        patch.check(recipe.mels).and_then(|()| quantisation.check()).map_err(|error| error.within(manifest.display()))?;
        let labels = labels::read(&model.file("labels")?)?;
        let graph = super::graph(model, "model", settings)?;
        graph.expect(
            &[Port::u8(INPUT, [Is(1), Is(1), Is(patch.frames), Is(recipe.mels)])],
            &[Port::u8(OUTPUT, [Is(1), Is(labels.len())])],
        )?;
        let mut yamnet = Self {
            name: model.name().clone(),
            quantised: vec![quantisation.input_zero_point; patch.frames * recipe.mels],
            probability: quantisation.probabilities(),
            silence: vec![recipe.log_offset.ln(); recipe.mels],
            graph,
            features: Features::LogMel(recipe),
            patch,
            quantisation,
            labels,
        };
        let mut scores = vec![0.0; yamnet.labels.len()];
        yamnet.run(&mut scores)?;
        Ok(yamnet)
    }

    /// How the graph was loaded; the provider in it has run.
    pub fn settings(&self) -> GraphSettings {
        self.graph.settings()
    }

    /// Runs the graph on `quantised`.
    fn run(&mut self, scores: &mut [f32]) -> Result<()> {
        let Self { graph, patch, silence, quantised, probability, .. } = self;
        let shape = [1, 1, patch.frames, silence.len()];
        let outputs = graph.run(&[Input::u8(INPUT, &shape, quantised)])?;
        let logits = outputs.u8(OUTPUT)?;
        // A graph that leaves this size to the run was not held to it when it was loaded.
        if logits.len() != scores.len() {
            let (expected, found) = (scores.len(), logits.len());
            return Err(outputs.error(format!("output '{OUTPUT}': expected {expected} scores, one a label, found {found}")));
        }
        for (score, logit) in scores.iter_mut().zip(logits) {
            *score = probability[usize::from(*logit)];
        }
        Ok(())
    }
}

impl Tagger for Yamnet {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn labels(&self) -> &[Label] {
        &self.labels
    }

    fn features(&self) -> &Features {
        &self.features
    }

    fn silence(&self) -> &[f32] {
        &self.silence
    }

    fn patch_frames(&self) -> usize {
        self.patch.frames
    }

    fn patch_hop_frames(&self) -> usize {
        self.patch.hop_frames
    }

    fn embed(&mut self, frame: &[f32], row: &mut [f32]) -> Result<()> {
        let width = self.silence.len();
        if (frame.len(), row.len()) != (width, width) {
            let (frame, row) = (frame.len(), row.len());
            return Err(self.graph.error(format!("expected {width} bands in a frame and its row, found {frame} and {row}")));
        }
        row.copy_from_slice(frame);
        Ok(())
    }

    fn score(&mut self, patch: Rows<'_>, scores: &mut [f32]) -> Result<()> {
        let places = [(patch.len(), self.quantised.len(), "values in the patch"), (scores.len(), self.labels.len(), "scores")];
        for (found, expected, what) in places {
            if found != expected {
                return Err(self.graph.error(format!("expected {expected} {what}, found {found}")));
            }
        }
        let quantisation = self.quantisation;
        for (place, value) in self.quantised.iter_mut().zip(patch.values()) {
            *place = quantisation.quantise(value);
        }
        self.run(scores)
    }
}

impl Quantisation {
    fn check(self) -> Result<()> {
        for (name, scale) in [("input_scale", self.input_scale), ("output_scale", self.output_scale)] {
            // Also refuses NaN.
            if !(scale > 0.0 && scale.is_finite()) {
                return Err(corrupt(format!("[quantisation]: {name} is {scale}; it must be above 0")));
            }
        }
        Ok(())
    }

    /// As ONNX's QuantizeLinear: round to even, then saturate. NaN becomes 0.
    fn quantise(self, value: f32) -> u8 {
        ((value / self.input_scale).round_ties_even() + f32::from(self.input_zero_point)) as u8
    }

    /// Sigmoid of every logit there is: the classes are independent of one another.
    fn probabilities(self) -> [f32; 256] {
        let zero = f32::from(self.output_zero_point);
        std::array::from_fn(|logit| 1.0 / (1.0 + (-self.output_scale * (logit as f32 - zero)).exp()))
    }
}

fn corrupt(message: String) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AS_EXPORTED: Quantisation =
        Quantisation { input_scale: 0.047_937_885, input_zero_point: 144, output_scale: 0.756_541_7, output_zero_point: 190 };

    #[test]
    fn quantising_rounds_to_even_and_saturates() {
        let quantise = |value| AS_EXPORTED.quantise(value);
        assert_eq!(quantise(0.0), 144);
        assert_eq!(quantise(1e-6_f32.ln()), 0);
        assert_eq!(quantise(5.3), 255);
        assert_eq!(quantise(1e9), 255);
        assert_eq!(quantise(f32::NEG_INFINITY), 0);
        assert_eq!(quantise(f32::NAN), 0);
        let by_half = Quantisation { input_scale: 2.0, input_zero_point: 10, ..AS_EXPORTED };
        assert_eq!([1.0, 3.0, -1.0].map(|value| by_half.quantise(value)), [10, 12, 10]);
    }

    #[test]
    fn probabilities_rise_from_0_to_1_through_a_half() {
        let table = AS_EXPORTED.probabilities();
        assert_eq!(table[190], 0.5);
        assert!(table.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!(table[0] < 1e-6 && table[255] > 1.0 - 1e-6);
        assert!((table[191] - 0.680_6).abs() < 1e-4, "{}", table[191]);
    }
}
