//! Which word of a caption is which word that was said, and how long each took to appear.
//!
//! In: the words that were said and the segments of a session. Out: for each word that the finals have right, when it was first
//! shown, when it was shown to stay, when it was stable and committed; nothing for a word that is wrong in the end.

use super::captions::{Level, Segment, Track};
use super::edit::{self, Step};
use super::normalise::normalise_word;
use super::words::Spoken;
use crate::error::Result;

/// A word seen earlier than this before its end is another one of the same spelling, seconds.
pub const EARLY_S: f64 = 0.5;

/// When a word came, seconds of the session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Times {
    /// First shown, whatever became of it then.
    pub first_s: f64,
    /// First shown to be there in every later caption of its segment.
    pub lasting_s: f64,
    /// First in the stable prefix to be there in every later one.
    pub stable_s: f64,
    /// First in the committed prefix to be there in every later one.
    pub committed_s: f64,
    /// The segment it stands in, as a place in the list of segments.
    pub segment: usize,
}

/// Of each word that was said when it came; `None` where the finals have it wrong or not at all.
///
/// The words of all finals, in order, are aligned with what was said by least edits, both as [`normalise_word`] leaves them.
///
/// # Errors
/// `InvalidInput` where there are too many words to align.
pub fn times(spoken: &[Spoken], segments: &[Segment]) -> Result<Vec<Option<Times>>> {
    let said: Vec<String> = spoken.iter().map(|word| normalise_word(&word.text)).collect();
    let of_segment = |(k, segment): (usize, &'_ Segment)| (0..segment.words.len()).map(move |place| (k, place));
    // Punctuation and fillers match nothing.
    let places: Vec<(usize, usize)> = segments
        .iter()
        .enumerate()
        .flat_map(of_segment)
        .filter(|(k, place)| !segments[*k].words[*place].text.is_empty())
        .collect();
    let heard: Vec<&str> = places.iter().map(|(k, place)| segments[*k].words[*place].text.as_str()).collect();
    let said_places: Vec<usize> = (0..said.len()).filter(|k| !said[*k].is_empty()).collect();
    let said: Vec<&str> = said_places.iter().map(|k| said[*k].as_str()).collect();
    let mut found = vec![None; spoken.len()];
    for step in edit::align(&said, &heard)? {
        if let Step::Same(i, j) = step {
            let (segment, place) = places[j];
            let word = said_places[i];
            found[word] = of_track(&segments[segment].words[place], &segments[segment], spoken[word].end_s, segment);
        }
    }
    Ok(found)
}

fn of_track(track: &Track, segment: &Segment, end_s: f64, place: usize) -> Option<Times> {
    let since = end_s - EARLY_S;
    let shown = |least: Level| {
        // The first caption that counts and has the word: at a change of level, or already before the first that counts.
        let from = segment.captions_s.iter().copied().find(|at| *at >= since)?;
        let before = track.levels.iter().rev().find(|(at, _)| *at <= from).map_or(Level::Absent, |(_, level)| *level);
        let later = || track.levels.iter().find(|(at, level)| *at > from && *level >= least).map(|(at, _)| *at);
        if before >= least { Some(from) } else { later() }
    };
    let lasting = |least: Level| {
        // From the last change to this level from below it, to the end.
        let last_below = track.levels.iter().rposition(|(_, level)| *level < least);
        let (at, _) = track.levels.get(last_below.map_or(0, |k| k + 1)).filter(|(_, level)| *level >= least)?;
        segment.captions_s.iter().copied().find(|caption| caption >= at && *caption >= since)
    };
    Some(Times {
        first_s: shown(Level::Shown)?,
        lasting_s: lasting(Level::Shown)?,
        stable_s: lasting(Level::Stable)?,
        committed_s: lasting(Level::Committed)?,
        segment: place,
    })
}

#[cfg(test)]
mod tests {
    use super::super::captions::Recorder;
    use super::super::captions::tests::caption;
    use super::*;
    use crate::event::CaptionState::{Final, Partial};
    use crate::event::Event;

    fn said(text: &str, ends: &[f64]) -> Vec<Spoken> {
        let word = |(word, end_s): (&str, &f64)| Spoken { start_s: end_s - 0.1, end_s: *end_s, text: word.to_owned() };
        text.split(' ').zip(ends).map(word).collect()
    }

    fn measured(events: &[Event], spoken: &[Spoken]) -> Vec<Option<Times>> {
        let mut recorder = Recorder::default();
        events.iter().for_each(|event| recorder.event(event).unwrap());
        times(spoken, &recorder.finish().unwrap().segments).unwrap()
    }

    #[test]
    fn first_and_lasting_differ_where_a_word_goes_and_comes_back() {
        let events = [
            caption(0, 1.2, "a dog", 0, 0, Partial),
            caption(1, 1.5, "a hog", 0, 0, Partial),
            caption(2, 1.8, "a dog", 1, 0, Partial),
            caption(3, 2.1, "a dog", 2, 1, Partial),
            caption(4, 2.6, "A dog.", 2, 2, Final),
        ];
        let found = measured(&events, &said("a dog", &[0.9, 1.1]));
        let dog = found[1].unwrap();
        assert_eq!((dog.first_s, dog.lasting_s, dog.stable_s, dog.committed_s), (1.2, 1.8, 2.1, 2.6));
        let a = found[0].unwrap();
        assert_eq!((a.first_s, a.lasting_s, a.stable_s, a.committed_s), (1.2, 1.2, 1.8, 2.1));
    }

    #[test]
    fn a_stable_word_that_was_not_stable_again_counts_from_when_it_stayed() {
        let events = [
            caption(0, 1.0, "a dog", 2, 0, Partial),
            caption(1, 1.3, "a dog ran", 1, 0, Partial),
            caption(2, 1.6, "a dog ran", 3, 0, Partial),
            caption(3, 2.0, "a dog ran", 3, 3, Final),
        ];
        let dog = measured(&events, &said("a dog ran", &[0.8, 0.9, 1.1]))[1].unwrap();
        assert_eq!((dog.lasting_s, dog.stable_s, dog.committed_s), (1.0, 1.6, 2.0));
    }

    #[test]
    fn a_word_that_is_wrong_in_the_end_has_no_time() {
        let events = [caption(0, 1.0, "a dog", 2, 0, Partial), caption(1, 2.0, "a hog", 2, 2, Final)];
        let found = measured(&events, &said("a dog", &[0.8, 0.9]));
        assert!(found[0].is_some() && found[1].is_none());
        assert!(measured(&[], &said("a", &[1.0]))[0].is_none());
    }

    #[test]
    fn a_word_before_it_was_said_is_another_of_the_same_spelling() {
        // The first "that" is at the place next to the second's.
        let events = [
            caption(0, 1.0, "that", 0, 0, Partial),
            caption(1, 1.3, "that", 0, 0, Partial),
            caption(2, 1.9, "that that", 1, 0, Partial),
            caption(3, 2.4, "that that", 2, 2, Final),
        ];
        let found = measured(&events, &said("that that", &[0.9, 1.9]));
        assert_eq!(found[0].unwrap().first_s, 1.0);
        assert_eq!(found[1].unwrap().first_s, 1.9, "what was there before 1.4 s does not count");
    }

    #[test]
    fn a_word_may_have_moved_by_one_place() {
        let events = [caption(0, 1.0, "dog ran", 0, 0, Partial), caption(1, 2.0, "the dog ran", 3, 3, Final)];
        let found = measured(&events, &said("the dog ran", &[0.7, 0.8, 0.9]));
        assert_eq!((found[0].unwrap().first_s, found[1].unwrap().first_s), (2.0, 1.0));
    }

    #[test]
    fn punctuation_and_fillers_take_no_part() {
        let events = [caption(0, 1.0, "Um, yes - no", 4, 4, Final)];
        let found = measured(&events, &said("uh yes no", &[0.5, 0.7, 0.9]));
        assert!(found[0].is_none() && found[1].is_some() && found[2].is_some());
    }
}
