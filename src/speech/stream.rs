//! One stream of speech: buffers audio, runs the detector, and decodes the open segment when it is due.
//!
//! In: 16 kHz audio at absolute positions. Out: `speech` and `caption` events through a callback. Memory is bounded by the longest
//! segment; a refresh that was not possible in time is skipped, never queued.

use std::sync::Arc;

use super::agreement::{Agreement, AgreementSettings, Line};
use super::endpoint::{EndpointSettings, Endpointer, Transition};
use super::engine::Engine;
use crate::decode::HypothesisWord;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Caption, CaptionState, EndReason, EventBody, Speech, Word};
use crate::model::silero::{SileroState, WINDOW};
use crate::time::{SamplePosition, samples_in};

/// However long decoding takes, an open caption is refreshed at least this often, seconds.
const WIDEST_REFRESH_S: f64 = 2.0;

/// How speech becomes captions; every figure is a default that can be changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Whether captions roll: partial captions while a segment is open.
    pub partials: bool,
    /// Seconds of new audio between refreshes of an open caption: 0.3. Wider when decoding takes long.
    pub refresh_s: f64,
    /// Share of one core that refreshes may take before they come less often, 0 to 1: 0.6.
    pub refresh_share: f64,
    /// Where segments start and end.
    pub endpoint: EndpointSettings,
    /// When words are committed.
    pub agreement: AgreementSettings,
    /// Seconds of missing audio up to which silence stands in for it; more ends the segment: 0.25.
    pub bridged_gap_s: f64,
}

impl Settings {
    /// Checks every figure.
    ///
    /// # Errors
    /// `InvalidInput` naming the setting, its value and its range.
    pub fn check(&self) -> Result<()> {
        self.endpoint.check()?;
        let figures = [
            ("refresh_s", self.refresh_s, 0.05, 5.0),
            ("refresh_share", self.refresh_share, 0.05, 1.0),
            ("bridged_gap_s", self.bridged_gap_s, 0.0, 2.0),
            ("agreement lasting_s", self.agreement.lasting_s, 0.0, 30.0),
            ("agreement probability", f64::from(self.agreement.probability), 0.0, 1.0),
        ];
        match figures.into_iter().find(|(_, value, least, most)| !(least..=most).contains(&value)) {
            None => Ok(()),
            Some((name, value, least, most)) => {
                let message = format!("speech setting {name} is {value}; choose {least} to {most}");
                Err(Error::new(ErrorKind::InvalidInput, message))
            }
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            partials: true,
            refresh_s: 0.3,
            refresh_share: 0.6,
            endpoint: EndpointSettings::default(),
            agreement: AgreementSettings::default(),
            bridged_gap_s: 0.25,
        }
    }
}

/// The state of one stream. Give it the same engine at every call.
#[derive(Debug)]
pub struct Stream {
    settings: Settings,
    model: Arc<str>,
    detector: SileroState,
    endpointer: Endpointer,
    /// Audio from `kept_from` on; the last `unseen` samples were not given to the detector yet.
    audio: Vec<f32>,
    kept_from: SamplePosition,
    unseen: usize,
    segment: u64,
    rolling: Option<Rolling>,
    refresh: u64,
}

/// The open segment's caption as it rolls.
#[derive(Debug)]
struct Rolling {
    agreement: Agreement,
    line: Line,
    /// What the last reading read: the draft of the next.
    tokens: Vec<u32>,
    /// Audio up to here is in the line.
    decoded_until: SamplePosition,
}

impl Stream {
    /// A stream that starts at position 0.
    ///
    /// # Errors
    /// `InvalidInput` for a setting that is out of its range.
    pub fn new(engine: &Engine, settings: Settings) -> Result<Self> {
        settings.check()?;
        let longest = samples_in(settings.endpoint.maximum_s + settings.endpoint.silence_s) as usize;
        Ok(Self {
            model: engine.transcriber.name().clone(),
            detector: SileroState::default(),
            endpointer: Endpointer::new(settings.endpoint.clone()),
            audio: Vec::with_capacity(longest + 4 * WINDOW),
            kept_from: SamplePosition(0),
            unseen: 0,
            segment: 0,
            rolling: None,
            refresh: samples_in(settings.refresh_s),
            settings,
        })
    }

    /// Past the last sample that was taken.
    pub fn position(&self) -> SamplePosition {
        self.kept_from + self.audio.len() as u64
    }

