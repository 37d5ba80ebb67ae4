//! The engines a session uses: weights and ONNX Runtime sessions, loaded once and shared by any number of sessions.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::decode::vocabulary::Vocabulary;
use crate::error::Result;
use crate::event::ModelInUse;
use crate::model::{Label, ReadingOptions};
use crate::runtime::GraphSettings;
use crate::store::Places;
use crate::{sound, speech};

/// Which models to load and how they run.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Where models are looked for.
    pub places: Places,
    /// Name of the model that makes captions; `None`: no captions.
    pub captions: Option<String>,
    /// Name of the model that detects speech.
    pub vad: String,
    /// Name of the model that hears sounds; `None`: no sound events.
    pub sounds: Option<String>,
    /// What is asked of the model that makes captions.
    pub reading: ReadingOptions,
    /// File of names and terms that captions are to have as they are written there ([`Vocabulary`]); `None`: none.
    pub vocabulary: Option<PathBuf>,
    /// Provider and threads of the models for captions and sounds.
    pub graph: GraphSettings,
}

impl Default for EngineSettings {
    /// Moonshine tiny-en, Silero VAD and YAMNet, on one thread of the processor.
    fn default() -> Self {
        Self {
            places: Places::find(),
            captions: Some("moonshine-tiny-en".to_owned()),
            vad: "silero-vad".to_owned(),
            sounds: Some("yamnet".to_owned()),
            reading: ReadingOptions::default(),
            vocabulary: None,
            graph: GraphSettings::default(),
        }
    }
}

/// Loaded engines. Each is locked for one window, patch or decode at a time.
pub struct Engines {
    pub(super) speech: Option<Mutex<speech::Engine>>,
    pub(super) sound: Option<Mutex<sound::Engine>>,
    models: Vec<ModelInUse>,
}

impl Engines {
    /// Loads the models. Each has run once, on the provider asked for, when this returns.
    ///
    /// # Errors
    /// Those of the store and of ONNX Runtime: a file that is missing or altered, a provider that cannot be had.
    pub fn load(settings: &EngineSettings) -> Result<Arc<Self>> {
        let EngineSettings { places, vad, reading, graph, .. } = settings;
        // What is wrong with it is told before models are loaded.
        let vocabulary = settings.vocabulary.as_deref().map(Vocabulary::read).transpose()?;
        let mut speech =
            settings.captions.as_deref().map(|name| speech::Engine::load(places, vad, name, *graph, reading)).transpose()?;
        if let (Some(speech), Some(vocabulary)) = (&mut speech, &vocabulary) {
            speech.listen_for(vocabulary)?;
        }
        let sound = settings.sounds.as_deref().map(|name| sound::Engine::load(places, name, *graph)).transpose()?;
        let in_speech = speech.iter().flat_map(speech::Engine::models_in_use);
        let models = in_speech.chain(sound.iter().flat_map(sound::Engine::models_in_use)).collect();
        Ok(Arc::new(Self { speech: speech.map(Mutex::new), sound: sound.map(Mutex::new), models }))
    }

    /// What sounds are called, where there is a model that hears them.
    pub fn vocabulary(&self) -> Option<sound::Vocabulary> {
        let engine = self.sound.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        Some(engine.vocabulary())
    }

    /// The classes of the model that hears sounds, in the order of its scores; none without one.
    pub fn sound_labels(&self) -> Vec<Label> {
        let Some(engine) = &self.sound else { return Vec::new() };
        engine.lock().unwrap_or_else(PoisonError::into_inner).labels().to_vec()
    }

    /// The models and where each was proven to run.
    pub fn models(&self) -> &[ModelInUse] {
        &self.models
    }
}
