//! The pictures of the page: distributions, one utterance, lag and memory, where a reading's time goes, flips.
//!
//! In: the rows of a run. Out: an SVG each, or `None` where nothing of the kind was measured.

use super::svg::{Anchor, Scale, Svg, axes, legend};
use crate::latency::rows::{ReadingRow, Rows, WordRow};
use crate::latency::statistics::rank;

const WIDTH: f64 = 760.0;
/// Margins of a plot: left, right, top, bottom.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 44.0;
/// Points of a curve, at most: the eye sees no more.
const POINTS: usize = 400;
/// Words of the utterance that is shown, at most.
const MOST_WORDS: usize = 40;

/// How far into the time of a word a distribution is drawn, seconds: from half a second before its end to at most this.
const LONGEST_S: f64 = 10.0;

type Came = fn(&WordRow) -> Option<f64>;

/// Of all words that were said, the share that had come by so long after their end.
pub(super) fn distributions(rows: &Rows) -> Option<String> {
    if rows.words.is_empty() {
        return None;
    }
    let kinds: [(&str, &str, Came); 4] = [
        ("first", "first shown", |word| word.first_s),
        ("lasting", "shown to stay", |word| word.lasting_s),
        ("stable", "stable", |word| word.stable_s),
        ("committed", "committed", |word| word.committed_s),
    ];
    let late = |came: Came| {
        let mut late: Vec<f64> = rows.words.iter().filter_map(|word| Some(came(word)? - word.end_s)).collect();
        late.sort_by(f64::total_cmp);
        late
    };
    let longest = late(|word| word.committed_s);
    let high = longest.get(rank(98.0, longest.len().max(1))).copied().unwrap_or(1.0).clamp(1.0, LONGEST_S);
    let (x, y) = (Scale::new(-0.5, high, LEFT, WIDTH - RIGHT), Scale::new(0.0, 100.0, 300.0, TOP));
    let mut svg = Svg::new(WIDTH, 300.0 + BOTTOM);
    axes(&mut svg, &x, &y, "seconds after the end of the word", "% of all words said");
    for (class, _, came) in kinds {
        let late = late(came);
        let percent = |count: usize| 100.0 * count as f64 / rows.words.len() as f64;
        // One point a pixel or so, each where the curve is at that time.
        let at = |k: usize| {
            let seconds = x.low + (x.high - x.low) * k as f64 / POINTS as f64;
            (x.at(seconds), y.at(percent(late.partition_point(|late| *late <= seconds))))
        };
        svg.path(&format!("curve {class}"), &(0..=POINTS).map(at).collect::<Vec<_>>());
    }
    legend(&mut svg, (LEFT + 150.0, TOP - 28.0), &kinds.map(|(class, name, _)| (class, name)));
    Some(svg.finish("Share of words shown, stable and committed over time after their end"))
}

