//! Where in the audio each word was said, from the decoder's attention to the audio and from how loud the audio is.
//!
//! In: [`Attention`] of a few chosen heads, the bytes of each token, the audio. Out: a [`Span`] of samples for each word. Some heads,
//! while they predict a token, look where it begins; others, while the token is the input, look where it was said. The mean of
//! both scores each token at each frame, and the best path through all tokens in their order, with a pause allowed around every
//! word, gives the times (Viterbi). Attention knows little of pauses, so their score grows as the audio falls quiet.
//!
//! `export/auricle_export/moonshine/word_times.py` is the same in Python, with how well it does.

use std::ops::Range;

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};

/// Samples at 16 kHz from one frame of Moonshine's encoder to the next.
pub const FRAME_SAMPLES: usize = 384;
/// A manifest's frames are no longer than this: 0.1 s.
const LONGEST_FRAME_SAMPLES: usize = 1_600;
/// Attention below this counts as this much.
const LEAST_ATTENTION: f64 = 1e-4;
/// Mean square of what counts as silence, -100 dBFS.
const LEAST_POWER: f64 = 1e-10;
/// Quiet is at most this far below loud, or digital silence would make all else loud.
const MOST_RANGE_DB: f64 = 60.0;
/// A manifest names no more heads than this.
const MOST_HEADS: usize = 64;

/// Where a word was said: samples from the start of the audio it was decoded from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Its first sample.
    pub start: u64,
    /// Past its last sample; `start` or later.
    pub end: u64,
}

/// How attention tells where words lie; the section `[moonshine.word_times]` of a manifest, or `[whisper.word_times]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WordTimes {
    /// Layer and head of each row of the graph's `cross_attention`, in its order.
    pub heads: Vec<[usize; 2]>,
    /// How many of them, the first, look where a token begins while they predict it; the others look at their own token.
    pub before: usize,
    /// Samples from one frame to the next: 384.
    pub frame_samples: usize,
    /// A frame stands for the audio from this many samples after that x its number: 160.
    pub frame_begins_samples: usize,
    /// Score of a frame of pause where the audio is loud, as the logarithm of attention: -7.6.
    pub pause_score: f64,
    /// Added to it where the audio is quiet: 6.
    pub quiet_gain: f64,
    /// Taken off once for every pause, so that the closure of a plosive is none: 8.
    pub pause_cost: f64,
    /// How far below the middle between quiet and loud a frame is wholly quiet, dB: 9.
    pub quiet_below_db: f64,
}

/// No heads; the figures measured on TIMIT, with heads and figures chosen on one half of the speakers, which serve Moonshine tiny and
/// base alike.
impl Default for WordTimes {
    fn default() -> Self {
        Self {
            heads: Vec::new(),
            before: 0,
            frame_samples: FRAME_SAMPLES,
            frame_begins_samples: 160,
            pause_score: -7.6,
            quiet_gain: 6.0,
            pause_cost: 8.0,
            quiet_below_db: 9.0,
        }
    }
}

/// Softmax weights of the chosen heads over the frames of the audio, for every token that was fed to the decoder: the start token
/// and those read.
#[derive(Clone, Debug, Default)]
pub struct Attention {
    heads: usize,
    frames: usize,
    rows: usize,
    /// [rows, heads, frames].
    values: Vec<f32>,
}

impl Attention {
    /// Adds row `row` of one step's `attention`, whose shape is `[heads, rows, frames]`. What is not of the shape it says, or not
    /// of as many heads and frames as the rows before, adds nothing.
    pub fn push(&mut self, attention: &[f32], shape: [usize; 3], row: usize) {
        let [heads, rows, frames] = shape;
        if self.rows == 0 {
            (self.heads, self.frames) = (heads, frames);
        }
        let length = heads.checked_mul(rows).and_then(|all| all.checked_mul(frames));
        if length != Some(attention.len()) || attention.is_empty() || row >= rows || (heads, frames) != (self.heads, self.frames)
        {
            return;
        }
        for head in attention.chunks_exact(rows * frames) {
            self.values.extend_from_slice(&head[row * frames..(row + 1) * frames]);
        }
        self.rows += 1;
    }

    /// Rows so far.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Heads of a row.
    pub(super) fn heads(&self) -> usize {
        self.heads
    }

    /// Frames of a head.
    pub(super) fn frames(&self) -> usize {
        self.frames
    }

