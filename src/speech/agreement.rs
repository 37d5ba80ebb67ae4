//! Local agreement: which part of a growing caption is likely to stay, and which part never changes again.
//!
//! In: successive hypotheses of one segment. Out: a [`Line`] with its words and its committed and stable prefixes. `stable` is
//! what two successive hypotheses agree on (local agreement, Polák et al., arXiv 2204.06028); `committed` asks for probability, for
//! audio after the word and for agreement, counted in seconds of audio because wrong commits grow as refreshes come closer
//! together. A pure state machine: no audio, no model.

use super::commit::{AgreementSettings, CommitRule};
use crate::decode::HypothesisWord;
use crate::decode::alignment::Span;
use crate::time::samples_in;

/// A word's surroundings: so many words on either side.
const AROUND: usize = 4;

/// A caption's text, its words, and the lengths, in bytes, of its prefixes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    text: String,
    words: Vec<HypothesisWord>,
    committed: usize,
    stable: usize,
}

impl Line {
    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The words of the text in order, with where they were said: no word starts before the one before it, and none lasts into the
    /// next. Times are from the start of the segment, and those of the latest reading that has the word.
    pub fn words(&self) -> &[HypothesisWord] {
        &self.words
    }

    /// Whether a reader would see no difference: text and prefixes are the same, times may not be.
    pub fn reads_as(&self, other: &Self) -> bool {
        (&self.text, self.committed, self.stable) == (&other.text, other.committed, other.stable)
    }

    /// The prefix that is never taken back.
    pub fn committed(&self) -> &str {
        &self.text[..self.committed]
    }

    /// The prefix that is likely to stay; at least the committed one.
    pub fn stable(&self) -> &str {
        &self.text[..self.stable]
    }
}

/// A word of the line as it is shown.
#[derive(Clone, Debug)]
struct Shown {
    text: String,
    core: String,
    /// Audio end of the first of the successive hypotheses that have this word here, after the same words.
    since: u64,
    passes: u32,
    probability: f32,
    weakest: f32,
    /// Where it was said, from the start of the segment.
    said: Option<Span>,
    /// Sure enough, or long enough ago, to be shown.
    visible: bool,
    /// As it was shown when it was stable, if it was.
    stable: bool,
}

/// The agreement of one segment.
#[derive(Debug, Default)]
pub struct Agreement {
    settings: AgreementSettings,
    words: Vec<Shown>,
    committed: usize,
    /// Words of which the audio is no longer read; they are committed.
    forgotten: usize,
}

impl Agreement {
    /// A segment of which nothing was heard yet.
    pub fn new(settings: AgreementSettings) -> Self {
        Self { settings, words: Vec::new(), committed: 0, forgotten: 0 }
    }

    /// The committed words that are still read.
    pub fn committed(&self) -> usize {
        self.committed - self.forgotten
    }

    /// Where the last committed word was said, samples from the start of the segment, if that is known.
    pub fn committed_until(&self) -> Option<u64> {
        self.words[..self.committed].last().and_then(|word| word.said).map(|said| said.end)
    }

    /// For each of the committed words that are still read, the word of `hypothesis` that it is, if it is in it.
    pub fn found_in(&self, hypothesis: &[HypothesisWord]) -> Vec<Option<usize>> {
        common_subsequence(&self.words[self.forgotten..self.committed], &cores(hypothesis))
    }

    /// The first `words` of the words still read, committed ones, are read no more: hypotheses begin after them from now on.
    pub fn forget(&mut self, words: usize) {
        self.forgotten = (self.forgotten + words).min(self.committed);
    }

    /// Takes the hypothesis of the segment's audio up to `until`, samples from its start; what was committed stays in front of it.
    pub fn update(&mut self, hypothesis: &[HypothesisWord], until: u64) -> Line {
        let first = self.continuation(hypothesis);
        self.refine(&hypothesis[..first]);
        let next = &hypothesis[first..];
        let mut agreed = true;
        let mut words: Vec<Shown> = self.words.drain(..self.committed).collect();
        for (index, word) in next.iter().enumerate() {
            let core = core(&word.text).to_lowercase();
            let before = self.words.get(index).filter(|before| agreed && before.core == core);
            agreed = before.is_some();
            words.push(Shown {
                text: word.text.clone(),
                core,
                since: before.map_or(until, |before| before.since),
                passes: before.map_or(1, |before| before.passes + 1),
                probability: word.probability,
                weakest: word.weakest,
                said: word.said,
                visible: agreed || self.visible(word, until),
                stable: agreed,
            });
        }
        self.words = words;
        while let Some(word) = self.words.get(self.committed) {
            let agreed_on = until - word.since.min(until);
            let after = word.said.map_or(0, |said| until - said.end.min(until));
            let around = self.probability_around(self.committed);
            let meets = |rule: &CommitRule| {
                word.passes >= rule.passes
                    && agreed_on >= samples_in(rule.lasting_s)
                    && after >= samples_in(rule.after_s)
                    && word.weakest >= rule.probability
                    && around >= rule.around
            };
            if !self.settings.rules.iter().any(meets) {
                break;
            }
            self.committed += 1;
        }
        self.line()
    }

