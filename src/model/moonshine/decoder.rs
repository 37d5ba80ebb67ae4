//! The decoder of one utterance at a time: the graphs `cross_kv` and `step` with the keys and values between them.
//!
//! In: the encoder's states, then tokens. Out: [`Rows`], what follows each token and where in the audio it looked. Keys and values
//! stay in the memory of the device, bound from one step to the next; only a cut takes them through the host.

use ort::memory::AllocationDevice;
use ort::value::{DynTensorRef, DynValue, Tensor};

use super::layout::{ATTENTION, CROSS, LOGITS, Layout, SELF, STATES, TOKENS};
use crate::decode::alignment::Attention;
use crate::decode::greedy::{self, Choice};
use crate::error::Result;
use crate::runtime::{BoundGraph, Graph, GraphSettings, Memory, failed_run};

/// `cross_kv` and `step`, bound to each other.
#[derive(Debug)]
pub(super) struct Decoder {
    cross_kv: BoundGraph,
    step: BoundGraph,
    layout: Layout,
    self_names: Vec<String>,
    cross_names: Vec<String>,
    /// Keys and values of the tokens so far, [1, heads, length, width] each, in the order of `self_names`.
    past: Vec<DynValue>,
    /// Tokens so far, the start token included.
    length: usize,
}

/// What a step says of each token it was given.
#[derive(Debug)]
pub(super) struct Rows {
    logits: DynValue,
    attention: Option<DynValue>,
}

impl Decoder {
    /// Takes graphs that `layout` was read from.
    ///
    /// # Errors
    /// `Model` with what ONNX Runtime says.
    pub fn new(cross_kv: Graph, step: Graph, layout: Layout) -> Result<Self> {
        let on = |memory: Memory| move |name: String| (name, memory);
        let cross_names = layout.past_names(CROSS);
        let made = cross_names.iter().cloned().map(on(Memory::Device)).collect();
        let mut outputs = vec![(LOGITS.to_owned(), Memory::Host)];
        outputs.extend(layout.present_names().into_iter().map(on(Memory::Device)));
        outputs.extend(layout.attention.then(|| (ATTENTION.to_owned(), Memory::Host)));
        Ok(Self {
            cross_kv: BoundGraph::new(cross_kv, made)?,
            step: BoundGraph::new(step, outputs)?,
            self_names: layout.past_names(SELF),
            cross_names,
            past: Vec::new(),
            length: 0,
            layout,
        })
    }

    /// How the graphs run.
    pub fn settings(&self) -> GraphSettings {
        self.step.graph().settings()
    }

    /// Starts on an utterance: the encoder's states, [1, frames, hidden].
    ///
    /// # Errors
    /// `Model` with what ONNX Runtime says.
    pub fn begin(&mut self, states: &DynValue) -> Result<()> {
        self.end();
        self.cross_kv.give(STATES, states)?;
        let made = self.cross_kv.run()?;
        for (name, value) in self.cross_names.iter().zip(&made) {
            self.step.give(name, value)?;
        }
        self.cross_kv.release();
        let Layout { heads, width, .. } = self.layout;
        let nothing = || self.host_tensor([1, heads, 0, width], Vec::new());
        self.past = self.self_names.iter().map(|_| nothing()).collect::<Result<_>>()?;
        Ok(())
    }

    /// Reads on by `tokens`.
    ///
    /// # Errors
    /// `Model` with what ONNX Runtime says, or when an output has another shape than it must.
    pub fn step(&mut self, tokens: &[u32]) -> Result<Rows> {
        let ids: Vec<i64> = tokens.iter().copied().map(i64::from).collect();
        let ids = Tensor::from_array(([1, tokens.len()], ids)).map_err(|error| failed_run(self.step.graph().name(), &error))?;
        self.step.give(TOKENS, &ids)?;
        for (name, value) in self.self_names.iter().zip(&self.past) {
            self.step.give(name, value)?;
        }
        let mut outputs = self.step.run()?;
        let attention = if self.layout.attention { outputs.pop() } else { None };
        self.past = outputs.split_off(1);
        self.length += tokens.len();
        let logits = outputs.pop().ok_or_else(|| self.step.graph().error("did not give logits"))?;
        self.check(LOGITS, &logits, [Some(1), Some(tokens.len()), Some(self.layout.vocabulary)])?;
        if let Some(attention) = &attention {
            self.check(ATTENTION, attention, [None, Some(tokens.len()), None])?;
        }
        Ok(Rows { logits, attention })
    }

