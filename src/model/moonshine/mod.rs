//! Moonshine (Jeffries et al., arXiv 2410.15608): raw audio in, text out.
//!
//! In: 16 kHz audio and a draft of what it says. Out: a [`Hypothesis`]. Four graphs: `stem` (audio -> its first two
//! convolutions), `encoder` (these -> states), `cross_kv` (states -> the cross-attention's keys and values, once an utterance) and
//! `step` (tokens -> what follows each). `step` takes several tokens at once, so a draft, such as what was read 0.3 s of audio ago,
//! is verified in one step instead of read again; and of audio that was heard before, `stem` hears only what is new. Where several
//! pieces of audio are at hand, `step` takes a token of each (`together.rs`).

mod layout;
mod stem;
mod together;

use std::sync::Arc;

use ort::value::{DynValue, Tensor};
use serde::Deserialize;

use self::layout::{CONVOLVED, ENCODED, MEAN, VARIANCE};
pub use self::stem::STEP_SAMPLES;
use self::stem::Stem;
use super::decoder::layout::Layout;
use super::decoder::{Decoder, Greedy, Reading};
use super::{ReadingTime, Transcriber};
use crate::decode::alignment::{Attention, FRAME_SAMPLES, WordTimes};
use crate::decode::boost::Boost;
use crate::decode::tokenizer::Tokenizer;
use crate::decode::vocabulary::Vocabulary;
use crate::decode::{Hypothesis, Prior};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::{BoundGraph, GraphSettings, Memory, failed_run};
use crate::store::Model;
use crate::time::{SAMPLE_RATE, Stopwatch};

/// The encoder's convolutions need this many samples for one state: 127 + 64 x (7 - 1 + 3 x (3 - 1)) rounded up.
const SHORTEST_SAMPLES: usize = 1_024;
/// Longest piece of audio taken at once; memory grows with its square.
const LONGEST_SAMPLES: usize = 64 * SAMPLE_RATE as usize;

/// Digital silence that is put around the audio: before it in frames of the encoder, behind it in samples.
#[derive(Clone, Copy, Debug)]
struct Silence {
    before_frames: usize,
    after_samples: usize,
}

/// 0.5 s before and 0.25 s behind: Moonshine reads the first and the last words of a piece of audio better so, above all in rooms.
/// docs/latency.md has what it brings.
const SILENCE: Silence = Silence { before_frames: 21, after_samples: 4_000 };
const NO_SILENCE: Silence = Silence { before_frames: 0, after_samples: 0 };

/// The `[moonshine]` section of the manifest.
#[derive(Clone, Debug, Deserialize)]
struct Parameters {
    start_token: u32,
    end_token: u32,
    vocabulary: usize,
    /// Most tokens a second of speech can hold; more is invention.
    tokens_per_second: f64,
    /// The odds of a word being right are this many times those its tokens tell; measured on speech.
    #[serde(default = "as_told")]
    confidence_odds: f32,
    /// How `cross_attention` tells where words lie; without it words have no times.
    word_times: Option<WordTimes>,
}

fn as_told() -> f32 {
    1.0
}

/// A Moonshine model: weights, sessions and tokenizer. It keeps nothing of a stream between calls but a memo of the last audio, which
/// changes no reading.
#[derive(Debug)]
pub struct Moonshine {
    name: Arc<str>,
    stem: Stem,
    encoder: BoundGraph,
    decoder: Decoder,
    tokenizer: Tokenizer,
    parameters: Parameters,
    boost: Option<Boost>,
    time: ReadingTime,
}

impl Moonshine {
    /// Loads a checked model and proves by a run on half a second of silence that its provider works.
    ///
    /// # Errors
    /// Those of the store and of ONNX Runtime; `Corrupt` when a figure of the manifest is out of its range; `Model` when the graphs
    /// are not Moonshine's or do not belong together.
    pub fn load(model: &Model, settings: GraphSettings) -> Result<Self> {
        settings.provider.must_bind(model.name())?;
        let parameters: Parameters = model.section("moonshine")?;
        parameters.check().map_err(|error| error.within(model.folder().join("model.toml").display()))?;
        let tokenizer = Tokenizer::read(&model.file("tokenizer")?, parameters.vocabulary)?;
        let stem = super::graph(model, "stem", settings)?;
        let encoder = super::graph(model, "encoder", settings)?;
        let cross_kv = super::graph(model, "cross_kv", settings)?;
        let step = super::graph(model, "step", settings)?;
        let heads = parameters.word_times.as_ref().map(|word_times| word_times.heads.len());
        layout::check(&stem, &encoder, &cross_kv)?;
        let layout = Layout::of(&cross_kv, &step, parameters.vocabulary, heads)?;
        let stem = Stem::new(stem)?;
        let encoder = BoundGraph::new(encoder, vec![(ENCODED.to_owned(), Memory::Device)])?;
        let decoder = Decoder::new(cross_kv, step, layout)?;
        let mut moonshine = Self {
            name: model.name().clone(),
            stem,
            encoder,
            decoder,
            tokenizer,
            parameters,
            boost: None,
            time: ReadingTime::default(),
        };
        // With a draft, so that a step of several tokens is proven too.
        moonshine.transcribe(&vec![0.0; SAMPLE_RATE as usize / 2], Prior::draft(&[moonshine.parameters.start_token]))?;
        Ok(moonshine)
    }

