//! Lines: final captions, `[Dog] 00:12` for a sound, notices. Plain, or with a time in front and colours on a terminal.
//!
//! In: events, in the order they were emitted. Out: lines; nothing for a caption that may still change.

use crossterm::style::{Attribute, Color, ResetColor, SetAttribute, SetForegroundColor};

use crate::error::Result;
use crate::event::{CaptionState, Event, EventBody};
use crate::time::SamplePosition;

use super::output::{Reader, Writer};
use super::terminal::{columns, rows};
use super::transcript::{Announced, clock, device_words, gap_words, printable};

/// Text beside the times is at least this wide, in columns.
const NARROWEST: usize = 12;

/// What the lines look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looks {
    /// Text and nothing else.
    Plain,
    /// Each line starts with its time, in colours where they are wanted.
    Timed { colours: bool },
}

#[derive(Debug)]
pub(super) struct Text {
    pub(super) writer: Writer,
    looks: Looks,
    announced: Announced,
    headed: bool,
}

impl Text {
    pub(super) fn new(writer: Writer, looks: Looks) -> Self {
        Self { writer, looks, announced: Announced::default(), headed: false }
    }

    pub(super) fn event(&mut self, event: &Event) -> Result<Reader> {
        match &event.body {
            EventBody::Caption(caption) if caption.state == CaptionState::Final => {
                let text = printable(&caption.text);
                match text.trim() {
                    "" => Ok(Reader::There),
                    text => self.caption(text, caption.start),
                }
            }
            EventBody::Sound(sound) if self.announced.is_news(sound) => self.tag(&printable(&sound.label), sound.start),
            EventBody::Gap(gap) => self.notice(&gap_words(gap), gap.start),
            EventBody::Device(device) => match device_words(device) {
                Some(words) => self.notice(&words, SamplePosition::from_seconds(event.emitted)),
                None => Ok(Reader::There),
            },
            _ => Ok(Reader::There),
        }
    }

    /// `== file`, with an empty line before every heading but the first.
    pub(super) fn heading(&mut self, file: &str) -> Result<Reader> {
        // Sounds are numbered from 0 again in the next file.
        self.announced = Announced::default();
        let before = if std::mem::replace(&mut self.headed, true) { "\n" } else { "" };
        let file = printable(file);
        let line = match self.looks {
            Looks::Plain => format!("{before}== {file}\n"),
            Looks::Timed { .. } => {
                format!("{before}{}== {file}{}\n", SetAttribute(Attribute::Bold), SetAttribute(Attribute::Reset))
            }
        };
        self.writer.write(line.as_bytes())
    }

    fn caption(&mut self, text: &str, start: SamplePosition) -> Result<Reader> {
        match self.looks {
            Looks::Plain => self.writer.write(format!("{text}\n").as_bytes()),
            Looks::Timed { .. } => self.timed(start, None, text),
        }
    }

    fn tag(&mut self, label: &str, start: SamplePosition) -> Result<Reader> {
        match self.looks {
            Looks::Plain => self.writer.write(format!("[{label}] {}\n", clock(start)).as_bytes()),
            Looks::Timed { .. } => self.timed(start, Some(Color::DarkCyan), &format!("[{}]", label.to_lowercase())),
        }
    }

    fn notice(&mut self, words: &str, start: SamplePosition) -> Result<Reader> {
        match self.looks {
            Looks::Plain => self.writer.write(format!("({words}) {}\n", clock(start)).as_bytes()),
            Looks::Timed { .. } => self.timed(start, Some(Color::Red), &format!("({words})")),
        }
    }

