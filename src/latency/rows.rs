//! The rows of a run: everything its figures are computed from, one row a word, a segment, a reading, a second.
//!
//! In: nothing. Out: [`Rows`], which a run keeps in JSON. Rows that are many are arrays there, in the order of their fields;
//! docs/latency.md lists them. Times are seconds of their session, rounded to 0.1 ms.

use std::collections::BTreeSet;

use serde::ser::SerializeTuple;
use serde::{Deserialize, Serialize, Serializer};

/// Rounded to 0.1 ms, so that JSON has no digits that mean nothing.
pub fn rounded(seconds: f64) -> f64 {
    (seconds * 1e4).round() / 1e4
}

/// Declares a row: a struct with named fields here, an array in JSON.
macro_rules! row {
    ($(#[$about:meta])* $name:ident { $($(#[$what:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Deserialize)]
        pub struct $name {
            $($(#[$what])* pub $field: $type,)*
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut tuple = serializer.serialize_tuple([$(stringify!($field)),*].len())?;
                $(tuple.serialize_element(&self.$field)?;)*
                tuple.end()
            }
        }

        impl $name {
            /// Names of the fields, in the order of the array.
            pub const FIELDS: &'static [&'static str] = &[$(stringify!($field)),*];
        }
    };
}

row! {
    /// What belongs together when intervals are computed: a string of utterances, or an utterance.
    UnitRow {
        /// Place of its session.
        session: usize,
        /// Its name.
        name: String,
        /// Where it starts in the session, seconds.
        start_s: f64,
        /// Where it ends.
        end_s: f64,
        /// Normalised words that were said.
        words: u32,
        /// Substitutions, deletions, insertions: each utterance transcribed alone.
        alone: Option<[u32; 3]>,
        /// The same audio, transcribed without partial captions.
        transcribed: Option<[u32; 3]>,
        /// The finals of the stream.
        streamed: Option<[u32; 3]>,
        /// The committed text alone.
        committed: Option<[u32; 3]>,
    }
}

row! {
    /// A word that was said, and when it came; no times where the finals have it wrong.
    WordRow {
        /// Place of its unit.
        unit: usize,
        /// As it was marked.
        text: String,
        /// Where it starts.
        start_s: f64,
        /// Where it ends.
        end_s: f64,
        /// First shown.
        first_s: Option<f64>,
        /// First shown to stay.
        lasting_s: Option<f64>,
        /// Stable.
        stable_s: Option<f64>,
        /// Committed.
        committed_s: Option<f64>,
    }
}

row! {
    /// A segment of speech and its captions.
    SegmentRow {
        /// Place of its session.
        session: usize,
        /// Place of its unit; none in a session without reference.
        unit: Option<usize>,
        /// First sample.
        start_s: f64,
        /// Past the last sample.
        end_s: Option<f64>,
        /// `silence`, `length`, `gap`, `stop`.
        reason: Option<String>,
        /// When its start was told.
        opened_s: Option<f64>,
        /// When its end was told.
        closed_s: Option<f64>,
        /// When its first words were shown.
        first_text_s: Option<f64>,
        /// When the final came.
        final_s: Option<f64>,
        /// Where its first word was said; none where it goes on from a segment that was cut.
        onset_s: Option<f64>,
        /// Where its last word ended.
        last_word_s: Option<f64>,
        /// Captions.
        captions: u32,
        /// Words of the final.
        words: u32,
        /// Words shown that the next caption did not keep.
        flips: u32,
        /// Words shown in captions that another one followed, a word counted in each.
        shown_words: u32,
        /// Captions that changed what was committed.
        committed_changes: u32,
        /// Words of the last stable prefix before the final.
        stable_words: u32,
        /// Those that the final did not keep.
        stable_amended: u32,
        /// Words of the final that were committed before it.
        committed_before: u32,
        /// The final's text.
        text: String,
    }
}

row! {
    /// One reading of a segment: what became of audio that was due at `until_s`.
    ReadingRow {
        /// Place of its session.
        session: usize,
        /// When the last sample it read was due.
        until_s: f64,
        /// When the encoder began.
        start_s: f64,
        /// Seconds in the encoder.
        encode_s: f64,
        /// Seconds in the decoder.
        decode_s: f64,
        /// Seconds in the alignment of words.
        align_s: f64,
        /// Seconds for which words stay, and the event.
        agree_s: f64,
        /// When it was done.
        done_s: f64,
        /// Processor seconds of its thread.
        thread_s: f64,
    }
}

row! {
    /// One span of a stage that works all the time; every so manieth is kept.
    SpanRow {
        /// Place of its session.
        session: usize,
        /// The stage.
        stage: String,
        /// When it began.
        start_s: f64,
        /// How long it took.
        wall_s: f64,
        /// Processor seconds of its thread.
        thread_s: f64,
        /// When the last sample it took was due.
        until_s: f64,
    }
}

row! {
    /// How the session was doing.
    SampleRow {
        /// Place of its session.
        session: usize,
        /// When.
        at_s: f64,
        /// Audio so far.
        audio_s: f64,
        /// Seconds by which speech was behind.
        lag_s: f64,
        /// Samples lost so far.
        dropped: u64,
        /// Seconds between refreshes.
        refresh_s: f64,
        /// Processor seconds of the process.
        cpu_s: Option<f64>,
        /// Resident memory, MiB.
        resident_mib: Option<f64>,
    }
}

row! {
    /// A sound that was there, and when it was told.
    SoundRow {
        /// Place of its session.
        session: usize,
        /// What it is.
        label: String,
        /// Where it starts.
        start_s: f64,
        /// Where it ends.
        end_s: f64,
        /// When its label was told; none where it was not.
        told_s: Option<f64>,
    }
}

row! {
    /// What a stage took of a session, all spans together.
    StageRow {
        /// The stage.
        stage: String,
        /// Spans.
        spans: u64,
        /// Seconds, waiting included.
        wall_s: f64,
        /// Processor seconds of its thread.
        thread_s: f64,
        /// Those while a segment was open.
        thread_open_s: f64,
    }
}

/// One session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SessionRow {
    /// Its name.
    pub name: String,
    /// Audio, seconds.
    pub audio_s: f64,
    /// Seconds while a segment was open: from its first sample to when its end was told.
    pub open_s: f64,
    /// Seconds while somebody spoke: from a word's start to its end, pauses below 0.5 s included.
    pub said_s: f64,
    /// Processor seconds of the whole process.
    pub cpu_s: Option<f64>,
    /// Samples lost, at 16 kHz.
    pub dropped: u64,
    /// Events that did not reach the measurement.
    pub missing: u64,
    /// What each stage took.
    pub stages: Vec<StageRow>,
}

