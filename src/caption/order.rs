//! Order: speech, sounds and missing audio, told in the order in which they happened.
//!
//! In: events as they were emitted, which is as soon as each was known: a sound a second after it began, a caption when its segment has
//! ended. Out: cues. What was heard waits for the open segment, 15 s at most, and for sounds that may have started before it; a caption
//! or a sound that comes later still is shown later.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use unicode_width::UnicodeWidthStr;

use crate::error::Result;
use crate::event::{Caption, CaptionState, EventBody, Gap, GapReason, Sound, SoundState, Speech};
use crate::time::{SAMPLE_RATE, SamplePosition};

use super::settings::{Settings, milliseconds};
use super::timing::Timing;
use super::{Cue, Kind, Piece, cut, lines};

/// A segment is given up when so much audio was heard since its start, milliseconds: its end or its final was missed.
const LONGEST_SEGMENT_MS: u64 = 60_000;
/// A tag is shown at least and at most this long where there is time, milliseconds; the sound may be shorter, or go on.
const TAG_MS: RangeInclusive<u64> = 1_500..=2_000;
/// A sound that goes on gets another tag when so much more of it was heard under another label, milliseconds.
const TOLD_AGAIN_MS: u64 = 2_000;
/// Missing audio is told from this length on, milliseconds.
const SHORTEST_GAP_MS: u64 = 100;
/// What may wait; the first goes when there is more.
const MOST_WAITING: usize = 256;
/// Sounds that are remembered while they go on.
const MOST_SOUNDS: usize = 256;

/// Makes cues of events. The same events give the same cues.
#[derive(Clone, Debug)]
pub struct Cues {
    settings: Settings,
    waiting: Vec<Item>,
    sounds: BTreeMap<u64, Told>,
    open: Option<Segment>,
    /// How far the audio has been told, milliseconds.
    heard_ms: u64,
    timing: Timing,
}

/// Something that waits for what may have started before it.
#[derive(Clone, Debug)]
struct Item {
    start_ms: u64,
    end_ms: u64,
    /// The sound it is the tag of.
    sound: Option<u64>,
    pieces: Vec<Piece>,
}

impl Item {
    fn is_speech(&self) -> bool {
        self.pieces.iter().any(|piece| piece.kind == Kind::Word)
    }
}

/// What was told of a sound that goes on.
#[derive(Clone, Debug)]
struct Told {
    labels: Vec<Arc<str>>,
    at_ms: u64,
}

/// A segment whose final has not come.
#[derive(Clone, Copy, Debug)]
struct Segment {
    number: u64,
    start_ms: u64,
    end_ms: Option<u64>,
}

impl Cues {
    /// Cues of a session or a file, from its beginning.
    ///
    /// # Errors
    /// As [`Settings::check`].
    pub fn new(settings: Settings) -> Result<Self> {
        settings.check()?;
        let timing = Timing::new(&settings);
        Ok(Self { settings, waiting: Vec::new(), sounds: BTreeMap::new(), open: None, heard_ms: 0, timing })
    }

    /// Takes an event in, and tells the cues that it settles.
    pub fn event(&mut self, body: &EventBody, emit: &mut dyn FnMut(Cue)) {
        match body {
            EventBody::Caption(caption) => self.caption(caption),
            EventBody::Sound(sound) => self.sound(sound),
            EventBody::Speech(Speech::Start { segment, start }) => self.open_segment(*segment, *start),
            EventBody::Speech(Speech::End { segment, start, end, .. }) => {
                self.open_segment(*segment, *start);
                self.open = self.open.map(|open| Segment { end_ms: Some(ms(*end)), ..open });
                self.hear(*end);
            }
            EventBody::Gap(gap) => self.gap(gap),
            // What speech has not processed yet may still hold a word.
            EventBody::Stats(stats) => self.hear(SamplePosition::from_seconds((stats.audio - stats.lag.max(0.0)).max(0.0))),
            EventBody::Scores(_) | EventBody::Device(_) | EventBody::Alert(_) => {}
        }
        self.release(false, emit);
    }

