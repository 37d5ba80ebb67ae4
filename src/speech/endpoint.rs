//! Endpointing: where a segment of speech starts and ends, from the probability of speech in each window.
//!
//! In: a probability for every 512 samples. Out: [`Transition`]s at absolute positions. A pure state machine: no audio, no model.

use std::collections::VecDeque;

use crate::event::EndReason;
use crate::time::{SamplePosition, samples_in};

/// The rules of endpointing, each a setting with its default.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointSettings {
    /// Probability from which speech starts: 0.5.
    pub start: f32,
    /// Probability below which a window of speech counts as silence: 0.35.
    pub stop: f32,
    /// Seconds of silence that end a segment: 0.5.
    pub silence_s: f64,
    /// Seconds before the first window of speech that belong to the segment: 0.3.
    pub pre_roll_s: f64,
    /// Seconds after the last window of speech that belong to the segment, at most `silence_s`: 0.3.
    pub tail_s: f64,
    /// Seconds of speech below which a segment is nothing: 0.25.
    pub minimum_s: f64,
    /// Longest segment in seconds: 15. A longer one is cut where it was quietest in its last `cut_within_s`.
    pub maximum_s: f64,
    /// Seconds before the longest length in which the cut is looked for: 4.
    pub cut_within_s: f64,
}

impl Default for EndpointSettings {
    fn default() -> Self {
        Self {
            start: 0.5,
            stop: 0.35,
            silence_s: 0.5,
            pre_roll_s: 0.3,
            tail_s: 0.3,
            minimum_s: 0.25,
            maximum_s: 15.0,
            cut_within_s: 4.0,
        }
    }
}

/// What a window of audio changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Transition {
    /// A segment holds enough speech to be one; it starts at `start`.
    Start {
        /// First sample, pre-roll included.
        start: SamplePosition,
    },
    /// The segment is over.
    End {
        /// First sample, pre-roll included.
        start: SamplePosition,
        /// Past the last sample.
        end: SamplePosition,
        /// Why.
        reason: EndReason,
    },
}

/// A window as the endpointer remembers it.
#[derive(Clone, Copy, Debug)]
struct Window {
    end: SamplePosition,
    probability: f32,
    /// Mean square of the samples.
    energy: f32,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    start: SamplePosition,
    /// Past the last window of speech.
    spoken_until: SamplePosition,
    /// Samples in windows of speech.
    spoken: u64,
    announced: bool,
    /// What remained of a segment that was cut: speech already, however short.
    continued: bool,
}

/// The state of endpointing in one stream.
#[derive(Debug)]
pub struct Endpointer {
    settings: EndpointSettings,
    open: Option<Open>,
    /// Segments never overlap: the next one starts here or later.
    free_from: SamplePosition,
    /// Words up to here are told for good: no cut comes before.
    told_until: SamplePosition,
    recent: VecDeque<Window>,
}

impl Endpointer {
    /// A stream that starts at position 0, in silence.
    pub fn new(settings: EndpointSettings) -> Self {
        let (free_from, told_until) = (SamplePosition(0), SamplePosition(0));
        Self { settings, open: None, free_from, told_until, recent: VecDeque::new() }
    }

    /// The start of the segment that was announced and is open.
    pub fn announced(&self) -> Option<SamplePosition> {
        self.open.filter(|open| open.announced).map(|open| open.start)
    }

    /// Past the last window of speech of the open segment.
    pub fn spoken_until(&self) -> Option<SamplePosition> {
        self.open.map(|open| open.spoken_until)
    }

    /// The oldest position a future segment may still start at, given that windows up to `now` were seen.
    pub fn needed_from(&self, now: SamplePosition) -> SamplePosition {
        self.open.map_or_else(|| (now - samples_in(self.settings.pre_roll_s)).max(self.free_from), |open| open.start)
    }

    /// Takes the window from `start` to `end`, its probability of speech and its energy (mean square).
    pub fn window(
        &mut self,
        start: SamplePosition,
        end: SamplePosition,
        probability: f32,
        energy: f32,
    ) -> [Option<Transition>; 2] {
        let spoken = end.since(start);
        match &mut self.open {
            None if probability >= self.settings.start => {
                let from = (start - samples_in(self.settings.pre_roll_s)).max(self.free_from);
                self.open = Some(Open { start: from, spoken_until: end, spoken, announced: false, continued: false });
            }
            None => return [None, None],
            Some(open) if probability >= self.settings.stop => {
                open.spoken_until = end;
                open.spoken += spoken;
            }
            Some(open) if end.since(open.spoken_until) >= samples_in(self.settings.silence_s) => {
                return [self.end(end, EndReason::Silence), None];
            }
            Some(_) => {}
        }
        self.recent.push_back(Window { end, probability, energy });
        while self.recent.front().is_some_and(|oldest| end.since(oldest.end) > samples_in(self.settings.cut_within_s)) {
            self.recent.pop_front();
        }
        let started = self.announce();
        [started, self.cut(end)]
    }

