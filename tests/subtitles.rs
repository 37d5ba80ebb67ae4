//! Subtitles as a reader meets them: whatever is said and heard, cues that can be read, in order, with every word once.

use std::sync::Arc;

use auricle::caption::{Cue, Cues, Settings, Subtitles};
use auricle::event::{Caption, CaptionState, EndReason, EventBody, Gap, GapReason, Sound, SoundState, Speech, Stats, Word};
use auricle::time::SamplePosition;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use unicode_width::UnicodeWidthStr;

fn at(seconds: f64) -> SamplePosition {
    SamplePosition::from_seconds(seconds)
}

fn caption(segment: u64, start: f64, end: f64, words: Vec<(String, f64, f64)>) -> EventBody {
    let text = words.iter().map(|(word, _, _)| word.as_str()).collect::<Vec<_>>().join(" ");
    let word = |(text, start, end): (String, f64, f64)| Word { text, start: at(start), end: at(end), probability: 0.9 };
    EventBody::Caption(Caption {
        segment,
        state: CaptionState::Final,
        committed: text.clone(),
        stable: text.clone(),
        text,
        amended: Vec::new(),
        words: words.into_iter().map(word).collect(),
        start: at(start),
        end: at(end),
        model: "moonshine-tiny-en".into(),
    })
}

fn sound(event: u64, state: SoundState, label: &str, start: f64, end: f64) -> EventBody {
    let (label, id, model): (Arc<str>, Arc<str>, Arc<str>) = (label.into(), "/m/0bt9lr".into(), "yamnet".into());
    EventBody::Sound(Sound { event, state, label, id, score: 0.8, start: at(start), end: at(end), model })
}

fn speech_starts(segment: u64, start: f64) -> EventBody {
    EventBody::Speech(Speech::Start { segment, start: at(start) })
}

fn speech_ends(segment: u64, start: f64, end: f64) -> EventBody {
    EventBody::Speech(Speech::End { segment, start: at(start), end: at(end), reason: EndReason::Silence })
}

fn stats(audio: f64) -> EventBody {
    EventBody::Stats(Stats {
        audio,
        level_dbfs: -40.0,
        lag: 0.0,
        dropped: 0,
        offset: 0.0,
        refresh: 0.3,
        cpu: None,
        resident_mib: None,
        models: Vec::new(),
    })
}

fn cues_of(events: &[EventBody]) -> Vec<Cue> {
    let mut cues = Cues::new(Settings::default()).unwrap();
    let mut told = Vec::new();
    events.iter().for_each(|event| cues.event(event, &mut |cue| told.push(cue)));
    cues.finish(&mut |cue| told.push(cue));
    told
}

/// The lines of each cue, with `/` between two.
fn shown(cues: &[Cue]) -> Vec<String> {
    cues.iter().map(|cue| cue.lines.join(" / ")).collect()
}

/// `text` in words of 0.3 s from `start`.
fn spoken(text: &str, start: f64) -> Vec<(String, f64, f64)> {
    let times = |(index, word): (usize, &str)| {
        let from = start + 0.3 * index as f64;
        (word.to_owned(), from, from + 0.3)
    };
    text.split_whitespace().enumerate().map(times).collect()
}

fn is_tag(line: &str) -> bool {
    line.starts_with('[')
}

/// What holds for any events at all.
fn assert_can_be_read(cues: &[Cue]) -> Result<(), TestCaseError> {
    for cue in cues {
        prop_assert!((1..=2).contains(&cue.lines.len()), "{cue:?}");
        for line in &cue.lines {
            prop_assert!((1..=42).contains(&line.width()), "{} columns: {cue:?}", line.width());
            prop_assert!(!line.chars().any(char::is_control) && line.trim() == line, "{cue:?}");
        }
        let shown_ms = cue.end_ms.checked_sub(cue.start_ms);
        prop_assert!(shown_ms.is_some_and(|ms| (250..=7_000).contains(&ms)), "{cue:?}");
    }
    for pair in cues.windows(2) {
        prop_assert!(pair[0].end_ms + 83 <= pair[1].start_ms, "{pair:?}");
        // The minimum, unless the next is waiting.
        let shown_ms = pair[0].end_ms - pair[0].start_ms;
        prop_assert!(shown_ms >= 833 || pair[0].end_ms + 83 == pair[1].start_ms, "{pair:?}");
    }
    Ok(())
}

/// An hour of talk: segments of words and pauses, sounds anywhere, each event with when it is emitted.
#[derive(Clone, Debug)]
struct Talk {
    words: Vec<(String, f64, f64)>,
    sounds: Vec<(f64, f64)>,
    events: Vec<(f64, EventBody)>,
}

