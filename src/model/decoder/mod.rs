//! The decoder that the families share: the graphs `cross_kv` and `step` with the keys and values between.
//!
//! In: the encoder's states, then tokens, as many for each line. Out: [`Rows`], what follows each token and where in the audio it
//! looked. There is a line of tokens for each of several pieces of audio, or several lines on one piece. A step reads its weights once,
//! for however many lines. Keys and values stay in the memory of the device, bound from one step to the next; only a cut takes them
//! through the host.

mod greedy;
mod guess;
pub(super) mod layout;
mod reading;
mod terms;

use ort::memory::AllocationDevice;
use ort::value::{DynTensorRef, DynValue, Tensor};

pub(super) use self::greedy::Greedy;
use self::layout::{ATTENTION, CROSS, LOGITS, Layout, MASK, SELF, STATES, TOKENS};
pub(super) use self::reading::Reading;
use crate::decode::alignment::Attention;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::{BoundGraph, Graph, GraphSettings, Memory, failed_run};

/// `cross_kv` and `step`, bound to each other.
#[derive(Debug)]
pub(super) struct Decoder {
    cross_kv: BoundGraph,
    step: BoundGraph,
    layout: Layout,
    self_names: Vec<String>,
    cross_names: Vec<String>,
    /// Keys and values of the tokens so far, [lines, heads, length, width] each, in the order of `self_names`.
    past: Vec<DynValue>,
    /// Lines of tokens: one for each piece, or any number on one piece.
    lines: usize,
    /// Tokens so far of each line, the start token included.
    length: usize,
    /// Keys and values of the audio, [pieces, heads, frames of the longest, width] each, in the order of `cross_names`.
    cross: Vec<DynValue>,
    /// Frames of each piece.
    frames: Vec<usize>,
}