    /// Seconds between refreshes at present: the setting, or more when decoding takes long.
    pub fn refresh_s(&self) -> f64 {
        SamplePosition(self.refresh).seconds()
    }

    /// Takes audio that starts at `start`. Earlier audio that never came is bridged with silence or ends the segment; audio that
    /// came already is passed over.
    ///
    /// # Errors
    /// `Model` when a graph fails.
    pub fn push(
        &mut self,
        engine: &mut Engine,
        start: SamplePosition,
        samples: &[f32],
        emit: &mut dyn FnMut(EventBody),
    ) -> Result<()> {
        let missing = start.since(self.position());
        if missing > samples_in(self.settings.bridged_gap_s) {
            self.restart(engine, start, emit)?;
        } else if missing > 0 {
            self.take(engine, &vec![0.0; missing as usize], emit)?;
        }
        let passed = (self.position().since(start) as usize).min(samples.len());
        self.take(engine, &samples[passed..], emit)
    }

    /// Decodes the open segment anew when that is due. Returns whether it did.
    ///
    /// # Errors
    /// `Model` when a graph fails.
    pub fn refresh(&mut self, engine: &mut Engine, emit: &mut dyn FnMut(EventBody)) -> Result<bool> {
        let (Some(start), Some(spoken_until)) = (self.endpointer.announced(), self.endpointer.spoken_until()) else {
            return Ok(false);
        };
        let until = self.seen_until();
        let Some(rolling) = &mut self.rolling else { return Ok(false) };
        // Once the silence after the last word was decoded, more silence brings nothing.
        let silence_decoded = rolling.decoded_until >= spoken_until + self.refresh / 2;
        if until.since(rolling.decoded_until) < self.refresh || silence_decoded {
            return Ok(false);
        }
        let audio = &self.audio[start.since(self.kept_from) as usize..until.since(self.kept_from) as usize];
        let hypothesis = engine.transcriber.transcribe(audio, &rolling.tokens)?;
        rolling.decoded_until = until;
        rolling.tokens = hypothesis.tokens;
        let line = rolling.agreement.update(&hypothesis.words, until);
        if !line.reads_as(&rolling.line) {
            rolling.line = line.clone();
            emit(EventBody::Caption(self.caption(&line, CaptionState::Partial, start, until, Vec::new())));
        }
        Ok(true)
    }

    /// Tells the stream how long its last refresh took, so that refreshes keep to their share of a core.
    pub fn refresh_took(&mut self, seconds: f64) {
        let wanted = seconds / self.settings.refresh_share;
        self.refresh = samples_in(wanted.clamp(self.settings.refresh_s, self.settings.refresh_s.max(WIDEST_REFRESH_S)));
    }

    /// Ends the open segment, if any, because audio has stopped coming for now; later audio is taken as ever.
    ///
    /// # Errors
    /// `Model` when a graph fails.
    pub fn interrupt(&mut self, engine: &mut Engine, emit: &mut dyn FnMut(EventBody)) -> Result<()> {
        match self.endpointer.force_end(self.position(), EndReason::Gap) {
            Some(transition) => self.apply(engine, transition, emit),
            None => Ok(()),
        }
    }

    /// Ends the open segment, if any: no more audio comes.
    ///
    /// # Errors
    /// `Model` when a graph fails.
    pub fn finish(&mut self, engine: &mut Engine, emit: &mut dyn FnMut(EventBody)) -> Result<()> {
        // The detector wants whole windows; the last one is filled with silence.
        let missing = (WINDOW - self.unseen % WINDOW) % WINDOW;
        let position = self.position();
        self.take(engine, &[0.0; WINDOW][..missing], emit)?;
        if let Some(transition) = self.endpointer.force_end(position, EndReason::Stop) {
            self.apply(engine, transition, emit)?;
        }
        Ok(())
    }

    fn take(&mut self, engine: &mut Engine, samples: &[f32], emit: &mut dyn FnMut(EventBody)) -> Result<()> {
        for piece in samples.chunks(WINDOW) {
            self.audio.extend_from_slice(piece);
            self.unseen += piece.len();
            while self.unseen >= WINDOW {
                self.detect(engine, emit)?;
            }
        }
        Ok(())
    }

    fn seen_until(&self) -> SamplePosition {
        self.position() - self.unseen as u64
    }