fn talk() -> impl Strategy<Value = Talk> {
    let word = (1_usize..14, 0_u32..60, 0_u32..40, 0_u32..12);
    let segment = (0_u32..80, vec(word, 0..50));
    let noise = (0_u32..2_000, 2_u32..60, 9_u32..25);
    (vec(segment, 0..8), vec(noise, 0..12)).prop_map(|(segments, noises)| {
        let (mut words, mut events, mut now, mut count) = (Vec::new(), Vec::new(), 0.0, 0);
        for (number, (silence, spoken)) in segments.into_iter().enumerate() {
            let number = number as u64;
            now += f64::from(silence) / 10.0;
            let start = now;
            events.push((start + 0.5, speech_starts(number, start)));
            now += 0.3;
            let mut its = Vec::new();
            for (letters, length, pause, mark) in spoken {
                // A segment is 15 s long at most.
                if now - start > 13.0 {
                    break;
                }
                let mark = [".", ",", "?", "-"].get(mark as usize).unwrap_or(&"");
                let text = format!("{}{count}{mark}", &"wordswithletters"[..letters]);
                let end = now + f64::from(length) / 100.0;
                its.push((text, now, end));
                now = end + f64::from(pause) / 100.0;
                count += 1;
            }
            now += 0.3;
            events.push((now + 0.2, speech_ends(number, start, now)));
            if !its.is_empty() {
                words.extend(its.iter().cloned());
                events.push((now + 0.2, caption(number, start, now, its)));
            }
        }
        let mut sounds = Vec::new();
        for (number, (start, length, known)) in noises.into_iter().enumerate() {
            let (start, length, known) = (f64::from(start) / 10.0, f64::from(length) / 10.0, f64::from(known) / 10.0);
            sounds.push((start, start + length));
            let label = ["Dog", "Doorbell", "Vehicle horn, car horn, honking, and other things that are heard"][number % 3];
            events.push((start + known, sound(number as u64, SoundState::Start, label, start, start + length)));
            events.push((start + length + known, sound(number as u64, SoundState::End, label, start, start + length)));
            now = f64::max(now, start + length + known);
        }
        events.extend((1..now as u32 + 10).map(|second| (f64::from(second), stats(f64::from(second) - 0.1))));
        events.sort_by(|a, b| a.0.total_cmp(&b.0));
        Talk { words, sounds, events }
    })
}

fn letters(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn what_is_said_is_shown_once_in_order_and_can_be_read(talk in talk()) {
        let events: Vec<EventBody> = talk.events.iter().map(|(_, event)| event.clone()).collect();
        let cues = cues_of(&events);
        assert_can_be_read(&cues)?;
        let lines = || cues.iter().flat_map(|cue| &cue.lines);
        let heard: String = lines().filter(|line| !is_tag(line)).map(|line| letters(line)).collect();
        let said: String = talk.words.iter().map(|(word, _, _)| letters(word)).collect();
        prop_assert_eq!(heard, said);
        prop_assert_eq!(lines().any(|line| is_tag(line)), !talk.sounds.is_empty());
        // Nothing is shown before it begins to be heard, but for what shares its cue.
        let first = talk.words.iter().map(|(_, start, _)| *start).chain(talk.sounds.iter().map(|(start, _)| *start));
        let first = first.fold(f64::INFINITY, f64::min);
        // As a file, where nobody tells how far the audio is, as live.
        let as_file: Vec<EventBody> = events.into_iter().filter(|event| !matches!(event, EventBody::Stats(_))).collect();
        prop_assert_eq!(&cues, &cues_of(&as_file));
        prop_assert!(cues.first().is_none_or(|cue| cue.start_ms + 1 >= (first * 1e3) as u64), "{:?} before {first}", cues.first());
    }

    #[test]
    fn a_session_that_was_killed_has_told_a_part_of_the_same_cues(talk in talk(), part in 0.0..1.0) {
        let events: Vec<EventBody> = talk.events.iter().map(|(_, event)| event.clone()).collect();
        let all = cues_of(&events);
        let mut cues = Cues::new(Settings::default()).unwrap();
        let mut told = Vec::new();
        let until = (events.len() as f64 * part) as usize;
        events[..until].iter().for_each(|event| cues.event(event, &mut |cue| told.push(cue)));
        prop_assert_eq!(&told[..], &all[..told.len()]);
        // Waiting is bounded: a final is told when so much was heard after it, whatever else is open.
        let now = talk.events[..until].last().map_or(0.0, |(at, _)| *at);
        let due = all.iter().take_while(|cue| (cue.end_ms as f64) < (now - 3.0 - 1.0 - 15.0 - 3.0) * 1e3).count();
        prop_assert!(told.len() >= due, "{} of {due} at {now}", told.len());
    }

    #[test]
    fn no_events_make_cues_that_cannot_be_read(
        raw in vec((0_u8..6, any::<u64>(), 0_u64..40, any::<u32>(), "\\PC{0,60}|[\\x00-\\x7f]{0,80}"), 0..60),
    ) {
        let mut events = Vec::new();
        for (kind, number, small, other, text) in raw {
            let position = |shift: u64| SamplePosition(if number % 3 == 0 { number } else { small * 8_000 + shift });
            let (start, end) = (position(0), position(u64::from(other % 100_000)));
            events.push(match kind {
                0 => EventBody::Speech(Speech::Start { segment: small, start }),
                1 => EventBody::Speech(Speech::End { segment: small, start, end, reason: EndReason::Stop }),
                2 => EventBody::Gap(Gap { start, samples: number, reason: GapReason::Device }),
                3 => sound(small, [SoundState::Start, SoundState::Update, SoundState::End][other as usize % 3], &text, 0.0, small as f64),
                _ => {
                    let EventBody::Caption(caption) = caption(small, 0.0, 1.0, Vec::new()) else { unreachable!() };
                    let word = Word { text: text.clone(), start: end, end: start, probability: 0.5 };
                    let words = if kind == 4 { vec![word; small as usize % 5] } else { Vec::new() };
                    EventBody::Caption(Caption { text: text.repeat(1 + small as usize % 4), words, start, end, ..caption })
                }
            });
        }
        let cues = cues_of(&events);
        assert_can_be_read(&cues)?;
        for (number, cue) in cues.iter().enumerate() {
            for kind in [Subtitles::SubRip, Subtitles::WebVtt] {
                let text = kind.cue(number as u64 + 1, cue);
                prop_assert_eq!(text.matches("\n\n").count(), 1, "an empty line ends a cue: {:?}", text);
                prop_assert_eq!(text.matches("-->").count(), 1, "{:?}", text);
            }
        }
    }
}

