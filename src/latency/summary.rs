//! The figures of a run: what its rows come to.
//!
//! In: [`Rows`]. Out: [`Summary`]: delays by percentile, shares as ratios of sums, and single figures, each with its interval where
//! one can be had. Every name is defined in docs/latency.md.

use serde::Serialize;

use super::rows::{Rows, SegmentRow, SessionRow, WordRow};
use super::statistics::{self, Quantile, Rate};

/// Percentiles over all, what never came included.
const OVER_ALL: [f64; 2] = [50.0, 80.0];
/// Percentiles over what came.
const OVER_MATCHED: [f64; 4] = [50.0, 90.0, 95.0, 99.0];

/// Shortest stretch that a slope an hour is told of, hours.
const SHORTEST_H: f64 = 300.0 / 3600.0;
/// What is left out of it at its start, hours.
const SETTLING_H: f64 = 60.0 / 3600.0;

/// A kind of delay, measured many times, in groups that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Delays {
    /// Name for programs.
    pub key: &'static str,
    /// Name for people.
    pub name: &'static str,
    /// Whether some may never have come.
    pub may_fail: bool,
    /// Name of each group and its delays in seconds; what never came is infinite.
    pub groups: Vec<(String, Vec<f64>)>,
}

/// A ratio of two sums, in groups that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// Name for programs.
    pub key: String,
    /// Name for people.
    pub name: String,
    /// What is divided by what.
    pub of: &'static str,
    /// Name of each group, its numerator and its denominator.
    pub groups: Vec<(String, (f64, f64))>,
}

/// [`Delays`] in percentiles.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DelayFigures {
    /// Name for programs.
    pub key: &'static str,
    /// Name for people.
    pub name: &'static str,
    /// How many there are.
    pub n: usize,
    /// How many came.
    pub matched: usize,
    /// Percentiles over all, where some may not have come.
    pub over_all: Vec<Quantile>,
    /// Percentiles over those that came.
    pub over_matched: Vec<Quantile>,
}

/// [`Share`] as a ratio.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShareFigure {
    /// Name for programs.
    pub key: String,
    /// Name for people.
    pub name: String,
    /// What is divided by what.
    pub of: &'static str,
    /// The ratio, its interval, and the two sums.
    #[serde(flatten)]
    pub rate: Rate,
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Single {
    /// Name for programs.
    pub key: &'static str,
    /// Name for people.
    pub name: &'static str,
    /// The figure, where it was measured.
    pub value: Option<f64>,
    /// Its unit.
    pub unit: &'static str,
}

/// What a run comes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Sessions.
    pub sessions: usize,
    /// Units, which are what intervals resample.
    pub units: usize,
    /// Audio of all sessions, seconds.
    pub audio_s: f64,
    /// Words that were said.
    pub words: usize,
    /// Those that the finals have right.
    pub matched: usize,
    /// Delays by percentile.
    pub delays: Vec<DelayFigures>,
    /// Ratios.
    pub shares: Vec<ShareFigure>,
    /// Single figures.
    pub singles: Vec<Single>,
}

impl Summary {
    /// The figures of `rows`.
    pub fn of(rows: &Rows) -> Self {
        Self {
            sessions: rows.sessions.len(),
            units: rows.units.len(),
            audio_s: rows.sessions.iter().map(|session| session.audio_s).sum(),
            words: rows.words.len(),
            matched: rows.words.iter().filter(|word| word.first_s.is_some()).count(),
            delays: delays(rows).iter().map(figures).collect(),
            shares: shares(rows).into_iter().map(ratio).collect(),
            singles: singles(rows),
        }
    }

    /// The delays called `key`.
    pub fn delay(&self, key: &str) -> Option<&DelayFigures> {
        self.delays.iter().find(|delay| delay.key == key)
    }

    /// The ratio called `key`.
    pub fn share(&self, key: &str) -> Option<&ShareFigure> {
        self.shares.iter().find(|share| share.key == key)
    }

