//! One stream of speech: buffers audio, runs the detector, and decodes the open segment when it is due.
//!
//! In: 16 kHz audio at absolute positions. Out: `speech` and `caption` events through a callback. Memory is bounded by the longest
//! segment, and by what is held where several are read at once; a refresh that was not possible in time is skipped, never queued.

use std::sync::Arc;

use super::agreement::{Agreement, Line};
use super::endpoint::{Endpointer, Transition};
use super::engine::Engine;
use super::held::{Held, Segment, Waiting};
use super::refresh::Schedule;
use super::settings::Settings;
use super::window::Context;
use super::windowed::{Told, Windowed};
use crate::decode::alignment::Span;
use crate::decode::{Hypothesis, HypothesisWord, Prior};
use crate::error::Result;
use crate::event::{Caption, CaptionState, EndReason, EventBody, Speech, Word};
use crate::model::silero::{SileroState, WINDOW};
use crate::time::{SamplePosition, samples_in};

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
    schedule: Schedule,
    /// The last words of the last segment, and where it ended.
    context: Option<(SamplePosition, SamplePosition, Context)>,
    /// Segments that wait to be read together.
    held: Held,
    /// What takes the audio where the model cuts it itself.
    windowed: Option<Windowed>,
}

/// The open segment's caption as it rolls.
#[derive(Debug)]
struct Rolling {
    agreement: Agreement,
    line: Line,
    /// Where the window begins: what is before it is committed and read no more.
    from: SamplePosition,
    /// What the window begins with.
    given: Vec<u32>,
    /// How many words of that belong to the segment before.
    context: usize,
    /// What the last reading read after that: the draft of the next.
    draft: Vec<u32>,
    /// Audio up to here is in the line.
    read_until: SamplePosition,
    /// The reading of all that the segment will have if nobody speaks on: its final.
    whole: Option<Hypothesis>,
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
            schedule: Schedule::new(settings.refresh.clone(), settings.endpoint.tail_s),
            context: None,
            held: Held::default(),
            windowed: settings.windows.then(Windowed::new),
            settings,
        })
    }

    /// Past the last sample that was taken.
    pub fn position(&self) -> SamplePosition {
        if let Some(windowed) = &self.windowed {
            return windowed.position();
        }
        self.kept_from + self.audio.len() as u64
    }

    /// Seconds between refreshes of an open caption at present, at most: the setting, or more when reading takes long.
    pub fn refresh_s(&self) -> f64 {
        self.schedule.interval_s()
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
        let now = self.position();
        let Some(rolling) = &mut self.rolling else { return Ok(false) };
        if !self.schedule.is_due(now, rolling.read_until, spoken_until) {
            return Ok(false);
        }
        let end = spoken_until + samples_in(self.settings.endpoint.tail_s);
        let until = now.min(end);
        let at = |position: SamplePosition| position.since(self.kept_from) as usize;
        let audio = self.audio.get(at(rolling.from)..at(until)).unwrap_or_default();
        let reading = rolling.read(engine, audio, start)?;
        rolling.read_until = until;
        self.schedule.read(now, spoken_until);
        let line = rolling.agreement.update(&reading.words, until.since(start));
        if let Some(told) = rolling.agreement.committed_until() {
            self.endpointer.told(start + told);
        }
        rolling.draft = reading.tokens.get(rolling.given.len()..).unwrap_or_default().to_vec();
        rolling.whole = None;
        if until == end {
            rolling.whole = Some(reading);
        } else if let Some(cut) = self
            .settings
            .window
            .cut(audio, origin(rolling.from, start), &reading, &rolling.agreement)
            .filter(|_| engine.transcriber.goes_on_from_given())
        {
            rolling.agreement.forget(cut.words);
            rolling.from = rolling.from + cut.samples;
            (rolling.given, rolling.draft, rolling.context) = (cut.given, cut.draft, 0);
        }
        if !self.settings.drafts {
            rolling.draft.clear();
        }
        if !line.reads_as(&rolling.line) {
            rolling.line = line.clone();
            emit(EventBody::Caption(self.caption(self.segment, &line, CaptionState::Partial, start, until, Vec::new())));
        }
        Ok(true)
    }

    /// Tells the stream how long its last refresh took, so that refreshes keep to their share of a core.
    pub fn refresh_took(&mut self, seconds: f64) {
        self.schedule.took(seconds);
    }

    /// Ends the open segment, if any, because audio has stopped coming for now; later audio is taken as ever.
    ///
    /// # Errors
    /// `Model` when a graph fails.
    pub fn interrupt(&mut self, engine: &mut Engine, emit: &mut dyn FnMut(EventBody)) -> Result<()> {
        if let Some(transition) = self.endpointer.force_end(self.position(), EndReason::Gap) {
            self.apply(engine, transition, emit)?;
        }
        self.read_held(engine, emit)
    }

    /// Lets an event of another room pass to `emit`, behind the captions that are to come before it.
    pub fn pass(&mut self, event: EventBody, emit: &mut dyn FnMut(EventBody)) {
        self.held.event(event, emit);
    }

    /// Ends the open segment, if any: no more audio comes.
    ///
    /// # Errors
    /// `Model` when a graph fails.
    pub fn finish(&mut self, engine: &mut Engine, emit: &mut dyn FnMut(EventBody)) -> Result<()> {
        if self.windowed.is_some() {
            let end = self.position();
            return self.cut_by_model(emit, |windowed, told| windowed.end(&mut *engine.transcriber, end, told));
        }
        // The detector wants whole windows; the last one is filled with silence.
        let missing = (WINDOW - self.unseen % WINDOW) % WINDOW;
        let position = self.position();
        self.take(engine, &[0.0; WINDOW][..missing], emit)?;
        if let Some(transition) = self.endpointer.force_end(position, EndReason::Stop) {
            self.apply(engine, transition, emit)?;
        }
        self.read_held(engine, emit)
    }

    fn take(&mut self, engine: &mut Engine, samples: &[f32], emit: &mut dyn FnMut(EventBody)) -> Result<()> {
        if self.windowed.is_some() {
            return self.cut_by_model(emit, |windowed, told| windowed.take(&mut *engine.transcriber, samples, told));
        }
        for piece in samples.chunks(WINDOW) {
            self.audio.extend_from_slice(piece);
            self.schedule.hear(piece);
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
        if self.held.is_due(self.settings.batch, self.seen_until()) {
            self.read_held(engine, emit)?;
        }
        let mut needed = self.endpointer.needed_from(self.seen_until());
        self.context.take_if(|(_, end, _)| needed > *end + samples_in(self.settings.window.context_s));
        if let Some((from, _, _)) = &self.context {
            needed = needed.min(*from);
        }
        if let Some(rolling) = &self.rolling {
            needed = needed.min(rolling.from);
        }
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
                self.schedule.open();
                let agreement = Agreement::new(self.settings.agreement.clone());
                self.held.event(EventBody::Speech(Speech::Start { segment: self.segment, start }), emit);
                let close = |(_, end, _): &(SamplePosition, SamplePosition, Context)| {
                    start.since(*end) <= samples_in(self.settings.window.context_s)
                };
                let (from, given, context) = match self.context.take().filter(close) {
                    Some((from, _, context)) => (from, context.given, context.words),
                    None => (start, Vec::new(), 0),
                };
                let (line, draft) = Default::default();
                let rolling = Rolling { agreement, line, from, given, context, draft, read_until: start, whole: None };
                self.rolling = self.settings.partials.then_some(rolling);
            }
            Transition::End { start, end, reason } => {
                self.held.event(EventBody::Speech(Speech::End { segment: self.segment, start, end, reason }), emit);
                if self.settings.batch > 1 {
                    let audio = self.kept(start, end).to_vec();
                    self.held.segment(Segment { number: self.segment, start, end, audio });
                } else {
                    self.final_caption(engine, start, end, emit)?;
                }
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
        let mut rolling = self.rolling.take();
        let again = engine.transcriber.reads_better_at_leisure();
        let window = rolling.as_ref().filter(|_| !again).map_or(start, |rolling| rolling.from);
        let audio = self.kept(window, end);
        let whole = rolling.as_mut().and_then(|rolling| rolling.whole.take().filter(|_| rolling.read_until == end));
        let hypothesis = match (whole, &rolling) {
            _ if again => engine.transcriber.transcribe_all(&[audio])?.pop().unwrap_or_default(),
            (Some(reading), _) => reading,
            (None, Some(rolling)) => rolling.read(engine, audio, start)?,
            (None, None) => engine.transcriber.transcribe(audio, Prior::default())?,
        };
        if rolling.is_some() && self.settings.window.context_s > 0.0 && engine.transcriber.goes_on_from_given() {
            let context = Context::of(audio, origin(window, start), &hypothesis);
            self.context = context.map(|context| (window + context.samples, end, context));
        }
        let fresh = || Agreement::new(self.settings.agreement.clone());
        let shown = rolling.as_ref().is_some_and(|rolling| !rolling.line.text().is_empty());
        let agreement = rolling.map_or_else(fresh, |rolling| rolling.agreement);
        self.tell_final(self.segment, (start, end), agreement, &hypothesis, shown, emit);
        Ok(())
    }

    /// Does `with` what cuts the audio by the model what is to be done, and tells its segments.
    fn cut_by_model(
        &mut self,
        emit: &mut dyn FnMut(EventBody),
        with: impl FnOnce(&mut Windowed, Told<'_>) -> Result<()>,
    ) -> Result<()> {
        let Some(mut windowed) = self.windowed.take() else { return Ok(()) };
        let done = with(&mut windowed, &mut |segment, (start, end), hypothesis| {
            emit(EventBody::Speech(Speech::Start { segment, start }));
            emit(EventBody::Speech(Speech::End { segment, start, end, reason: EndReason::Model }));
            let fresh = Agreement::new(self.settings.agreement.clone());
            self.tell_final(segment, (start, end), fresh, hypothesis, false, emit);
        });
        self.windowed = Some(windowed);
        done
    }

    /// Reads the segments that wait and tells all that waits, in its order. Where they cannot be read together they are read one by
    /// one, up to the one that fails.
    fn read_held(&mut self, engine: &mut Engine, emit: &mut dyn FnMut(EventBody)) -> Result<()> {
        let waiting = self.held.take();
        let pieces: Vec<&[f32]> = waiting.iter().filter_map(Waiting::audio).collect();
        let mut together = engine.transcriber.transcribe_all(&pieces).ok().map(Vec::into_iter);
        let mut failed = Ok(());
        for waiting in waiting {
            match waiting {
                Waiting::Event(event) => emit(event),
                Waiting::Segment(_) if failed.is_err() => (),
                Waiting::Segment(Segment { number, start, end, audio }) => {
                    let read = match &mut together {
                        Some(hypotheses) => Ok(hypotheses.next().unwrap_or_default()),
                        None => engine.transcriber.transcribe(&audio, Prior::default()),
                    };
                    let fresh = Agreement::new(self.settings.agreement.clone());
                    failed = read.map(|hypothesis| self.tell_final(number, (start, end), fresh, &hypothesis, false, emit));
                }
            }
        }
        failed
    }

    /// The segment's last caption; none where nothing was read, unless something was `shown`.
    fn tell_final(
        &self,
        number: u64,
        (start, end): (SamplePosition, SamplePosition),
        mut agreement: Agreement,
        hypothesis: &Hypothesis,
        shown: bool,
        emit: &mut dyn FnMut(EventBody),
    ) {
        let (line, amended) = agreement.finish(&hypothesis.words);
        if shown || !line.text().is_empty() {
            emit(EventBody::Caption(self.caption(number, &line, CaptionState::Final, start, end, amended)));
        }
    }

    /// The audio from `start` to `end`, as far as it is kept.
    fn kept(&self, start: SamplePosition, end: SamplePosition) -> &[f32] {
        let until = (end.since(self.kept_from) as usize).min(self.audio.len());
        let from = start.since(self.kept_from) as usize;
        &self.audio[from.min(until)..until]
    }

    fn caption(
        &self,
        segment: u64,
        line: &Line,
        state: CaptionState,
        start: SamplePosition,
        end: SamplePosition,
        amended: Vec<String>,
    ) -> Caption {
        Caption {
            segment,
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
        if self.windowed.is_some() {
            return self.cut_by_model(emit, |windowed, told| windowed.end(&mut *engine.transcriber, start, told));
        }
        if let Some(transition) = self.endpointer.force_end(self.position(), EndReason::Gap) {
            self.apply(engine, transition, emit)?;
        }
        self.read_held(engine, emit)?;
        self.audio.clear();
        self.unseen = 0;
        self.kept_from = start;
        self.context = None;
        self.detector = SileroState::default();
        self.endpointer.skip_to(start);
        Ok(())
    }
}

impl Rolling {
    /// Reads the window, `audio`, of the segment that starts at `start`; the words' places count from there.
    fn read(&self, engine: &mut Engine, audio: &[f32], start: SamplePosition) -> Result<Hypothesis> {
        let mut reading = engine.transcriber.transcribe(audio, Prior { given: &self.given, draft: &self.draft })?;
        let context = reading.words.iter().take(self.context).take_while(|word| word.given).count();
        reading.words.drain(..context);
        let place = |samples: u64| (self.from + samples).since(start);
        for span in reading.words.iter_mut().filter_map(|word| word.said.as_mut()) {
            *span = Span { start: place(span.start), end: place(span.end) };
        }
        Ok(reading)
    }
}

/// Where a window that begins at `from` lies in the segment that starts at `start`.
fn origin(from: SamplePosition, start: SamplePosition) -> i64 {
    from.0 as i64 - start.0 as i64
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
