//! What of an event goes into a transcript for people, and in which words.
//!
//! In: bodies of events, whose text comes from models, files and devices. Out: words without control characters, times as mm:ss.

use std::collections::HashMap;
use std::sync::Arc;

use crate::event::{Device, DeviceState, Gap, GapReason, Sound, SoundState};
use crate::time::{SAMPLE_RATE, SamplePosition};

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
    };
    format!("{seconds:.1} s of audio missing: {why}")
}

/// What to say about a device; that it was opened is no news.
pub(super) fn device_words(device: &Device) -> Option<String> {
    let what = match device.state {
        DeviceState::Open => return None,
        DeviceState::Lost => "lost",
        DeviceState::Back => "is back",
    };
    Some(format!("microphone {what}: {}", printable(&device.name)))
}

/// The labels that each sound still heard was announced with: a sound is announced when it starts and when its label
/// becomes another (`Animal`, then `Dog`), never twice with the same.
#[derive(Debug, Default)]
pub(super) struct Announced(HashMap<u64, Vec<Arc<str>>>);

impl Announced {
    /// Whether `sound` has a label that it was not announced with.
    pub(super) fn is_news(&mut self, sound: &Sound) -> bool {
        if sound.state == SoundState::End {
            self.0.remove(&sound.event);
            return false;
        }
        let labels = self.0.entry(sound.event).or_default();
        let news = !labels.contains(&sound.label);
        if news {
            labels.push(Arc::clone(&sound.label));
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
    fn times_are_minutes_and_seconds() {
        let at = |seconds: f64| clock(SamplePosition::from_seconds(seconds));
        assert_eq!((at(0.0), at(59.99), at(72.5)), ("00:00".into(), "00:59".into(), "01:12".into()));
        assert_eq!(at(3_725.0), "1:02:05");
    }
}
