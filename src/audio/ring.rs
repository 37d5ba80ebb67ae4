//! A wait-free ring of timed frames between two threads: the audio callback and the front end, or the front end and a worker.
//!
//! In: blocks of interleaved frames, each with the number of its first frame and the instant it was pushed. Out: the same
//! frames in pieces that say where they belong. What did not fit is counted, and shows as a jump in `first_frame`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ringbuf::traits::{Consumer as _, Observer as _, Producer as _, Split as _};
use ringbuf::{HeapCons, HeapProd, HeapRb};

/// What was pushed at once: `frames` frames from number `first_frame` on.
#[derive(Clone, Copy, Debug)]
struct Record {
    first_frame: u64,
    frames: usize,
    at: Instant,
}

/// A ring for `capacity_frames` frames of `channels` samples, pushed in at most `capacity_records` blocks that are not yet
/// read. A frame is any fixed number of samples: the channels of a microphone at one instant, or one row of features.
/// Sizes of 0 count as 1.
pub fn ring(channels: usize, capacity_frames: usize, capacity_records: usize) -> (Producer, Consumer) {
    let channels = channels.max(1);
    let (samples_in, samples_out) = HeapRb::new(channels * capacity_frames.max(1)).split();
    let (records_in, records_out) = HeapRb::new(capacity_records.max(1)).split();
    let dropped = Arc::new(AtomicU64::new(0));
    (
        Producer { channels, samples: samples_in, records: records_in, dropped: Arc::clone(&dropped) },
        Consumer { channels, samples: samples_out, records: records_out, current: None, dropped },
    )
}

/// The end that pushes. Dropping it tells the consumer that no more will come.
pub struct Producer {
    channels: usize,
    samples: HeapProd<f32>,
    records: HeapProd<Record>,
    dropped: Arc<AtomicU64>,
}

impl Producer {
    /// Appends the longest run of whole frames from the front of `interleaved` that fits, and counts the rest as dropped.
    /// `first_frame` is the number of the first of them, `at` when they arrived. Returns the frames accepted.
    ///
    /// Wait-free; does not allocate. Samples after the last whole frame are ignored.
    pub fn push(&mut self, first_frame: u64, interleaved: &[f32], at: Instant) -> usize {
        let offered = interleaved.len() / self.channels;
        let frames = offered.min(self.room_frames());
        if frames > 0 {
            // Samples first: a record that can be seen is a promise that its samples are there.
            self.samples.push_slice(&interleaved[..frames * self.channels]);
            let published = self.records.try_push(Record { first_frame, frames, at });
            debug_assert!(published.is_ok(), "a free place in the ring of records was taken");
        }
        if frames < offered {
            self.dropped.fetch_add((offered - frames) as u64, Ordering::Relaxed);
        }
        frames
    }

    /// Frames that a push has room for now; there may be more at any moment, never less.
    pub fn room_frames(&self) -> usize {
        // Only this end adds records: a place seen free stays free.
        if self.records.is_full() { 0 } else { self.samples.vacant_len() / self.channels }
    }

    /// Frames that did not fit, so far.
    pub fn dropped_frames(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Samples in a frame.
    pub fn channels(&self) -> usize {
        self.channels
    }
}

/// What one [`Consumer::read`] returned: where its frames belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Number of the first frame. More than the frame after the piece before: what lies between was lost.
    pub first_frame: u64,
    /// Frames in the piece, at least 1.
    pub frames: usize,
    /// When the block that the piece belongs to was pushed.
    pub at: Instant,
    /// Frames of its block that come after the piece.
    pub after: usize,
}

impl Piece {
    /// Whether the piece ends its block.
    pub fn ends_block(&self) -> bool {
        self.after == 0
    }
}

/// The end that reads.
pub struct Consumer {
    channels: usize,
    samples: HeapCons<f32>,
    records: HeapCons<Record>,
    /// What is left of the block being read.
    current: Option<Record>,
    dropped: Arc<AtomicU64>,
}

