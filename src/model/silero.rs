//! Silero VAD (Silero Team, github.com/snakers4/silero-vad), the 16 kHz graph: the probability of speech, window by window.
//!
//! In: 512 new samples. Out: a probability. The weights are in [`Silero`]; what a stream carries on is its [`SileroState`].

use std::sync::Arc;

use serde::Deserialize;

use crate::error::Result;
use crate::runtime::Extent::Is;
use crate::runtime::{Graph, GraphSettings, Input, Port};
use crate::store::Model;

/// New samples of a window: 32 ms at 16 kHz.
pub const WINDOW: usize = 512;
/// Samples of the window before that go in front.
const CONTEXT: usize = 64;
const STATE: usize = 2 * 128;

/// The `[silero]` section of the manifest: what the graph was made for.
#[derive(Debug, Deserialize)]
struct Parameters {
    window_samples: usize,
    context_samples: usize,
}

/// The detector: weights and what runs them.
#[derive(Debug)]
pub struct Silero {
    name: Arc<str>,
    graph: Graph,
}

/// What one stream carries from window to window: the recurrent state and the last samples.
#[derive(Clone, Debug)]
pub struct SileroState {
    recurrent: [f32; STATE],
    /// Context, then the new window.
    input: [f32; CONTEXT + WINDOW],
}

impl Default for SileroState {
    fn default() -> Self {
        Self { recurrent: [0.0; STATE], input: [0.0; CONTEXT + WINDOW] }
    }
}

impl Silero {
    /// Loads a checked model and proves by a run that its provider works.
    ///
    /// # Errors
    /// Those of the store and of what runs the graph; `Model` when the graph is not Silero's.
    pub fn load(model: &Model, settings: GraphSettings) -> Result<Self> {
        let parameters: Parameters = model.section("silero")?;
        let graph = super::graph(model, "model", settings)?;
        if (parameters.window_samples, parameters.context_samples) != (WINDOW, CONTEXT) {
            let (window, context) = (parameters.window_samples, parameters.context_samples);
            return Err(
                graph.error(format!("windows of {window} samples with {context} of context; expected {WINDOW} with {CONTEXT}"))
            );
        }
        graph.expect(
            &[Port::f32("input", [Is(1), Is(CONTEXT + WINDOW)]), Port::f32("state", [Is(2), Is(1), Is(STATE / 2)])],
            &[Port::f32("output", [Is(1), Is(1)]), Port::f32("stateN", [Is(2), Is(1), Is(STATE / 2)])],
        )?;
        let mut silero = Self { name: model.name().clone(), graph };
        silero.probability(&mut SileroState::default(), &[0.0; WINDOW])?;
        Ok(silero)
    }

    /// Name of the model.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// How its graph runs.
    pub fn settings(&self) -> GraphSettings {
        self.graph.settings()
    }

    /// Probability (0 to 1) that `window`, the next 512 samples of the stream, holds speech.
    ///
    /// # Errors
    /// `Model` when the run fails or the graph's outputs are not Silero's.
    pub fn probability(&mut self, state: &mut SileroState, window: &[f32; WINDOW]) -> Result<f32> {
        state.input.copy_within(WINDOW.., 0);
        state.input[CONTEXT..].copy_from_slice(window);
        let outputs = self.graph.run(&[
            Input::f32("input", &[1, CONTEXT + WINDOW], &state.input),
            Input::f32("state", &[2, 1, STATE / 2], &state.recurrent),
        ])?;
        match (outputs.f32("output"), outputs.f32("stateN")) {
            (Ok(&[probability]), Ok(recurrent)) if recurrent.len() == STATE => {
                state.recurrent.copy_from_slice(recurrent);
                Ok(probability)
            }
            _ => {
                // Sizes that a graph leaves to the run were not held to these when it was loaded.
                Err(outputs.error("expected outputs 'output' f32 [1, 1] and 'stateN' f32 [2, 1, 128], found others"))
            }
        }
    }
}
