//! A run as it is kept: `run.json`, with every raw row.
//!
//! In: rows and where they were made. Out: JSON, and the same back from a file that may say anything. docs/latency.md documents it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::clips;
use super::drive::Pace;
use super::environment::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::latency::rows::{ReadingRow, Rows, SampleRow, SegmentRow, SoundRow, SpanRow, StageRow, UnitRow, WordRow};
use crate::latency::summary::Summary;

/// Version of the schema.
pub const SCHEMA: u32 = 1;
/// What tells a run from other JSON.
const KIND: &str = "auricle bench stream";
/// Name of the setting that has all settings of captions, for programs; too long for people.
pub const SPEECH: &str = "speech";
/// No file of a run is longer, bytes.
const LONGEST: u64 = 256 << 20;
/// Rows of a kind that are many and alike are thinned to so many when a run is written.
const KEPT_SPANS: usize = 3_000;
const KEPT_SAMPLES: usize = 4_000;
const KEPT_READINGS: usize = 8_000;

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// [`KIND`].
    kind: String,
    /// [`SCHEMA`].
    schema: u32,
    /// Its name, for people.
    pub name: String,
    /// When it began, UTC.
    pub began: String,
    /// How time was kept.
    pub pace: Pace,
    /// What was measured on, and what there is to know about it.
    pub notes: Vec<String>,
    /// Settings that bear on it, by name.
    pub settings: BTreeMap<String, String>,
    /// Where it was made.
    pub environment: Environment,
    /// Seconds from the start of loading to being ready to listen.
    pub ready_s: Option<f64>,
    /// The rows.
    pub rows: Rows,
}

#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    run: &'a Run,
    /// Names of the fields of each kind of row that is an array.
    fields: BTreeMap<&'static str, &'static [&'static str]>,
    summary: Summary,
}

impl Run {
    /// A run of `rows`.
    pub fn new(name: impl Into<String>, pace: Pace, environment: Environment, rows: Rows) -> Self {
        Self {
            kind: KIND.to_owned(),
            schema: SCHEMA,
            name: name.into(),
            began: crate::time::now_utc(),
            pace,
            notes: Vec::new(),
            settings: BTreeMap::new(),
            environment,
            ready_s: None,
            rows,
        }
    }

    /// Its figures.
    pub fn summary(&self) -> Summary {
        Summary::of(&self.rows)
    }

    /// Keeps every so manieth of the rows that are many and alike, and notes it: spans, readings and samples. What figures are sums
    /// of is kept apart and stays whole.
    pub fn thin(&mut self) {
        let rows = &mut self.rows;
        let mut told = Vec::new();
        told.extend(every(&mut rows.spans, KEPT_SPANS).map(|k| format!("1 in {k} spans")));
        told.extend(every(&mut rows.readings, KEPT_READINGS).map(|k| format!("1 in {k} readings")));
        told.extend(every(&mut rows.samples, KEPT_SAMPLES).map(|k| format!("1 in {k} statistics")));
        if !told.is_empty() {
            self.notes.push(format!("kept of the rows: {}", told.join(", ")));
        }
    }

    /// Puts numbers in the place of words and leaves out the captions, for a run that is given away when its recordings may not be.
    pub fn leave_out_text(&mut self) {
        let mut place = (usize::MAX, 0);
        for word in &mut self.rows.words {
            place = if place.0 == word.unit { (word.unit, place.1 + 1) } else { (word.unit, 1) };
            word.text = format!("word {}", place.1);
        }
        self.rows.segments.iter_mut().for_each(|segment| segment.text.clear());
        self.notes.push("words and captions are left out of what was kept".to_owned());
    }