    /// The figure called `key`.
    pub fn single(&self, key: &str) -> Option<f64> {
        self.singles.iter().find(|single| single.key == key)?.value
    }

    /// Committed words that changed: what must not be.
    pub fn committed_changes(&self) -> f64 {
        self.single("committed_changes").unwrap_or(0.0)
    }
}

fn figures(delays: &Delays) -> DelayFigures {
    let groups: Vec<Vec<f64>> = delays.groups.iter().map(|(_, group)| group.clone()).collect();
    let came: Vec<Vec<f64>> =
        groups.iter().map(|group| group.iter().copied().filter(|delay| delay.is_finite()).collect()).collect();
    let count = |groups: &[Vec<f64>]| groups.iter().map(Vec::len).sum();
    let over_all = if delays.may_fail { statistics::quantiles(&groups, &OVER_ALL) } else { Vec::new() };
    let over_matched = statistics::quantiles(&came, &OVER_MATCHED);
    DelayFigures { key: delays.key, name: delays.name, n: count(&groups), matched: count(&came), over_all, over_matched }
}

fn ratio(share: Share) -> ShareFigure {
    let groups: Vec<(f64, f64)> = share.groups.iter().map(|(_, pair)| *pair).collect();
    ShareFigure { key: share.key, name: share.name, of: share.of, rate: statistics::rate(&groups) }
}

/// Every kind of delay that the rows have any of.
pub fn delays(rows: &Rows) -> Vec<Delays> {
    let word = |key, name, came: fn(&WordRow) -> Option<f64>| {
        let late = |row: &WordRow| Some(came(row).map_or(f64::INFINITY, |at| at - row.end_s));
        Delays { key, name, may_fail: true, groups: by_unit(rows, rows.words.iter().map(|row| (Some(row.unit), late(row)))) }
    };
    let segment = |key, name, delay: fn(&SegmentRow) -> Option<f64>| Delays {
        key,
        name,
        may_fail: false,
        groups: by_unit(rows, rows.segments.iter().map(|row| (row.unit, delay(row)))),
    };
    let arrivals = rows.spans.iter().filter(|span| span.stage == "arrival").map(|span| (span.session, span.wall_s));
    let readings = rows.readings.iter().map(|reading| (reading.session, reading.done_s - reading.until_s));
    let sounds = rows.sounds.iter().map(|sound| (sound.session, sound.told_s.map_or(f64::INFINITY, |told| told - sound.start_s)));
    let all = [
        word("first", "word: first shown", |row| row.first_s),
        word("lasting", "word: first shown to stay", |row| row.lasting_s),
        word("stable", "word: stable", |row| row.stable_s),
        word("committed", "word: committed", |row| row.committed_s),
        segment("first_partial", "first words after speech began", |row| Some(row.first_text_s? - row.onset_s?)),
        segment("final_after_endpoint", "final after the endpoint was found", |row| Some(after_silence(row)? - row.closed_s?)),
        segment("final_after_word", "final after the last word's end", |row| Some(after_silence(row)? - row.last_word_s?)),
        Delays { key: "arrival", name: "front end: due to taken", may_fail: false, groups: by_session(rows, arrivals) },
        Delays { key: "reading", name: "reading: due to shown", may_fail: false, groups: by_session(rows, readings) },
        Delays { key: "sound", name: "sound: onset to label", may_fail: true, groups: by_session(rows, sounds) },
    ];
    all.into_iter().filter(|delays| delays.groups.iter().any(|(_, group)| !group.is_empty())).collect()
}

/// When the final of a segment came that silence ended: no other waits for an endpoint.
fn after_silence(row: &SegmentRow) -> Option<f64> {
    row.final_s.filter(|_| row.reason.as_deref() == Some("silence"))
}

