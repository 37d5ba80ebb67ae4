//! Greedy choice of the next token.

/// Logits this far below the best add nothing: all of a vocabulary of 32,768 together less than 1e-4 of a probability.
const NEGLIGIBLE: f32 = -20.0;

/// A chosen token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Its id: its index in the logits.
    pub token: u32,
    /// Its probability under the softmax of the logits, 0 to 1.
    pub probability: f32,
}

/// The likeliest token of `logits`; the lowest id among equals, non-finite logits never. `None` when there is no candidate.
pub fn choose(logits: &[f32]) -> Option<Choice> {
    let finite = logits.iter().enumerate().filter(|(_, logit)| logit.is_finite());
    let (token, &best) = finite.reduce(|best, next| if next.1 > best.1 { next } else { best })?;
    let counts = |below: &f32| *below > NEGLIGIBLE && below.is_finite();
    let sum: f32 = logits.iter().map(|logit| logit - best).filter(counts).map(f32::exp).sum();
    Some(Choice { token: u32::try_from(token).ok()?, probability: 1.0 / sum })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_token_with_its_softmax_probability() {
        let choice = choose(&[0.0, f32::NAN, 3.0, 1.0, 3.0]).unwrap();
        assert_eq!(choice.token, 2, "the first of two equals");
        let expected = 3f32.exp() / (1.0 + 2.0 * 3f32.exp() + 1f32.exp());
        assert!((choice.probability - expected).abs() < 1e-6);
        assert_eq!(choose(&[]), None);
        assert_eq!(choose(&[f32::NAN]), None);
    }
}
