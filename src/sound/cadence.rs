//! Smoke and carbon monoxide alarms by the rhythm of their beeps, whatever a tagger thinks of them.
//!
//! In: frames of log-mel. Out: a [`Heard`] each time another cycle of a pattern was recognised, from the second on. The rhythms:
//! T3, the temporal-three evacuation signal of ISO 8201 (0.5 s on, 0.5 s off, three times, then 1.5 s of pause), and T4, the
//! temporal-four signal of UL 2034 (four beeps of 0.1 s, 0.1 s apart, then 5 s of pause), each 15 % quicker or slower than that.
//!
//! One cycle is a *group*: beeps that fill where the rhythm says so, silence of the tone before, between and after. Two groups of
//! like level, a period apart, with silence between them, are the pattern. It is no certified detector of anything.

use super::tone::Tones;
use crate::frontend::recipe::Recipe;
use crate::time::{SamplePosition, samples_in};

/// How much quicker or slower than the standard a rhythm may be.
const TOLERANCE: f64 = 0.15;
/// Groups whose ends are closer than this are one, seconds.
const SAME_S: f64 = 0.3;
/// What of the head of a group a tone may fill, and of its tail.
const OF_HEAD: f32 = 0.35;
const OF_TAIL: f32 = 0.1;
/// Levels of two groups of one alarm are no further apart, natural logarithm: 6 dB.
const LIKE_LEVEL: f32 = 0.7;
/// Groups that are kept of each pattern, to find what the next one belongs to.
const KEPT: usize = 64;
/// A pattern goes on for so many periods after its last group.
const MISSED_PERIODS: f64 = 2.6;

/// Which alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// Three long beeps: smoke, fire.
    T3,
    /// Four short beeps: carbon monoxide.
    T4,
}

/// The rhythm of a pattern, and how exactly a group must have it.
#[derive(Clone, Copy, Debug)]
struct Rhythm {
    beeps: u32,
    on_s: f64,
    off_s: f64,
    pause_s: f64,
    /// Silence of the tone that is asked for before a group, its head, and after it, its tail, seconds: more than parts two beeps,
    /// or four beeps would be three. The tail is what an alarm waits for after its last beep.
    quiet_s: f64,
    /// Tempos that are tried between those of the tolerance.
    tempos: u32,
    /// Of each beep, and of each silence, what lies this close to the edges does not count, seconds: the window, and rooms.
    edge_s: f64,
    rings_s: f64,
    /// What a tone has to fill of each beep, and of all.
    of_beep: f32,
    of_beeps: f32,
    /// What it may fill of each silence between, and of all, and of the pause between two groups.
    of_silence: f32,
    of_silences: f32,
    of_pause: f32,
}

impl Pattern {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::T3, Self::T4];
    /// What they are kinds of in AudioSet, by id and name.
    pub(super) const KINDS: [(&'static str, &'static str); 2] =
        [("/m/01y3hg", "Smoke detector, smoke alarm"), ("/m/07pp_mv", "Alarm")];

    /// The name, for people.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::T3 => "Smoke alarm (T3 pattern)",
            Self::T4 => "CO alarm (T4 pattern)",
        }
    }

    /// AudioSet's id of what it is a kind of: `Smoke detector, smoke alarm`, and `Alarm`, since it has none for carbon monoxide.
    pub(super) const fn id(self) -> &'static str {
        match self {
            Self::T3 => Self::KINDS[0].0,
            Self::T4 => Self::KINDS[1].0,
        }
    }

    const fn rhythm(self) -> Rhythm {
        match self {
            Self::T3 => Rhythm {
                beeps: 3,
                on_s: 0.5,
                off_s: 0.5,
                pause_s: 1.5,
                quiet_s: 0.85,
                tempos: 13,
                edge_s: 0.04,
                rings_s: 0.14,
                of_beep: 0.7,
                of_beeps: 0.8,
                of_silence: 0.35,
                of_silences: 0.2,
                of_pause: 0.15,
            },
            Self::T4 => Rhythm {
                beeps: 4,
                on_s: 0.1,
                off_s: 0.1,
                pause_s: 5.0,
                quiet_s: 0.4,
                tempos: 7,
                edge_s: 0.02,
                rings_s: 0.04,
                of_beep: 0.5,
                of_beeps: 0.75,
                of_silence: 0.5,
                of_silences: 0.35,
                of_pause: 0.1,
            },
        }
    }

    /// How long its sound goes on after its last beep without another, samples.
    pub(super) fn hold(self) -> u64 {
        let rhythm = self.rhythm();
        samples_in(rhythm.period_s() * MISSED_PERIODS)
    }
}

