//! What of an event goes into a transcript for people, and in which words.
//!
//! In: bodies of events, whose text comes from models, files and devices. Out: words without control characters, times as mm:ss.

use std::collections::HashMap;
use std::sync::Arc;

use crate::event::{Device, DeviceState, Gap, GapReason, Sound, SoundState};
use crate::time::{SAMPLE_RATE, SamplePosition, samples_in};

/// `text` with nothing in it that a terminal would act on: control characters and direction overrides are dropped, line
/// breaks and tabs become spaces.
pub(super) fn printable(text: &str) -> String {
    let steers = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|&c| !c.is_control() && !steers(c)).collect()
}

/// `time` as `mm:ss`, or `h:mm:ss` from an hour on.
pub(super) fn clock(time: SamplePosition) -> String {
    let seconds = time.0 / u64::from(SAMPLE_RATE);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes:02}:{seconds:02}") }
}

/// What to say about missing audio.
pub(super) fn gap_words(gap: &Gap) -> String {
    let seconds = gap.samples as f64 / f64::from(SAMPLE_RATE);
    let why = match gap.reason {
        GapReason::Overrun => "this machine was too slow",
        GapReason::Missing => "the device did not deliver it",
        GapReason::Device => "the device was lost",
        GapReason::Paused => return format!("{seconds:.1} s not listened to: paused"),
    };
    format!("{seconds:.1} s of audio missing: {why}")
}

/// What to say about a device; that it was opened is no news.
pub(super) fn device_words(device: &Device) -> Option<String> {
    let name = printable(&device.name);
    match device.state {
        DeviceState::Open => None,
        DeviceState::Waiting => Some(format!("waiting for a microphone: {name}")),
        DeviceState::Paused => Some(format!("microphone paused: {name}")),
        DeviceState::Lost => Some(format!("microphone lost: {name}")),
        DeviceState::Back => Some(format!("microphone is back: {name}")),
    }
}

/// A sound that goes on is announced under another label only after as much more of it was heard, seconds: its label may change
/// several times while the first patches come in, and a transcript is no place to watch that.
const ANNOUNCED_AGAIN_S: f64 = 2.0;

/// How each sound still heard was announced: when it starts, and when its label has become another (`Animal`, then `Dog`), never
/// twice with the same.
#[derive(Debug, Default)]
pub(super) struct Announced(HashMap<u64, Announcement>);

#[derive(Debug)]
struct Announcement {
    labels: Vec<Arc<str>>,
    /// Where the sound was known to end when it was last announced.
    at: SamplePosition,
}

impl Announced {
    /// Whether `sound` is to be announced now.
    pub(super) fn is_news(&mut self, sound: &Sound) -> bool {
        if sound.state == SoundState::End {
            self.0.remove(&sound.event);
            return false;
        }
        let first = Announcement { labels: Vec::new(), at: sound.end };
        let announced = self.0.entry(sound.event).or_insert(first);
        let waited = announced.labels.is_empty() || sound.end.since(announced.at) >= samples_in(ANNOUNCED_AGAIN_S);
        let news = waited && !announced.labels.contains(&sound.label);
        if news {
            announced.labels.push(Arc::clone(&sound.label));
            announced.at = sound.end;
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_printable_steers_a_terminal() {
        assert_eq!(printable("a\x1b[2Jb\x07\u{9b}31mc\u{202e}d\ne\tf\x7f"), "a[2Jb31mcd e f");
        assert_eq!(printable("naïve 日本 🎺"), "naïve 日本 🎺");
    }

    #[test]
    fn a_sound_is_announced_again_only_when_it_has_gone_on_under_another_label() {
        let mut announced = Announced::default();
        let mut told = |state, label: &str, end: f64| {
            let position = SamplePosition::from_seconds;
            let (label, id, model): (Arc<str>, Arc<str>, Arc<str>) = (label.into(), "/m/0jbk".into(), "yamnet".into());
            announced.is_news(&Sound { event: 7, state, label, id, score: 0.8, start: position(1.0), end: position(end), model })
        };
        assert!(told(SoundState::Start, "Animal", 2.0));
        assert!(!told(SoundState::Update, "Dog", 3.0), "too soon");
        assert!(told(SoundState::Update, "Dog", 4.0));
        assert!(!told(SoundState::Update, "Animal", 9.0), "it was announced as that");
        assert!(!told(SoundState::End, "Bark", 12.0));
        assert!(told(SoundState::Start, "Animal", 20.0), "another sound");
    }

    #[test]
    fn times_are_minutes_and_seconds() {
        let at = |seconds: f64| clock(SamplePosition::from_seconds(seconds));
        assert_eq!((at(0.0), at(59.99), at(72.5)), ("00:00".into(), "00:59".into(), "01:12".into()));
        assert_eq!(at(3_725.0), "1:02:05");
    }
}
