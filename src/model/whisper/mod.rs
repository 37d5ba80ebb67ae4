//! Whisper (Radford et al., arXiv 2212.04356): log-mel of up to 30 s in, text out.
//!
//! In: 16 kHz audio and a draft of what it says. Out: a [`Hypothesis`]. Three graphs: `encoder` (log-mel -> states), `cross_kv` (states ->
//! the cross-attention's keys and values, once a piece of audio) and `step` (tokens -> what follows each), the last two as Moonshine's
//! and run by the same decoder. The encoder was trained on 30 s; of shorter audio it hears as much as the manifest's `[whisper.context]`
//! says, and all 30 s where what it read of less is not to be believed.

mod layout;
mod log_mel;
mod on_audio;
mod parameters;
mod window;

use std::sync::Arc;

use ort::value::{DynValue, Tensor};

use self::log_mel::HOP_SAMPLES;
pub use self::log_mel::LogMel;
use self::on_audio::OnAudio;
use self::parameters::{FRAME_SAMPLES, Parameters};
use super::decoder::layout::Layout;
use super::decoder::{Decoder, Greedy, Reading, Rows};
use super::{ReadingOptions, ReadingTime, Transcriber, Windows};
use crate::decode::alignment::{Attention, Span};
use crate::decode::beam::Beam;
use crate::decode::boost::Boost;
use crate::decode::byte_pairs::BytePairs;
use crate::decode::fallback::{LEAST_LOG_PROBABILITY, NO_SPEECH};
use crate::decode::greedy::{self, Choice};
use crate::decode::look_back::LookBack;
use crate::decode::prompt::{Prompt, Task};
use crate::decode::rules::Rules;
use crate::decode::tokenizer::Tokenizer;
use crate::decode::vocabulary::Vocabulary;
use crate::decode::{Hypothesis, Prior, language};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::{BoundGraph, GraphSettings, Memory, failed_run};
use crate::store::Model;
use crate::time::{SAMPLE_RATE, Stopwatch};

/// Audio shorter than this holds no word: 0.1 s.
const SHORTEST_SAMPLES: usize = SAMPLE_RATE as usize / 10;
/// Attention goes back by so many frames, 1 s, where the decoder has read to the end and begins anew. It often does so of audio that is
/// shorter than what it was trained on.
const MOST_BACK: usize = 50;

/// A Whisper model: weights, sessions and tokenizer. It keeps nothing of a stream between calls.
#[derive(Debug)]
pub struct Whisper {
    name: Arc<str>,
    log_mel: LogMel,
    encoder: BoundGraph,
    decoder: Decoder,
    tokenizer: Tokenizer,
    parameters: Parameters,
    /// The rules of readings without timestamps.
    plain: Rules,
    options: Options,
    boost: Option<Boost>,
    time: ReadingTime,
}

/// What was asked for, in tokens of this model.
#[derive(Clone, Debug, Default)]
struct Options {
    /// `None`: heard, where the model knows several.
    language: Option<u32>,
    translate: bool,
    /// What is told before the first words.
    prompt: Vec<u32>,
    /// How the most likely text is searched for where there is time; `None`: greedily.
    beam: Option<Beam>,
}

/// What the encoder hears behind audio that is shorter than it is to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behind {
    /// Silence.
    Silence,
    /// Zeros in the log-mel, as where the reference transcribes.
    Nothing,
}

/// A greedy reading, before it is spelled.
struct Heard {
    reading: Reading,
    attention: Attention,
    /// How likely it is that nobody speaks, 0 to 1.
    no_speech: f32,
    /// By how much listed terms may be less likely ([`Boost::forgiven`]).
    forgiven: f64,
}

