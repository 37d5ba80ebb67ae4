//! Reading where there is time for it: all 30 s that the encoder was trained on, by the rules of the reference, again where a reading is a
//! loop or a guess.
//!
//! In: audio of up to 30 s, and what was said before it. Out: a [`Hypothesis`] of a piece that was cut by the voice, or a [`Window`] that
//! the model cuts into segments by its timestamps.

use std::ops::Range;

use super::on_audio::OnAudio;
use super::parameters::Parameters;
use super::{Behind, FRAME_SAMPLES, SHORTEST_SAMPLES, Whisper, is_silent};
use crate::decode::Hypothesis;
use crate::decode::alignment::{self, Span};
use crate::decode::fallback::{Fallback, Unbelieved};
use crate::decode::greedy::Choice;
use crate::decode::prompt::Task;
use crate::decode::reading::{Limits, Reading};
use crate::decode::rules::Rules;
use crate::decode::segments::{self, Context};
use crate::error::Result;
use crate::model::{Window, WindowSegment, Windows};
use crate::time::{SAMPLE_RATE, Stopwatch};

impl Whisper {
    /// Reads a piece of audio that was cut by the voice; longer ones window by window.
    ///
    /// # Errors
    /// `Model` when ONNX Runtime fails.
    pub(super) fn read_alone(&mut self, audio: &[f32]) -> Result<Hypothesis> {
        if audio.len() > self.window_samples() {
            return self.read_through(audio);
        }
        if audio.len() < SHORTEST_SAMPLES || is_silent(audio) {
            return Ok(Hypothesis::default());
        }
        let rules = self.plain.clone();
        let mut limits = Limits::of(self.parameters.text_tokens);
        limits.longest = limits.longest.min(self.parameters.limit(audio.len()).max(1));
        let prompt = self.options.prompt.clone();
        self.on(audio, |whisper| {
            let reading = whisper.search(&rules, &prompt, &limits)?;
            if whisper.fallback().thresholds.silent(&reading) {
                return Ok(Hypothesis::default());
            }
            let tokens = whisper.text(&reading.tokens);
            let said = whisper.aligned(&tokens, reading.language, audio)?;
            Ok(whisper.spell(&tokens, 0, &said))
        })
    }

    /// Reads audio of any length window by window, as one piece.
    fn read_through(&mut self, audio: &[f32]) -> Result<Hypothesis> {
        let mut context = self.context();
        let mut whole = Hypothesis::default();
        let mut at = 0;
        while at < audio.len() {
            let rest = &audio[at..];
            let window = self.read_window(&rest[..rest.len().min(self.window_samples())], &mut context)?;
            for WindowSegment { mut hypothesis, .. } in window.segments {
                let tokens = whole.tokens.len();
                for word in &mut hypothesis.words {
                    word.tokens = word.tokens.start + tokens..word.tokens.end + tokens;
                    if let Some(said) = &mut word.said {
                        (said.start, said.end) = (said.start + at as u64, said.end + at as u64);
                    }
                }
                whole.tokens.append(&mut hypothesis.tokens);
                whole.words.append(&mut hypothesis.words);
            }
            at += (window.advance as usize).max(FRAME_SAMPLES);
        }
        Ok(whole)
    }

    /// Hears all of the 30 s that `audio` begins and does `with` the decoder on them what is to be done.
    fn on<T>(&mut self, audio: &[f32], with: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.time.readings += 1;
        let states = self.hear(audio, self.parameters.audio_frames, Behind::Nothing)?;
        let mut watch = Stopwatch::start();
        let read = self.decoder.begin(&[states]).and_then(|()| with(self));
        self.decoder.end();
        self.time.decode = self.time.decode + watch.lap();
        read
    }

    /// The reference's, but for what stays where nothing is believed: there it keeps the boldest guess, which of one word makes three.
    fn fallback(&self) -> Fallback {
        Fallback { beam: self.options.beam, unbelieved: Unbelieved::Likeliest, ..Fallback::default() }
    }

    /// Reads the audio that the decoder is on.
    fn search(&mut self, rules: &Rules, previous: &[u32], limits: &Limits) -> Result<Reading> {
        let fallback = self.fallback();
        let Self { decoder, tokenizer, options, boost, .. } = self;
        let task =
            Task { language: options.language, translate: options.translate, previous, terms: boost.as_ref(), ..Task::default() };
        fallback.read(&mut OnAudio { decoder }, rules, &task, limits, &|tokens| tokenizer.text(tokens))
    }