    /// Ends the open segment at `at`: the session stops or audio is missing from here on.
    pub fn force_end(&mut self, at: SamplePosition, reason: EndReason) -> Option<Transition> {
        self.end(at, reason)
    }

    /// Audio up to `position` is missing: no segment starts before it.
    pub fn skip_to(&mut self, position: SamplePosition) {
        self.free_from = self.free_from.max(position);
    }

    /// Words up to `position` are committed: a segment that grows too long is cut after them, or they would be read again.
    pub fn told(&mut self, position: SamplePosition) {
        self.told_until = self.told_until.max(position);
    }

    fn announce(&mut self) -> Option<Transition> {
        let minimum = samples_in(self.settings.minimum_s);
        let enough = |open: &Open| open.spoken >= minimum || (open.continued && open.spoken > 0);
        let open = self.open.as_mut().filter(|open| !open.announced && enough(open))?;
        open.announced = true;
        Some(Transition::Start { start: open.start })
    }

    fn end(&mut self, at: SamplePosition, reason: EndReason) -> Option<Transition> {
        self.recent.clear();
        let open = self.open.take()?;
        let end = (open.spoken_until + samples_in(self.settings.tail_s)).min(at);
        self.free_from = if open.announced { end } else { self.free_from };
        open.announced.then_some(Transition::End { start: open.start, end, reason })
    }

