//! Audio in: microphones, files, the wait-free ring between them and the front end, and resampling to 16 kHz.

pub mod file;
pub mod pcm;
pub mod resample;
pub mod ring;

pub mod source;
