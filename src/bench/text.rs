//! The report as text: a heading that says how time was kept, and aligned tables.
//!
//! In: a [`Run`]. Out: lines of at most about 110 columns.

use super::run::{Run, SPEECH};
use crate::latency::statistics::Quantile;
use crate::latency::summary::{DelayFigures, ShareFigure, Single, Summary};

/// The report of a run.
pub fn report(run: &Run) -> String {
    let summary = run.summary();
    let mut text = heading(run, &summary);
    text += "\n";
    text += &delays(&summary);
    text += "\n";
    text += &shares(&summary);
    text += "\n";
    text += &singles(run, &summary);
    for warning in warnings(&summary) {
        text += &format!("warning: {warning}\n");
    }
    text
}

/// What the run is, in a few lines.
pub(super) fn heading(run: &Run, summary: &Summary) -> String {
    let environment = &run.environment;
    let mut lines = vec![format!("{}: {}", tame(&run.name), run.pace.title())];
    lines.push(format!(
        "{} sessions, {} strings or utterances, {} words, {:.0} s of audio; {}",
        summary.sessions,
        summary.units,
        summary.words,
        summary.audio_s,
        tame(&run.began)
    ));
    let mut machine = Vec::new();
    machine.extend(environment.cpu.clone());
    machine.extend(environment.cores.map(|cores| format!("{cores} cores")));
    machine.extend(environment.load.map(|load| format!("load {load:.2}")));
    machine.extend(environment.governor.clone());
    machine.extend(environment.kernel.clone());
    if !machine.is_empty() {
        lines.push(tame(&machine.join(", ")));
    }
    let model = |model: &super::environment::ModelUsed| format!("{} ({}, {} threads)", model.name, model.provider, model.threads);
    let models: Vec<String> = environment.models.iter().map(model).collect();
    if !models.is_empty() {
        lines.push(tame(&models.join(", ")));
    }
    let settings = run.settings.iter().filter(|(key, _)| *key != SPEECH);
    if !run.settings.is_empty() {
        let settings: Vec<String> = settings.map(|(key, value)| format!("{key}={value}")).collect();
        lines.push(tame(&settings.join(" ")));
    }
    if !environment.auricle.is_empty() && !environment.optimised {
        lines.push("built without optimisation: its times are no figures of the program".to_owned());
    }
    lines.extend(run.notes.iter().map(|note| tame(note)));
    lines.join("\n") + "\n"
}

fn delays(summary: &Summary) -> String {
    let mut rows =
        vec![["delay, s", "p50 of all", "p80 of all", "n", "p50", "p90", "p95", "p99", "n"].map(str::to_owned).to_vec()];
    rows.extend(summary.delays.iter().map(delay));
    aligned(&rows)
}

fn delay(delay: &DelayFigures) -> Vec<String> {
    let mut row = vec![delay.name.to_owned()];
    if delay.over_all.is_empty() {
        row.extend(["", "", ""].map(str::to_owned));
    } else {
        row.extend(delay.over_all.iter().map(quantile));
        row.push(delay.n.to_string());
    }
    row.extend(delay.over_matched.iter().map(quantile));
    row.extend(std::iter::repeat_n(String::new(), 4 - delay.over_matched.len().min(4)));
    row.push(delay.matched.to_string());
    row
}

/// A percentile; a mark where too few values lie above it.
pub(super) fn quantile(quantile: &Quantile) -> String {
    let value = quantile.value.map_or_else(|| "never".to_owned(), |value| format!("{value:.3}"));
    if quantile.enough { value } else { value + "?" }
}

fn shares(summary: &Summary) -> String {
    let mut rows = vec![["share", "", "95 %", "of", ""].map(str::to_owned).to_vec()];
    rows.extend(summary.shares.iter().map(|share| {
        let (value, interval) = share_text(share);
        vec![share.name.clone(), value, interval, sums(share), share.of.to_owned()]
    }));
    aligned(&rows)
}

/// A share's value and its interval.
pub(super) fn share_text(share: &ShareFigure) -> (String, String) {
    let value = share.rate.value.map_or_else(String::new, |value| format!("{:.2} %", 100.0 * value));
    let interval = share
        .rate
        .low
        .zip(share.rate.high)
        .map_or_else(String::new, |(low, high)| format!("{:.2} to {:.2}", 100.0 * low, 100.0 * high));
    (value, interval)
}

