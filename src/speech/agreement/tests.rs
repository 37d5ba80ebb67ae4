//! Hypotheses one after the other, and what of them is shown, stable and committed.

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
