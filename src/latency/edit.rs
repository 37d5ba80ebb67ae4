//! Minimum-edit alignment of two sequences of words.
//!
//! In: a reference and a hypothesis. Out: the [`Step`]s from one to the other with the fewest substitutions, deletions and
//! insertions. Memory is two bits a pair of words and bounded; time is their product.

use crate::error::{Error, ErrorKind, Result};

/// Pairs of words that are looked at, at most: 100 MB of memory, a second or two.
const MOST_PAIRS: usize = 400_000_000;

/// One step of an alignment, with the places in reference and hypothesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The same word in both.
    Same(usize, usize),
    /// Another word.
    Substituted(usize, usize),
    /// A word of the reference that is missing.
    Deleted(usize),
    /// A word of the hypothesis that was not said, and the place in the reference before which it stands.
    Inserted(usize, usize),
}

/// What an edit costs, where a word that stays as it is gains 1: more than all words can gain.
const EDIT: i64 = 1 << 32;

const DIAGONAL: u8 = 0;
const UP: u8 = 1;
const LEFT: u8 = 2;

/// The steps, in order. Of several shortest ways one that leaves most words as they are is taken.
///
/// # Errors
/// `InvalidInput` for sequences whose lengths multiply to more than 400 million.
pub fn align<T: PartialEq>(reference: &[T], hypothesis: &[T]) -> Result<Vec<Step>> {
    let head = reference.iter().zip(hypothesis).take_while(|(a, b)| a == b).count();
    let (rows, columns) = (&reference[head..], &hypothesis[head..]);
    if rows.len().saturating_mul(columns.len()) > MOST_PAIRS {
        let message = format!(
            "{} words said and {} heard in one session are too many to align; record it in shorter sessions",
            reference.len(),
            hypothesis.len()
        );
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let mut steps: Vec<Step> = (0..head).map(|k| Step::Same(k, k)).collect();
    let ways = ways(rows, columns);
    let (mut i, mut j) = (rows.len(), columns.len());
    let mut back = Vec::with_capacity(i.max(j));
    while i > 0 || j > 0 {
        let way = match (i, j) {
            (0, _) => LEFT,
            (_, 0) => UP,
            _ => ways.get(i - 1, j - 1),
        };
        match way {
            DIAGONAL => {
                (i, j) = (i - 1, j - 1);
                let (a, b) = (head + i, head + j);
                back.push(if rows[i] == columns[j] { Step::Same(a, b) } else { Step::Substituted(a, b) });
            }
            UP => {
                i -= 1;
                back.push(Step::Deleted(head + i));
            }
            _ => {
                j -= 1;
                back.push(Step::Inserted(head + j, head + i));
            }
        }
    }
    steps.extend(back.into_iter().rev());
    Ok(steps)
}

/// Two bits a pair.
struct Ways {
    columns: usize,
    packed: Vec<u8>,
}

impl Ways {
    fn get(&self, row: usize, column: usize) -> u8 {
        let at = row * self.columns + column;
        self.packed[at / 4] >> (at % 4 * 2) & 3
    }

    fn set(&mut self, row: usize, column: usize, way: u8) {
        let at = row * self.columns + column;
        self.packed[at / 4] |= way << (at % 4 * 2);
    }
}

fn ways<T: PartialEq>(rows: &[T], columns: &[T]) -> Ways {
    let mut ways = Ways { columns: columns.len(), packed: vec![0; (rows.len() * columns.len()).div_ceil(4)] };
    let mut above: Vec<i64> = (0..=columns.len() as i64).map(|edits| edits * EDIT).collect();
    let mut here = vec![0; columns.len() + 1];
    for (i, row) in rows.iter().enumerate() {
        here[0] = (i as i64 + 1) * EDIT;
        for (j, column) in columns.iter().enumerate() {
            let diagonal = above[j] + if row == column { -1 } else { EDIT };
            let (up, left) = (above[j + 1] + EDIT, here[j] + EDIT);
            let least = diagonal.min(up).min(left);
            here[j + 1] = least;
            ways.set(
                i,
                j,
                if least == diagonal {
                    DIAGONAL
                } else if least == up {
                    UP
                } else {
                    LEFT
                },
            );
        }
        std::mem::swap(&mut above, &mut here);
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        text.split_whitespace().collect()
    }

    fn errors(steps: &[Step]) -> usize {
        steps.iter().filter(|step| !matches!(step, Step::Same(..))).count()
    }

    #[test]
    fn every_step_has_its_place() {
        let steps = align(&words("she had your dark suit"), &words("she add your suit please")).unwrap();
        let expected = [Step::Same(0, 0), Step::Substituted(1, 1), Step::Same(2, 2), Step::Deleted(3), Step::Same(4, 3)];
        assert_eq!(steps[..5], expected);
        assert_eq!(steps[5..], [Step::Inserted(4, 5)]);
    }

    #[test]
    fn an_insertion_in_front_and_empty_sequences() {
        assert_eq!(align(&words("b"), &words("a b")).unwrap(), [Step::Inserted(0, 0), Step::Same(0, 1)]);
        assert_eq!(align(&words("a"), &[]).unwrap(), [Step::Deleted(0)]);
        assert_eq!(align::<&str>(&[], &[]).unwrap(), []);
    }

    #[test]
    fn the_distance_is_the_least_there_is() {
        // kitten -> sitting is 3, saturday -> sunday is 3.
        let letters = |text: &str| text.chars().collect::<Vec<_>>();
        for (a, b, distance) in [("kitten", "sitting", 3), ("saturday", "sunday", 3), ("abcdef", "azced", 3), ("", "ab", 2)] {
            assert_eq!(errors(&align(&letters(a), &letters(b)).unwrap()), distance, "{a} {b}");
        }
    }

    #[test]
    fn too_much_is_refused() {
        assert!(align(&vec![1_u8; 30_000], &vec![2; 30_000]).is_err());
    }
}
