//! A decoder caught in a loop says the same few tokens again and again; speech does not.

/// Longest loop looked for, tokens.
const LONGEST_LOOP: usize = 16;

/// How many tokens to keep when the end of `tokens` is a loop; `None` when it is not.
///
/// A loop is a run of up to 16 tokens said at least three times in a row and filling at least 12 tokens; a single token, eight
/// times. ("No, no, no, no" and "ha ha ha" stay.) One round of the loop is kept.
pub fn loop_end(tokens: &[u32]) -> Option<usize> {
    (1..=LONGEST_LOOP.min(tokens.len() / 3)).find_map(|period| {
        let last = &tokens[tokens.len() - period..];
        let rounds = tokens.rchunks_exact(period).take_while(|round| *round == last).count();
        let needed = if period == 1 { 8 } else { 3.max(12_usize.div_ceil(period)) };
        (rounds >= needed).then(|| tokens.len() - (rounds - 1) * period)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speech_stays_and_loops_are_cut_to_one_round() {
        assert_eq!(loop_end(&[]), None);
        assert_eq!(loop_end(&[5, 6, 5, 6, 5, 6]), None, "three short rounds are speech");
        assert_eq!(loop_end(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]), None);
        let mut tokens = vec![1, 2];
        tokens.extend([7; 8]);
        assert_eq!(loop_end(&tokens), Some(3));
        let mut tokens = vec![9];
        for _ in 0..3 {
            tokens.extend([1, 2, 3, 4, 5]);
        }
        assert_eq!(loop_end(&tokens), Some(6));
        tokens.push(77);
        assert_eq!(loop_end(&tokens), None, "only a loop at the end counts");
    }
}
