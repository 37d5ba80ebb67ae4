//! What a person sees at any size: events go in, pictures come out, and what is written of them leaves the same on a terminal.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::style::Modifier;
use unicode_width::UnicodeWidthStr;

use super::layout::picture;
use super::state::State;
use crate::event::{
    Caption, CaptionState, Device, DeviceState, EndReason, Event, EventBody, Gap, GapReason, SCHEMA_VERSION, Sound, SoundState,
    Speech, Stats,
};
use crate::time::SamplePosition;

fn at(seconds: f64) -> SamplePosition {
    SamplePosition::from_seconds(seconds)
}

fn event(emitted: f64, body: EventBody) -> Event {
    Event { v: SCHEMA_VERSION, seq: 0, emitted, file: None, body }
}

fn caption(segment: u64, state: CaptionState, start: f64, committed: &str, text: &str) -> EventBody {
    EventBody::Caption(Caption {
        segment,
        state,
        text: text.to_owned(),
        committed: committed.to_owned(),
        stable: committed.to_owned(),
        amended: Vec::new(),
        words: Vec::new(),
        start: at(start),
        end: at(start + 1.0),
        model: Arc::from("moonshine-tiny-en"),
    })
}

fn sound(event: u64, state: SoundState, label: &str, start: f64, end: f64) -> EventBody {
    let (label, id, model) = (Arc::from(label), Arc::from("/m/0bt9lr"), Arc::from("yamnet"));
    EventBody::Sound(Sound { event, state, label, id, score: 0.8, start: at(start), end: at(end), model })
}

fn device(state: DeviceState) -> EventBody {
    EventBody::Device(Device { state, name: "Table microphone".to_owned() })
}

fn stats(lag: f64, dropped: u64) -> EventBody {
    let (cpu, resident_mib, models) = (None, None, Vec::new());
    EventBody::Stats(Stats { audio: 1.0, level_dbfs: -30.0, lag, dropped, offset: 0.0, refresh: 0.3, cpu, resident_mib, models })
}

/// What is to be read; the second cell of a wide character is no character.
fn rows(picture: &Buffer) -> Vec<String> {
    let row = |y| {
        let (mut text, mut next) = (String::new(), 0);
        for x in 0..picture.area.width {
            let symbol = picture[(x, y)].symbol();
            if x >= next {
                text.push_str(symbol);
                next = x + symbol.width().max(1) as u16;
            }
        }
        text.trim_end().to_owned()
    };
    (0..picture.area.height).map(row).collect()
}

/// The modifiers of the cell at which `text` starts.
fn modifiers(picture: &Buffer, text: &str) -> Modifier {
    let rows = rows(picture);
    let (y, x) = rows.iter().enumerate().find_map(|(y, row)| Some((y, row[..row.find(text)?].width()))).expect(text);
    picture[(x as u16, y as u16)].modifier
}

#[test]
fn what_is_said_now_is_at_the_bottom_and_what_may_change_looks_so() {
    let mut state = State::new();
    state.event(&event(0.0, device(DeviceState::Open)));
    let first = picture(&mut state, 80, 24, true);
    assert_eq!(rows(&first)[20..22], [" Captions appear here.", &format!(" {}", "─".repeat(78))]);
    state.event(&event(1.0, caption(0, CaptionState::Final, 0.0, "Pass me the salt.", "Pass me the salt.")));
    state.event(&event(3.0, caption(1, CaptionState::Partial, 2.0, "Which", "Which one? The")));
    // A sound does not come between the reader and the open caption.
    state.event(&event(3.5, sound(0, SoundState::Start, "Dog", 2.5, 3.5)));
    state.event(&event(4.0, stats(0.31, 24_000)));
    state.level(-30.0);
    let shown = picture(&mut state, 80, 24, true);
    let rows = rows(&shown);
    assert_eq!(rows[18..21], [" Pass me the salt.", " [dog] 00:02", " Which one? The"]);
    assert_eq!(rows[22], " now  dog 0:01");
    assert_eq!(rows[23], " ██████░░░░░░          lag 0.3 s  lost 1.5 s  Table microphone  00:04  ? keys");
    assert_eq!((modifiers(&shown, "Pass"), modifiers(&shown, "Which")), (Modifier::empty(), Modifier::empty()));
    assert_eq!(modifiers(&shown, "one?"), Modifier::ITALIC | Modifier::DIM);
}

#[test]
fn a_pause_a_loss_and_an_alarm_are_said_in_large() {
    let mut state = State::new();
    state.event(&event(0.0, device(DeviceState::Open)));
    state.event(&event(9.0, sound(0, SoundState::Start, "Smoke detector, smoke alarm", 8.0, 9.0)));
    state.event(&event(10.0, device(DeviceState::Paused)));
    state.now(15.2);
    let shown = picture(&mut state, 80, 24, false);
    assert_eq!(rows(&shown)[1], " SMOKE DETECTOR, SMOKE ALARM for 0:07");
    assert_eq!(rows(&shown)[19], " PAUSED for 0:05: nothing is heard or kept. Space: listen again");
    for y in [0, 1, 2, 18, 19, 20] {
        assert!((0..80).all(|x| shown[(x, y)].modifier.contains(Modifier::REVERSED | Modifier::BOLD)), "row {y}");
    }
    state.event(&event(70.0, device(DeviceState::Lost)));
    let low = rows(&picture(&mut state, 64, 5, true));
    assert_eq!(low[0], " SMOKE DETECTOR, SMOKE ALARM for 1:02");
    assert_eq!(low[3], " NO SOUND since 01:10: lost Table microphone; looking for it");
    state.event(&event(75.0, device(DeviceState::Back)));
    state.level(-120.0);
    state.now(81.0);
    assert!(rows(&picture(&mut state, 60, 24, true)).iter().any(|row| row == " SILENT for 0:06: is the microphone muted?"));
}

