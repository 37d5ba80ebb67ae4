//! Whether a shared library is whole, as far as its headers tell.
//!
//! In: a file. Out: an error when it ends before what its own headers place in it. The system's loader maps such a file without a
//! word, and the process then ends by SIGBUS where it touches what is missing.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Length of a 64-bit ELF file's header, and of one entry of its table of segments (System V ABI, chapter 4).
const HEADER: usize = 64;
const SEGMENT: usize = 56;
/// A segment that is mapped from the file.
const LOAD: u32 = 1;

/// Fails when the 64-bit little-endian ELF file at `path` is shorter than its segments and its table of sections need. What is no
/// such file is left to the loader, which refuses it with a message of its own.
///
/// # Errors
/// With the length found and the length needed, or what could not be read.
pub(super) fn check_length(path: &Path) -> Result<(), String> {
    // A pipe or a device would be waited for, and what is not there is the loader's to look for.
    match path.metadata() {
        Ok(meta) if !meta.is_file() => return Err("it is not a file".to_owned()),
        Ok(_) => (),
        Err(_) => return Ok(()),
    }
    let read = || -> io::Result<(u64, Option<u64>)> {
        let mut file = File::open(path)?;
        Ok((file.metadata()?.len(), needed(&mut file)?))
    };
    match read() {
        Ok((found, Some(needed))) if found < needed => {
            Err(format!("it is cut short: {found} bytes long, expected at least {needed}"))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(format!("it cannot be read: {error}")),
    }
}

/// The length that the headers ask for; `None` where there are no such headers.
fn needed(file: &mut impl Read) -> io::Result<Option<u64>> {
    let mut start = Vec::with_capacity(HEADER);
    file.take(HEADER as u64).read_to_end(&mut start)?;
    // The magic number, 64 bits, little-endian.
    if start.len() < HEADER || !start.starts_with(b"\x7fELF\x02\x01") {
        return Ok(None);
    }
    let segments = (word(&start, 32), u64::from(half(&start, 54)), u64::from(half(&start, 56)));
    let sections = (word(&start, 40), u64::from(half(&start, 58)), u64::from(half(&start, 60)));
    let end = |(offset, entry, count): (u64, u64, u64)| if offset == 0 { 0 } else { offset.saturating_add(entry * count) };
    let mut needed = end(segments).max(end(sections));
    // Every linker puts the table of segments behind the header; one elsewhere is not looked at.
    if segments.0 == HEADER as u64 && segments.1 == SEGMENT as u64 {
        let mut table = Vec::new();
        file.take(segments.1 * segments.2).read_to_end(&mut table)?;
        let loaded = table.chunks_exact(SEGMENT).filter(|entry| entry.starts_with(&LOAD.to_le_bytes()));
        needed = loaded.map(|entry| word(entry, 8).saturating_add(word(entry, 32))).fold(needed, u64::max);
    }
    Ok(Some(needed))
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

#[cfg(all(test, target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_ends_before_its_sections_or_segments_is_refused() {
        // This very program is as real an ELF file as any.
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let whole = needed(&mut &program[..]).unwrap().unwrap();
        assert!(whole <= program.len() as u64);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("library.so");
        for length in [HEADER, 4_096, program.len() / 2, whole as usize - 1] {
            std::fs::write(&path, &program[..length]).unwrap();
            let said = check_length(&path).unwrap_err();
            assert_eq!(
                said,
                format!("it is cut short: {length} bytes long, expected at least {}", needed_of(&program[..length]))
            );
        }
        std::fs::write(&path, &program[..whole as usize]).unwrap();
        assert_eq!(check_length(&path), Ok(()));
    }

    fn needed_of(bytes: &[u8]) -> u64 {
        needed(&mut &bytes[..]).unwrap().unwrap()
    }

    #[test]
    fn headers_of_any_numbers_are_no_panic() {
        let mut header = [0xff; HEADER + 2 * SEGMENT];
        header[..6].copy_from_slice(b"\x7fELF\x02\x01");
        assert_eq!(needed_of(&header), u64::MAX);
        header[32..40].copy_from_slice(&64_u64.to_le_bytes());
        header[54..56].copy_from_slice(&56_u16.to_le_bytes());
        header[64..68].copy_from_slice(&LOAD.to_le_bytes());
        assert_eq!(needed_of(&header), u64::MAX);
        for other in [&b""[..], b"\x7fELF", b"RIFF....WAVEfmt ", &[0; 100]] {
            assert_eq!(needed(&mut &other[..]).unwrap(), None);
        }
    }

    #[test]
    fn what_is_no_file_is_refused_and_what_is_not_there_is_left_to_the_loader() {
        assert_eq!(check_length(Path::new("/dev/zero")), Err("it is not a file".to_owned()));
        assert_eq!(check_length(Path::new("libonnxruntime.so.of.nowhere")), Ok(()));
    }
}
