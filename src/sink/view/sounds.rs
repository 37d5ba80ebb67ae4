//! The event strip: sounds that are heard now and for how long, those before, and alarms.
//!
//! In: sound events, and the time. Out: what there is to say of them, shortened to the columns there are.

use std::collections::VecDeque;

use unicode_width::UnicodeWidthStr;

use super::super::rows::{Line, Span, Style, shortened, width};
use super::super::transcript::{clock, printable};
use crate::event::{Sound, SoundState};
use crate::time::SamplePosition;

/// Sounds heard at once that are told apart; a tagger has no more.
const MOST_RUNNING: usize = 32;
/// Sounds that are over and still told.
const MOST_PAST: usize = 12;
/// How long an alarm that is over is still told in large, seconds: long enough to come back to the table.
const ALARM_STAYS_S: f64 = 60.0;

/// The sounds of a session.
#[derive(Debug, Default)]
pub(super) struct Sounds {
    running: Vec<Heard>,
    /// Newest first.
    past: VecDeque<Heard>,
    alarm: Option<Alarm>,
}

#[derive(Clone, Debug)]
struct Heard {
    event: u64,
    label: String,
    start: SamplePosition,
}

#[derive(Debug)]
struct Alarm {
    heard: Heard,
    end: Option<SamplePosition>,
}

impl Sounds {
    /// Takes in a sound.
    pub(super) fn event(&mut self, sound: &Sound) {
        let heard = Heard { event: sound.event, label: printable(&sound.label).to_lowercase(), start: sound.start };
        let end = (sound.state == SoundState::End).then_some(sound.end);
        let known = self.running.iter().position(|running| running.event == sound.event);
        match (known, end) {
            (Some(index), None) => self.running[index] = heard.clone(),
            (None, None) if self.running.len() < MOST_RUNNING => self.running.push(heard.clone()),
            (None, None) => {}
            (known, Some(_)) => {
                if let Some(index) = known {
                    self.running.remove(index);
                }
                self.past.push_front(heard.clone());
                self.past.truncate(MOST_PAST);
            }
        }
        match &mut self.alarm {
            // Its label may change while it sounds; an alarm it stays.
            Some(alarm) if alarm.heard.event == heard.event => {
                if is_alarm(&heard.label) {
                    alarm.heard.label = heard.label;
                }
                alarm.end = end;
            }
            _ if is_alarm(&heard.label) => self.alarm = Some(Alarm { heard, end }),
            _ => {}
        }
    }

    /// What to say in large of an alarm that sounds, or did within the last minute.
    pub(super) fn alarm(&self, now_s: f64) -> Option<String> {
        let Alarm { heard, end } = self.alarm.as_ref()?;
        let label = heard.label.to_uppercase();
        match end {
            None => Some(format!("{label} for {}", span(now_s - heard.start.seconds()))),
            Some(end) if now_s - end.seconds() <= ALARM_STAYS_S => {
                Some(format!("{label} from {} to {}", clock(heard.start), clock(*end)))
            }
            Some(_) => None,
        }
    }

    /// The sounds heard now, each with how long, in at most `columns`; those that have gone on for the least time first.
    pub(super) fn now(&self, now_s: f64, columns: usize) -> Line {
        let words = self.running.iter().rev().map(|heard| (heard.label.as_str(), span(now_s - heard.start.seconds())));
        line("now", words, if self.running.is_empty() { "no sounds" } else { "" }, Style::Tag, columns)
    }

    /// The sounds before, the newest first, each with when it began, in at most `columns`; nothing when there were none.
    pub(super) fn before(&self, columns: usize) -> Line {
        if self.past.is_empty() {
            return Line::new();
        }
        line("before", self.past.iter().map(|heard| (heard.label.as_str(), clock(heard.start))), "", Style::Spoken, columns)
    }
}

