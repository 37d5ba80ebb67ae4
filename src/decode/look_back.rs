//! A decoder that has read to the end of the audio and goes on begins anew: its attention jumps back to what it has read already.
//!
//! In: [`Attention`], row by row. Out: when that has happened. Speech that repeats itself does not look like this, because attention goes
//! on with it.

use super::alignment::Attention;

/// So many tokens in a row look back before it counts: attention wanders at a sign or two.
const ROWS: usize = 3;

/// How far attention has come.
#[derive(Clone, Copy, Debug)]
pub struct LookBack {
    /// Frames that it may go back.
    most: usize,
    /// Frames that are audio; behind them is silence, to which a look means nothing.
    frames: usize,
    furthest: usize,
    behind: usize,
}

impl LookBack {
    /// Nothing was read; attention may go back by `most` of the first `frames` frames, which are audio.
    pub fn new(most: usize, frames: usize) -> Self {
        Self { most, frames, furthest: 0, behind: 0 }
    }

    /// Takes the last row of `attention`. Returns how many tokens, from the last on, are read anew, once it is sure that they are.
    pub fn take(&mut self, attention: &Attention) -> Option<usize> {
        let place = strongest(attention, self.frames)?;
        if place + self.most < self.furthest {
            self.behind += 1;
        } else {
            self.behind = 0;
            self.furthest = self.furthest.max(place);
        }
        (self.behind >= ROWS).then_some(self.behind)
    }
}

/// Which of the first `frames` frames the heads of the last row look at most, together.
fn strongest(attention: &Attention, frames: usize) -> Option<usize> {
    let row = attention.rows().checked_sub(1)?;
    let mut sum = vec![0.0_f32; attention.frames().min(frames)];
    for head in 0..attention.heads() {
        sum.iter_mut().zip(attention.row(row, head)).for_each(|(sum, weight)| *sum += weight);
    }
    (0..sum.len()).max_by(|a, b| sum[*a].total_cmp(&sum[*b]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of attention that looks at these frames of 98, one after the other, and more at the silence behind them.
    fn of(places: &[usize]) -> Vec<Option<usize>> {
        let (mut look_back, mut attention) = (LookBack::new(50, 98), Attention::default());
        let take = |place: &usize| {
            let mut weights = vec![1e-3; 100];
            weights[*place] = 0.4;
            weights[99] = 0.5;
            attention.push(&weights, [1, 1, 100], 0);
            look_back.take(&attention)
        };
        places.iter().map(take).collect()
    }

    #[test]
    fn three_tokens_in_a_row_that_look_far_back_are_read_anew() {
        assert_eq!(of(&[5, 40, 80, 95, 10, 20, 30]), [None, None, None, None, None, None, Some(3)]);
        assert_eq!(of(&[5, 95, 10, 96, 10, 20, 97]), [None; 7], "it wanders");
        assert_eq!(of(&[90, 60, 50, 45]), [None; 4], "not far");
        assert_eq!(LookBack::new(50, 98).take(&Attention::default()), None);
    }
}
