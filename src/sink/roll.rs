//! What there is to show: captions, tags and notices in the order of their times, and the status.
//!
//! In: events. Out: lines that are settled and whose turn has come, the lines that are still open, and the [`Status`].

use crate::event::{Caption, CaptionState, Device, DeviceState, Event, EventBody, Sound, SoundState, Speech};
use crate::time::SamplePosition;

use super::rows::{Line, Span, Style};
use super::transcript::{Announced, clock, device_words, gap_words, printable};

/// Lines that wait for an older one. More than this many, and the oldest goes as it stands.
const OPEN_LIMIT: usize = 64;

/// What the status line tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Status {
    /// Level, dBFS; `None` before any audio.
    pub(super) level_dbfs: Option<f32>,
    /// How far behind, seconds.
    pub(super) lag_s: f64,
    /// Labels of the sounds that are heard now.
    pub(super) sounds: Vec<String>,
    /// Name of the device.
    pub(super) device: Option<String>,
    /// No audio comes.
    pub(super) absence: Option<Absence>,
}

/// Why no audio comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absence {
    /// There is no device yet.
    Waiting,
    /// The device was closed on request.
    Paused,
    /// The device is lost.
    Lost,
}

/// The state of the rolling transcript.
#[derive(Debug, Default)]
pub(super) struct Roll {
    /// In the order of their starts; those before the first open caption are taken by [`Roll::settled`].
    items: Vec<Item>,
    /// Sounds heard now: number and label.
    sounds: Vec<(u64, String)>,
    announced: Announced,
    /// Whether what comes while a caption is open stands above it, whenever it was.
    above_open: bool,
    pub(super) status: Status,
}

#[derive(Debug)]
struct Item {
    start: SamplePosition,
    what: What,
}

#[derive(Debug)]
enum What {
    /// A segment of speech; its line is empty until there is text, and stays in place until the final.
    Caption { segment: u64, line: Line, settled: bool },
    /// The tag of a sound, which may get a better label while it waits.
    Tag { event: u64, label: String },
    /// Anything else that is said once.
    Notice(String),
}

impl Roll {
    /// A roll in which nothing comes between the reader and a caption that is open: other lines stand above it.
    pub(super) fn with_captions_last() -> Self {
        Self { above_open: true, ..Self::default() }
    }

    /// Takes in what `event` says.
    pub(super) fn event(&mut self, event: &Event) {
        match &event.body {
            EventBody::Caption(caption) => self.caption(caption),
            EventBody::Sound(sound) => self.sound(sound),
            EventBody::Speech(Speech::Start { segment, start }) => self.open_segment(*segment, *start),
            // A segment that has no text when its speech is over holds nothing up any longer.
            EventBody::Speech(Speech::End { segment, .. }) => self.items.retain(|item| !item.is_empty_segment(*segment)),
            EventBody::Gap(gap) => self.insert(gap.start, What::Notice(gap_words(gap))),
            EventBody::Device(device) => self.device(device, event.emitted),
            EventBody::Stats(stats) => {
                self.status.level_dbfs = Some(stats.level_dbfs);
                self.status.lag_s = stats.lag;
            }
            EventBody::Scores(_) | EventBody::Alert(_) => {}
        }
        if self.items.len() > OPEN_LIMIT
            && let Some(Item { what: What::Caption { settled, .. }, .. }) = self.items.first_mut()
        {
            *settled = true;
        }
    }

    /// Takes the lines that will not change and that no open caption stands before.
    pub(super) fn settled(&mut self) -> Vec<Line> {
        let count = self.items.iter().position(Item::is_open).unwrap_or(self.items.len());
        self.items.drain(..count).map(|item| item.line()).filter(|line| !line.is_empty()).collect()
    }

    /// The lines that are still open, or wait for one that is.
    pub(super) fn open(&self) -> Vec<Line> {
        self.items.iter().map(Item::line).filter(|line| !line.is_empty()).collect()
    }

    /// Takes every line there is, as it stands: the end.
    pub(super) fn rest(&mut self) -> Vec<Line> {
        for item in &mut self.items {
            if let What::Caption { settled, line, .. } = &mut item.what {
                *settled = true;
                line.iter_mut().for_each(|span| span.style = Style::Spoken);
            }
        }
        self.settled()
    }

