//! From scores to events: smoothing, hysteresis, minimum duration, and which labels are one sound.
//!
//! In: the scores of one patch after another with their time. Out: sounds that start, go on and end. A pure state machine: it
//! knows no model and no audio. The terms: a label is *heard* while its score stays above `off` after it rose above `on`; it is
//! *sure* once it was heard for the minimum duration.

use std::sync::Arc;

use super::cadence::{self, Pattern};
use super::ontology::Ontology;
use super::settings::Rule;
use crate::event::{EventBody, Sound, SoundState};
use crate::model::Label;
use crate::time::{SamplePosition, samples_in};

/// A score rises once a patch holds about this much of the sound, and falls once it holds no more: with 57 barks, sneezes,
/// cries and crows of ESC-10 put between silences, starts are 0.01 s late and ends 0.09 s early in the median.
const NEEDED_S: f64 = 0.3;

/// By how much a label must be surer than the one an event bears to take its place, when neither is below the other. Two
/// steps of a logit at a half: less would have `Bark` and `Yip` take turns.
const SURER: f32 = 0.2;

/// The label an alarm that is known by its cadence is a kind of, by AudioSet id: `Smoke detector, smoke alarm`, which is one sound
/// with whatever else beeps.
const ALARM_ID: &str = "/m/01y3hg";
/// What an alarm's beeps are taken for besides, by AudioSet id: `Bell`, `Telephone` and whatever is below them. While an alarm is
/// known by its cadence no such sound begins.
const TAKEN_FOR: [&str; 2] = ["/m/0395lw", "/m/07cx4"];
/// What stands for the model of an event that bears the name of a pattern.
const BY_CADENCE: &str = "cadence";

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
    /// Whether a label is what an alarm's beeps are taken for besides.
    taken_for: Vec<bool>,
    open: Vec<Open>,
    last: Option<Span>,
    next_event: u64,
}

/// What is known of one label.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    smoothed: f32,
    /// The highest smoothed score since `onset`.
    peak: f32,
    /// Whether the score of the last patch itself, which does not lag as the smoothed one does, was above `off`.
    now: bool,
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
    /// What it was recognised as by its cadence: it bears that name from then on.
    pattern: Option<Pattern>,
}

