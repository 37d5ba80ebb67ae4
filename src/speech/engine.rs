//! The engine of the speech room: the voice-activity detector and the transcriber, with their weights.

use crate::error::{Error, ErrorKind, Result};
use crate::event::ModelInUse;
use crate::model::moonshine::Moonshine;
use crate::model::silero::Silero;
use crate::model::whisper::Whisper;
use crate::model::{ReadingTime, Transcriber};
use crate::runtime::GraphSettings;
use crate::store::{Family, Model, Places};

/// Detector and transcriber, shared by every stream.
pub struct Engine {
    pub(super) detector: Silero,
    pub(super) transcriber: Box<dyn Transcriber>,
}

impl Engine {
    /// Loads the detector `vad` and the transcriber `captions` from the store; each has run once when this returns.
    ///
    /// # Errors
    /// Those of the store and of ONNX Runtime; `Unsupported` when a model is of a family that does not do the task.
    pub fn load(places: &Places, vad: &str, captions: &str, settings: GraphSettings) -> Result<Self> {
        let wrong = |model: &Model, task: &str| {
            let message = format!("{} cannot {task}; 'auricle models' lists what each model is for", model.name());
            Error::new(ErrorKind::Unsupported, message)
        };
        let model = Model::open(places, vad)?;
        let detector = match model.manifest().family {
            // A recurrent graph of 0.1 ms gains nothing from a GPU or a second thread.
            Family::Silero => Silero::load(&model, settings.on_one_thread())?,
            _ => return Err(wrong(&model, "detect speech")),
        };
        let model = Model::open(places, captions)?;
        let transcriber: Box<dyn Transcriber> = match model.manifest().family {
            Family::Moonshine => Box::new(Moonshine::load(&model, settings)?),
            Family::Whisper => Box::new(Whisper::load(&model, settings)?),
            _ => return Err(wrong(&model, "transcribe")),
        };
        Ok(Self { detector, transcriber })
    }

    /// What reading has taken so far.
    pub fn reading_time(&self) -> ReadingTime {
        self.transcriber.reading_time()
    }

    /// The models and where each was proven to run.
    pub fn models_in_use(&self) -> Vec<ModelInUse> {
        let in_use = |model, settings: GraphSettings| ModelInUse {
            model,
            provider: settings.provider.to_string().into(),
            threads: settings.threads,
        };
        vec![
            in_use(self.detector.name().clone(), self.detector.settings()),
            in_use(self.transcriber.name().clone(), self.transcriber.settings()),
        ]
    }
}
