//! Moonshine (Jeffries et al., arXiv 2410.15608) as its authors ship it: raw audio in, text out.
//!
//! In: 16 kHz audio. Out: a [`Hypothesis`]. Two graphs: `encoder` (audio -> states) and the merged `decoder`, whose first step
//! makes the cross-attention keys and values and whose later steps reuse them.

use std::borrow::Cow;
use std::sync::Arc;

use ort::session::SessionInputValue;
use ort::value::{DynValue, Tensor, TensorRef, ValueType};
use serde::Deserialize;

use super::Transcriber;
use crate::decode::Hypothesis;
use crate::decode::greedy::{self, Choice};
use crate::decode::repetition;
use crate::decode::tokenizer::Tokenizer;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::{Graph, GraphSettings, failed_run};
use crate::store::Model;
use crate::time::SAMPLE_RATE;

/// The encoder's convolutions need this many samples for one state: 127 + 64 x (7 - 1 + 3 x (3 - 1)) rounded up.
const SHORTEST_SAMPLES: usize = 1_024;
/// Longest piece of audio taken at once; memory grows with its square.
const LONGEST_SAMPLES: usize = 64 * SAMPLE_RATE as usize;

/// The `[moonshine]` section of the manifest.
#[derive(Clone, Debug, Deserialize)]
struct Parameters {
    start_token: u32,
    end_token: u32,
    vocabulary: usize,
    /// Most tokens a second of speech can hold; more is invention.
    tokens_per_second: f64,
}

/// A Moonshine model: weights, sessions and tokenizer. It keeps nothing of a stream between calls.
#[derive(Debug)]
pub struct Moonshine {
    name: Arc<str>,
    encoder: Graph,
    decoder: Graph,
    tokenizer: Tokenizer,
    parameters: Parameters,
    cache: Vec<CacheEntry>,
    encoder_takes_mask: bool,
    decoder_takes_mask: bool,
    ones: Vec<i64>,
}

/// One past/present pair of the decoder.
#[derive(Debug)]
struct CacheEntry {
    past: String,
    present: String,
    /// Self-attention grows every step; cross-attention is made by the first and kept.
    grows: bool,
    /// What the first step is given in its place, [1, heads, 1, width] of zeros; the graph ignores it.
    empty: DynValue,
}

impl Moonshine {
    /// Loads a checked model and proves by a run on half a second of silence that its provider works.
    ///
    /// # Errors
    /// Those of the store and of ONNX Runtime; `Model` when the graphs are not Moonshine's.
    pub fn load(model: &Model, settings: GraphSettings) -> Result<Self> {
        let parameters: Parameters = model.section("moonshine")?;
        let tokenizer = Tokenizer::read(&model.file("tokenizer")?, parameters.vocabulary)?;
        let encoder = super::graph(model, "encoder", settings)?;
        let decoder = super::graph(model, "decoder", settings)?;
        for (graph, input) in [
            (&encoder, "input_values"),
            (&decoder, "input_ids"),
            (&decoder, "encoder_hidden_states"),
            (&decoder, "use_cache_branch"),
        ] {
            if !graph.has_input(input) {
                let found: Vec<&str> = graph.inputs().iter().map(|input| input.name()).collect();
                return Err(
                    graph.error(format!("is not a Moonshine graph: expected an input '{input}', found {}", found.join(", ")))
                );
            }
        }
        let cache = cache_entries(&decoder)?;
        let mut moonshine = Self {
            name: model.name().clone(),
            encoder_takes_mask: encoder.has_input("attention_mask"),
            decoder_takes_mask: decoder.has_input("encoder_attention_mask"),
            encoder,
            decoder,
            tokenizer,
            parameters,
            cache,
            ones: Vec::new(),
        };
        moonshine.transcribe(&vec![0.0; SAMPLE_RATE as usize / 2])?;
        Ok(moonshine)
    }

    fn encode(&mut self, audio: &[f32]) -> Result<DynValue> {
        let graph = self.encoder.name().clone();
        let failed = |error: ort::Error| failed_run(&graph, &error);
        let length = audio.len();
        let mut inputs: Vec<(Cow<str>, SessionInputValue)> =
            vec![("input_values".into(), TensorRef::from_array_view(([1, length], audio)).map_err(failed)?.into())];
        if self.encoder_takes_mask {
            inputs.push((
                "attention_mask".into(),
                TensorRef::from_array_view(([1, length], &self.ones[..length])).map_err(failed)?.into(),
            ));
        }
        let states = self.encoder.run(inputs)?.remove("last_hidden_state");
        states.ok_or_else(|| self.encoder.error("is not a Moonshine graph: expected an output 'last_hidden_state'"))
    }