/// Events in the order in which they come: what happens, and how long after the one before.
fn happenings() -> impl Strategy<Value = Vec<(u8, u8, f64)>> {
    prop::collection::vec((0_u8..12, any::<u8>(), 0.0..20.0_f64), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn nothing_overflows_and_the_newest_words_are_seen(
        happenings in happenings(),
        sizes in prop::collection::vec(((1_u16..130), (1_u16..50)), 1..6),
    ) {
        let mut state = State::new();
        let (mut now, mut segment, mut text) = (0.0, 0_u64, String::new());
        let mut terminal: Option<(vt100::Parser, Buffer)> = None;
        for (step, &(kind, value, after)) in happenings.iter().enumerate() {
            now += after;
            let (columns, rows_high) = sizes[usize::from(value) % sizes.len()];
            let mut newest = None;
            match kind {
                0..=3 => {
                    text.extend(["w漢é".to_owned(), format!("w{step}x"), " ".to_owned()]);
                    text.extend(std::iter::repeat_n("more words ", usize::from(value) / 16));
                    let word = format!("n{step}z");
                    let said = format!("{text}{word}");
                    let committed = said.char_indices().nth(usize::from(value)).map_or(text.len(), |(at, _)| at);
                    state.event(&event(now, caption(segment, CaptionState::Partial, now, &said[..committed], &said)));
                    newest = Some(word);
                }
                4 => {
                    let word = format!("n{step}z");
                    state.event(&event(now, caption(segment, CaptionState::Final, now, "", &format!("{text} {word}"))));
                    (segment, newest) = (segment + 1, Some(word));
                    text.clear();
                }
                5 => state.event(&event(now, sound(value.into(), SoundState::Start, "Smoke detector, smoke alarm", now, now))),
                6 => state.event(&event(now, sound(value.into(), SoundState::Update, "Dog", now, now + 1.0))),
                7 => state.event(&event(now, sound(value.into(), SoundState::End, "犬の鳴き声", now, now + 1.0))),
                8 => {
                    let states = [DeviceState::Waiting, DeviceState::Open, DeviceState::Paused, DeviceState::Lost, DeviceState::Back];
                    state.event(&event(now, device(states[usize::from(value) % states.len()])));
                }
                9 => state.event(&event(now, EventBody::Gap(Gap { start: at(now), samples: 7, reason: GapReason::Paused }))),
                10 => {
                    state.event(&event(now, EventBody::Speech(Speech::Start { segment: segment + 1, start: at(now) })));
                    let (start, end, reason) = (at(now), at(now), EndReason::Gap);
                    state.event(&event(now, EventBody::Speech(Speech::End { segment: segment + 1, start, end, reason })));
                    state.event(&event(now, stats(now, value.into())));
                    state.level(f32::from(value) - 140.0);
                }
                _ => {
                    match value % 4 {
                        0 => state.history.scroll(-isize::from(value)),
                        1 => state.history.return_to_now(),
                        2 => state.shows_keys = !state.shows_keys,
                        _ => state.note("a line of the log"),
                    }
                }
            }
            let shown = picture(&mut state, columns, rows_high, value % 2 == 0);
            prop_assert_eq!((shown.area.width, shown.area.height), (columns, rows_high));
            for y in 0..rows_high {
                for x in 0..columns {
                    prop_assert!(usize::from(x) + shown[(x, y)].symbol().width() <= usize::from(columns), "at {x}, {y}");
                }
            }
            let seen = !state.shows_keys && !state.history.looks_back();
            if let Some(word) = newest.filter(|_| seen && columns >= 8) {
                let found = rows(&shown).iter().any(|row| row.contains(&word));
                prop_assert!(found, "'{}' is not seen at {}x{}: {:#?}", word, columns, rows_high, rows(&shown));
            }
            // What is written of it leaves the same on a terminal.
            let (mut emulator, before) = terminal.take().filter(|(_, before)| before.area == shown.area).unwrap_or_else(|| {
                (vt100::Parser::new(rows_high, columns, 0), Buffer::empty(shown.area))
            });
            let mut bytes = Vec::new();
            CrosstermBackend::new(&mut bytes).draw(before.diff(&shown).into_iter()).unwrap();
            emulator.process(&bytes);
            let seen: Vec<String> = emulator.screen().rows(0, columns).map(|row| row.trim_end().to_owned()).collect();
            prop_assert_eq!(seen, rows(&shown));
            terminal = Some((emulator, shown));
        }
    }
}
