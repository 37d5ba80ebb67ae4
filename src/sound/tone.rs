//! Tones that stand out: in which narrow band a tone sounds now, frame by frame.
//!
//! In: frames of log-mel. Out: for each place an alarm's tone may have, whether it sounded in each of the last frames, kept as
//! running sums, so that how much of any stretch it filled is one subtraction. Storage is fixed.
//!
//! A tone is on where its band is far above the bands around it, and not far below the loudest it lately was: the second is what
//! ends it where a room still rings.

use crate::frontend::recipe::Recipe;

/// Frames that are remembered: a power of two, 10.2 s at 10 ms a frame.
pub(super) const REMEMBERED: usize = 1024;
/// By how much a tone is above the bands around it, natural logarithm of a magnitude: 7.8 dB.
const STANDS_OUT: f32 = 0.9;
/// How far below its loudest a tone still sounds: 7 dB.
const BELOW_LOUDEST: f32 = 0.8;
/// How fast what was loudest is forgotten, a frame of 10 ms: 4 dB a second.
const FORGOTTEN: f32 = 0.005;
/// Where the fundamental of a square wave has its third and fifth partial.
const ODD: [f64; 2] = [3.0, 5.0];

/// Where an alarm's tone lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Register {
    /// About 3.1 kHz: a piezo sounder, one partial below 6 kHz.
    High,
    /// About 520 Hz: a square wave, its third and fifth partials audible.
    Low,
}

impl Register {
    /// Lowest and highest frequency of the tone, Hz.
    const fn range_hz(self) -> (f64, f64) {
        match self {
            Self::High => (2_750.0, 3_650.0),
            Self::Low => (455.0, 585.0),
        }
    }

    /// From where to where, in bands away from the tone, the bands lie that it has to stand out of: past the main lobe of the
    /// window, which is 160 Hz wide and takes more of the narrow bands below.
    const fn around(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::High => 3..=6,
            Self::Low => 4..=7,
        }
    }
}

/// One place of a tone: two bands side by side, since it may lie between two.
#[derive(Clone, Debug)]
struct Place {
    register: Register,
    band: usize,
    /// The lower band of each partial above it that must be heard too.
    partials: Vec<usize>,
    loudest: f32,
    /// Frames the tone was on, from the beginning: at frame k in `[k % REMEMBERED]`.
    filled: Box<[u32]>,
    /// The sum of its level over these frames.
    levels: Box<[f32]>,
}

/// The tones of one stream.
#[derive(Clone, Debug)]
pub(super) struct Tones {
    places: Vec<Place>,
    frames: u64,
}

impl Tones {
    /// Tones in frames of `recipe`; none where its bands are too coarse or do not reach far enough.
    pub(super) fn new(recipe: &Recipe) -> Option<Self> {
        let bands = Bands::of(recipe);
        let mut places = Vec::new();
        for register in [Register::High, Register::Low] {
            let (low_hz, high_hz) = register.range_hz();
            let (first, last) = (bands.below(low_hz)?, bands.below(high_hz)?);
            // Coarser bands would hold more than a tone.
            if bands.centre_hz(first + 1) - bands.centre_hz(first) > 0.1 * low_hz
                || last + 1 + register.around().end() >= recipe.mels
            {
                return None;
            }
            for band in first.max(*register.around().end())..=last {
                let middle_hz = (bands.centre_hz(band) + bands.centre_hz(band + 1)) / 2.0;
                let partials: Option<Vec<usize>> = match register {
                    Register::High => Some(Vec::new()),
                    Register::Low => ODD.iter().map(|times| bands.below(times * middle_hz)).collect(),
                };
                let (filled, levels) = (vec![0; REMEMBERED].into(), vec![0.0; REMEMBERED].into());
                places.push(Place { register, band, partials: partials?, loudest: f32::NEG_INFINITY, filled, levels });
            }
        }
        Some(Self { places, frames: 0 })
    }

    /// How many places there are.
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    /// The register of a place.
    pub(super) fn register(&self, place: usize) -> Register {
        self.places[place].register
    }

