//! What a person sees: events go in, escape sequences come out, a terminal emulator shows them.

use std::sync::Arc;

use vt100::{Cell, Parser};

use super::super::roll::Roll;
use super::layout::{Size, region};
use super::screen::Screen;
use crate::event::{
    Caption, CaptionState, Device, DeviceState, EndReason, Event, EventBody, Gap, GapReason, SCHEMA_VERSION, Sound, SoundState,
    Speech, Stats,
};
use crate::time::SamplePosition;

/// A terminal of its own with the sink's picture on it.
struct Person {
    roll: Roll,
    screen: Screen,
    terminal: Parser,
    size: Size,
    emitted: f64,
}

impl Person {
    fn at(columns: u16, rows: u16) -> Self {
        let mut terminal = Parser::new(rows, columns, 1000);
        terminal.process(b"$ auricle listen\r\n");
        let size = Size { columns: columns.into(), rows: rows.into() };
        Self { roll: Roll::default(), screen: Screen::new(true), terminal, size, emitted: 0.0 }
    }

    fn sees(&mut self, body: EventBody) {
        self.roll.event(&Event { v: SCHEMA_VERSION, seq: 0, emitted: self.emitted, file: None, body });
        self.draw();
    }

    fn draw(&mut self) -> Vec<u8> {
        let settled = self.roll.settled();
        let open = region(&self.roll.open(), &self.roll.status, self.size);
        let bytes = self.screen.draw(settled, open, self.size).unwrap();
        self.terminal.process(&bytes);
        bytes
    }

    fn finishes(&mut self) {
        let bytes = self.screen.finish(self.roll.rest(), self.size).unwrap();
        self.terminal.process(&bytes);
    }

    /// As terminals that do not break rows anew do it: rows are cut or filled up, the cursor stays where it is.
    fn resizes(&mut self, columns: u16, rows: u16) {
        self.terminal.screen_mut().set_size(rows, columns);
        self.size = Size { columns: columns.into(), rows: rows.into() };
    }