    /// Tells what waits: no event follows.
    pub fn finish(&mut self, emit: &mut dyn FnMut(Cue)) {
        self.release(true, emit);
        self.timing.finish(emit);
    }

    fn hear(&mut self, until: SamplePosition) {
        self.heard_ms = self.heard_ms.max(ms(until));
    }

    fn open_segment(&mut self, number: u64, start: SamplePosition) {
        if self.open.is_none_or(|open| open.number != number) {
            self.open = Some(Segment { number, start_ms: ms(start), end_ms: None });
        }
    }

    fn caption(&mut self, caption: &Caption) {
        self.hear(caption.end);
        if caption.state == CaptionState::Partial {
            return self.open_segment(caption.segment, caption.start);
        }
        self.open.take_if(|open| open.number <= caption.segment);
        let pieces = words_of(caption, self.settings.columns);
        if let (Some(first), Some(last)) = (pieces.first(), pieces.last()) {
            self.wait(Item { start_ms: first.start_ms, end_ms: last.end_ms, sound: None, pieces });
        }
    }

    fn sound(&mut self, sound: &Sound) {
        self.hear(sound.end);
        let (start_ms, end_ms) = (ms(sound.start), ms(sound.end));
        let waiting = self.waiting.iter().position(|item| item.sound == Some(sound.event));
        let told = self.sounds.entry(sound.event).or_insert(Told { labels: Vec::new(), at_ms: end_ms });
        let (first, known) = (told.labels.is_empty(), told.labels.contains(&sound.label));
        let again = !known && sound.state != SoundState::End && end_ms >= told.at_ms + TOLD_AGAIN_MS;
        if !known && (first || again || waiting.is_some()) {
            told.labels.push(Arc::clone(&sound.label));
            told.at_ms = end_ms;
        }
        let label = sound.label.to_lowercase();
        match waiting {
            // While its tag waits, a sound may still find its name.
            Some(index) => {
                let tag = self.tag(&label, self.waiting[index].start_ms, end_ms);
                self.waiting[index] = Item { sound: Some(sound.event), ..tag };
            }
            None if first || again => {
                let tag = self.tag(&label, if first { start_ms } else { end_ms }, end_ms);
                self.wait(Item { sound: Some(sound.event), ..tag });
            }
            None => {}
        }
        if sound.state == SoundState::End {
            self.sounds.remove(&sound.event);
        }
        while self.sounds.len() > MOST_SOUNDS {
            self.sounds.pop_first();
        }
    }

    fn gap(&mut self, gap: &Gap) {
        let (start_ms, length_ms) = (ms(gap.start), ms(SamplePosition(gap.samples)));
        self.hear(SamplePosition(gap.start.0.saturating_add(gap.samples)));
        if length_ms >= SHORTEST_GAP_MS {
            let what = match gap.reason {
                GapReason::Overrun | GapReason::Missing => "of audio missing",
                GapReason::Device => "of audio missing, device lost",
                GapReason::Paused => "not listened to",
            };
            let text = format!("{}.{} s {what}", length_ms / 1_000, length_ms % 1_000 / 100);
            self.wait(self.tag(&text, start_ms, start_ms + length_ms));
        }
    }

    /// `text` in brackets, on one line.
    fn tag(&self, text: &str, start_ms: u64, end_ms: u64) -> Item {
        let text = format!("[{}]", lines::clip(text, self.settings.columns - 2));
        let end_ms = end_ms.clamp(start_ms, start_ms + TAG_MS.end());
        let shown_until = end_ms.max(start_ms + TAG_MS.start());
        let piece = Piece { columns: text.width(), text, start_ms, end_ms: shown_until, kind: Kind::Tag };
        Item { start_ms, end_ms, sound: None, pieces: vec![piece] }
    }

    /// Puts `item` behind those that start before it or with it.
    fn wait(&mut self, item: Item) {
        let at = self.waiting.partition_point(|other| other.start_ms <= item.start_ms);
        self.waiting.insert(at, item);
    }

