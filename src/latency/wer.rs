//! Word errors: substitutions, deletions and insertions of a text against what was said, counted by unit.
//!
//! In: the words that were said, each with its unit, and a text. Out: three counts a unit. Both are normalised first.

use super::edit::{self, Step};
use super::normalise::{self, Token};
use crate::error::Result;

/// Substitutions, deletions, insertions.
pub type Errors = [u32; 3];

/// The normalised words that were said and the unit of each.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    tokens: Vec<String>,
    units: Vec<usize>,
    count: usize,
}

impl Reference {
    /// Words in order, the units counted from 0 and `count` of them.
    pub fn new<'a>(words: impl Iterator<Item = (&'a str, usize)>, count: usize) -> Self {
        let (words, of): (Vec<&str>, Vec<usize>) = words.unzip();
        let tokens = normalise::normalise(&words);
        let units = tokens.iter().map(|Token { word, .. }| of[*word]).collect();
        Self { tokens: tokens.into_iter().map(|token| token.text).collect(), units, count }
    }

    /// Normalised words of each unit.
    pub fn words(&self) -> Vec<u32> {
        let mut words = vec![0; self.count];
        self.units.iter().for_each(|unit| words[*unit] += 1);
        words
    }

    /// The errors of `text`, by unit: an insertion belongs to the unit of the word it stands before.
    ///
    /// # Errors
    /// `InvalidInput` where there are too many words to align.
    pub fn errors(&self, text: &str) -> Result<Vec<Errors>> {
        let heard: Vec<String> = normalise::normalise_text(text).into_iter().map(|token| token.text).collect();
        let mut errors = vec![[0; 3]; self.count];
        let unit = |place: usize| self.units.get(place).or(self.units.last()).copied().unwrap_or(0);
        for step in edit::align(&self.tokens, &heard)? {
            let (place, kind) = match step {
                Step::Same(..) => continue,
                Step::Substituted(i, _) => (i, 0),
                Step::Deleted(i) => (i, 1),
                Step::Inserted(_, i) => (i, 2),
            };
            if let Some(of_unit) = errors.get_mut(unit(place)) {
                of_unit[kind] += 1;
            }
        }
        Ok(errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_where_they_are() {
        let said = [("she", 0), ("had", 0), ("your", 1), ("dark", 1), ("suit", 1)];
        let reference = Reference::new(said.into_iter(), 2);
        assert_eq!(reference.words(), [2, 3]);
        let errors = reference.errors("She hat, your suit please.").unwrap();
        assert_eq!(errors, [[1, 0, 0], [0, 1, 1]]);
        assert_eq!(reference.errors("").unwrap(), [[0, 2, 0], [0, 3, 0]]);
    }

    #[test]
    fn contractions_and_numbers_are_no_errors() {
        let said = [("don't", 0), ("ask", 0), ("twenty", 0), ("one", 0), ("times", 0)];
        let reference = Reference::new(said.into_iter(), 1);
        assert_eq!(reference.words(), [5]);
        assert_eq!(reference.errors("Do not ask 21 times!").unwrap(), [[0, 0, 0]]);
    }

    #[test]
    fn text_where_nothing_was_said_is_inserted() {
        assert_eq!(Reference::new(std::iter::empty(), 1).errors("hello there").unwrap(), [[0, 0, 2]]);
        assert_eq!(Reference::new(std::iter::empty(), 0).errors("hello").unwrap(), Vec::<Errors>::new());
    }
}