    /// Forgets every token but the first `length`.
    ///
    /// # Errors
    /// `Model` with what ONNX Runtime says.
    pub fn keep(&mut self, length: usize) -> Result<()> {
        if length >= self.length {
            return Ok(());
        }
        let Layout { heads, width, .. } = self.layout;
        let failed = |error: ort::Error| failed_run(self.step.graph().name(), &error);
        let mut kept = Vec::with_capacity(self.past.len());
        for value in &self.past {
            let value: DynTensorRef = value.view().downcast().map_err(failed)?;
            let on_host = value.memory_info().is_cpu_accessible();
            let copy = if on_host { None } else { Some(value.to(AllocationDevice::CPU, 0).map_err(failed)?) };
            let (_, values) = match &copy {
                Some(copy) => copy.try_extract_tensor::<f32>(),
                None => value.try_extract_tensor(),
            }
            .map_err(failed)?;
            let mut cut = Vec::with_capacity(heads * length * width);
            for head in values.chunks_exact(self.length * width) {
                cut.extend_from_slice(&head[..length * width]);
            }
            kept.push(self.host_tensor([1, heads, length, width], cut)?);
        }
        self.past = kept;
        self.length = length;
        Ok(())
    }

    /// Lets go of the utterance, so that nothing of it is held until the next.
    pub fn end(&mut self) {
        self.cross_kv.release();
        self.step.release();
        self.past.clear();
        self.length = 0;
    }

    fn host_tensor(&self, shape: [usize; 4], values: Vec<f32>) -> Result<DynValue> {
        let tensor = Tensor::from_array((shape, values));
        Ok(tensor.map_err(|error| failed_run(self.step.graph().name(), &error))?.into_dyn())
    }

    fn check(&self, name: &str, value: &DynValue, expected: [Option<usize>; 3]) -> Result<()> {
        let found = value.dtype().tensor_shape().map_or(&[][..], |shape| &shape[..]);
        let fits = |(expected, found): (&Option<usize>, &i64)| expected.is_none_or(|size| usize::try_from(*found) == Ok(size));
        if found.len() == expected.len() && expected.iter().zip(found).all(fits) {
            return Ok(());
        }
        let size = |size: &Option<usize>| size.map_or_else(|| "any".to_owned(), |size| size.to_string());
        let expected: Vec<String> = expected.iter().map(size).collect();
        Err(self.step.graph().error(format!("output '{name}': expected [{}], found {found:?}", expected.join(", "))))
    }
}

impl Rows {
    /// The likeliest token after token `row` of the step; `None` when no logit is finite or there is no such row.
    pub fn choice(&self, row: usize) -> Option<Choice> {
        let (shape, logits) = self.logits.try_extract_tensor::<f32>().ok()?;
        let vocabulary = usize::try_from(*shape.last()?).ok()?;
        greedy::choose(logits.chunks_exact(vocabulary.max(1)).nth(row)?)
    }

    /// Adds to `attention` where in the audio token `row` of the step looked.
    pub fn looked(&self, row: usize, attention: &mut Attention) {
        let weights = self.attention.as_ref().and_then(|weights| weights.try_extract_tensor::<f32>().ok());
        let Some((shape, weights)) = weights else { return };
        let &[heads, tokens, frames] = &shape[..] else { return };
        attention.push(weights, [heads, tokens, frames].map(|size| usize::try_from(size).unwrap_or(0)), row);
    }
}
