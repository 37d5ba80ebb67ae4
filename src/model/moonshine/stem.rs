//! The graph `stem`, and what it said of the last audio: while a caption rolls, the same audio comes again and again with a little
//! more at its end, or from a later start.
//!
//! In: audio. Out: [`Heard`], what the encoder takes. Only samples that are new go through the graph, whose convolutions see no
//! further than 511 samples; mean and variance are those of all the audio each time. It is a memo and no state: other audio, another
//! stream's for one, gives what it would give alone, but for a float's last bits, and takes the place of what was kept.

use std::ops::Range;

use ort::value::{DynValue, Tensor};

use super::layout::{AUDIO, CONVOLVED, MEANS, SQUARES};
use crate::error::Result;
use crate::runtime::{BoundGraph, Graph, Memory, failed_run};
use crate::time::SAMPLE_RATE;

/// Samples from one piece of what `stem` gives to the next: the strides of its convolutions, 64 and 3. What was kept of audio holds
/// for audio that begins a multiple of this later.
pub const STEP_SAMPLES: usize = SLICES * SLICE_STEP;
/// Samples that a piece is computed from: seven slices.
const PIECE_SAMPLES: usize = SLICE_SAMPLES + 6 * SLICE_STEP;
/// The same of a slice, of which `stem` gives mean and mean square.
const SLICE_STEP: usize = 64;
const SLICE_SAMPLES: usize = 127;
/// Slices from one piece to the next.
const SLICES: usize = 3;

/// Nothing is kept of longer audio, so that no more than some 10 MB are; a caption that rolls reads a tenth of it.
const LONGEST_KEPT: usize = 30 * SAMPLE_RATE as usize;
/// So much of two pieces of audio is compared first.
const COMPARED_FIRST: usize = 64;
/// So many places where that much is the same are compared to the end; silence would have one every 192 samples.
const COMPARED: usize = 8;

/// The graph and its memo.
#[derive(Debug)]
pub(super) struct Stem {
    graph: BoundGraph,
    /// What was heard last, if it was kept, and the audio it was heard in.
    heard: Option<Heard>,
    audio: Vec<f32>,
}

/// What `stem` says of audio.
#[derive(Debug)]
pub(super) struct Heard {
    /// A row every [`STEP_SAMPLES`], [1, pieces, width].
    pub convolved: Tensor<f32>,
    /// Of every slice.
    means: Vec<f32>,
    /// Its mean square.
    squares: Vec<f32>,
}

impl Stem {
    /// Takes a graph that the layout was read from.
    ///
    /// # Errors
    /// `Model` with what ONNX Runtime says.
    pub fn new(graph: Graph) -> Result<Self> {
        let outputs = [CONVOLVED, MEANS, SQUARES].map(|name| (name.to_owned(), Memory::Host));
        Ok(Self { graph: BoundGraph::new(graph, outputs.to_vec())?, heard: None, audio: Vec::new() })
    }

    /// Hears `audio`, of which there must be enough for a piece. What was kept is used up: [`Stem::keep`] has to follow.
    ///
    /// # Errors
    /// `Model` with what ONNX Runtime says, or when an output has another shape than it must.
    pub fn hear(&mut self, audio: &[f32]) -> Result<Heard> {
        let Some((before, known)) = self.heard.take().zip(known(&self.audio, audio)) else {
            return self.run(audio);
        };
        let new = self.run(&audio[known.len() * STEP_SAMPLES..])?;
        self.joined(&before, known, &new)
    }

    /// Keeps what was heard in `audio` for audio that has some of it in common.
    pub fn keep(&mut self, audio: &[f32], heard: Heard) {
        self.audio.clear();
        if audio.len() <= LONGEST_KEPT {
            self.audio.extend_from_slice(audio);
            self.heard = Some(heard);
        }
    }

    fn run(&mut self, audio: &[f32]) -> Result<Heard> {
        let failed = |graph: &BoundGraph, error: &ort::Error| failed_run(graph.graph().name(), error);
        let input = Tensor::from_array(([1, audio.len()], audio.to_vec())).map_err(|error| failed(&self.graph, &error))?;
        self.graph.give(AUDIO, &input)?;
        let outputs = self.graph.run();
        self.graph.release();
        let made = <[DynValue; 3]>::try_from(outputs?);
        let [convolved, means, squares] = made.map_err(|_| self.graph.graph().error("did not give three outputs"))?;
        let convolved: Tensor<f32> = convolved.downcast().map_err(|error| failed(&self.graph, &error))?;
        let pieces = pieces(audio.len());
        if !matches!(convolved.shape()[..], [1, found, width] if usize::try_from(found) == Ok(pieces) && width > 0) {
            let message = format!("output '{CONVOLVED}': expected [1, {pieces}, any], found {:?}", convolved.shape());
            return Err(self.graph.graph().error(message));
        }
        let count = slices(audio.len());
        let of_slices = |name: &str, values: &DynValue| -> Result<Vec<f32>> {
            let (shape, values) = values.try_extract_tensor::<f32>().map_err(|error| failed(&self.graph, &error))?;
            if values.len() != count {
                let message = format!("output '{name}': expected [1, {count}], found {shape:?}");
                return Err(self.graph.graph().error(message));
            }
            Ok(values.to_vec())
        };
        Ok(Heard { means: of_slices(MEANS, &means)?, squares: of_slices(SQUARES, &squares)?, convolved })
    }