    /// Cuts a segment that is too long at its quietest recent window; speech goes on in a new segment.
    fn cut(&mut self, now: SamplePosition) -> Option<Transition> {
        let open = self.open.filter(|open| open.announced && now.since(open.start) >= samples_in(self.settings.maximum_s))?;
        // Below the stopping probability it is a pause, however loud; among pauses and among speech the quietest wins.
        let rank = |window: &Window| (window.probability >= self.settings.stop, window.energy);
        let untold = self.recent.iter().filter(|window| window.end >= self.told_until);
        let quietest = untold.min_by(|a, b| {
            let (a, b) = (rank(a), rank(b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        let quietest = quietest.or(self.recent.back())?;
        let at = quietest.end;
        self.recent.retain(|window| window.end > at);
        let spoken = self.recent.iter().filter(|window| window.probability >= self.settings.stop).count() as u64;
        let window = now.since(at).checked_div(self.recent.len() as u64).unwrap_or(0);
        let spoken_until = open.spoken_until.max(at);
        self.free_from = at;
        self.open = Some(Open { start: at, spoken_until, spoken: spoken * window, announced: false, continued: true });
        Some(Transition::End { start: open.start, end: at, reason: EndReason::Length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: u64 = 512;

    /// Feeds windows of the given probabilities and returns every transition.
    fn run(endpointer: &mut Endpointer, from: u64, probabilities: &[f32]) -> Vec<Transition> {
        let mut transitions = Vec::new();
        for (index, &probability) in probabilities.iter().enumerate() {
            let start = SamplePosition((from + index as u64) * WINDOW);
            transitions.extend(endpointer.window(start, start + WINDOW, probability, probability).into_iter().flatten());
        }
        transitions
    }

    #[test]
    fn a_segment_has_pre_roll_and_tail_and_ends_after_silence() {
        let mut endpointer = Endpointer::new(EndpointSettings::default());
        let mut probabilities = vec![0.1; 20];
        probabilities.extend([0.9; 20]);
        probabilities.extend([0.1; 20]);
        let start = SamplePosition(20 * WINDOW) - samples_in(0.3);
        let end = SamplePosition(40 * WINDOW) + samples_in(0.3);
        let expected = [Transition::Start { start }, Transition::End { start, end, reason: EndReason::Silence }];
        assert_eq!(run(&mut endpointer, 0, &probabilities), expected);
        assert_eq!(endpointer.announced(), None);
    }

    #[test]
    fn a_click_is_no_segment_and_a_short_pause_does_not_end_one() {
        let mut endpointer = Endpointer::new(EndpointSettings::default());
        let mut click = vec![0.9; 4];
        click.extend([0.0; 30]);
        assert_eq!(run(&mut endpointer, 0, &click), []);
        let mut pause = vec![0.9; 20];
        pause.extend([0.0; 14]);
        pause.extend([0.9; 5]);
        let transitions = run(&mut endpointer, 34, &pause);
        assert_eq!(transitions.len(), 1, "{transitions:?}");
    }

    #[test]
    fn pre_roll_never_reaches_into_the_segment_before() {
        let mut endpointer = Endpointer::new(EndpointSettings::default());
        let mut probabilities = vec![0.9; 20];
        probabilities.extend([0.0; 16]);
        probabilities.extend([0.9; 20]);
        let transitions = run(&mut endpointer, 0, &probabilities);
        let [_, Transition::End { end, .. }, Transition::Start { start }] = transitions[..] else { panic!("{transitions:?}") };
        assert!(start >= end, "{start:?} {end:?}");
    }

    #[test]
    fn a_long_segment_is_cut_at_its_quietest_recent_window_and_goes_on() {
        let mut endpointer = Endpointer::new(EndpointSettings::default());
        let mut probabilities = vec![0.9; 600];
        probabilities[400] = 0.6;
        let transitions = run(&mut endpointer, 0, &probabilities);
        let cut = SamplePosition(401 * WINDOW);
        assert_eq!(transitions[0], Transition::Start { start: SamplePosition(0) });
        assert_eq!(transitions[1], Transition::End { start: SamplePosition(0), end: cut, reason: EndReason::Length });
        assert_eq!(transitions[2], Transition::Start { start: cut });
        let stop = endpointer.force_end(SamplePosition(600 * WINDOW), EndReason::Stop);
        let end = SamplePosition(600 * WINDOW);
        assert_eq!(stop, Some(Transition::End { start: cut, end, reason: EndReason::Stop }));
    }

    #[test]
    fn a_cut_comes_after_what_is_told_for_good() {
        let settings = EndpointSettings { maximum_s: 5.0, cut_within_s: 3.0, ..EndpointSettings::default() };
        let windows = 16_000 * 5 / WINDOW + 2;
        let cut_at = |told: Option<u64>| {
            let mut endpointer = Endpointer::new(settings.clone());
            told.into_iter().for_each(|told| endpointer.told(SamplePosition(told)));
            (0..windows).find_map(|number| {
                // It is quietest at 3 s, and next at 4 s.
                let (start, end) = (SamplePosition(number * WINDOW), SamplePosition((number + 1) * WINDOW));
                let energy = if end.0 / WINDOW == 94 {
                    0.01
                } else if end.0 / WINDOW == 125 {
                    0.02
                } else {
                    1.0
                };
                let ended = endpointer.window(start, end, 0.9, energy).into_iter().flatten();
                ended
                    .filter_map(|transition| if let Transition::End { end, .. } = transition { Some(end.0) } else { None })
                    .next()
            })
        };
        assert_eq!(cut_at(None), Some(94 * WINDOW));
        assert_eq!(cut_at(Some(94 * WINDOW)), Some(94 * WINDOW));
        assert_eq!(cut_at(Some(94 * WINDOW + 1)), Some(125 * WINDOW));
        assert_eq!(cut_at(Some(1_000_000)), Some(157 * WINDOW), "all of it is told: at its end");
    }

    #[test]
    fn a_word_after_the_cut_is_not_lost_however_short() {
        let mut endpointer = Endpointer::new(EndpointSettings::default());
        let mut probabilities = vec![0.9; 464];
        probabilities.push(0.0);
        probabilities.extend([0.9; 5]);
        probabilities.extend([0.0; 17]);
        let transitions = run(&mut endpointer, 0, &probabilities);
        let [_, Transition::End { end: cut, .. }, Transition::Start { start }, Transition::End { end, .. }] = transitions[..]
        else {
            panic!("{transitions:?}")
        };
        assert_eq!((cut, start), (SamplePosition(465 * WINDOW), SamplePosition(465 * WINDOW)));
        assert_eq!(end, SamplePosition(470 * WINDOW) + samples_in(0.3));
    }

    #[test]
    fn segments_are_ordered_whatever_the_probabilities() {
        let mut endpointer = Endpointer::new(EndpointSettings::default());
        let mut seed = 1_u64;
        let probabilities: Vec<f32> = (0..20_000)
            .map(|index| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let noise = (seed >> 40) as f32 / (1 << 24) as f32;
                if (index / 300) % 2 == 0 { noise } else { 0.3 + 0.7 * noise }
            })
            .collect();
        let transitions = run(&mut endpointer, 0, &probabilities);
        let (mut open, mut last_end) = (None, SamplePosition(0));
        for transition in transitions {
            match transition {
                Transition::Start { start } => {
                    assert!(open.is_none() && start >= last_end);
                    open = Some(start);
                }
                Transition::End { start, end, .. } => {
                    assert_eq!(open.take(), Some(start));
                    assert!(end > start && end.since(start) <= samples_in(15.1));
                    last_end = end;
                }
            }
        }
    }
}