impl Rhythm {
    /// From the first beep's start to the last one's end.
    fn group_s(&self) -> f64 {
        f64::from(self.beeps) * self.on_s + f64::from(self.beeps - 1) * self.off_s
    }

    fn period_s(&self) -> f64 {
        self.group_s() + self.pause_s
    }
}

/// A pattern that was recognised: once with its second cycle, and again with every one that follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Heard {
    pub pattern: Pattern,
    /// Where the first beep of the first of the two cycles starts.
    pub start: SamplePosition,
    /// Where the last beep of the second one ends.
    pub end: SamplePosition,
    /// How exactly the rhythm was kept, 0 to 1.
    pub score: f32,
}

/// One cycle's beeps; frames are counted from the beginning or the last gap.
#[derive(Clone, Copy, Debug)]
struct Group {
    place: usize,
    start: i64,
    end: i64,
    level: f32,
    score: f32,
}

/// The cadences of one stream.
#[derive(Clone, Debug)]
pub(super) struct Cadences {
    tones: Tones,
    /// Frames a second.
    frames_s: f64,
    hop: u64,
    window: u64,
    /// Number of the frame that the tones count as 0.
    first: u64,
    expected: Option<u64>,
    /// For each pattern its groups, the latest last.
    groups: [Vec<Group>; Pattern::ALL.len()],
}

impl Cadences {
    /// Cadences in frames of `recipe`; none where its frames or bands are too coarse to hear them.
    pub(super) fn new(recipe: &Recipe) -> Option<Self> {
        let frames_s = f64::from(crate::time::SAMPLE_RATE) / recipe.hop as f64;
        // A beep of 0.1 s must be told from the 0.1 s after it; and what is remembered is a number of frames.
        if !(80.0..=110.0).contains(&frames_s) || recipe.window as u64 > samples_in(0.04) {
            return None;
        }
        let groups = Pattern::ALL.map(|_| Vec::with_capacity(KEPT + 1));
        let (hop, window) = (recipe.hop as u64, recipe.window as u64);
        Some(Self { tones: Tones::new(recipe)?, frames_s, hop, window, first: 0, expected: None, groups })
    }

    /// Takes frame number `frame`; after a gap nothing from before it counts.
    pub(super) fn push(&mut self, frame: u64, log_mel: &[f32], heard: &mut dyn FnMut(Heard)) {
        if self.expected != Some(frame) {
            self.forget();
            self.first = frame;
        }
        self.expected = Some(frame.saturating_add(1));
        self.tones.push(log_mel);
        for (number, pattern) in Pattern::ALL.into_iter().enumerate() {
            for place in 0..self.tones.places() {
                if let Some(group) = self.group(pattern, place) {
                    if let Some(before) = self.before(pattern, number, &group) {
                        heard(Heard {
                            pattern,
                            start: self.position(before.start),
                            end: self.position(group.end),
                            score: (before.score + group.score) / 2.0,
                        });
                    }
                    self.keep(number, group);
                }
            }
        }
    }

    /// Forgets what was heard: audio is missing, or its source is lost.
    pub(super) fn forget(&mut self) {
        self.tones.forget();
        self.groups.iter_mut().for_each(Vec::clear);
        self.expected = None;
    }

    /// Where the middle of a frame lies.
    fn position(&self, frame: i64) -> SamplePosition {
        let frame = self.first.saturating_add(u64::try_from(frame).unwrap_or(0));
        SamplePosition(frame.saturating_mul(self.hop)) + self.window / 2
    }