    /// Greedy decoding, at most `limit` tokens, without the rounds of a loop.
    fn decode(&mut self, states: &DynValue, samples: usize, limit: usize) -> Result<Vec<Choice>> {
        let graph = self.decoder.name().clone();
        let failed = |error: ort::Error| failed_run(&graph, &error);
        let mut past: Vec<Option<DynValue>> = self.cache.iter().map(|_| None).collect();
        let mut tokens: Vec<Choice> = Vec::with_capacity(limit);
        let mut ids: Vec<u32> = Vec::with_capacity(limit);
        let mut last = self.parameters.start_token;
        while tokens.len() < limit {
            let first = tokens.is_empty();
            let mut inputs: Vec<(Cow<str>, SessionInputValue)> = vec![
                ("input_ids".into(), Tensor::from_array(([1_usize, 1], vec![i64::from(last)])).map_err(failed)?.into()),
                ("encoder_hidden_states".into(), states.into()),
                ("use_cache_branch".into(), Tensor::from_array(([1_usize], vec![!first])).map_err(failed)?.into()),
            ];
            if self.decoder_takes_mask {
                let mask = TensorRef::from_array_view(([1, samples], &self.ones[..samples])).map_err(failed)?;
                inputs.push(("encoder_attention_mask".into(), mask.into()));
            }
            for (entry, past) in self.cache.iter().zip(&past) {
                inputs.push((entry.past.as_str().into(), past.as_ref().unwrap_or(&entry.empty).into()));
            }
            let mut outputs = self.decoder.run(inputs)?;
            let choice = {
                let logits = outputs.get("logits").ok_or_else(|| missing(&graph, "logits"))?;
                let (_, logits) = logits.try_extract_tensor::<f32>().map_err(failed)?;
                greedy::choose(&logits[logits.len().saturating_sub(self.parameters.vocabulary)..])
            };
            let choice = choice.ok_or_else(|| Error::new(ErrorKind::Model, format!("{graph}: gave no finite logit")))?;
            for (entry, past) in self.cache.iter().zip(&mut past) {
                if first || entry.grows {
                    *past = Some(outputs.remove(entry.present.as_str()).ok_or_else(|| missing(&graph, &entry.present))?);
                }
            }
            if choice.token == self.parameters.end_token {
                return Ok(tokens);
            }
            tokens.push(choice);
            ids.push(choice.token);
            last = choice.token;
            if let Some(kept) = repetition::loop_end(&ids) {
                tokens.truncate(kept);
                return Ok(tokens);
            }
        }
        Ok(tokens)
    }
}

impl Transcriber for Moonshine {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn settings(&self) -> GraphSettings {
        self.decoder.settings()
    }

    fn transcribe(&mut self, audio: &[f32]) -> Result<Hypothesis> {
        if audio.len() < SHORTEST_SAMPLES {
            return Ok(Hypothesis::default());
        }
        if audio.len() > LONGEST_SAMPLES {
            let message = format!(
                "{}: {} samples at once, at most {LONGEST_SAMPLES}; cut the speech into segments",
                self.name,
                audio.len()
            );
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        if self.ones.len() < audio.len() {
            self.ones.resize(audio.len(), 1);
        }
        let seconds = audio.len() as f64 / f64::from(SAMPLE_RATE);
        let limit = (seconds * self.parameters.tokens_per_second).ceil() as usize;
        let states = self.encode(audio)?;
        let tokens = self.decode(&states, audio.len(), limit)?;
        Ok(Hypothesis::spell(&tokens, &self.tokenizer))
    }
}

fn missing(graph: &str, output: &str) -> Error {
    Error::new(ErrorKind::Model, format!("{graph}: is not a Moonshine decoder: expected an output '{output}'"))
}

/// The decoder's past/present pairs, from its inputs `past_key_values.{layer}.{decoder|encoder}.{key|value}`.
fn cache_entries(decoder: &Graph) -> Result<Vec<CacheEntry>> {
    let mut entries = Vec::new();
    for input in decoder.inputs() {
        let Some(rest) = input.name().strip_prefix("past_key_values.") else { continue };
        let ValueType::Tensor { shape, .. } = input.dtype() else {
            return Err(decoder.error(format!("input '{}': expected a tensor, found {}", input.name(), input.dtype())));
        };
        let (heads, width) = match shape[..] {
            [_, heads @ 1..=64, _, width @ 1..=1024] => (heads as usize, width as usize),
            _ => {
                return Err(decoder.error(format!("input '{}': expected [1, heads, past, width], found {shape:?}", input.name())));
            }
        };
        let empty = Tensor::from_array(([1, heads, 1, width], vec![0_f32; heads * width]));
        entries.push(CacheEntry {
            past: input.name().to_owned(),
            present: format!("present.{rest}"),
            grows: rest.contains(".decoder."),
            empty: empty.map_err(|error| failed_run(decoder.name(), &error))?.into_dyn(),
        });
    }
    if entries.is_empty() {
        return Err(decoder.error("is not a merged Moonshine decoder: expected inputs 'past_key_values.*', found none"));
    }
    Ok(entries)
}