    /// The weights of one head of one row over the frames; none where there is no such row or head.
    pub(super) fn row(&self, row: usize, head: usize) -> &[f32] {
        let start = (row * self.heads + head) * self.frames;
        if head < self.heads { self.values.get(start..start + self.frames).unwrap_or_default() } else { &[] }
    }

    /// The same of the first `frames` frames: those behind them are of silence that was put there.
    pub fn within(&self, frames: usize) -> Self {
        let kept = frames.min(self.frames);
        let rows = self.values.chunks_exact(self.frames.max(1));
        Self { values: rows.flat_map(|row| &row[..kept]).copied().collect(), frames: kept, ..*self }
    }

    /// Forgets the first `frames` frames: silence that was put before the audio.
    pub fn skip(&mut self, frames: usize) {
        let kept = self.frames.saturating_sub(frames);
        let rows = self.values.chunks_exact(self.frames.max(1));
        self.values = rows.flat_map(|row| &row[self.frames - kept..]).copied().collect();
        self.frames = kept;
    }

    /// Logarithm of the mean weight at each frame, [tokens, frames]: of the first `before` heads the row that predicts the token
    /// counts, of the others the token's own, which the last token of a reading that was cut at its longest lacks.
    fn scores(&self, before: usize, tokens: usize) -> Vec<f64> {
        let row = |row: usize, heads: Range<usize>| {
            let row = self.values.chunks_exact(self.heads * self.frames).nth(row);
            row.into_iter().flat_map(move |row| row.chunks_exact(self.frames).take(heads.end).skip(heads.start))
        };
        let mut scores = vec![0.0; tokens * self.frames];
        for (token, scores) in scores.chunks_exact_mut(self.frames).enumerate() {
            let mut count = 0.0;
            for head in row(token, 0..before).chain(row(token + 1, before..self.heads)) {
                count += 1.0;
                scores.iter_mut().zip(head).for_each(|(score, &weight)| *score += f64::from(weight));
            }
            for score in scores {
                // Of what is not a number `max` gives the other.
                let mean = (*score / count).max(LEAST_ATTENTION);
                *score = mean.min(1.0).ln();
            }
        }
        scores
    }
}

impl WordTimes {
    /// Checks every figure.
    ///
    /// # Errors
    /// `Corrupt` naming the figure, its value and its range.
    pub fn check(&self) -> Result<()> {
        let wrong = |name: &str, value: &dyn std::fmt::Display, range: &str| {
            Err(Error::new(ErrorKind::Corrupt, format!("word_times: {name} is {value}; expected {range}")))
        };
        if !(1..=MOST_HEADS).contains(&self.heads.len()) {
            return wrong("the number of heads", &self.heads.len(), &format!("1 to {MOST_HEADS}"));
        }
        if !(1..=self.heads.len()).contains(&self.before) {
            return wrong("before", &self.before, &format!("1 to the {} of heads", self.heads.len()));
        }
        if !(1..=LONGEST_FRAME_SAMPLES).contains(&self.frame_samples) {
            return wrong("frame_samples", &self.frame_samples, &format!("1 to {LONGEST_FRAME_SAMPLES}"));
        }
        if self.frame_begins_samples > 16_000 {
            return wrong("frame_begins_samples", &self.frame_begins_samples, "0 to 16000");
        }
        for (name, value, least, most) in [
            ("pause_score", self.pause_score, -100.0, 100.0),
            ("quiet_gain", self.quiet_gain, 0.0, 100.0),
            ("pause_cost", self.pause_cost, 0.0, 1000.0),
            ("quiet_below_db", self.quiet_below_db, 0.1, 100.0),
        ] {
            if !(least..=most).contains(&value) {
                return wrong(name, &value, &format!("{least} to {most}"));
            }
        }
        Ok(())
    }

    /// Where each word that `pieces`, the bytes of the tokens read, spell was said in `audio`, 16 kHz: one span for each of
    /// [`words`], in order and apart. Empty where `attention` is of other heads or of fewer tokens.
    ///
    /// Takes time and memory in proportion to tokens times frames.
    pub fn spans(&self, attention: &Attention, pieces: &[&[u8]], audio: &[f32]) -> Vec<Span> {
        let words: Vec<Vec<usize>> = words(pieces).into_iter().map(|word| said(pieces, word)).collect();
        let frames = attention.frames;
        if words.is_empty() || attention.heads != self.heads.len() || attention.rows < pieces.len() || frames == 0 {
            return Vec::new();
        }
        if frames < words.iter().map(Vec::len).sum() {
            // No reading within the bound of tokens a second comes here: the words share the audio evenly.
            let place = |word: usize| (audio.len() * word / words.len()) as u64;
            return (0..words.len()).map(|word| Span { start: place(word), end: place(word + 1) }).collect();
        }
        let scores = attention.scores(self.before, pieces.len());
        let pauses: Vec<f64> =
            self.quietness(audio, frames).into_iter().map(|quiet| self.pause_score + self.quiet_gain * quiet).collect();
        let place = |frame: usize| (frame * self.frame_samples + self.frame_begins_samples).min(audio.len()) as u64;
        let path = best_path(&scores, &pauses, &words, self.pause_cost);
        path.into_iter().map(|stretch| Span { start: place(stretch.start), end: place(stretch.end) }).collect()
    }