/// Every ratio that the rows have any of.
pub fn shares(rows: &Rows) -> Vec<Share> {
    let segments = |key: &str, name: &str, of, pair: fn(&SegmentRow) -> (u32, u32)| {
        let pairs = rows.segments.iter().map(|row| (row.unit, Some(pair(row))));
        let add =
            |pairs: &Vec<(u32, u32)>| pairs.iter().fold((0.0, 0.0), |sum, (a, b)| (sum.0 + f64::from(*a), sum.1 + f64::from(*b)));
        let groups = by_unit(rows, pairs).into_iter().map(|(name, pairs)| (name, add(&pairs))).collect();
        Share { key: key.to_owned(), name: name.to_owned(), of, groups }
    };
    let wer = |key: &str, name: &str, errors: fn(&super::rows::UnitRow) -> Option<[u32; 3]>| {
        let pair = |row: &super::rows::UnitRow| {
            let sum: u32 = errors(row)?.iter().fold(0, |sum, count| sum.saturating_add(*count));
            Some((row.name.clone(), (f64::from(sum), f64::from(row.words))))
        };
        let groups = rows.units.iter().filter_map(pair).collect();
        Share { key: key.to_owned(), name: name.to_owned(), of: "errors / words said", groups }
    };
    let cpu = |key: &str, name: &str, of, pair: &dyn Fn(&SessionRow) -> Option<(f64, f64)>| {
        let groups = rows.sessions.iter().filter_map(|row| Some((row.name.clone(), pair(row)?))).collect();
        Share { key: key.to_owned(), name: name.to_owned(), of, groups }
    };
    let matched = by_unit(rows, rows.words.iter().map(|row| (Some(row.unit), Some(row.first_s.is_some()))));
    let matched = matched.into_iter().map(|(name, right)| {
        let came = right.iter().filter(|right| **right).count() as f64;
        (name, (came, right.len() as f64))
    });
    let thread = |row: &SessionRow| (!row.stages.is_empty()).then(|| row.stages.iter().map(|stage| stage.thread_s).sum::<f64>());
    let open = |row: &SessionRow| row.stages.iter().map(|stage| stage.thread_open_s).sum::<f64>();
    let mut all = vec![
        Share {
            key: "matched".to_owned(),
            name: "words that the finals have right".to_owned(),
            of: "words / words said",
            groups: matched.collect(),
        },
        segments("flips", "tentative flips", "words changed / final words", |row| (row.flips, row.words)),
        segments("flips_shown", "the same, of words shown", "words changed / words shown", |row| (row.flips, row.shown_words)),
        segments("stable_amended", "stable words the final amended", "words / stable words", |row| {
            (row.stable_amended, row.stable_words)
        }),
        segments("committed_before", "words committed before the final", "words / final words", |row| {
            (row.committed_before.min(row.words), row.words)
        }),
        wer("wer_alone", "WER, utterance by utterance", |row| row.alone),
        wer("wer_transcribed", "WER, the same audio transcribed", |row| row.transcribed),
        wer("wer_streamed", "WER, finals of the stream", |row| row.streamed),
        wer("wer_committed", "WER, committed text alone", |row| row.committed),
        cpu("cpu", "processor, whole process", "s / s of audio", &|row| Some((row.cpu_s?, row.audio_s))),
        cpu("cpu_open", "processor while a segment is open", "s / s open", &|row| thread(row).map(|_| (open(row), row.open_s))),
        cpu("cpu_said", "the same, by time spoken", "s / s spoken", &|row| thread(row).map(|_| (open(row), row.said_s))),
        cpu("cpu_silence", "processor in silence", "s / s of silence", &|row| {
            Some((thread(row)? - open(row), (row.audio_s - row.open_s).max(0.0)))
        }),
    ];
    let mut stages: Vec<&str> =
        rows.sessions.iter().flat_map(|row| row.stages.iter().map(|stage| stage.stage.as_str())).collect();
    stages.sort_unstable();
    stages.dedup();
    for stage in stages.into_iter().filter(|stage| *stage != "arrival") {
        let of_stage = |row: &SessionRow| {
            let found = row.stages.iter().find(|row| row.stage == stage);
            Some((found.map_or(0.0, |row| row.thread_s), row.audio_s))
        };
        all.push(cpu(&format!("cpu_{stage}"), &format!("processor, {stage}"), "s / s of audio", &of_stage));
    }
    all.into_iter().filter(|share| share.groups.iter().any(|(_, (_, per))| *per > 0.0)).collect()
}

