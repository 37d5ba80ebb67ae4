//! What may be read next: tokens that are given, then a draft that is followed again after it was wrong.
//!
//! In: a [`Prior`], then the tokens as they are chosen. Out: what to verify with the next step. A wrong guess costs a little time and
//! changes nothing, since every token is chosen from the logits.

use crate::decode::Prior;

/// After a wrong token the draft is looked through for the right one so far ahead, tokens.
const SEARCHED: usize = 4;

/// The guess and how far it was followed.
#[derive(Debug)]
pub(super) struct Guess {
    tokens: Vec<u32>,
    given: usize,
    /// The place of what is expected next.
    place: usize,
}

impl Guess {
    /// Begins at the front of `prior`, as far as it is `usable`.
    pub fn new(prior: Prior<'_>, usable: impl Fn(&[u32]) -> &[u32]) -> Self {
        let mut tokens = [prior.given, prior.draft].concat();
        let usable = usable(&tokens).len();
        tokens.truncate(usable);
        Self { given: prior.given.len().min(usable), tokens, place: 0 }
    }

    /// The next token, where it is given.
    pub fn given(&self) -> Option<u32> {
        self.tokens[..self.given].get(self.place).copied()
    }

    /// The tokens expected next, at most `most`; all that are given count first.
    pub fn ahead(&self, most: usize) -> &[u32] {
        let rest = self.tokens.get(self.place..).unwrap_or_default();
        &rest[..rest.len().min(most)]
    }

    /// Takes the token that was chosen. Returns whether it was the one expected; if not, what is expected from then on is what the
    /// draft has after the same token, where it is near, else what it has after the token that was wrong.
    pub fn take(&mut self, token: u32) -> bool {
        let rest = self.tokens.get(self.place..).unwrap_or_default();
        if rest.first() == Some(&token) {
            self.place += 1;
            return true;
        }
        let again = rest.iter().take(SEARCHED).position(|&expected| expected == token);
        self.place += again.unwrap_or(0) + 1;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(given: &[u32], draft: &[u32]) -> Guess {
        Guess::new(Prior { given, draft }, |tokens| tokens)
    }

    #[test]
    fn what_is_given_comes_first_and_is_known() {
        let mut guess = guess(&[7, 8], &[9]);
        assert_eq!((guess.given(), guess.ahead(9)), (Some(7), &[7, 8, 9][..]));
        assert!(guess.take(7) && guess.take(8));
        assert_eq!((guess.given(), guess.ahead(9)), (None, &[9][..]));
        assert!(guess.take(9));
        assert_eq!((guess.given(), guess.ahead(9)), (None, &[][..]));
        assert!(!guess.take(10), "nothing was expected");
        assert!(guess.ahead(9).is_empty());
    }

    #[test]
    fn a_draft_is_followed_again_after_a_wrong_token() {
        let mut another = guess(&[], &[1, 2, 3, 4, 5]);
        assert!(another.take(1) && !another.take(9));
        assert_eq!(another.ahead(9), [3, 4, 5], "9 stands for 2");
        let mut fewer = guess(&[], &[1, 2, 3, 4, 5]);
        assert!(fewer.take(1) && !fewer.take(4));
        assert_eq!(fewer.ahead(9), [5], "2 and 3 were not said");
        assert_eq!(guess(&[], &[1, 2, 3]).ahead(2), [1, 2]);
    }

    #[test]
    fn what_cannot_be_used_is_neither_given_nor_expected() {
        let guess = Guess::new(Prior { given: &[7, 8], draft: &[9] }, |tokens| &tokens[..1]);
        assert_eq!((guess.given(), guess.ahead(9)), (Some(7), &[7][..]));
    }
}