    /// How quiet each frame is, 0 to 1. Loud is the 95th percentile of the frames' levels, quiet the 5th, both by nearest rank
    /// from below; frames past the audio are quiet.
    fn quietness(&self, audio: &[f32], frames: usize) -> Vec<f64> {
        let level_db = |frame: usize| {
            let begin = (frame * self.frame_samples + self.frame_begins_samples).min(audio.len());
            let samples = &audio[begin..(begin + self.frame_samples).min(audio.len())];
            let sum: f64 = samples.iter().map(|&sample| f64::from(sample) * f64::from(sample)).sum();
            10.0 * (sum / samples.len().max(1) as f64).max(LEAST_POWER).log10()
        };
        let levels: Vec<f64> = (0..frames).map(level_db).collect();
        let mut ranked = levels.clone();
        ranked.sort_by(f64::total_cmp);
        let rank = |percent: usize| ranked.get(frames.saturating_sub(1) * percent / 100).copied().unwrap_or_default();
        let loud = rank(95);
        let middle = (loud + rank(5).max(loud - MOST_RANGE_DB)) / 2.0;
        levels.into_iter().map(|level| ((middle - level) / self.quiet_below_db).clamp(0.0, 1.0)).collect()
    }
}

/// The tokens of each word: one begins at every piece that begins with a space.
pub fn words(pieces: &[&[u8]]) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    for (token, piece) in pieces.iter().enumerate() {
        match words.last_mut() {
            Some(word) if !piece.starts_with(b" ") => word.end = token + 1,
            _ => words.push(token..token + 1),
        }
    }
    words
}

/// The tokens of `word` that are said. Punctuation is not, and its attention wanders; a word of nothing else keeps it.
pub(super) fn said(pieces: &[&[u8]], word: Range<usize>) -> Vec<usize> {
    let is_said = |token: &usize| {
        let piece = pieces[*token].strip_prefix(b" ").unwrap_or(pieces[*token]);
        piece.iter().any(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii())
    };
    let said: Vec<usize> = word.clone().filter(is_said).collect();
    if said.is_empty() { word.collect() } else { said }
}

/// A place on the path: in a pause, or in a token of a word.
#[derive(Clone, Copy, Debug)]
enum State {
    Pause,
    Token { word: usize, token: usize },
}

