//! What contains what among sounds: which labels are one event, and which are shown.
//!
//! In: the labels of a tagger. Out: for each its ancestors, the sounds it is a kind of, and whether it is shown by default.
//! The outline in `sounds.txt`, written by hand over the names of AudioSet's classes, says so; a label it does not have stands
//! alone and is not shown.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::model::Label;

const OUTLINE: &str = include_str!("sounds.txt");
const INDENT: usize = 2;

/// How the labels of one tagger hang together. Labels are named by their place in the tagger's list.
#[derive(Clone, Debug)]
pub(super) struct Ontology {
    places: Vec<Place>,
}

/// What the outline says of one label.
#[derive(Clone, Debug)]
struct Place {
    ancestors: Vec<usize>,
    /// Nodes of the outline: the sounds this label is a kind of. Empty for a label that only groups sounds.
    sounds: Vec<usize>,
    shown: bool,
}

/// One name of the outline.
#[derive(Debug, Default)]
struct Node {
    parents: Vec<usize>,
    has_children: bool,
    /// What is below is the same sound (`=`).
    whole: bool,
    /// Not shown by default (`-`).
    hidden: bool,
}

#[derive(Debug, Default)]
struct Outline {
    numbers: HashMap<&'static str, usize>,
    nodes: Vec<Node>,
}

impl Ontology {
    /// Finds each label in the outline by its name.
    pub(super) fn new(labels: &[Label]) -> Self {
        static PARSED: OnceLock<Outline> = OnceLock::new();
        let outline = PARSED.get_or_init(|| Outline::parse(OUTLINE));
        let numbers: Vec<Option<usize>> = labels.iter().map(|label| outline.numbers.get(&*label.name).copied()).collect();
        let label_of: HashMap<usize, usize> =
            numbers.iter().enumerate().filter_map(|(label, number)| number.map(|number| (number, label))).collect();
        let place = |(label, number): (usize, &Option<usize>)| match *number {
            Some(number) => Place {
                ancestors: outline.ancestors(number).iter().filter_map(|ancestor| label_of.get(ancestor).copied()).collect(),
                sounds: outline.sounds(number),
                shown: !outline.nodes[number].hidden,
            },
            None => Place { ancestors: Vec::new(), sounds: vec![outline.nodes.len() + label], shown: false },
        };
        Self { places: numbers.iter().enumerate().map(place).collect() }
    }

    /// How many labels there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether `label` is shown when no setting says otherwise.
    pub(super) fn shown(&self, label: usize) -> bool {
        self.places[label].shown
    }

    /// The labels that contain `label`, near or far.
    pub(super) fn ancestors(&self, label: usize) -> &[usize] {
        &self.places[label].ancestors
    }

    /// Whether `label` is below `ancestor`.
    pub(super) fn is_below(&self, label: usize, ancestor: usize) -> bool {
        self.places[label].ancestors.contains(&ancestor)
    }

    /// Whether both labels are kinds of one sound: `Bark` and `Yip`, `Dog` and `Bark`, `Dog` and `Dog`.
    pub(super) fn same_sound(&self, one: usize, other: usize) -> bool {
        one == other || self.places[one].sounds.iter().any(|sound| self.places[other].sounds.contains(sound))
    }

    /// Whether `label` only groups sounds (`Animal`, `Vehicle`).
    #[cfg(test)]
    fn is_group(&self, label: usize) -> bool {
        self.places[label].sounds.is_empty()
    }
}

