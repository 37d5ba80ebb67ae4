//! The automaton: what is said brings, gives back and begins what it should.

use super::*;

const PIECES: [&str; 16] =
    ["", " New", " York", " Ann", "a", " S", "io", "ban", " Sioban", "'s", " Zo", "\u{eb}", " Min", "ster", " ", " Ann,"];

fn boost(terms: &str) -> Boost {
    Boost::new(&Vocabulary::parse(terms).unwrap(), PIECES.len(), |token| PIECES[token as usize].as_bytes())
}

fn token(piece: &str) -> u32 {
    PIECES.iter().position(|other| *other == piece).unwrap() as u32
}

/// What a text of `pieces` gains, its end included.
fn gained(boost: &Boost, pieces: &[&str]) -> f32 {
    let mut state = State::default();
    let along: f32 = pieces.iter().map(|piece| boost.advance(&mut state, token(piece))).sum();
    along + boost.finish(&state)
}

/// What a term is worth that so many tokens spell at the fewest.
fn worth_of(term: &str, fewest: usize) -> f32 {
    (FIRST_BONUS + BYTE_BONUS * term.len() as f32).min(TOKEN_BONUS * fewest as f32).min(MOST_BONUS)
}

fn worth(term: &str) -> f32 {
    worth_of(term, 1)
}

fn near(found: f32, expected: f32) {
    assert!((found - expected).abs() < 1e-4, "{found}, expected {expected}");
}

#[test]
fn every_way_to_cut_a_term_is_worth_the_same() {
    let boost = boost("Sioban");
    for pieces in [&[" Sioban"][..], &[" S", "io", "ban"], &[" Sioban", "'s"], &[" Sioban", " New"], &[" York", " Sioban", ""]] {
        near(gained(&boost, pieces), worth("Sioban"));
    }
    near(gained(&boost, &[" Sioban", " ", " S", "io", "ban"]), 2.0 * worth("Sioban"));
}

#[test]
fn what_is_not_said_to_its_end_brings_nothing() {
    let boost = boost("Sioban\nAnn");
    for pieces in [&[" S", "io"][..], &[" S", "io", " New"], &[" Ann", "a"], &[" S", "ban"], &["io", "ban"]] {
        near(gained(&boost, pieces), 0.0);
    }
    near(gained(&boost, &[" S", " Ann"]), worth("Ann"));
    near(gained(&boost, &[" Ann,", " New"]), worth("Ann"));
}

#[test]
fn a_term_of_few_tokens_brings_little() {
    let boost = boost("Sioban\nSiobannew\nAnna Ann\nAnn\nqqqqqqqqqqqqqq");
    near(gained(&boost, &[" S", "io", "ban"]), TOKEN_BONUS);
    near(gained(&boost, &[" Ann"]), TOKEN_BONUS);
    near(gained(&boost, &[" Ann", "a", " Ann"]), 3.0 * TOKEN_BONUS);
    // What begins alike brings what the least of them may, and no way to one takes back what it brought.
    let mut state = State::default();
    near(boost.advance(&mut state, token(" S")), TOKEN_BONUS);
    near(boost.advance(&mut state, token("io")), 0.0);
    near(boost.advance(&mut state, token("ban")), 0.0);
    // A token that ends the word leaves what is whole as it is.
    near(boost.leave(&state, token(" New")), 0.0);
    near(boost.leave(&state, token("a")), -TOKEN_BONUS);
}

#[test]
fn terms_may_overlap_and_begin_alike() {
    let boost = boost("New York\nYork Minster\nNew");
    near(gained(&boost, &[" New", " York"]), worth_of("New York", 2));
    near(gained(&boost, &[" New", " Ann"]), worth("New"));
    near(gained(&boost, &[" York", " Min", "ster"]), worth_of("York Minster", 3));
    // The longest end of what was said is followed: behind a whole term the letters that it shares begin another.
    let mut state = State::default();
    for piece in [" New", " York", " Min"] {
        boost.advance(&mut state, token(piece));
    }
    boost.advance(&mut state, token("ster"));
    assert!(boost.is_whole(&state));
}

#[test]
fn candidates_are_the_tokens_that_go_on() {
    let boost = boost("Siobana\nZo\u{eb}\nann");
    let from = |pieces: &[&str]| {
        let mut state = State::default();
        for piece in pieces {
            boost.advance(&mut state, token(piece));
        }
        let mut tokens: Vec<&str> = boost.candidates(&state).iter().map(|candidate| PIECES[candidate.token as usize]).collect();
        tokens.sort_unstable();
        tokens.dedup();
        tokens
    };
    assert_eq!(from(&[]), [" Ann", " Ann,", " S", " Sioban", " Zo"], "a listed small letter may be a capital");
    assert_eq!(from(&[" S"]), ["io"]);
    assert!(from(&[" Zo"]).contains(&"\u{eb}"));
    assert!(!from(&[" New"]).contains(&"io"));
}

