//! The events: what Auricle says, and the JSON Lines contract (`v` 1, documented in docs/events.md).
//!
//! In: nothing. Out: [`Event`] and its bodies, serialised with serde; times in them are seconds of the session.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::time::SamplePosition;

/// The version of the schema, in every event as `v`.
pub const SCHEMA_VERSION: u32 = 1;

/// One event: its place in the sequence, when it was emitted, and what it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Version of the schema, [`SCHEMA_VERSION`].
    pub v: u32,
    /// Number of the event from 0, without holes. A reader that sees a hole was too slow and lost events.
    pub seq: u64,
    /// Seconds since the first sample was due, on the monotonic clock (virtual sessions: of audio pushed).
    pub emitted: f64,
    /// The file the event belongs to, where a program reads several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Arc<str>>,
    /// What the event says.
    #[serde(flatten)]
    pub body: EventBody,
}

/// What an event says; `type` in JSON is the variant's name in snake case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventBody {
    /// Text of a segment of speech.
    Caption(Caption),
    /// A sound that starts, goes on or ends.
    Sound(Sound),
    /// Scores of every class for one patch, on request.
    Scores(Scores),
    /// An alert was set off by a sound, or is over.
    Alert(Alert),
    /// Speech starts or ends.
    Speech(Speech),
    /// Audio that never arrived.
    Gap(Gap),
    /// The input device was opened, paused, lost or found again.
    Device(Device),
    /// How the session is doing, about once a second.
    Stats(Stats),
}

/// Whether a caption may still change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptionState {
    /// More audio of the segment is to come.
    Partial,
    /// The segment's last caption.
    Final,
}

/// Text of one segment of speech. `committed` is a prefix of `stable`, `stable` of `text`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Caption {
    /// Number of the segment from 0.
    pub segment: u64,
    /// Whether it may still change.
    pub state: CaptionState,
    /// Text of the whole segment so far.
    pub text: String,
    /// Prefix of `text` that is never taken back.
    pub committed: String,
    /// Prefix of `text` that is likely to stay; the final may amend it.
    pub stable: String,
    /// Words that had been stable and that this final changed, as they were shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amended: Vec<String>,
    /// The words of `text` in order, one entry each, where the engine has times. Of a committed word the times and the probability
    /// may still move until the final; what it says does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<Word>,
    /// First sample that was decoded.
    pub start: SamplePosition,
    /// Past the last sample that was decoded.
    pub end: SamplePosition,
    /// Name of the model.
    pub model: Arc<str>,
}

/// One word of a caption.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// The word as it stands in the caption.
    pub text: String,
    /// Where it starts; never before the word before it.
    pub start: SamplePosition,
    /// Where it ends: `start` or later, not after the next word's start.
    pub end: SamplePosition,
    /// How likely it is right, 0 to 1: from the decoder's probabilities, calibrated for the model.
    pub probability: f32,
}

/// Whether a sound starts, goes on or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SoundState {
    /// The sound was recognised.
    Start,
    /// It goes on; score, end or label may have changed.
    Update,
    /// It is over.
    End,
}

/// A sound event. A label and its ancestors in the ontology are one event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sound {
    /// Number of the sound event from 0; `start`, `update` and `end` share it.
    pub event: u64,
    /// Whether it starts, goes on or ends.
    pub state: SoundState,
    /// The most specific label that is sure, for people: `Dog`.
    pub label: Arc<str>,
    /// The label's id in its ontology: `/m/0bt9lr` of AudioSet.
    pub id: Arc<str>,
    /// Highest smoothed probability so far, 0 to 1.
    pub score: f32,
    /// Where it starts.
    pub start: SamplePosition,
    /// Where it ends, as far as known.
    pub end: SamplePosition,
    /// Name of the model.
    pub model: Arc<str>,
}

/// What became of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// A sound set it off; its program or its request is on its way.
    Fired,
    /// The program ended well, or the address took the event.
    Done,
    /// It did not; `reason` says why.
    Failed,
}

