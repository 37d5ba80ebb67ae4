//! The sounds of one stream: its frames, its patches, its events.
//!
//! In: frames of features with their number, and the engine that scores them. Out: `sound` events, and `scores` on request.

use std::sync::Arc;

use super::cadence::{Cadences, Heard};
use super::engine::Engine;
use super::patch::{Patch, Patches};
use super::settings::{Settings, rules};
use super::tracker::{Span, Tracker, TrackerSettings};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{EventBody, Scores};
use crate::frontend::recipe::Recipe;
use crate::frontend::{Features, FrontEnd};
use crate::model::Label;
use crate::time::SamplePosition;

/// The state of one stream. It goes with the engine it was made for.
#[derive(Clone, Debug)]
pub struct Stream {
    patches: Patches,
    tracker: Tracker,
    /// None where it is not wanted, or the model's frames are too coarse for it.
    alarms: Option<Alarms>,
    output: Output,
    /// Samples from one frame to the next, and in one.
    hop: u64,
    window: u64,
    /// Values in a frame.
    width: usize,
}

/// Alarms by their rhythm, in the model's own frames where these are log-mel, else in log-mel of the samples that they are.
#[derive(Clone, Debug)]
struct Alarms {
    cadences: Cadences,
    log_mel: Option<FrontEnd>,
}

impl Alarms {
    fn new(features: &Features) -> Result<Option<Self>> {
        let (cadences, log_mel) = match features {
            Features::LogMel(recipe) => (Cadences::new(recipe), None),
            Features::Samples { .. } => (Cadences::new(&Recipe::ALARMS), Some(FrontEnd::log_mel(&Recipe::ALARMS)?)),
        };
        Ok(cadences.map(|cadences| Self { cadences, log_mel }))
    }

    /// Takes the frame that has `number` and starts at `start`.
    fn push(&mut self, number: u64, start: SamplePosition, frame: &[f32], heard: &mut dyn FnMut(Heard)) {
        let Self { cadences, log_mel } = self;
        match log_mel {
            None => cadences.push(number, frame, heard),
            // Windows that follow one another are the audio itself, and a gap between them is one in it.
            Some(log_mel) => log_mel.push(start, frame, &mut |number, bands| cadences.push(number, bands, heard)),
        }
    }
}

/// Scores, and whether they are told.
#[derive(Clone, Debug)]
struct Output {
    scores: Vec<f32>,
    told: bool,
    /// Until the first `scores` event took them along.
    labels: Option<Arc<[Label]>>,
    model: Arc<str>,
}

impl Stream {
    /// A stream for `engine`, told as `settings` say.
    ///
    /// # Errors
    /// `InvalidInput` naming the setting that is out of its range, or a label that the model does not have.
    pub fn new(engine: &Engine, settings: Settings) -> Result<Self> {
        let (tagger, features) = (engine.tagger(), engine.features());
        settings.check(tagger.patch_frames())?;
        let labels = engine.told_labels();
        let rules = rules(&settings, engine.thresholds(), labels, engine.ontology())?;
        let patch_hop = settings.patch_hop_frames.unwrap_or_else(|| tagger.patch_hop_frames());
        let hop = features.hop() as u64;
        let tracker = TrackerSettings {
            model: tagger.name().clone(),
            hop: patch_hop as u64 * hop,
            smoothing_s: settings.smoothing_s,
            hold_s: settings.hold_s,
            update_s: settings.update_s,
            open_limit: settings.open_limit,
            rules,
        };
        Ok(Self {
            patches: Patches::new(tagger.patch_frames(), patch_hop, tagger.silence().len()),
            tracker: Tracker::new(tracker, labels.clone(), engine.ontology().clone()),
            alarms: if settings.cadence { Alarms::new(features)? } else { None },
            output: Output {
                scores: vec![0.0; engine.labels().len()],
                told: settings.scores,
                labels: settings.scores.then(|| engine.labels().into()),
                model: tagger.name().clone(),
            },
            hop,
            window: features.window() as u64,
            width: features.width(),
        })
    }

    /// Past the last sample of frame number `frame`.
    pub fn frame_end(&self, frame: u64) -> SamplePosition {
        SamplePosition(frame.saturating_mul(self.hop)) + self.window
    }

