//! SubRip and WebVTT: a cue as text that both kinds of player read.
//!
//! In: cues. Out: text to append to a file, a header and then a whole cue at a time, so that the file is complete after each.
//! WebVTT is the W3C's (<https://www.w3.org/TR/webvtt1/>); SubRip has no standard and no escapes, so that what players take for
//! markup is written with characters that look alike.

use std::fmt::Write as _;

use super::Cue;

/// The two kinds of subtitle file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subtitles {
    /// `.srt`: numbers, times with a comma, plain text.
    SubRip,
    /// `.vtt`: for browsers.
    WebVtt,
}

impl Subtitles {
    /// What the file begins with.
    pub fn header(self) -> &'static str {
        match self {
            Self::SubRip => "",
            Self::WebVtt => "WEBVTT\n\n",
        }
    }

    /// `cue` with the empty line after it; `number` counts the cues of the file from 1.
    pub fn cue(self, number: u64, cue: &Cue) -> String {
        let mut text = String::new();
        let times = match self {
            Self::SubRip => format!("{number}\n{} --> {}\n", clock(cue.start_ms, ','), clock(cue.end_ms, ',')),
            Self::WebVtt => format!("{} --> {}\n", clock(cue.start_ms, '.'), clock(cue.end_ms, '.')),
        };
        text.push_str(&times);
        for line in &cue.lines {
            line.chars().for_each(|character| self.write(character, &mut text));
            text.push('\n');
        }
        text.push('\n');
        text
    }

    fn write(self, character: char, text: &mut String) {
        match (self, character) {
            (Self::WebVtt, '&') => text.push_str("&amp;"),
            (Self::WebVtt, '<') => text.push_str("&lt;"),
            (Self::WebVtt, '>') => text.push_str("&gt;"),
            (Self::SubRip, '<') => text.push('‹'),
            (Self::SubRip, '>') => text.push('›'),
            (Self::SubRip, '{') => text.push('('),
            (Self::SubRip, '}') => text.push(')'),
            (_, other) => text.push(other),
        }
    }
}

/// Hours, minutes, seconds and milliseconds.
fn clock(ms: u64, point: char) -> String {
    let (seconds, ms) = (ms / 1_000, ms % 1_000);
    let mut text = String::new();
    // Writing into a String does not fail.
    let _ = write!(text, "{:02}:{:02}:{:02}{point}{ms:03}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_looks_like_a_format_is_text() {
        let cue =
            Cue { start_ms: 3_725_042, end_ms: 360_000_999, lines: vec!["<i>1 & 2</i>".into(), "00:01 --> {\\an8}".into()] };
        assert_eq!(Subtitles::SubRip.cue(7, &cue), "7\n01:02:05,042 --> 100:00:00,999\n‹i›1 & 2‹/i›\n00:01 --› (\\an8)\n\n");
        assert_eq!(
            Subtitles::WebVtt.cue(7, &cue),
            "01:02:05.042 --> 100:00:00.999\n&lt;i&gt;1 &amp; 2&lt;/i&gt;\n00:01 --&gt; {\\an8}\n\n"
        );
        assert_eq!((Subtitles::SubRip.header(), Subtitles::WebVtt.header()), ("", "WEBVTT\n\n"));
    }
}
