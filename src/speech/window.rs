//! The window: how much of a long segment is read anew.
//!
//! In: the latest reading and which of its words are committed. Out: a [`Cut`]: where the next reading begins, and the words that it
//! is given to begin with. Those are read with their audio, so that nothing is said twice and nothing is lost at the cut.

use super::agreement::Agreement;
use crate::decode::{Hypothesis, HypothesisWord};
use crate::model::moonshine::STEP_SAMPLES;
use crate::time::samples_in;

/// How much is read; every figure is a default that can be changed.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowSettings {
    /// Seconds of audio that are read, at most, as long as enough of it is committed: 2.
    pub longest_s: f64,
    /// Seconds that are left after a cut, at least: 0.7.
    pub kept_s: f64,
    /// A segment that begins within so many seconds of the last one is read with the last words before it: 1.
    pub context_s: f64,
}

impl Default for WindowSettings {
    fn default() -> Self {
        Self { longest_s: 2.0, kept_s: 0.7, context_s: 1.0 }
    }
}

/// Words that a reading is given to begin with.
const GIVEN_WORDS: usize = 2;
/// A cut is made this long after the word before it ended, at most, seconds; attention ends a word a little early.
const AFTER_WORD_S: f64 = 0.15;
/// A window begins a multiple of this after the one before it, so that what Moonshine keeps of the audio holds for it. Another model
/// loses nothing by it: 12 ms.
const WINDOW_STEP: u64 = STEP_SAMPLES as u64;

/// Where the next reading begins, and with what.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    /// Samples, from the start of the window, that are read no more; a multiple of 192.
    pub samples: u64,
    /// Committed words that are read no more.
    pub words: usize,
    /// Tokens of the committed words that the next reading begins with.
    pub given: Vec<u32>,
    /// What was read after them.
    pub draft: Vec<u32>,
}

impl WindowSettings {
    /// The cut to make after `reading` of `audio`, the window, if it is time for one and one can be made. Places in the reading count
    /// from the segment's start, where the window begins at `origin`.
    pub fn cut(&self, audio: &[f32], origin: i64, reading: &Hypothesis, agreement: &Agreement) -> Option<Cut> {
        let length = audio.len() as u64;
        if length < samples_in(self.longest_s) {
            return None;
        }
        let latest = length - samples_in(self.kept_s).min(length);
        let found = agreement.found_in(&reading.words);
        // The latest words in a row, the last of them over by then, that are committed and in the reading.
        let cut = |last: usize| -> Option<Cut> {
            let first = (last + 1).checked_sub(GIVEN_WORDS)?;
            let words: Vec<&HypothesisWord> =
                found.get(first..=last)?.iter().map(|place| place.map(|place| &reading.words[place])).collect::<Option<_>>()?;
            let in_a_row = words.windows(2).all(|pair| pair[0].tokens.end == pair[1].tokens.start);
            let (opening, closing) = (words.first()?, words.last()?);
            let over = found[first.checked_sub(1)?].and_then(|place| reading.words[place].said)?.end;
            if !in_a_row || within(closing.said?.end, origin) > latest {
                return None;
            }
            let until = opening.said?.start.clamp(over, over + samples_in(AFTER_WORD_S));
            let samples = quietest(audio, within(over, origin), within(until, origin));
            let end = closing.tokens.end;
            Some(Cut {
                samples,
                words: first,
                given: reading.tokens.get(opening.tokens.start..end)?.to_vec(),
                draft: reading.tokens.get(end..)?.to_vec(),
            })
        };
        (0..found.len()).rev().find_map(cut).filter(|cut| cut.samples > 0)
    }
}

/// The last words of a segment, for the next to be read with.
#[derive(Clone, Debug, PartialEq)]
pub struct Context {
    /// Samples from the start of the window to where they begin; a multiple of 192.
    pub samples: u64,
    /// Their tokens.
    pub given: Vec<u32>,
    /// How many they are.
    pub words: usize,
}

