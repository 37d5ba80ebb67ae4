//! What a reader saw: captions followed from their first word to their final, one segment at a time.
//!
//! In: [`Event`]s in order. Out: a [`Record`]: of every segment its words with when each was shown, stable and committed, and what
//! changed on the way. Memory is that of the open segment's captions, and a few numbers a word of those that are closed.

use std::collections::BTreeMap;

use super::edit::{self, Step};
use super::normalise::normalise_word;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Caption, CaptionState, EndReason, Event, EventBody, SoundState, Speech, Stats};

/// Words that the captions of one segment may have together, before it is refused: a log is not to be believed.
const MOST_SHOWN: usize = 2_000_000;
/// Words of one caption.
const LONGEST_CAPTION: usize = 10_000;
/// Segments, statistics and sounds of one session, each.
const MOST_ROWS: usize = 1_000_000;

/// How settled a word was in a caption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Not there.
    Absent,
    /// In the text.
    Shown,
    /// In its stable prefix.
    Stable,
    /// In its committed prefix.
    Committed,
}

/// A word of a final and how it came to be there.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// The word as [`normalise_word`] leaves it; empty for punctuation.
    pub text: String,
    /// When its level changed, and to what; times are seconds of the session on which the device's drift has been taken off.
    pub levels: Vec<(f64, Level)>,
    /// Where the final says it starts, seconds, where the model tells.
    pub start_s: Option<f64>,
}

/// A segment of speech as it was captioned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Segment {
    /// Its number.
    pub number: u64,
    /// First sample, seconds.
    pub start_s: f64,
    /// Past the last sample, seconds, once it is over.
    pub end_s: Option<f64>,
    /// Why it ended.
    pub reason: Option<EndReason>,
    /// When its start was told.
    pub opened_s: Option<f64>,
    /// When its end was told.
    pub closed_s: Option<f64>,
    /// When each caption came.
    pub captions_s: Vec<f64>,
    /// When the first caption that has a word came.
    pub first_text_s: Option<f64>,
    /// When the final came.
    pub final_s: Option<f64>,
    /// The final's text as it was shown.
    pub text: String,
    /// The words of the final, in order.
    pub words: Vec<Track>,
    /// Words shown that the next caption did not keep.
    pub flips: u32,
    /// Words shown in captions that another one followed, a word counted in each.
    pub shown_words: u32,
    /// Captions whose committed text does not go on from the one before. Must be 0.
    pub committed_changes: u32,
    /// Words of the last stable prefix before the final.
    pub stable_words: u32,
    /// Those of them that the final did not keep.
    pub stable_amended: u32,
    /// Words of the final that had been committed before it.
    pub committed_before: u32,
    /// The committed text before the final and what the final alone has behind it: what a reader has who saw commits only.
    pub committed_text: String,
}

/// A `stats` event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When, seconds of the session.
    pub at_s: f64,
    /// Audio so far, seconds.
    pub audio_s: f64,
    /// Seconds by which speech was behind.
    pub lag_s: f64,
    /// Samples lost so far.
    pub dropped: u64,
    /// Seconds between refreshes.
    pub refresh_s: f64,
    /// Processor seconds of the process.
    pub cpu_s: Option<f64>,
    /// Resident memory, MiB.
    pub resident_mib: Option<f64>,
}

/// The start of a sound event.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// The label.
    pub label: String,
    /// Where the sound starts, seconds.
    pub start_s: f64,
    /// When it was told.
    pub at_s: f64,
}

/// What a session said, as far as it bears on latency.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Segments in the order of their numbers.
    pub segments: Vec<Segment>,
    /// How the session was doing.
    pub samples: Vec<Sample>,
    /// Sounds that were recognised.
    pub sounds: Vec<Heard>,
    /// Samples missing, in every gap.
    pub dropped: u64,
    /// Events that a hole in their numbers says are missing.
    pub missing: u64,
    /// Name, provider and threads of each model, where `stats` tells.
    pub models: Vec<(String, String, usize)>,
    /// The last time in any event, seconds.
    pub last_s: f64,
}

/// One caption of an open segment.
#[derive(Debug)]
struct Shown {
    at_s: f64,
    words: Vec<String>,
    stable: usize,
    committed: usize,
}

#[derive(Debug, Default)]
struct Open {
    segment: Segment,
    shown: Vec<Shown>,
    total: usize,
    committed: String,
    /// Where the final's words start.
    starts_s: Vec<f64>,
}