    /// Frames taken since the beginning or since it was forgotten.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// Takes the next frame.
    pub(super) fn push(&mut self, log_mel: &[f32]) {
        let at = (self.frames as usize) % REMEMBERED;
        let before = (at + REMEMBERED - 1) % REMEMBERED;
        for place in &mut self.places {
            let level = pair(log_mel, place.band);
            let around = place.register.around();
            let mut above = stands_out(log_mel, place.band, around.clone());
            let mut is_tone = above >= STANDS_OUT;
            if !place.partials.is_empty() {
                for partial in &place.partials {
                    above += stands_out(log_mel, *partial, Register::High.around());
                }
                is_tone &= above / (1 + place.partials.len()) as f32 >= STANDS_OUT;
            }
            place.loudest -= FORGOTTEN;
            if is_tone {
                place.loudest = place.loudest.max(level);
            }
            // A level that is no number compares as not on.
            let on = is_tone && level >= place.loudest - BELOW_LOUDEST;
            place.filled[at] = place.filled[before].wrapping_add(u32::from(on));
            place.levels[at] = if on { level } else { f32::NAN };
        }
        self.frames += 1;
    }

    /// Forgets all: audio is missing.
    pub(super) fn forget(&mut self) {
        self.frames = 0;
        for place in &mut self.places {
            place.loudest = f32::NEG_INFINITY;
            place.filled.fill(0);
        }
    }

    /// How much of the frames from `from` up to `to` a tone at `place` filled, 0 to 1; none where they are not all remembered, or
    /// there are none.
    pub(super) fn filled(&self, place: usize, from: i64, to: i64) -> Option<f32> {
        let (from, to) = (u64::try_from(from).ok()?, u64::try_from(to).ok()?);
        if from == 0 || to <= from || to > self.frames || self.frames - from >= REMEMBERED as u64 {
            return None;
        }
        let sums = &self.places[place].filled;
        let sum = |frame: u64| sums[(frame as usize - 1) % REMEMBERED];
        Some(sum(to).wrapping_sub(sum(from)) as f32 / (to - from) as f32)
    }

    /// Mean level of the tone at `place` where it was on from `from` up to `to`, natural logarithm; none where it never was.
    pub(super) fn level(&self, place: usize, from: i64, to: i64) -> Option<f32> {
        let levels = &self.places[place].levels;
        let (mut sum, mut count) = (0.0, 0_u32);
        for frame in from.max(0)..to {
            let level = levels[(frame as usize) % REMEMBERED];
            if level.is_finite() {
                sum += level;
                count += 1;
            }
        }
        (count > 0).then(|| sum / count as f32)
    }
}

/// The higher of two bands side by side.
fn pair(log_mel: &[f32], band: usize) -> f32 {
    log_mel[band].max(log_mel[band + 1])
}

/// By how much the pair at `band` is above the bands around it.
fn stands_out(log_mel: &[f32], band: usize, around: std::ops::RangeInclusive<usize>) -> f32 {
    let (mut sum, mut count) = (0.0, 0_u32);
    for away in around {
        if away <= band {
            sum += log_mel[band - away];
            count += 1;
        }
        if band + 1 + away < log_mel.len() {
            sum += log_mel[band + 1 + away];
            count += 1;
        }
    }
    pair(log_mel, band) - sum / count.max(1) as f32
}

/// Where the mel bands of a recipe lie.
struct Bands {
    lowest_mel: f64,
    step_mel: f64,
    count: usize,
}

impl Bands {
    fn of(recipe: &Recipe) -> Self {
        let mel = |hz: f32| 1127.0 * (1.0 + f64::from(hz) / 700.0).ln();
        let (lowest_mel, highest_mel) = (mel(recipe.f_min_hz), mel(recipe.f_max_hz));
        Self { lowest_mel, step_mel: (highest_mel - lowest_mel) / (recipe.mels + 1) as f64, count: recipe.mels }
    }

    fn centre_hz(&self, band: usize) -> f64 {
        let mel = self.lowest_mel + (band + 1) as f64 * self.step_mel;
        700.0 * ((mel / 1127.0).exp() - 1.0)
    }

    /// The last band whose centre is at or below `hz` and that has one above it.
    fn below(&self, hz: f64) -> Option<usize> {
        (0..self.count.saturating_sub(1)).rev().find(|&band| self.centre_hz(band) <= hz)
    }
}
