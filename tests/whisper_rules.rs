//! Whisper's decoding rules equal openai-whisper's: readings by every kind of search, long recordings, languages.
//!
//! In: `tests/data/whisper_rules.json`, which `export/auricle_export/whisper/rules_vector.py` makes with the reference's own code.
//! The decoder is a hash of the tokens read, the same in both languages, bit by bit.

use std::collections::HashMap;

use auricle::decode::beam::Beam;
use auricle::decode::fallback::{Fallback, Thresholds};
use auricle::decode::language;
use auricle::decode::lines::Lines;
use auricle::decode::prompt::{Prompt, Task};
use auricle::decode::reading::{self, Limits, Reading, Search};
use auricle::decode::rules::{Rules, Specials};
use auricle::decode::sampling::{Sampler, Sampling};
use auricle::decode::segments::{self, Context};
use auricle::latency::random::SplitMix64;
use auricle::{ErrorKind, Result};
use serde::Deserialize;

const CONTEXT: usize = 448;
/// Samples of a frame of 10 ms, and frames of a window.
const FRAME: u64 = 160;
const WINDOW: u64 = 3_000;
/// What every time gets where one is due.
const LEVEL: f64 = 6.0;

#[derive(Deserialize)]
struct Vector {
    multilingual: Known,
    english: Known,
    pieces: Pieces,
    readings: Vec<ReadingCase>,
    recordings: Vec<RecordingCase>,
    languages: Vec<LanguageCase>,
    distributions: Vec<DistributionCase>,
}

#[derive(Deserialize)]
struct Known {
    vocabulary: usize,
    end: u32,
    start: u32,
    translate: u32,
    transcribe: u32,
    previous: u32,
    no_speech: u32,
    no_timestamps: u32,
    first_timestamp: u32,
    languages: Vec<u32>,
    #[serde(default)]
    codes: Vec<String>,
    blank: Vec<u32>,
    non_speech: Vec<u32>,
    always: Vec<u32>,
}

/// The bytes of each token, as characters of the same numbers.
#[derive(Deserialize)]
struct Pieces {
    multilingual: HashMap<u32, String>,
    english: HashMap<u32, String>,
}

#[derive(Clone, Copy, Deserialize)]
struct Character {
    sure: f64,
    gap: f64,
    r#loop: usize,
    looping: f64,
    odd: usize,
    no_speech: f64,
    end: f64,
    ending: f64,
    times: u64,
}

#[derive(Deserialize)]
struct ReadingCase {
    name: String,
    seed: u64,
    multilingual: bool,
    character: Character,
    options: Options,
    initial: usize,
    expected: Expected,
}

/// The reference's options; what is absent is its default.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    task: String,
    language: Option<String>,
    temperature: f32,
    sample_len: Option<usize>,
    best_of: Option<usize>,
    beam_size: Option<usize>,
    patience: Option<f32>,
    length_penalty: Option<f32>,
    prompt: Vec<u32>,
    prefix: Vec<u32>,
    suppress_tokens: Option<Suppressed>,
    suppress_blank: Option<bool>,
    without_timestamps: bool,
    #[serde(deserialize_with = "given")]
    max_initial_timestamp: Option<Option<f64>>,
    initial_prompt: Vec<u32>,
    carry_initial_prompt: bool,
    condition_on_previous_text: Option<bool>,
    #[serde(deserialize_with = "given")]
    compression_ratio_threshold: Option<Option<f64>>,
    #[serde(deserialize_with = "given")]
    logprob_threshold: Option<Option<f64>>,
}