    /// The rows that show anything, without trailing blanks.
    fn rows(&self) -> Vec<String> {
        self.terminal.screen().contents().lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// Everything since the start, scrolled away or not.
    fn history(&mut self) -> Vec<String> {
        self.terminal.screen_mut().set_scrollback(usize::MAX);
        let scrolled = self.terminal.screen().scrollback();
        let width = self.size.columns as u16;
        let mut lines = Vec::new();
        for back in (1..=scrolled).rev() {
            self.terminal.screen_mut().set_scrollback(back);
            lines.extend(self.terminal.screen().rows(0, width).next());
        }
        self.terminal.screen_mut().set_scrollback(0);
        lines.extend(self.rows());
        lines.into_iter().map(|line| line.trim_end().to_owned()).collect()
    }

    /// The cell at which `text` starts.
    fn cell(&self, text: &str) -> Cell {
        let rows = self.rows();
        let (row, column) = rows
            .iter()
            .enumerate()
            .find_map(|(row, line)| line.find(text).map(|at| (row, line[..at].chars().count())))
            .unwrap_or_else(|| panic!("'{text}' is not among {rows:#?}"));
        self.terminal.screen().cell(row as u16, column as u16).unwrap().clone()
    }
}

fn at(seconds: f64) -> SamplePosition {
    SamplePosition::from_seconds(seconds)
}

fn caption(segment: u64, state: CaptionState, start: f64, committed: &str, stable: &str, text: &str) -> EventBody {
    EventBody::Caption(Caption {
        segment,
        state,
        text: text.to_owned(),
        committed: committed.to_owned(),
        stable: stable.to_owned(),
        amended: Vec::new(),
        words: Vec::new(),
        start: at(start),
        end: at(start + 1.0),
        model: Arc::from("moonshine-tiny-en"),
    })
}

fn partial(segment: u64, start: f64, text: &str) -> EventBody {
    caption(segment, CaptionState::Partial, start, "", "", text)
}

fn last(segment: u64, start: f64, text: &str) -> EventBody {
    caption(segment, CaptionState::Final, start, text, text, text)
}

fn sound(event: u64, state: SoundState, label: &str, start: f64) -> EventBody {
    EventBody::Sound(Sound {
        event,
        state,
        label: Arc::from(label),
        id: Arc::from("/m/0bt9lr"),
        score: 0.8,
        start: at(start),
        // An update comes when the sound has gone on for long enough to be announced again.
        end: at(start + if state == SoundState::Start { 1.0 } else { 4.0 }),
        model: Arc::from("yamnet"),
    })
}

fn stats(level_dbfs: f32) -> EventBody {
    EventBody::Stats(Stats {
        audio: 1.0,
        level_dbfs,
        lag: 0.31,
        dropped: 0,
        offset: 0.0,
        refresh: 0.3,
        cpu: None,
        resident_mib: None,
        models: Vec::new(),
    })
}

const QUIET: &str = "░░░░░         0.0 s";

#[test]
fn a_caption_rolls_in_place_and_stays_when_it_is_final() {
    let mut person = Person::at(32, 8);
    person.sees(partial(0, 1.0, "well you don't"));
    assert_eq!(person.rows(), ["$ auricle listen", "well you don't", QUIET]);
    person.sees(caption(0, CaptionState::Partial, 1.0, "Well,", "Well, you don't", "Well, you don't look as if you cut"));
    assert_eq!(person.rows(), ["$ auricle listen", "Well, you don't look as if you", "cut", QUIET]);
    assert!(person.cell("Well").bold());
    let stable = person.cell("you don't");
    assert!(!stable.bold() && !stable.dim());
    assert!(person.cell("look").dim() && person.cell("cut").dim());

    person.sees(last(0, 1.0, "Well, you don't look as if you could."));
    assert_eq!(person.rows(), ["$ auricle listen", "Well, you don't look as if you", "could.", QUIET]);
    let settled = person.cell("Well");
    assert!(!settled.bold() && !settled.dim());

    person.sees(partial(1, 4.0, "no"));
    assert_eq!(person.rows()[3..], ["no", QUIET]);
}

#[test]
fn sounds_stand_between_captions_in_time_order() {
    let mut person = Person::at(60, 10);
    person.sees(EventBody::Speech(Speech::Start { segment: 0, start: at(2.0) }));
    person.sees(sound(0, SoundState::Start, "Animal", 72.0));
    person.sees(partial(0, 2.0, "is that"));
    person.sees(sound(1, SoundState::Start, "Knock", 1.5));
    // The knock came before the sentence; the dog waits behind it and may still become more exactly known.
    person.sees(sound(0, SoundState::Update, "Dog", 72.0));
    let status = "░░░░░░░░░░░░         lag 0.0 s  [dog, knock]";
    assert_eq!(person.rows(), ["$ auricle listen", "[knock] 00:01", "is that", "[dog] 01:12", status]);
    person.sees(last(0, 2.0, "Is that the door?"));
    person.sees(sound(0, SoundState::End, "Dog", 72.0));
    person.sees(sound(1, SoundState::End, "Knock", 1.5));
    let status = "░░░░░░░░░░░░         lag 0.0 s";
    assert_eq!(person.rows(), ["$ auricle listen", "[knock] 00:01", "Is that the door?", "[dog] 01:12", status]);
}

#[test]
fn segments_without_words_hold_nothing_up() {
    let mut person = Person::at(40, 10);
    person.sees(EventBody::Speech(Speech::Start { segment: 0, start: at(1.0) }));
    person.sees(sound(0, SoundState::Start, "Laughter", 1.2));
    person.sees(EventBody::Speech(Speech::End { segment: 0, start: at(1.0), end: at(2.0), reason: EndReason::Silence }));
    person.sees(last(0, 1.0, " "));
    person.sees(sound(0, SoundState::End, "Laughter", 1.2));
    // Segment 1 never gets its final; that of segment 2 closes it too.
    person.sees(partial(1, 3.0, "lost"));
    person.sees(last(2, 5.0, "Found."));
    person.finishes();
    assert_eq!(person.rows(), ["$ auricle listen", "[laughter] 00:01", "lost", "Found."]);
}

#[test]
fn the_history_is_a_clean_transcript() {
    let mut person = Person::at(24, 6);
    let mut expected = vec!["$ auricle listen".to_owned()];
    for segment in 0..30 {
        let start = segment as f64 * 3.0;
        for words in ["one", "one two three four five", "one two three four five six seven eight nine ten eleven"] {
            person.sees(partial(segment, start, words));
            person.sees(stats(-60.0 + segment as f32));
        }
        person.sees(last(segment, start, &format!("Segment {segment} is over and done with.")));
        expected.extend([format!("Segment {segment} is over and"), "done with.".to_owned()]);
    }
    person.finishes();
    assert_eq!(person.history(), expected);
}

#[test]
fn an_open_caption_higher_than_the_terminal_shows_its_end() {
    let mut person = Person::at(20, 4);
    let words: Vec<String> = (0..60).map(|n| format!("word{n}")).collect();
    for count in 1..60 {
        person.sees(partial(0, 0.0, &words[..count].join(" ")));
    }
    assert_eq!(person.rows()[1..], ["word54 word55 word56", "word57 word58", "░░░░░"]);
    person.sees(last(0, 0.0, "Short after all."));
    person.finishes();
    assert_eq!(person.history(), ["$ auricle listen", "Short after all."]);
}

#[test]
fn a_resized_terminal_is_drawn_anew() {
    let mut person = Person::at(40, 6);
    for segment in 0..20 {
        person.sees(last(segment, segment as f64, &format!("Sentence number {segment}, said aloud.")));
    }
    person.sees(partial(20, 20.0, "and the one that is still open"));
    for (columns, rows) in [(24, 6), (60, 5), (20, 8), (20, 3)] {
        person.resizes(columns, rows);
        person.draw();
        let seen = person.rows();
        assert_eq!(seen.len(), usize::from(rows), "{columns}x{rows}: {seen:#?}");
        let text = seen.join(" ");
        assert!(text.contains("is still open ░"), "{columns}x{rows}: {seen:#?}");
        assert_eq!(text.matches('░').count(), if columns < 40 { 5 } else { 12 }, "{columns}x{rows}: {seen:#?}");
        assert!(seen.iter().all(|row| row.chars().count() <= usize::from(columns)));
    }
    person.resizes(40, 12);
    person.draw();
    person.sees(last(20, 20.0, "And the one that was open."));
    person.finishes();
    let mut expected: Vec<String> = (10..20).map(|segment| format!("Sentence number {segment}, said aloud.")).collect();
    expected.push("And the one that was open.".to_owned());
    assert_eq!(person.rows(), expected);
}

#[test]
fn a_resize_at_the_start_leaves_what_was_on_the_terminal() {
    let mut person = Person::at(40, 10);
    person.sees(partial(0, 0.0, "hello there"));
    person.resizes(60, 12);
    person.draw();
    person.sees(last(0, 0.0, "Hello there."));
    person.finishes();
    assert_eq!(person.rows(), ["$ auricle listen", "Hello there."]);
}

#[test]
fn text_of_a_model_cannot_steer_the_terminal() {
    let mut person = Person::at(40, 10);
    person.sees(partial(0, 0.0, "\x1b[2Jhello\x1b]0;title\x07 \u{9b}1mthere\r\nagain"));
    person.sees(sound(0, SoundState::Start, "Dog\x1b[31m", 1.0));
    person.sees(last(0, 0.0, "\x1b[Hhello"));
    assert_eq!(person.rows()[..3], ["$ auricle listen", "[Hhello", "[dog[31m] 00:01"]);
}

#[test]
fn missing_audio_and_lost_devices_are_said() {
    let mut person = Person::at(80, 10);
    let device = |state| EventBody::Device(Device { state, name: "Table microphone".to_owned() });
    person.sees(device(DeviceState::Open));
    person.emitted = 61.0;
    person.sees(device(DeviceState::Lost));
    person.sees(EventBody::Gap(Gap { start: at(60.5), samples: 24_000, reason: GapReason::Device }));
    assert_eq!(person.rows()[1], "(microphone lost: Table microphone) 01:01");
    assert_eq!(person.rows()[2], "(1.5 s of audio missing: the device was lost) 01:00");
    assert!(person.rows()[3].ends_with("lost: Table microphone"));
    person.sees(device(DeviceState::Back));
    assert_eq!(person.rows()[3], "(microphone is back: Table microphone) 01:01");
    assert!(person.rows()[4].ends_with("  Table microphone"));
}

#[test]
fn a_pause_is_said_for_as_long_as_it_lasts() {
    let mut person = Person::at(80, 10);
    let device = |state| EventBody::Device(Device { state, name: "Table microphone".to_owned() });
    person.sees(device(DeviceState::Open));
    person.emitted = 61.0;
    person.sees(device(DeviceState::Paused));
    assert_eq!(person.rows()[1], "(microphone paused: Table microphone) 01:01");
    assert!(person.rows()[2].ends_with("paused: Table microphone"));
    person.sees(EventBody::Gap(Gap { start: at(61.0), samples: 24_000, reason: GapReason::Paused }));
    person.sees(device(DeviceState::Back));
    assert_eq!(person.rows()[2], "(1.5 s not listened to: paused) 01:01");
    assert_eq!(person.rows()[3], "(microphone is back: Table microphone) 01:01");
    assert!(person.rows()[4].ends_with("  Table microphone"));
}

#[test]
fn the_cursor_is_hidden_while_captions_roll_and_comes_back() {
    let mut person = Person::at(40, 5);
    person.sees(partial(0, 0.0, "hello"));
    assert!(person.terminal.screen().hide_cursor());
    person.finishes();
    assert!(!person.terminal.screen().hide_cursor());
    assert_eq!(person.terminal.screen().cursor_position(), (2, 0));
    assert_eq!(person.rows(), ["$ auricle listen", "hello"]);
}

#[test]
fn an_echoed_interrupt_leaves_nothing_behind() {
    for columns in [20, 40, 70] {
        let mut person = Person::at(columns, 8);
        let name = "A microphone with a name longer than any row of this terminal is wide".to_owned();
        person.sees(EventBody::Device(Device { state: DeviceState::Open, name }));
        person.sees(stats(-20.0));
        person.sees(partial(0, 0.0, "no, no"));
        person.terminal.process(b"^C");
        person.sees(last(0, 0.0, "No matter."));
        person.finishes();
        assert_eq!(person.rows(), ["$ auricle listen", "No matter."], "{columns}");
    }
}

#[test]
fn only_rows_that_changed_are_written() {
    let mut person = Person::at(40, 10);
    person.sees(partial(0, 0.0, "the first row of this caption is full of words"));
    assert!(person.draw().is_empty());
    person.roll.event(&Event { v: 1, seq: 0, emitted: 0.0, file: None, body: stats(-20.0) });
    let bytes = person.draw();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("-20 dB") && !text.contains("caption"), "{text:?}");
}