    /// The best group at `place` whose silence after it ends now.
    fn group(&self, pattern: Pattern, place: usize) -> Option<Group> {
        let rhythm = pattern.rhythm();
        let now = self.tones.frames() as i64;
        let end = now - self.in_frames(rhythm.quiet_s);
        // Most frames end nothing.
        let tail = self.tones.filled(place, end + self.in_frames(rhythm.rings_s), now)?;
        if tail > OF_TAIL || self.tones.filled(place, end - self.in_frames(rhythm.on_s), end)? < rhythm.of_beep {
            return None;
        }
        let tempo = |step: u32| 1.0 - TOLERANCE + 2.0 * TOLERANCE * f64::from(step) / f64::from(rhythm.tempos - 1);
        let tried = (0..rhythm.tempos).filter_map(|step| self.fits(&rhythm, tempo(step), place, end));
        tried.max_by(|one, other| one.score.total_cmp(&other.score))
    }

    fn fits(&self, rhythm: &Rhythm, tempo: f64, place: usize, end: i64) -> Option<Group> {
        let at = |seconds: f64| end - self.in_frames((rhythm.group_s() - seconds) * tempo);
        let (edge, rings) = (self.in_frames(rhythm.edge_s), self.in_frames(rhythm.rings_s));
        let start = at(0.0);
        // Where the stream begins with the alarm there is no head.
        let head = self.tones.filled(place, (start - self.in_frames(rhythm.quiet_s)).max(1), start - edge);
        if head.is_some_and(|head| head > OF_HEAD) {
            return None;
        }
        let (mut on, mut off) = (0.0, 0.0);
        for beep in 0..rhythm.beeps {
            let from = f64::from(beep) * (rhythm.on_s + rhythm.off_s);
            let filled = self.tones.filled(place, at(from) + edge, at(from + rhythm.on_s) - edge)?;
            if filled < rhythm.of_beep {
                return None;
            }
            on += filled / rhythm.beeps as f32;
            if beep + 1 < rhythm.beeps {
                let silence = (at(from + rhythm.on_s) + rings, at(from + rhythm.on_s + rhythm.off_s) - edge);
                let filled = self.tones.filled(place, silence.0, silence.1)?;
                if filled > rhythm.of_silence {
                    return None;
                }
                off += filled / (rhythm.beeps - 1) as f32;
            }
        }
        if on < rhythm.of_beeps || off > rhythm.of_silences {
            return None;
        }
        let level = self.tones.level(place, start, end)?;
        Some(Group { place, start, end, level, score: (on - off).clamp(0.0, 1.0) })
    }

    /// The group a period before `group` that makes it a pattern.
    fn before(&self, pattern: Pattern, number: usize, group: &Group) -> Option<Group> {
        let rhythm = pattern.rhythm();
        let period_s = rhythm.period_s();
        let rings = self.in_frames(rhythm.rings_s);
        let belongs = |before: &&Group| {
            let apart_s = (group.start - before.start) as f64 / self.frames_s;
            let in_time = (apart_s / period_s - 1.0).abs() <= TOLERANCE;
            in_time
                && before.place.abs_diff(group.place) <= 1
                && self.tones.register(before.place) == self.tones.register(group.place)
                && (before.level - group.level).abs() <= LIKE_LEVEL
                && self
                    .tones
                    .filled(group.place, before.end + rings, group.start - self.in_frames(rhythm.edge_s))
                    .is_some_and(|filled| filled <= rhythm.of_pause)
        };
        self.groups[number].iter().rev().find(belongs).copied()
    }

    /// Keeps a group, in place of one that is the same a frame earlier or at another tempo and not as exact.
    fn keep(&mut self, number: usize, group: Group) {
        let close = self.in_frames(SAME_S);
        let kept = &mut self.groups[number];
        match kept.iter_mut().find(|kept| kept.place == group.place && (kept.end - group.end).abs() < close) {
            Some(same) if same.score < group.score => *same = group,
            Some(_) => {}
            None => {
                kept.push(group);
                if kept.len() > KEPT {
                    kept.remove(0);
                }
            }
        }
    }

    fn in_frames(&self, seconds: f64) -> i64 {
        (seconds * self.frames_s).round() as i64
    }
}