fn singles(rows: &Rows) -> Vec<Single> {
    // Sessions follow one another in the time of the process.
    let mut before = 0.0;
    let start = |session: &SessionRow| {
        before += session.audio_s;
        before - session.audio_s
    };
    let started: Vec<f64> = rows.sessions.iter().map(start).collect();
    let hours = |row: &super::rows::SampleRow| (started[row.session] + row.at_s) / 3600.0;
    let lags: Vec<(f64, f64)> = rows.samples.iter().map(|row| (hours(row), row.lag_s)).collect();
    let memory: Vec<(f64, f64)> = rows.samples.iter().filter_map(|row| Some((hours(row), row.resident_mib?))).collect();
    let most = |points: &[(f64, f64)]| points.iter().map(|point| point.1).max_by(f64::total_cmp);
    let dropped = rows.sessions.iter().map(|row| row.dropped as f64).sum::<f64>();
    let missing = rows.sessions.iter().map(|row| row.missing as f64).sum::<f64>();
    let changes = rows.segments.iter().map(|row| f64::from(row.committed_changes)).sum::<f64>();
    let one = |key, name, value, unit| Single { key, name, value, unit };
    vec![
        one("committed_changes", "committed words changed", Some(changes), "captions"),
        one("dropped", "audio lost", Some(dropped), "samples"),
        one("missing", "events lost", Some(missing), "events"),
        one("lag_most", "lag, most", most(&lags), "s"),
        one("lag_slope", "lag, slope", slope(&lags), "s/h"),
        one("memory_most", "resident memory, most", most(&memory), "MiB"),
        one("memory_slope", "resident memory, slope", slope(&memory), "MiB/h"),
    ]
}

/// The slope of points that lie hours apart, where they say anything about an hour: over five minutes or more, the first of which,
/// in which memory is taken for the first time, is left out.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let (first, last) = (points.first()?.0, points.last()?.0);
    let settled: Vec<(f64, f64)> = points.iter().copied().filter(|(at, _)| at - first >= SETTLING_H).collect();
    (last - first >= SHORTEST_H).then(|| statistics::slope(&settled)).flatten()
}

/// Values by unit, in the order of the units; those of no unit make a group of their own.
fn by_unit<T>(rows: &Rows, values: impl Iterator<Item = (Option<usize>, Option<T>)>) -> Vec<(String, Vec<T>)> {
    let mut groups: Vec<(String, Vec<T>)> = rows.units.iter().map(|unit| (unit.name.clone(), Vec::new())).collect();
    groups.push(("no unit".to_owned(), Vec::new()));
    let last = groups.len() - 1;
    for (unit, value) in values {
        if let Some((_, group)) = groups.get_mut(unit.unwrap_or(last)) {
            group.extend(value);
        }
    }
    groups.retain(|(_, group)| !group.is_empty());
    groups
}

fn by_session(rows: &Rows, values: impl Iterator<Item = (usize, f64)>) -> Vec<(String, Vec<f64>)> {
    let mut groups: Vec<(String, Vec<f64>)> = rows.sessions.iter().map(|row| (row.name.clone(), Vec::new())).collect();
    values.for_each(|(session, value)| groups[session].1.push(value));
    groups.retain(|(_, group)| !group.is_empty());
    groups
}

#[cfg(test)]
mod tests {
    use super::super::rows::{SampleRow, StageRow, UnitRow};
    use super::*;

    fn word(unit: usize, end_s: f64, came: Option<f64>) -> WordRow {
        let text = "word".to_owned();
        WordRow { unit, text, start_s: end_s - 0.2, end_s, first_s: came, lasting_s: came, stable_s: came, committed_s: came }
    }