    fn caption(&mut self, caption: &Caption) {
        self.open_segment(caption.segment, caption.start);
        let is_final = caption.state == CaptionState::Final;
        for item in &mut self.items {
            let What::Caption { segment, line, settled } = &mut item.what else { continue };
            if *segment == caption.segment {
                *line = caption_line(caption);
                *settled = is_final;
            } else if is_final && *segment < caption.segment {
                // Its own final was lost on the way: what is shown of it is all there will be.
                *settled = true;
            }
        }
    }

    fn open_segment(&mut self, segment: u64, start: SamplePosition) {
        let same = |item: &Item| matches!(item.what, What::Caption { segment: other, .. } if other == segment);
        if !self.items.iter().any(same) {
            self.insert(start, What::Caption { segment, line: Line::new(), settled: false });
        }
    }

    fn sound(&mut self, sound: &Sound) {
        let label = printable(&sound.label).to_lowercase();
        self.sounds.retain(|(event, _)| *event != sound.event);
        if sound.state != SoundState::End {
            self.sounds.push((sound.event, label.clone()));
        }
        self.sounds.sort_by_key(|(event, _)| *event);
        self.status.sounds = self.sounds.iter().map(|(_, label)| label.clone()).collect();
        self.status.sounds.dedup();
        if self.announced.is_news(sound) {
            let waiting = self.items.iter_mut().find_map(|item| match &mut item.what {
                What::Tag { event, label } if *event == sound.event => Some(label),
                _ => None,
            });
            match waiting {
                Some(waiting) => *waiting = label,
                None => self.insert(sound.start, What::Tag { event: sound.event, label }),
            }
        }
    }

    fn device(&mut self, device: &Device, emitted: f64) {
        self.status.device = Some(printable(&device.name));
        self.status.absence = match device.state {
            DeviceState::Open | DeviceState::Back => None,
            DeviceState::Waiting => Some(Absence::Waiting),
            DeviceState::Paused => Some(Absence::Paused),
            DeviceState::Lost => Some(Absence::Lost),
        };
        if let Some(words) = device_words(device) {
            self.insert(SamplePosition::from_seconds(emitted), What::Notice(words));
        }
    }

    fn insert(&mut self, start: SamplePosition, what: What) {
        let in_time = self.items.partition_point(|item| item.start <= start);
        let aside = self.above_open && !matches!(what, What::Caption { .. });
        let first_open = self.items.iter().position(Item::is_open).filter(|_| aside);
        let place = first_open.map_or(in_time, |open| open.min(in_time));
        self.items.insert(place, Item { start, what });
    }
}

impl Item {
    fn is_open(&self) -> bool {
        matches!(self.what, What::Caption { settled: false, .. })
    }

    fn is_empty_segment(&self, number: u64) -> bool {
        matches!(&self.what, What::Caption { segment, line, .. } if *segment == number && line.is_empty())
    }

    fn line(&self) -> Line {
        match &self.what {
            What::Caption { line, .. } => line.clone(),
            What::Tag { label, .. } => self.marked(format!("[{label}]"), Style::Tag),
            What::Notice(words) => self.marked(format!("({words})"), Style::Alert),
        }
    }

    fn marked(&self, text: String, style: Style) -> Line {
        vec![Span::new(text, style), Span::new(format!(" {}", clock(self.start)), Style::Faint)]
    }
}

/// The caption in its three degrees of certainty; empty when there is nothing to read in it.
fn caption_line(caption: &Caption) -> Line {
    let text = caption.text.as_str();
    if printable(text).trim().is_empty() {
        return Line::new();
    }
    if caption.state == CaptionState::Final {
        return vec![Span::new(printable(text).trim(), Style::Spoken)];
    }
    // What is no prefix, as it should be, counts as tentative.
    let committed = if text.starts_with(&caption.committed) { caption.committed.len() } else { 0 };
    let stable = if text.starts_with(&caption.stable) { caption.stable.len().max(committed) } else { committed };
    let parts =
        [(&text[..committed], Style::Committed), (&text[committed..stable], Style::Stable), (&text[stable..], Style::Tentative)];
    parts.into_iter().filter(|(part, _)| !part.is_empty()).map(|(part, style)| Span::new(printable(part), style)).collect()
}
