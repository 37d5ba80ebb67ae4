//! The report as one page: tables and pictures in a file that needs nothing else, in light and in dark.
//!
//! In: a [`Run`]. Out: HTML. Nothing in it is fetched, and what a file had a say in is escaped.

use std::fmt::Write;

use super::run::Run;
use super::svg::escaped;
use super::{pictures, text};
use crate::latency::summary::{DelayFigures, Summary};

const STYLE: &str = include_str!("page.css");

/// The page of a run.
pub fn page(run: &Run) -> String {
    let summary = run.summary();
    let title = escaped(&run.name);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\n\
         <style>\n{STYLE}</style></head><body><main>\n<h1>{title}</h1>\n<p class=\"pace\">{}</p>\n",
        run.pace.title()
    );
    page += &about(run, &summary);
    for warning in text::warnings(&summary) {
        let _ = writeln!(page, "<p class=\"warning\">{}</p>", escaped(&warning));
    }
    page += &tiles(&summary);
    page += "<h2>When words come</h2>\n";
    let drawn = pictures::distributions(&run.rows);
    page += &figure(
        drawn,
        "Of all words that were said, how many had come by then. A curve ends below 100 % by the words that the finals have wrong.",
    );
    let utterance = pictures::utterance(&run.rows);
    let caption = utterance.as_ref().map_or_else(String::new, |(_, name)| {
        format!("{name}, whose words came as late as is usual. A faint word is wrong in the final.")
    });
    page += &figure(utterance.map(|(drawn, _)| drawn), &caption);
    page += &delays(&summary);
    page += "<h2>Whether they stay, and what it costs</h2>\n";
    page += &figure(pictures::flips(&run.rows), "Words that were shown and that a later caption of the segment did not keep.");
    page += &shares(run, &summary);
    page += "<h2>Over the session</h2>\n";
    match pictures::over_time(&run.rows) {
        Some(drawn) => page += &figure(Some(drawn), "Every second of all sessions, one after another."),
        None => page += "<p>Not measured: a virtual clock has no lag.</p>\n",
    }
    page += "<h2>Where a reading's time goes</h2>\n";
    match pictures::waterfall(&run.rows) {
        Some(drawn) => page += &figure(Some(drawn), "From when the last sample was due to when its caption was shown."),
        None => page += "<p>Not measured: this run has no spans of work.</p>\n",
    }
    page += &models(run);
    page + "</main></body></html>\n"
}

fn about(run: &Run, summary: &Summary) -> String {
    let heading = text::heading(run, summary);
    let lines: Vec<String> = heading.lines().skip(1).map(escaped).collect();
    format!("<p class=\"about\">{}</p>\n", lines.join("<br>\n"))
}

/// The figures that matter most.
fn tiles(summary: &Summary) -> String {
    let mut tiles = String::from("<div class=\"tiles\">");
    let mut tile = |name: &str, value: String, below: String| {
        let _ = write!(tiles, "<div><span>{name}</span><b>{}</b><small>{}</small></div>", escaped(&value), escaped(&below));
    };
    for (key, name) in [("lasting", "shown to stay"), ("stable", "stable"), ("committed", "committed")] {
        if let Some(delay) = summary.delay(key)
            && let (Some(median), Some(late)) = (delay.over_all.first(), delay.over_matched.get(2))
        {
            tile(name, format!("{} s", text::quantile(median)), format!("p50 of all; p95 of matched {} s", text::quantile(late)));
        }
    }
    for (key, name) in
        [("wer_streamed", "word errors"), ("flips", "flips a word"), ("cpu_open", "processor, speech"), ("cpu", "processor")]
    {
        if let Some(share) = summary.share(key) {
            let (value, interval) = text::share_text(share);
            tile(name, value, interval);
        }
    }
    tiles + "</div>\n"
}

fn figure(drawn: Option<String>, caption: &str) -> String {
    drawn.map_or_else(String::new, |drawn| format!("<figure>{drawn}<figcaption>{}</figcaption></figure>\n", escaped(caption)))
}

