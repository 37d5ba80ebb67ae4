//! Audio in: microphones, files, the wait-free ring between them and the front end, and resampling to 16 kHz.
//!
//! In: a device or a file. Out: [`source::SourceEvent`]s with the end of a ring of timed frames, which [`pcm::pick`] and
//! [`resample::Resampler`] turn into the one channel at 16 kHz that everything else works on.

mod alsa_messages;
mod bounded;
mod capture;
pub mod devices;
pub mod file;
pub mod microphone;
pub mod paced;
pub mod pcm;
pub mod raw;
pub mod resample;
pub mod ring;
pub mod source;
