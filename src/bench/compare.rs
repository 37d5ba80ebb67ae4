//! Two runs side by side.
//!
//! In: two [`Run`]s. Out: a table of both, the ratio and the difference, with a bootstrap interval of the difference where the two
//! have strings of the same names.

use std::collections::HashMap;

use super::run::Run;
use super::text::{aligned, tame};
use crate::latency::statistics::{self, rank};
use crate::latency::summary::{self, Delays, Share};

/// Percentiles that are compared.
const PERCENTS: [f64; 2] = [50.0, 95.0];

/// The comparison of `first` (A) and `second` (B); differences are B - A.
pub fn report(first: &Run, second: &Run) -> String {
    let mut text = format!("A: {} ({}, {})\n", tame(&first.name), first.pace.title(), tame(&first.began));
    text += &format!("B: {} ({}, {})\n", tame(&second.name), second.pace.title(), tame(&second.began));
    if first.pace != second.pace {
        text += "warning: time was not kept the same way: delays are not to be compared\n";
    }
    if first.environment.cpu != second.environment.cpu {
        text += "warning: other machines\n";
    }
    text += "\n";
    let mut rows = vec![["", "A", "B", "B / A", "B - A", "95 % of B - A", "pairs"].map(str::to_owned).to_vec()];
    let (ours, theirs) = (summary::delays(&first.rows), summary::delays(&second.rows));
    for a in &ours {
        if let Some(b) = theirs.iter().find(|b| b.key == a.key) {
            rows.extend(PERCENTS.iter().map(|percent| delay(a, b, *percent)));
        }
    }
    let (ours, theirs) = (summary::shares(&first.rows), summary::shares(&second.rows));
    for a in &ours {
        rows.extend(theirs.iter().find(|b| b.key == a.key).map(|b| share(a, b)));
    }
    let (ours, theirs) = (first.summary(), second.summary());
    for a in &ours.singles {
        let b = theirs.singles.iter().find(|b| b.key == a.key).and_then(|b| b.value);
        if let (Some(value), Some(b)) = (a.value, b) {
            rows.push(row(&format!("{}, {}", a.name, a.unit), value, b, None, 3));
        }
    }
    text + &aligned(&rows)
}

/// The places of the groups that both have, by name.
fn pairs<T>(a: &[(String, T)], b: &[(String, T)]) -> Vec<(usize, usize)> {
    let places: HashMap<&str, usize> = b.iter().enumerate().map(|(k, (name, _))| (name.as_str(), k)).collect();
    a.iter().enumerate().filter_map(|(k, (name, _))| Some((k, *places.get(name.as_str())?))).collect()
}

/// A percentile over all, what never came included.
fn delay(a: &Delays, b: &Delays, percent: f64) -> Vec<String> {
    let value = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(rank(percent, values.len().max(1))).copied().unwrap_or(f64::NAN)
    };
    let all = |delays: &Delays| value(&mut delays.groups.iter().flat_map(|(_, group)| group.iter().copied()).collect());
    let pairs = pairs(&a.groups, &b.groups);
    let interval = statistics::paired(pairs.len(), |drawn| {
        let of = |delays: &Delays, side: fn(&(usize, usize)) -> usize| {
            value(&mut drawn.iter().flat_map(|k| delays.groups[side(&pairs[*k])].1.iter().copied()).collect())
        };
        Some(of(b, |pair| pair.1) - of(a, |pair| pair.0))
    });
    let of = if a.may_fail { " of all" } else { "" };
    row(&format!("{}, p{percent}{of}, s", a.name), all(a), all(b), interval.map(|interval| (interval, pairs.len())), 3)
}

fn share(a: &Share, b: &Share) -> Vec<String> {
    let percent = |of: f64, per: f64| 100.0 * of / per;
    let all = |share: &Share| {
        let (of, per) = share.groups.iter().fold((0.0, 0.0), |sum, (_, pair)| (sum.0 + pair.0, sum.1 + pair.1));
        percent(of, per)
    };
    let pairs = pairs(&a.groups, &b.groups);
    let interval = statistics::paired(pairs.len(), |drawn| {
        let of = |share: &Share, side: fn(&(usize, usize)) -> usize| {
            let pair = |k: &usize| share.groups[side(&pairs[*k])].1;
            let (of, per) = drawn.iter().map(pair).fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
            percent(of, per)
        };
        Some(of(b, |pair| pair.1) - of(a, |pair| pair.0))
    });
    row(&format!("{}, %", a.name), all(a), all(b), interval.map(|interval| (interval, pairs.len())), 2)
}

fn row(name: &str, a: f64, b: f64, interval: Option<((f64, f64), usize)>, digits: usize) -> Vec<String> {
    let number = |value: f64| match value {
        value if value.is_finite() => format!("{value:.digits$}"),
        value if value.is_nan() => String::new(),
        _ => "never".to_owned(),
    };
    let signed = |value: f64| if value.is_finite() { format!("{value:+.digits$}") } else { String::new() };
    let ratio = if a.abs() > 0.0 && (b / a).is_finite() { format!("{:.2}", b / a) } else { String::new() };
    let between = interval.map_or_else(String::new, |((low, high), _)| format!("{} to {}", signed(low), signed(high)));
    let count = interval.map_or_else(String::new, |(_, count)| count.to_string());
    vec![name.to_owned(), number(a), number(b), ratio, signed(b - a), between, count]
}

#[cfg(test)]
mod tests {
    use super::super::drive::Pace;
    use super::super::environment::Environment;
    use super::*;
    use crate::latency::rows::{Rows, SessionRow, UnitRow, WordRow};

    fn run(pace: Pace, later_s: f64) -> Run {
        let units = (0..3).map(|k| UnitRow {
            session: 0,
            name: format!("u{k}"),
            start_s: 0.0,
            end_s: 9.0,
            words: 4,
            alone: None,
            transcribed: None,
            streamed: Some([k, 0, 0]),
            committed: None,
        });
        let words = (0..3).flat_map(|unit| {
            (0..4).map(move |k| {
                let came = Some(f64::from(k) + 0.25 + f64::from(unit) + later_s);
                let (start_s, end_s) = (f64::from(k) - 0.1, f64::from(k));
                let (unit, text) = (unit as usize, "w".to_owned());
                WordRow { unit, text, start_s, end_s, first_s: came, lasting_s: came, stable_s: came, committed_s: came }
            })
        });
        let sessions = vec![SessionRow { name: "s".to_owned(), audio_s: 9.0, ..Default::default() }];
        let rows = Rows { sessions, units: units.collect(), words: words.collect(), ..Default::default() };
        Run::new("run", pace, Environment::default(), rows)
    }

    #[test]
    fn a_difference_that_every_string_has_has_a_narrow_interval() {
        let text = report(&run(Pace::Virtual, 0.0), &run(Pace::Virtual, 0.5));
        let line = text.lines().find(|line| line.starts_with("word: first shown, p50 of all, s")).unwrap();
        let cells: Vec<&str> = line.split_whitespace().skip(7).collect();
        assert_eq!(cells, ["1.250", "1.750", "1.40", "+0.500", "+0.500", "to", "+0.500", "3"]);
        assert!(!text.contains("warning"), "{text}");
    }

    #[test]
    fn clocks_that_differ_are_told() {
        assert!(report(&run(Pace::Virtual, 0.0), &run(Pace::RealTime, 0.0)).contains("time was not kept the same way"));
    }
}