    fn detect(&mut self, engine: &mut Engine, emit: &mut dyn FnMut(EventBody)) -> Result<()> {
        let start = self.seen_until();
        let from = self.audio.len() - self.unseen;
        let mut window = [0.0; WINDOW];
        window.copy_from_slice(&self.audio[from..from + WINDOW]);
        self.unseen -= WINDOW;
        let probability = engine.detector.probability(&mut self.detector, &window)?;
        let energy = window.iter().map(|sample| sample * sample).sum::<f32>() / WINDOW as f32;
        for transition in self.endpointer.window(start, start + WINDOW as u64, probability, energy).into_iter().flatten() {
            self.apply(engine, transition, emit)?;
        }
        let needed = self.endpointer.needed_from(self.seen_until());
        let done = (needed.since(self.kept_from) as usize).min(self.audio.len() - self.unseen);
        // Moved rarely, so that the cost of moving stays far below that of a window.
        if done >= 8 * WINDOW {
            self.audio.drain(..done);
            self.kept_from = self.kept_from + done as u64;
        }
        Ok(())
    }

    fn apply(&mut self, engine: &mut Engine, transition: Transition, emit: &mut dyn FnMut(EventBody)) -> Result<()> {
        match transition {
            Transition::Start { start } => {
                // A segment that begins is short to decode, whatever the last one took.
                self.refresh = samples_in(self.settings.refresh_s);
                let agreement = Agreement::new(self.settings.agreement.clone());
                emit(EventBody::Speech(Speech::Start { segment: self.segment, start }));
                let rolling = Rolling { agreement, line: Line::default(), tokens: Vec::new(), decoded_until: start };
                self.rolling = self.settings.partials.then_some(rolling);
            }
            Transition::End { start, end, reason } => {
                emit(EventBody::Speech(Speech::End { segment: self.segment, start, end, reason }));
                self.final_caption(engine, start, end, emit)?;
                self.segment += 1;
            }
        }
        Ok(())
    }

    fn final_caption(
        &mut self,
        engine: &mut Engine,
        start: SamplePosition,
        end: SamplePosition,
        emit: &mut dyn FnMut(EventBody),
    ) -> Result<()> {
        let from = start.since(self.kept_from) as usize;
        let until = (end.since(self.kept_from) as usize).min(self.audio.len());
        let rolling = self.rolling.take();
        let draft = rolling.as_ref().map_or(&[][..], |rolling| &rolling.tokens);
        let hypothesis = engine.transcriber.transcribe(&self.audio[from.min(until)..until], draft)?;
        let fresh = || Agreement::new(self.settings.agreement.clone());
        let shown = rolling.as_ref().is_some_and(|rolling| !rolling.line.text().is_empty());
        let mut agreement = rolling.map_or_else(fresh, |rolling| rolling.agreement);
        let (line, amended) = agreement.finish(&hypothesis.words);
        if shown || !line.text().is_empty() {
            emit(EventBody::Caption(self.caption(&line, CaptionState::Final, start, end, amended)));
        }
        Ok(())
    }

    fn caption(
        &self,
        line: &Line,
        state: CaptionState,
        start: SamplePosition,
        end: SamplePosition,
        amended: Vec<String>,
    ) -> Caption {
        Caption {
            segment: self.segment,
            state,
            text: line.text().to_owned(),
            committed: line.committed().to_owned(),
            stable: line.stable().to_owned(),
            amended,
            words: words(line, start, end),
            start,
            end,
            model: self.model.clone(),
        }
    }

    /// Audio is missing: ends the segment where the audio ended and starts anew at `start`.
    fn restart(&mut self, engine: &mut Engine, start: SamplePosition, emit: &mut dyn FnMut(EventBody)) -> Result<()> {
        if let Some(transition) = self.endpointer.force_end(self.position(), EndReason::Gap) {
            self.apply(engine, transition, emit)?;
        }
        self.audio.clear();
        self.unseen = 0;
        self.kept_from = start;
        self.detector = SileroState::default();
        self.endpointer.skip_to(start);
        Ok(())
    }
}

/// The words of `line` on the sample clock, within the audio from `start` to `end` that was decoded; none where a time is not known.
fn words(line: &Line, start: SamplePosition, end: SamplePosition) -> Vec<Word> {
    let place = |samples: u64| (start + samples).min(end);
    let on_the_clock = |word: &HypothesisWord| {
        let said = word.said?;
        Some(Word { text: word.text.clone(), start: place(said.start), end: place(said.end), probability: word.probability })
    };
    line.words().iter().map(on_the_clock).collect::<Option<_>>().unwrap_or_default()
}