    fn unit(name: &str, errors: u32) -> UnitRow {
        UnitRow {
            session: 0,
            name: name.to_owned(),
            start_s: 0.0,
            end_s: 9.0,
            words: 10,
            alone: None,
            transcribed: Some([1, 0, 0]),
            streamed: Some([errors, 1, 0]),
            committed: None,
        }
    }

    fn rows() -> Rows {
        let stage = |name: &str, thread_s| StageRow {
            stage: name.to_owned(),
            spans: 1,
            wall_s: thread_s,
            thread_s,
            thread_open_s: thread_s / 2.0,
        };
        let session = SessionRow {
            name: "s".to_owned(),
            audio_s: 10.0,
            open_s: 5.0,
            said_s: 4.0,
            cpu_s: Some(1.5),
            dropped: 16,
            missing: 0,
            stages: vec![stage("encode", 0.8), stage("detect", 0.2)],
        };
        let sample = |at_s: f64| SampleRow {
            session: 0,
            at_s,
            audio_s: at_s,
            lag_s: at_s / 1000.0,
            dropped: 0,
            refresh_s: 0.3,
            cpu_s: None,
            resident_mib: Some(100.0 + at_s / 3600.0),
        };
        Rows {
            sessions: vec![session],
            units: vec![unit("a", 1), unit("b", 2)],
            words: vec![word(0, 1.0, Some(1.1)), word(0, 2.0, Some(2.3)), word(1, 3.0, None), word(1, 4.0, Some(4.2))],
            samples: (0..40).map(|k| sample(f64::from(k) * 10.0)).collect(),
            ..Default::default()
        }
    }

    #[test]
    fn percentiles_over_all_have_what_never_came_as_infinite() {
        let summary = Summary::of(&rows());
        let first = summary.delay("first").unwrap();
        assert_eq!((first.n, first.matched), (4, 3));
        let near = |value: Option<f64>, expected: f64| value.is_some_and(|value| (value - expected).abs() < 1e-9);
        assert!(near(first.over_all[0].value, 0.2) && first.over_all[1].value.is_none());
        assert!(near(first.over_matched[0].value, 0.2) && near(first.over_matched[2].value, 0.3));
        assert!(!first.over_matched[0].enough);
    }

    #[test]
    fn ratios_are_of_sums() {
        let summary = Summary::of(&rows());
        assert_eq!(summary.share("wer_streamed").unwrap().rate.value, Some(0.25));
        assert_eq!(summary.share("wer_transcribed").unwrap().rate.value, Some(0.1));
        assert!(summary.share("wer_alone").is_none(), "was not made");
        assert_eq!(summary.share("matched").unwrap().rate.value, Some(0.75));
        assert_eq!(summary.share("cpu").unwrap().rate.value, Some(0.15));
        assert_eq!(summary.share("cpu_open").unwrap().rate.value, Some(0.1));
        assert_eq!(summary.share("cpu_said").unwrap().rate.value, Some(0.125));
        assert_eq!(summary.share("cpu_silence").unwrap().rate.value, Some(0.1));
        assert_eq!(summary.share("cpu_encode").unwrap().rate.value, Some(0.08));
    }

    #[test]
    fn slopes_are_an_hour_of_the_process() {
        let summary = Summary::of(&rows());
        assert!((summary.single("lag_slope").unwrap() - 3.6).abs() < 1e-9);
        assert!((summary.single("memory_slope").unwrap() - 1.0).abs() < 1e-6);
        let mut short = rows();
        short.samples.truncate(20);
        assert_eq!(Summary::of(&short).single("lag_slope"), None, "200 s say nothing about an hour");
        assert_eq!((summary.single("dropped"), summary.committed_changes()), (Some(16.0), 0.0));
    }

    #[test]
    fn a_run_of_nothing_has_no_figures_and_no_panic() {
        let summary = Summary::of(&Rows::default());
        assert!(summary.delays.is_empty() && summary.shares.is_empty());
        assert_eq!(summary.single("lag_most"), None);
    }
}