impl Whisper {
    /// Loads a checked model and proves by a run on half a second of a hum that its provider works.
    ///
    /// # Errors
    /// Those of the store and of ONNX Runtime; `Corrupt` when a figure of the manifest is out of its range; `Model` when the graphs
    /// are not Whisper's or do not belong together; `InvalidInput` for an option that it cannot do.
    pub fn load(model: &Model, settings: GraphSettings, options: &ReadingOptions) -> Result<Self> {
        settings.provider.must_bind(model.name())?;
        let parameters: Parameters = model.section("whisper")?;
        parameters.check().map_err(|error| error.within(model.folder().join("model.toml").display()))?;
        let tokenizer = Tokenizer::read(&model.file("tokenizer")?, parameters.vocabulary)?;
        let encoder = super::graph(model, "encoder", settings)?;
        let cross_kv = super::graph(model, "cross_kv", settings)?;
        let step = super::graph(model, "step", settings)?;
        let heads = parameters.word_times.as_ref().map(|word_times| word_times.heads());
        layout::check(&encoder, &cross_kv, parameters.mels)?;
        let layout = Layout::of(&cross_kv, &step, parameters.vocabulary, heads)?;
        let encoder = BoundGraph::new(encoder, vec![(layout::ENCODED.to_owned(), Memory::Device)])?;
        let decoder = Decoder::new(cross_kv, step, layout)?;
        let plain = Rules { timestamps: false, ..Rules::new(parameters.specials()) };
        let options = Options::of(options, &parameters, &tokenizer).map_err(|error| error.within(model.name()))?;
        let mut whisper = Self {
            name: model.name().clone(),
            log_mel: LogMel::new(parameters.mels),
            encoder,
            decoder,
            tokenizer,
            parameters,
            plain,
            options,
            boost: None,
            time: ReadingTime::default(),
        };
        // Of a hum, since silence is not read; with a draft, so that a step of several tokens is proven too.
        let hum: Vec<f32> = (0..SAMPLE_RATE / 2).map(|sample| if sample % 160 < 80 { 0.01 } else { -0.01 }).collect();
        whisper.transcribe(&hum, Prior::draft(&[0]))?;
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

    /// The states [1, frames, state] of `audio`, cut or filled up to so many frames.
    fn hear(&mut self, audio: &[f32], frames: usize, behind: Behind) -> Result<DynValue> {
        let mut watch = Stopwatch::start();
        let mel_frames = frames * (FRAME_SAMPLES / HOP_SAMPLES);
        let mel = match behind {
            Behind::Silence => {
                let mut heard = audio.to_vec();
                heard.resize(frames * FRAME_SAMPLES, 0.0);
                self.log_mel.compute(&heard)
            }
            Behind::Nothing => self.log_mel.filled_up(&audio[..audio.len().min(frames * FRAME_SAMPLES)], mel_frames),
        };
        let shape = [1, self.log_mel.mels(), mel_frames];
        let mel = Tensor::from_array((shape, mel)).map_err(|error| failed_run(self.encoder.graph().name(), &error))?;
        self.encoder.give(layout::MEL, &mel)?;
        let encoded = self.encoder.run();
        self.encoder.release();
        self.time.encode = self.time.encode + watch.lap();
        encoded?.pop().ok_or_else(|| self.encoder.graph().error("did not give states"))
    }

    /// Greedy decoding of so many frames of `audio`, at most `limit` tokens, without the rounds of a loop.
    fn read(&mut self, audio: &[f32], frames: usize, prior: Prior<'_>, limit: usize) -> Result<Heard> {
        let states = self.hear(audio, frames, Behind::Silence)?;
        let own_frames = audio.len().div_ceil(FRAME_SAMPLES);
        let mut watch = Stopwatch::start();
        let decoded = self.decoder.begin(&[states]).and_then(|()| self.decode(prior, limit, own_frames));
        self.decoder.end();
        self.time.decode = self.time.decode + watch.lap();
        decoded
    }

    fn decode(&mut self, prior: Prior<'_>, limit: usize, own_frames: usize) -> Result<Heard> {
        let opening = self.opening()?;
        let Parameters { end_token, vocabulary, no_speech_token, first_timestamp_token, .. } = self.parameters;
        let rules = &self.plain;
        let mut no_speech = 0.0;
        let look_back = Some(LookBack::new(MOST_BACK, own_frames));
        let greedy = Greedy { name: &self.name, opening: &opening.tokens, end_token, vocabulary, limit, look_back };
        let mut opened = |rows: &mut Rows| {
            let logits = rows.logits(0, opening.start);
            no_speech = logits.and_then(|logits| greedy::probability(logits, no_speech_token)).unwrap_or(0.0);
        };
        let mut forbid = |logits: &mut [f32], read: &[u32]| {
            rules.apply(read, logits);
            // Nor a time: the opening says that there are none. The reference would let it pass.
            logits.get_mut(first_timestamp_token as usize..).unwrap_or_default().fill(f32::NEG_INFINITY);
        };
        let boost = self.boost.as_ref();
        let (reading, attention) = self.decoder.greedy_with_terms(&greedy, prior, &mut opened, &mut forbid, boost)?;
        let own = reading.tokens().get(prior.given.len()..).unwrap_or_default();
        let forgiven = boost.map_or(0.0, |boost| boost.forgiven(own));
        Ok(Heard { reading, attention, no_speech, forgiven })
    }

    /// What a reading without timestamps begins with. A language that is not set is heard, of the audio that the decoder is on.
    fn opening(&mut self) -> Result<Prompt> {
        let Self { decoder, plain: rules, options, parameters, .. } = self;
        let mut language = options.language;
        if language.is_none() && !rules.specials.languages.is_empty() {
            language = Some(language::detect(&mut OnAudio { decoder: &mut *decoder }, &rules.specials)?.token);
            decoder.again()?;
        }
        let task = Task { language, translate: options.translate, ..Task::default() };
        Prompt::new(rules, &task, parameters.text_tokens, parameters.text_tokens / 2)
    }

    /// The bytes of tokens.
    fn pieces(&self, tokens: &[Choice]) -> Vec<&[u8]> {
        tokens.iter().map(|choice| self.tokenizer.bytes(choice.token)).collect()
    }

    /// Where the words of tokens that looked so were said in `audio`: as many spans as words, or none.
    fn spans(&self, attention: &Attention, tokens: &[Choice], audio: &[f32]) -> Vec<Span> {
        let times = self.parameters.word_times.as_ref();
        times.map_or_else(Vec::new, |times| times.spans(attention, &self.pieces(tokens), audio))
    }

    /// The words of tokens that were read, of which the first `given` were given, with where they were said.
    fn spell(&self, tokens: &[Choice], given: usize, said: &[Span]) -> Hypothesis {
        Hypothesis::spell(tokens, given, said, self.parameters.confidence_odds, &self.tokenizer)
    }
}

/// Whether no sample is louder than -80 dBFS. Of such audio a Whisper makes up words ("you"), whatever its rules.
fn is_silent(audio: &[f32]) -> bool {
    audio.iter().all(|sample| sample.abs() < 1e-4)
}

impl Options {
    /// # Errors
    /// `InvalidInput` naming what was asked for and what there is.
    fn of(asked: &ReadingOptions, parameters: &Parameters, tokenizer: &Tokenizer) -> Result<Self> {
        let invalid = |message: String| Err(Error::new(ErrorKind::InvalidInput, message));
        let languages = &parameters.languages;
        let language = match asked.language.as_deref() {
            None => None,
            Some("en") if languages.is_empty() => None,
            Some(code) => match languages.iter().position(|language| language == code) {
                Some(place) => parameters.specials().languages.get(place).copied(),
                None if languages.is_empty() => {
                    return invalid(format!("language '{code}': this model knows English only ('en')"));
                }
                None => return invalid(format!("language '{code}': this model knows {}", languages.join(", "))),
            },
        };
        if asked.translate && languages.is_empty() {
            return invalid("it knows English only and translates nothing; choose a multilingual model".to_owned());
        }
        let beam = (asked.beam > 1).then(|| Beam::of(asked.beam));
        beam.as_ref().map_or(Ok(()), Beam::check)?;
        let prompt = asked.prompt.as_deref().map(str::trim).filter(|prompt| !prompt.is_empty());
        let prompt = prompt.map_or_else(Vec::new, |text| BytePairs::new(tokenizer).encode(&format!(" {text}")));
        Ok(Self { language, translate: asked.translate, prompt, beam })
    }
}

impl Heard {
    /// The mean logarithm of the probabilities of what was read and not given, its end counted as certain, and listed terms too as far as
    /// their bonus goes.
    fn log_probability(&self, given: usize) -> f64 {
        let read = self.reading.tokens().get(given..).unwrap_or_default();
        let sum: f64 = read.iter().map(|choice| f64::from(choice.probability.max(f32::MIN_POSITIVE)).ln()).sum();
        (sum + self.forgiven) / (read.len() + 1) as f64
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
        if audio.len() > self.parameters.longest_samples() {
            return self.read_alone(audio);
        }
        if audio.len() < SHORTEST_SAMPLES || is_silent(audio) {
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
        let mut watch = Stopwatch::start();
        let tokens = heard.reading.tokens();
        let hypothesis = self.spell(tokens, given, &self.spans(&heard.attention, tokens, audio));
        self.time.align = self.time.align + watch.lap();
        Ok(hypothesis)
    }

    fn transcribe_all(&mut self, pieces: &[&[f32]]) -> Result<Vec<Hypothesis>> {
        pieces.iter().map(|audio| self.read_alone(audio)).collect()
    }

    /// After a given sentence and a pause it says that nothing follows, whatever does.
    fn goes_on_from_given(&self) -> bool {
        false
    }

    fn reads_better_at_leisure(&self) -> bool {
        true
    }

    fn listen_for(&mut self, vocabulary: &Vocabulary) -> Result<()> {
        let end = self.parameters.end_token;
        let text = |token: u32| if token < end { self.tokenizer.bytes(token) } else { &[] };
        let boost = Boost::new(vocabulary, self.parameters.vocabulary, text);
        self.boost = (!vocabulary.is_empty()).then_some(boost);
        Ok(())
    }

    fn windows(&mut self) -> Option<&mut dyn Windows> {
        Some(self)
    }

    fn reading_time(&self) -> ReadingTime {
        self.time
    }
}