/// As many of `words` as fit behind `title`; the first is shortened rather than left out.
fn line<'a>(title: &str, words: impl Iterator<Item = (&'a str, String)>, otherwise: &str, style: Style, columns: usize) -> Line {
    const LEAST: usize = 6;
    let mut line = vec![Span::new(format!("{title}  {otherwise}"), Style::Faint)];
    for (index, (label, time)) in words.enumerate() {
        let gap = if index == 0 { "" } else { "   " };
        let left = columns.saturating_sub(width(&line) + gap.width() + 1 + time.width());
        if left < label.width() && (index > 0 || left < LEAST) {
            break;
        }
        line.push(Span::new(gap, Style::Faint));
        line.push(Span::new(shortened(label, left), style));
        line.push(Span::new(format!(" {time}"), Style::Faint));
    }
    line
}

/// A length of time as `m:ss`, or `h:mm:ss` from an hour on.
pub(super) fn span(seconds: f64) -> String {
    let clock = clock(SamplePosition::from_seconds(seconds));
    match clock.strip_prefix('0') {
        Some(short) => short.to_owned(),
        None => clock,
    }
}

/// Whether a sound is one to get up for, in the names of AudioSet. What beeps is one sound to a tagger, so that `alarm` alone may be
/// a smoke alarm; sirens of vehicles are outside, and clocks and cars are no danger.
fn is_alarm(label: &str) -> bool {
    let names = ["alarm", "siren", "civil defense siren", "fire alarm"];
    names.contains(&label) || label.contains("smoke") || label.contains("carbon monoxide")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn sound(event: u64, state: SoundState, label: &str, start: f64, end: f64) -> Sound {
        let (start, end) = (SamplePosition::from_seconds(start), SamplePosition::from_seconds(end));
        Sound {
            event,
            state,
            label: Arc::from(label),
            id: Arc::from("/m/0bt9lr"),
            score: 0.8,
            start,
            end,
            model: Arc::from("yamnet"),
        }
    }

    fn text(line: &[Span]) -> String {
        line.iter().map(|span| span.text.as_str()).collect()
    }

    #[test]
    fn sounds_are_told_while_they_last_and_afterwards() {
        let mut sounds = Sounds::default();
        assert_eq!((text(&sounds.now(0.0, 60)), text(&sounds.before(60))), ("now  no sounds".to_owned(), String::new()));
        sounds.event(&sound(0, SoundState::Start, "Music", 2.0, 3.0));
        sounds.event(&sound(1, SoundState::Start, "Animal", 40.0, 41.0));
        sounds.event(&sound(1, SoundState::Update, "Dog", 40.0, 43.0));
        assert_eq!(text(&sounds.now(64.5, 60)), "now  dog 0:24   music 1:02");
        assert_eq!(text(&sounds.now(64.5, 20)), "now  dog 0:24");
        sounds.event(&sound(1, SoundState::End, "Dog", 40.0, 66.0));
        assert_eq!(
            (text(&sounds.now(70.0, 60)), text(&sounds.before(60))),
            ("now  music 1:08".into(), "before  dog 00:40".into())
        );
        for event in 2..100 {
            sounds.event(&sound(event, SoundState::Start, "Knock", 80.0, 81.0));
        }
        assert_eq!(sounds.running.len(), MOST_RUNNING);
        for columns in 0..70 {
            assert!(width(&sounds.now(90.0, columns)) <= columns.max("now  ".len()), "{columns}");
        }
    }

    #[test]
    fn an_alarm_is_told_for_a_minute_after_its_end() {
        let mut sounds = Sounds::default();
        sounds.event(&sound(0, SoundState::Start, "Alarm clock", 2.0, 3.0));
        assert_eq!(sounds.alarm(4.0), None);
        sounds.event(&sound(1, SoundState::Start, "Alarm", 60.0, 61.0));
        sounds.event(&sound(1, SoundState::Update, "Smoke detector, smoke alarm", 60.0, 63.0));
        sounds.event(&sound(1, SoundState::Update, "Beep, bleep", 60.0, 65.0));
        assert_eq!(sounds.alarm(72.9).as_deref(), Some("SMOKE DETECTOR, SMOKE ALARM for 0:12"));
        sounds.event(&sound(1, SoundState::End, "Smoke detector, smoke alarm", 60.0, 75.0));
        assert_eq!(sounds.alarm(134.0).as_deref(), Some("SMOKE DETECTOR, SMOKE ALARM from 01:00 to 01:15"));
        assert_eq!(sounds.alarm(136.0), None);
    }
}
