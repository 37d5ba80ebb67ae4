//! Files made to harm: bytes that say one thing and hold another, written here bit by bit.
//!
//! In: what the file is to claim. Out: its bytes. No audio of others is among them: `tests/data/audio` has sweeps that were made for
//! this (its README.md says how).

// Each test that includes this room uses a part of it.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

/// A sweep of half a second as `tests/data/audio` has it.
pub fn sweep(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/audio").join(name)
}

/// Every sweep, in the order of their names.
pub fn sweeps() -> Vec<PathBuf> {
    let files = std::fs::read_dir(sweep("")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|extension| extension != "md")).collect();
    files.sort();
    files
}

fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| (0..8).fold(crc ^ byte, |crc, _| if crc & 0x80 == 0 { crc << 1 } else { (crc << 1) ^ 7 }))
}

fn crc16(bytes: &[u8]) -> u16 {
    let step = |crc: u16, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x8005 };
    bytes.iter().fold(0, |crc, byte| (0..8).fold(crc ^ (u16::from(*byte) << 8), step))
}

/// A number as FLAC writes the numbers of frames, after UTF-8.
fn utf8_like(number: u32) -> Vec<u8> {
    char::from_u32(number).map_or(vec![0], |c| c.to_string().into_bytes())
}

/// FLAC of digital silence, 16 bits mono at `rate_hz`: blocks of 65,535 samples in 13 bytes or so.
pub fn silent_flac(rate_hz: u32, blocks: u32) -> Vec<u8> {
    let mut file = b"fLaC".to_vec();
    file.extend([0x80, 0, 0, 34]);
    file.extend([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0]);
    // Rate (20 bits), channels - 1 (3), bits - 1 (5), samples (36, unknown), MD5 (none).
    let packed = (u64::from(rate_hz) << 44) | (15 << 36);
    file.extend(packed.to_be_bytes());
    file.extend([0; 16]);
    for number in 0..blocks {
        // Blocks of one size, the size in 16 bits at the end, the rate as above; one channel, 16 bits.
        let mut frame = vec![0xff, 0xf8, 0x70, 0x08];
        frame.extend(utf8_like(number));
        frame.extend([0xff, 0xfe]);
        frame.push(crc8(&frame));
        // A subframe that is one value throughout: 0.
        frame.extend([0, 0, 0]);
        frame.extend(crc16(&frame).to_be_bytes());
        file.extend(frame);
    }
    file
}

/// A page of an Ogg stream with the packets given, each shorter than 255 bytes.
fn ogg_page(serial: u32, sequence: u32, position: u64, flags: u8, packets: &[&[u8]]) -> Vec<u8> {
    let mut page = b"OggS\0".to_vec();
    page.push(flags);
    page.extend(position.to_le_bytes());
    page.extend(serial.to_le_bytes());
    page.extend(sequence.to_le_bytes());
    page.extend([0; 4]);
    page.push(packets.len() as u8);
    page.extend(packets.iter().map(|packet| packet.len() as u8));
    packets.iter().for_each(|packet| page.extend(*packet));
    let step = |crc: u32, _| if crc & 0x8000_0000 == 0 { crc << 1 } else { (crc << 1) ^ 0x04c1_1db7 };
    let crc = page.iter().fold(0, |crc, byte| (0..8).fold(crc ^ (u32::from(*byte) << 24), step));
    page[22..26].copy_from_slice(&crc.to_le_bytes());
    page
}

/// The sweep's Vorbis stream, its first pages (the headers) followed by `pages` pages of packets of one byte.
pub fn hollow_ogg(pages: u32) -> Vec<u8> {
    let whole = std::fs::read(sweep("sweep.ogg")).unwrap();
    let starts: Vec<usize> = whole.windows(5).enumerate().filter(|(_, w)| *w == b"OggS\0").map(|(at, _)| at).collect();
    let serial = u32::from_le_bytes(whole[14..18].try_into().unwrap());
    // The page with the first audio is the first that has a position.
    let position = |at: usize| u64::from_le_bytes(whole[at + 6..at + 14].try_into().unwrap());
    let headers = starts.iter().position(|&at| position(at) > 0).unwrap();
    let mut file = whole[..starts[headers]].to_vec();
    for page in 0..pages {
        let at = u64::from(page + 1) * 255 * 128;
        file.extend(ogg_page(serial, headers as u32 + page, at, 0, &[&[0_u8][..]; 255]));
    }
    file
}

/// An MP3 of the frames of the sweep over and over. The frame that says how many there are is left out: no more would be read.
pub fn long_mp3(times: usize) -> Vec<u8> {
    let whole = std::fs::read(sweep("sweep.mp3")).unwrap();
    let frame_from = |from: usize| from + whole[from..].windows(2).position(|pair| pair == [0xff, 0xf3]).unwrap();
    let start = frame_from(frame_from(0) + 4);
    whole[start..].repeat(times)
}

/// An ID3v2.4 tag that says it is `size` bytes long, with a frame of text that fills it.
pub fn id3(size: u32) -> Vec<u8> {
    let seven = |n: u32| [n >> 21 & 127, n >> 14 & 127, n >> 7 & 127, n & 127].map(|byte| byte as u8);
    let mut tag = b"ID3\x04\0\0".to_vec();
    tag.extend(seven(size));
    tag.extend(b"TIT2");
    tag.extend(seven(size - 10));
    tag.extend([0, 0, 3]);
    tag
}

/// An MP4 atom.
pub fn atom(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut atom = (8 + body.len() as u32).to_be_bytes().to_vec();
    atom.extend(name);
    atom.extend(body);
    atom
}

/// The m4a sweep with the four bytes after `name` and `skip` more replaced: a count or a size that is not so.
pub fn m4a_with(name: &[u8; 4], skip: usize, value: u32) -> Vec<u8> {
    let mut file = std::fs::read(sweep("sweep.m4a")).unwrap();
    let at = file.windows(4).position(|window| window == name).unwrap() + 4 + skip;
    file[at..at + 4].copy_from_slice(&value.to_be_bytes());
    file
}