    /// As JSON: a line for each top-level field, rows as arrays.
    ///
    /// # Errors
    /// `InvalidInput` when it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String> {
        let fields = BTreeMap::from([
            ("units", UnitRow::FIELDS),
            ("words", WordRow::FIELDS),
            ("segments", SegmentRow::FIELDS),
            ("readings", ReadingRow::FIELDS),
            ("spans", SpanRow::FIELDS),
            ("samples", SampleRow::FIELDS),
            ("sounds", SoundRow::FIELDS),
            ("stages", StageRow::FIELDS),
        ]);
        let written = Written { run: self, fields, summary: self.summary() };
        serde_json::to_string(&written)
            .map(|json| json + "\n")
            .map_err(|error| Error::new(ErrorKind::InvalidInput, format!("{}: cannot be written as JSON: {error}", self.name)))
    }

    /// The run in the file at `path`.
    ///
    /// # Errors
    /// `NotFound` or `Io`; `Corrupt`, with file and line, for what is no run; `Unsupported` for another schema.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(&clips::read_text(path, LONGEST)?, &path.display().to_string())
    }

    /// The run in a text that is called `name` in errors.
    ///
    /// # Errors
    /// As [`Run::read`].
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Head {
            kind: Option<String>,
            schema: Option<u32>,
        }
        let corrupt = |what: String| Error::new(ErrorKind::Corrupt, format!("{name}: {what}"));
        let head: Head = serde_json::from_str(text).map_err(|error| corrupt(format!("is no run of 'auricle bench': {error}")))?;
        if head.kind.as_deref() != Some(KIND) {
            return Err(corrupt("is no run of 'auricle bench stream'".to_owned()));
        }
        if head.schema != Some(SCHEMA) {
            let message =
                format!("{name}: schema is {:?}, this build reads {SCHEMA}; measure it again", head.schema.unwrap_or(0));
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let run: Self = serde_json::from_str(text).map_err(|error| corrupt(error.to_string()))?;
        run.rows.check().map_err(corrupt)?;
        Ok(run)
    }

    /// Whether a text looks like a run rather than a log.
    pub fn is_run(text: &str) -> bool {
        let head: String = text.chars().take(200).collect();
        head.trim_start().starts_with('{') && head.contains(KIND)
    }
}

/// Keeps one of every k so that at most `most` are left; k, where it is more than 1.
fn every<T>(rows: &mut Vec<T>, most: usize) -> Option<usize> {
    let k = rows.len().div_ceil(most);
    if k < 2 {
        return None;
    }
    let mut place = 0;
    rows.retain(|_| {
        place += 1;
        (place - 1) % k == 0
    });
    Some(k)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Run {
        Run::new("test", Pace::Virtual, Environment::of_machine(), Rows::default())
    }

    #[test]
    fn a_run_comes_back_from_json() {
        let json = run().to_json().unwrap();
        assert!(Run::is_run(&json));
        let mut back = Run::parse(&json, "run.json").unwrap();
        back.began = run().began;
        assert_eq!(back, run());
    }

    #[test]
    fn text_is_left_out_and_the_figures_stay() {
        let word = |unit, text: &str| WordRow {
            unit,
            text: text.to_owned(),
            start_s: 0.0,
            end_s: 0.5,
            first_s: Some(0.6),
            lasting_s: Some(0.6),
            stable_s: Some(0.7),
            committed_s: Some(0.9),
        };
        let mut run = run();
        run.rows.words = vec![word(0, "she"), word(0, "had"), word(1, "ask")];
        let summary = run.summary();
        run.leave_out_text();
        let texts: Vec<&str> = run.rows.words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(texts, ["word 1", "word 2", "word 1"]);
        assert_eq!(run.summary(), summary);
    }

    #[test]
    fn what_is_no_run_is_named_with_its_line() {
        let cases = [
            ("", "EOF"),
            ("{}", "is no run"),
            ("{\"kind\":\"auricle bench stream\",\"schema\":1}", "missing field"),
            ("{\"kind\":\"auricle bench stream\",\"schema\":9}", "this build reads 1"),
            ("[1,", "line 1"),
        ];
        for (text, said) in cases {
            let error = Run::parse(text, "run.json").unwrap_err();
            assert!(error.message().starts_with("run.json: ") && error.message().contains(said), "{text}: {error}");
        }
        let json = run().to_json().unwrap().replace("\"words\":[]", "\"words\":[[5,\"a\",0,1,null,null,null,null]]");
        assert!(Run::parse(&json, "r").unwrap_err().message().contains("unit 5, but there are 0"));
    }

    #[test]
    fn many_rows_are_thinned_and_it_is_said() {
        let mut rows: Vec<u32> = (0..10).collect();
        assert_eq!((every(&mut rows, 4), rows), (Some(3), vec![0, 3, 6, 9]));
        assert_eq!(every(&mut vec![1, 2], 2), None);
    }
}
