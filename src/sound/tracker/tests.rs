//! Scores made by hand, and the events that come of them.

use super::*;
use SoundState::{End, Start, Update};

const HOP_S: f64 = 0.24;
const NAMES: [&str; 7] = ["Animal", "Dog", "Bark", "Yip", "Cat", "Speech", "Siren"];

/// One told sound: state, event, label, start and end in seconds.
type Told = (SoundState, u64, String, f64, f64);

fn tracker(change: impl FnOnce(&mut TrackerSettings)) -> Tracker {
    let labels: Arc<[Label]> = NAMES.map(|name| Label { id: name.into(), name: name.into() }).into();
    let ontology = Arc::new(Ontology::new(&labels));
    let rule = |label| Rule { on: 0.5, off: 0.3, minimum_samples: samples_in(0.5), shown: ontology.shown(label) };
    let mut settings = TrackerSettings {
        model: "test".into(),
        hop: samples_in(HOP_S),
        smoothing_s: 0.0,
        hold_s: 1.0,
        update_s: 1.0,
        open_limit: 16,
        rules: (0..NAMES.len()).map(rule).collect(),
    };
    change(&mut settings);
    Tracker::new(settings, labels, ontology)
}

/// Patches from number `first` on, each given by the scores that are not 0.
fn feed(tracker: &mut Tracker, first: u64, patches: &[&[(&str, f32)]]) -> Vec<Told> {
    let mut told = Vec::new();
    for (number, scores) in (first..).zip(patches) {
        let start = SamplePosition(number * samples_in(HOP_S));
        let mut all = [0.0; NAMES.len()];
        for (name, score) in *scores {
            all[NAMES.iter().position(|known| known == name).unwrap()] = *score;
        }
        tracker.observe(Span { start, end: start + samples_in(0.96) }, &all, &mut |body| told.push(sound(body)));
    }
    told
}

fn finish(tracker: &mut Tracker) -> Vec<Told> {
    let mut told = Vec::new();
    tracker.finish(&mut |body| told.push(sound(body)));
    told
}

fn sound(body: EventBody) -> Told {
    let EventBody::Sound(sound) = body else { panic!("{body:?}") };
    assert!(sound.start < sound.end && *sound.id == *sound.label && *sound.model == *"test", "{sound:?}");
    (sound.state, sound.event, sound.label.to_string(), sound.start.seconds(), sound.end.seconds())
}

fn states(told: &[Told]) -> Vec<(SoundState, u64, &str)> {
    told.iter().map(|(state, event, label, _, _)| (*state, *event, label.as_str())).collect()
}

#[test]
fn a_sound_starts_above_on_goes_on_above_off_and_ends_below() {
    let mut tracker = tracker(|_| {});
    let told = feed(&mut tracker, 0, &[&[], &[("Dog", 0.49)], &[("Dog", 0.49)], &[("Dog", 0.49)]]);
    assert_eq!(told, []);
    let told = feed(&mut tracker, 4, &[&[("Dog", 0.6)], &[("Dog", 0.4)], &[("Dog", 0.31)], &[("Dog", 0.31)], &[]]);
    assert_eq!(states(&told), [(Start, 0, "Dog")]);
    let told = feed(&mut tracker, 9, &[&[], &[], &[], &[], &[], &[]]);
    // Last heard in patch 7, from 1.68 s on.
    assert_eq!(states(&told), [(End, 0, "Dog")]);
    assert!((told[0].4 - 1.98).abs() < 1e-9, "{told:?}");
}

#[test]
fn a_sound_shorter_than_the_minimum_is_not_told_and_a_longer_one_keeps_its_onset() {
    let mut tracker = tracker(|_| {});
    assert_eq!(feed(&mut tracker, 0, &[&[], &[("Dog", 0.9)], &[("Dog", 0.9)], &[], &[], &[]]), []);
    let dog: &[(&str, f32)] = &[("Dog", 0.9)];
    let told = feed(&mut tracker, 6, &[&[("Dog", 0.4)], dog, dog]);
    assert_eq!(told, []);
    let told = feed(&mut tracker, 9, &[dog]);
    assert_eq!(states(&told), [(Start, 0, "Dog")]);
    // Above `off` since patch 6, which ends at 2.4 s and holds 0.3 s of it.
    assert!((told[0].3 - 2.1).abs() < 1e-9, "{told:?}");
}