/// Everything that is kept of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rows {
    /// Sessions.
    pub sessions: Vec<SessionRow>,
    /// Units.
    pub units: Vec<UnitRow>,
    /// Words that were said.
    pub words: Vec<WordRow>,
    /// Segments.
    pub segments: Vec<SegmentRow>,
    /// Readings.
    pub readings: Vec<ReadingRow>,
    /// Spans of other stages.
    pub spans: Vec<SpanRow>,
    /// How the sessions were doing.
    pub samples: Vec<SampleRow>,
    /// Sounds that were there.
    pub sounds: Vec<SoundRow>,
}

/// Rows of each kind that a run may have: what is written keeps far below it.
const MOST_ROWS: usize = 2_000_000;
/// Sessions, and units: every one is drawn a thousand times for each interval.
const MOST_GROUPS: usize = 50_000;
/// Stages of a session.
const MOST_STAGES: usize = 16;

impl Rows {
    /// Checks what a file says: every place is that of a row, every figure finite.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), String> {
        let (sessions, units) = (self.sessions.len(), self.units.len());
        let counts =
            [sessions, units, self.words.len(), self.segments.len(), self.readings.len(), self.spans.len(), self.samples.len()];
        if counts.iter().any(|count| *count > MOST_ROWS) {
            return Err(format!("has more than {MOST_ROWS} rows of a kind"));
        }
        if sessions.max(units) > MOST_GROUPS {
            return Err(format!("has more than {MOST_GROUPS} sessions or units"));
        }
        let stages: BTreeSet<&str> =
            self.sessions.iter().flat_map(|row| row.stages.iter().map(|row| row.stage.as_str())).collect();
        if stages.len() > MOST_STAGES {
            return Err(format!("has {} stages; there are at most {MOST_STAGES}", stages.len()));
        }
        let in_session = self
            .units
            .iter()
            .map(|row| row.session)
            .chain(self.segments.iter().map(|row| row.session))
            .chain(self.readings.iter().map(|row| row.session))
            .chain(self.spans.iter().map(|row| row.session))
            .chain(self.samples.iter().map(|row| row.session))
            .chain(self.sounds.iter().map(|row| row.session));
        if let Some(session) = in_session.into_iter().find(|session| *session >= sessions) {
            return Err(format!("a row is of session {session}, but there are {sessions}"));
        }
        let in_unit = self.words.iter().map(|row| row.unit).chain(self.segments.iter().filter_map(|row| row.unit));
        if let Some(unit) = in_unit.into_iter().find(|unit| *unit >= units) {
            return Err(format!("a row is of unit {unit}, but there are {units}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word() -> WordRow {
        WordRow {
            unit: 0,
            text: "she".to_owned(),
            start_s: 0.5,
            end_s: 0.75,
            first_s: Some(0.9),
            lasting_s: None,
            stable_s: None,
            committed_s: None,
        }
    }

    #[test]
    fn rows_are_arrays_in_json_and_come_back() {
        let json = serde_json::to_string(&word()).unwrap();
        assert_eq!(json, r#"[0,"she",0.5,0.75,0.9,null,null,null]"#);
        assert_eq!(serde_json::from_str::<WordRow>(&json).unwrap(), word());
        assert_eq!(WordRow::FIELDS.len(), 8);
        assert!(serde_json::from_str::<WordRow>("[0]").is_err());
    }

    #[test]
    fn a_row_of_nothing_is_refused() {
        let mut rows = Rows { words: vec![word()], ..Default::default() };
        assert!(rows.check().unwrap_err().contains("unit 0, but there are 0"));
        rows.words.clear();
        assert_eq!(rows.check(), Ok(()));
    }

    #[test]
    fn times_are_rounded() {
        assert_eq!((rounded(0.123_456), rounded(-1.000_04)), (0.1235, -1.0));
    }
}