impl Tracker {
    pub(super) fn new(settings: TrackerSettings, labels: Arc<[Label]>, ontology: Arc<Ontology>) -> Self {
        let hop_s = SamplePosition(settings.hop).seconds();
        let weight = if settings.smoothing_s > 0.0 { 1.0 - (-hop_s / settings.smoothing_s).exp() } else { 1.0 };
        let heard = vec![Heard::default(); ontology.len()];
        let groups: Vec<usize> = (0..labels.len()).filter(|&label| TAKEN_FOR.contains(&&*labels[label].id)).collect();
        let is_taken = |label| groups.iter().any(|&group| label == group || ontology.is_below(label, group));
        let taken_for = (0..labels.len()).map(is_taken).collect();
        let (weight, open) = (weight as f32, Vec::new());
        Self { settings, labels, ontology, weight, heard, taken_for, open, last: None, next_event: 0 }
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
        let end = span.end.min(span.start + needed);
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

    /// Takes an alarm that was recognised by its cadence. An event that is open for something that beeps becomes this alarm;
    /// where there is none, one starts. Nothing is told where the model's label for such alarms is not to be shown.
    pub(super) fn recognise(&mut self, heard: &cadence::Heard, emit: &mut dyn FnMut(EventBody)) {
        let Some(alarm) = self.labels.iter().position(|label| &*label.id == ALARM_ID) else { return };
        if !self.settings.rules[alarm].shown {
            return;
        }
        let ontology = &self.ontology;
        let beeps = |open: &Open| ontology.same_sound(open.label, alarm) || ontology.is_below(alarm, open.label);
        let same = self.open.iter().position(|open| open.pattern == Some(heard.pattern));
        let place = same.or_else(|| self.open.iter().position(|open| open.pattern.is_none() && beeps(open)));
        if let Some(place) = place {
            let every = samples_in(self.settings.update_s);
            let mut open = self.open[place];
            let is_new = open.pattern.replace(heard.pattern).is_none();
            if is_new {
                (open.label, open.score) = (alarm, 0.0);
            }
            open.start = open.start.min(heard.start);
            open.end = open.end.max(heard.end);
            open.label_end = open.end;
            open.score = open.score.max(heard.score);
            if is_new || heard.end.since(open.told) >= every {
                open.told = open.told.max(heard.end);
                self.tell(SoundState::Update, &open, emit);
            }
            self.open[place] = open;
            return;
        }
        let (start, end, score) = (heard.start, heard.end, heard.score);
        if self.make_room(Span { start, end }, emit) {
            let event = self.next_event;
            self.next_event += 1;
            let pattern = Some(heard.pattern);
            let open = Open { event, label: alarm, score, start, end, label_end: end, told: end, pattern };
            self.tell(SoundState::Start, &open, emit);
            self.open.push(open);
        }
    }

    /// Says that nothing came between the last patch and `position`: sounds that cannot have gone on are ended.
    pub(super) fn skip_to(&mut self, position: SamplePosition, emit: &mut dyn FnMut(EventBody)) {
        self.heard.fill(Heard::default());
        self.last = None;
        self.end_silent(position, emit);
    }

    /// Ends every sound. What the last patch is sure of but for the minimum duration is told: the end may have cut it short.
    /// The next patch may lie anywhere and finds nothing that was heard before.
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
        // A score that is no number must not stay in the mean.
        let mean = (follows && heard.smoothed.is_finite()).then_some(heard.smoothed);
        heard.smoothed = mean.map_or(score, |mean| mean + self.weight * (score - mean));
        heard.now = score >= rule.off;
        if heard.now || heard.smoothed >= rule.off {
            heard.onset.get_or_insert(onset);
            heard.peak = heard.peak.max(heard.smoothed);
        } else {
            heard.onset = None;
            heard.peak = 0.0;
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
            if open.pattern.is_none() {
                open.score = open.score.max(score);
            }
            if (0..self.heard.len()).filter(heard).any(|label| self.heard[label].now) {
                open.end = open.end.max(end);
            }
            let label = self.heard[open.label];
            if label.lasted > 0 && label.now {
                open.label_end = open.label_end.max(end);
            }
            let label_is_gone = end.since(open.label_end) > hold;
            let due = span.end.since(open.told) >= every;
            let closer = self.strongest(|tracker, label| {
                let ontology = &tracker.ontology;
                let of_other = |other: &Open| other.event != open.event && ontology.same_sound(label, other.label);
                let surer = due
                    && !ontology.is_below(open.label, label)
                    && tracker.heard[label].smoothed >= tracker.heard[open.label].smoothed + SURER;
                let better = ontology.same_sound(label, open.label) && (label_is_gone || surer);
                (better || ontology.is_below(label, open.label)) && !tracker.open.iter().any(of_other)
            });
            let renamed = closer.filter(|label| *label != open.label && open.pattern.is_none());
            if let Some(label) = renamed {
                (open.label, open.label_end) = (label, end);
            }
            if renamed.is_some() || due {
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
            ontology.same_sound(label, open.label)
                || ontology.is_below(label, open.label)
                || ontology.is_below(open.label, label)
                || (open.pattern.is_some() && self.taken_for[label])
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
            score = score.max(part.peak);
        }
        // Patches tell nothing apart that is closer than a hop.
        let end = end.max(start + self.settings.hop);
        let event = self.next_event;
        self.next_event += 1;
        let open = Open { event, label, score, start, end, label_end: end, told: span.end, pattern: None };
        self.tell(SoundState::Start, &open, emit);
        self.open.push(open);
    }

    /// Ends what was not heard for longer than `hold_s` before `now`.
    fn end_silent(&mut self, now: SamplePosition, emit: &mut dyn FnMut(EventBody)) {
        let hold = samples_in(self.settings.hold_s);
        let hold = |open: &Open| open.pattern.map_or(hold, |pattern| pattern.hold().max(hold));
        let (silent, open) = std::mem::take(&mut self.open).into_iter().partition(|open| now.since(open.end) > hold(open));
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
        let (id, name, model) = match open.pattern {
            Some(pattern) => (pattern.id().into(), pattern.label().into(), BY_CADENCE.into()),
            None => (id, name, model),
        };
        emit(EventBody::Sound(Sound { event, state, label: name, id, score, start, end, model }));
    }
}

#[cfg(test)]
mod tests;