    /// The tokens that are text.
    fn text(&self, tokens: &[Choice]) -> Vec<Choice> {
        tokens.iter().copied().filter(|choice| choice.token < self.parameters.end_token).collect()
    }

    /// Where in `audio`, which the decoder is on, the words of `tokens` were said.
    fn aligned(&mut self, tokens: &[Choice], language: Option<u32>, audio: &[f32]) -> Result<Vec<Span>> {
        if tokens.is_empty() || self.parameters.word_times.is_none() {
            return Ok(Vec::new());
        }
        let Parameters { start_token, transcribe_token, translate_token, no_timestamps_token, .. } = self.parameters;
        let task = if self.options.translate { translate_token } else { transcribe_token };
        let mut opening = vec![start_token];
        opening.extend(language.into_iter().flat_map(|language| [language, task]));
        opening.push(no_timestamps_token);
        let ids: Vec<u32> = tokens.iter().map(|choice| choice.token).collect();
        let attention = OnAudio { decoder: &mut self.decoder }.looks(&opening, &ids)?;
        Ok(self.spans(&attention, tokens, audio))
    }
}

impl Windows for Whisper {
    fn window_samples(&self) -> usize {
        self.parameters.longest_samples()
    }

    fn context(&self) -> Context {
        Context::new(&self.options.prompt, false, true, self.parameters.text_tokens)
    }

    fn read_window(&mut self, audio: &[f32], context: &mut Context) -> Result<Window> {
        let samples = audio.len().min(self.window_samples());
        let audio = &audio[..samples];
        if is_silent(audio) {
            return Ok(Window { segments: Vec::new(), advance: samples as u64 });
        }
        let rules = Rules { timestamps: true, ..self.plain.clone() };
        let limits = Limits::of(self.parameters.text_tokens);
        let previous = context.previous();
        self.on(audio, |whisper| {
            let reading = whisper.search(&rules, &previous, &limits)?;
            let thresholds = whisper.fallback().thresholds;
            let tokenizer = &whisper.tokenizer;
            let cut = segments::cut(&reading, samples as u64, &thresholds, &rules.specials, &|tokens| tokenizer.text(tokens));
            context.push(&reading, &cut);
            let tokens: Vec<Choice> = cut
                .segments
                .iter()
                .flat_map(|segment| whisper.text(reading.tokens.get(segment.tokens.clone()).unwrap_or_default()))
                .collect();
            let spans = whisper.aligned(&tokens, reading.language, audio)?;
            let words = alignment::words(&whisper.pieces(&tokens));
            let mut segments = Vec::with_capacity(cut.segments.len());
            let mut before = 0;
            for segment in &cut.segments {
                let own = whisper.text(reading.tokens.get(segment.tokens.clone()).unwrap_or_default());
                let of_own = of_part(&whisper.pieces(&own), before, &words, &spans);
                before += own.len();
                let mut said = segment.said;
                said.end = said.end.min(samples as u64).max(said.start);
                segments.push(WindowSegment { said, hypothesis: whisper.spell(&own, 0, &of_own) });
            }
            // What is left is too short to hold a word.
            let rest = samples as u64 - cut.advance.min(samples as u64);
            let advance = if rest < u64::from(SAMPLE_RATE) / 10 && samples < whisper.window_samples() {
                samples as u64
            } else {
                cut.advance
            };
            Ok(Window { segments, advance })
        })
    }
}

/// The spans of the words that `pieces` spell, which are those of all tokens from the one at `before` on. A word that a segment begins
/// within has two parts: the second lies at its end.
fn of_part(pieces: &[&[u8]], before: usize, words: &[Range<usize>], spans: &[Span]) -> Vec<Span> {
    let span = |part: Range<usize>| {
        let first = before + part.start;
        let word = words.iter().position(|word| word.contains(&first))?;
        let Span { start, end } = *spans.get(word)?;
        Some(if words[word].start == first { Span { start, end } } else { Span { start: end, end } })
    };
    alignment::words(pieces).into_iter().map(span).collect::<Option<_>>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_two_segments_share_is_said_once() {
        let all = [" one", " two", "some", " three"].map(str::as_bytes);
        let words = alignment::words(&all);
        let spans = [(0, 5), (6, 9), (12, 20)].map(|(start, end)| Span { start, end });
        assert_eq!(of_part(&all[..2], 0, &words, &spans), spans[..2]);
        assert_eq!(of_part(&all[2..], 2, &words, &spans), [Span { start: 9, end: 9 }, spans[2]]);
        assert_eq!(of_part(&all[2..], 2, &words, &[]), []);
        assert_eq!(of_part(&[], 4, &words, &spans), []);
    }
}