#[test]
fn a_label_and_what_contains_it_are_one_event_with_the_closest_label() {
    let mut tracker = tracker(|_| {});
    let animal: &[(&str, f32)] = &[("Animal", 0.9)];
    let dog: &[(&str, f32)] = &[("Animal", 0.9), ("Dog", 0.8)];
    let bark: &[(&str, f32)] = &[("Animal", 0.9), ("Dog", 0.8), ("Bark", 0.6), ("Yip", 0.5)];
    let told = feed(&mut tracker, 0, &[animal, animal, animal, dog, dog, dog, bark, bark, bark]);
    let names: Vec<_> = states(&told).into_iter().map(|(state, event, label)| (state == End, event, label)).collect();
    assert_eq!(names, [(false, 0, "Animal"), (false, 0, "Dog"), (false, 0, "Bark")]);
    assert_eq!((told[0].0, told[1].0, told[2].0), (Start, Update, Update));
    assert_eq!(states(&finish(&mut tracker)), [(End, 0, "Bark")]);
}

#[test]
fn a_label_of_the_same_sound_takes_over_when_it_is_clearly_surer() {
    let mut tracker = tracker(|_| {});
    let bark: &[(&str, f32)] = &[("Dog", 0.9), ("Bark", 0.6), ("Yip", 0.7)];
    let yip: &[(&str, f32)] = &[("Dog", 0.9), ("Bark", 0.5), ("Yip", 0.8)];
    let first: &[(&str, f32)] = &[("Dog", 0.9), ("Bark", 0.6)];
    let told = feed(&mut tracker, 0, &[first, first, first, bark, bark, bark, bark, bark, bark, yip, yip, yip, yip]);
    assert!(told.iter().all(|told| told.1 == 0), "{told:?}");
    let names: Vec<&str> = told.iter().map(|told| told.2.as_str()).collect();
    assert_eq!(names, ["Bark", "Bark", "Yip"]);
}

#[test]
fn sounds_that_only_share_a_group_are_events_of_their_own() {
    let mut tracker = tracker(|_| {});
    let both: &[(&str, f32)] = &[("Animal", 0.9), ("Dog", 0.8), ("Cat", 0.7), ("Siren", 0.6)];
    let told = feed(&mut tracker, 0, &[both, both, both]);
    assert_eq!(states(&told), [(Start, 0, "Dog"), (Start, 1, "Cat"), (Start, 2, "Siren")]);
}

#[test]
fn what_contained_a_sound_that_ended_must_go_on_to_be_told() {
    let mut tracker = tracker(|_| {});
    let dog: &[(&str, f32)] = &[("Animal", 0.9), ("Dog", 0.8)];
    let animal: &[(&str, f32)] = &[("Animal", 0.9)];
    feed(&mut tracker, 0, &[dog, dog, dog]);
    let told = feed(&mut tracker, 3, &[animal; 12]);
    assert_eq!(states(&told)[..2], [(End, 0, "Dog"), (Start, 1, "Animal")]);
    assert!(told[1].3 > told[0].4, "one after the other: {told:?}");
}

#[test]
fn what_repeats_within_the_hold_is_one_event_and_updates_come_once_a_second() {
    let mut tracker = tracker(|_| {});
    let dog: &[(&str, f32)] = &[("Dog", 0.9)];
    let told = feed(&mut tracker, 0, &[dog, dog, dog, &[], &[], dog, dog, dog, &[], &[], dog, dog]);
    assert_eq!(states(&told), [(Start, 0, "Dog"), (Update, 0, "Dog")]);
    assert!(told[1].4 > told[0].4);
}

#[test]
fn smoothing_passes_over_one_patch_alone() {
    let scores: [&[(&str, f32)]; 7] = [&[], &[], &[("Dog", 0.7)], &[], &[], &[], &[]];
    let quick = |settings: &mut TrackerSettings| settings.rules[1].minimum_samples = 0;
    let told = feed(&mut tracker(quick), 0, &scores);
    assert_eq!(states(&told)[0], (Start, 0, "Dog"));
    let mut smooth = tracker(|settings| {
        quick(settings);
        settings.smoothing_s = 0.25;
    });
    assert_eq!(feed(&mut smooth, 0, &scores), []);
}