#[test]
fn a_sound_in_a_sentence_waits_for_it_and_one_after_it_does_not_go_before() {
    let events = [
        speech_starts(0, 0.7),
        sound(0, SoundState::Start, "Animal", 2.0, 3.0),
        sound(0, SoundState::Update, "Dog", 2.0, 4.0),
        speech_ends(0, 0.7, 3.2),
        sound(1, SoundState::Start, "Doorbell", 6.0, 7.0),
        caption(0, 0.7, 3.2, spoken("I told you so, my friend.", 1.0)),
    ];
    assert_eq!(shown(&cues_of(&events)), ["[dog] / I told you so, my friend.", "[doorbell]"]);
}

#[test]
fn a_sound_that_turns_out_to_be_another_is_told_again() {
    let mut events = vec![sound(0, SoundState::Start, "Animal", 1.0, 2.0), stats(6.0)];
    events.push(sound(0, SoundState::Update, "Dog", 1.0, 6.5));
    events.push(sound(0, SoundState::Update, "Dog", 1.0, 9.0));
    events.push(sound(0, SoundState::End, "Dog", 1.0, 9.5));
    let cues = cues_of(&events);
    assert_eq!(shown(&cues), ["[animal]", "[dog]"]);
    assert_eq!(cues[1].start_ms, 6_500, "where that was known");
}

#[test]
fn a_segment_without_words_and_a_final_that_was_missed_hold_nothing_up() {
    let mut cues = Cues::new(Settings::default()).unwrap();
    let mut told = Vec::new();
    let mut event = |body: EventBody| {
        cues.event(&body, &mut |cue| told.push(cue));
        told.len()
    };
    event(speech_starts(0, 1.0));
    event(sound(0, SoundState::Start, "Dog", 2.0, 3.0));
    event(speech_ends(0, 1.0, 4.0));
    assert_eq!(event(stats(9.0)), 0, "its final may still come");
    assert_eq!(event(stats(10.1)), 1);
    event(speech_starts(1, 20.0));
    event(sound(1, SoundState::Start, "Dog", 21.0, 22.0));
    assert_eq!(event(stats(79.0)), 1, "its end may still come");
    assert_eq!(event(stats(80.1)), 2, "no segment is as long as that");
}

#[test]
fn missing_audio_is_told_where_it_is_missing() {
    let gap = |samples, reason| EventBody::Gap(Gap { start: at(3.0), samples, reason });
    let events = [gap(40_000, GapReason::Overrun), gap(800, GapReason::Missing), stats(9.0)];
    assert_eq!(shown(&cues_of(&events)), ["[2.5 s of audio missing]"]);
    assert_eq!(shown(&cues_of(&[gap(960_000, GapReason::Device)])), ["[60.0 s of audio missing, device lost]"]);
}

#[test]
fn a_final_without_times_is_spread_over_its_segment() {
    let text = "They were all there in the morning, and nobody had thought of bringing an umbrella, let alone a boat.";
    let EventBody::Caption(spread) = caption(0, 10.0, 18.0, Vec::new()) else { unreachable!() };
    let cues = cues_of(&[EventBody::Caption(Caption { text: text.to_owned(), ..spread })]);
    assert_eq!(cues.iter().flat_map(|cue| &cue.lines).map(String::as_str).collect::<Vec<_>>().join(" "), text);
    assert!(cues.len() == 2 && cues[0].start_ms == 10_000 && (12_000..16_000).contains(&cues[1].start_ms), "{cues:?}");
}