impl Consumer {
    /// Moves the next frames to the front of `out`: at most `out.len() / channels`, and never from two blocks. `None` when
    /// nothing waits, or when `out` has no room for one frame.
    ///
    /// Wait-free; does not allocate.
    pub fn read(&mut self, out: &mut [f32]) -> Option<Piece> {
        let room = out.len() / self.channels;
        if room == 0 {
            return None;
        }
        let record = match self.current.take() {
            Some(record) => record,
            None => self.records.try_pop()?,
        };
        let frames = record.frames.min(room);
        self.samples.pop_slice(&mut out[..frames * self.channels]);
        let after = record.frames - frames;
        if after > 0 {
            self.current = Some(Record { first_frame: record.first_frame + frames as u64, frames: after, at: record.at });
        }
        Some(Piece { first_frame: record.first_frame, frames, at: record.at, after })
    }

    /// Frames that wait. A block being pushed at this moment may be counted before it can be read.
    pub fn waiting_frames(&self) -> usize {
        self.samples.occupied_len() / self.channels
    }

    /// Frames that did not fit, so far.
    pub fn dropped_frames(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Whether the producer is gone and everything it pushed has been read.
    pub fn is_abandoned(&self) -> bool {
        // In this order: once the producer is gone, an empty ring stays empty.
        !self.records.write_is_held() && self.current.is_none() && self.records.is_empty()
    }

    /// Samples in a frame.
    pub fn channels(&self) -> usize {
        self.channels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value that channel `channel` of frame `frame` has in these tests: exact in f32, different for neighbours.
    fn value(frame: u64, channel: usize) -> f32 {
        ((frame * 7 + channel as u64) % 16_000_057) as f32
    }

    fn block(first_frame: u64, frames: usize, channels: usize) -> Vec<f32> {
        (0..frames).flat_map(|k| (0..channels).map(move |c| value(first_frame + k as u64, c))).collect()
    }

    /// A small reproducible generator (xorshift64*).
    struct Random(u64);

    impl Random {
        fn below(&mut self, n: usize) -> usize {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % n
        }
    }

    #[test]
    fn pieces_keep_their_block_and_their_instant() {
        let (mut producer, mut consumer) = ring(2, 100, 10);
        let first = Instant::now();
        assert_eq!(producer.push(0, &block(0, 30, 2), first), 30);
        let second = first + std::time::Duration::from_millis(10);
        assert_eq!(producer.push(30, &block(30, 5, 2), second), 5);
        assert_eq!(consumer.waiting_frames(), 35);

        let mut out = [0.0; 41];
        let mut pieces = Vec::new();
        while let Some(piece) = consumer.read(&mut out) {
            for (k, frame) in out[..piece.frames * 2].chunks(2).enumerate() {
                assert_eq!(frame, [value(piece.first_frame + k as u64, 0), value(piece.first_frame + k as u64, 1)]);
            }
            pieces.push((piece.first_frame, piece.frames, piece.at, piece.ends_block()));
        }
        assert_eq!(pieces, [(0, 20, first, false), (20, 10, first, true), (30, 5, second, true)]);
        assert_eq!(consumer.dropped_frames(), 0);
    }

    #[test]
    fn an_overrun_keeps_the_prefix_counts_the_rest_and_jumps() {
        let (mut producer, mut consumer) = ring(1, 10, 10);
        assert_eq!(producer.push(0, &block(0, 8, 1), Instant::now()), 8);
        assert_eq!(producer.push(8, &block(8, 8, 1), Instant::now()), 2);
        assert_eq!(producer.push(16, &block(16, 8, 1), Instant::now()), 0);
        assert_eq!((producer.dropped_frames(), consumer.dropped_frames()), (14, 14));

        let mut out = [0.0; 16];
        assert_eq!(consumer.read(&mut out).map(|p| (p.first_frame, p.frames)), Some((0, 8)));
        assert_eq!(producer.push(24, &block(24, 8, 1), Instant::now()), 8);
        assert_eq!(consumer.read(&mut out).map(|p| (p.first_frame, p.frames)), Some((8, 2)));
        assert_eq!(consumer.read(&mut out).map(|p| (p.first_frame, p.frames)), Some((24, 8)));
        assert_eq!(out[..8], block(24, 8, 1));
        assert_eq!(consumer.read(&mut out), None);
    }

    #[test]
    fn a_full_ring_of_records_drops_the_whole_block() {
        let (mut producer, mut consumer) = ring(1, 100, 2);
        assert_eq!(producer.push(0, &[1.0], Instant::now()), 1);
        assert_eq!(producer.push(1, &[2.0], Instant::now()), 1);
        assert_eq!(producer.push(2, &[3.0, 4.0], Instant::now()), 0);
        assert_eq!(producer.dropped_frames(), 2);
        assert_eq!(consumer.waiting_frames(), 2);
        let mut out = [0.0; 4];
        assert_eq!(consumer.read(&mut out).map(|p| (p.first_frame, p.frames)), Some((0, 1)));
        assert_eq!(producer.push(4, &[5.0], Instant::now()), 1);
    }

    #[test]
    fn nothing_to_push_and_no_room_to_read_do_nothing() {
        let (mut producer, mut consumer) = ring(3, 10, 2);
        assert_eq!(producer.push(0, &[1.0, 2.0], Instant::now()), 0);
        assert_eq!(producer.dropped_frames(), 0);
        assert_eq!(producer.push(0, &[1.0, 2.0, 3.0], Instant::now()), 1);
        assert_eq!(consumer.read(&mut [0.0; 2]), None);
        assert_eq!(consumer.read(&mut [0.0; 3]).map(|p| p.frames), Some(1));
    }

    #[test]
    fn a_ring_is_abandoned_when_its_producer_is_gone_and_all_is_read() {
        let (mut producer, mut consumer) = ring(1, 10, 2);
        producer.push(0, &[1.0, 2.0], Instant::now());
        assert!(!consumer.is_abandoned());
        drop(producer);
        assert!(!consumer.is_abandoned());
        let mut out = [0.0; 1];
        assert!(consumer.read(&mut out).is_some_and(|p| !p.ends_block()));
        assert!(!consumer.is_abandoned());
        assert!(consumer.read(&mut out).is_some_and(|p| p.ends_block()));
        assert!(consumer.is_abandoned());
    }

    #[test]
    #[cfg_attr(miri, ignore = "counts what the allocator of the tests is asked for, which is not the one that Miri has")]
    fn neither_end_allocates() {
        let (mut producer, mut consumer) = ring(2, 100, 4);
        let samples = block(0, 60, 2);
        let mut out = [0.0; 64];
        let allocated = allocation_counter::measure(|| {
            producer.push(0, &samples, Instant::now());
            producer.push(60, &samples, Instant::now());
            while consumer.read(&mut out).is_some() {}
        });
        assert_eq!(producer.dropped_frames(), 20);
        assert_eq!(allocated.count_total, 0);
    }

    /// Every sample read has the value that its position says, whatever the sizes and however the threads interleave; what
    /// was not read was counted.
    #[test]
    fn two_threads_agree_on_every_sample() {
        for (channels, capacity_frames, capacity_records, seed) in [(1, 512, 64, 1), (2, 300, 3, 2), (64, 40, 40, 3)] {
            // Miri takes a second for what otherwise takes a millisecond.
            let total = if cfg!(miri) { 3_000 } else { 2_000_000 } / channels as u64;
            let (mut producer, mut consumer) = ring(channels, capacity_frames, capacity_records);
            let pushing = std::thread::spawn(move || {
                let mut random = Random(seed);
                let mut first_frame = 0;
                while first_frame < total {
                    let frames = (1 + random.below(capacity_frames)).min((total - first_frame) as usize);
                    producer.push(first_frame, &block(first_frame, frames, channels), Instant::now());
                    first_frame += frames as u64;
                    if random.below(4) == 0 {
                        std::thread::yield_now();
                    }
                }
                producer.dropped_frames()
            });
            let mut random = Random(seed + 100);
            let mut out = vec![0.0; channels * capacity_frames];
            let (mut next_frame, mut seen, mut lost) = (0, 0, 0);
            loop {
                let abandoned = consumer.is_abandoned();
                let room = channels * (1 + random.below(capacity_frames));
                match consumer.read(&mut out[..room]) {
                    Some(piece) => {
                        assert!(piece.first_frame >= next_frame && piece.frames >= 1);
                        lost += piece.first_frame - next_frame;
                        for (k, frame) in out[..piece.frames * channels].chunks(channels).enumerate() {
                            for (c, sample) in frame.iter().enumerate() {
                                assert_eq!(*sample, value(piece.first_frame + k as u64, c));
                            }
                        }
                        seen += piece.frames as u64;
                        next_frame = piece.first_frame + piece.frames as u64;
                    }
                    None if abandoned => break,
                    None => std::thread::yield_now(),
                }
            }
            let dropped = pushing.join().unwrap();
            lost += total - next_frame;
            assert_eq!((seen + dropped, lost, consumer.dropped_frames()), (total, dropped, dropped));
            assert!(seen > 0);
        }
    }
}
