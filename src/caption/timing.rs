//! Timing: from when until when a cue is shown.
//!
//! In: blocks in order, and how far the audio has been told. Out: cues, each when nothing can change its end any more.

use super::settings::{Settings, milliseconds};
use super::{Block, Cue};

/// However crowded it is, a cue is shown this long, milliseconds.
const LEAST_MS: u64 = 250;

/// Gives blocks their times. Holds one cue, whose end depends on what follows it.
#[derive(Clone, Debug)]
pub(super) struct Timing {
    minimum: u64,
    maximum: u64,
    linger: u64,
    gap: u64,
    join: u64,
    late: u64,
    characters_per_s: f64,
    /// The newest cue, with the end it has when nothing follows.
    pending: Option<Cue>,
    /// Where the next cue may start at the earliest, after the last that was told.
    free_from: u64,
}

impl Timing {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            minimum: milliseconds(settings.minimum_s),
            maximum: milliseconds(settings.maximum_s),
            linger: milliseconds(settings.linger_s),
            gap: milliseconds(settings.gap_s),
            join: milliseconds(settings.join_s),
            late: milliseconds(settings.late_s),
            characters_per_s: settings.characters_per_s,
            pending: None,
            free_from: 0,
        }
    }

    /// Takes the next block, and tells the cue before it.
    pub(super) fn place(&mut self, block: Block, emit: &mut dyn FnMut(Cue)) {
        let start = block.start_ms.max(self.earliest(&block));
        if let Some(before) = self.pending.take() {
            let latest = start.saturating_sub(self.gap);
            let filled = before.end_ms.saturating_add(self.join) > latest;
            let end = if filled { latest.min(before.start_ms.saturating_add(self.maximum)) } else { before.end_ms };
            self.tell(Cue { end_ms: end, ..before }, emit);
        }
        let characters: usize = block.lines.iter().map(|line| line.chars().count()).sum();
        let reading = milliseconds(characters as f64 / self.characters_per_s);
        let wanted = block.end_ms.saturating_add(self.linger).max(start.saturating_add(reading));
        let (least, most) = (start.saturating_add(self.minimum), start.saturating_add(self.maximum));
        self.pending = Some(Cue { start_ms: start, end_ms: wanted.clamp(least, most), lines: block.lines });
    }

    /// Tells the cue that waits, when nothing that starts at `horizon_ms` or later can shorten it.
    pub(super) fn settle(&mut self, horizon_ms: u64, emit: &mut dyn FnMut(Cue)) {
        let after = self.gap + self.join;
        if let Some(cue) = self.pending.take_if(|cue| cue.end_ms.saturating_add(after) <= horizon_ms) {
            self.tell(cue, emit);
        }
    }

    /// Tells the cue that waits: nothing follows.
    pub(super) fn finish(&mut self, emit: &mut dyn FnMut(Cue)) {
        if let Some(cue) = self.pending.take() {
            self.tell(cue, emit);
        }
    }

    /// Where `block` may start: after the cue before it has been read, but not later than `late` after its own start for that.
    fn earliest(&self, block: &Block) -> u64 {
        let Some(before) = &self.pending else { return self.free_from };
        let after = |shown: u64| before.start_ms.saturating_add(shown).saturating_add(self.gap);
        let fair = after(self.minimum);
        let hurried = after(LEAST_MS.min(self.minimum)).max(block.start_ms.saturating_add(self.late));
        fair.min(hurried)
    }

    fn tell(&mut self, cue: Cue, emit: &mut dyn FnMut(Cue)) {
        self.free_from = cue.end_ms.saturating_add(self.gap);
        emit(cue);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times of cues of one line of `characters` from `start` to `end`, all in ms.
    fn timed(blocks: &[(u64, u64, usize)]) -> Vec<(u64, u64)> {
        let mut timing = Timing::new(&Settings { gap_s: 0.1, minimum_s: 0.8, ..Default::default() });
        let mut cues = Vec::new();
        for &(start_ms, end_ms, characters) in blocks {
            let block = Block { start_ms, end_ms, lines: vec!["x".repeat(characters)] };
            timing.place(block, &mut |cue| cues.push((cue.start_ms, cue.end_ms)));
        }
        timing.finish(&mut |cue| cues.push((cue.start_ms, cue.end_ms)));
        cues
    }

    #[test]
    fn a_cue_stays_as_long_as_it_takes_to_read_where_there_is_time() {
        assert_eq!(timed(&[(1_000, 1_200, 2)]), [(1_000, 1_800)], "the minimum");
        assert_eq!(timed(&[(1_000, 2_000, 2)]), [(1_000, 2_500)], "it lingers");
        assert_eq!(timed(&[(1_000, 2_000, 34)]), [(1_000, 3_000)], "17 characters a second");
        assert_eq!(timed(&[(1_000, 30_000, 2)]), [(1_000, 8_000)], "the maximum");
        assert_eq!(timed(&[(1_000, 2_000, 34), (2_500, 3_500, 2)])[0], (1_000, 2_400), "the next comes before that");
        assert_eq!(timed(&[(1_000, 2_000, 2), (2_900, 3_500, 2)])[0], (1_000, 2_800), "a short pause is filled");
        assert_eq!(timed(&[(1_000, 2_000, 2), (3_200, 3_500, 2)])[0], (1_000, 2_500), "a longer one is not");
    }

    #[test]
    fn a_crowd_is_late_before_it_is_short_and_short_before_it_is_too_late() {
        assert_eq!(timed(&[(0, 100, 2), (200, 300, 2)]), [(0, 800), (900, 1_700)]);
        let crowd = timed(&[(0, 0, 2); 9]);
        let starts: Vec<u64> = crowd.iter().map(|cue| cue.0).collect();
        assert_eq!(starts[..4], [0, 900, 1_500, 1_850]);
        assert!(crowd.windows(2).all(|pair| pair[0].1 + 100 == pair[1].0), "{crowd:?}");
    }

    #[test]
    fn a_cue_is_told_when_nothing_can_shorten_it_and_late_ones_start_after_it() {
        let mut timing = Timing::new(&Settings { gap_s: 0.1, ..Default::default() });
        let block = |start_ms| Block { start_ms, end_ms: start_ms + 1_000, lines: vec!["x".into()] };
        let mut told = Vec::new();
        timing.place(block(1_000), &mut |cue| told.push(cue));
        timing.settle(3_099, &mut |cue| told.push(cue));
        assert!(told.is_empty());
        timing.settle(3_100, &mut |cue| told.push(cue));
        assert_eq!((told[0].start_ms, told[0].end_ms), (1_000, 2_500));
        timing.place(block(1_500), &mut |_| ());
        timing.finish(&mut |cue| told.push(cue));
        assert_eq!((told[1].start_ms, told[1].end_ms), (2_600, 3_433));
    }
}
