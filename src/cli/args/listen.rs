//! The arguments of `auricle listen`.

use std::path::{Path, PathBuf};

use auricle::audio::devices::HostChoice;
use auricle::audio::microphone::MicrophoneSettings;
use auricle::audio::pcm::Format;
use auricle::audio::raw::SampleFormat;
use auricle::speech::Preset;
use auricle::time::SAMPLE_RATE;
use auricle::{Error, ErrorKind, Result};
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
  arecord -t raw -f S16_LE -r 16000 | auricle listen --input -
  auricle listen --format jsonl | jq .type           events for a program
  auricle listen --output notes.txt                  a transcript
  auricle listen --output - --output talk.srt        captions here, subtitles in a file
  auricle listen --sounds audio-transformer          ten sounds only, and alarms; nothing had to be fetched for them
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
    /// Play a file as if it were live instead of listening to a device; '-' takes raw audio from standard input as it comes
    #[arg(long, value_name = "FILE|-", conflicts_with_all = ["host", "device"])]
    pub input: Option<PathBuf>,
    /// Sample rate of raw audio, Hz [default: 16000]
    #[arg(long, value_name = "HZ", requires = "input")]
    pub rate: Option<u32>,
    /// Channels of raw audio [default: 1]
    #[arg(long, value_name = "N", requires = "input")]
    pub channels: Option<u16>,
    /// How samples of raw audio are written [default: s16le]
    #[arg(long, value_name = "u8|s16le|s24le|s32le|f32le", requires = "input")]
    pub sample_format: Option<SampleFormat>,
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
    /// The raw audio to take from standard input, where that was asked for.
    ///
    /// # Errors
    /// `InvalidInput` for a rate or a number of channels out of range, or where raw audio is described but a file named.
    pub fn raw_input(&self) -> Result<Option<(Format, SampleFormat)>> {
        let Self { rate, channels, sample_format, .. } = self;
        if self.input.as_deref().is_none_or(|input| input != Path::new("-")) {
            if rate.is_some() || channels.is_some() || sample_format.is_some() {
                let message =
                    "--rate, --channels and --sample-format describe raw audio: they go with --input -; a file says itself";
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
            return Ok(None);
        }
        let format = Format::new(rate.unwrap_or(SAMPLE_RATE), channels.unwrap_or(1))?;
        Ok(Some((format, sample_format.unwrap_or_default())))
    }

    /// The microphone asked for.
    pub fn microphone(&self) -> MicrophoneSettings {
        let channel = self.captions.channel.channel;
        MicrophoneSettings { host: self.host, device: self.device.clone(), channel, wait: self.wait, ..Default::default() }
    }
}
