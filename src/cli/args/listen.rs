//! The arguments of `auricle listen`.

use std::path::PathBuf;

use auricle::audio::devices::HostChoice;
use auricle::audio::microphone::MicrophoneSettings;
use auricle::speech::Preset;
use clap::Args;

use super::Captions;
use crate::cli::config::Alerts;

/// Caption the microphone, or a file as if it were live, with sound events between.
///
/// Ctrl-C stops: the sentence that is being said is finished first. A second Ctrl-C ends at once. On a terminal the caption that
/// is being said is redrawn in place: bright words will not change, dim ones may. SIGUSR1 pauses, and listens again: in a pause the
/// microphone is closed.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  auricle listen
  auricle listen --view                              captions that fill the terminal; ? shows the keys
  auricle listen --host pulseaudio --device 'Table microphone'
  auricle listen --input talk.flac                   a file, at the speed it plays
  auricle listen --format jsonl | jq .type           events for a program
  auricle listen --output notes.txt                  a transcript
  auricle listen --output - --output talk.srt        captions here, subtitles in a file
  auricle listen --sounds off                        captions alone")]
pub struct Listen {
    /// Audio system to listen through [default: pulseaudio where its server answers, else alsa]
    #[arg(long, value_name = "alsa|pulseaudio")]
    pub host: Option<HostChoice>,
    /// Device, by the id that 'auricle devices' shows, or by its name or part of it [default: what the host records from]
    #[arg(long, value_name = "ID-or-name")]
    pub device: Option<String>,
    /// Wait for a microphone where there is none yet, rather than fail
    #[arg(long, conflicts_with = "input")]
    pub wait: bool,
    /// Play a file as if it were live instead of listening to a device
    #[arg(long, value_name = "FILE", conflicts_with_all = ["host", "device"])]
    pub input: Option<PathBuf>,
    /// Fill the terminal: large, calm, with sounds, the level and a pause by key. Another --output can be a file
    #[arg(long)]
    pub view: bool,
    /// How soon captions come and what that costs: low-power takes a quarter less of the processor
    #[arg(long, value_name = "default|low-power", default_value_t)]
    pub preset: Preset,
    /// What to listen to and how to write it
    #[command(flatten)]
    pub captions: Captions,
    /// The `[[alert]]` tables of the settings
    #[arg(skip)]
    pub alerts: Alerts,
}

impl Listen {
    /// The microphone asked for.
    pub fn microphone(&self) -> MicrophoneSettings {
        let channel = self.captions.channel.channel;
        MicrophoneSettings { host: self.host, device: self.device.clone(), channel, wait: self.wait, ..Default::default() }
    }
}
