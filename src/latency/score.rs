//! A session scored: its record against what was said becomes rows.
//!
//! In: the record of a session, the words that were said in it by unit, and what its stages took. Out: its rows, added to a run's.

use super::captions::{Record, Segment};
use super::matching;
use super::rows::{Rows, SampleRow, SegmentRow, SessionRow, SoundRow, UnitRow, WordRow, rounded};
use super::spans::Tally;
use super::wer::{Errors, Reference};
use super::words::Spoken;
use crate::error::Result;
use crate::event::EndReason;

/// A pause below this is part of speaking, seconds.
const PAUSE_S: f64 = 0.5;
/// A segment that starts this close to the end of one that was cut goes on from it, seconds.
const CUT_S: f64 = 0.5;
/// A sound is looked for this long before and after where it was, seconds.
const AROUND_SOUND_S: f64 = 1.0;

/// A stretch of a session that belongs together, and what was said in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    /// Its name, the same in runs that are to be compared.
    pub name: String,
    /// Where it starts in the session, seconds.
    pub start_s: f64,
    /// Where it ends.
    pub end_s: f64,
    /// The words that were said in it, in the session's time.
    pub words: Vec<Spoken>,
    /// Of each utterance in it the number of its words and what it gives when it is transcribed alone, where that was done.
    pub alone: Option<Vec<(usize, String)>>,
    /// The same audio transcribed as a whole.
    pub transcribed: Option<String>,
}

/// What a session was, beside what it said.
#[derive(Debug, Default)]
pub struct Session {
    /// Its name.
    pub name: String,
    /// Audio, seconds.
    pub audio_s: f64,
    /// Processor seconds of the process, where known.
    pub cpu_s: Option<f64>,
    /// Work of its stages.
    pub tally: Tally,
    /// Sounds that were there.
    pub sounds: Vec<Spoken>,
}

/// Words in groups that a pause of half a second or more divides, as units called `name` and a number: for a recording that no one
/// put together from parts.
pub fn by_pauses(name: &str, words: &[Spoken]) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    for word in words {
        match units.last_mut().filter(|unit| word.start_s - unit.end_s < PAUSE_S) {
            Some(unit) => {
                unit.end_s = unit.end_s.max(word.end_s);
                unit.words.push(word.clone());
            }
            None => units.push(Unit {
                name: format!("{name}#{}", units.len() + 1),
                start_s: word.start_s,
                end_s: word.end_s,
                words: vec![word.clone()],
                alone: None,
                transcribed: None,
            }),
        }
    }
    units
}

/// Adds the rows of a session.
///
/// # Errors
/// `InvalidInput` where there are too many words to align.
pub fn add(rows: &mut Rows, session: Session, units: Vec<Unit>, record: &Record) -> Result<()> {
    let place = rows.sessions.len();
    let first_unit = rows.units.len();
    let open = stretches(
        record.segments.iter().filter_map(|segment| Some((segment.start_s, segment.closed_s.or(segment.final_s)?))),
        0.0,
    );
    let said = stretches(units.iter().flat_map(|unit| &unit.words).map(|word| (word.start_s, word.end_s)), PAUSE_S);
    let length = |stretches: &[(f64, f64)]| rounded(stretches.iter().map(|(start, end)| end - start).sum());
    let (stages, readings, spans) = session.tally.finish(place, &open);
    rows.sessions.push(SessionRow {
        name: session.name,
        audio_s: rounded(session.audio_s),
        open_s: length(&open),
        said_s: length(&said),
        cpu_s: session.cpu_s,
        dropped: record.dropped,
        missing: record.missing,
        stages,
    });
    rows.readings.extend(readings);
    rows.spans.extend(spans);
    rows.samples.extend(record.samples.iter().map(|sample| SampleRow {
        session: place,
        at_s: rounded(sample.at_s),
        audio_s: rounded(sample.audio_s),
        lag_s: rounded(sample.lag_s),
        dropped: sample.dropped,
        refresh_s: rounded(sample.refresh_s),
        cpu_s: sample.cpu_s,
        resident_mib: sample.resident_mib.map(rounded),
    }));
    add_words(rows, first_unit, &units, record)?;
    add_segments(rows, place, first_unit, &units, record);
    add_units(rows, place, &units, record)?;
    rows.sounds.extend(session.sounds.iter().map(|sound| SoundRow {
        session: place,
        label: sound.text.clone(),
        start_s: rounded(sound.start_s),
        end_s: rounded(sound.end_s),
        told_s: told(sound, record).map(rounded),
    }));
    Ok(())
}