/// Words of the unit whose words came as late as is usual, each from when it was said to when it was committed.
pub(super) fn utterance(rows: &Rows) -> Option<(String, String)> {
    let (name, words) = usual_unit(rows)?;
    let first = words.iter().map(|word| word.start_s).min_by(f64::total_cmp)?;
    let ends = words.iter().map(|word| word.committed_s.unwrap_or(word.end_s).max(word.end_s));
    let last = ends.max_by(f64::total_cmp)?.min(first + 60.0);
    let row = 19.0;
    let bottom = TOP + row * words.len() as f64;
    let left = 120.0;
    let x = Scale::new(first - 0.1, last + 0.1, left, WIDTH - RIGHT);
    let mut svg = Svg::new(WIDTH, bottom + BOTTOM);
    for (value, label) in x.ticks(10.0) {
        svg.line("grid", (x.at(value), TOP), (x.at(value), bottom));
        svg.text("label", (x.at(value), bottom + 16.0), Anchor::Middle, &label);
    }
    svg.text("label", (WIDTH - RIGHT, bottom + 34.0), Anchor::End, "seconds of the session");
    for (k, word) in words.iter().enumerate() {
        let y = TOP + row * (k as f64 + 0.5);
        let text: String = word.text.chars().take(16).collect();
        let never = word.first_s.is_none();
        svg.text(if never { "label faint" } else { "word" }, (left - 10.0, y + 4.0), Anchor::End, &text);
        if let (Some(lasting), Some(stable), Some(committed)) = (word.lasting_s, word.stable_s, word.committed_s) {
            svg.line("stroke-lasting", (x.at(lasting), y), (x.at(stable), y));
            svg.line("stroke-stable", (x.at(stable), y), (x.at(committed), y));
        }
        svg.area("said", (x.at(word.start_s), y - 5.0), x.at(word.end_s) - x.at(word.start_s), 10.0);
        let marks = [
            ("committed", word.committed_s, 6.5),
            ("stable", word.stable_s, 4.5),
            ("lasting", word.lasting_s, 4.5),
            ("first", word.first_s, 3.0),
        ];
        for (class, at, radius) in marks {
            if let Some(at) = at {
                svg.dot(class, (x.at(at), y), radius);
            }
        }
    }
    let entries = [
        ("said", "said"),
        ("first", "first shown"),
        ("lasting", "shown to stay"),
        ("stable", "stable"),
        ("committed", "committed"),
    ];
    legend(&mut svg, (left, TOP - 28.0), &entries);
    Some((svg.finish("Words of one utterance: when each was said, shown, stable and committed"), name))
}

/// The unit with 5 to 40 words whose mean delay to stay is in the middle.
fn usual_unit(rows: &Rows) -> Option<(String, Vec<&WordRow>)> {
    let mut units: Vec<(f64, usize)> = Vec::new();
    let mut words: Vec<Vec<&WordRow>> = vec![Vec::new(); rows.units.len()];
    rows.words.iter().for_each(|word| words[word.unit].push(word));
    for (unit, words) in words.iter().enumerate() {
        let late: Vec<f64> = words.iter().filter_map(|word| Some(word.lasting_s? - word.end_s)).collect();
        if (5..=MOST_WORDS).contains(&words.len()) && !late.is_empty() {
            units.push((late.iter().sum::<f64>() / late.len() as f64, unit));
        }
    }
    units.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Where every unit is too long, the beginning of the first has to do.
    let unit = units.get(units.len() / 2).map(|(_, unit)| *unit).or_else(|| words.iter().position(|words| !words.is_empty()))?;
    let chosen = std::mem::take(&mut words[unit]).into_iter().take(MOST_WORDS).collect();
    Some((rows.units[unit].name.clone(), chosen))
}

/// Lag and memory over the sessions, one after another.
pub(super) fn over_time(rows: &Rows) -> Option<String> {
    let mut started = Vec::with_capacity(rows.sessions.len());
    let mut length = 0.0;
    for session in &rows.sessions {
        started.push(length);
        length += session.audio_s;
    }
    let minutes = |session: usize, at_s: f64| (started[session] + at_s) / 60.0;
    let lags: Vec<(f64, f64)> = rows.samples.iter().map(|row| (minutes(row.session, row.at_s), row.lag_s * 1000.0)).collect();
    let memory: Vec<(f64, f64)> =
        rows.samples.iter().filter_map(|row| Some((minutes(row.session, row.at_s), row.resident_mib?))).collect();
    if lags.len() < 2 {
        return None;
    }
    let most = |points: &[(f64, f64)]| points.iter().map(|point| point.1).fold(0.0, f64::max);
    let mut svg = Svg::new(WIDTH, 470.0);
    let x = Scale::new(0.0, length / 60.0, LEFT, WIDTH - RIGHT);
    let panels = [(&lags, 30.0, 180.0, "lag, ms", "first"), (&memory, 270.0, 420.0, "resident memory, MiB", "stable")];
    for (points, top, bottom, name, class) in panels {
        if points.is_empty() {
            continue;
        }
        let y = Scale::new(0.0, most(points) * 1.1, bottom, top);
        axes(&mut svg, &x, &y, "minutes", name);
        let step = points.len().div_ceil(2 * POINTS).max(1);
        // Of every few points the highest: a peak is what matters.
        let peak = |points: &[(f64, f64)]| points.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
        let drawn: Vec<(f64, f64)> = points.chunks(step).filter_map(peak).map(|(at, value)| (x.at(at), y.at(value))).collect();
        svg.path(&format!("curve {class}"), &drawn);
    }
    Some(svg.finish("Lag and resident memory over the sessions"))
}

