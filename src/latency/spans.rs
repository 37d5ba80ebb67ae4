//! Spans of work added up as they come, in little memory: a session of hours has a hundred a second.
//!
//! In: spans of the stages, in any order of the stages. Out: totals a stage, every reading of a segment, and every so manieth span
//! of the stages that work all the time.

use std::collections::BTreeMap;

use super::rows::{ReadingRow, SpanRow, StageRow, rounded};
use crate::error::{Error, ErrorKind, Result};

/// Audio is looked at in pieces of this length when work is told by whether somebody spoke, seconds.
const PIECE_S: f64 = 0.1;
/// Longest session, seconds: 24 hours.
const LONGEST_S: f64 = 86_400.0;
/// Spans of one stage that are kept of one session.
const KEPT: usize = 2_048;
/// Stages that there may be.
const MOST_STAGES: usize = 16;
/// Readings that are kept of one session.
const MOST_READINGS: usize = 200_000;

/// One span: a stage worked from `start_s` for `wall_s` seconds, `thread_s` of them on a processor, on audio due until `until_s`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    /// When it began, seconds of the session.
    pub start_s: f64,
    /// How long it took; for an arrival, how late the audio was.
    pub wall_s: f64,
    /// Processor seconds of its thread.
    pub thread_s: f64,
    /// When the last sample it took was due.
    pub until_s: f64,
}

#[derive(Debug, Default)]
struct Stage {
    spans: u64,
    wall_s: f64,
    thread_s: f64,
    /// Thread seconds of each piece of audio.
    pieces: Vec<f32>,
    kept: Vec<Work>,
    /// One of this many is kept.
    every: u64,
}

/// Adds up the spans of one session.
#[derive(Debug, Default)]
pub struct Tally {
    stages: BTreeMap<String, Stage>,
    readings: Vec<ReadingRow>,
}

/// Stages of one reading of a segment, by name.
const ENCODE: &str = "encode";
const DECODE: &str = "decode";
const ALIGN: &str = "align";
const AGREE: &str = "agree";
/// Of this stage only the totals are kept: 100 spans a second of next to nothing.
const INTAKE: &str = "intake";

impl Tally {
    /// Takes a span of `stage` (`arrival`, `detect`, `encode`, `decode`, `align`, `agree`, `sound`, ...).
    ///
    /// # Errors
    /// `InvalidInput` for times that are none, or more stages than there are.
    pub fn span(&mut self, stage: &str, work: Work) -> Result<()> {
        let Work { start_s, wall_s, thread_s, until_s } = work;
        let times = [start_s, wall_s, thread_s, until_s];
        if !times.iter().all(|time| time.is_finite()) || !(0.0..=LONGEST_S).contains(&until_s) {
            return Err(invalid(format!("a span of {stage} has times {times:?}, which cannot be")));
        }
        if !self.stages.contains_key(stage) {
            if self.stages.len() == MOST_STAGES {
                return Err(invalid(format!("{stage} is one stage more than the {MOST_STAGES} there can be")));
            }
            self.stages.insert(stage.to_owned(), Stage { every: 1, ..Default::default() });
        }
        let Some(of_stage) = self.stages.get_mut(stage) else { return Ok(()) };
        let piece = (until_s / PIECE_S) as usize;
        if of_stage.pieces.len() <= piece {
            of_stage.pieces.resize(piece + 1, 0.0);
        }
        of_stage.pieces[piece] += thread_s as f32;
        of_stage.wall_s += wall_s;
        of_stage.thread_s += thread_s;
        if matches!(stage, ENCODE | DECODE | ALIGN | AGREE) {
            self.reading(stage, work);
        } else if stage != INTAKE && of_stage.spans.is_multiple_of(of_stage.every) {
            of_stage.kept.push(work);
            if of_stage.kept.len() == KEPT {
                let mut keep = false;
                of_stage.kept.retain(|_| {
                    keep = !keep;
                    keep
                });
                of_stage.every *= 2;
            }
        }
        if let Some(of_stage) = self.stages.get_mut(stage) {
            of_stage.spans += 1;
        }
        Ok(())
    }

    /// A reading begins with the encoder, or where audio until elsewhere is worked on.
    fn reading(&mut self, stage: &str, work: Work) {
        let goes_on = self.readings.last().is_some_and(|last| last.until_s == work.until_s && stage != ENCODE);
        if !goes_on {
            if self.readings.len() == MOST_READINGS {
                return;
            }
            self.readings.push(ReadingRow {
                session: 0,
                until_s: work.until_s,
                start_s: work.start_s,
                encode_s: 0.0,
                decode_s: 0.0,
                align_s: 0.0,
                agree_s: 0.0,
                done_s: 0.0,
                thread_s: 0.0,
            });
        }
        let Some(reading) = self.readings.last_mut() else { return };
        match stage {
            ENCODE => reading.encode_s += work.wall_s,
            DECODE => reading.decode_s += work.wall_s,
            ALIGN => reading.align_s += work.wall_s,
            _ => reading.agree_s += work.wall_s,
        }
        reading.done_s = reading.done_s.max(work.start_s + work.wall_s);
        reading.thread_s += work.thread_s;
    }