    /// The segment's last line: what was committed, then the rest of `hypothesis`. Also the words that had been stable and are not
    /// in it, as they were last shown.
    pub fn finish(&mut self, hypothesis: &[HypothesisWord]) -> (Line, Vec<String>) {
        let first = self.continuation(hypothesis);
        self.refine(&hypothesis[..first]);
        let shown: Vec<Shown> = self.words.drain(self.committed..).filter(|word| word.stable).collect();
        let next = &hypothesis[first..];
        let cores = cores(next);
        let found = common_subsequence(&shown, &cores);
        let amended = shown.iter().zip(found).filter(|(_, found)| found.is_none()).map(|(word, _)| word.text.clone()).collect();
        for (word, core) in next.iter().zip(cores) {
            self.words.push(Shown {
                text: word.text.clone(),
                core,
                since: 0,
                passes: 1,
                probability: word.probability,
                weakest: word.weakest,
                said: word.said,
                visible: true,
                stable: true,
            });
        }
        let mut line = self.line();
        line.stable = line.text.len();
        line.committed = line.text.len();
        (line, amended)
    }

    /// Mean probability of the words around the one at `index`, itself included.
    fn probability_around(&self, index: usize) -> f32 {
        let words = &self.words[index.saturating_sub(AROUND)..self.words.len().min(index + AROUND + 1)];
        words.iter().map(|word| word.probability).sum::<f32>() / words.len().max(1) as f32
    }

    /// Whether `word` is worth showing when the audio up to `until` is read.
    fn visible(&self, word: &HypothesisWord, until: u64) -> bool {
        let over = |said: Span| said.end + samples_in(self.settings.shown_after_s) <= until;
        word.weakest >= self.settings.shown_probability || word.said.is_none_or(over)
    }

    /// Gives committed words the time and the probability they have in `reading`, a later reading of the same audio: with more
    /// audio after it a word is placed better. What they say stays.
    fn refine(&mut self, reading: &[HypothesisWord]) {
        let committed = &mut self.words[self.forgotten..self.committed];
        let found = common_subsequence(committed, &cores(reading));
        for (word, found) in committed.iter_mut().zip(found) {
            let Some(read) = found.and_then(|index| reading.get(index)) else { continue };
            word.said = read.said;
            if !read.given {
                (word.probability, word.weakest) = (read.probability, read.weakest);
            }
        }
    }

    /// The first word of `hypothesis` that comes after the committed words: where the edit distance between the committed words
    /// and the words before it is least, nearest to as many words as were committed. A word stands for another as far as their
    /// letters agree, so that a wrongly committed word does not swallow a right one that sounds nothing like it.
    fn continuation(&self, hypothesis: &[HypothesisWord]) -> usize {
        let committed = &self.words[self.forgotten..self.committed];
        let cores = cores(hypothesis);
        if committed.len() <= cores.len() && committed.iter().zip(&cores).all(|(word, core)| word.core == *core) {
            return committed.len();
        }
        let mut distances: Vec<f64> = (0..=cores.len()).map(|column| column as f64).collect();
        for (row, word) in committed.iter().enumerate() {
            let mut diagonal = row as f64;
            distances[0] = diagonal + 1.0;
            for column in 0..cores.len() {
                let above = distances[column + 1];
                let changed = diagonal + 2.0 * (1.0 - strsim::jaro_winkler(&word.core, &cores[column]));
                distances[column + 1] = changed.min(above + 1.0).min(distances[column] + 1.0);
                diagonal = above;
            }
        }
        let apart = |column: usize| column.abs_diff(committed.len());
        let nearest = (0..=cores.len()).min_by(|&a, &b| distances[a].total_cmp(&distances[b]).then(apart(a).cmp(&apart(b))));
        nearest.unwrap_or(0)
    }

