//! Segments that have ended and wait to be read together, and what is to be told in its order with them.
//!
//! In: segments with their audio, events. Out: both, in the order they came in. What waits is bounded in number, in audio and in time.

use crate::event::EventBody;
use crate::time::{SAMPLE_RATE, SamplePosition};

/// Most audio that waits, samples.
const MOST_SAMPLES: usize = 120 * SAMPLE_RATE as usize;
/// Most time from the start of the first segment that waits, samples: what else is heard meanwhile waits too.
const LONGEST: u64 = 300 * SAMPLE_RATE as u64;

/// What waits, first things first.
#[derive(Debug, Default)]
pub(super) struct Held {
    waiting: Vec<Waiting>,
    segments: usize,
    samples: usize,
    since: SamplePosition,
}

/// One thing that waits.
#[derive(Debug)]
pub(super) enum Waiting {
    /// An event that follows a segment.
    Event(EventBody),
    /// A segment whose caption is still to be read.
    Segment(Segment),
}

/// A segment that has ended.
#[derive(Debug)]
pub(super) struct Segment {
    /// Its number.
    pub number: u64,
    /// Its first sample.
    pub start: SamplePosition,
    /// Past its last.
    pub end: SamplePosition,
    /// All of it.
    pub audio: Vec<f32>,
}

impl Waiting {
    /// The audio of a segment.
    pub fn audio(&self) -> Option<&[f32]> {
        match self {
            Self::Segment(segment) => Some(&segment.audio),
            Self::Event(_) => None,
        }
    }
}

impl Held {
    /// Whether a segment waits.
    pub fn any(&self) -> bool {
        self.segments > 0
    }

    /// Keeps a segment.
    pub fn segment(&mut self, segment: Segment) {
        if !self.any() {
            self.since = segment.start;
        }
        self.segments += 1;
        self.samples += segment.audio.len();
        self.waiting.push(Waiting::Segment(segment));
    }

    /// Lets `event` pass to `emit`, or keeps it where a segment waits before it.
    pub fn event(&mut self, event: EventBody, emit: &mut dyn FnMut(EventBody)) {
        if self.any() {
            self.waiting.push(Waiting::Event(event));
        } else {
            emit(event);
        }
    }

    /// Whether it is time to read: `batch` segments wait, or as much as may wait.
    pub fn is_due(&self, batch: usize, now: SamplePosition) -> bool {
        self.any() && (self.segments >= batch || self.samples >= MOST_SAMPLES || now.since(self.since) >= LONGEST)
    }

    /// All that waits, which then waits no more.
    pub fn take(&mut self) -> Vec<Waiting> {
        (self.segments, self.samples) = (0, 0);
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Speech;

    fn segment(number: u64, start_s: u64, seconds: usize) -> Segment {
        let start = SamplePosition(start_s * u64::from(SAMPLE_RATE));
        let audio = vec![0.0; seconds * SAMPLE_RATE as usize];
        Segment { number, start, end: start + audio.len() as u64, audio }
    }

    fn at(seconds: u64) -> SamplePosition {
        SamplePosition(seconds * u64::from(SAMPLE_RATE))
    }

    #[test]
    fn events_pass_until_a_segment_waits_and_keep_their_order_after_it() {
        let mut held = Held::default();
        let event = |segment| EventBody::Speech(Speech::Start { segment, start: at(segment) });
        let mut passed = Vec::new();
        held.event(event(0), &mut |event| passed.push(event));
        held.segment(segment(0, 0, 1));
        held.event(event(1), &mut |event| passed.push(event));
        held.segment(segment(1, 1, 1));
        held.event(event(2), &mut |event| passed.push(event));
        assert_eq!(passed, [event(0)]);
        let order: Vec<String> = held
            .take()
            .iter()
            .map(|waiting| match waiting {
                Waiting::Segment(segment) => format!("segment {}", segment.number),
                Waiting::Event(EventBody::Speech(Speech::Start { segment, .. })) => format!("event {segment}"),
                Waiting::Event(other) => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(order, ["segment 0", "event 1", "segment 1", "event 2"]);
        held.event(event(3), &mut |event| passed.push(event));
        assert_eq!(passed, [event(0), event(3)]);
        assert!(!held.any() && held.take().is_empty());
    }

    #[test]
    fn what_waits_is_bounded_by_number_audio_and_time() {
        let mut held = Held::default();
        assert!(!held.is_due(2, at(1_000)), "nothing waits");
        held.segment(segment(0, 700, 10));
        assert!(!held.is_due(2, at(999)));
        assert!(held.is_due(2, at(1_000)), "300 s since the first began");
        held.segment(segment(1, 720, 10));
        assert!(held.is_due(2, at(730)) && !held.is_due(3, at(730)));
        held.segment(segment(2, 740, 100));
        assert!(held.is_due(9, at(840)), "120 s of audio");
        held.take();
        assert!(!held.is_due(1, at(2_000)));
        held.segment(segment(3, 1_990, 1));
        assert!(!held.is_due(2, at(2_000)), "time counts from the first that waits");
    }
}
