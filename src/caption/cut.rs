//! Cutting: where one cue ends and the next begins.
//!
//! In: the words of a segment in order, with the tags of sounds between them, each where it was heard. Out: blocks of at most two lines.
//! The cheapest of all ways to cut, by what each block and each cut costs a reader; it takes time in proportion to the number of words.

use super::language::{PLAIN, break_cost};
use super::lines::{self, Break};
use super::settings::{Settings, milliseconds};
use super::{Block, Kind, Piece};

/// What a block costs by being one more: two short sentences stay together, two that fill their lines do not.
const ONE_MORE: u64 = 24;
/// What a sentence that ends inside a block costs.
const SENTENCE_INSIDE: u64 = 10;
/// What a cut costs, by what a broken line does: the eye waits longer for the next cue than for the next line.
const CUT_WEIGHT: u64 = 2;
/// A pause in speech, from which on a cut costs nothing but what language says, milliseconds.
const PAUSE_MS: u64 = 250;
/// What a cut at a pause saves.
const PAUSE_SAVES: u64 = 20;
/// Longer pauses are not to lie inside a block: its second half would be read long before it is said (BBC: 1.5 s at most).
const LONG_PAUSE_MS: u64 = 800;
/// What they cost, a second.
const LONG_PAUSE: u64 = 80;
/// What a block costs that is shorter than a cue may be: the next would be late.
const TOO_SHORT: u64 = 60;
/// What a block costs that is longer than a cue may be.
const TOO_LONG: u64 = 2_000;
/// What a tag costs, a second that it is shown before the sound.
const EARLY_TAG: u64 = 40;

/// How far a cut has been followed.
#[derive(Clone, Copy)]
struct Step {
    cost: u64,
    /// Where the block that ends here begins.
    from: usize,
}

/// Cuts `pieces` into blocks. Each piece is at most `settings.columns` wide.
pub(super) fn cut(pieces: &[Piece], settings: &Settings) -> Vec<Block> {
    let mut steps = vec![Step { cost: 0, from: 0 }];
    for end in 1..=pieces.len() {
        let mut best: Option<Step> = None;
        for from in (0..end).rev() {
            // More pieces do not fit either.
            let Some(shape) = Shape::of(&pieces[from..end], settings.columns) else { break };
            let cost = steps[from].cost + cost(pieces, from, end, &shape, settings);
            if best.is_none_or(|best| cost < best.cost) {
                best = Some(Step { cost, from });
            }
        }
        // A piece alone always fits; were one wider, it would stand alone all the same.
        steps.push(best.unwrap_or(Step { cost: steps[end - 1].cost, from: end - 1 }));
    }
    let mut cuts = Vec::new();
    let mut end = pieces.len();
    while end > 0 {
        cuts.push(steps[end].from..end);
        end = steps[end].from;
    }
    cuts.into_iter().rev().map(|range| block(&pieces[range], settings.columns)).collect()
}

/// How pieces go on two lines: tags on the first, if there are any, words on what is left.
struct Shape<'a> {
    tags: Vec<&'a Piece>,
    words: Vec<&'a Piece>,
    broken: Break,
}

impl<'a> Shape<'a> {
    fn of(pieces: &'a [Piece], columns: usize) -> Option<Self> {
        let words: Vec<&Piece> = pieces.iter().filter(|piece| piece.kind == Kind::Word).collect();
        let mut tags: Vec<&Piece> = Vec::new();
        for tag in pieces.iter().filter(|piece| piece.kind == Kind::Tag) {
            // Two dogs are one tag.
            if !tags.iter().any(|other| other.text == tag.text) {
                tags.push(tag);
            }
        }
        let broken = lines::break_words(&words, columns)?;
        let lines = usize::from(!words.is_empty()) + usize::from(broken.first < words.len()) + usize::from(!tags.is_empty());
        (lines <= 2 && lines::columns_of(&tags) <= columns).then_some(Self { tags, words, broken })
    }
}

