//! What of the sounds is told, and how sure a tagger has to be.
//!
//! In: the caller's [`Settings`] and the `[events]` section of the model's manifest. Out: thresholds for every label.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::ontology::Ontology;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Label;
use crate::time::samples_in;

/// No duration in the settings is longer.
const SECONDS_LIMIT: f64 = 60.0;

/// How the sounds of one stream are told.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Whether a `scores` event follows each patch. Default: no.
    pub scores: bool,
    /// Frames from one patch to the next, 1 to the frames of a patch. Default `None`: what the manifest recommends.
    pub patch_hop_frames: Option<usize>,
    /// Time constant of the smoothing, 0 to 60 s; 0 is none. Default 0.25 s, about one hop: the graph's logits move in steps of
    /// 0.76, so that one patch may say .5 and the next .32 of the same sound; longer would lose sounds as short as a knock.
    pub smoothing_s: f64,
    /// How long a sound may be silent and still be the same event, 0 to 60 s. Default 1.5 s: a bark that repeats, a slow tick.
    pub hold_s: f64,
    /// Seconds between two `update` events of one sound, 0 to 60 s. Default 1 s. A closer label is told at once.
    pub update_s: f64,
    /// How many sounds may go on at a time, at least 1. Default 16.
    pub open_limit: usize,
    /// Whether smoke and carbon monoxide alarms are also recognised by the rhythm of their beeps, whatever the tagger thinks of
    /// them. Default: yes.
    pub cadence: bool,
    /// In place of the manifest's threshold for a sound to start, for every label. Default `None`.
    pub on: Option<f32>,
    /// In place of the manifest's threshold for a sound to end, for every label. Default `None`.
    pub off: Option<f32>,
    /// In place of the manifest's minimum duration, for every label. Default `None`.
    pub minimum_s: Option<f64>,
    /// Labels to show though they are not shown by default, by AudioSet id or exact name. Default: none.
    pub allow: Vec<String>,
    /// Labels never to show, by AudioSet id or exact name. It goes before `allow`. Default: none.
    pub deny: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            scores: false,
            patch_hop_frames: None,
            smoothing_s: 0.25,
            hold_s: 1.5,
            update_s: 1.0,
            open_limit: 16,
            cadence: true,
            on: None,
            off: None,
            minimum_s: None,
            allow: Vec::new(),
            deny: Vec::new(),
        }
    }
}

/// The `[events]` section of a tagger's manifest: how sure this model has to be.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Smoothed probability at which a sound starts.
    pub on: f32,
    /// Smoothed probability below which it ends, at most `on`.
    pub off: f32,
    /// Seconds a sound must last before it is told.
    pub minimum_s: f64,
    /// What is different for single labels, by AudioSet id or exact name.
    #[serde(default)]
    pub labels: BTreeMap<String, LabelThresholds>,
}

/// What is different for one label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelThresholds {
    /// In place of the common `on`.
    pub on: Option<f32>,
    /// In place of the common `off`.
    pub off: Option<f32>,
    /// In place of the common `minimum_s`.
    pub minimum_s: Option<f64>,
}

/// What holds for one label when all is said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rule {
    pub on: f32,
    pub off: f32,
    pub minimum_samples: u64,
    pub shown: bool,
}

impl Thresholds {
    /// Checks the section against the labels of its model.
    ///
    /// # Errors
    /// `Corrupt` naming the field or the label.
    pub(super) fn check(&self, labels: &[Label]) -> Result<()> {
        let plain = Settings::default();
        rules(&plain, self, labels, &Ontology::new(labels))
            .map_err(|error| Error::new(ErrorKind::Corrupt, format!("[events]: {}", error.message())))?;
        Ok(())
    }
}

impl Settings {
    /// Checks what can be checked without a model.
    ///
    /// # Errors
    /// `InvalidInput` naming the setting, its value and its range.
    pub(super) fn check(&self, patch_frames: usize) -> Result<()> {
        for (name, seconds) in [("smoothing_s", self.smoothing_s), ("hold_s", self.hold_s), ("update_s", self.update_s)] {
            check_seconds(name, seconds)?;
        }
        if let Some(hop) = self.patch_hop_frames.filter(|hop| !(1..=patch_frames).contains(hop)) {
            return Err(invalid(format!("patch_hop_frames is {hop}; it must be 1 to {patch_frames}, the frames of a patch")));
        }
        if self.open_limit == 0 {
            return Err(invalid("open_limit is 0; it must be at least 1".to_owned()));
        }
        Ok(())
    }
}

