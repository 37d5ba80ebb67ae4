//! Speech that the model cuts itself, window by window: a long recording read as Whisper was trained, thirty seconds at a time.
//!
//! In: the audio of a stream, without gaps. Out: segments on the sample clock with what was said in them. Memory is bounded by a window.
//! No voice activity: what is no speech the model has to know itself.

use crate::decode::alignment::Span;
use crate::decode::segments::Context;
use crate::decode::{Hypothesis, HypothesisWord};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Transcriber, Window, WindowSegment};
use crate::time::SamplePosition;

/// The audio that was not read yet, and what was said before it.
#[derive(Debug)]
pub(super) struct Windowed {
    audio: Vec<f32>,
    start: SamplePosition,
    context: Option<Context>,
    /// Segments so far.
    pub segments: u64,
}

/// A segment as the model cut it; places of words count from its start.
pub(super) type Told<'a> = &'a mut dyn FnMut(u64, (SamplePosition, SamplePosition), &Hypothesis);

impl Windowed {
    /// A stream that starts at position 0.
    pub fn new() -> Self {
        Self { audio: Vec::new(), start: SamplePosition(0), context: None, segments: 0 }
    }

    /// Past the last sample that was taken.
    pub fn position(&self) -> SamplePosition {
        self.start + self.audio.len() as u64
    }

    /// Takes the samples that follow, and reads as much as makes a window.
    ///
    /// # Errors
    /// `Unsupported` where the model cannot cut audio itself; `Model` when a graph fails.
    pub fn take(&mut self, transcriber: &mut dyn Transcriber, samples: &[f32], told: Told<'_>) -> Result<()> {
        self.audio.extend_from_slice(samples);
        while self.audio.len() >= window_samples(transcriber)? {
            self.read(transcriber, told)?;
        }
        Ok(())
    }

    /// Reads what is left: no more audio follows this. What comes later begins at `start` and anew.
    ///
    /// # Errors
    /// Those of [`Windowed::take`].
    pub fn end(&mut self, transcriber: &mut dyn Transcriber, start: SamplePosition, told: Told<'_>) -> Result<()> {
        while !self.audio.is_empty() {
            self.read(transcriber, told)?;
        }
        (self.start, self.context) = (start, None);
        Ok(())
    }

    fn read(&mut self, transcriber: &mut dyn Transcriber, told: Told<'_>) -> Result<()> {
        let longest = window_samples(transcriber)?;
        let Some(windows) = transcriber.windows() else { return Ok(()) };
        let context = self.context.get_or_insert_with(|| windows.context());
        let window = &self.audio[..self.audio.len().min(longest)];
        let Window { segments, advance } = windows.read_window(window, context)?;
        for WindowSegment { said, hypothesis } in segments {
            let (said, hypothesis) = from_its_start(said, hypothesis);
            told(self.segments, (self.start + said.start, self.start + said.end), &hypothesis);
            self.segments += 1;
        }
        let read = (advance.max(1) as usize).min(self.audio.len());
        self.audio.drain(..read);
        self.start = self.start + read as u64;
        Ok(())
    }
}

fn window_samples(transcriber: &mut dyn Transcriber) -> Result<usize> {
    let name = transcriber.name().clone();
    let windows = transcriber.windows().ok_or_else(|| {
        let message = format!("{name} cannot cut recordings itself; leave out --windows, or choose a Whisper");
        Error::new(ErrorKind::Unsupported, message)
    })?;
    Ok(windows.window_samples().max(1))
}

/// A segment that holds all its words, whose places then count from its start.
fn from_its_start(said: Span, mut hypothesis: Hypothesis) -> (Span, Hypothesis) {
    let spans = || hypothesis.words.iter().filter_map(|word| word.said);
    let start = spans().map(|word| word.start).fold(said.start, u64::min);
    let end = spans().map(|word| word.end).fold(said.end, u64::max);
    for HypothesisWord { said, .. } in &mut hypothesis.words {
        *said = said.map(|word| Span { start: word.start - start, end: word.end - start });
    }
    (Span { start, end }, hypothesis)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::decode::Prior;
    use crate::model::{ReadingTime, Windows};
    use crate::runtime::GraphSettings;

    /// Cuts windows of 10 samples: a segment of the first six, then on from the eighth; of less it takes all.
    struct TenAtATime(Arc<str>, Vec<usize>);

    impl Transcriber for TenAtATime {
        fn name(&self) -> &Arc<str> {
            &self.0
        }

        fn settings(&self) -> GraphSettings {
            GraphSettings::default()
        }

        fn transcribe(&mut self, _: &[f32], _: Prior<'_>) -> Result<Hypothesis> {
            Ok(Hypothesis::default())
        }

        fn windows(&mut self) -> Option<&mut dyn Windows> {
            Some(self)
        }

        fn reading_time(&self) -> ReadingTime {
            ReadingTime::default()
        }
    }

    impl Windows for TenAtATime {
        fn window_samples(&self) -> usize {
            10
        }

        fn context(&self) -> Context {
            Context::new(&[], false, true, 448)
        }

        fn read_window(&mut self, audio: &[f32], _: &mut Context) -> Result<Window> {
            self.1.push(audio.len());
            let word = HypothesisWord {
                text: "word".to_owned(),
                probability: 0.9,
                weakest: 0.9,
                said: Some(Span { start: 1, end: 7 }),
                tokens: 0..1,
                given: false,
            };
            let hypothesis = Hypothesis { tokens: vec![5], words: vec![word] };
            let segments = vec![WindowSegment { said: Span { start: 2, end: 6 }, hypothesis }];
            Ok(Window { segments, advance: if audio.len() < 10 { audio.len() as u64 } else { 8 } })
        }
    }

    #[test]
    fn windows_follow_where_the_model_says_and_the_last_is_what_is_left() {
        for block in [1, 3, 10, 25] {
            let mut model = TenAtATime("ten".into(), Vec::new());
            let mut windowed = Windowed::new();
            let mut found = Vec::new();
            let mut told = |number: u64, (start, end): (SamplePosition, SamplePosition), hypothesis: &Hypothesis| {
                let said = hypothesis.words[0].said.unwrap();
                found.push((number, start.0, end.0, said.start, said.end));
            };
            for samples in [0.0; 25].chunks(block) {
                windowed.take(&mut model, samples, &mut told).unwrap();
            }
            assert_eq!(windowed.position(), SamplePosition(25));
            windowed.end(&mut model, SamplePosition(40), &mut told).unwrap();
            assert_eq!(model.1, [10, 10, 9], "in blocks of {block}");
            assert_eq!(found, [(0, 1, 7, 0, 6), (1, 9, 15, 0, 6), (2, 17, 23, 0, 6)], "a segment holds its words");
            assert_eq!(windowed.position(), SamplePosition(40));
        }
    }
}