/// What the block of `pieces[from..end]`, and the cut after it, cost a reader.
fn cost(pieces: &[Piece], from: usize, end: usize, shape: &Shape<'_>, settings: &Settings) -> u64 {
    let block = &pieces[from..end];
    let (start_ms, end_ms) = span(block);
    let mut cost = ONE_MORE + u64::from(shape.broken.cost);
    for pair in block.windows(2) {
        let pause = pair[1].start_ms.saturating_sub(pair[0].end_ms);
        if pause > LONG_PAUSE_MS {
            cost += (LONG_PAUSE * pause / 1_000).min(TOO_LONG);
        }
        if pair.iter().all(|piece| piece.kind == Kind::Word) && break_cost(&pair[0].text, &pair[1].text) == 0 {
            cost += SENTENCE_INSIDE;
        }
    }
    cost += shape.tags.iter().map(|tag| (EARLY_TAG * (tag.start_ms - start_ms) / 1_000).min(TOO_LONG)).sum::<u64>();
    if end_ms - start_ms > milliseconds(settings.maximum_s) {
        cost += TOO_LONG;
    }
    if let (Some(last), Some(next)) = (block.last(), pieces.get(end)) {
        if next.start_ms.saturating_sub(start_ms) < milliseconds(settings.minimum_s) {
            cost += TOO_SHORT;
        }
        let both_words = last.kind == Kind::Word && next.kind == Kind::Word;
        let torn = if both_words { u64::from(break_cost(&last.text, &next.text)) } else { u64::from(PLAIN) / 2 };
        let paused = if next.start_ms.saturating_sub(last.end_ms) >= PAUSE_MS { PAUSE_SAVES } else { 0 };
        cost += (torn * CUT_WEIGHT).saturating_sub(paused);
    }
    cost
}

fn span(pieces: &[Piece]) -> (u64, u64) {
    let start = pieces.first().map_or(0, |piece| piece.start_ms);
    (start, pieces.iter().map(|piece| piece.end_ms).fold(start, u64::max))
}

fn block(pieces: &[Piece], columns: usize) -> Block {
    let (start_ms, end_ms) = span(pieces);
    let mut lines = Vec::new();
    match Shape::of(pieces, columns) {
        Some(Shape { tags, words, broken }) => {
            let (upper, lower) = words.split_at(broken.first);
            lines.extend([tags.as_slice(), upper, lower].iter().filter(|line| !line.is_empty()).map(|line| lines::join(line)));
        }
        None => lines.extend(pieces.iter().map(|piece| piece.text.clone())),
    }
    Block { start_ms, end_ms, lines }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_width::UnicodeWidthStr;

    fn piece(text: &str, kind: Kind, start_ms: u64, end_ms: u64) -> Piece {
        Piece { text: text.to_owned(), columns: text.width(), start_ms, end_ms, kind }
    }

    /// Words of 0.3 s each, with a pause where it says `|`, and tags at their places.
    fn spoken(text: &str) -> Vec<Piece> {
        let mut at = 0;
        let mut pieces = Vec::new();
        for word in text.split_whitespace() {
            match word {
                "|" => at += 500,
                "||" => at += 3_000,
                tag if tag.starts_with('[') => pieces.push(piece(tag, Kind::Tag, at, at + 500)),
                word => {
                    pieces.push(piece(word, Kind::Word, at, at + 300));
                    at += 300;
                }
            }
        }
        pieces
    }

    fn lines(text: &str) -> Vec<String> {
        cut(&spoken(text), &Settings::default()).into_iter().map(|block| block.lines.join(" / ")).collect()
    }

    #[test]
    fn sentences_and_pauses_make_cues() {
        let text =
            "It was the best of times, | it was the worst of times. | It was the age of wisdom, it was the age of foolishness.";
        assert_eq!(
            lines(text),
            [
                "It was the best of times, / it was the worst of times.",
                "It was the age of wisdom, / it was the age of foolishness."
            ]
        );
        assert_eq!(lines("Ever tried. || Ever failed."), ["Ever tried.", "Ever failed."]);
        assert_eq!(lines("No. | Not now."), ["No. Not now."], "0.3 s are too short for a cue");
        let long = "some of its noisiest authorities insisted on its being received for good or for evil in the superlative degree of comparison only";
        assert_eq!(
            lines(long),
            [
                "some of its noisiest authorities insisted / on its being received for good or for evil",
                "in the superlative degree / of comparison only"
            ]
        );
    }

    #[test]
    fn a_sound_stands_above_the_words_it_came_with() {
        assert_eq!(lines("I told [dog] you so."), ["[dog] / I told you so."]);
        assert_eq!(lines("[dog] [bell] [dog]"), ["[dog] [bell]"]);
        let text = "It was the best of times, | [dog] it was the worst of times.";
        assert_eq!(lines(text), ["It was the best of times,", "[dog] / it was the worst of times."]);
    }
}
