//! What sounds can be called, and which name is a kind of which: for whoever waits for a sound.
//!
//! In: the labels of a tagger. Out: whether a name is known, and whether a sound that was told is what was asked for.

use std::sync::Arc;

use super::cadence::Pattern;
use super::ontology::Ontology;
use crate::model::Label;

/// Names this alike, as a share of their letters, are offered in place of one that is unknown; one that holds it counts for more.
const ALIKE: f64 = 0.5;
const CONTAINED: f64 = 0.6;

/// The names of a tagger's sounds and of the patterns that are recognised by their cadence.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    labels: Arc<[Label]>,
    ontology: Arc<Ontology>,
}

impl Vocabulary {
    pub(super) fn new(labels: Arc<[Label]>, ontology: Arc<Ontology>) -> Self {
        Self { labels, ontology }
    }

    /// Whether sounds by this name or id, or closer ones, may be told.
    ///
    /// # Errors
    /// What is wrong with it and the way out, in one line.
    pub fn check(&self, name: &str) -> Result<(), String> {
        if Pattern::ALL.iter().any(|pattern| pattern.label() == name) {
            return Ok(());
        }
        let Some(wanted) = self.find(name) else {
            let asked = name.to_lowercase();
            let known = self.labels.iter().map(|label| &*label.name).chain(Pattern::ALL.map(Pattern::label));
            let alike = known.map(|known| {
                let lower = known.to_lowercase();
                let part = if asked.len() > 3 && lower.contains(&asked) { CONTAINED } else { 0.0 };
                (strsim::normalized_damerau_levenshtein(&lower, &asked).max(part), known)
            });
            let nearest = alike.max_by(|one, other| one.0.total_cmp(&other.0)).filter(|(alike, _)| *alike >= ALIKE);
            let offer = nearest.map_or(String::new(), |(_, name)| format!(" is it '{name}'?"));
            return Err(format!("'{}' is no label of the model;{offer} its label file has names and ids", name.escape_debug()));
        };
        let told = (0..self.labels.len())
            .any(|label| self.ontology.shown(label) && (label == wanted || self.ontology.is_below(label, wanted)));
        if told {
            return Ok(());
        }
        Err(format!("'{name}' is never told as a sound: captions are for speech, and what a room is always full of is left out"))
    }

    /// Whether a sound told as `label` (its name) with `id` is what `wanted`, a name or id, asks for: the same or a kind of it.
    pub fn covers(&self, wanted: &str, label: &str, id: &str) -> bool {
        if wanted == label || wanted == id {
            return true;
        }
        let (Some(wanted), Some(told)) = (self.find(wanted), self.find(id)) else { return false };
        told == wanted || self.ontology.is_below(told, wanted)
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.labels.iter().position(|label| *label.id == *name || *label.name == *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary() -> Vocabulary {
        let names = [
            ("/m/0jbk", "Animal"),
            ("/m/0bt9lr", "Dog"),
            ("/m/05tny_", "Bark"),
            ("/m/07pp_mv", "Alarm"),
            ("/m/01y3hg", "Smoke detector, smoke alarm"),
            ("/m/09x0r", "Speech"),
        ];
        let labels: Arc<[Label]> = names.map(|(id, name)| Label { id: id.into(), name: name.into() }).into();
        let ontology = Arc::new(Ontology::new(&labels));
        Vocabulary::new(labels, ontology)
    }

    #[test]
    fn a_name_covers_itself_and_what_is_below_it() {
        let vocabulary = vocabulary();
        let covers = |wanted: &str, label: &str, id: &str| vocabulary.covers(wanted, label, id);
        assert!(
            covers("Dog", "Bark", "/m/05tny_") && covers("/m/0jbk", "Bark", "/m/05tny_") && covers("Bark", "Bark", "/m/05tny_")
        );
        assert!(!covers("Bark", "Dog", "/m/0bt9lr") && !covers("Dog", "Alarm", "/m/07pp_mv"));
        let [smoke, monoxide] = Pattern::ALL.map(|pattern| (pattern.label(), pattern.id()));
        for wanted in ["Alarm", "Smoke detector, smoke alarm", "Smoke alarm (T3 pattern)"] {
            assert!(covers(wanted, smoke.0, smoke.1), "{wanted}");
        }
        assert!(covers("Alarm", monoxide.0, monoxide.1) && covers("CO alarm (T4 pattern)", monoxide.0, monoxide.1));
        assert!(!covers("Smoke detector, smoke alarm", monoxide.0, monoxide.1));
    }

    #[test]
    fn what_is_unknown_or_never_told_is_refused() {
        let vocabulary = vocabulary();
        for known in ["Dog", "/m/0bt9lr", "Animal", "Smoke alarm (T3 pattern)"] {
            assert_eq!(vocabulary.check(known), Ok(()));
        }
        assert!(vocabulary.check("dgo").unwrap_err().contains("is it 'Dog'?"));
        assert!(vocabulary.check("smoke det").unwrap_err().contains("is it 'Smoke detector, smoke alarm'?"));
        assert!(!vocabulary.check("xyzzy").unwrap_err().contains("is it"));
        assert!(vocabulary.check("Speech").unwrap_err().contains("captions are for speech"));
    }
}
