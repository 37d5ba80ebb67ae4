//! Logs of sessions: what `auricle listen --format jsonl` or any other program wrote, scored afterwards.
//!
//! In: JSON Lines, not to be trusted, and the words that were said. Out: a [`Run`] like that of a session that was driven here.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::str::FromStr;

use super::drive::Pace;
use super::environment::{Environment, ModelUsed};
use super::run::Run;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, SCHEMA_VERSION};
use crate::latency::captions::{Record, Recorder};
use crate::latency::edit::{self, Step};
use crate::latency::normalise::normalise_word;
use crate::latency::rows::Rows;
use crate::latency::score::{self, Session};
use crate::latency::spans::Tally;
use crate::latency::words::Spoken;

/// No line is longer, bytes: `scores` of 521 classes are 6 KB.
const LONGEST_LINE: u64 = 4 << 20;
/// Files a log may be of.
const MOST_FILES: usize = 10_000;
/// Words that must match for an offset to be found by them.
const LEAST_WORDS: usize = 10;

/// When the words of the reference begin in the log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Offset {
    /// So many seconds after the log's zero.
    Seconds(f64),
    /// Found by the times of the captions' words.
    Auto,
}

impl FromStr for Offset {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        match text.parse() {
            Ok(seconds) if (-86_400.0..=86_400.0).contains(&seconds) => Ok(Self::Seconds(seconds)),
            _ => Err(Error::new(ErrorKind::InvalidInput, format!("offset is '{text}'; expected seconds, or auto"))),
        }
    }
}

/// The record of each file of a log, in the order in which they first appear; a log of one session has one, without a name.
///
/// # Errors
/// `NotFound` or `Io`; `Corrupt`, with the line, for what is no event.
pub fn read(path: &Path) -> Result<Vec<(Option<String>, Record)>> {
    let file = File::open(path).map_err(|error| Error::io("read", path, &error))?;
    parse(BufReader::new(file), &path.display().to_string())
}

/// The same of a reader that is called `name` in errors.
///
/// # Errors
/// As [`read`].
pub fn parse(mut reader: impl BufRead, name: &str) -> Result<Vec<(Option<String>, Record)>> {
    let mut files: Vec<(Option<String>, Recorder)> = Vec::new();
    let mut places: BTreeMap<Option<String>, usize> = BTreeMap::new();
    let mut line = Vec::new();
    // Events of several files are numbered through: a hole is one of the log's.
    for number in 1_u64.. {
        let wrong = |what: &dyn std::fmt::Display| Error::new(ErrorKind::Corrupt, format!("{name}: line {number}: {what}"));
        line.clear();
        let read = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(|error| wrong(&error))?;
        if read == 0 {
            break;
        }
        if read as u64 == LONGEST_LINE {
            return Err(wrong(&format!("is longer than {} MiB", LONGEST_LINE >> 20)));
        }
        let Ok(text) = std::str::from_utf8(&line) else { return Err(wrong(&"is no text in UTF-8")) };
        if text.trim().is_empty() {
            continue;
        }
        let Some(event) = event(text).map_err(|error| wrong(&error))? else { continue };
        if event.v != SCHEMA_VERSION {
            return Err(wrong(&format!("has version {}, this build reads {SCHEMA_VERSION}", event.v)));
        }
        let file = event.file.as_deref().map(str::to_owned);
        let place = match places.get(&file) {
            Some(place) => *place,
            None if files.len() == MOST_FILES => return Err(wrong(&format!("is of one file more than {MOST_FILES}"))),
            None => {
                files.push((file.clone(), Recorder::default()));
                places.insert(file, files.len() - 1);
                files.len() - 1
            }
        };
        files[place].1.event(&event).map_err(|error| wrong(&error))?;
    }
    if files.is_empty() {
        return Err(Error::new(ErrorKind::Corrupt, format!("{name}: has no events")));
    }
    files.into_iter().map(|(file, recorder)| Ok((file, recorder.finish()?))).collect()
}