    /// Totals, readings and kept spans of the session at `place`; `open` are the stretches in which a segment was open.
    pub fn finish(self, place: usize, open: &[(f64, f64)]) -> (Vec<StageRow>, Vec<ReadingRow>, Vec<SpanRow>) {
        let is_open = |piece: usize| {
            let at = (piece as f64 + 0.5) * PIECE_S;
            open.iter().any(|(start, end)| (*start..*end).contains(&at))
        };
        let longest = self.stages.values().map(|stage| stage.pieces.len()).max().unwrap_or(0);
        let opened: Vec<bool> = (0..longest).map(is_open).collect();
        let mut stages = Vec::new();
        let mut spans = Vec::new();
        for (name, stage) in self.stages {
            let open_s: f64 = stage.pieces.iter().zip(&opened).filter(|(_, open)| **open).map(|(s, _)| f64::from(*s)).sum();
            spans.extend(stage.kept.iter().map(|work| SpanRow {
                session: place,
                stage: name.clone(),
                start_s: rounded(work.start_s),
                wall_s: rounded(work.wall_s),
                thread_s: rounded(work.thread_s),
                until_s: rounded(work.until_s),
            }));
            stages.push(StageRow {
                stage: name,
                spans: stage.spans,
                wall_s: rounded(stage.wall_s),
                thread_s: rounded(stage.thread_s),
                thread_open_s: rounded(open_s),
            });
        }
        let readings = self.readings.into_iter().map(|row| ReadingRow {
            session: place,
            until_s: rounded(row.until_s),
            start_s: rounded(row.start_s),
            encode_s: rounded(row.encode_s),
            decode_s: rounded(row.decode_s),
            align_s: rounded(row.align_s),
            agree_s: rounded(row.agree_s),
            done_s: rounded(row.done_s),
            thread_s: rounded(row.thread_s),
        });
        (stages, readings.collect(), spans)
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(start_s: f64, wall_s: f64, until_s: f64) -> Work {
        Work { start_s, wall_s, thread_s: wall_s / 2.0, until_s }
    }

    #[test]
    fn encode_decode_align_and_agree_make_a_reading() {
        let mut tally = Tally::default();
        for (stage, start, wall, until) in [
            ("encode", 1.01, 0.02, 1.0),
            ("decode", 1.03, 0.01, 1.0),
            ("align", 1.04, 0.002, 1.0),
            ("agree", 1.042, 0.001, 1.0),
            ("encode", 1.31, 0.02, 1.3),
        ] {
            tally.span(stage, work(start, wall, until)).unwrap();
        }
        let (stages, readings, spans) = tally.finish(3, &[(0.5, 1.1)]);
        assert_eq!(readings.len(), 2);
        assert_eq!(
            (readings[0].session, readings[0].encode_s, readings[0].decode_s, readings[0].align_s),
            (3, 0.02, 0.01, 0.002)
        );
        assert_eq!((readings[0].done_s, readings[0].thread_s), (1.043, 0.0165));
        assert!(spans.is_empty());
        let encode = stages.iter().find(|stage| stage.stage == "encode").unwrap();
        assert_eq!(
            (encode.spans, encode.thread_s, encode.thread_open_s),
            (2, 0.02, 0.01),
            "only the first while a segment was open"
        );
    }

    #[test]
    fn a_final_of_the_same_audio_is_a_reading_of_its_own() {
        let mut tally = Tally::default();
        for _ in 0..2 {
            tally.span("encode", work(1.0, 0.1, 1.0)).unwrap();
            tally.span("decode", work(1.1, 0.1, 1.0)).unwrap();
        }
        assert_eq!(tally.finish(0, &[]).1.len(), 2);
    }

    #[test]
    fn many_spans_are_thinned_evenly_and_counted_all() {
        let mut tally = Tally::default();
        for k in 0..10_000 {
            tally.span("detect", work(f64::from(k) / 100.0, 0.001, f64::from(k) / 100.0)).unwrap();
        }
        let (stages, _, spans) = tally.finish(0, &[]);
        assert_eq!(stages[0].spans, 10_000);
        assert!(spans.len() < KEPT && spans.len() >= KEPT / 2);
        let steps: Vec<f64> = spans.windows(2).map(|pair| rounded(pair[1].until_s - pair[0].until_s)).collect();
        assert!(steps.iter().all(|step| *step == 0.08), "{steps:?}");
    }

    #[test]
    fn times_that_are_none_are_refused() {
        let mut tally = Tally::default();
        assert!(tally.span("detect", work(0.0, f64::NAN, 1.0)).is_err());
        assert!(tally.span("detect", work(0.0, 0.0, 1e12)).is_err());
    }
}
