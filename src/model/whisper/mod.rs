//! Whisper (Radford et al., arXiv 2212.04356): log-mel of up to 30 s in, text out.
//!
//! In: 16 kHz audio and a draft of what it says. Out: a [`Hypothesis`]. Three graphs: `encoder` (log-mel -> states), `cross_kv` (states ->
//! the cross-attention's keys and values, once a piece of audio) and `step` (tokens -> what follows each), the last two as Moonshine's
//! and run by the same decoder. The encoder was trained on 30 s; of shorter audio it hears as much as the manifest's `[whisper.context]`
//! says, and all 30 s where what it read of less is not to be believed.

mod layout;
mod log_mel;
mod parameters;

use std::sync::Arc;

use ort::value::{DynValue, Tensor};

use self::log_mel::HOP_SAMPLES;
pub use self::log_mel::LogMel;
use self::parameters::{FRAME_SAMPLES, Parameters};
use super::decoder::layout::Layout;
use super::decoder::{Decoder, Greedy, Reading};
use super::{ReadingTime, Transcriber};
use crate::decode::alignment::Attention;
use crate::decode::greedy::{self, Choice};
use crate::decode::tokenizer::Tokenizer;
use crate::decode::{Hypothesis, Prior};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::{BoundGraph, GraphSettings, Memory, failed_run};
use crate::store::Model;
use crate::time::{SAMPLE_RATE, Stopwatch};

/// Audio shorter than this holds no word: 0.1 s.
const SHORTEST_SAMPLES: usize = SAMPLE_RATE as usize / 10;
/// A reading whose tokens are less likely than this on average, as a logarithm, is not believed; the reference's figure.
const LEAST_LOG_PROBABILITY: f64 = -1.0;
/// Where it is not believed, and it is as likely as this that nobody speaks, nothing was said; the reference's figure.
const NO_SPEECH: f32 = 0.6;

/// A Whisper model: weights, sessions and tokenizer. It keeps nothing of a stream between calls.
#[derive(Debug)]
pub struct Whisper {
    name: Arc<str>,
    log_mel: LogMel,
    encoder: BoundGraph,
    decoder: Decoder,
    tokenizer: Tokenizer,
    parameters: Parameters,
    /// The tokens that a reading opens with.
    opening: Vec<u32>,
    time: ReadingTime,
}

/// A greedy reading, before it is spelled.
struct Heard {
    reading: Reading,
    attention: Attention,
    /// How likely it is that nobody speaks, 0 to 1.
    no_speech: f32,
}

impl Whisper {
    /// Loads a checked model and proves by a run on half a second of silence that its provider works.
    ///
    /// # Errors
    /// Those of the store and of ONNX Runtime; `Corrupt` when a figure of the manifest is out of its range; `Model` when the graphs
    /// are not Whisper's or do not belong together.
    pub fn load(model: &Model, settings: GraphSettings) -> Result<Self> {
        settings.provider.must_bind(model.name())?;
        let parameters: Parameters = model.section("whisper")?;
        parameters.check().map_err(|error| error.within(model.folder().join("model.toml").display()))?;
        let tokenizer = Tokenizer::read(&model.file("tokenizer")?, parameters.vocabulary)?;
        let encoder = super::graph(model, "encoder", settings)?;
        let cross_kv = super::graph(model, "cross_kv", settings)?;
        let step = super::graph(model, "step", settings)?;
        let heads = parameters.word_times.as_ref().map(|word_times| word_times.heads.len());
        layout::check(&encoder, &cross_kv, parameters.mels)?;
        let layout = Layout::of(&cross_kv, &step, parameters.vocabulary, heads)?;
        let encoder = BoundGraph::new(encoder, vec![(layout::ENCODED.to_owned(), Memory::Device)])?;
        let decoder = Decoder::new(cross_kv, step, layout)?;
        let mut whisper = Self {
            name: model.name().clone(),
            log_mel: LogMel::new(parameters.mels),
            encoder,
            decoder,
            tokenizer,
            opening: vec![parameters.start_token, parameters.no_timestamps_token],
            parameters,
            time: ReadingTime::default(),
        };
        // With a draft, so that a step of several tokens is proven too.
        whisper.transcribe(&vec![0.0; SAMPLE_RATE as usize / 2], Prior::draft(&[0]))?;
        Ok(whisper)
    }

    /// Bands of its log-mel.
    pub fn mels(&self) -> usize {
        self.parameters.mels
    }

    /// Samples that the encoder hears of so many: what is not there is silence.
    pub fn heard_samples(&self, samples: usize) -> usize {
        self.parameters.frames_of(samples) * FRAME_SAMPLES
    }

    /// The states [1, frames, state] of `audio`, cut or filled up with silence to so many frames.
    fn hear(&mut self, audio: &[f32], frames: usize) -> Result<DynValue> {
        let mut watch = Stopwatch::start();
        let mut heard = audio.to_vec();
        heard.resize(frames * FRAME_SAMPLES, 0.0);
        let mel = self.log_mel.compute(&heard);
        let shape = [1, self.log_mel.mels(), frames * (FRAME_SAMPLES / HOP_SAMPLES)];
        let mel = Tensor::from_array((shape, mel)).map_err(|error| failed_run(self.encoder.graph().name(), &error))?;
        self.encoder.give(layout::MEL, &mel)?;
        let encoded = self.encoder.run();
        self.encoder.release();
        self.time.encode = self.time.encode + watch.lap();
        encoded?.pop().ok_or_else(|| self.encoder.graph().error("did not give states"))
    }

