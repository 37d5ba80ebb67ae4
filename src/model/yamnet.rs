//! YAMNet: 521 AudioSet classes for every 0.96 s, as tensorflow/models, research/audioset/yamnet, defines them.
//!
//! In: a checked model of the store, then patches of log-mel. Out: a probability for each class. The exported graph takes
//! uint8 log-mel and gives uint8 logits; the manifest's `[quantisation]` says with which scales and zero points.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::{Label, Tagger};
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::recipe::Recipe;
use crate::runtime::Extent::Is;
use crate::runtime::{Graph, GraphSettings, Input, Port};
use crate::store::{Family, Model};

const INPUT: &str = "audio";
const OUTPUT: &str = "class_scores";
/// No patch is longer: 10 s of 10 ms hops.
const PATCH_FRAMES_LIMIT: usize = 1000;
/// No file of labels is longer, and none has more rows.
const LABELS_LIMIT_BYTES: u64 = 1 << 20;
const LABELS_LIMIT: usize = 10_000;

/// The `[patch]` section of the manifest.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Patch {
    frames: usize,
    hop_frames: usize,
}

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
    recipe: Recipe,
    patch: Patch,
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
            let message = format!("{}: the family is {family:?}, not Yamnet; choose another model", model.name());
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let manifest = model.folder().join("model.toml");
        let recipe: Recipe = model.section("recipe")?;
        let patch: Patch = model.section("patch")?;
        let quantisation: Quantisation = model.section("quantisation")?;
        patch.check().and_then(|()| quantisation.check()).map_err(|error| error.within(manifest.display()))?;
        let labels = read_labels(&model.file("labels")?)?;
        let graph = super::graph(model, "model", settings)?;
        graph.expect(
            &[Port::u8(INPUT, [Is(1), Is(1), Is(patch.frames), Is(recipe.mels)])],
            &[Port::u8(OUTPUT, [Is(1), Is(labels.len())])],
        )?;
        let mut yamnet = Self {
            name: model.name().clone(),
            quantised: vec![quantisation.input_zero_point; patch.frames * recipe.mels],
            probability: quantisation.probabilities(),
            graph,
            recipe,
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
        let Self { graph, patch, recipe, quantised, probability, .. } = self;
        let shape = [1, 1, patch.frames, recipe.mels];
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

    fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    fn patch_frames(&self) -> usize {
        self.patch.frames
    }

    fn patch_hop_frames(&self) -> usize {
        self.patch.hop_frames
    }

    fn score(&mut self, patch: &[f32], scores: &mut [f32]) -> Result<()> {
        let places = [(patch.len(), self.quantised.len(), "values in the patch"), (scores.len(), self.labels.len(), "scores")];
        for (found, expected, what) in places {
            if found != expected {
                return Err(self.graph.error(format!("expected {expected} {what}, found {found}")));
            }
        }
        let quantisation = self.quantisation;
        for (place, value) in self.quantised.iter_mut().zip(patch) {
            *place = quantisation.quantise(*value);
        }
        self.run(scores)
    }
}

impl Patch {
    fn check(self) -> Result<()> {
        let Self { frames, hop_frames } = self;
        if !(1..=PATCH_FRAMES_LIMIT).contains(&frames) {
            return Err(corrupt(format!("[patch]: frames is {frames}; it must be 1 to {PATCH_FRAMES_LIMIT}")));
        }
        if !(1..=frames).contains(&hop_frames) {
            return Err(corrupt(format!("[patch]: hop_frames is {hop_frames}; it must be 1 to {frames} (frames)")));
        }
        Ok(())
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

fn read_labels(path: &Path) -> Result<Vec<Label>> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(LABELS_LIMIT_BYTES).read_to_string(&mut text))
        .map_err(|error| Error::io("read", path, &error))?;
    parse_labels(&text).map_err(|error| error.within(path.display()))
}

/// Labels of a table `index,mid,display_name` with a heading, the rows in order of their index.
fn parse_labels(text: &str) -> Result<Vec<Label>> {
    let mut labels = Vec::new();
    for (index, line) in text.lines().skip(1).enumerate() {
        let number = index + 2;
        let row = fields(line).ok_or_else(|| corrupt(format!("line {number}: a quote is not closed")))?;
        let [written, id, name] = row.as_slice() else {
            return Err(corrupt(format!("line {number}: expected index, mid and display_name, found {} fields", row.len())));
        };
        if written.parse() != Ok(index) {
            return Err(corrupt(format!("line {number}: expected index {index}, found '{}'", written.escape_debug())));
        }
        if id.is_empty() || name.is_empty() {
            return Err(corrupt(format!("line {number}: mid or display_name is empty")));
        }
        if index == LABELS_LIMIT {
            return Err(corrupt(format!("has more than {LABELS_LIMIT} labels")));
        }
        labels.push(Label { id: id.as_str().into(), name: name.as_str().into() });
    }
    if labels.is_empty() { Err(corrupt("has no labels".to_owned())) } else { Ok(labels) }
}

/// [`parse_labels`] for the fuzzer, which sees what is public only.
#[cfg(fuzzing)]
#[doc(hidden)]
pub fn parse_labels_of(text: &str) -> Result<Vec<Label>> {
    parse_labels(text)
}

/// The fields of one line of a CSV file (RFC 4180); `None` when a quote is not closed.
fn fields(line: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let field = fields.last_mut()?;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => field.push(c),
        }
    }
    (!quoted).then_some(fields)
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

    #[test]
    fn labels_are_read_with_quoted_commas() {
        let text =
            "index,mid,display_name\n0,/m/09x0r,Speech\n1,/m/0ytgt,\"Child speech, kid speaking\"\r\n2,/m/x,\"a \"\"b\"\"\"\n";
        let labels = parse_labels(text).unwrap();
        let names: Vec<&str> = labels.iter().map(|label| &*label.name).collect();
        assert_eq!(names, ["Speech", "Child speech, kid speaking", "a \"b\""]);
        assert_eq!(&*labels[1].id, "/m/0ytgt");
    }

    #[test]
    fn wrong_labels_are_refused_with_the_line() {
        for (rows, says) in [
            ("", "no labels"),
            ("0,/m/a,\"open\n", "line 2: a quote"),
            ("0,/m/a,A\n2,/m/b,B\n", "line 3: expected index 1, found '2'"),
            ("0,/m/a\n", "found 2 fields"),
            ("0,,A\n", "is empty"),
            ("zero,/m/a,A\n", "expected index 0"),
        ] {
            let error = parse_labels(&format!("index,mid,display_name\n{rows}")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.message().contains(says), "{error}");
        }
        let many: String = (0..=LABELS_LIMIT).map(|n| format!("{n},/m/{n},N\n")).collect();
        assert!(parse_labels(&format!("heading\n{many}")).unwrap_err().message().contains("more than"));
    }
}
