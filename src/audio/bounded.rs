//! A source of bytes that gives no more than so many at a time, so that no length written in a file is believed further than that.
//!
//! In: any media source. Out: the same bytes, until an allowance is used up; then an error that says so. Decoders read what a header
//! announces, and what they read they often keep: with an allowance for the header and one for each packet, memory and the time
//! of one step are bounded whatever the file says.

use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use symphonia::core::io::MediaSource;

/// The bytes that may still be read. Clones share one count.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowance(Arc<AtomicU64>);

impl Allowance {
    /// From now on `bytes` may be read.
    pub(super) fn set(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}

/// A source under an allowance.
pub(super) struct Bounded {
    source: Box<dyn MediaSource>,
    allowance: Allowance,
}

impl Bounded {
    pub(super) fn new(source: Box<dyn MediaSource>, allowance: Allowance) -> Self {
        Self { source, allowance }
    }
}

impl Read for Bounded {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        let left = self.allowance.0.load(Ordering::Relaxed);
        if left == 0 && !out.is_empty() {
            return Err(Error::new(ErrorKind::FileTooLarge, "more bytes than a header or a packet may have"));
        }
        let room = usize::try_from(left).map_or(out.len(), |left| left.min(out.len()));
        let read = self.source.read(&mut out[..room])?;
        self.allowance.0.store(left.saturating_sub(read as u64), Ordering::Relaxed);
        Ok(read)
    }
}

impl Seek for Bounded {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.source.seek(to)
    }
}

impl MediaSource for Bounded {
    fn is_seekable(&self) -> bool {
        self.source.is_seekable()
    }

    fn byte_len(&self) -> Option<u64> {
        self.source.byte_len()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn no_more_is_read_than_is_allowed_until_more_is() {
        let allowance = Allowance::default();
        let mut source = Bounded::new(Box::new(Cursor::new(vec![7_u8; 100])), allowance.clone());
        let mut out = [0; 64];
        assert!(source.read(&mut out).is_err(), "nothing was allowed");
        allowance.set(40);
        assert_eq!(source.read(&mut out).unwrap(), 40);
        assert_eq!(source.read(&mut out).unwrap_err().kind(), ErrorKind::FileTooLarge);
        allowance.set(1_000);
        assert_eq!((source.read(&mut out).unwrap(), source.read(&mut out).unwrap()), (60, 0));
        assert_eq!((source.seek(SeekFrom::Start(0)).unwrap(), source.byte_len(), source.is_seekable()), (0, Some(100), true));
    }
}