fn sums(share: &ShareFigure) -> String {
    let one = |value: f64| if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") };
    format!("{} / {}", one(share.rate.of), one(share.rate.per))
}

fn singles(run: &Run, summary: &Summary) -> String {
    let mut rows: Vec<Vec<String>> = summary.singles.iter().filter_map(single).collect();
    if let Some(ready) = run.ready_s {
        rows.push(vec!["ready to listen".to_owned(), format!("{ready:.2} s")]);
    }
    aligned(&rows)
}

fn single(single: &Single) -> Option<Vec<String>> {
    let value = single.value?;
    let digits = match single.unit {
        "s" | "s/h" => 3,
        "MiB" | "MiB/h" => 1,
        _ => 0,
    };
    Some(vec![single.name.to_owned(), format!("{value:.digits$} {}", single.unit)])
}

/// What to know before believing the figures.
pub(super) fn warnings(summary: &Summary) -> Vec<String> {
    let mut warnings = Vec::new();
    let few = |delay: &DelayFigures| delay.over_all.iter().chain(&delay.over_matched).any(|quantile| !quantile.enough);
    if summary.delays.iter().any(few) {
        warnings.push("a percentile marked ? has fewer than 10 values above it: too few to be trusted".to_owned());
    }
    if summary.committed_changes() > 0.0 {
        warnings.push(format!("committed words changed in {} captions; they must never", summary.committed_changes()));
    }
    if summary.single("dropped").is_some_and(|dropped| dropped > 0.0) {
        warnings.push("audio was lost: what was said then could not be captioned".to_owned());
    }
    if summary.single("missing").is_some_and(|missing| missing > 0.0) {
        warnings.push("events are missing from the record: words may have come before they seem to".to_owned());
    }
    warnings
}

/// Text that a file has a say in, without what steers a terminal.
pub(super) fn tame(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// Rows in columns: the first to the left, the others to the right.
pub(super) fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let space = width - cell.chars().count();
            let (before, after) = if column == 0 { (0, space) } else { (space + 2, 0) };
            line.extend(std::iter::repeat_n(' ', before));
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', after));
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::drive::Pace;
    use super::super::environment::Environment;
    use super::*;
    use crate::latency::rows::{Rows, SessionRow, UnitRow, WordRow};

    fn run() -> Run {
        let word = |end_s: f64, came: Option<f64>| WordRow {
            unit: 0,
            text: "word".to_owned(),
            start_s: end_s - 0.2,
            end_s,
            first_s: came,
            lasting_s: came,
            stable_s: came,
            committed_s: came,
        };
        let unit = UnitRow {
            session: 0,
            name: "u".to_owned(),
            start_s: 0.0,
            end_s: 3.0,
            words: 2,
            alone: None,
            transcribed: None,
            streamed: Some([1, 0, 0]),
            committed: None,
        };
        let rows = Rows {
            sessions: vec![SessionRow { name: "s".to_owned(), audio_s: 3.0, ..Default::default() }],
            units: vec![unit],
            words: vec![word(1.0, Some(1.25)), word(2.0, None)],
            ..Default::default()
        };
        Run::new("te\x1bst", Pace::RealTime, Environment::default(), rows)
    }

    #[test]
    fn a_report_says_how_time_was_kept_and_what_never_came() {
        let text = report(&run());
        assert!(text.starts_with("te\u{fffd}st: real time\n"), "{text}");
        let first = text.lines().find(|line| line.starts_with("word: first shown ")).unwrap();
        assert_eq!(
            first.split_whitespace().skip(3).collect::<Vec<_>>(),
            ["0.250?", "never?", "2", "0.250?", "0.250?", "0.250?", "0.250?", "1"]
        );
        assert!(text.contains("WER, finals of the stream"), "{text}");
        assert!(text.contains("50.00 %"), "{text}");
        assert!(text.contains("warning: a percentile marked ?"), "{text}");
    }

    #[test]
    fn figures_are_to_the_right() {
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["bcd".to_owned(), "100".to_owned()]];
        assert_eq!(aligned(&rows), "a      1\nbcd  100\n");
    }
}
