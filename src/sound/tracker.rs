//! From scores to events: smoothing, hysteresis, minimum duration, and which labels are one sound.
//!
//! In: the scores of one patch after another with their time. Out: sounds that start, go on and end. A pure state machine: it
//! knows no model and no audio. The terms: a label is *heard* while its score stays above `off` after it rose above `on`; it is
//! *sure* once it was heard for the minimum duration.

use std::sync::Arc;

use super::ontology::Ontology;
use super::settings::Rule;
use crate::event::{EventBody, Sound, SoundState};
use crate::model::Label;
use crate::time::{SamplePosition, samples_in};

/// A score rises once a patch holds this much of the sound, and falls once it holds no more than this: measured on sounds of
/// known place between silences, see `tests/sounds.rs`.
const NEEDED_S: f64 = 0.3;

/// What a tracker is told once.
#[derive(Clone, Debug)]
pub(super) struct TrackerSettings {
    pub model: Arc<str>,
    /// Samples from one patch to the next.
    pub hop: u64,
    pub smoothing_s: f64,
    pub hold_s: f64,
    pub update_s: f64,
    pub open_limit: usize,
    /// One a label.
    pub rules: Vec<Rule>,
}

/// Where a patch lies. `end` is where its sound ends: before the padding of a short one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub start: SamplePosition,
    pub end: SamplePosition,
}

/// The sounds of one stream.
#[derive(Clone, Debug)]
pub(super) struct Tracker {
    settings: TrackerSettings,
    labels: Arc<[Label]>,
    ontology: Arc<Ontology>,
    /// What a new score weighs in the smoothed one.
    weight: f32,
    heard: Vec<Heard>,
    open: Vec<Open>,
    last: Option<Span>,
    next_event: u64,
}

/// What is known of one label.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    smoothed: f32,
    /// Where the sound began, if the score is above `off`.
    onset: Option<SamplePosition>,
    /// Samples since the score rose above `on`; 0 when it did not.
    lasted: u64,
}

/// A sound that was told and has not ended.
#[derive(Clone, Copy, Debug)]
struct Open {
    event: u64,
    label: usize,
    score: f32,
    start: SamplePosition,
    /// Where it was heard last.
    end: SamplePosition,
    /// Where its label, and not only a label of the same sound, was heard last.
    label_end: SamplePosition,
    /// End of the patch at which it was told last.
    told: SamplePosition,
}

impl Tracker {
    pub(super) fn new(settings: TrackerSettings, labels: Arc<[Label]>, ontology: Arc<Ontology>) -> Self {
        let hop_s = SamplePosition(settings.hop).seconds();
        let weight = if settings.smoothing_s > 0.0 { 1.0 - (-hop_s / settings.smoothing_s).exp() } else { 1.0 };
        let heard = vec![Heard::default(); ontology.len()];
        Self { settings, labels, ontology, weight: weight as f32, heard, open: Vec::new(), last: None, next_event: 0 }
    }

    /// Takes the scores of the patch at `span`, one a label.
    pub(super) fn observe(&mut self, span: Span, scores: &[f32], emit: &mut dyn FnMut(EventBody)) {
        let follows = self.last.is_some_and(|last| last.start + self.settings.hop == span.start);
        if !follows {
            self.heard.fill(Heard::default());
        }
        let needed = samples_in(NEEDED_S);
        // Where no patch came before, the sound may have begun anywhere in this one.
        let onset = if follows { span.start.max(span.end - needed) } else { span.start };
        let end = span.end.min(span.start + needed.max(self.settings.hop)).max(onset);
        self.last = Some(span);
        for (label, score) in scores.iter().enumerate().take(self.heard.len()) {
            self.smooth(label, *score, follows, onset);
        }
        self.follow(span, end, emit);
        while let Some(label) = self.strongest(|tracker, label| !tracker.is_taken(label)) {
            if !self.make_room(span, emit) {
                break;
            }
            self.start(label, span, end, emit);
        }
        self.end_silent(span.start + needed, emit);
    }

    /// Says that nothing came between the last patch and `position`: sounds that cannot have gone on are ended.
    pub(super) fn skip_to(&mut self, position: SamplePosition, emit: &mut dyn FnMut(EventBody)) {
        self.heard.fill(Heard::default());
        self.last = None;
        self.end_silent(position, emit);
    }

    /// Ends every sound. What the last patch is sure of but for the minimum duration is told: the end may have cut it short.
    pub(super) fn finish(&mut self, emit: &mut dyn FnMut(EventBody)) {
        if let Some(span) = self.last.take() {
            for heard in self.heard.iter_mut().filter(|heard| heard.lasted > 0) {
                heard.lasted = u64::MAX;
            }
            while let Some(label) = self.strongest(|tracker, label| !tracker.is_taken(label)) {
                if !self.make_room(span, emit) {
                    break;
                }
                self.start(label, span, span.end, emit);
            }
        }
        self.heard.fill(Heard::default());
        for open in std::mem::take(&mut self.open) {
            self.tell(SoundState::End, &open, emit);
        }
    }

    fn smooth(&mut self, label: usize, score: f32, follows: bool, onset: SamplePosition) {
        let (rule, hop) = (self.settings.rules[label], self.settings.hop);
        let heard = &mut self.heard[label];
        heard.smoothed = if follows { heard.smoothed + self.weight * (score - heard.smoothed) } else { score };
        if score >= rule.off || heard.smoothed >= rule.off {
            heard.onset.get_or_insert(onset);
        } else {
            heard.onset = None;
        }
        if heard.smoothed >= rule.on || (heard.lasted > 0 && heard.smoothed >= rule.off) {
            heard.lasted = heard.lasted.saturating_add(hop);
        } else {
            heard.lasted = 0;
        }
    }