    /// How many tokens `audio` can hold at most; `None` where it is too short to hold a word.
    fn limit(&self, audio: &[f32]) -> Result<Option<usize>> {
        if audio.len() > LONGEST_SAMPLES {
            let message = format!(
                "{}: {} samples at once, at most {LONGEST_SAMPLES}; cut the speech into segments",
                self.name,
                audio.len()
            );
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let seconds = audio.len() as f64 / f64::from(SAMPLE_RATE);
        let limit = (seconds * self.parameters.tokens_per_second).ceil() as usize;
        Ok((audio.len() >= SHORTEST_SAMPLES).then_some(limit))
    }

    /// Reads `audio` with digital silence around it.
    fn read(&mut self, audio: &[f32], silence: Silence, prior: Prior<'_>, limit: usize) -> Result<(Reading, Attention)> {
        let states = self.hear(audio, silence)?;
        let mut watch = Stopwatch::start();
        let decoded = self.decoder.begin(&[states]).and_then(|()| self.decode(prior, limit));
        self.decoder.end();
        self.time.decode = self.time.decode + watch.lap();
        let (reading, mut attention) = decoded?;
        attention.skip(silence.before_frames);
        Ok((reading, attention))
    }

    /// The states of `audio` with digital silence around it, [1, frames, hidden].
    fn hear(&mut self, audio: &[f32], silence: Silence) -> Result<DynValue> {
        let mut watch = Stopwatch::start();
        let mut heard = vec![0.0; silence.before_frames * FRAME_SAMPLES];
        heard.extend_from_slice(audio);
        let heard_until = heard.len();
        heard.resize(heard_until + silence.after_samples, 0.0);
        let states = self.encode(&heard, heard_until);
        self.time.encode = self.time.encode + watch.lap();
        states
    }

    /// The states of audio, [1, frames, hidden]; it may go on after `heard_until`.
    fn encode(&mut self, audio: &[f32], heard_until: usize) -> Result<DynValue> {
        let heard = self.stem.hear(audio)?;
        let (mean, variance) = heard.mean_and_variance();
        self.encoder.give(CONVOLVED, &heard.convolved)?;
        for (name, value) in [(MEAN, mean), (VARIANCE, variance)] {
            let value = Tensor::from_array(([1], vec![value]));
            self.encoder.give(name, &value.map_err(|error| failed_run(self.encoder.graph().name(), &error))?)?;
        }
        let encoded = self.encoder.run();
        self.encoder.release();
        // The silence behind is other audio next time.
        self.stem.keep(&audio[..heard_until], heard);
        encoded?.pop().ok_or_else(|| self.encoder.graph().error("did not give states"))
    }

    /// Greedy decoding, at most `limit` tokens, without the rounds of a loop; and where in the audio each token looked.
    fn decode(&mut self, prior: Prior<'_>, limit: usize) -> Result<(Reading, Attention)> {
        let Parameters { start_token, end_token, vocabulary, .. } = self.parameters;
        let greedy = Greedy { name: &self.name, opening: &[start_token], end_token, vocabulary, limit, look_back: None };
        self.decoder.greedy_with_terms(&greedy, prior, &mut |_| (), &mut |_, _| (), self.boost.as_ref())
    }

    /// The words of what was read in `audio`, of which the first `given` tokens were given.
    fn spell(&mut self, audio: &[f32], (reading, attention): &(Reading, Attention), given: usize) -> Hypothesis {
        let mut watch = Stopwatch::start();
        let pieces: Vec<&[u8]> = reading.tokens().iter().map(|choice| self.tokenizer.bytes(choice.token)).collect();
        let word_times = self.parameters.word_times.as_ref();
        let said = word_times.map_or_else(Vec::new, |word_times| word_times.spans(attention, &pieces, audio));
        let hypothesis = Hypothesis::spell(reading.tokens(), given, &said, self.parameters.confidence_odds, &self.tokenizer);
        self.time.align = self.time.align + watch.lap();
        hypothesis
    }
}

impl Transcriber for Moonshine {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn settings(&self) -> GraphSettings {
        self.decoder.settings()
    }

    fn transcribe(&mut self, audio: &[f32], prior: Prior<'_>) -> Result<Hypothesis> {
        let Some(limit) = self.limit(audio)? else { return Ok(Hypothesis::default()) };
        self.time.readings += 1;
        let mut read = self.read(audio, SILENCE, prior, limit)?;
        if read.0.tokens().is_empty() {
            // Short words are now and then not heard between so much silence.
            read = self.read(audio, NO_SILENCE, prior, limit)?;
        }
        Ok(self.spell(audio, &read, prior.given.len()))
    }

    fn transcribe_all(&mut self, pieces: &[&[f32]]) -> Result<Vec<Hypothesis>> {
        self.read_together(pieces)
    }

    fn listen_for(&mut self, vocabulary: &Vocabulary) -> Result<()> {
        let boost = Boost::new(vocabulary, self.parameters.vocabulary, |token| self.tokenizer.bytes(token));
        self.boost = (!vocabulary.is_empty()).then_some(boost);
        Ok(())
    }

    fn reading_time(&self) -> ReadingTime {
        self.time
    }
}

impl Parameters {
    fn check(&self) -> Result<()> {
        let corrupt = |message: String| Err(Error::new(ErrorKind::Corrupt, format!("[moonshine]: {message}")));
        for (name, token) in [("start_token", self.start_token), ("end_token", self.end_token)] {
            if token as usize >= self.vocabulary {
                return corrupt(format!("{name} is {token}, but the vocabulary has {} tokens", self.vocabulary));
            }
        }
        if !(0.1..=100.0).contains(&self.tokens_per_second) {
            return corrupt(format!("tokens_per_second is {}; expected 0.1 to 100", self.tokens_per_second));
        }
        if !(0.01..=100.0).contains(&self.confidence_odds) {
            return corrupt(format!("confidence_odds is {}; expected 0.01 to 100", self.confidence_odds));
        }
        self.word_times.as_ref().map_or(Ok(()), WordTimes::check)
    }
}