/// Tells null from absent.
fn given<'de, D: serde::Deserializer<'de>>(value: D) -> std::result::Result<Option<Option<f64>>, D::Error> {
    Option::deserialize(value).map(Some)
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Suppressed {
    Tokens(Vec<u32>),
    Text(String),
}

#[derive(Deserialize)]
struct Expected {
    tokens: Vec<u32>,
    sum: f64,
    no_speech: f32,
    compression_ratio: f64,
    temperature: f32,
    language: String,
}

#[derive(Deserialize)]
struct RecordingCase {
    name: String,
    seed: u64,
    frames: u64,
    character: Character,
    options: Options,
    windows: Vec<Window>,
    language: String,
}

#[derive(Deserialize)]
struct Window {
    seek: u64,
    attempts: usize,
    segments: Vec<(i64, i64, usize)>,
    #[serde(flatten)]
    expected: Expected,
}

#[derive(Deserialize)]
struct LanguageCase {
    seed: u64,
    token: u32,
    probabilities: Vec<f32>,
}

#[derive(Deserialize)]
struct DistributionCase {
    seed: u64,
    temperature: f32,
    character: Character,
    tokens: Vec<u32>,
    probabilities: Vec<f64>,
}

fn vector() -> Vector {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/whisper_rules.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn splitmix64(x: u64) -> u64 {
    SplitMix64::new(x).bits()
}

/// A decoder whose logits are a hash of the tokens read; `hashed_logits` of `rules_vector.py` is the same in Python.
struct Hashed<'a> {
    known: &'a Known,
    character: Character,
    seed: u64,
    lines: Vec<Vec<u32>>,
    /// How often it began, the hearing of a language included.
    begun: usize,
}

impl<'a> Hashed<'a> {
    fn new(known: &'a Known, character: Character, seed: u64) -> Self {
        Self { known, character, seed, lines: Vec::new(), begun: 0 }
    }

    fn logits(&self, tokens: &[u32]) -> Vec<f32> {
        let Self { known, character, .. } = self;
        assert!(tokens.len() <= CONTEXT, "{} tokens do not fit the context", tokens.len());
        let bytes = self.seed.to_le_bytes().into_iter().chain(tokens.iter().flat_map(|token| token.to_le_bytes()));
        let h = bytes.fold(0xCBF2_9CE4_8422_2325, |h: u64, byte| (h ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3));
        let golden = 0x9E37_79B9_7F4A_7C15_u64;
        let mut logits: Vec<f64> = (0..known.vocabulary as u64)
            .map(|token| {
                let u = (splitmix64(h ^ token.wrapping_mul(golden)) >> 40) as f64 / f64::from(1 << 24);
                12.0 * u * u * u * u
            })
            .collect();
        for place in 0..6 {
            let favourite = 300 + splitmix64(h.wrapping_add(place + 1)) % 3_000;
            logits[favourite as usize] += character.sure - character.gap * place as f64;
        }
        let start = tokens.iter().rposition(|&token| token == known.start).unwrap();
        let said = &tokens[start + 1..];
        if character.r#loop > 0
            && let Some(place) = said.len().checked_sub(character.r#loop)
            && said[place] < known.end
        {
            logits[said[place] as usize] += character.looping;
        }
        if character.odd > 0 && h % 2 == 1 {
            logits[character.odd] += character.sure + 2.0;
        }
        if character.times > 0 && h.is_multiple_of(character.times) {
            let first = known.first_timestamp as usize;
            let latest = said.iter().filter_map(|token| token.checked_sub(known.first_timestamp)).max().unwrap_or(0);
            logits[first..].iter_mut().for_each(|logit| *logit += LEVEL);
            logits[first + (u64::from(latest) + (h >> 16) % 150).min(1_500) as usize] += character.sure;
        }
        logits[known.end as usize] += character.end + character.ending * said.len() as f64;
        logits[known.no_speech as usize] += character.no_speech;
        logits.into_iter().map(|logit| logit as f32).collect()
    }
}

impl Lines for Hashed<'_> {
    fn begin(&mut self, prompt: &[u32], rows: &[usize]) -> Result<Vec<Vec<f32>>> {
        self.begun += 1;
        self.lines = vec![prompt.to_vec()];
        Ok(rows.iter().map(|&row| self.logits(&prompt[..=row])).collect())
    }

    fn step(&mut self, from: &[usize], tokens: &[u32]) -> Result<Vec<f32>> {
        assert_eq!(from.len(), tokens.len());
        let next = from.iter().zip(tokens).map(|(&line, &token)| [&self.lines[line][..], &[token]].concat());
        self.lines = next.collect();
        Ok(self.lines.iter().flat_map(|line| self.logits(line)).collect())
    }
}

fn specials(known: &Known, options: &Options) -> Specials {
    let suppress = match &options.suppress_tokens {
        None => [&known.non_speech[..], &known.always].concat(),
        Some(Suppressed::Text(text)) => {
            assert_eq!(text, "");
            Vec::new()
        }
        Some(Suppressed::Tokens(tokens)) => [&tokens[..], &known.always].concat(),
    };
    let specials = Specials {
        vocabulary: known.vocabulary,
        end: known.end,
        start: known.start,
        translate: known.translate,
        transcribe: known.transcribe,
        previous: known.previous,
        no_speech: known.no_speech,
        no_timestamps: known.no_timestamps,
        first_timestamp: known.first_timestamp,
        languages: known.languages.clone(),
        suppress,
        suppress_first: if options.suppress_blank == Some(false) { Vec::new() } else { known.blank.clone() },
    };
    specials.check().unwrap();
    specials
}

fn rules(known: &Known, options: &Options) -> Rules {
    let mut rules = Rules::new(specials(known, options));
    rules.timestamps = !options.without_timestamps;
    if let Some(latest) = options.max_initial_timestamp {
        rules.latest_first = latest.map(|seconds| (seconds / 0.02).round() as u32);
    }
    rules
}

fn language_token(known: &Known, code: Option<&str>) -> Option<u32> {
    let place = known.codes.iter().position(|other| Some(&**other) == code)?;
    Some(known.languages[place])
}

fn task<'a>(known: &Known, options: &'a Options) -> Task<'a> {
    Task {
        language: language_token(known, options.language.as_deref()),
        translate: options.task == "translate",
        previous: &options.prompt,
        prefix: &options.prefix,
        terms: None,
    }
}