    /// Greedy decoding of so many frames of `audio`, at most `limit` tokens, without the rounds of a loop.
    fn read(&mut self, audio: &[f32], frames: usize, prior: Prior<'_>, limit: usize) -> Result<Heard> {
        let states = self.hear(audio, frames)?;
        let mut watch = Stopwatch::start();
        let decoded = self.decoder.begin(&[states]).and_then(|()| self.decode(prior, limit));
        self.decoder.end();
        self.time.decode = self.time.decode + watch.lap();
        decoded
    }

    fn decode(&mut self, prior: Prior<'_>, limit: usize) -> Result<Heard> {
        let Parameters { start_token, end_token, vocabulary, no_speech_token, .. } = self.parameters;
        let Parameters { suppress, suppress_first, first_timestamp_token, .. } = &self.parameters;
        let opening = &self.opening;
        let start = opening.iter().position(|token| *token == start_token).unwrap_or(0);
        let mut no_speech = 0.0;
        let greedy = Greedy { name: &self.name, opening, end_token, vocabulary, limit };
        let mut opened = |rows: &mut super::decoder::Rows| {
            let logits = rows.logits(0, start);
            no_speech = logits.and_then(|logits| greedy::probability(logits, no_speech_token)).unwrap_or(0.0);
        };
        let mut choose = |logits: &mut [f32], read: &[u32]| -> Option<Choice> {
            let mut forbid = |tokens: &[u32]| {
                for &token in tokens {
                    if let Some(logit) = logits.get_mut(token as usize) {
                        *logit = f32::NEG_INFINITY;
                    }
                }
            };
            forbid(suppress);
            if read.is_empty() {
                forbid(suppress_first);
            }
            // Nor a time: the opening says that there are none.
            logits.get_mut(*first_timestamp_token as usize..).unwrap_or_default().fill(f32::NEG_INFINITY);
            greedy::choose(logits)
        };
        let (reading, attention) = self.decoder.greedy(&greedy, prior, &mut opened, &mut choose)?;
        Ok(Heard { reading, attention, no_speech })
    }

    /// The words of what was read in `audio`, of which the first `given` tokens were given.
    fn spell(&mut self, audio: &[f32], heard: &Heard, given: usize) -> Hypothesis {
        let mut watch = Stopwatch::start();
        let tokens = heard.reading.tokens();
        let pieces: Vec<&[u8]> = tokens.iter().map(|choice| self.tokenizer.bytes(choice.token)).collect();
        let word_times = self.parameters.word_times.as_ref();
        let spans =
            |times: &crate::decode::time_warp::TimeWarp| times.spans(&heard.attention, &pieces, audio.len(), FRAME_SAMPLES);
        let said = word_times.map_or_else(Vec::new, spans);
        let hypothesis = Hypothesis::spell(tokens, given, &said, self.parameters.confidence_odds, &self.tokenizer);
        self.time.align = self.time.align + watch.lap();
        hypothesis
    }
}

impl Heard {
    /// The mean logarithm of the probabilities of what was read and not given, its end counted as certain.
    fn log_probability(&self, given: usize) -> f64 {
        let read = self.reading.tokens().get(given..).unwrap_or_default();
        let sum: f64 = read.iter().map(|choice| f64::from(choice.probability.max(f32::MIN_POSITIVE)).ln()).sum();
        sum / (read.len() + 1) as f64
    }
}

impl Transcriber for Whisper {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn settings(&self) -> GraphSettings {
        self.decoder.settings()
    }

    fn transcribe(&mut self, audio: &[f32], prior: Prior<'_>) -> Result<Hypothesis> {
        let longest = self.parameters.longest_samples();
        if audio.len() > longest {
            let message =
                format!("{}: {} samples at once, at most {longest}; cut the speech into segments", self.name, audio.len());
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        if audio.len() < SHORTEST_SAMPLES {
            return Ok(Hypothesis::default());
        }
        self.time.readings += 1;
        let (frames, limit) = (self.parameters.frames_of(audio.len()), self.parameters.limit(audio.len()));
        let given = prior.given.len();
        let mut heard = self.read(audio, frames, prior, limit)?;
        if heard.log_probability(given) < LEAST_LOG_PROBABILITY && frames < self.parameters.audio_frames {
            let whole = self.read(audio, self.parameters.audio_frames, prior, limit)?;
            if whole.log_probability(given) > heard.log_probability(given) {
                heard = whole;
            }
        }
        if heard.no_speech > NO_SPEECH && heard.log_probability(given) < LEAST_LOG_PROBABILITY {
            return Ok(Hypothesis::default());
        }
        Ok(self.spell(audio, &heard, given))
    }

    fn reading_time(&self) -> ReadingTime {
        self.time
    }
}
