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
mod tests;