    /// The pieces `known` of `before`, then `new`.
    fn joined(&self, before: &Heard, known: Range<usize>, new: &Heard) -> Result<Heard> {
        let width = new.width();
        let old = before.convolved.extract_tensor().1;
        let rows = old.get(known.start * width..known.end * width).filter(|_| before.width() == width);
        let rows = rows.ok_or_else(|| self.graph.graph().error(format!("gave pieces of {} and {width}", before.width())))?;
        let rows = [rows, new.convolved.extract_tensor().1].concat();
        let of_known = known.start * SLICES..known.end * SLICES;
        Ok(Heard {
            convolved: Tensor::from_array(([1, rows.len() / width, width], rows))
                .map_err(|error| failed_run(self.graph.graph().name(), &error))?,
            means: [&before.means[of_known.clone()], &new.means].concat(),
            squares: [&before.squares[of_known], &new.squares].concat(),
        })
    }
}

impl Heard {
    /// Mean and variance of all that the first convolution gave.
    pub fn mean_and_variance(&self) -> (f32, f32) {
        let average = |values: &[f32]| values.iter().copied().map(f64::from).sum::<f64>() / values.len() as f64;
        let mean = average(&self.means);
        (mean as f32, (average(&self.squares) - mean * mean).max(0.0) as f32)
    }

    /// Values of a piece.
    fn width(&self) -> usize {
        self.convolved.shape().last().and_then(|width| usize::try_from(*width).ok()).unwrap_or(0)
    }
}

/// Slices of so many samples.
fn slices(samples: usize) -> usize {
    samples.checked_sub(SLICE_SAMPLES).map_or(0, |more| more / SLICE_STEP + 1)
}

/// Pieces of so many samples.
fn pieces(samples: usize) -> usize {
    samples.checked_sub(PIECE_SAMPLES).map_or(0, |more| more / STEP_SAMPLES + 1)
}

/// Which pieces of `before` are the first of `audio`: `audio` begins as `before` does from the first of them on, bit by bit, to the
/// end of the shorter. At least one piece of `audio` is left to compute. `None` where there are none, or `before` repeats itself so
/// often that looking further would cost more than it saves.
fn known(before: &[f32], audio: &[f32]) -> Option<Range<usize>> {
    let opening = audio.get(..COMPARED_FIRST)?;
    let mut compared = 0;
    for first in 0..pieces(before.len()) {
        let rest = &before[first * STEP_SAMPLES..];
        if compared == COMPARED {
            return None;
        }
        if same(&rest[..COMPARED_FIRST], opening) {
            compared += 1;
            let common = rest.len().min(audio.len());
            if same(&rest[..common], &audio[..common]) {
                let count = pieces(common).min(pieces(audio.len()).saturating_sub(1));
                return (count > 0).then_some(first..first + count);
            }
        }
    }
    None
}

fn same(a: &[f32], b: &[f32]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples none of which is like another.
    fn noise(length: usize) -> Vec<f32> {
        (0..length as u32).map(|sample| (sample.wrapping_mul(2_654_435_761) >> 8) as f32 / 16_777_216.0 - 0.5).collect()
    }

    #[test]
    fn pieces_and_slices_are_those_that_the_samples_are_enough_for() {
        assert_eq!([126, 127, 190, 191, 511].map(slices), [0, 1, 1, 2, 7]);
        assert_eq!([0, 510, 511, 702, 703, 16_000].map(pieces), [0, 0, 1, 1, 2, 81]);
    }

    #[test]
    fn audio_with_more_at_its_end_is_known_up_to_there() {
        let audio = noise(16_000);
        // A piece that needs a sample more is not known.
        for (before, count) in [(510, None), (511, Some(1)), (702, Some(1)), (703, Some(2)), (4_800, Some(23))] {
            assert_eq!(known(&audio[..before], &audio), count.map(|count| 0..count), "{before}");
        }
        assert_eq!(known(&audio, &audio), Some(0..80), "one piece is left to compute");
        assert_eq!(known(&audio, &audio[..4_800]), Some(0..22), "less than before");
        assert_eq!(known(&audio, &audio[..510]), None);
        assert_eq!(known(&[], &audio), None);
        assert_eq!(known(&audio, &[]), None);
    }

    #[test]
    fn audio_that_begins_later_is_known_where_pieces_fall_on_pieces() {
        let audio = noise(32_000);
        let before = &audio[..16_000];
        for first in [1, 7, 80] {
            assert_eq!(known(before, &audio[first * 192..]), Some(first..81), "{first}");
        }
        for start in [1, 191, 193, 81 * 192, 16_000, 19_200] {
            assert_eq!(known(before, &audio[start..]), None, "{start}");
        }
        assert_eq!(known(&audio[192..], &audio), None, "it begins earlier");
    }

    #[test]
    fn one_bit_anywhere_is_other_audio() {
        let audio = noise(4_800);
        for place in [0, 63, 64, 2_000, 4_799] {
            let mut other = audio.clone();
            other[place] = f32::from_bits(other[place].to_bits() ^ 1);
            assert_eq!(known(&audio, &other), None, "{place}");
            assert_eq!(known(&other, &audio), None, "{place}");
        }
        assert_eq!(known(&[0.0; 4_800], &[-0.0; 4_800]), None);
        assert_eq!(known(&[f32::NAN; 4_800], &[f32::NAN; 9_600]), Some(0..23), "what is no number is still the same");
    }

    #[test]
    fn silence_is_not_searched_to_its_end() {
        let silence = vec![0.0; 480_000];
        let mut speech = silence.clone();
        speech.truncate(100_000);
        speech.extend(noise(10_000));
        assert_eq!(known(&silence, &silence), Some(0..2_497));
        assert_eq!(known(&silence, &speech), None);
        let started: Vec<f32> = silence[..1_920].iter().copied().chain(noise(10_000)).collect();
        assert_eq!(known(&started, &started[3 * 192..]).map(|known| known.start), Some(3));
        assert_eq!(known(&started, &started[1_920..]).map(|known| known.start), Some(10), "the first that is not silent");
    }
}