fn delays(summary: &Summary) -> String {
    if summary.delays.is_empty() {
        return String::new();
    }
    let mut table = String::from(
        "<table><thead><tr><th>seconds</th><th>p50 of all</th><th>p80 of all</th><th>n</th><th>p50</th><th>p90</th><th>p95</th>\
         <th>p99</th><th>n</th></tr></thead><tbody>\n",
    );
    summary.delays.iter().for_each(|delay| table += &delay_row(delay));
    table
        + "</tbody></table>\n<p class=\"note\">Below a percentile its 95 % interval, from resampling strings or utterances.</p>\n"
}

fn delay_row(delay: &DelayFigures) -> String {
    let cell = |quantile: &crate::latency::statistics::Quantile| {
        let end = |value: Option<f64>| value.map_or_else(|| "never".to_owned(), |value| format!("{value:.2}"));
        let (low, high) = (end(quantile.low), end(quantile.high));
        format!("<td>{}<small>{low} to {high}</small></td>", text::quantile(quantile))
    };
    let over_all = if delay.over_all.is_empty() {
        "<td></td><td></td><td></td>".to_owned()
    } else {
        delay.over_all.iter().map(cell).collect::<String>() + &format!("<td>{}</td>", delay.n)
    };
    let matched: String = delay.over_matched.iter().map(cell).collect();
    let empty = "<td></td>".repeat(4 - delay.over_matched.len().min(4));
    format!("<tr><th>{}</th>{over_all}{matched}{empty}<td>{}</td></tr>\n", delay.name, delay.matched)
}

fn shares(run: &Run, summary: &Summary) -> String {
    let mut table =
        String::from("<table><thead><tr><th></th><th></th><th>95 %</th><th class=\"of\">of</th></tr></thead><tbody>\n");
    for share in &summary.shares {
        let (value, interval) = text::share_text(share);
        let _ = writeln!(
            table,
            "<tr><th>{}</th><td>{value}</td><td>{interval}</td><td class=\"of\">{}</td></tr>",
            escaped(&share.name),
            share.of
        );
    }
    for single in summary.singles.iter().filter(|single| single.value.is_some()) {
        let value = single.value.unwrap_or_default();
        let value = if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.3}") };
        let _ =
            writeln!(table, "<tr><th>{}</th><td>{value}</td><td></td><td class=\"of\">{}</td></tr>", single.name, single.unit);
    }
    if let Some(ready) = run.ready_s {
        let _ = writeln!(table, "<tr><th>ready to listen</th><td>{ready:.2}</td><td></td><td class=\"of\">s</td></tr>");
    }
    table + "</tbody></table>\n"
}

fn models(run: &Run) -> String {
    let files: Vec<String> = run
        .environment
        .models
        .iter()
        .flat_map(|model| {
            model.files.iter().map(move |(path, sha256)| {
                let hash: String = sha256.chars().take(16).collect();
                format!(
                    "<tr><th>{}</th><td class=\"of\">{}</td><td class=\"of\">{}</td></tr>",
                    escaped(&model.name),
                    escaped(path),
                    escaped(&hash)
                )
            })
        })
        .collect();
    let runtime = run
        .environment
        .onnxruntime
        .as_deref()
        .map_or_else(String::new, |text| format!("<p class=\"note\">{}</p>\n", escaped(text)));
    if files.is_empty() {
        return runtime;
    }
    format!("<h2>Models</h2>\n<table><tbody>{}</tbody></table>\n{runtime}", files.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::super::drive::Pace;
    use super::super::environment::Environment;
    use super::*;
    use crate::latency::rows::Rows;

    #[test]
    fn a_page_fetches_nothing_and_trusts_nothing() {
        let mut run = Run::new("<script>alert(1)</script>", Pace::Timed, Environment::of_machine(), Rows::default());
        run.notes.push("<img src=x>".to_owned());
        run.settings.insert("a".to_owned(), "\"><b>".to_owned());
        let page = page(&run);
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("\"><b>"));
        assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("url("));
        assert!(page.contains("virtual clock + measured thread time") && page.contains("prefers-color-scheme: dark"));
    }
}
