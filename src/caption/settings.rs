//! What makes a subtitle readable, in numbers.

use crate::error::{Error, ErrorKind, Result};

/// The measures of a cue. The defaults are Netflix's Timed Text Style Guide for English (42 columns, two lines, 5/6 to 7 seconds, a gap of
/// two frames of 24 a second, out-times up to 12 frames after the audio) and, where it is silent, the BBC's Subtitle Guidelines.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Columns of a line, 8 to 1,000. Default 42. Wide characters take two.
    pub columns: usize,
    /// A cue is shown at least this long, 0.1 to 10 s. Default 5/6 s. What follows appears later if need be, by [`Settings::late_s`] at
    /// most; only a crowd of cues within less time than that makes one shorter, and none is shorter than 0.25 s.
    pub minimum_s: f64,
    /// A cue is shown at most this long, `minimum_s` to 60 s. Default 7 s.
    pub maximum_s: f64,
    /// Reading speed: a cue stays for a second for every so many characters, where nothing else is said meanwhile. 5 to 100,
    /// default 17: the guide's figure for English templates; its most for adults is 20, and the BBC's 160 to 180 words a minute are about 15.
    pub characters_per_s: f64,
    /// A cue stays this long after its last word where there is time, 0 to 10 s. Default 0.5 s.
    pub linger_s: f64,
    /// From the end of a cue to the start of the next, 0 to 1 s. Default 1/12 s, which makes the eye notice the change.
    pub gap_s: f64,
    /// A longer pause than the gap, but shorter than this, is filled: a screen that is empty for a moment flickers. 0 to 10 s, default 0.5 s.
    pub join_s: f64,
    /// A cue may appear this much after its first word so that the one before it can be read, 0 to 10 s. Default 1.5 s (BBC).
    pub late_s: f64,
    /// How long speech and sounds wait for what started before them and is told later, 0 to 60 s. Default 3 s: a sound is told when it
    /// has been heard for about a second, and its label settles in another.
    pub hold_s: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            columns: 42,
            minimum_s: 5.0 / 6.0,
            maximum_s: 7.0,
            characters_per_s: 17.0,
            linger_s: 0.5,
            gap_s: 1.0 / 12.0,
            join_s: 0.5,
            late_s: 1.5,
            hold_s: 3.0,
        }
    }
}

impl Settings {
    /// Checks every number.
    ///
    /// # Errors
    /// `InvalidInput` naming the setting, its value and its range.
    pub fn check(&self) -> Result<()> {
        let bounds = [
            ("columns", self.columns as f64, 8.0, 1_000.0),
            ("minimum_s", self.minimum_s, 0.1, 10.0),
            ("maximum_s", self.maximum_s, self.minimum_s, 60.0),
            ("characters_per_s", self.characters_per_s, 5.0, 100.0),
            ("linger_s", self.linger_s, 0.0, 10.0),
            ("gap_s", self.gap_s, 0.0, 1.0),
            ("join_s", self.join_s, 0.0, 10.0),
            ("late_s", self.late_s, 0.0, 10.0),
            ("hold_s", self.hold_s, 0.0, 60.0),
        ];
        match bounds.iter().find(|(_, value, least, most)| !(least..=most).contains(&value)) {
            None => Ok(()),
            Some((name, value, least, most)) => {
                let message = format!("caption setting {name} is {value}; choose {least} to {most}");
                Err(Error::new(ErrorKind::InvalidInput, message))
            }
        }
    }
}

/// `seconds` in milliseconds.
pub(super) fn milliseconds(seconds: f64) -> u64 {
    (seconds * 1e3).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_out_of_its_range_is_named() {
        assert_eq!(Settings::default().check(), Ok(()));
        let error = Settings { maximum_s: 0.5, ..Default::default() }.check().unwrap_err();
        assert!(error.message().contains("maximum_s is 0.5; choose 0.83"), "{error}");
        assert!(Settings { gap_s: f64::NAN, ..Default::default() }.check().is_err());
    }
}
