//! The engine: a tagger, what its labels mean, and how sure it has to be.
//!
//! In: the name of a model of the store. Out: scores of patches for any number of streams, and what the streams need to know.

use std::sync::Arc;

use super::ontology::Ontology;
use super::settings::Thresholds;
use super::vocabulary::Vocabulary;
use crate::error::{Error, ErrorKind, Result};
use crate::event::ModelInUse;
use crate::frontend::recipe::Recipe;
use crate::model::yamnet::Yamnet;
use crate::model::{Label, Tagger};
use crate::runtime::GraphSettings;
use crate::store::{Family, Model, Places, Task};

/// A tagger, loaded. One engine serves many streams.
pub struct Engine {
    tagger: Box<dyn Tagger>,
    settings: GraphSettings,
    thresholds: Thresholds,
    labels: Arc<[Label]>,
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
        let tagger = match (model.manifest().task, model.manifest().family) {
            (Task::Tag, Family::Yamnet) => Box::new(Yamnet::load(&model, settings)?),
            (task, family) => {
                let message = format!(
                    "{name}: a model of family {family:?} for task {task:?} gives no sound events; choose a tagger, such as yamnet"
                );
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
        };
        let thresholds: Thresholds = model.section("events")?;
        thresholds.check(tagger.labels()).map_err(|error| error.within(model.folder().join("model.toml").display()))?;
        let labels: Arc<[Label]> = tagger.labels().into();
        let ontology = Arc::new(Ontology::new(&labels));
        Ok(Self { tagger, settings, thresholds, labels, ontology })
    }

    /// The features a stream is to be given.
    pub fn recipe(&self) -> &Recipe {
        self.tagger.recipe()
    }

    /// The classes, in the order of the scores.
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// What its sounds are called.
    pub fn vocabulary(&self) -> Vocabulary {
        Vocabulary::new(self.labels.clone(), self.ontology.clone())
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

    pub(super) fn shared_labels(&self) -> &Arc<[Label]> {
        &self.labels
    }

    pub(super) fn ontology(&self) -> &Arc<Ontology> {
        &self.ontology
    }

    /// Scores of one patch.
    pub(super) fn score(&mut self, patch: &[f32], scores: &mut [f32]) -> Result<()> {
        self.tagger.score(patch, scores)
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("model", self.tagger.name()).field("settings", &self.settings).finish_non_exhaustive()
    }
}