/// The event on a line; `None` for one of a type that is not known, which a reader passes over.
fn event(text: &str) -> std::result::Result<Option<Event>, serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct Head<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<std::borrow::Cow<'a, str>>,
    }
    const KNOWN: [&str; 7] = ["caption", "sound", "scores", "speech", "gap", "device", "stats"];
    let head: Head<'_> = serde_json::from_str(text)?;
    match head.kind {
        Some(kind) if !KNOWN.contains(&kind.as_ref()) => Ok(None),
        _ => serde_json::from_str(text).map(Some),
    }
}

/// An offset that was found: the median of how much later the words of the captions start than those that were said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FoundOffset {
    /// The median, seconds.
    pub seconds: f64,
    /// Words that matched.
    pub words: usize,
    /// Half of the words lie in a stretch of this length around it, seconds.
    pub spread_s: f64,
}

/// Finds the offset of `words` in a record.
///
/// # Errors
/// `InvalidInput` where too few words match or the captions have no word times.
pub fn find_offset(words: &[Spoken], record: &Record) -> Result<FoundOffset> {
    let heard: Vec<(&str, f64)> = record
        .segments
        .iter()
        .flat_map(|segment| &segment.words)
        .filter(|word| !word.text.is_empty())
        .filter_map(|word| Some((word.text.as_str(), word.start_s?)))
        .collect();
    let said: Vec<String> = words.iter().map(|word| normalise_word(&word.text)).collect();
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    let heard_words: Vec<&str> = heard.iter().map(|(word, _)| *word).collect();
    let late = |step: &Step| match *step {
        Step::Same(i, j) => Some(heard[j].1 - words[i].start_s),
        _ => None,
    };
    let mut late: Vec<f64> = edit::align(&said, &heard_words)?.iter().filter_map(late).collect();
    if late.len() < LEAST_WORDS {
        let message = format!(
            "offset: only {} of {} words match captions with word times, {LEAST_WORDS} are needed; give it in seconds",
            late.len(),
            words.len()
        );
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    late.sort_by(f64::total_cmp);
    let n = late.len();
    Ok(FoundOffset { seconds: late[n / 2], words: n, spread_s: late[n * 3 / 4] - late[n / 4] })
}

/// A run of records. `words` has the words of each, in the order of the records; fewer where they are not known.
///
/// # Errors
/// `InvalidInput` where an offset cannot be found or there are too many words.
pub fn run(name: &str, records: Vec<(Option<String>, Record)>, words: &[Vec<Spoken>], offset: Offset) -> Result<Run> {
    let mut rows = Rows::default();
    let mut notes = Vec::new();
    let mut models = Vec::new();
    for (place, (file, record)) in records.into_iter().enumerate() {
        let session = file.unwrap_or_else(|| name.to_owned());
        let said = words.get(place).map_or(&[][..], Vec::as_slice);
        let offset_s = match offset {
            Offset::Seconds(seconds) => seconds,
            Offset::Auto if said.is_empty() => 0.0,
            Offset::Auto => {
                let found = find_offset(said, &record)?;
                notes.push(format!(
                    "{session}: offset {:.3} s found by {} words, half of them within {:.3} s; it has the error of the captions' word times",
                    found.seconds, found.words, found.spread_s
                ));
                found.seconds
            }
        };
        let said: Vec<Spoken> = said.iter().map(|word| word.later(offset_s)).collect();
        if models.is_empty() {
            models = record
                .models
                .iter()
                .map(|(name, provider, threads)| ModelUsed {
                    name: name.clone(),
                    provider: provider.clone(),
                    threads: *threads,
                    files: Vec::new(),
                })
                .collect();
        }
        let last = record.samples.last();
        let cpu_s = record.samples.first().zip(last).and_then(|(first, last)| Some(last.cpu_s? - first.cpu_s?));
        let audio_s = last.map_or(record.last_s, |last| last.audio_s);
        let session = Session { name: session.clone(), audio_s, cpu_s, tally: Tally::default(), sounds: Vec::new() };
        let units = score::by_pauses(&session.name, &said);
        score::add(&mut rows, session, units, &record)?;
    }
    let environment = Environment { models, ..Environment::default() };
    let pace = if rows.samples.is_empty() { Pace::Virtual } else { Pace::Recorded };
    let mut run = Run::new(name, pace, environment, rows);
    run.notes = notes;
    if let Offset::Seconds(seconds) = offset
        && seconds != 0.0
    {
        run.notes.push(format!("the words begin {seconds} s after the log's zero"));
    }
    run.notes.push("from a log: where it was made is not known, and word errors are those of the stream alone".to_owned());
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = concat!(
        r#"{"v":1,"seq":0,"emitted":0.9,"type":"speech","state":"start","segment":0,"start":0.5}"#,
        "\n",
        r#"{"v":1,"seq":1,"emitted":1.4,"type":"weather","state":"rain"}"#,
        "\n\n",
        r#"{"v":1,"seq":2,"emitted":1.5,"type":"caption","segment":0,"state":"final","text":"Hello there.","committed":"Hello there.","stable":"Hello there.","start":0.5,"end":1.3,"model":"m","words":[{"text":"Hello","start":0.6,"end":0.8,"probability":1},{"text":"there.","start":0.8,"end":1.1,"probability":1}]}"#,
        "\n",
    );

    #[test]
    fn a_log_is_read_and_what_is_not_known_passed_over() {
        let records = parse(LOG.as_bytes(), "log").unwrap();
        assert_eq!(records.len(), 1);
        let segment = &records[0].1.segments[0];
        assert_eq!((segment.text.as_str(), segment.opened_s, segment.final_s), ("Hello there.", Some(0.9), Some(1.5)));
        assert_eq!(segment.words[1].start_s, Some(0.8));
        let words = vec![vec![
            Spoken { start_s: 0.1, end_s: 0.3, text: "hello".to_owned() },
            Spoken { start_s: 0.3, end_s: 0.6, text: "there".to_owned() },
        ]];
        let run = run("log", records, &words, Offset::Seconds(0.5)).unwrap();
        assert_eq!(run.pace, Pace::Virtual);
        assert_eq!(run.rows.words[1].first_s, Some(1.5));
        assert_eq!(run.rows.words[1].end_s, 1.1);
    }

    #[test]
    fn what_is_no_event_is_named_by_its_line() {
        for (text, said) in [
            (format!("{LOG}nonsense\n"), "log: line 5: "),
            (LOG.replacen("\"v\":1", "\"v\":2", 1), "line 1: has version 2"),
            (LOG.replacen("0.9", "\"x\"", 1), "line 1: "),
            (String::new(), "log: has no events"),
        ] {
            let error = parse(text.as_bytes(), "log").unwrap_err();
            assert!(error.message().contains(said), "{error}");
        }
        assert!(parse(&vec![b'x'; (LONGEST_LINE + 10) as usize][..], "log").unwrap_err().message().contains("longer than 4 MiB"));
        assert!(parse(&b"\xff\xfe\n"[..], "log").is_err());
    }

    #[test]
    fn an_offset_is_the_median_of_what_matches() {
        let text = (0..20).map(|k| format!("word{k}")).collect::<Vec<_>>();
        let words: Vec<Spoken> = text
            .iter()
            .enumerate()
            .map(|(k, text)| Spoken { start_s: k as f64, end_s: k as f64 + 0.5, text: text.clone() })
            .collect();
        let track = |(k, text): (usize, &String)| crate::latency::captions::Track {
            text: normalise_word(text),
            levels: Vec::new(),
            // One word's time is far off.
            start_s: Some(k as f64 + if k == 3 { 9.0 } else { 2.5 }),
        };
        let segment =
            crate::latency::captions::Segment { words: text.iter().enumerate().map(track).collect(), ..Default::default() };
        let mut record = Record { segments: vec![segment], ..Default::default() };
        assert_eq!(find_offset(&words, &record).unwrap(), FoundOffset { seconds: 2.5, words: 20, spread_s: 0.0 });
        record.segments[0].words.truncate(5);
        assert!(find_offset(&words, &record).unwrap_err().message().contains("only 5 of 20"));
    }
}