    /// The words as one text, up to the first that is not worth showing. The last committed word's closing punctuation is not
    /// committed: it hangs on what follows.
    fn line(&self) -> Line {
        let mut line = Line::default();
        let mut stable = true;
        let shown = |(index, word): &(usize, &Shown)| *index < self.committed || word.visible;
        for (index, word) in self.words.iter().enumerate().take_while(shown) {
            if index > 0 {
                line.text.push(' ');
            }
            let start = line.text.len();
            line.text.push_str(&word.text);
            let Shown { probability, weakest, said, .. } = *word;
            line.words.push(HypothesisWord { text: word.text.clone(), probability, weakest, said, tokens: 0..0, given: false });
            let settled = start + word.text.trim_end_matches(is_closing).len();
            if index < self.committed {
                line.committed = settled;
            }
            stable &= index < self.committed || word.stable;
            if stable {
                line.stable = settled;
            }
        }
        put_in_order(&mut line.words);
        line
    }
}

/// Words that come from several readings may overlap: moves starts back to the latest before them and ends to the next start.
fn put_in_order(words: &mut [HypothesisWord]) {
    let mut latest = 0;
    for span in words.iter_mut().filter_map(|word| word.said.as_mut()) {
        span.start = span.start.max(latest);
        latest = span.start;
    }
    let mut next = u64::MAX;
    for span in words.iter_mut().rev().filter_map(|word| word.said.as_mut()) {
        span.end = span.end.min(next).max(span.start);
        next = span.start;
    }
}

/// What agreement compares of each word.
fn cores(words: &[HypothesisWord]) -> Vec<String> {
    words.iter().map(|word| core(&word.text).to_lowercase()).collect()
}

/// The part of a word that agreement compares: without punctuation around it.
fn core(word: &str) -> &str {
    let core = word.trim_matches(|c: char| !c.is_alphanumeric());
    if core.is_empty() { word } else { core }
}

fn is_closing(c: char) -> bool {
    matches!(c, '.' | ',' | '?' | '!' | ';' | ':' | '…' | '-' | '–' | '—')
}