/// Where the time of a reading goes: of the one in the middle and of a slow one.
pub(super) fn waterfall(rows: &Rows) -> Option<String> {
    let mut readings: Vec<&ReadingRow> = rows.readings.iter().filter(|row| row.done_s >= row.until_s).collect();
    readings.sort_by(|a, b| (a.done_s - a.until_s).total_cmp(&(b.done_s - b.until_s)));
    let n = readings.len();
    if n == 0 {
        return None;
    }
    let chosen = [("median", readings[rank(50.0, n)]), ("95th percentile", readings[rank(95.0, n)])];
    let longest = chosen.iter().map(|(_, row)| row.done_s - row.until_s).fold(0.0, f64::max) * 1000.0;
    let left = 120.0;
    let x = Scale::new(0.0, longest * 1.12, left, WIDTH - RIGHT);
    let mut svg = Svg::new(WIDTH, 210.0);
    for (value, label) in x.ticks(8.0) {
        svg.line("grid", (x.at(value), TOP), (x.at(value), 160.0));
        svg.text("label", (x.at(value), 176.0), Anchor::Middle, &label);
    }
    svg.text("label", (WIDTH - RIGHT, 196.0), Anchor::End, "ms after the last sample was due");
    for (k, (name, row)) in chosen.into_iter().enumerate() {
        let y = TOP + 14.0 + 52.0 * k as f64;
        svg.text("word", (left - 10.0, y + 18.0), Anchor::End, name);
        let wait = (row.start_s - row.until_s).max(0.0);
        let known = wait + row.encode_s + row.decode_s + row.align_s + row.agree_s;
        let total = row.done_s - row.until_s;
        let parts = [
            ("said", wait),
            ("first", row.encode_s),
            ("stable", row.decode_s),
            ("committed", row.align_s),
            ("lasting", row.agree_s),
            ("faintbar", (total - known).max(0.0)),
        ];
        let mut from = 0.0;
        for (class, seconds) in parts {
            let to = from + seconds * 1000.0;
            if seconds > 0.0 {
                svg.area(class, (x.at(from), y), x.at(to) - x.at(from), 28.0);
            }
            from = to;
        }
        svg.text("label", (x.at(from) + 6.0, y + 18.0), Anchor::Start, &format!("{:.1}", total * 1000.0));
    }
    let entries = [
        ("said", "waits"),
        ("first", "encodes"),
        ("stable", "decodes"),
        ("committed", "aligns"),
        ("lasting", "agrees"),
        ("faintbar", "between"),
    ];
    legend(&mut svg, (left, TOP - 24.0), &entries);
    Some(svg.finish("Where the time of a reading goes"))
}