#[test]
fn a_gap_longer_than_the_hold_ends_what_was_heard_and_forgets_what_was_not_told() {
    let mut tracker = tracker(|_| {});
    let both: &[(&str, f32)] = &[("Dog", 0.9), ("Siren", 0.4)];
    feed(&mut tracker, 0, &[both, both, both]);
    let mut told = Vec::new();
    tracker.skip_to(SamplePosition::from_seconds(1.5), &mut |body| told.push(sound(body)));
    assert_eq!(told, [], "a short gap ends nothing");
    tracker.skip_to(SamplePosition::from_seconds(10.0), &mut |body| told.push(sound(body)));
    assert_eq!(states(&told), [(End, 0, "Dog")]);
    assert!(told[0].4 < 1.5, "it ends where it was heard last: {told:?}");
    let siren: &[(&str, f32)] = &[("Siren", 0.9)];
    assert_eq!(feed(&mut tracker, 50, &[siren, siren]), []);
    let told = feed(&mut tracker, 52, &[siren]);
    assert_eq!(states(&told), [(Start, 1, "Siren")]);
    assert!((told[0].3 - 12.0).abs() < 1e-9, "it may have begun anywhere in the first patch after the gap: {told:?}");
}

#[test]
fn the_end_of_the_stream_tells_what_it_cut_short_and_ends_all() {
    let mut tracker = tracker(|_| {});
    assert_eq!(feed(&mut tracker, 0, &[&[("Dog", 0.9), ("Cat", 0.4)]]), []);
    assert_eq!(states(&finish(&mut tracker)), [(Start, 0, "Dog"), (End, 0, "Dog")]);
    assert_eq!(finish(&mut tracker), []);
}

#[test]
fn after_an_end_the_next_patch_starts_anew_wherever_it_lies() {
    let mut tracker = tracker(|_| {});
    let dog: &[(&str, f32)] = &[("Dog", 0.9)];
    assert_eq!(states(&feed(&mut tracker, 0, &[dog, dog, dog])), [(Start, 0, "Dog")]);
    assert_eq!(states(&finish(&mut tracker)), [(End, 0, "Dog")]);
    // The very next patch: what was heard before does not count for the minimum duration.
    assert_eq!(feed(&mut tracker, 3, &[dog, dog]), []);
    let told = feed(&mut tracker, 5, &[dog]);
    assert_eq!(states(&told), [(Start, 1, "Dog")]);
    assert!((told[0].3 - 0.72).abs() < 1e-9, "{told:?}");
}

#[test]
fn what_is_not_shown_is_neither_told_nor_holds_an_event_open() {
    let mut tracker = tracker(|_| {});
    let speech: &[(&str, f32)] = &[("Speech", 1.0)];
    assert_eq!(feed(&mut tracker, 0, &[speech; 10]), []);
    assert_eq!(finish(&mut tracker), []);
}

#[test]
fn no_more_events_are_open_than_the_limit() {
    let mut tracker = tracker(|settings| settings.open_limit = 1);
    let both: &[(&str, f32)] = &[("Dog", 0.9), ("Siren", 0.8)];
    assert_eq!(states(&feed(&mut tracker, 0, &[both, both, both, both])), [(Start, 0, "Dog")]);
    // The dog falls silent: its place goes to the siren, though its hold is not over.
    let siren: &[(&str, f32)] = &[("Siren", 0.8)];
    let told = feed(&mut tracker, 4, &[siren; 4]);
    assert_eq!(states(&told)[..2], [(End, 0, "Dog"), (Start, 1, "Siren")]);
}

#[test]
fn scores_that_are_no_numbers_tell_nothing_and_leave_nothing_behind() {
    let mut tracker = tracker(|settings| settings.smoothing_s = 0.25);
    let broken: &[(&str, f32)] = &[("Dog", f32::NAN), ("Cat", f32::INFINITY)];
    let told = feed(&mut tracker, 0, &[broken; 4]);
    assert!(told.iter().all(|told| told.2 != "Dog"), "{told:?}");
    let dog: &[(&str, f32)] = &[("Dog", 0.9)];
    let told = feed(&mut tracker, 4, &[dog, dog, dog]);
    assert!(told.iter().any(|told| told.2 == "Dog"), "{told:?}");
}
