//! The engine: a tagger, what its labels mean, and how sure it has to be.
//!
//! In: the name of a model of the store. Out: scores of patches for any number of streams, and what the streams need to know.

use std::sync::Arc;

use super::cadence::Pattern;
use super::ontology::Ontology;
use super::settings::Thresholds;
use super::vocabulary::Vocabulary;
use crate::error::{Error, ErrorKind, Result};
use crate::event::ModelInUse;
use crate::frontend::Features;
use crate::model::audio_transformer::AudioTransformer;
use crate::model::yamnet::Yamnet;
use crate::model::{Label, Rows, Tagger};
use crate::runtime::GraphSettings;
use crate::store::{Family, Model, Places, Task};

/// A tagger, loaded. One engine serves many streams.
pub struct Engine {
    tagger: Box<dyn Tagger>,
    settings: GraphSettings,
    thresholds: Thresholds,
    /// What may be told: the tagger's labels, then those that alarms are kinds of and the tagger does not know.
    told: Arc<[Label]>,
    ontology: Arc<Ontology>,
}

impl Engine {
    /// Loads the tagger `name` and proves its provider by one run.
    ///
    /// # Errors
    /// `NotFound` where there is no such model; `InvalidInput` when it is no tagger; `Corrupt`, `Unsupported`, `Library` or
    /// `Model` when it cannot be loaded as its manifest says.
    pub fn load(places: &Places, name: &str, settings: GraphSettings) -> Result<Self> {
        let model = Model::open(places, name)?;
        let tagger: Box<dyn Tagger> = match (model.manifest().task, model.manifest().family) {
            (Task::Tag, Family::Yamnet) => Box::new(Yamnet::load(&model, settings)?),
            (Task::Tag, Family::AudioTransformer) => Box::new(AudioTransformer::load(&model, settings)?),
            (task, family) => {
                let message = format!(
                    "{name}: a model of family {family} for task {task:?} gives no sound events; choose a tagger, such as yamnet"
                );
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
        };
        let thresholds: Thresholds = model.section("events")?;
        thresholds.check(tagger.labels()).map_err(|error| error.within(model.folder().join("model.toml").display()))?;
        let told = told(tagger.labels());
        let ontology = Arc::new(Ontology::new(&told));
        Ok(Self { tagger, settings, thresholds, told, ontology })
    }

    /// The features a stream is to be given.
    pub fn features(&self) -> &Features {
        self.tagger.features()
    }

    /// The classes, in the order of the scores.
    pub fn labels(&self) -> &[Label] {
        self.tagger.labels()
    }

    /// What its sounds are called.
    pub fn vocabulary(&self) -> Vocabulary {
        Vocabulary::new(self.told.clone(), self.ontology.clone())
    }

    /// The model in use and the provider that ran it.
    pub fn models_in_use(&self) -> Vec<ModelInUse> {
        let GraphSettings { provider, threads } = self.settings;
        vec![ModelInUse { model: self.tagger.name().clone(), provider: provider.to_string().into(), threads }]
    }

    pub(super) fn tagger(&self) -> &dyn Tagger {
        &*self.tagger
    }

    pub(super) fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// What may be told: the labels of the scores, and behind them those that only an alarm's rhythm tells.
    pub(super) fn told_labels(&self) -> &Arc<[Label]> {
        &self.told
    }

    pub(super) fn ontology(&self) -> &Arc<Ontology> {
        &self.ontology
    }

    /// The row of one frame.
    pub(super) fn embed(&mut self, frame: &[f32], row: &mut [f32]) -> Result<()> {
        self.tagger.embed(frame, row)
    }

    /// Scores of one patch.
    pub(super) fn score(&mut self, patch: Rows<'_>, scores: &mut [f32]) -> Result<()> {
        self.tagger.score(patch, scores)
    }
}

/// `labels`, and behind them what alarms are kinds of where a tagger does not know it: their rhythm tells them without one.
fn told(labels: &[Label]) -> Arc<[Label]> {
    let known = |kind: &Label| labels.iter().any(|label| label.id == kind.id);
    let kinds = Pattern::KINDS.map(|(id, name)| Label { id: id.into(), name: name.into() });
    labels.iter().cloned().chain(kinds.into_iter().filter(|kind| !known(kind))).collect()
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("model", self.tagger.name()).field("settings", &self.settings).finish_non_exhaustive()
    }
}
