//! The rules of commitment: when a word that readings agree on is never taken back, and when a doubtful one is shown.
//!
//! In: figures as somebody set them. Out: [`AgreementSettings`] that were checked, for [`Agreement`](super::agreement::Agreement).

use crate::error::{Error, ErrorKind, Result};

/// Rules of commitment, at most.
const MOST_RULES: usize = 16;

/// When a word may be committed, once all before it are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CommitRule {
    /// Readings in a row that must agree on the word and all before it.
    pub passes: u32,
    /// Seconds of audio between the first and the last of them, at least.
    pub lasting_s: f64,
    /// Seconds of audio after the word, at least; where it was said is known only of models that tell, else this is not met.
    pub after_s: f64,
    /// Probability that every token of the word must have, at least, 0 to 1.
    pub probability: f32,
    /// Mean probability that the words around it must have, at least, 0 to 1: it and up to four on either side.
    pub around: f32,
}

/// The rules of commitment: a word is committed by the first that it meets.
#[derive(Clone, Debug, PartialEq)]
pub struct AgreementSettings {
    /// 2 readings and 0.2 s after the word for one that is sure, .7; 3 over 0.5 s for another whose surroundings are, .7; 4 over 2 s for
    /// the rest, which is what noise leaves.
    pub rules: Vec<CommitRule>,
    /// The last words of a reading are shown when they are at least so probable, 0 to 1: 0.3. They may not have been said to their end.
    pub shown_probability: f32,
    /// Others are shown this long after they were said, seconds: 0.3.
    pub shown_after_s: f64,
}

impl Default for AgreementSettings {
    fn default() -> Self {
        let rule =
            |passes, lasting_s, after_s, probability, around| CommitRule { passes, lasting_s, after_s, probability, around };
        let rules = vec![rule(2, 0.0, 0.2, 0.7, 0.0), rule(3, 0.5, 0.2, 0.0, 0.7), rule(4, 2.0, 0.2, 0.0, 0.0)];
        Self { rules, shown_probability: 0.3, shown_after_s: 0.3 }
    }
}

impl AgreementSettings {
    /// Checks every rule.
    ///
    /// # Errors
    /// `InvalidInput` naming the figure, its value and its range.
    pub fn check(&self) -> Result<()> {
        let wrong =
            |message: String| Err(Error::new(ErrorKind::InvalidInput, format!("speech setting agreement.rules: {message}")));
        if self.rules.is_empty() || self.rules.len() > MOST_RULES {
            return wrong(format!("{} rules; choose 1 to {MOST_RULES}", self.rules.len()));
        }
        for rule in &self.rules {
            let figures = [
                ("passes", f64::from(rule.passes), 1.0, 100.0),
                ("lasting_s", rule.lasting_s, 0.0, 30.0),
                ("after_s", rule.after_s, 0.0, 30.0),
                ("probability", f64::from(rule.probability), 0.0, 1.0),
                ("around", f64::from(rule.around), 0.0, 1.0),
            ];
            if let Some((name, value, least, most)) =
                figures.into_iter().find(|(_, value, least, most)| !(least..=most).contains(&value))
            {
                return wrong(format!("{name} is {value}; choose {least} to {most}"));
            }
        }
        Ok(())
    }
}