fn add_words(rows: &mut Rows, first_unit: usize, units: &[Unit], record: &Record) -> Result<()> {
    let spoken: Vec<Spoken> = units.iter().flat_map(|unit| unit.words.iter().cloned()).collect();
    let of: Vec<usize> = units.iter().enumerate().flat_map(|(k, unit)| unit.words.iter().map(move |_| k)).collect();
    let times = matching::times(&spoken, &record.segments)?;
    rows.words.extend(spoken.into_iter().zip(of).zip(times).map(|((word, unit), times)| WordRow {
        unit: first_unit + unit,
        text: word.text,
        start_s: rounded(word.start_s),
        end_s: rounded(word.end_s),
        first_s: times.map(|times| rounded(times.first_s)),
        lasting_s: times.map(|times| rounded(times.lasting_s)),
        stable_s: times.map(|times| rounded(times.stable_s)),
        committed_s: times.map(|times| rounded(times.committed_s)),
    }));
    Ok(())
}

fn add_segments(rows: &mut Rows, place: usize, first_unit: usize, units: &[Unit], record: &Record) {
    let mut before: Option<&Segment> = None;
    for segment in &record.segments {
        let end_s = segment.end_s.unwrap_or(segment.start_s);
        let inside = |word: &&Spoken| (segment.start_s..end_s).contains(&((word.start_s + word.end_s) / 2.0));
        let mut said = units.iter().flat_map(|unit| &unit.words).filter(inside);
        let first = said.next();
        let last = said.next_back().or(first);
        let cut = |before: &Segment| {
            before.reason != Some(EndReason::Silence) && before.end_s.is_some_and(|end| segment.start_s - end < CUT_S)
        };
        let middle = (segment.start_s + end_s) / 2.0;
        let unit = units.iter().rposition(|unit| unit.start_s <= middle).unwrap_or(0);
        rows.segments.push(SegmentRow {
            session: place,
            unit: (!units.is_empty()).then_some(first_unit + unit),
            start_s: rounded(segment.start_s),
            end_s: segment.end_s.map(rounded),
            reason: segment.reason.map(|reason| reason_name(reason).to_owned()),
            opened_s: segment.opened_s.map(rounded),
            closed_s: segment.closed_s.map(rounded),
            first_text_s: segment.first_text_s.map(rounded),
            final_s: segment.final_s.map(rounded),
            onset_s: first.filter(|_| !before.is_some_and(cut)).map(|word| rounded(word.start_s)),
            last_word_s: last.map(|word| rounded(word.end_s)),
            captions: segment.captions_s.len() as u32,
            words: segment.words.iter().filter(|word| !word.text.is_empty()).count() as u32,
            flips: segment.flips,
            shown_words: segment.shown_words,
            committed_changes: segment.committed_changes,
            stable_words: segment.stable_words,
            stable_amended: segment.stable_amended,
            committed_before: segment.committed_before,
            text: segment.text.clone(),
        });
        before = Some(segment);
    }
}

fn add_units(rows: &mut Rows, place: usize, units: &[Unit], record: &Record) -> Result<()> {
    let words = |unit: usize| units[unit].words.iter().map(move |word| (word.text.as_str(), unit));
    let whole = Reference::new((0..units.len()).flat_map(words), units.len());
    let joined = |text: fn(&Segment) -> &str| record.segments.iter().map(text).collect::<Vec<_>>().join(" ");
    let streamed = whole.errors(&joined(|segment| &segment.text))?;
    let committed = whole.errors(&joined(|segment| &segment.committed_text))?;
    // A text that was made of a part alone is compared with that part alone.
    let errors = |words: &[Spoken], text: &str| -> Result<Errors> {
        let errors = Reference::new(words.iter().map(|word| (word.text.as_str(), 0)), 1).errors(text)?;
        Ok(errors.first().copied().unwrap_or_default())
    };
    let alone = |unit: &Unit| -> Result<Option<Errors>> {
        let Some(parts) = &unit.alone else { return Ok(None) };
        let mut rest = &unit.words[..];
        let mut sum = [0; 3];
        for (count, text) in parts {
            let (words, others) = rest.split_at((*count).min(rest.len()));
            rest = others;
            errors(words, text)?.iter().zip(&mut sum).for_each(|(count, sum)| *sum += count);
        }
        Ok(Some(sum))
    };
    for (k, (unit, words)) in units.iter().zip(whole.words()).enumerate() {
        rows.units.push(UnitRow {
            session: place,
            name: unit.name.clone(),
            start_s: rounded(unit.start_s),
            end_s: rounded(unit.end_s),
            words,
            alone: alone(unit)?,
            transcribed: unit.transcribed.as_ref().map(|text| errors(&unit.words, text)).transpose()?,
            streamed: streamed.get(k).copied(),
            committed: committed.get(k).copied(),
        });
    }
    Ok(())
}