#[test]
fn only_candidates_change_and_none_without_terms() {
    let mut seed = 7_u32;
    let mut random = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed >> 16
    };
    let (none, some) = (boost(""), boost("Sioban\nNew York"));
    for _ in 0..500 {
        let logits: Vec<f32> = PIECES.iter().map(|_| random() as f32 / 4096.0 - 8.0).collect();
        let (mut unlisted, mut listed) = (State::default(), State::default());
        for _ in 0..random() % 5 {
            let token = random() % PIECES.len() as u32;
            assert_eq!(none.advance(&mut unlisted, token), 0.0);
            some.advance(&mut listed, token);
        }
        let mut changed = logits.clone();
        none.apply(&unlisted, &mut changed);
        assert_eq!(changed, logits);
        some.apply(&listed, &mut changed);
        let candidates: Vec<u32> = some.candidates(&listed).iter().map(|candidate| candidate.token).collect();
        for (token, (new, old)) in changed.iter().zip(&logits).enumerate() {
            assert_eq!(new != old, candidates.contains(&(token as u32)), "token {token}");
        }
        assert!(some.owed(&listed) >= 0.0);
    }
}

#[test]
fn a_full_list_takes_bounded_room() {
    let term = |number: usize| format!("{}{number:04}", "x".repeat(76));
    let terms: String = (0..1_000).map(|number| term(number) + "\n").collect();
    let boost = boost(&terms);
    assert_eq!(boost.terms(), 1_000);
    assert!(boost.nodes.len() < 3_000, "{} nodes: what begins alike is kept once", boost.nodes.len());
}

#[test]
fn a_term_may_begin_directly_behind_another() {
    let boost = boost("Sioban\nAnn\nNew York");
    let mut state = State::default();
    boost.advance(&mut state, token(" Sioban"));
    assert!(boost.is_whole(&state));
    let behind: Vec<(&str, bool, f32)> = boost
        .candidates(&state)
        .iter()
        .map(|candidate| (PIECES[candidate.token as usize], candidate.begins, candidate.bonus))
        .collect();
    let found = |piece: &str| behind.iter().find(|(other, ..)| *other == piece).copied();
    assert_eq!(found(" Ann"), Some((" Ann", true, worth("Ann"))), "{behind:?}");
    assert_eq!(found(" New").map(|(_, begins, _)| begins), Some(true));
    assert_eq!(found("io"), None);
    near(gained(&boost, &[" Sioban", " Ann"]), worth("Sioban") + worth("Ann"));
}

#[test]
fn a_whole_term_within_a_longer_one_is_not_lost_with_it() {
    let boost = boost("York\nNew York Minster");
    near(gained(&boost, &[" New", " York"]), worth("York"));
    near(gained(&boost, &[" New", " York", " Ann"]), worth("York"));
    near(gained(&boost, &[" New", " York", " Min"]), worth("York"));
    near(gained(&boost, &[" New", " York", " Min", "ster"]), worth_of("New York Minster", 4));
    near(gained(&boost, &[" New", " York", "a"]), 0.0);
}

#[test]
fn only_whole_terms_are_forgiven_and_at_most_their_bonus() {
    let boost = boost("Sioban\nAnn");
    let of = |pieces: &[(&str, f32)]| {
        let choice = |&(piece, cost): &(&str, f32)| Choice { token: token(piece), probability: (-cost).exp() };
        boost.forgiven(&pieces.iter().map(choice).collect::<Vec<_>>()) as f32
    };
    near(of(&[(" York", 1.0), (" S", 2.0), ("io", 0.5), ("ban", 0.25), (" New", 3.0)]), 2.75);
    near(of(&[(" York", 1.0), (" S", 2.0), ("io", 0.5), ("ban", 0.25)]), 2.75);
    near(of(&[(" S", 2.0), ("io", 0.5), ("ban", 4.0)]), worth("Sioban"));
    near(of(&[(" S", 2.0), ("io", 1.5), (" New", 3.0)]), 0.0);
    near(of(&[(" Sioban", 40.0), (" Ann", 1.0), ("'s", 3.0), (" Ann", 2.0), ("a", 1.0)]), worth("Sioban") + 1.0);
    near(of(&[]), 0.0);
}