    /// The time, then `text`, which goes on below its own start where it is wider than the terminal.
    fn timed(&mut self, start: SamplePosition, colour: Option<Color>, text: &str) -> Result<Reader> {
        let wanted = matches!(self.looks, Looks::Timed { colours: true });
        let time = format!("{:>5}  ", clock(start));
        let mut line = format!("{}{time}{}", SetAttribute(Attribute::Dim), SetAttribute(Attribute::Reset));
        for (index, row) in rows(text, columns().saturating_sub(time.len()).max(NARROWEST)).iter().enumerate() {
            if index > 0 {
                line.extend(std::iter::repeat_n(' ', time.len()));
            }
            match colour.filter(|_| wanted) {
                Some(colour) => line.push_str(&format!("{}{row}{ResetColor}\n", SetForegroundColor(colour))),
                None => line.push_str(&format!("{row}\n")),
            }
        }
        self.writer.write(line.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::event::{Device, DeviceState, Gap, GapReason, Sound, SoundState};

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written of a caption that became final, a sound that was first heard as another, a gap and a lost device.
    fn written(looks: Looks) -> String {
        let paper = Paper::default();
        let mut text = Text::new(Writer::to(paper.clone()), looks);
        let _ = text.heading("a\x1b[1m.wav").unwrap();
        let sound = |state, label: &str| {
            EventBody::Sound(Sound {
                event: 0,
                state,
                label: label.into(),
                id: "/m/0bt9lr".into(),
                score: 0.8,
                start: SamplePosition::from_seconds(12.0),
                end: SamplePosition::from_seconds(if state == SoundState::Start { 13.0 } else { 16.0 }),
                model: "yamnet".into(),
            })
        };
        let bodies = [
            caption(CaptionState::Partial, "hello"),
            sound(SoundState::Start, "Animal"),
            sound(SoundState::Update, "Animal"),
            caption(CaptionState::Final, " Hello there.\n"),
            sound(SoundState::Update, "Dog"),
            sound(SoundState::End, "Dog"),
            caption(CaptionState::Final, ""),
            EventBody::Gap(Gap { start: SamplePosition(0), samples: 8_000, reason: GapReason::Overrun }),
            EventBody::Device(Device { state: DeviceState::Open, name: "table".to_owned() }),
            EventBody::Device(Device { state: DeviceState::Lost, name: "table".to_owned() }),
        ];
        for body in bodies {
            assert_eq!(text.event(&Event { v: 1, seq: 0, emitted: 61.5, file: None, body }).unwrap(), Reader::There);
        }
        let _ = text.heading("b.wav").unwrap();
        let bytes = paper.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn caption(state: CaptionState, text: &str) -> EventBody {
        EventBody::Caption(crate::event::Caption {
            segment: 0,
            state,
            text: text.to_owned(),
            committed: String::new(),
            stable: String::new(),
            amended: Vec::new(),
            words: Vec::new(),
            start: SamplePosition::from_seconds(3.0),
            end: SamplePosition::from_seconds(4.0),
            model: "moonshine-tiny-en".into(),
        })
    }

    #[test]
    fn plain_lines_hold_what_is_final_and_nothing_else() {
        let expected = "== a[1m.wav\n[Animal] 00:12\nHello there.\n[Dog] 00:12\n\
                        (0.5 s of audio missing: this machine was too slow) 00:00\n(microphone lost: table) 01:01\n\n== b.wav\n";
        assert_eq!(written(Looks::Plain), expected);
    }

    #[test]
    fn timed_lines_start_with_the_time_and_colour_only_when_wanted() {
        crossterm::style::force_color_output(true); // whatever NO_COLOR says where the test runs
        let coloured = written(Looks::Timed { colours: true });
        let plain = written(Looks::Timed { colours: false });
        assert!(coloured.contains("\x1b[38;5;6m[dog]") && !plain.contains("38;5"), "{coloured:?}");
        let mut screen = vt100::Parser::new(12, 80, 0);
        screen.process(coloured.replace('\n', "\r\n").as_bytes());
        let shown = screen.screen().contents();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[1..4], ["00:12  [animal]", "00:03  Hello there.", "00:12  [dog]"]);
    }
}
