//! The arguments that say how speech is read, for models that can be told.

use auricle::model::ReadingOptions;
use clap::Args;

/// How speech is read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reading")]
pub struct ReadingArgs {
    /// Language that is spoken, such as 'en', or 'auto': the model hears it, where it knows several
    #[arg(long, value_name = "CODE|auto", default_value = "auto")]
    pub language: String,
    /// Write in English, whatever is spoken; only a multilingual Whisper can
    #[arg(long)]
    pub translate: bool,
    /// What was said before, for a Whisper reading files: it takes names, spelling and manner from it
    #[arg(long, value_name = "TEXT")]
    pub prompt: Option<String>,
    /// Texts followed side by side to find the likeliest, for a Whisper reading files; 1: the likeliest token always
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=32))]
    pub beam: u16,
}

impl ReadingArgs {
    /// What is asked of the model.
    pub fn options(&self) -> ReadingOptions {
        ReadingOptions {
            language: Some(self.language.clone()).filter(|language| language != "auto"),
            translate: self.translate,
            prompt: self.prompt.clone(),
            beam: self.beam.into(),
        }
    }
}
