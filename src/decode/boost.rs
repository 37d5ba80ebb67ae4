//! Which tokens spell a listed term, and what each is worth: the terms as a byte-level automaton laid over a model's tokens.
//!
//! In: a [`Vocabulary`], the bytes of every token. Out: [`Boost`], and from a [`State`] the few tokens that go on with a term, each
//! with its bonus in logits. Every way of cutting a term into tokens is worth the same, because a bonus belongs to letters: the first
//! letter of a term brings [`FIRST_BONUS`], each byte [`BYTE_BONUS`], and what was gathered for a term that is then not said to its
//! end is taken back (as in icefall's context graph, whose nodes are tokens). So a term that shares but its beginning with what
//! is said brings nothing, and a short one, which is easily misheard into other words, brings little. So does one of few tokens, which the
//! model finds common ([`TOKEN_BONUS`]): once its letters have brought that, the model has to go on with it by itself.
//!
//! A term begins where a word does, with the mark of a space, and is complete where a word ends. It comes out as it is written in the list;
//! one that is listed in small letters may also begin with a capital.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use super::greedy::Choice;
use super::vocabulary::Vocabulary;

/// Bonus of the beginning of a term, logits.
pub const FIRST_BONUS: f32 = 2.0;
/// Bonus of each byte of a term, its first included and the spaces in it too, logits.
pub const BYTE_BONUS: f32 = 1.0;
/// No term brings more for each of the fewest tokens that spell it, logits. A model writes what it finds common in one token and what
/// it finds rare in several: a common name needs little help, and with much it is read wherever a word is unclear.
pub const TOKEN_BONUS: f32 = 3.0;
/// No term brings more, logits.
pub const MOST_BONUS: f32 = 12.0;

/// No token of a term is taken that is further than this below the likeliest, logits: a term that is one token would else be read where
/// hardly a sound of it is.
pub const MOST_COST: f32 = 8.0;

/// The mark of a word's beginning, as tokenizers give it.
const SPACE: u8 = b' ';

const ROOT: u32 = 0;

/// How far a term has been said: a place in the automaton of one [`Boost`]. A copy is a hypothesis of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    node: u32,
}

/// A token that goes on with a term.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Its id.
    pub token: u32,
    /// What it adds to the bonus of the term, logits.
    pub bonus: f32,
    /// Whether it begins a term behind one that is whole, which has brought its own.
    pub begins: bool,
    /// Where it leads.
    pub state: State,
}

/// A place in the automaton: the longest end of what was said that is the beginning of a term.
#[derive(Clone, Debug, Default, PartialEq)]
struct Node {
    next: BTreeMap<u8, u32>,
    /// The longest proper end of it that is the beginning of a term too.
    fallback: u32,
    /// Bytes from the root, the mark not counted.
    bytes: u16,
    /// The least that a whole term through here may bring: so the way to one never takes back what it brought.
    most: f32,
    /// Whether a term ends here.
    ends: bool,
    /// Bonus of the longest whole term within it that its next byte does not touch any more: that is no longer owed.
    earned: f32,
    /// The same where a word ends here.
    whole: f32,
    /// Its candidates among those of all.
    candidates: (u32, u32),
}

/// The terms of a vocabulary over the tokens of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Boost {
    nodes: Vec<Node>,
    candidates: Vec<Candidate>,
    /// Bytes of all tokens, so that a state is followed through tokens of no term too.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    terms: usize,
}

