//! Keys: what a person at the terminal asks for.
//!
//! In: bytes of the terminal in raw mode. Out: [`Key`]s, on a thread of their own: a wish to stop is heard whatever the program is
//! busy with.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::sync::mpsc::{Receiver, channel};

use crate::error::{Error, ErrorKind, Result};

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Pause, or listen again.
    Pause,
    /// Look back by rows (negative) or forth.
    Rows(isize),
    /// Look back by pages (negative) or forth.
    Pages(isize),
    /// Look at the oldest.
    Oldest,
    /// Look at what is newest.
    Now,
    /// Show what keys do.
    Help,
    /// Draw everything anew.
    Redraw,
    /// Leave the terminal to the shell for a while.
    Suspend,
    /// End.
    Stop,
}

/// Keys of an escape sequence: what follows the `ESC [` or `ESC O`.
const SEQUENCES: [(&[u8], Key); 10] = [
    (b"A", Key::Rows(-1)),
    (b"B", Key::Rows(1)),
    (b"5~", Key::Pages(-1)),
    (b"6~", Key::Pages(1)),
    (b"H", Key::Oldest),
    (b"1~", Key::Oldest),
    (b"7~", Key::Oldest),
    (b"F", Key::Now),
    (b"4~", Key::Now),
    (b"8~", Key::Now),
];
/// Bytes that a sequence of a key can have at most.
const LONGEST: usize = 16;

/// Reads keys from now until the terminal is gone. `on_stop` is called on the thread that reads, at each wish to stop.
///
/// # Errors
/// `Io` when the terminal cannot be read.
pub(super) fn listen(on_stop: impl Fn() + Send + 'static) -> Result<Receiver<Key>> {
    let unreadable = |error: io::Error| {
        Error::new(ErrorKind::Io, format!("the terminal's keys cannot be read: {error}; run it from a terminal"))
    };
    // Standard input may be something else.
    let mut terminal: Box<dyn Read + Send> =
        if io::stdin().is_terminal() { Box::new(io::stdin()) } else { Box::new(File::open("/dev/tty").map_err(unreadable)?) };
    let (sender, keys) = channel();
    let read = move || {
        let mut decoder = Decoder::default();
        let mut bytes = [0; 256];
        loop {
            let count = match terminal.read(&mut bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(0) | Err(_) => return,
                Ok(count) => count,
            };
            for key in bytes[..count].iter().filter_map(|&byte| decoder.take(byte)) {
                if key == Key::Stop {
                    on_stop();
                } else if sender.send(key).is_err() {
                    return;
                }
            }
        }
    };
    std::thread::Builder::new().name("keys".into()).spawn(read).map_err(unreadable)?;
    Ok(keys)
}

/// Makes keys of bytes.
#[derive(Debug, Default)]
struct Decoder {
    /// An escape sequence that has begun, without the `ESC`.
    sequence: Option<Vec<u8>>,
}

impl Decoder {
    fn take(&mut self, byte: u8) -> Option<Key> {
        let Some(sequence) = &mut self.sequence else { return self.plain(byte) };
        match (sequence.first(), byte) {
            (None, b'[' | b'O') => sequence.push(byte),
            // The escape key itself, and then another.
            (None, _) => {
                self.sequence = None;
                return self.plain(byte);
            }
            (Some(_), 0x40..=0x7e) => {
                sequence.push(byte);
                let wanted = self.sequence.take()?;
                return SEQUENCES.iter().find(|(bytes, _)| *bytes == &wanted[1..]).map(|(_, key)| *key);
            }
            (Some(_), _) if sequence.len() < LONGEST => sequence.push(byte),
            (Some(_), _) => self.sequence = None,
        }
        None
    }

    fn plain(&mut self, byte: u8) -> Option<Key> {
        match byte {
            0x1b => self.sequence = Some(Vec::new()),
            b' ' | b'p' | b'P' => return Some(Key::Pause),
            b'q' | b'Q' | 0x03 => return Some(Key::Stop),
            b'?' | b'h' => return Some(Key::Help),
            b'k' => return Some(Key::Rows(-1)),
            b'j' => return Some(Key::Rows(1)),
            0x0c => return Some(Key::Redraw),
            0x1a => return Some(Key::Suspend),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut decoder = Decoder::default();
        bytes.iter().filter_map(|&byte| decoder.take(byte)).collect()
    }

    #[test]
    fn keys_are_told_by_their_bytes() {
        assert_eq!(keys(b" pq\x03?"), [Key::Pause, Key::Pause, Key::Stop, Key::Stop, Key::Help]);
        assert_eq!(keys(b"\x1b[A\x1bOB\x1b[5~\x1b[6~"), [Key::Rows(-1), Key::Rows(1), Key::Pages(-1), Key::Pages(1)]);
        assert_eq!(keys(b"\x1b[F\x1b[4~\x1b[H"), [Key::Now, Key::Now, Key::Oldest]);
        // Other sequences mean nothing, and what they hold is no key.
        assert_eq!(keys(b"\x1b[200~\x1b[1;5q\x1b\x1b \x1bp"), [Key::Pause, Key::Pause]);
        assert_eq!(keys(&[&b"\x1b["[..], &[b'1'; 100], b"q"].concat()), [Key::Stop]);
    }

    #[test]
    fn no_bytes_break_the_decoder() {
        let mut noise = 7_u32;
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        })
        .take(100_000)
        .collect();
        assert!(!keys(&bytes).is_empty());
    }
}
