//! The engine of the speech room: the voice-activity detector and the transcriber, with their weights.

use crate::decode::vocabulary::Vocabulary;
use crate::error::{Error, ErrorKind, Result};
use crate::event::ModelInUse;
use crate::model::moonshine::Moonshine;
use crate::model::silero::Silero;
use crate::model::whisper::Whisper;
use crate::model::{ReadingOptions, ReadingTime, Transcriber};
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
    /// Those of the store and of ONNX Runtime; `Unsupported` when a model is of a family that does not do the task or not what `reading`
    /// asks for; `InvalidInput` for a language that the model does not know.
    pub fn load(places: &Places, vad: &str, captions: &str, settings: GraphSettings, reading: &ReadingOptions) -> Result<Self> {
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
            Family::Moonshine => {
                english_only(&model, reading)?;
                Box::new(Moonshine::load(&model, settings)?)
            }
            Family::Whisper => Box::new(Whisper::load(&model, settings, reading)?),
            _ => return Err(wrong(&model, "transcribe")),
        };
        Ok(Self { detector, transcriber })
    }

    /// From now on reads the names of `vocabulary` where they may have been said.
    ///
    /// # Errors
    /// `Unsupported` where the model cannot.
    pub fn listen_for(&mut self, vocabulary: &Vocabulary) -> Result<()> {
        self.transcriber.listen_for(vocabulary)
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

/// Moonshine reads English as it is said, one way.
fn english_only(model: &Model, reading: &ReadingOptions) -> Result<()> {
    let name = model.name();
    let ReadingOptions { language, translate, prompt, beam } = reading;
    if let Some(language) = language.as_deref().filter(|language| *language != "en") {
        let message = format!("{name}: language '{language}': this model knows English only ('en')");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let asked = [(*translate, "translate"), (prompt.is_some(), "be given a prompt"), (*beam > 1, "search with a beam")];
    match asked.iter().find(|(asked, _)| *asked) {
        Some((_, what)) => {
            let message = format!("{name} cannot {what}; a Whisper can, such as whisper-tiny-en");
            Err(Error::new(ErrorKind::Unsupported, message))
        }
        None => Ok(()),
    }
}
