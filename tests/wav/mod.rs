//! Made WAV files for the tests: no audio is kept in the repository.
//!
//! In: samples as bytes. Out: the bytes of a RIFF/WAVE file.

// Each test that includes this room uses a part of it.
#![allow(dead_code)]

/// PCM, integers.
pub const INTEGER: u16 = 1;

/// A WAV file of `data`: `tag` is 1 for integers, 3 for floats, and the other fields go into the header as they are, so that
/// a header can be wrong.
pub fn wav(tag: u16, bits: u16, rate_hz: u32, channels: u16, data: &[u8]) -> Vec<u8> {
    let frame_bytes = channels * (bits / 8);
    let mut file = Vec::with_capacity(44 + data.len());
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + data.len() as u32).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16_u32.to_le_bytes());
    file.extend_from_slice(&tag.to_le_bytes());
    file.extend_from_slice(&channels.to_le_bytes());
    file.extend_from_slice(&rate_hz.to_le_bytes());
    file.extend_from_slice(&(rate_hz.wrapping_mul(u32::from(frame_bytes))).to_le_bytes());
    file.extend_from_slice(&frame_bytes.to_le_bytes());
    file.extend_from_slice(&bits.to_le_bytes());
    file.extend_from_slice(b"data");
    file.extend_from_slice(&(data.len() as u32).to_le_bytes());
    file.extend_from_slice(data);
    file
}

/// 16-bit samples as bytes.
pub fn bytes_of(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}