/// When a sound that was there was told: the first start of its label, or of one of several divided by `|`, near it.
fn told(sound: &Spoken, record: &Record) -> Option<f64> {
    let near = sound.start_s - AROUND_SOUND_S..sound.end_s + AROUND_SOUND_S;
    let is_it = |label: &str| sound.text.split('|').any(|wanted| wanted.trim().eq_ignore_ascii_case(label));
    let told = record.sounds.iter().filter(|heard| near.contains(&heard.start_s) && is_it(&heard.label));
    told.map(|heard| heard.at_s).min_by(f64::total_cmp)
}

/// The stretches joined where less than `pause_s` is between them, in order.
fn stretches(parts: impl Iterator<Item = (f64, f64)>, pause_s: f64) -> Vec<(f64, f64)> {
    let mut parts: Vec<(f64, f64)> = parts.filter(|(start, end)| end > start).collect();
    parts.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut joined: Vec<(f64, f64)> = Vec::new();
    for (start, end) in parts {
        match joined.last_mut().filter(|last| start - last.1 <= pause_s) {
            Some(last) => last.1 = last.1.max(end),
            None => joined.push((start, end)),
        }
    }
    joined
}

fn reason_name(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Silence => "silence",
        EndReason::Length => "length",
        EndReason::Gap => "gap",
        EndReason::Stop => "stop",
        EndReason::Model => "model",
    }
}

#[cfg(test)]
mod tests {
    use super::super::captions::Recorder;
    use super::super::captions::tests::{caption, event};
    use super::*;
    use crate::event::{CaptionState, EventBody, Speech};
    use crate::time::SamplePosition;

    fn word(start_s: f64, end_s: f64, text: &str) -> Spoken {
        Spoken { start_s, end_s, text: text.to_owned() }
    }

    #[test]
    fn pauses_divide_and_stretches_join() {
        let words = [word(0.5, 0.7, "a"), word(1.1, 1.3, "b"), word(1.9, 2.0, "c")];
        let units = by_pauses("log", &words);
        assert_eq!(
            units.iter().map(|unit| (unit.name.as_str(), unit.words.len())).collect::<Vec<_>>(),
            [("log#1", 2), ("log#2", 1)]
        );
        let parts = [(1.0, 2.0), (0.0, 0.8), (1.5, 1.7), (3.0, 3.0)];
        assert_eq!(stretches(parts.into_iter(), 0.5), [(0.0, 2.0)]);
        assert_eq!(stretches(parts.into_iter(), 0.0), [(0.0, 0.8), (1.0, 2.0)]);
    }

    #[test]
    fn a_session_becomes_rows() {
        let at = SamplePosition::from_seconds;
        let start = EventBody::Speech(Speech::Start { segment: 0, start: at(0.4) });
        let end = EventBody::Speech(Speech::End { segment: 0, start: at(0.4), end: at(1.9), reason: EndReason::Silence });
        let mut recorder = Recorder::default();
        for event in [
            event(0, 0.8, start),
            caption(1, 1.2, "she hat", 0, 0, CaptionState::Partial),
            event(2, 2.1, end),
            caption(3, 2.2, "she had", 2, 2, CaptionState::Final),
        ] {
            recorder.event(&event).unwrap();
        }
        let unit = Unit {
            name: "u".to_owned(),
            start_s: 0.0,
            end_s: 3.0,
            words: vec![word(0.6, 0.9, "she"), word(0.9, 1.5, "had"), word(1.5, 1.6, "it")],
            alone: Some(vec![(2, "she had".to_owned()), (1, "hit".to_owned())]),
            transcribed: None,
        };
        let session = Session { name: "s".to_owned(), audio_s: 3.0, ..Default::default() };
        let mut rows = Rows::default();
        add(&mut rows, session, vec![unit], &recorder.finish().unwrap()).unwrap();
        assert_eq!(rows.check(), Ok(()));
        assert_eq!((rows.sessions[0].open_s, rows.sessions[0].said_s), (1.7, 1.0));
        let unit = &rows.units[0];
        assert_eq!((unit.words, unit.alone, unit.transcribed, unit.streamed), (3, Some([1, 0, 0]), None, Some([0, 1, 0])));
        let first: Vec<Option<f64>> = rows.words.iter().map(|word| word.first_s).collect();
        assert_eq!(first, [Some(1.2), Some(2.2), None]);
        let segment = &rows.segments[0];
        assert_eq!((segment.onset_s, segment.last_word_s, segment.flips, segment.words), (Some(0.6), Some(1.6), 1, 2));
    }

    #[test]
    fn a_sound_is_found_by_its_label_near_where_it_was() {
        let heard = |label: &str, start_s, at_s| super::super::captions::Heard { label: label.to_owned(), start_s, at_s };
        let record = Record { sounds: vec![heard("Dog", 9.0, 9.5), heard("Bark", 4.2, 5.0)], ..Default::default() };
        assert_eq!(told(&word(4.0, 5.0, "dog | bark"), &record), Some(5.0));
        assert_eq!(told(&word(4.0, 5.0, "cat"), &record), None);
    }
}