impl Boost {
    /// Lays `vocabulary` over a model of `tokens` tokens, whose bytes `bytes` gives; those of no text are empty.
    pub fn new<'a>(vocabulary: &Vocabulary, tokens: usize, bytes: impl Fn(u32) -> &'a [u8]) -> Self {
        let mut boost =
            Self { nodes: vec![Node::default()], candidates: Vec::new(), bytes: Vec::new(), ends: Vec::new(), terms: 0 };
        let mut sorted: Vec<(&[u8], u32)> = Vec::with_capacity(tokens);
        for token in 0..u32::try_from(tokens).unwrap_or(u32::MAX) {
            let piece = bytes(token);
            boost.bytes.extend_from_slice(piece);
            boost.ends.push(boost.bytes.len());
            if !piece.is_empty() {
                sorted.push((piece, token));
            }
        }
        sorted.sort_unstable();
        for term in vocabulary.terms() {
            boost.plant(term, &sorted);
            if let Some(first) = term.chars().next().filter(char::is_ascii_lowercase) {
                boost.plant(&format!("{}{}", first.to_ascii_uppercase(), &term[1..]), &sorted);
            }
        }
        boost.terms = vocabulary.terms().len();
        boost.fall_back();
        for node in 0..boost.nodes.len() {
            let first = boost.candidates.len() as u32;
            boost.collect(node as u32, node as u32, &sorted, 0);
            if boost.nodes[node].ends {
                boost.begin_behind(node as u32, first);
            }
            boost.nodes[node].candidates = (first, boost.candidates.len() as u32);
        }
        boost
    }

    /// How many terms there are.
    pub fn terms(&self) -> usize {
        self.terms
    }

    /// The tokens that go on with a term from `state`, and what each brings. None where the vocabulary is empty. From within a term these
    /// are its own alone; behind a whole one another may begin.
    pub fn candidates(&self, state: &State) -> &[Candidate] {
        let range =
            self.nodes.get(state.node as usize).map_or(0..0, |node| node.candidates.0 as usize..node.candidates.1 as usize);
        self.candidates.get::<Range<usize>>(range).unwrap_or_default()
    }

    /// Adds to `logits`, by token, the bonus of each that goes on with a term from `state`; all others stay as they are. What a token
    /// takes back when it does not go on, [`owed`](Self::owed) tells.
    pub fn apply(&self, state: &State, logits: &mut [f32]) {
        for candidate in self.candidates(state) {
            if let Some(logit) = logits.get_mut(candidate.token as usize) {
                *logit += candidate.bonus;
            }
        }
    }

    /// Takes `token`. Returns what it changes in the score of a hypothesis: its bonus, or what is taken back of a term it does not go
    /// on with, which is negative. A token of no text, which is a special one, ends a word.
    pub fn advance(&self, state: &mut State, token: u32) -> f32 {
        let before = self.owed(state);
        let (node, earned) = self.walk(state.node, self.piece(token));
        state.node = node;
        earned + self.owed(state) - before
    }

    /// Bonus gathered for a term that is not complete, logits: what a hypothesis gives back that ends or goes elsewhere here. A
    /// term at its last letter is complete only when its word ends, which [`finish`](Self::finish) tells of the end of the text.
    pub fn owed(&self, state: &State) -> f32 {
        self.nodes.get(state.node as usize).map_or(0.0, |node| node.bonus() - node.earned)
    }

    /// What the end of the text changes in the score: nothing after a whole term, else what is owed, negative.
    pub fn finish(&self, state: &State) -> f32 {
        self.nodes.get(state.node as usize).map_or(0.0, |node| node.whole - node.bonus())
    }

    /// What `token` changes in the score where it is not taken along a term, nor begins one: a whole term that it lets end is not lost.
    pub fn leave(&self, state: &State, token: u32) -> f32 {
        if ends_word(self.piece(token)) { self.finish(state) } else { -self.owed(state) }
    }

    /// Whether a token of a term may be taken `cost` logits below `likeliest`. Never in place of a token of no text: where the model holds
    /// that nothing more was said, a name would be made up.
    pub fn may(&self, likeliest: u32, cost: f32) -> bool {
        cost <= 0.0 || cost <= MOST_COST && !self.piece(likeliest).is_empty()
    }

    /// Whether what was said is a whole term if a word ends here.
    pub fn is_whole(&self, state: &State) -> bool {
        self.nodes.get(state.node as usize).is_some_and(|node| node.ends)
    }

    /// By how much the tokens of whole terms are less likely than certain, in logarithms; where a token completes terms, no more than
    /// these bring. What is not believed because it is unlikely is to be asked without this: a term is listed since the model finds it
    /// unlikely.
    pub fn forgiven(&self, tokens: &[Choice]) -> f64 {
        let (mut state, mut cost, mut sum) = (State::default(), 0.0, 0.0);
        for choice in tokens {
            let own = -f64::from(choice.probability.max(f32::MIN_POSITIVE)).ln();
            let before = self.owed(&state);
            let (node, earned) = self.walk(state.node, self.piece(choice.token));
            state.node = node;
            let lost = earned + self.owed(&state) < before;
            if earned > 0.0 {
                // Complete before this token, or within it.
                sum += f64::from(earned).min(if before > 0.0 { cost } else { own });
            }
            cost = if earned > 0.0 || lost || before <= 0.0 { own } else { cost + own };
        }
        let whole = self.owed(&state) + self.finish(&state);
        sum + cost.min(f64::from(whole.max(0.0)))
    }

    fn piece(&self, token: u32) -> &[u8] {
        let Some(&end) = self.ends.get(token as usize) else { return &[] };
        let start = (token as usize).checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..end]
    }

    /// Where `piece` leads from `node`, and the bonus of the terms that it completes, as far as it was owed or is its own.
    fn walk(&self, mut node: u32, piece: &[u8]) -> (u32, f32) {
        let mut earned = 0.0;
        if piece.is_empty() {
            let here = &self.nodes[node as usize];
            return (ROOT, here.whole - here.earned);
        }
        for (place, &byte) in piece.iter().enumerate() {
            let here = &self.nodes[node as usize];
            if ends_word(&piece[place..]) {
                earned += here.whole - here.earned;
            }
            node = self.step(node, byte);
        }
        (node, earned)
    }

    fn step(&self, mut node: u32, byte: u8) -> u32 {
        loop {
            let here = &self.nodes[node as usize];
            match here.next.get(&byte) {
                Some(&next) => return next,
                None if node == ROOT => return ROOT,
                None => node = here.fallback,
            }
        }
    }

    fn plant(&mut self, term: &str, tokens: &[(&[u8], u32)]) {
        let said: Vec<u8> = [SPACE].into_iter().chain(term.bytes()).collect();
        let most = MOST_BONUS.min(TOKEN_BONUS * fewest_tokens(&said, tokens) as f32);
        let mut node = ROOT as usize;
        for byte in said {
            let found = self.nodes[node].next.get(&byte).copied();
            let next = found.unwrap_or_else(|| {
                let child = Node { bytes: self.nodes[node].bytes + 1, most, ..Node::default() };
                self.nodes.push(child);
                let child = (self.nodes.len() - 1) as u32;
                self.nodes[node].next.insert(byte, child);
                child
            });
            node = next as usize;
            self.nodes[node].most = self.nodes[node].most.min(most);
        }
        self.nodes[node].ends = true;
    }

    /// Links every node to its fallback and settles what is earned, breadth first (Aho and Corasick, CACM 18(6), 1975).
    fn fall_back(&mut self) {
        let mut queue = VecDeque::from([ROOT]);
        while let Some(node) = queue.pop_front() {
            let here = &self.nodes[node as usize];
            let fallback = here.fallback;
            // What the fallback has whole lies within this too, so it is not lost with what goes on here.
            let whole = if here.ends { here.bonus() } else { here.earned.max(self.nodes[fallback as usize].whole) };
            self.nodes[node as usize].whole = whole;
            let here = &self.nodes[node as usize];
            let children: Vec<(u8, u32)> = here.next.iter().map(|(&byte, &child)| (byte, child)).collect();
            for (byte, child) in children {
                let link = if node == ROOT { ROOT } else { self.step(fallback, byte) };
                // A whole term is complete only where its word ends: behind it comes no letter.
                let kept = if ends_word(&[byte]) { whole } else { self.nodes[node as usize].earned };
                let child = &mut self.nodes[child as usize];
                (child.fallback, child.earned) = (link, kept);
            }
            queue.extend(self.nodes[node as usize].next.values());
        }
    }

    /// Adds the tokens among `tokens`, sorted, which agree in their first `depth` bytes with a way from `from` to `node`.
    fn collect(&mut self, from: u32, node: u32, tokens: &[(&[u8], u32)], depth: usize) {
        let inside = tokens.partition_point(|(piece, _)| piece.len() <= depth);
        for &(_, token) in tokens[..inside].iter().filter(|_| depth > 0) {
            self.add(from, token, false);
        }
        let longer = &tokens[inside..];
        if self.nodes[node as usize].ends && depth > 0 {
            // What completes the term and goes on, where the word ends.
            for &(piece, token) in longer.iter().filter(|(piece, _)| ends_word(&piece[depth..])) {
                if !self.nodes[node as usize].next.contains_key(&piece[depth]) {
                    self.add(from, token, false);
                }
            }
        }
        let children: Vec<(u8, u32)> = self.nodes[node as usize].next.iter().map(|(&byte, &child)| (byte, child)).collect();
        for (byte, child) in children {
            let first = longer.partition_point(|(piece, _)| piece[depth] < byte);
            let past = longer.partition_point(|(piece, _)| piece[depth] <= byte);
            if first < past {
                self.collect(from, child, &longer[first..past], depth + 1);
            }
        }
    }

    /// Adds the tokens that begin a term behind the whole one at `from`, whose own are those from `first` on.
    fn begin_behind(&mut self, from: u32, first: u32) {
        let (begin, end) = self.nodes[ROOT as usize].candidates;
        for place in begin..end {
            let token = self.candidates[place as usize].token;
            if self.candidates[first as usize..].iter().all(|own| own.token != token) {
                self.add(from, token, true);
            }
        }
    }

    fn add(&mut self, from: u32, token: u32, begins: bool) {
        let mut state = State { node: from };
        let bonus = self.advance(&mut state, token);
        if bonus > 0.0 {
            self.candidates.push(Candidate { token, bonus, begins, state });
        }
    }
}