/// How many segments had how many words changed before their final.
pub(super) fn flips(rows: &Rows) -> Option<String> {
    const MOST: usize = 15;
    let flips: Vec<u32> = rows.segments.iter().filter(|row| row.words > 0).map(|row| row.flips).collect();
    if flips.is_empty() {
        return None;
    }
    let mut counts = [0_usize; MOST + 1];
    flips.iter().for_each(|count| counts[(*count as usize).min(MOST)] += 1);
    let most = counts.iter().copied().max().unwrap_or(1) as f64;
    let (x, y) = (Scale::new(0.0, (MOST + 1) as f64, LEFT, WIDTH - RIGHT), Scale::new(0.0, most * 1.1, 210.0, 40.0));
    let mut svg = Svg::new(WIDTH, 210.0 + BOTTOM);
    for (value, label) in y.ticks(4.0).into_iter().filter(|(value, _)| value.fract() == 0.0) {
        svg.line("grid", (x.from, y.at(value)), (x.to, y.at(value)));
        svg.text("label", (x.from - 8.0, y.at(value) + 4.0), Anchor::End, label.split('.').next().unwrap_or(&label));
    }
    for (k, count) in counts.into_iter().enumerate() {
        let (from, to) = (x.at(k as f64), x.at(k as f64 + 1.0));
        if count > 0 {
            svg.area("first", (from + 3.0, y.at(count as f64)), to - from - 6.0, y.from - y.at(count as f64));
        }
        let label = if k == MOST { format!("{k}+") } else { k.to_string() };
        svg.text("label", ((from + to) / 2.0, y.from + 16.0), Anchor::Middle, &label);
    }
    svg.line("axis", (x.from, y.from), (x.to, y.from));
    svg.text("label", (x.to, y.from + 34.0), Anchor::End, "words changed before the final");
    svg.text("label", (x.from, y.to - 10.0), Anchor::Start, "segments");
    Some(svg.finish("Segments by how many of their words changed before the final"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::rows::{SampleRow, SessionRow, UnitRow};

    fn unit(k: usize) -> UnitRow {
        UnitRow {
            session: 0,
            name: format!("u{k}"),
            start_s: 0.0,
            end_s: 9.0,
            words: 6,
            alone: None,
            transcribed: None,
            streamed: None,
            committed: None,
        }
    }

    fn word(unit: usize, k: usize, late: f64) -> WordRow {
        let end_s = 1.0 + k as f64;
        let came = Some(end_s + late);
        let text = format!("w{unit}<{k}");
        WordRow { unit, text, start_s: end_s - 0.3, end_s, first_s: came, lasting_s: came, stable_s: came, committed_s: came }
    }

    #[test]
    fn nothing_measured_gives_no_picture() {
        let rows = Rows::default();
        assert!(distributions(&rows).is_none() && utterance(&rows).is_none() && over_time(&rows).is_none());
        assert!(waterfall(&rows).is_none() && flips(&rows).is_none());
    }

    #[test]
    fn the_utterance_is_the_one_in_the_middle() {
        let words = (0..3).flat_map(|unit| (0..6).map(move |k| word(unit, k, [0.1, 0.9, 0.5][unit]))).collect();
        let rows = Rows { sessions: vec![SessionRow::default()], units: (0..3).map(unit).collect(), words, ..Default::default() };
        let (drawn, name) = utterance(&rows).unwrap();
        assert_eq!(name, "u2");
        assert!(drawn.contains(">w2&lt;3</text>") && !drawn.contains("w2<3"));
        assert!(distributions(&rows).unwrap().matches("<polyline").count() == 4);
    }

    #[test]
    fn values_that_no_machine_gives_are_drawn_all_the_same() {
        let sample = |lag_s: f64| SampleRow {
            session: 0,
            at_s: 1e300,
            audio_s: 0.0,
            lag_s,
            dropped: 0,
            refresh_s: 0.3,
            cpu_s: None,
            resident_mib: Some(-1.0),
        };
        let mut odd = word(0, 0, 1e300);
        odd.start_s = -1e300;
        let rows = Rows {
            sessions: vec![SessionRow { audio_s: -5.0, ..Default::default() }],
            units: vec![unit(0)],
            words: vec![odd],
            samples: vec![sample(1e308), sample(-1.0)],
            ..Default::default()
        };
        for drawn in [distributions(&rows), utterance(&rows).map(|drawn| drawn.0), over_time(&rows)] {
            assert!(!drawn.unwrap().contains("NaN"));
        }
    }
}