    /// Brings the open events up to date: closer labels, scores, ends, and the updates that are due.
    fn follow(&mut self, span: Span, end: SamplePosition, emit: &mut dyn FnMut(EventBody)) {
        let (hold, every) = (samples_in(self.settings.hold_s), samples_in(self.settings.update_s));
        for place in 0..self.open.len() {
            let mut open = self.open[place];
            let of_event =
                |label: usize| self.ontology.same_sound(label, open.label) || self.ontology.is_below(label, open.label);
            let heard = |label: &usize| self.heard[*label].lasted > 0 && self.settings.rules[*label].shown && of_event(*label);
            let Some(score) = (0..self.heard.len()).filter(heard).map(|label| self.heard[label].smoothed).reduce(f32::max) else {
                continue;
            };
            open.score = open.score.max(score);
            open.end = open.end.max(end);
            if self.heard[open.label].lasted > 0 {
                open.label_end = open.label_end.max(end);
            }
            let label_is_gone = end.since(open.label_end) > hold;
            let closer = self.strongest(|tracker, label| {
                let ontology = &tracker.ontology;
                let elsewhere =
                    tracker.open.iter().enumerate().any(|(n, other)| n != place && ontology.same_sound(label, other.label));
                let closer = ontology.is_below(label, open.label) || (label_is_gone && ontology.same_sound(label, open.label));
                closer && !elsewhere
            });
            let renamed = closer.filter(|label| *label != open.label);
            if let Some(label) = renamed {
                (open.label, open.label_end) = (label, end);
            }
            if renamed.is_some() || span.end.since(open.told) >= every {
                open.told = span.end;
                self.tell(SoundState::Update, &open, emit);
            }
            self.open[place] = open;
        }
    }

    /// The closest and surest of the sure labels that are `wanted`: none of the others is below it.
    fn strongest(&self, wanted: impl Fn(&Self, usize) -> bool) -> Option<usize> {
        let sure = |label: usize| {
            let rule = self.settings.rules[label];
            rule.shown && self.heard[label].lasted > 0 && self.heard[label].lasted >= rule.minimum_samples
        };
        let candidates: Vec<usize> = (0..self.heard.len()).filter(|&label| sure(label) && wanted(self, label)).collect();
        let leaves = candidates.iter().filter(|&&label| !candidates.iter().any(|&other| self.ontology.is_below(other, label)));
        leaves.copied().max_by(|&one, &other| self.heard[one].smoothed.total_cmp(&self.heard[other].smoothed))
    }

    /// Whether an open event speaks for `label`: it is the same sound, or one is below the other.
    fn is_taken(&self, label: usize) -> bool {
        self.open.iter().any(|open| {
            let ontology = &self.ontology;
            ontology.same_sound(label, open.label) || ontology.is_below(label, open.label) || ontology.is_below(open.label, label)
        })
    }

    /// Whether one more event may open. When all places are taken, the one that is silent longest gives its own up.
    fn make_room(&mut self, span: Span, emit: &mut dyn FnMut(EventBody)) -> bool {
        if self.open.len() < self.settings.open_limit {
            return true;
        }
        let oldest = (0..self.open.len()).min_by_key(|&place| self.open[place].end);
        let Some(oldest) = oldest.filter(|&place| self.open[place].end < span.start) else { return false };
        let open = self.open.swap_remove(oldest);
        self.tell(SoundState::End, &open, emit);
        true
    }

    fn start(&mut self, label: usize, span: Span, end: SamplePosition, emit: &mut dyn FnMut(EventBody)) {
        let ontology = &self.ontology;
        let parts = (0..self.heard.len()).filter(|&other| ontology.same_sound(other, label) || ontology.is_below(other, label));
        let parts = parts.map(|part| &self.heard[part]).filter(|heard| heard.lasted > 0);
        let (mut start, mut score) = (span.end, 0.0_f32);
        for part in parts {
            start = start.min(part.onset.unwrap_or(span.start));
            score = score.max(part.smoothed);
        }
        let end = end.max(start);
        let event = self.next_event;
        self.next_event += 1;
        let open = Open { event, label, score, start, end, label_end: end, told: span.end };
        self.tell(SoundState::Start, &open, emit);
        self.open.push(open);
    }

    /// Ends what was not heard for longer than `hold_s` before `now`.
    fn end_silent(&mut self, now: SamplePosition, emit: &mut dyn FnMut(EventBody)) {
        let hold = samples_in(self.settings.hold_s);
        let (silent, open) = std::mem::take(&mut self.open).into_iter().partition(|open| now.since(open.end) > hold);
        self.open = open;
        let silent: Vec<Open> = silent;
        for open in silent {
            self.tell(SoundState::End, &open, emit);
            // What contains it was part of it: it is a sound of its own only if it goes on from here.
            for &above in self.ontology.ancestors(open.label) {
                self.heard[above].lasted = 0;
                self.heard[above].onset = None;
            }
        }
    }

    fn tell(&self, state: SoundState, open: &Open, emit: &mut dyn FnMut(EventBody)) {
        let Label { id, name } = self.labels[open.label].clone();
        let Open { event, score, start, end, .. } = *open;
        let model = self.settings.model.clone();
        emit(EventBody::Sound(Sound { event, state, label: name, id, score, start, end, model }));
    }
}