    /// Takes frame number `frame` (it starts at sample `frame` x hop) and emits what it completes.
    ///
    /// When `frame` is not the next one, what had been collected is dropped and a patch is begun anew; sounds that were not
    /// heard for longer than `hold_s` before it are ended.
    ///
    /// # Errors
    /// `InvalidInput` when the frame has not as many values as the model's features have; `Model` when the engine fails. The stream can go on.
    pub fn push(&mut self, engine: &mut Engine, frame: u64, values: &[f32], emit: &mut dyn FnMut(EventBody)) -> Result<()> {
        if values.len() != self.width {
            let message = format!("a frame of {} values, expected {}", values.len(), self.width);
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let start = SamplePosition(frame.saturating_mul(self.hop));
        if self.patches.jumps(frame) {
            self.tracker.skip_to(start, emit);
        }
        if let Some(alarms) = &mut self.alarms {
            let tracker = &mut self.tracker;
            alarms.push(frame, start, values, &mut |heard| tracker.recognise(&heard, emit));
        }
        match self.patches.push(frame, |row| engine.embed(values, row))? {
            Some(patch) => {
                let span = span(&patch, self.hop, self.window);
                self.output.score(engine, &patch, span, &mut self.tracker, emit)
            }
            None => Ok(()),
        }
    }

    /// Ends the stream: what is shorter than a patch is scored once, and every open event ends.
    ///
    /// A stream that never filled a patch, or has not since the last gap, is padded at its end with frames of digital
    /// silence, as `features.py` of YAMNet pads a short waveform with zeros. A longer one is not padded: less than one hop of
    /// patches at its end is not scored on its own.
    ///
    /// # Errors
    /// `Model` when the engine fails; the events have ended all the same.
    pub fn finish(&mut self, engine: &mut Engine, emit: &mut dyn FnMut(EventBody)) -> Result<()> {
        let scored = match self.patches.pad(engine.tagger().silence()) {
            Some(patch) => {
                let span = span(&patch, self.hop, self.window);
                self.output.score(engine, &patch, span, &mut self.tracker, emit)
            }
            None => Ok(()),
        };
        self.tracker.finish(emit);
        scored
    }

    /// Says that audio has stopped coming, and nobody knows for how long: its source was lost.
    ///
    /// Every open event ends now, where it was heard last. Frames of a patch that is not whole are forgotten, and nothing is
    /// padded or scored. Frames that come later, wherever they lie, begin new patches and new events.
    pub fn interrupt(&mut self, emit: &mut dyn FnMut(EventBody)) {
        self.tracker.finish(emit);
        self.patches.forget();
        if let Some(alarms) = &mut self.alarms {
            alarms.cadences.forget();
        }
    }
}

impl Output {
    fn score(
        &mut self,
        engine: &mut Engine,
        patch: &Patch<'_>,
        span: Span,
        tracker: &mut Tracker,
        emit: &mut dyn FnMut(EventBody),
    ) -> Result<()> {
        engine.score(patch.rows, &mut self.scores)?;
        if self.told {
            let labels = self.labels.take().map(|labels| labels.iter().map(|label| label.name.clone()).collect());
            let (scores, model) = (self.scores.clone(), self.model.clone());
            emit(EventBody::Scores(Scores { start: span.start, end: span.end, scores, labels, model }));
        }
        tracker.observe(span, &self.scores, emit);
        Ok(())
    }
}

/// Where the real frames of `patch` lie.
fn span(patch: &Patch<'_>, hop: u64, window: u64) -> Span {
    let start = SamplePosition(patch.first.saturating_mul(hop));
    let last = (patch.frames as u64).saturating_sub(1).saturating_mul(hop);
    Span { start, end: start + last.saturating_add(window) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::SoundState::{End, Start, Update};
    use crate::runtime::GraphSettings;
    use crate::store::{self, Model, Places};

    /// YAMNet, or nothing when it was not fetched and need not be.
    fn engine() -> Option<Engine> {
        let places = Places::find();
        let fetched =
            store::library().and_then(|_| Model::open(&places, "yamnet")).and_then(|model| model.file("model").map(drop));
        match fetched {
            Ok(()) => Some(Engine::load(&places, "yamnet", GraphSettings::default()).unwrap()),
            Err(error) if std::env::var_os("CI").is_none() => {
                println!("skipped: {error}");
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Log-mel frames of a smoke alarm: 3 kHz, half a second on and half a second off.
    fn alarm(engine: &Engine, seconds: u32) -> Vec<Vec<f32>> {
        let sample = |n: u32| {
            let time = f64::from(n) / 16_000.0;
            if time.fract() < 0.5 { (0.5 * (std::f64::consts::TAU * 3000.0 * time).sin()) as f32 } else { 0.0 }
        };
        let samples: Vec<f32> = (0..seconds * 16_000).map(sample).collect();
        let mut frames = Vec::new();
        let mut front_end = FrontEnd::new(engine.features()).unwrap();
        front_end.push(SamplePosition(0), &samples, &mut |_, log_mel| frames.push(log_mel.to_vec()));
        frames
    }

    #[test]
    fn a_lost_source_ends_what_was_heard_and_the_stream_goes_on_with_later_frames() {
        let Some(mut engine) = engine() else { return };
        let frames = alarm(&engine, 6);
        let mut stream = Stream::new(&engine, Settings { scores: true, ..Default::default() }).unwrap();
        let mut heard = Vec::new();
        let mut push = |stream: &mut Stream, first: u64, frames: &[Vec<f32>]| {
            for (number, frame) in (first..).zip(frames) {
                stream.push(&mut engine, number, frame, &mut |body| heard.push(body)).unwrap();
            }
            std::mem::take(&mut heard)
        };
        let alarms = |bodies: &[EventBody]| {
            let told = bodies.iter().filter_map(|body| if let EventBody::Sound(sound) = body { Some(sound) } else { None });
            told.filter(|sound| sound.state != Update).map(|sound| (sound.state, sound.event)).collect::<Vec<_>>()
        };

        let before = push(&mut stream, 0, &frames);
        assert_eq!(alarms(&before), [(Start, 0)], "{before:?}");
        let mut at_once = Vec::new();
        stream.interrupt(&mut |body| at_once.push(body));
        assert_eq!(alarms(&at_once), [(End, 0)]);
        assert_eq!(at_once.len(), 1, "nothing is scored: {at_once:?}");

        // Half a patch comes, and the source is lost again: it is no short clip.
        assert!(push(&mut stream, 900, &frames[..48]).is_empty());
        stream.interrupt(&mut |body| at_once.push(body));
        assert_eq!(at_once.len(), 1, "{at_once:?}");

        // The next half cannot make it whole, though its numbers go on.
        assert!(push(&mut stream, 948, &frames[..48]).is_empty());
        let after = push(&mut stream, 996, &frames[48..]);
        assert_eq!(alarms(&after), [(Start, 1)], "{after:?}");
        let mut ended = Vec::new();
        stream.finish(&mut engine, &mut |body| ended.push(body)).unwrap();
        assert_eq!(alarms(&ended), [(End, 1)]);
    }
}