/// Follows the events of one session.
#[derive(Debug, Default)]
pub struct Recorder {
    record: Record,
    open: BTreeMap<u64, Open>,
    /// How much later than its position says a sample is due on the session's clock, seconds.
    offset_s: f64,
    /// Whether that is known from elsewhere than `stats`.
    scheduled: bool,
    next_seq: Option<u64>,
}

impl Recorder {
    /// Says that samples are due on a schedule whose zero is `late_s` seconds before the session's: its first block came late by as
    /// much, and the session takes it for punctual. What `stats` estimates of that is not used then.
    pub fn on_schedule(&mut self, late_s: f64) {
        (self.offset_s, self.scheduled) = (-late_s, true);
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// `Corrupt` for a caption or a session that is longer than any can be, or times that are no numbers.
    pub fn event(&mut self, event: &Event) -> Result<()> {
        if !event.emitted.is_finite() {
            return Err(corrupt(format!("event {} was emitted at {} s, which is no time", event.seq, event.emitted)));
        }
        let expected = self.next_seq.unwrap_or(event.seq);
        self.record.missing += event.seq.saturating_sub(expected);
        self.next_seq = Some(event.seq.saturating_add(1));
        let at_s = event.emitted - self.offset_s;
        self.record.last_s = self.record.last_s.max(at_s);
        match &event.body {
            EventBody::Caption(caption) => self.caption(at_s, caption)?,
            EventBody::Speech(Speech::Start { segment, start }) => {
                self.close_before(*segment)?;
                let open = self.segment(*segment)?;
                open.segment.start_s = start.seconds();
                open.segment.opened_s = Some(at_s);
            }
            EventBody::Speech(Speech::End { segment, start, end, reason }) => {
                let open = self.segment(*segment)?;
                open.segment.start_s = start.seconds();
                open.segment.end_s = Some(end.seconds());
                open.segment.reason = Some(*reason);
                open.segment.closed_s = Some(at_s);
            }
            EventBody::Sound(sound) if sound.state == SoundState::Start => {
                limit(self.record.sounds.len(), MOST_ROWS, "sounds")?;
                let heard = Heard { label: sound.label.to_string(), start_s: sound.start.seconds(), at_s };
                self.record.sounds.push(heard);
            }
            EventBody::Gap(gap) => self.record.dropped = self.record.dropped.saturating_add(gap.samples),
            EventBody::Stats(stats) => self.stats(event.emitted, stats)?,
            _ => {}
        }
        Ok(())
    }

    /// The record, once there are no more events.
    ///
    /// # Errors
    /// `InvalidInput` when captions are too long to compare.
    pub fn finish(mut self) -> Result<Record> {
        self.close_before(u64::MAX)?;
        self.record.segments.sort_by_key(|segment| segment.number);
        Ok(self.record)
    }

    fn segment(&mut self, number: u64) -> Result<&mut Open> {
        limit(self.record.segments.len() + self.open.len(), MOST_ROWS, "segments")?;
        Ok(self
            .open
            .entry(number)
            .or_insert_with(|| Open { segment: Segment { number, ..Default::default() }, ..Default::default() }))
    }

    fn stats(&mut self, at_s: f64, stats: &Stats) -> Result<()> {
        limit(self.record.samples.len(), MOST_ROWS, "stats")?;
        if stats.offset.is_finite() && !self.scheduled {
            self.offset_s = stats.offset;
        }
        if self.record.models.is_empty() {
            let models = stats.models.iter().take(16);
            self.record.models = models.map(|m| (m.model.to_string(), m.provider.to_string(), m.threads)).collect();
        }
        self.record.samples.push(Sample {
            at_s,
            audio_s: stats.audio,
            lag_s: stats.lag,
            dropped: stats.dropped,
            refresh_s: stats.refresh,
            cpu_s: stats.cpu,
            resident_mib: stats.resident_mib,
        });
        Ok(())
    }

    fn caption(&mut self, at_s: f64, caption: &Caption) -> Result<()> {
        let words: Vec<String> = caption.text.split_whitespace().map(normalise_word).collect();
        limit(words.len(), LONGEST_CAPTION, "words of one caption")?;
        let is_final = caption.state == CaptionState::Final;
        let count = |prefix: &str| if is_final { words.len() } else { prefix.split_whitespace().count().min(words.len()) };
        let (stable, committed) = (count(&caption.stable), count(&caption.committed));
        let open = self.segment(caption.segment)?;
        if open.segment.opened_s.is_none() {
            open.segment.start_s = caption.start.seconds();
        }
        open.total += words.len();
        limit(open.total, MOST_SHOWN, "words of one segment's captions")?;
        if !words.is_empty() {
            open.segment.first_text_s.get_or_insert(at_s);
        }
        if let Some(before) = open.shown.last() {
            open.segment.flips += lost(&before.words, &words)?;
            open.segment.shown_words += before.words.iter().filter(|word| !word.is_empty()).count() as u32;
        }
        let goes_on = if is_final { &caption.text } else { &caption.committed };
        if !goes_on.starts_with(&open.committed) {
            open.segment.committed_changes += 1;
        }
        if is_final {
            open.segment.committed_before = open.shown.last().map_or(0, |shown| shown.committed) as u32;
            open.segment.committed_text = frozen(&open.committed, &caption.text);
        }
        open.committed.clone_from(&caption.committed);
        open.segment.captions_s.push(at_s);
        open.shown.push(Shown { at_s, words, stable, committed });
        if is_final {
            open.segment.final_s = Some(at_s);
            open.segment.end_s.get_or_insert(caption.end.seconds());
            open.segment.text.clone_from(&caption.text);
            open.starts_s = caption.words.iter().map(|word| word.start.seconds()).collect();
            if let Some(open) = self.open.remove(&caption.segment) {
                self.record.segments.push(open.close()?);
            }
        }
        Ok(())
    }

    /// Segments that another one follows get no final any more.
    fn close_before(&mut self, number: u64) -> Result<()> {
        while let Some(entry) = self.open.first_entry().filter(|entry| *entry.key() < number) {
            self.record.segments.push(entry.remove().close()?);
        }
        Ok(())
    }
}

impl Open {
    fn close(mut self) -> Result<Segment> {
        if self.segment.final_s.is_none() {
            return Ok(self.segment);
        }
        let Some((last, before)) = self.shown.split_last() else { return Ok(self.segment) };
        if let Some(before) = before.last() {
            let stable: Vec<String> = before.words[..before.stable].iter().filter(|word| !word.is_empty()).cloned().collect();
            self.segment.stable_words = stable.len() as u32;
            self.segment.stable_amended = lost(&stable, &last.words)?;
        }
        let timed = self.starts_s.len() == last.words.len();
        let track = |(place, word): (usize, &String)| Track {
            text: word.clone(),
            levels: levels(place, word, &self.shown),
            start_s: self.starts_s.get(place).copied().filter(|_| timed),
        };
        self.segment.words = last.words.iter().enumerate().map(track).collect();
        Ok(self.segment)
    }
}

/// When the word at `place` of the final changed its level. It is there in a caption that has it at its place or next to it.
fn levels(place: usize, word: &str, shown: &[Shown]) -> Vec<(f64, Level)> {
    let mut levels = Vec::new();
    let mut now = Level::Absent;
    for caption in shown {
        let within = |settled: usize| {
            let end = (place + 2).min(settled);
            caption.words.get(place.saturating_sub(1)..end).is_some_and(|near| near.iter().any(|other| other == word))
        };
        let level = if within(caption.committed) {
            Level::Committed
        } else if within(caption.stable) {
            Level::Stable
        } else if within(caption.words.len()) {
            Level::Shown
        } else {
            Level::Absent
        };
        if level != now {
            now = level;
            levels.push((caption.at_s, level));
        }
    }
    levels
}

/// Words of `before` that `after` does not keep, by minimum-edit alignment; punctuation does not count.
fn lost(before: &[String], after: &[String]) -> Result<u32> {
    let gone = |step: &Step| match *step {
        Step::Substituted(i, _) | Step::Deleted(i) => !before[i].is_empty(),
        Step::Same(..) | Step::Inserted(..) => false,
    };
    Ok(edit::align(before, after)?.iter().filter(|step| gone(step)).count() as u32)
}

/// The committed text as it stood, and behind it what the final has beyond as many words.
fn frozen(committed: &str, text: &str) -> String {
    let rest = match text.strip_prefix(committed) {
        Some(rest) => rest.trim().to_owned(),
        None => text.split_whitespace().skip(committed.split_whitespace().count()).collect::<Vec<_>>().join(" "),
    };
    [committed.trim(), &rest].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn limit(count: usize, most: usize, what: &str) -> Result<()> {
    if count > most { Err(corrupt(format!("more than {most} {what} are not read"))) } else { Ok(()) }
}

fn corrupt(message: String) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

#[cfg(test)]
pub(super) mod tests;
