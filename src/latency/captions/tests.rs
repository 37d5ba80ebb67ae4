//! Events made by hand, which other tests of latency take too, and the record that is kept of them.

use super::*;
use crate::event::{Gap, GapReason, SCHEMA_VERSION};
use crate::time::SamplePosition;

/// An event at `emitted` seconds.
pub fn event(seq: u64, emitted: f64, body: EventBody) -> Event {
    Event { v: SCHEMA_VERSION, seq, emitted, file: None, body }
}

/// A caption of segment 0 whose `stable` and `committed` are the first words of `text`, by count.
pub fn caption(seq: u64, emitted: f64, text: &str, stable: usize, committed: usize, state: CaptionState) -> Event {
    let words: Vec<&str> = text.split(' ').collect();
    let caption = Caption {
        segment: 0,
        state,
        text: text.to_owned(),
        committed: words[..committed].join(" "),
        stable: words[..stable].join(" "),
        amended: Vec::new(),
        words: Vec::new(),
        start: SamplePosition::from_seconds(0.5),
        end: SamplePosition::from_seconds(emitted),
        model: "test".into(),
    };
    event(seq, emitted, EventBody::Caption(caption))
}

fn record(events: &[Event]) -> Record {
    let mut recorder = Recorder::default();
    events.iter().for_each(|event| recorder.event(event).unwrap());
    recorder.finish().unwrap()
}

use CaptionState::{Final, Partial};

#[test]
fn a_word_is_followed_through_every_caption() {
    let said = record(&[
        caption(0, 1.0, "She hat", 0, 0, Partial),
        caption(1, 1.3, "She had your", 1, 0, Partial),
        caption(2, 1.6, "She had your dark", 3, 1, Partial),
        caption(3, 2.0, "She had your dog", 3, 3, Final),
    ]);
    let segment = &said.segments[0];
    assert_eq!(segment.words[0].levels, [(1.0, Level::Shown), (1.3, Level::Stable), (1.6, Level::Committed)]);
    assert_eq!(segment.words[1].levels, [(1.3, Level::Shown), (1.6, Level::Stable), (2.0, Level::Committed)]);
    assert_eq!(segment.words[3].levels, [(2.0, Level::Committed)]);
    // hat -> had and dark -> dog.
    assert_eq!((segment.flips, segment.shown_words, segment.committed_changes), (2, 9, 0));
    assert_eq!((segment.stable_words, segment.stable_amended, segment.committed_before), (3, 0, 1));
    assert_eq!((segment.first_text_s, segment.final_s), (Some(1.0), Some(2.0)));
    assert_eq!(segment.committed_text, "She had your dog");
}

#[test]
fn a_word_that_goes_and_comes_back_is_absent_between() {
    let said = record(&[
        caption(0, 1.0, "a dog", 0, 0, Partial),
        caption(1, 1.3, "a hog", 0, 0, Partial),
        caption(2, 1.6, "a dog", 0, 0, Partial),
        caption(3, 2.0, "a dog", 2, 2, Final),
    ]);
    let levels = &said.segments[0].words[1].levels;
    assert_eq!(levels[..3], [(1.0, Level::Shown), (1.3, Level::Absent), (1.6, Level::Shown)]);
    assert_eq!(said.segments[0].flips, 2);
}

#[test]
fn a_committed_word_that_changes_is_counted_and_what_was_committed_is_kept() {
    let said = record(&[
        caption(0, 1.0, "ever fried", 2, 2, Partial),
        caption(1, 1.5, "ever tried again", 2, 1, Partial),
        caption(2, 2.0, "never tried again", 3, 3, Final),
    ]);
    let segment = &said.segments[0];
    assert_eq!(segment.committed_changes, 2);
    assert_eq!(segment.committed_text, "ever tried again");
    assert_eq!((segment.stable_words, segment.stable_amended), (2, 1));
}

#[test]
fn a_change_of_case_or_punctuation_is_no_flip() {
    let said = record(&[caption(0, 1.0, "Well you", 0, 0, Partial), caption(1, 2.0, "well, You don't", 3, 3, Final)]);
    assert_eq!(said.segments[0].flips, 0);
}

#[test]
fn drift_is_taken_off_and_holes_are_counted() {
    let stats = Stats {
        audio: 1.0,
        level_dbfs: -30.0,
        lag: 0.02,
        dropped: 0,
        offset: 0.25,
        refresh: 0.3,
        cpu: Some(0.1),
        resident_mib: None,
        models: Vec::new(),
    };
    let gap = Gap { start: SamplePosition(0), samples: 160, reason: GapReason::Missing };
    let said = record(&[
        event(0, 1.0, EventBody::Stats(stats)),
        event(3, 1.1, EventBody::Gap(gap)),
        caption(4, 2.25, "yes", 1, 1, Final),
    ]);
    assert_eq!(said.segments[0].final_s, Some(2.0));
    assert_eq!((said.missing, said.dropped, said.samples.len()), (2, 160, 1));
}

#[test]
fn a_first_block_that_came_late_makes_nothing_look_early() {
    let mut recorder = Recorder::default();
    recorder.on_schedule(0.125);
    recorder.event(&caption(0, 1.0, "yes", 1, 1, Final)).unwrap();
    assert_eq!(recorder.finish().unwrap().segments[0].final_s, Some(1.125));
}

#[test]
fn a_segment_without_a_final_is_kept_without_words() {
    let start =
        |segment, at| event(segment, at, EventBody::Speech(Speech::Start { segment, start: SamplePosition::from_seconds(at) }));
    let said = record(&[start(0, 1.0), start(1, 3.0)]);
    assert_eq!(said.segments.len(), 2);
    assert!(said.segments[0].words.is_empty() && said.segments[0].final_s.is_none());
}

#[test]
fn what_is_no_time_is_refused() {
    assert!(Recorder::default().event(&caption(0, f64::NAN, "a", 0, 0, Partial)).is_err());
}