/// The frames of every word on the best path: a pause, then for every word its tokens and a pause.
///
/// `scores` [tokens, frames], `pauses` [frames] the score of a pause, `words` the tokens of each word: at least one each, and
/// together no more than there are frames. Each frame is in one state. From a state the path stays, goes to the next, or past a
/// pause to the one after it; it begins in the first pause or the first token and ends in the last pause or the last token. Of
/// equal ways the one that stays longer is taken.
fn best_path(scores: &[f64], pauses: &[f64], words: &[Vec<usize>], pause_cost: f64) -> Vec<Range<usize>> {
    let frames = pauses.len();
    let mut states = vec![State::Pause];
    for (word, tokens) in words.iter().enumerate() {
        states.extend(tokens.iter().map(|&token| State::Token { word, token }));
        states.push(State::Pause);
    }
    let score = |state: usize, frame: usize| match states[state] {
        State::Pause => pauses[frame],
        State::Token { token, .. } => scores[token * frames + frame],
    };
    // How many states each frame's best way into a state has come on: 0, 1, or 2 past a pause.
    let mut steps = vec![0_u8; frames * states.len()];
    let mut best = vec![f64::NEG_INFINITY; states.len()];
    for (state, best) in best.iter_mut().enumerate().take(2) {
        *best = score(state, 0);
    }
    for frame in 1..frames {
        // From the last state down, since a way comes from a state before.
        for state in (0..states.len()).rev() {
            let mut way = (best[state], 0);
            if state >= 1 {
                let cost = if matches!(states[state], State::Pause) { pause_cost } else { 0.0 };
                let next = best[state - 1] - cost;
                way = if next > way.0 { (next, 1) } else { way };
            }
            if state >= 2 && matches!(states[state - 1], State::Pause) {
                let over = best[state - 2];
                way = if over > way.0 { (over, 2) } else { way };
            }
            best[state] = way.0 + score(state, frame);
            steps[frame * states.len() + state] = way.1;
        }
    }
    let last = states.len() - 1;
    let mut state = if best[last.saturating_sub(1)] > best[last] { last.saturating_sub(1) } else { last };
    let mut stretches = vec![0..0; words.len()];
    for frame in (0..frames).rev() {
        if let State::Token { word, .. } = states[state] {
            let end = if stretches[word].is_empty() { frame + 1 } else { stretches[word].end };
            stretches[word] = frame..end;
        }
        state -= usize::from(steps[frame * states.len() + state]);
    }
    stretches
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn recipe(heads: usize, before: usize) -> WordTimes {
        let recipe: WordTimes = toml::from_str(&format!("heads = {:?}\nbefore = {before}", vec![[0, 0]; heads])).unwrap();
        recipe.check().unwrap();
        recipe
    }

    fn attention(values: &[Vec<Vec<f32>>]) -> Attention {
        let (rows, frames) = (values[0].len(), values[0][0].len());
        let flat: Vec<f32> = values.iter().flatten().flatten().copied().collect();
        let mut attention = Attention::default();
        (0..rows).for_each(|row| attention.push(&flat, [values.len(), rows, frames], row));
        attention
    }

    /// Blocks of an amplitude and a number of samples, every second sample negated.
    fn blocks(parts: &[(f32, usize)]) -> Vec<f32> {
        let mut audio: Vec<f32> = parts.iter().flat_map(|&(amplitude, samples)| vec![amplitude; samples]).collect();
        audio.iter_mut().skip(1).step_by(2).for_each(|sample| *sample = -*sample);
        audio
    }

    fn numbers(value: &Value) -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    }

    #[test]
    fn the_reference_gives_the_same_times() {
        let file: Value = serde_json::from_str(include_str!("../../tests/data/word_times.json")).unwrap();
        for case in file["cases"].as_array().unwrap() {
            let floats = |row: &Value| numbers(row).into_iter().map(|weight| weight as f32).collect();
            let rows = |head: &Value| head.as_array().unwrap().iter().map(floats).collect();
            let attention = attention(&case["attention"].as_array().unwrap().iter().map(rows).collect::<Vec<_>>());
            let block = |block: &Value| (block[0].as_f64().unwrap() as f32, block[1].as_u64().unwrap() as usize);
            let audio = blocks(&case["audio"].as_array().unwrap().iter().map(block).collect::<Vec<_>>());
            // The reference has U+2581 for a space.
            let bytes = |piece: &Value| {
                let bytes: Vec<u8> = numbers(piece).into_iter().map(|byte| byte as u8).collect();
                bytes.strip_prefix("\u{2581}".as_bytes()).map_or(bytes.clone(), |rest| [b" ", rest].concat())
            };
            let pieces: Vec<Vec<u8>> = case["pieces"].as_array().unwrap().iter().map(bytes).collect();
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let recipe = recipe(attention.heads, case["before"].as_u64().unwrap() as usize);

            let quietness = recipe.quietness(&audio, attention.frames);
            for (quiet, expected) in quietness.iter().zip(numbers(&case["quietness"])) {
                assert!((quiet - expected).abs() < 1e-3, "{}: {quietness:?}", case["name"]);
            }
            let spans = recipe.spans(&attention, &pieces, &audio);
            let times = case["times"].as_array().unwrap();
            assert_eq!(spans.len(), times.len(), "{}", case["name"]);
            for (span, times) in spans.iter().zip(times) {
                let found = [span.start, span.end].map(|samples| samples as f64 / 16_000.0);
                assert!(found.iter().zip(numbers(times)).all(|(a, b)| (a - b).abs() < 1e-4), "{}: {spans:?}", case["name"]);
            }
        }
    }

    #[test]
    fn a_diagonal_gives_the_times_it_was_made_of() {
        let looks =
            |from: usize, to: usize| -> Vec<f32> { (0..30).map(|f| if (from..to).contains(&f) { 0.2 } else { 1e-6 }).collect() };
        let rows = vec![looks(2, 10), looks(10, 15), looks(15, 30), vec![0.03; 30]];
        let pieces = [" one", " two", "ty"].map(str::as_bytes);
        let spans = recipe(1, 1).spans(&attention(&[rows]), &pieces, &blocks(&[(0.1, 12_000)]));
        let place = |frame: u64| frame * 384 + 160;
        assert_eq!(spans, [Span { start: place(2), end: place(10) }, Span { start: place(10), end: place(30) }]);
    }

    #[test]
    fn a_step_of_several_tokens_adds_what_single_ones_add() {
        let together: Vec<f32> = (0..24_u8).map(f32::from).collect();
        let mut several = Attention::default();
        (0..3).for_each(|row| several.push(&together, [2, 3, 4], row));
        let mut single = Attention::default();
        for row in 0..3 {
            let of = |head: usize| &together[(head * 3 + row) * 4..][..4];
            single.push(&[of(0), of(1)].concat(), [2, 1, 4], 0);
        }
        assert_eq!(several.values, single.values);
        several.push(&together, [2, 3, 4], 3);
        several.push(&together[1..], [2, 3, 4], 0);
        several.push(&together, [3, 2, 4], 0);
        several.push(&[], [usize::MAX, 2, 4], 0);
        assert_eq!((several.rows, several.values.len()), (3, 24), "what does not fit adds nothing");
    }

    #[test]
    fn whatever_is_attended_to_words_are_in_order_and_inside() {
        let mut seed = 11_u64;
        let mut random = move |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % below
        };
        for round in 0..300 {
            let (heads, tokens, frames) = (1 + random(3), random(12), 1 + random(30));
            let shape = [heads, tokens + 1, frames];
            let mut values: Vec<f32> = (0..shape.iter().product()).map(|_| random(1_000) as f32 / 1e3).collect();
            if round % 4 == 0 {
                let place = random(values.len());
                values[place] = [f32::NAN, f32::INFINITY, -1.0][random(3)];
            }
            let mut attention = Attention::default();
            (0..=tokens - tokens.min(round % 2)).for_each(|row| attention.push(&values, shape, row));
            let mut audio: Vec<f32> = (0..random(frames * 400)).map(|_| random(2_000) as f32 / 1e3 - 1.0).collect();
            if let Some(sample) = audio.first_mut() {
                *sample = [f32::NAN, 0.5][random(2)];
            }
            let pieces: Vec<&[u8]> = (0..tokens).map(|_| [" la", ",", "la", " ", ""][random(5)].as_bytes()).collect();
            let spans = recipe(heads, 1 + random(heads)).spans(&attention, &pieces, &audio);
            assert_eq!(spans.len(), words(&pieces).len());
            let edges: Vec<u64> = spans.iter().flat_map(|span| [span.start, span.end]).collect();
            assert!(edges.is_sorted() && edges.iter().all(|&edge| edge <= audio.len() as u64), "{spans:?}");
        }
    }

    #[test]
    fn without_attention_there_are_no_times() {
        let pieces = [" a".as_bytes(), b"b"];
        let audio = [0.1; 4_000];
        assert_eq!(recipe(1, 1).spans(&Attention::default(), &pieces, &audio), []);
        let one = attention(&[vec![vec![0.1; 10]]]);
        assert_eq!(recipe(1, 1).spans(&one, &pieces, &audio), [], "a row for two tokens");
        assert_eq!(recipe(2, 1).spans(&one, &pieces[..1], &audio), [], "other heads than the manifest says");
        assert_eq!(recipe(1, 1).spans(&one, &[], &audio), []);
    }

    #[test]
    fn figures_out_of_range_are_refused() {
        let good = recipe(2, 1);
        for (recipe, says) in [
            (WordTimes { heads: Vec::new(), ..good.clone() }, "heads is 0"),
            (WordTimes { before: 3, ..good.clone() }, "before is 3"),
            (WordTimes { before: 0, ..good.clone() }, "before is 0"),
            (WordTimes { frame_begins_samples: usize::MAX, ..good.clone() }, "frame_begins_samples is"),
            (WordTimes { pause_cost: f64::NAN, ..good.clone() }, "pause_cost is NaN"),
            (WordTimes { quiet_below_db: 0.0, ..good.clone() }, "quiet_below_db is 0"),
        ] {
            let error = recipe.check().unwrap_err();
            assert!(error.message().contains(says), "{error}");
        }
    }
}