/// For each of `shown`, which of `cores` it is in the longest common subsequence of the two.
fn common_subsequence(shown: &[Shown], cores: &[String]) -> Vec<Option<usize>> {
    let width = cores.len() + 1;
    let mut lengths = vec![0_usize; (shown.len() + 1) * width];
    for i in (0..shown.len()).rev() {
        for j in (0..cores.len()).rev() {
            lengths[i * width + j] = if shown[i].core == cores[j] {
                lengths[(i + 1) * width + j + 1] + 1
            } else {
                lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut found) = (0, 0, vec![None; shown.len()]);
    while i < shown.len() && j < cores.len() {
        if shown[i].core == cores[j] {
            found[i] = Some(j);
            (i, j) = (i + 1, j + 1);
        } else if lengths[(i + 1) * width + j] >= lengths[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<HypothesisWord> {
        text.split(' ')
            .filter(|word| !word.is_empty())
            .map(|word| HypothesisWord {
                text: word.to_owned(),
                probability: 0.9,
                weakest: 0.9,
                said: None,
                tokens: 0..0,
                given: false,
            })
            .collect()
    }

    /// Words that were said from the given place to the next one's.
    fn said(text: &str, starts: &[u64]) -> Vec<HypothesisWord> {
        let mut words = words(text);
        assert_eq!(words.len() + 1, starts.len());
        for (word, places) in words.iter_mut().zip(starts.windows(2)) {
            word.said = Some(Span { start: places[0], end: places[1] });
        }
        words
    }

    fn spans(line: &Line) -> Vec<(u64, u64)> {
        line.words().iter().filter_map(|word| word.said).map(|span| (span.start, span.end)).collect()
    }

    fn at(seconds: f64) -> u64 {
        samples_in(seconds)
    }

    /// One rule: so many readings over 0.6 s.
    fn lasting(passes: u32) -> AgreementSettings {
        let rules = vec![CommitRule { passes, lasting_s: 0.6, after_s: 0.0, probability: 0.0, around: 0.0 }];
        AgreementSettings { rules, ..AgreementSettings::default() }
    }

    #[test]
    fn two_hypotheses_make_a_word_stable_and_lasting_agreement_commits_it() {
        let mut agreement = Agreement::new(lasting(3));
        let line = agreement.update(&words("The cad."), at(0.5));
        assert_eq!((line.text(), line.stable(), line.committed()), ("The cad.", "", ""));
        let line = agreement.update(&words("The cat sat."), at(0.8));
        assert_eq!((line.text(), line.stable(), line.committed()), ("The cat sat.", "The", ""));
        let line = agreement.update(&words("The cat sat on."), at(1.1));
        assert_eq!((line.stable(), line.committed()), ("The cat sat", "The"));
        let line = agreement.update(&words("The cat sat on the mat."), at(1.4));
        assert_eq!((line.stable(), line.committed()), ("The cat sat on", "The cat sat"));
    }

    #[test]
    fn a_word_is_committed_by_the_first_rule_that_it_meets() {
        let settings = AgreementSettings::default();
        let read = |agreement: &mut Agreement, weakest: f32, until: f64| {
            let mut words = said("We meet", &[0, 1_600, 4_800]);
            words.iter_mut().for_each(|word| word.weakest = weakest);
            agreement.update(&words, at(until)).committed().to_owned()
        };
        let mut sure = Agreement::new(settings.clone());
        assert_eq!(read(&mut sure, 0.8, 0.4), "");
        assert_eq!(read(&mut sure, 0.8, 0.45), "We", "read twice, and 0.35 s after it; 'meet' was over 0.15 s ago");
        assert_eq!(read(&mut sure, 0.8, 0.5), "We meet");
        let mut unsure = Agreement::new(settings);
        assert_eq!(read(&mut unsure, 0.5, 0.4), "");
        assert_eq!(read(&mut unsure, 0.5, 0.8), "");
        assert_eq!(read(&mut unsure, 0.5, 0.85), "", "three readings, but not yet over half a second");
        assert_eq!(read(&mut unsure, 0.5, 0.9), "We meet");
    }

    #[test]
    fn a_doubtful_word_among_doubtful_ones_waits_for_the_last_rule() {
        let mut words = said("We meet", &[0, 1_600, 4_800]);
        words.iter_mut().for_each(|word| (word.probability, word.weakest) = (0.5, 0.5));
        let mut agreement = Agreement::new(AgreementSettings::default());
        let mut committed_at = |until: f64| agreement.update(&words, at(until)).committed().to_owned();
        for step in 0..8 {
            assert_eq!(committed_at(0.5 + 0.25 * f64::from(step)), "", "{step}");
        }
        assert_eq!(committed_at(2.5), "We meet", "agreed on for two seconds");
    }

    #[test]
    fn a_last_word_that_nobody_would_bet_on_waits() {
        let mut agreement = Agreement::new(AgreementSettings::default());
        let mut words = said("We meat", &[0, 1_600, 4_800]);
        words[1].weakest = 0.2;
        assert_eq!(agreement.update(&words, at(0.4)).text(), "We");
        words[1].text = "meet".into();
        assert_eq!(agreement.update(&words, at(0.5)).text(), "We");
        assert_eq!(agreement.update(&words, at(0.55)).text(), "We meet", "read twice");
        words[1].text = "meat".into();
        assert_eq!(agreement.update(&words, at(0.6)).text(), "We meat", "over 0.3 s ago");
        assert_eq!(agreement.finish(&words).0.text(), "We meat");
    }

    #[test]
    fn what_is_read_no_more_stays_and_the_next_reading_begins_after_it() {
        let mut agreement = Agreement::new(lasting(2));
        for step in 0..4 {
            agreement.update(&words("We meet at ten"), at(0.3 * f64::from(step)));
        }
        assert_eq!((agreement.committed(), agreement.found_in(&words("We met at"))), (4, vec![Some(0), None, Some(2), None]));
        agreement.forget(2);
        assert_eq!(agreement.committed(), 2);
        let line = agreement.update(&words("at ten sharp"), at(1.5));
        assert_eq!((line.text(), line.committed()), ("We meet at ten sharp", "We meet at ten"));
        let (line, amended) = agreement.finish(&words("At ten, they said."));
        assert_eq!((line.text(), amended.len()), ("We meet at ten they said.", 0));
        agreement.forget(99);
        assert_eq!(agreement.committed(), 0, "no more than was committed");
    }

    #[test]
    fn committed_words_stay_in_front_of_whatever_comes() {
        let mut agreement = Agreement::new(lasting(3));
        for step in 0..4 {
            agreement.update(&words("We meet at ten,"), at(0.3 * f64::from(step)));
        }
        agreement.update(&words("We meet at ten, sharp"), at(1.2));
        let line = agreement.update(&words("Be meet at then sharp, they said."), at(1.5));
        assert_eq!(line.committed(), "We meet at ten", "'sharp' has not lasted yet");
        assert_eq!(line.text(), "We meet at ten, sharp, they said.");
        let line = agreement.update(&words("We meet at ten sharp, they said."), at(1.8));
        assert_eq!((line.committed(), line.stable()), ("We meet at ten, sharp", "We meet at ten, sharp, they said"));
        let (line, amended) = agreement.finish(&words("Meet at ten sharply, he said."));
        assert_eq!(line.text(), "We meet at ten, sharp, he said.");
        assert_eq!(amended, ["they"]);
        assert_eq!(line.stable(), line.text());
    }

    #[test]
    fn a_wrongly_committed_word_does_not_swallow_the_right_one() {
        let mut agreement = Agreement::new(lasting(3));
        for step in 0..4 {
            agreement.update(&words("the epoch of the"), at(0.3 * f64::from(step)));
        }
        let (line, _) = agreement.finish(&words("The epoch of incredulity."));
        assert_eq!(line.text(), "the epoch of the incredulity.");
        // A word that begins alike is the same word, heard to its end.
        let mut agreement = Agreement::new(lasting(3));
        for step in 0..4 {
            agreement.update(&words("to heaven. We"), at(0.3 * f64::from(step)));
        }
        let (line, _) = agreement.finish(&words("To heaven. We're all going."));
        assert_eq!(line.text(), "to heaven. We all going.");
    }

    #[test]
    fn a_final_that_hears_less_keeps_what_was_committed() {
        let mut agreement = Agreement::new(lasting(3));
        for step in 0..4 {
            agreement.update(&words("one two"), at(0.3 * f64::from(step)));
        }
        for until in [1.2, 1.5] {
            agreement.update(&words("one two three"), at(until));
        }
        let (line, amended) = agreement.finish(&[]);
        assert_eq!(line.text(), "one two");
        assert_eq!(amended, ["three"]);
    }

    #[test]
    fn words_are_those_of_the_text_with_the_times_of_the_latest_reading() {
        let mut agreement = Agreement::new(lasting(3));
        for step in 0..4 {
            agreement.update(&said("We meet at", &[10, 20, 30, 40]), at(0.3 * f64::from(step)));
        }
        let line = agreement.update(&said("we meet at ten, sharp", &[11, 21, 31, 41, 51, 60]), at(1.5));
        assert_eq!(line.committed(), "We meet at");
        assert_eq!(spans(&line), [(11, 21), (21, 31), (31, 41), (41, 51), (51, 60)]);
        // A reading that has lost a committed word leaves it where it was, and the words stay in order around it.
        let line = agreement.update(&said("We at ten, sharp.", &[12, 18, 40, 52, 62]), at(1.8));
        assert_eq!(line.text(), "We meet at ten, sharp.");
        assert_eq!(spans(&line), [(12, 18), (21, 21), (21, 40), (40, 52), (52, 62)]);
        let joined: Vec<&str> = line.words().iter().map(|word| word.text.as_str()).collect();
        assert_eq!(joined.join(" "), line.text());
    }

    #[test]
    fn a_line_reads_the_same_whatever_its_times() {
        let mut agreement = Agreement::new(lasting(9));
        agreement.update(&said("one two", &[0, 5, 9]), at(0.3));
        let before = agreement.update(&said("one two", &[0, 5, 9]), at(0.6));
        let after = agreement.update(&said("one two", &[1, 6, 10]), at(0.9));
        assert!(after.reads_as(&before) && after != before);
        assert!(!agreement.update(&said("one too", &[1, 6, 10]), at(1.2)).reads_as(&before));
    }

    #[test]
    fn a_committed_prefix_never_shrinks_and_prefixes_nest() {
        let vocabulary = ["a", "b.", "c,", "d", "—", "e?"];
        let mut seed = 7_u64;
        let mut random = move |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % below
        };
        for _ in 0..200 {
            let mut agreement = Agreement::new(lasting(2));
            let mut committed = String::new();
            let mut base: Vec<&str> = Vec::new();
            for step in 0..30 {
                base.push(vocabulary[random(vocabulary.len())]);
                let mut spoken = base.clone();
                if random(3) == 0 {
                    let place = random(spoken.len());
                    spoken[place] = vocabulary[random(vocabulary.len())];
                }
                let line = agreement.update(&words(&spoken.join(" ")), at(0.3 * f64::from(step)));
                assert!(line.committed().starts_with(&committed), "{committed:?} became {:?}", line.committed());
                assert!(line.stable().starts_with(line.committed()) && line.text().starts_with(line.stable()));
                committed = line.committed().to_owned();
            }
            let (line, _) = agreement.finish(&words("b c d"));
            assert!(line.text().starts_with(&committed), "{committed:?} became {:?}", line.text());
        }
    }
}