/// What a step says of each token it was given.
#[derive(Debug)]
pub(super) struct Rows {
    logits: DynValue,
    attention: Option<DynValue>,
    /// Tokens of each line.
    tokens: usize,
    /// Frames of each piece.
    frames: Vec<usize>,
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
            lines: 0,
            length: 0,
            cross: Vec::new(),
            frames: Vec::new(),
            layout,
        })
    }

    /// How the graphs run.
    pub fn settings(&self) -> GraphSettings {
        self.step.graph().settings()
    }

    /// Starts on one or more pieces of audio: the encoder's states of each, [1, frames, hidden].
    ///
    /// # Errors
    /// `Model` with what ONNX Runtime says, or when states have another shape than they must.
    pub fn begin(&mut self, states: &[DynValue]) -> Result<()> {
        self.end();
        self.frames = states.iter().map(|states| self.frames_of(states)).collect::<Result<_>>()?;
        let mut made = Vec::with_capacity(states.len());
        for states in states {
            self.cross_kv.give(STATES, states)?;
            let of_piece = self.cross_kv.run();
            self.cross_kv.release();
            made.push(of_piece?.into_iter());
        }
        let longest = self.longest();
        for _ in &self.cross_names {
            let values: Vec<DynValue> = made.iter_mut().filter_map(Iterator::next).collect();
            let beside = |values: &[DynValue]| {
                let all: Vec<_> = values.iter().zip(&self.frames).map(|(value, frames)| (value, 0, *frames)).collect();
                self.gathered(&all, longest)
            };
            self.cross.push(match <[DynValue; 1]>::try_from(values) {
                Ok([value]) => value,
                Err(values) => beside(&values)?,
            });
        }
        self.again()?;
        self.give_audio()
    }

    /// Begins anew on the same audio, with no token.
    ///
    /// # Errors
    /// `Model` with what ONNX Runtime says.
    pub fn again(&mut self) -> Result<()> {
        let Layout { heads, width, .. } = self.layout;
        (self.lines, self.length) = (self.frames.len(), 0);
        let nothing = || self.host_tensor(vec![self.lines, heads, 0, width], Vec::new());
        self.past = self.self_names.iter().map(|_| nothing()).collect::<Result<_>>()?;
        Ok(())
    }

    /// Reads on by `tokens`, as many of each line, one line after the other.
    ///
    /// # Errors
    /// `Model` with what ONNX Runtime says, or when an output has another shape than it must.
    pub fn step(&mut self, tokens: &[u32]) -> Result<Rows> {
        let count = tokens.len() / self.lines.max(1);
        let ids: Vec<i64> = tokens.iter().copied().map(i64::from).collect();
        let ids = Tensor::from_array(([self.lines, count], ids)).map_err(|error| failed_run(self.step.graph().name(), &error))?;
        self.step.give(TOKENS, &ids)?;
        for (name, value) in self.self_names.iter().zip(&self.past) {
            self.step.give(name, value)?;
        }
        let mut outputs = self.step.run()?;
        let attention = if self.layout.attention { outputs.pop() } else { None };
        self.past = outputs.split_off(1);
        self.length += count;
        let logits = outputs.pop().ok_or_else(|| self.step.graph().error("did not give logits"))?;
        self.check(LOGITS, &logits, &[Some(self.lines), Some(count), Some(self.layout.vocabulary)])?;
        if let Some(attention) = &attention {
            self.check(ATTENTION, attention, &[Some(self.lines), None, Some(count), Some(self.longest())])?;
        }
        // Lines on one piece look at the same frames.
        let frames = self.frames.iter().cycle().take(self.lines).copied().collect();
        Ok(Rows { logits, attention, tokens: count, frames })
    }

    /// Forgets every token but the first `length` of each line.
    ///
    /// # Errors
    /// `Model` with what ONNX Runtime says.
    pub fn keep(&mut self, length: usize) -> Result<()> {
        if length < self.length {
            let every: Vec<usize> = (0..self.lines).collect();
            self.past = self.cut(&self.past, &every, (self.length, length))?;
            self.length = length;
        }
        Ok(())
    }

    /// Goes on with lines on one piece of audio: line k of those that follow is line `from[k]` of those that were.
    ///
    /// # Errors
    /// `Model` with what ONNX Runtime says, where there are several pieces, or no such line.
    pub fn keep_lines(&mut self, from: &[usize]) -> Result<()> {
        if self.frames.len() != 1 || from.iter().any(|line| *line >= self.lines) {
            return Err(self.step.graph().error(format!("lines {from:?} of {} on {} pieces", self.lines, self.frames.len())));
        }
        if !from.iter().copied().eq(0..self.lines) {
            self.past = self.cut(&self.past, from, (self.length, self.length))?;
            self.lines = from.len();
        }
        Ok(())
    }

    /// Forgets every piece but `pieces`, each with its line, which are then numbered in their order from 0.
    ///
    /// # Errors
    /// `Model` with what ONNX Runtime says.
    pub fn keep_pieces(&mut self, pieces: &[usize]) -> Result<()> {
        let longest = self.longest();
        self.past = self.cut(&self.past, pieces, (self.length, self.length))?;
        self.frames = pieces.iter().filter_map(|piece| self.frames.get(*piece)).copied().collect();
        self.lines = self.frames.len();
        self.cross = self.cut(&self.cross, pieces, (longest, self.longest()))?;
        self.give_audio()
    }

    /// Lets go of the audio, so that nothing of it is held until the next.
    pub fn end(&mut self) {
        self.cross_kv.release();
        self.step.release();
        self.past.clear();
        (self.lines, self.length) = (0, 0);
        self.cross.clear();
        self.frames.clear();
    }

    /// Frames of the longest piece.
    fn longest(&self) -> usize {
        self.frames.iter().copied().max().unwrap_or(0)
    }

    /// Binds what is known of the audio, until it is bound anew.
    fn give_audio(&mut self) -> Result<()> {
        let longest = self.longest();
        let mut mask = vec![0.0; self.frames.len() * longest];
        for (own, mask) in self.frames.iter().zip(mask.chunks_exact_mut(longest.max(1))) {
            mask[*own..].fill(f32::NEG_INFINITY);
        }
        let mask = self.host_tensor(vec![self.frames.len(), 1, 1, longest], mask)?;
        self.step.give(MASK, &mask)?;
        for (name, value) in self.cross_names.iter().zip(&self.cross) {
            self.step.give(name, value)?;
        }
        Ok(())
    }

    fn frames_of(&self, states: &DynValue) -> Result<usize> {
        let shape = states.dtype().tensor_shape().map_or(&[][..], |shape| &shape[..]);
        match shape {
            &[1, frames, _] if frames > 0 => Ok(frames as usize),
            _ => Err(self.cross_kv.graph().error(format!("input '{STATES}': expected [1, frames, hidden], found {shape:?}"))),
        }
    }

    /// Of keys and values of `length.0` positions the first `length.1`, of `pieces` alone.
    fn cut(&self, values: &[DynValue], pieces: &[usize], length: (usize, usize)) -> Result<Vec<DynValue>> {
        let cut = |value: &DynValue| {
            let kept: Vec<_> = pieces.iter().map(|piece| (value, *piece, length.0)).collect();
            self.gathered(&kept, length.1)
        };
        values.iter().map(cut).collect()
    }

    /// Keys or values one after the other, each cut or filled up to `length` positions: those of a piece in a value of so many.
    fn gathered(&self, from: &[(&DynValue, usize, usize)], length: usize) -> Result<DynValue> {
        let Layout { heads, width, .. } = self.layout;
        let mut gathered = Vec::with_capacity(from.len() * heads * length * width);
        for (value, piece, own) in from {
            self.on_host(value, |values| {
                for head in values.chunks_exact((own * width).max(1)).skip(piece * heads).take(heads) {
                    let filled = gathered.len() + length * width;
                    gathered.extend_from_slice(&head[..length.min(*own) * width]);
                    gathered.resize(filled, 0.0);
                }
            })?;
        }
        self.host_tensor(vec![from.len(), heads, length, width], gathered)
    }

    /// Shows `with` the floats of a value, wherever they lie.
    fn on_host(&self, value: &DynValue, with: impl FnOnce(&[f32])) -> Result<()> {
        let failed = |error: ort::Error| failed_run(self.step.graph().name(), &error);
        let value: DynTensorRef = value.view().downcast().map_err(failed)?;
        let on_host = value.memory_info().is_cpu_accessible();
        let copy = if on_host { None } else { Some(value.to(AllocationDevice::CPU, 0).map_err(failed)?) };
        let (_, values) = match &copy {
            Some(copy) => copy.try_extract_tensor::<f32>(),
            None => value.try_extract_tensor(),
        }
        .map_err(failed)?;
        with(values);
        Ok(())
    }

    fn host_tensor(&self, shape: Vec<usize>, values: Vec<f32>) -> Result<DynValue> {
        let tensor = Tensor::from_array((shape, values));
        Ok(tensor.map_err(|error| failed_run(self.step.graph().name(), &error))?.into_dyn())
    }

    fn check(&self, name: &str, value: &DynValue, expected: &[Option<usize>]) -> Result<()> {
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
    /// The logits [vocabulary] after token `row` of `line` in the step, to choose from and to change; `None` where there is no such row.
    pub fn logits(&mut self, line: usize, row: usize) -> Option<&mut [f32]> {
        let (shape, logits) = self.logits.try_extract_tensor_mut::<f32>().ok()?;
        let vocabulary = usize::try_from(*shape.last()?).ok()?;
        logits.chunks_exact_mut(vocabulary.max(1)).nth(line * self.tokens + row)
    }

    /// Adds to `attention` where in its audio token `row` of `line` looked.
    pub fn looked(&self, line: usize, row: usize, attention: &mut Attention) {
        let weights = self.attention.as_ref().and_then(|weights| weights.try_extract_tensor::<f32>().ok());
        let (Some((shape, weights)), Some(&own)) = (weights, self.frames.get(line)) else { return };
        let &[_, heads, tokens, frames] = &shape[..] else { return };
        let [heads, tokens, frames] = [heads, tokens, frames].map(|size| usize::try_from(size).unwrap_or(0));
        let mut looked = Vec::with_capacity(heads * own);
        for head in weights.chunks_exact((tokens * frames).max(1)).skip(line * heads).take(heads) {
            looked.extend_from_slice(head.get(row * frames..row * frames + own).unwrap_or_default());
        }
        attention.push(&looked, [heads, 1, own], 0);
    }
}

/// What is said where a row has nothing to choose from.
pub(super) fn no_finite_logit(model: &str) -> Error {
    Error::new(ErrorKind::Model, format!("{model}: gave no finite logit"))
}