fn limits(options: &Options) -> Limits {
    let limits = Limits::of(CONTEXT);
    Limits { longest: options.sample_len.unwrap_or(limits.longest), length_penalty: options.length_penalty, ..limits }
}

fn beam(options: &Options) -> Option<Beam> {
    options.beam_size.map(|lines| Beam { lines, patience: options.patience.unwrap_or(1.0) })
}

fn spell(pieces: &HashMap<u32, String>, tokens: &[u32]) -> String {
    let bytes: Vec<u8> = tokens.iter().flat_map(|token| pieces[token].chars().map(|byte| byte as u8)).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn ids(reading: &Reading) -> Vec<u32> {
    reading.tokens.iter().map(|choice| choice.token).collect()
}

fn compare(name: &str, found: &Reading, expected: &Expected, known: &Known) {
    assert_eq!(ids(found), expected.tokens, "{name}");
    let near = |what: &str, found: f64, expected: f64, tolerance: f64| {
        assert!((found - expected).abs() <= tolerance, "{name}: {what} is {found}, expected {expected}");
    };
    near("the sum of log-probabilities", found.log_probability, expected.sum, 1e-3);
    let average = expected.sum / (expected.tokens.len() + 1) as f64;
    near("their average", found.average_log_probability, average, 1e-3);
    near("no speech", f64::from(found.no_speech), expected.no_speech.into(), 1e-5);
    // Compressed, the text may be 3 bytes longer or shorter than by zlib.
    let bytes = |ratio: f64| if ratio > 0.0 { found.text.len() as f64 / ratio } else { 0.0 };
    near("compressed, the text", bytes(found.compression_ratio), bytes(expected.compression_ratio), 3.1);
    assert_eq!(found.temperature, expected.temperature, "{name}");
    if !known.languages.is_empty() {
        assert_eq!(found.language, language_token(known, Some(&expected.language)), "{name}");
    }
    let logarithms: f64 = found.tokens.iter().map(|choice| f64::from(choice.probability).ln()).sum();
    assert!(logarithms >= found.log_probability - 1e-3, "{name}: the tokens' own are {logarithms}");
}

#[test]
fn one_window_is_read_as_the_reference_reads_it() {
    let vector = vector();
    let mut kinds = [0; 3];
    for case in &vector.readings {
        let (known, pieces) = if case.multilingual {
            (&vector.multilingual, &vector.pieces.multilingual)
        } else {
            (&vector.english, &vector.pieces.english)
        };
        let options = &case.options;
        let name = format!("{}, seed {}", case.name, case.seed);
        let (rules, task, limits) = (rules(known, options), task(known, options), limits(options));
        if task.language.is_some() || known.languages.is_empty() {
            let prompt = Prompt::new(&rules, &task, limits.context, limits.longest).unwrap();
            assert_eq!(prompt.tokens.len(), case.initial, "{name}");
        }
        let search = match beam(options) {
            Some(beam) => Search::Beam(beam),
            None => Search::Sample {
                sampling: Sampling::at(options.temperature),
                best_of: options.best_of.unwrap_or(1),
                seed: case.seed,
            },
        };
        kinds[usize::from(options.temperature > 0.0) + 2 * usize::from(options.beam_size.is_some())] += 1;
        let mut lines = Hashed::new(known, case.character, case.seed);
        let found = reading::read(&mut lines, &rules, &task, &limits, &search, &|tokens| spell(pieces, tokens)).unwrap();
        compare(&name, &found, &case.expected, known);
    }
    assert!(kinds.iter().all(|&count| count >= 5), "greedy, sampled, by beam: {kinds:?}");
}

#[test]
fn long_recordings_are_read_cut_and_read_on_as_the_reference_does() {
    let vector = vector();
    let (known, pieces) = (&vector.multilingual, &vector.pieces.multilingual);
    let spell = |tokens: &[u32]| spell(pieces, tokens);
    let (mut again, mut silent, mut given_up) = (0, 0, 0);
    for case in &vector.recordings {
        let options = &case.options;
        let rules = rules(known, options);
        let mut thresholds = Thresholds::default();
        thresholds.compression_ratio = options.compression_ratio_threshold.unwrap_or(thresholds.compression_ratio);
        thresholds.log_probability = options.logprob_threshold.unwrap_or(thresholds.log_probability);
        let heard = || language::detect(&mut Hashed::new(known, case.character, case.seed), &rules.specials).unwrap().token;
        let language = language_token(known, options.language.as_deref()).unwrap_or_else(heard);
        assert_eq!(Some(language), language_token(known, Some(&case.language)), "{}", case.name);

        let condition = options.condition_on_previous_text != Some(false);
        let mut context = Context::new(&options.initial_prompt, options.carry_initial_prompt, condition, CONTEXT);
        let mut seek = 0;
        for window in &case.windows {
            let name = format!("{}, frame {}", case.name, window.seek);
            assert_eq!(seek, window.seek, "{name}");
            let mut lines = Hashed::new(known, case.character, case.seed + seek);
            let fallback = Fallback {
                beam: beam(options),
                best_of: options.best_of.unwrap_or(1),
                thresholds,
                seed: case.seed + seek,
                ..Fallback::default()
            };
            let previous = context.previous();
            let task = Task { language: Some(language), previous: &previous, ..task(known, options) };
            let found = fallback.read(&mut lines, &rules, &task, &limits(options), &spell).unwrap();
            compare(&name, &found, &window.expected, known);
            assert_eq!(lines.begun, window.attempts, "{name}");

            let samples = FRAME * WINDOW.min(case.frames - seek);
            let cut = segments::cut(&found, samples, &thresholds, &rules.specials, &spell);
            let found_segments: Vec<(i64, i64, usize)> = cut
                .segments
                .iter()
                .map(|segment| (segment.said.start as i64, segment.said.end as i64, segment.tokens.len()))
                .collect();
            // Before the window's beginning, where the reference puts a segment without a timestamp, there is nothing.
            let expected: Vec<_> = window.segments.iter().map(|&(start, end, count)| (start.max(0), end, count)).collect();
            assert_eq!(found_segments, expected, "{name}");
            context.push(&found, &cut);
            seek += cut.advance / FRAME;
            again += usize::from(window.attempts > 1);
            silent += usize::from(cut.silent);
            given_up += usize::from(thresholds.failed(&found));
        }
        assert!(seek >= case.frames, "{}: ends at frame {seek}", case.name);
    }
    assert!(again >= 8 && silent >= 2 && given_up >= 2, "{again} again, {silent} silent, {given_up} given up");
}

#[test]
fn languages_are_heard_as_the_reference_hears_them() {
    let vector = vector();
    let known = &vector.multilingual;
    let specials = specials(known, &Options::default());
    for case in &vector.languages {
        // The vector's languages were heard with the default character.
        let character = vector.readings[0].character;
        let heard = language::detect(&mut Hashed::new(known, character, case.seed), &specials).unwrap();
        assert_eq!((heard.token, known.languages[heard.place]), (case.token, case.token));
        assert_eq!(heard.probabilities.len(), case.probabilities.len());
        for (found, expected) in heard.probabilities.iter().zip(&case.probabilities) {
            assert!((found - expected).abs() < 1e-5, "{found}, expected {expected}");
        }
    }
    let english = self::specials(&vector.english, &Options::default());
    let error = language::detect(&mut Hashed::new(&vector.english, vector.readings[0].character, 1), &english).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn samples_are_as_frequent_as_the_reference_holds_them_likely() {
    const DRAWS: usize = 1_500;
    let vector = vector();
    let known = &vector.multilingual;
    for case in &vector.distributions {
        let options = Options { without_timestamps: true, language: Some("en".into()), ..Options::default() };
        let rules = rules(known, &options);
        let prompt = Prompt::new(&rules, &task(known, &options), CONTEXT, 1).unwrap();
        let mut logits = Hashed::new(known, case.character, case.seed).logits(&prompt.tokens);
        rules.apply(&[], &mut logits);
        let mut sampler = Sampler::new(Sampling::at(case.temperature), 7).unwrap();
        let mut counts: HashMap<u32, usize> = HashMap::new();
        for _ in 0..DRAWS {
            *counts.entry(sampler.choose(&logits).unwrap().token).or_default() += 1;
        }
        for (token, &probability) in case.tokens.iter().zip(&case.probabilities) {
            let found = *counts.get(token).unwrap_or(&0) as f64 / DRAWS as f64;
            // Five standard deviations, and one draw.
            let tolerance = 5.0 * (probability * (1.0 - probability) / DRAWS as f64).sqrt() + 1.0 / DRAWS as f64;
            assert!((found - probability).abs() <= tolerance, "token {token}: {found} of the draws, {probability} expected");
        }
        let expected: f64 = case.probabilities.iter().sum();
        assert!(expected > 0.5, "the tokens compared are most of the draws: {expected}");
    }
}
