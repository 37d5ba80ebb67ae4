//! The arguments that `listen` and `transcribe` share, and the channel that `tag` takes too.

use std::path::PathBuf;

use auricle::EngineSettings;
use auricle::audio::pcm::ChannelChoice;
use clap::Args;

use super::{CAPTIONS, OutputArgs, ReadingArgs, Run, SOUNDS, SegmentArgs, SoundArgs};

/// What `listen` and `transcribe` share.
#[derive(Debug, Args)]
pub struct Captions {
    /// Model that makes captions
    #[arg(long, value_name = "NAME", default_value = CAPTIONS)]
    pub model: String,
    /// Names and terms that captions are to have as they are written here: a text file, one a line, '#' before a comment
    #[arg(long, value_name = "FILE")]
    pub vocabulary: Option<PathBuf>,
    /// Model that hears sounds, or 'off'
    #[arg(long, value_name = "NAME|off", default_value = SOUNDS)]
    pub sounds: String,
    /// Which channel of the audio
    #[command(flatten)]
    pub channel: Channel,
    /// Which sounds are told
    #[command(flatten)]
    pub sound: SoundArgs,
    /// How speech is read
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Where captions are cut
    #[command(flatten)]
    pub segment: SegmentArgs,
    /// How to write
    #[command(flatten)]
    pub output: OutputArgs,
    /// How models run
    #[command(flatten)]
    pub run: Run,
}

/// Which channel of the audio to take.
#[derive(Debug, Args)]
pub struct Channel {
    /// Channel, counted from 1, or 'mix' for the mean of all (for one mix, not for an array: that combs the spectrum)
    #[arg(long, value_name = "N|mix", default_value = "1")]
    pub channel: ChannelChoice,
}

impl Captions {
    /// The engines that `listen` and `transcribe` load.
    pub fn engines(&self) -> EngineSettings {
        let sounds = Some(self.sounds.clone()).filter(|name| name != "off");
        let engines = self.run.engines(Some(self.model.clone()), sounds);
        EngineSettings { reading: self.reading.options(), vocabulary: self.vocabulary.clone(), ..engines }
    }
}