/// An alert that a sound set off: once when it did, and once when the alert is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Number of the alert in the configuration, from 0.
    pub alert: usize,
    /// What became of it.
    pub state: AlertState,
    /// Number of the sound event that set it off.
    pub event: u64,
    /// The label the sound had then.
    pub label: Arc<str>,
    /// The label's id.
    pub id: Arc<str>,
    /// The score the sound had then, 0 to 1.
    pub score: f32,
    /// Where the sound starts.
    pub start: SamplePosition,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Probabilities of every class for one patch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// First sample of the patch.
    pub start: SamplePosition,
    /// Past its last sample.
    pub end: SamplePosition,
    /// Probability of each class, 0 to 1, in the order of `labels`.
    pub scores: Vec<f32>,
    /// The labels in order, in the first `scores` event only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<Arc<str>>>,
    /// Name of the model.
    pub model: Arc<str>,
}

/// Speech starts or ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Speech {
    /// Speech was found.
    Start {
        /// Number of the segment that opens.
        segment: u64,
        /// First sample of the segment, pre-roll included.
        start: SamplePosition,
    },
    /// The segment is over.
    End {
        /// Number of the segment that closes.
        segment: u64,
        /// First sample of the segment, pre-roll included.
        start: SamplePosition,
        /// Past its last sample.
        end: SamplePosition,
        /// Why it ended.
        reason: EndReason,
    },
}

/// Why a segment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Silence lasted long enough.
    Silence,
    /// The segment reached its longest length and was cut where it was quietest.
    Length,
    /// Audio went missing.
    Gap,
    /// The session ended.
    Stop,
    /// The model that reads the speech cut it there.
    Model,
}

/// Audio that never arrived; the sample clock moves on by as much.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// Where the missing audio starts; for [`GapReason::Missing`], where it was noticed, at least half a second later.
    pub start: SamplePosition,
    /// How many samples at 16 kHz are missing.
    pub samples: u64,
    /// Why.
    pub reason: GapReason,
}

/// Why audio is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The ring was full: a consumer was too slow.
    Overrun,
    /// The device delivered fewer samples than the clock says were due.
    Missing,
    /// The device was lost.
    Device,
    /// The device was closed while the session was paused.
    Paused,
}

/// The input device was opened, paused, lost or found again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// What happened.
    pub state: DeviceState,
    /// Name of the device, for people.
    pub name: String,
}

/// What happened to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// There is none yet; it is waited for.
    Waiting,
    /// Opened; audio is expected.
    Open,
    /// Closed on request: nothing is recorded.
    Paused,
    /// Stopped delivering audio.
    Lost,
    /// Delivers audio again.
    Back,
}

/// How the session is doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Seconds of audio on the sample clock, gaps included.
    pub audio: f64,
    /// Level of the last tenth of a second, dB relative to a full-scale square wave; -120 and below is silence.
    pub level_dbfs: f32,
    /// Seconds between when the newest sample that speech has processed was due and now.
    pub lag: f64,
    /// Samples lost so far at 16 kHz, in every gap but pauses.
    pub dropped: u64,
    /// Seconds by which a sample is due later than its position says: what the device's clock has drifted against the monotonic
    /// one. An event was late by `emitted` - `end` - `offset`.
    pub offset: f64,
    /// Seconds between refreshes of an open caption; wider when behind.
    pub refresh: f64,
    /// Processor seconds the whole process has used, where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// Resident memory of the process, MiB, where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident_mib: Option<f64>,
    /// The models in use and the provider that was proven to run each.
    pub models: Vec<ModelInUse>,
}

/// A model in use and where it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelInUse {
    /// Name of the model.
    pub model: Arc<str>,
    /// Provider that ran its first inference: `cpu`, `cuda:0`, `tensorrt:0`.
    pub provider: Arc<str>,
    /// Threads of each of its ONNX Runtime sessions.
    pub threads: usize,
}
