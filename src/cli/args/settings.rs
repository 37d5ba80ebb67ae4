//! The arguments that say which sounds are told and how speech is cut: figures that a room may want otherwise.

use auricle::{sound, speech};
use clap::Args;

/// Which sounds are told, and how sure the model has to be.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Sounds")]
pub struct SoundArgs {
    /// Never show this sound, such as 'Music'; may be given several times
    #[arg(long, value_name = "LABEL")]
    pub deny_sound: Vec<String>,
    /// Show this sound though it is not shown by default, such as 'Speech'; may be given several times
    #[arg(long, value_name = "LABEL")]
    pub allow_sound: Vec<String>,
    /// How sure the model has to be for a sound to start, above 0 to 1 [default: what the model says, for each sound]
    #[arg(long, value_name = "P", value_parser = probability, hide_short_help = true)]
    pub sound_start: Option<f32>,
    /// How sure it has to be for the sound to go on, above 0 to --sound-start [default: what the model says]
    #[arg(long, value_name = "P", value_parser = probability, hide_short_help = true)]
    pub sound_stop: Option<f32>,
    /// Seconds a sound has to last to be told, 0 to 60 [default: what the model says]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, hide_short_help = true)]
    pub sound_least_s: Option<f64>,
    /// Seconds a sound may be silent and still be the same, 0 to 60
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "1.5", hide_short_help = true)]
    pub sound_hold_s: f64,
    /// Seconds over which a sound's probability is smoothed, 0 to 60
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "0.25", hide_short_help = true)]
    pub sound_smoothing_s: f64,
}

/// Where captions are cut.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Captions")]
pub struct SegmentArgs {
    /// Seconds of silence that end a caption, 0.3 to 5; more for someone who speaks slowly
    #[arg(long, value_name = "SECONDS", value_parser = silence, default_value = "0.5", hide_short_help = true)]
    pub silence_s: f64,
    /// Seconds after which a caption is cut where it was quietest, 5 to 30
    #[arg(long, value_name = "SECONDS", value_parser = longest, default_value = "15", hide_short_help = true)]
    pub longest_s: f64,
}

impl SoundArgs {
    /// What these say to the room of sounds; all else is its default.
    pub fn settings(&self) -> sound::Settings {
        sound::Settings {
            allow: self.allow_sound.clone(),
            deny: self.deny_sound.clone(),
            on: self.sound_start,
            off: self.sound_stop,
            minimum_s: self.sound_least_s,
            hold_s: self.sound_hold_s,
            smoothing_s: self.sound_smoothing_s,
            ..Default::default()
        }
    }
}

impl SegmentArgs {
    /// `settings` with what these say.
    pub fn within(&self, mut settings: speech::Settings) -> speech::Settings {
        settings.endpoint.silence_s = self.silence_s;
        settings.endpoint.maximum_s = self.longest_s;
        settings
    }
}

fn probability(text: &str) -> Result<f32, String> {
    number(text).and_then(|value| {
        let within = 0.0 < value && value <= 1.0;
        within.then_some(value as f32).ok_or_else(|| "choose a number above 0, at most 1".to_owned())
    })
}

fn seconds(text: &str) -> Result<f64, String> {
    between(text, 0.0, 60.0)
}

/// At least the tail that belongs to a caption.
fn silence(text: &str) -> Result<f64, String> {
    between(text, 0.3, 5.0)
}

fn longest(text: &str) -> Result<f64, String> {
    between(text, 5.0, 30.0)
}

fn between(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let value = number(text)?;
    // Also refuses NaN.
    if (least..=most).contains(&value) { Ok(value) } else { Err(format!("choose {least} to {most} seconds")) }
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| "expected a number".to_owned())
}