impl Outline {
    /// Reads the outline. A name that stands in several places is one node with several parents.
    fn parse(text: &'static str) -> Self {
        let mut outline = Self::default();
        // The nodes above the line that is read, outermost first.
        let mut above: Vec<usize> = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
            let marked = line.trim_start();
            let depth = (line.len() - marked.len()) / INDENT;
            let name = marked.trim_start_matches(['=', '-']);
            let marks = &marked[..marked.len() - name.len()];
            let next = outline.nodes.len();
            let number = *outline.numbers.entry(name).or_insert(next);
            if number == next {
                outline.nodes.push(Node::default());
            }
            above.truncate(depth);
            if let Some(&parent) = above.last() {
                outline.nodes[parent].has_children = true;
                if !outline.nodes[number].parents.contains(&parent) {
                    outline.nodes[number].parents.push(parent);
                }
            }
            outline.nodes[number].whole |= marks.contains('=');
            outline.nodes[number].hidden |= marks.contains('-');
            above.push(number);
        }
        outline
    }

    fn ancestors(&self, number: usize) -> Vec<usize> {
        let mut found: Vec<usize> = Vec::new();
        let mut open = self.nodes[number].parents.clone();
        while let Some(parent) = open.pop() {
            // What was found already is not followed again, so a circle would end too.
            if !found.contains(&parent) {
                found.push(parent);
                open.extend(&self.nodes[parent].parents);
            }
        }
        found
    }

    /// The sounds that `number` is a kind of: itself and those above it that are marked whole, else itself if it has no children.
    fn sounds(&self, number: usize) -> Vec<usize> {
        let mut line = self.ancestors(number);
        line.push(number);
        let whole: Vec<usize> = line.into_iter().filter(|&node| self.nodes[node].whole).collect();
        if whole.is_empty() && !self.nodes[number].has_children { vec![number] } else { whole }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::sound::Thresholds;
    use crate::store::{Model, Places};

    fn labels(names: &[&str]) -> Vec<Label> {
        names.iter().map(|name| Label { id: format!("/m/{name}").into(), name: (*name).into() }).collect()
    }

    #[test]
    fn the_outline_is_well_formed() {
        let outline = Outline::parse(OUTLINE);
        let mut depth = 0;
        for line in OUTLINE.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
            let marked = line.trim_start();
            let indent = line.len() - marked.len();
            assert!(indent % INDENT == 0 && indent / INDENT <= depth, "'{line}' hangs in the air");
            depth = indent / INDENT + 1;
            let name = marked.trim_start_matches(['=', '-']);
            assert_eq!(name, name.trim(), "'{line}'");
            let node = &outline.nodes[outline.numbers[name]];
            assert_eq!(node.whole, marked.starts_with('='), "'{name}' is marked here and not there");
            assert_eq!(node.hidden, marked[..marked.len() - name.len()].contains('-'), "'{name}' is marked here and not there");
        }
        for (name, &number) in &outline.numbers {
            assert!(!outline.ancestors(number).contains(&number), "'{name}' is its own ancestor");
            let node = &outline.nodes[number];
            assert!(node.has_children || !node.whole, "'{name}' is marked as one sound and has nothing below it");
        }
    }

    /// The labels of YAMNet, or nothing when it was not fetched and need not be.
    fn yamnet() -> Option<(Vec<Label>, Thresholds)> {
        let read = Model::open(&Places::find(), "yamnet").and_then(|model| Ok((model.file("labels")?, model.section("events")?)));
        let (path, thresholds) = match read {
            Ok(read) => read,
            Err(error) if std::env::var_os("CI").is_none() => {
                println!("skipped: {error}");
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        let text = std::fs::read_to_string(path).unwrap();
        let names: Vec<&str> = text.lines().skip(1).map(|line| line.splitn(3, ',').nth(2).unwrap().trim_matches('"')).collect();
        assert_eq!(names.len(), 521);
        Some((labels(&names), thresholds))
    }

    #[test]
    fn every_name_of_the_outline_is_a_class_of_yamnet() {
        let Some((labels, _)) = yamnet() else { return };
        let classes: BTreeSet<&str> = labels.iter().map(|label| &*label.name).collect();
        let known: BTreeSet<&str> = Outline::parse(OUTLINE).numbers.into_keys().collect();
        assert_eq!(known.difference(&classes).collect::<Vec<_>>(), Vec::<&&str>::new());
    }

    #[test]
    fn what_the_manifest_of_yamnet_sets_a_threshold_for_is_shown() {
        let Some((labels, thresholds)) = yamnet() else { return };
        let ontology = Ontology::new(&labels);
        assert!(!thresholds.labels.is_empty());
        for name in thresholds.labels.keys() {
            let label = labels.iter().position(|label| *label.name == **name).unwrap();
            assert!(ontology.shown(label), "{name}");
        }
    }

    #[test]
    fn one_sound_is_one_event_and_what_must_be_told_apart_is_not() {
        let related = |one, other| {
            let ontology = Ontology::new(&labels(&[one, other]));
            ontology.same_sound(0, 1) || ontology.is_below(0, 1) || ontology.is_below(1, 0)
        };
        let one = [
            ("Bark", "Animal"),
            ("Smoke detector, smoke alarm", "Buzzer"),
            ("Fire alarm", "Beep, bleep"),
            ("Smoke detector, smoke alarm", "Alarm"),
            ("Ambulance (siren)", "Civil defense siren"),
            ("Ding-dong", "Bell"),
            ("Knock", "Door"),
            ("Ringtone", "Telephone bell ringing"),
            ("Baby cry, infant cry", "Crying, sobbing"),
            ("Screaming", "Shout"),
            ("Applause", "Clapping"),
            ("Crowing, cock-a-doodle-doo", "Chicken, rooster"),
            ("Raindrop", "Rain on surface"),
            ("Patter", "Rain"),
            ("Rain", "Water"),
            ("Waves, surf", "Ocean"),
            ("Crackle", "Fire"),
            ("Tick", "Tick-tock"),
            ("Helicopter", "Fixed-wing aircraft, airplane"),
            ("Chainsaw", "Engine"),
            ("Chainsaw", "Power tool"),
            ("Car", "Idling"),
            ("Cutlery, silverware", "Chink, clink"),
            ("Shatter", "Glass"),
            ("Shatter", "Smash, crash"),
            ("Piano", "Singing"),
        ];
        for (one, other) in one {
            assert!(related(one, other), "'{one}' and '{other}' are one sound");
        }
        let apart = [
            ("Smoke detector, smoke alarm", "Siren"),
            ("Smoke detector, smoke alarm", "Microwave oven"),
            ("Smoke detector, smoke alarm", "Telephone"),
            ("Doorbell", "Church bell"),
            ("Doorbell", "Telephone bell ringing"),
            ("Doorbell", "Knock"),
            ("Baby cry, infant cry", "Laughter"),
            ("Dog", "Cat"),
            ("Rain", "Water tap, faucet"),
            ("Car", "Vehicle horn, car horn, honking"),
            ("Car", "Ambulance (siren)"),
            ("Car", "Chainsaw"),
            ("Shatter", "Chink, clink"),
            ("Fire", "Frying (food)"),
            ("Music", "Doorbell"),
        ];
        for (one, other) in apart {
            assert!(!related(one, other), "'{one}' and '{other}' are two sounds");
        }
    }

    #[test]
    fn a_label_knows_what_it_is_a_kind_of() {
        let names = ["Animal", "Dog", "Bark", "Yip", "Cat", "Police car (siren)", "Siren", "Vehicle", "Alarm", "Speech", "Glorp"];
        let ontology = Ontology::new(&labels(&names));
        let [animal, dog, bark, yip, cat, police, siren, vehicle, alarm, speech, unknown] = std::array::from_fn(|n| n);
        assert_eq!(ontology.len(), names.len());
        assert!(ontology.is_below(bark, dog) && ontology.is_below(bark, animal) && !ontology.is_below(dog, bark));
        assert!(ontology.same_sound(bark, yip) && ontology.same_sound(bark, dog) && !ontology.same_sound(dog, cat));
        assert!(ontology.is_group(animal) && !ontology.is_group(dog) && !ontology.same_sound(dog, animal));
        assert!([siren, vehicle, alarm].iter().all(|&above| ontology.is_below(police, above)));
        assert!(ontology.shown(dog) && !ontology.shown(speech));
        assert!(!ontology.shown(unknown) && ontology.ancestors(unknown).is_empty() && !ontology.is_group(unknown));
        assert!(ontology.same_sound(unknown, unknown));
    }
}
