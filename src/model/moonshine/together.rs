//! Several pieces of audio read side by side: what takes the time of a step is reading its weights, and they are read once for all.
//!
//! In: pieces of audio, of any length. Out: what [`Moonshine`] reads in each alone, but for a float's last bits. Pieces of like length
//! are read together, a token of each a step; those that are done leave when half of them are.

use ort::value::DynValue;

use super::{Moonshine, NO_SILENCE, Parameters, SILENCE};
use crate::decode::alignment::Attention;
use crate::decode::pursuit::Pursuit;
use crate::decode::{Hypothesis, Prior, greedy};
use crate::error::Result;
use crate::model::decoder::{Reading, no_finite_logit};
use crate::time::{SAMPLE_RATE, Stopwatch};

/// Pieces that are read side by side. A step of one takes 2.5 ms, of four 3.5, of eight 5.0 and of sixteen 7.9 (tiny).
const MOST_PIECES: usize = 8;
/// What they are long together at most, each counted as long as the longest: keys and values of 60 s take 35 MB (tiny), 67 (base).
const MOST_SAMPLES: usize = 60 * SAMPLE_RATE as usize;

/// A piece of audio to be read.
struct Piece<'a> {
    /// Its place among those that were asked for.
    place: usize,
    audio: &'a [f32],
    /// Most tokens it can hold.
    limit: usize,
}

impl Moonshine {
    /// What is said in each of `pieces`, in their order.
    ///
    /// # Errors
    /// Those of a reading, of whichever piece.
    pub(super) fn read_together(&mut self, pieces: &[&[f32]]) -> Result<Vec<Hypothesis>> {
        let mut hypotheses = vec![Hypothesis::default(); pieces.len()];
        let mut long_enough = Vec::with_capacity(pieces.len());
        for (place, audio) in pieces.iter().enumerate() {
            long_enough.extend(self.limit(audio)?.map(|limit| Piece { place, audio, limit }));
        }
        long_enough.sort_by_key(|piece| piece.audio.len());
        let mut rest = &long_enough[..];
        while !rest.is_empty() {
            let (batch, more) = rest.split_at(batch_size(rest));
            for (piece, hypothesis) in batch.iter().zip(self.read_batch(batch)?) {
                hypotheses[piece.place] = hypothesis;
            }
            rest = more;
        }
        Ok(hypotheses)
    }

    fn read_batch(&mut self, batch: &[Piece<'_>]) -> Result<Vec<Hypothesis>> {
        self.time.readings += batch.len() as u64;
        let states: Vec<DynValue> = batch.iter().map(|piece| self.hear(piece.audio, SILENCE)).collect::<Result<_>>()?;
        let mut watch = Stopwatch::start();
        let decoded = self.decoder.begin(&states).and_then(|()| self.decode_batch(batch));
        self.decoder.end();
        self.time.decode = self.time.decode + watch.lap();
        let mut hypotheses = Vec::with_capacity(batch.len());
        for (piece, (mut read, in_vain)) in batch.iter().zip(decoded?) {
            if in_vain {
                // What is undone is undone alone: the others have gone on.
                let draft = read.0.ids().to_vec();
                read = self.read(piece.audio, SILENCE, Prior::draft(&draft), piece.limit)?;
            } else {
                read.1.skip(SILENCE.before_frames);
            }
            if read.0.tokens().is_empty() {
                // Short words are now and then not heard between so much silence.
                read = self.read(piece.audio, NO_SILENCE, Prior::default(), piece.limit)?;
            }
            hypotheses.push(self.spell(piece.audio, &read, 0));
        }
        Ok(hypotheses)
    }

    /// Greedy decoding of every piece, a token of each a step, and whether a listed term was begun in it in vain.
    fn decode_batch(&mut self, batch: &[Piece<'_>]) -> Result<Vec<((Reading, Attention), bool)>> {
        let Parameters { start_token, end_token, .. } = self.parameters;
        let begun = |piece: &Piece<'_>| (Reading::new(end_token, piece.limit), Attention::default());
        let mut readings: Vec<(Reading, Attention)> = batch.iter().map(begun).collect();
        // Which piece each of the decoder's is, and what was read last in it; `None` where it is done.
        let mut pursuits: Vec<Option<Pursuit<'_>>> = vec![self.boost.as_ref().map(Pursuit::new); batch.len()];
        let mut open: Vec<(usize, Option<u32>)> = (0..batch.len()).map(|piece| (piece, Some(start_token))).collect();
        loop {
            let tokens: Vec<u32> = open.iter().map(|(_, next)| next.unwrap_or(end_token)).collect();
            let mut rows = self.decoder.step(&tokens)?;
            for (row, (piece, next)) in open.iter_mut().enumerate().filter(|(_, (_, next))| next.is_some()) {
                let (reading, attention) = &mut readings[*piece];
                let choice = rows.logits(row, 0).and_then(|logits| match &mut pursuits[*piece] {
                    Some(pursuit) => pursuit.choose(logits, reading.ids()),
                    None => greedy::choose(logits),
                });
                let choice = choice.ok_or_else(|| no_finite_logit(&self.name))?;
                rows.looked(row, 0, attention);
                *next = reading.take(choice).then_some(choice.token);
            }
            let going: Vec<usize> = (0..open.len()).filter(|row| open[*row].1.is_some()).collect();
            if going.is_empty() {
                let failed = |(pursuit, (reading, _)): (&mut Option<Pursuit<'_>>, &(Reading, Attention))| {
                    pursuit.as_mut().is_some_and(|pursuit| pursuit.failed(reading.ids(), true).is_some())
                };
                let failed: Vec<bool> = pursuits.iter_mut().zip(&readings).map(failed).collect();
                return Ok(readings.into_iter().zip(failed).collect());
            }
            // Each leaving moves the audio's keys and values of all that stay.
            if 2 * going.len() <= open.len() {
                self.decoder.keep_pieces(&going)?;
                open = going.iter().map(|row| open[*row]).collect();
            }
        }
    }
}

/// How many of `pieces`, shortest first, are read together: one at least.
fn batch_size(pieces: &[Piece<'_>]) -> usize {
    let fits = |(count, piece): &(usize, &Piece<'_>)| (count + 1) * piece.audio.len() <= MOST_SAMPLES;
    pieces.iter().enumerate().take(MOST_PIECES).take_while(fits).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_pieces_are_read_fewer_at_once() {
        let second = SAMPLE_RATE as usize;
        let audio = vec![0.0; 64 * second];
        let size = |seconds: &[usize]| {
            let piece = |seconds: &usize| Piece { place: 0, audio: &audio[..seconds * second], limit: 1 };
            batch_size(&seconds.iter().map(piece).collect::<Vec<_>>())
        };
        assert_eq!(size(&[1; 20]), MOST_PIECES);
        assert_eq!(size(&[1; 3]), 3);
        assert_eq!(size(&[15; 8]), 4);
        assert_eq!(size(&[1, 1, 20, 21]), 3);
        assert_eq!(size(&[64, 64]), 1, "one is always read");
    }
}