/// One rule a label: the settings before the manifest's labels, these before what is common to all.
pub(super) fn rules(settings: &Settings, model: &Thresholds, labels: &[Label], ontology: &Ontology) -> Result<Vec<Rule>> {
    let mut own = vec![LabelThresholds::default(); labels.len()];
    for (name, thresholds) in &model.labels {
        own[find(labels, name)?] = *thresholds;
    }
    let mut shown: Vec<bool> = (0..labels.len()).map(|label| ontology.shown(label)).collect();
    for (names, show) in [(&settings.allow, true), (&settings.deny, false)] {
        for name in names {
            shown[find(labels, name)?] = show;
        }
    }
    let rule = |(label, own): (usize, LabelThresholds)| {
        let on = settings.on.or(own.on).unwrap_or(model.on);
        let off = settings.off.or(own.off).unwrap_or(model.off);
        let minimum_s = settings.minimum_s.or(own.minimum_s).unwrap_or(model.minimum_s);
        // Also refuses NaN.
        if !(0.0 < off && off <= on && on <= 1.0) {
            let name = &labels[label].name;
            return Err(invalid(format!("on is {on} and off {off} for '{name}'; they must be above 0, off <= on <= 1")));
        }
        check_seconds("minimum_s", minimum_s)?;
        Ok(Rule { on, off, minimum_samples: samples_in(minimum_s), shown: shown[label] })
    };
    own.into_iter().enumerate().map(rule).collect()
}

fn find(labels: &[Label], name: &str) -> Result<usize> {
    labels.iter().position(|label| *label.id == *name || *label.name == *name).ok_or_else(|| {
        let message = format!("'{}' is no label of the model; its label file has their names and ids", name.escape_debug());
        invalid(message)
    })
}

fn check_seconds(name: &str, seconds: f64) -> Result<()> {
    if (0.0..=SECONDS_LIMIT).contains(&seconds) {
        return Ok(());
    }
    Err(invalid(format!("{name} is {seconds}; it must be 0 to {SECONDS_LIMIT} seconds")))
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Vec<Label> {
        [("/m/09x0r", "Speech"), ("/m/0bt9lr", "Dog"), ("/m/01yrx", "Cat")]
            .map(|(id, name)| Label { id: id.into(), name: name.into() })
            .into()
    }

    fn thresholds(text: &str) -> std::result::Result<Thresholds, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn settings_go_before_labels_and_labels_before_what_is_common() {
        let model = thresholds("on = 0.5\noff = 0.3\nminimum_s = 0.5\n[labels]\n\"/m/0bt9lr\" = { on = 0.7 }\n").unwrap();
        let labels = labels();
        let ontology = Ontology::new(&labels);
        let plain = rules(&Settings::default(), &model, &labels, &ontology).unwrap();
        assert_eq!(plain[1], Rule { on: 0.7, off: 0.3, minimum_samples: 8000, shown: true });
        assert_eq!((plain[0].shown, plain[2].on), (false, 0.5));
        let settings = Settings {
            on: Some(0.9),
            minimum_s: Some(0.0),
            allow: vec!["Speech".into(), "Cat".into()],
            deny: vec!["/m/01yrx".into()],
            ..Settings::default()
        };
        let changed = rules(&settings, &model, &labels, &ontology).unwrap();
        assert_eq!(changed[1], Rule { on: 0.9, off: 0.3, minimum_samples: 0, shown: true });
        assert_eq!((changed[0].shown, changed[2].shown), (true, false));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let labels = labels();
        let ontology = Ontology::new(&labels);
        let model = thresholds("on = 0.5\noff = 0.3\nminimum_s = 0.5").unwrap();
        let refused = [
            (Settings { on: Some(f32::NAN), ..Settings::default() }, "on is NaN"),
            (Settings { on: Some(0.2), ..Settings::default() }, "off 0.3"),
            (Settings { minimum_s: Some(-1.0), ..Settings::default() }, "minimum_s is -1"),
            (Settings { deny: vec!["Dgo".into()], ..Settings::default() }, "'Dgo' is no label"),
        ];
        for (settings, says) in refused {
            let error = rules(&settings, &model, &labels, &ontology).unwrap_err();
            assert!(error.kind() == ErrorKind::InvalidInput && error.message().contains(says), "{error}");
        }
        let refused = [
            (Settings { hold_s: f64::INFINITY, ..Settings::default() }, "hold_s is inf"),
            (Settings { patch_hop_frames: Some(97), ..Settings::default() }, "1 to 96"),
            (Settings { open_limit: 0, ..Settings::default() }, "open_limit is 0"),
        ];
        for (settings, says) in refused {
            let error = settings.check(96).unwrap_err();
            assert!(error.kind() == ErrorKind::InvalidInput && error.message().contains(says), "{error}");
        }
        let unknown = thresholds("on = 0.5\noff = 0.3\nminimum_s = 0.5\n[labels]\nGlorp = { on = 0.7 }").unwrap();
        let error = unknown.check(&labels).unwrap_err();
        assert!(error.kind() == ErrorKind::Corrupt && error.message().contains("'Glorp'"), "{error}");
        assert!(thresholds("on = 0.5\noff = 0.3\nminimum_s = 0.5\nof = 1").is_err());
    }
}