impl Node {
    /// What the way here is worth, logits.
    fn bonus(&self) -> f32 {
        let said = usize::from(self.bytes).saturating_sub(1);
        if said == 0 { 0.0 } else { (FIRST_BONUS + BYTE_BONUS * said as f32).min(self.most) }
    }
}

/// Into how few of `tokens`, sorted, `text` can be cut; as many as it has bytes where they do not spell it.
fn fewest_tokens(text: &[u8], tokens: &[(&[u8], u32)]) -> usize {
    let mut fewest: Vec<usize> = (0..=text.len()).collect();
    for start in 0..text.len() {
        let mut alike = tokens;
        for (depth, &byte) in text[start..].iter().enumerate() {
            // Those that agree so far and go on: sorted, so that shorter ones are first.
            let longer = &alike[alike.partition_point(|(piece, _)| piece.len() <= depth)..];
            let first = longer.partition_point(|(piece, _)| piece[depth] < byte);
            alike = &longer[first..longer.partition_point(|(piece, _)| piece[depth] <= byte)];
            let Some((shortest, _)) = alike.first() else { break };
            if shortest.len() == depth + 1 {
                let end = start + depth + 1;
                fewest[end] = fewest[end].min(fewest[start] + 1);
            }
        }
    }
    fewest[text.len()]
}

/// Whether a word ends before `rest`: before a space, or what else is neither letter nor digit.
fn ends_word(rest: &[u8]) -> bool {
    rest.first().is_none_or(|byte| byte.is_ascii() && !byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests;