    /// Tells what nothing can come before any more, or all of it.
    fn release(&mut self, all: bool, emit: &mut dyn FnMut(Cue)) {
        let patience = milliseconds(self.settings.hold_s);
        self.open.take_if(|open| {
            let until = open.end_ms.map_or(open.start_ms + LONGEST_SEGMENT_MS, |end| end + 2 * patience);
            self.heard_ms > until
        });
        let heard = self.heard_ms.saturating_sub(patience);
        let (opens, near) = (self.open.map_or(u64::MAX, |open| open.start_ms), milliseconds(self.settings.minimum_s));
        let horizon = opens.min(heard);
        loop {
            let run = self.run();
            let Some(last) = self.waiting[..run].last() else { break };
            let over = self.waiting[..run].iter().map(|item| item.end_ms).fold(last.start_ms, u64::max);
            // Tags may yet belong to the segment that is open, a segment that has ended cannot.
            let has_speech = self.waiting[..run].iter().any(Item::is_speech);
            let settled = over.saturating_add(near) <= heard && over.saturating_add(if has_speech { 0 } else { near }) <= opens;
            if !settled && !all && self.waiting.len() <= MOST_WAITING {
                break;
            }
            let mut pieces: Vec<Piece> = self.waiting.drain(..run).flat_map(|item| item.pieces).collect();
            // Words keep their order: each starts where the one before it does, or later.
            pieces.sort_by_key(|piece| piece.start_ms);
            for block in cut::cut(&pieces, &self.settings) {
                self.timing.place(block, emit);
            }
        }
        let first = self.waiting.first().map_or(u64::MAX, |item| item.start_ms);
        self.timing.settle(horizon.min(first), emit);
    }

    /// How many of the first that wait belong together: a segment and the tags that start within it or shortly before; tags that start
    /// one shortly after another.
    fn run(&self) -> usize {
        let near = milliseconds(self.settings.minimum_s);
        let mut speech_until = None;
        let mut count = 0;
        for (index, item) in self.waiting.iter().enumerate() {
            let is_speech = item.is_speech();
            let before = index.checked_sub(1).map_or(item.start_ms, |before| self.waiting[before].start_ms);
            let belongs = match speech_until {
                Some(until) => !is_speech && item.start_ms < until,
                None => item.start_ms - before < near,
            };
            if !belongs {
                break;
            }
            if is_speech {
                speech_until = Some(item.end_ms);
            }
            count += 1;
        }
        count
    }
}

/// The words of a final, with their times; evenly spread over it by their letters where it has none.
fn words_of(caption: &Caption, columns: usize) -> Vec<Piece> {
    let (from, until) = (ms(caption.start), ms(caption.end).max(ms(caption.start)));
    let mut pieces = Vec::new();
    let mut add = |text: String, start_ms: u64, end_ms: u64| {
        let before = pieces.last().map_or(from, |piece: &Piece| piece.start_ms);
        let start_ms = start_ms.max(before);
        pieces.push(Piece { columns: text.width(), text, start_ms, end_ms: end_ms.max(start_ms), kind: Kind::Word });
    };
    if caption.words.is_empty() {
        let words = lines::words(&caption.text, columns);
        let letters: usize = words.iter().map(|word| word.len() + 1).sum();
        let mut before = 0;
        for word in words {
            let at = |letters_before: usize| from + (until - from) * letters_before as u64 / letters.max(1) as u64;
            let after = before + word.len() + 1;
            add(word, at(before), at(after));
            before = after;
        }
    } else {
        for word in &caption.words {
            for part in lines::words(&word.text, columns) {
                add(part, ms(word.start), ms(word.end));
            }
        }
    }
    pieces
}

/// `position` in milliseconds. Positions of more than a century are one.
fn ms(position: SamplePosition) -> u64 {
    position.0.min(u64::MAX >> 16) / u64::from(SAMPLE_RATE / 1_000)
}
