//! Utterances strung together with pauses, as somebody talks: which, in what order, how far apart.
//!
//! In: clips, how many to a string, a seed, and how long pauses are. Out: [`Plan`]s, and the audio of one with its words. A pause is
//! noise at -80 dBFS: no microphone gives digital silence. No gain is applied: one that knows the loudest sample looks ahead.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::clips::Clip;
use crate::audio::pcm::{ChannelChoice, Format};
use crate::error::{Error, ErrorKind, Result};
use crate::latency::random::SplitMix64;
use crate::latency::words::Spoken;

/// Pause before the first utterance of a string, seconds.
pub const LEAD_S: f64 = 0.5;
/// Pause after the last: the final of the last segment comes by its endpoint.
pub const TAIL_S: f64 = 1.5;
/// Root mean square of a pause: -80 dBFS.
const FLOOR: f64 = 1e-4;

/// A string: clips and the pause before each, and the pause at the end.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Its name: the same for the same clips, seed and number.
    pub name: String,
    /// Places of the clips, and the pause before each in seconds.
    pub parts: Vec<(usize, f64)>,
    /// The pause after the last, seconds.
    pub tail_s: f64,
    /// Seed of the noise in the pauses.
    pub seed: u64,
}

/// The audio of a string and what is said in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Strung {
    /// Its name.
    pub name: String,
    /// One channel, at the rate of its clips.
    pub format: Format,
    /// The samples.
    pub samples: Vec<f32>,
    /// The words in the string's time.
    pub words: Vec<Spoken>,
}

impl Strung {
    /// Its length, seconds.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.format.rate_hz)
    }
}

/// Every clip as a string of its own, with a pause after it.
pub fn single(clips: &[Clip]) -> Vec<Plan> {
    let one =
        |(place, clip): (usize, &Clip)| Plan { name: clip.name.clone(), parts: vec![(place, 0.0)], tail_s: TAIL_S, seed: 0 };
    clips.iter().enumerate().map(one).collect()
}

/// Strings of `count` utterances of one speaker, for each of `seeds` seeds from 1 on: the speaker's clips are shuffled and taken in
/// turn, what is left over is not used; pauses are uniform in `gap_s`.
///
/// # Errors
/// `InvalidInput` when no speaker has `count` clips.
pub fn strings(clips: &[Clip], count: usize, seeds: u64, gap_s: &RangeInclusive<f64>) -> Result<Vec<Plan>> {
    let mut speakers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, clip) in clips.iter().enumerate() {
        speakers.entry(clip.speaker()).or_default().push(place);
    }
    let mut plans = Vec::new();
    for seed in 1..=seeds {
        let mut random = SplitMix64::new(seed);
        for (speaker, places) in &speakers {
            let mut places = places.clone();
            random.shuffle(&mut places);
            for (number, chosen) in places.chunks_exact(count.max(1)).enumerate() {
                let mut pause = |k: usize| match k {
                    0 => LEAD_S,
                    _ => gap_s.start() + random.uniform() * (gap_s.end() - gap_s.start()),
                };
                let parts = chosen.iter().enumerate().map(|(k, place)| (*place, pause(k))).collect();
                let name = format!("{speaker}-{}-s{seed}", number + 1);
                plans.push(Plan { name, parts, tail_s: TAIL_S, seed: random.bits() });
            }
        }
    }
    if plans.is_empty() {
        let most = speakers.values().map(Vec::len).max().unwrap_or(0);
        let message = format!(
            "no speaker has {count} clips, {most} is the most; a speaker is a name up to its first '_': join fewer, or name more clips"
        );
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    Ok(plans)
}

/// Reads the clips of a plan and strings them together.
///
/// # Errors
/// Those of reading a clip; `InvalidInput` for clips of different rates.
pub fn assemble(plan: &Plan, clips: &[Clip], channel: ChannelChoice) -> Result<Strung> {
    let mut random = SplitMix64::new(plan.seed);
    let mut strung: Option<Strung> = None;
    for (place, pause_s) in &plan.parts {
        let clip = &clips[*place];
        let (format, audio) = clip.audio(channel)?;
        let string =
            strung.get_or_insert_with(|| Strung { name: plan.name.clone(), format, samples: Vec::new(), words: Vec::new() });
        if string.format != format {
            let message = format!(
                "{}: is at {} Hz, the clips before it at {}; convert them to one rate",
                clip.path.display(),
                format.rate_hz,
                string.format.rate_hz
            );
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        pause(&mut string.samples, format, *pause_s, &mut random);
        let offset_s = string.seconds();
        string.words.extend(clip.words.iter().map(|word| word.later(offset_s)));
        string.samples.extend(audio);
    }
    let mut strung =
        strung.ok_or_else(|| Error::new(ErrorKind::InvalidInput, format!("{}: is a string of no clips", plan.name)))?;
    pause(&mut strung.samples, strung.format, plan.tail_s, &mut random);
    Ok(strung)
}

fn pause(samples: &mut Vec<f32>, format: Format, seconds: f64, random: &mut SplitMix64) {
    samples.extend((0..format.frames_in(seconds)).map(|_| (random.normal() * FLOOR) as f32));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::pcm::rms_dbfs;
    use std::path::PathBuf;

    fn clips(names: &[&str]) -> Vec<Clip> {
        let word = Spoken { start_s: 0.1, end_s: 0.2, text: "word".to_owned() };
        names.iter().map(|name| Clip { path: PathBuf::from(name), name: (*name).to_owned(), words: vec![word.clone()] }).collect()
    }

    #[test]
    fn strings_are_of_one_speaker_and_the_same_every_time() {
        let clips = clips(&["a_1", "a_2", "a_3", "a_4", "b_1", "b_2", "c_1"]);
        let plans = strings(&clips, 2, 2, &(0.15..=0.8)).unwrap();
        assert_eq!(plans, strings(&clips, 2, 2, &(0.15..=0.8)).unwrap());
        // Two of a and one of b, for each seed; c has too few.
        assert_eq!(
            plans.iter().map(|plan| plan.name.as_str()).collect::<Vec<_>>(),
            ["a-1-s1", "a-2-s1", "b-1-s1", "a-1-s2", "a-2-s2", "b-1-s2"]
        );
        for plan in &plans {
            let speakers: Vec<&str> = plan.parts.iter().map(|(place, _)| clips[*place].speaker()).collect();
            assert_eq!(speakers[0], speakers[1]);
            assert_eq!(plan.parts[0].1, LEAD_S);
            assert!((0.15..=0.8).contains(&plan.parts[1].1));
        }
        let mut used: Vec<usize> = plans[..3].iter().flat_map(|plan| plan.parts.iter().map(|part| part.0)).collect();
        used.sort_unstable();
        assert_eq!(used, [0, 1, 2, 3, 4, 5], "no clip twice in a seed");
    }

    #[test]
    fn too_few_clips_are_an_error_that_says_how_many_there_are() {
        let error = strings(&clips(&["a_1", "a_2", "b"]), 3, 1, &(0.2..=0.3)).unwrap_err();
        assert!(error.message().contains("no speaker has 3 clips, 2 is the most"), "{error}");
    }

    #[test]
    fn a_pause_is_noise_at_minus_80() {
        let mut samples = Vec::new();
        pause(&mut samples, Format { rate_hz: 16_000, channels: 1 }, 1.5, &mut SplitMix64::new(3));
        assert_eq!(samples.len(), 24_000);
        assert!((rms_dbfs(&samples) + 80.0).abs() < 0.2, "{}", rms_dbfs(&samples));
    }
}