impl Context {
    /// The last words of `reading` of `audio`, the window; places in the reading count from the segment's start, where
    /// the window begins at `origin`.
    pub fn of(audio: &[f32], origin: i64, reading: &Hypothesis) -> Option<Self> {
        let first = reading.words.len().saturating_sub(GIVEN_WORDS);
        let opening = reading.words.get(first)?;
        let start = opening.said?.start;
        let over = first.checked_sub(1).map_or(Some(start), |word| Some(reading.words[word].said?.end))?;
        let over = over.max(start - samples_in(AFTER_WORD_S).min(start));
        let samples = quietest(audio, within(over, origin), within(start, origin));
        let given = reading.tokens.get(opening.tokens.start..)?.to_vec();
        Some(Self { samples, given, words: reading.words.len() - first }).filter(|_| samples < audio.len() as u64)
    }
}

/// The place in a window that begins at `origin` of what lies at `place`.
fn within(place: u64, origin: i64) -> u64 {
    place.saturating_sub_signed(origin)
}

/// The start of the quietest 20 ms of `audio` from `start` to `end`, samples, among the steps of a window; the first step after `start`
/// where there is none between.
fn quietest(audio: &[f32], start: u64, end: u64) -> u64 {
    const LONG: usize = 320;
    let power = |at: &u64| {
        let rest = usize::try_from(*at).ok().and_then(|at| audio.get(at..)).unwrap_or_default();
        rest.iter().take(LONG).map(|sample| sample * sample).sum::<f32>()
    };
    let first = start.div_ceil(WINDOW_STEP) * WINDOW_STEP;
    let steps = (first..=end.max(first)).step_by(WINDOW_STEP as usize);
    steps.min_by(|a, b| power(a).total_cmp(&power(b))).unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::alignment::Span;
    use crate::speech::AgreementSettings;

    /// Words of a token each, said from and to these samples.
    fn reading(said: &[(u64, u64)]) -> Hypothesis {
        let word = |(place, &(start, end)): (usize, &(u64, u64))| HypothesisWord {
            text: format!("word{place}"),
            probability: 0.9,
            weakest: 0.9,
            said: Some(Span { start, end }),
            tokens: place..place + 1,
            given: false,
        };
        Hypothesis { tokens: (0..said.len() as u32).collect(), words: said.iter().enumerate().map(word).collect() }
    }

    #[test]
    fn a_window_begins_at_a_step_from_the_one_before() {
        let said = [(1_000, 8_000), (14_000, 20_000), (26_000, 30_000), (36_000, 40_000), (50_000, 54_000)];
        let reading = reading(&said);
        let mut agreement = Agreement::new(AgreementSettings::default());
        for until in [60_000, 80_000, 100_000, 120_000] {
            agreement.update(&reading.words, until);
        }
        let settings = WindowSettings::default();
        let mut places = Vec::new();
        // 20 ms are quiet after the word before the cut, and before the last words but one, by turns a little later.
        for later in (0..2_400).step_by(80) {
            let mut audio = vec![0.1; 60_000];
            audio[20_000 + later..20_320 + later].fill(0.0);
            audio[33_600 + later..33_920 + later].fill(0.0);
            let cut = settings.cut(&audio, 0, &reading, &agreement).unwrap();
            let context = Context::of(&audio, 0, &reading).unwrap();
            places.extend([cut.samples, context.samples]);
        }
        assert!(places.iter().all(|place| place % 192 == 0), "{places:?}");
        places.sort_unstable();
        places.dedup();
        assert!(places.len() > 10, "always at the same places: {places:?}");
    }

    #[test]
    fn the_quietest_step_is_chosen() {
        for step in 42..54 {
            let quiet = step * WINDOW_STEP as usize;
            let mut audio = vec![0.1; 60_000];
            audio[quiet..quiet + 320].fill(0.0);
            assert_eq!(quietest(&audio, 8_000, 10_400), quiet as u64);
        }
        assert_eq!(quietest(&[0.1; 60_000], 8_000, 8_001), 8_064, "none between: the next");
        assert_eq!(quietest(&[0.1; 10], 8_000, 9_000), 8_064, "past the audio");
    }

    const RATE: u64 = 16_000;

    /// Words of half a second each, `from_s` on; a token each, and one for the closing full stop.
    fn spoken(text: &str, from_s: f64) -> Hypothesis {
        let words: Vec<HypothesisWord> = text
            .split(' ')
            .enumerate()
            .map(|(place, text)| {
                let start = samples_in(from_s) + place as u64 * RATE / 2;
                let said = Some(Span { start, end: start + RATE * 2 / 5 });
                let (text, tokens) = (text.to_owned(), place..place + 1);
                HypothesisWord { text, probability: 0.9, weakest: 0.9, said, tokens, given: false }
            })
            .collect();
        let mut tokens: Vec<u32> = (100..).take(words.len()).collect();
        tokens.push(9);
        Hypothesis { tokens, words }
    }

    /// The agreement that has committed the words of `reading`.
    fn committed(reading: &Hypothesis) -> Agreement {
        let mut agreement = Agreement::new(AgreementSettings::default());
        for until in [10.0, 10.5] {
            agreement.update(&reading.words, samples_in(until));
        }
        assert_eq!(agreement.committed(), reading.words.len());
        agreement
    }

    #[test]
    fn a_cut_leaves_two_committed_words_with_their_audio() {
        let reading = spoken("one two three four five six seven", 0.0);
        let agreement = committed(&reading);
        let audio = vec![0.0; 4 * RATE as usize];
        let cut = WindowSettings::default().cut(&audio, 0, &reading, &agreement).unwrap();
        // 'six' is over at 2.9 s, a second and more before the end; 'five' begins at 2 s, 'four' is over at 1.9.
        assert_eq!((cut.words, &cut.given[..], &cut.draft[..]), (4, &[104, 105][..], &[106, 9][..]));
        let (earliest, latest) = (samples_in(1.9), samples_in(2.0));
        assert!((earliest..=latest).contains(&cut.samples), "{}", cut.samples);
        // The same window later in its segment.
        let before = 5 * RATE as i64;
        let later = spoken("one two three four five six seven", 5.0);
        assert_eq!(WindowSettings::default().cut(&audio, before, &later, &committed(&later)), Some(cut));
    }

    #[test]
    fn a_cut_falls_where_it_is_quietest() {
        let reading = spoken("one two three four five six seven", 0.0);
        let mut audio = vec![0.1; 4 * RATE as usize];
        let quiet = 162 * WINDOW_STEP as usize;
        audio[quiet..quiet + 400].fill(0.0);
        let cut = WindowSettings::default().cut(&audio, 0, &reading, &committed(&reading)).unwrap();
        assert_eq!(cut.samples, quiet as u64, "1.944 s: between 'four' and 'five'");
    }

    #[test]
    fn nothing_is_cut_from_a_short_window_or_one_with_too_little_committed() {
        let read = spoken("one two three four five six seven", 0.0);
        let agreement = committed(&read);
        let settings = WindowSettings::default();
        assert_eq!(settings.cut(&vec![0.0; 2 * RATE as usize], 0, &read, &agreement), None);
        let few = spoken("one two", 0.0);
        assert_eq!(settings.cut(&vec![0.0; 4 * RATE as usize], 0, &read, &committed(&few)), None, "no word before those given");
        let other = spoken("a b c d e f g", 0.0);
        assert_eq!(settings.cut(&vec![0.0; 4 * RATE as usize], 0, &other, &agreement), None, "the reading has none of them");
        let mut untimed = read.clone();
        untimed.words.iter_mut().for_each(|word| word.said = None);
        assert_eq!(settings.cut(&vec![0.0; 4 * RATE as usize], 0, &untimed, &agreement), None);
    }

    #[test]
    fn the_last_words_are_the_context_of_the_next_segment() {
        let read = spoken("one two three", 0.0);
        let context = Context::of(&vec![0.0; 2 * RATE as usize], 0, &read).unwrap();
        assert_eq!((context.words, &context.given[..]), (2, &[101, 102, 9][..]));
        assert!((samples_in(0.4)..=samples_in(0.5)).contains(&context.samples), "{}", context.samples);
        let alone = Context::of(&vec![0.0; 2 * RATE as usize], 0, &spoken("one", 0.3)).unwrap();
        assert_eq!((alone.words, &alone.given[..]), (1, &[100, 9][..]));
        assert!(alone.samples <= samples_in(0.3) + WINDOW_STEP);
        assert_eq!(Context::of(&[0.0; 160], 0, &Hypothesis::default()), None);
    }
}
