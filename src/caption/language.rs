//! Where a sentence may be interrupted, and at what price.
//!
//! In: two words that follow each other. Out: what it costs a reader to find the second on another line or in the next cue. After punctuation
//! it costs little in any language; which small words belong to what follows them is known for English.

/// What it costs to separate two words that nothing holds together.
pub(super) const PLAIN: u32 = 30;

/// Articles, prepositions, conjunctions, possessives, auxiliaries and pronouns, which lean on the word after them.
const LEANING: &str = " a an the this that these those my your his her its our their some any no every each of in on at by to for from \
    with without into onto over under about after before between through during against among upon as than and or but nor so if \
    because while when where who which whose i you he she it we they there is are was were be been am do does did has have had will would \
    shall should can could may might must not i'm you're he's she's it's we're they're don't doesn't didn't isn't wasn't very \
    mr mr. mrs mrs. ms ms. dr dr. ";
/// Words before which a line is well broken: conjunctions and relative pronouns.
const OPENING: &str =
    " and or but nor so yet because although though while when where who which whose that if unless until since as than ";
/// Words before which it is broken not badly: prepositions.
const PREPOSITIONS: &str = " of in on at by to for from with without into onto over under about after before between through during \
    against among upon ";
/// Pronouns that a clause may begin with.
const SUBJECTS: &str = " i you he she it we they there i'm you're he's she's it's we're they're ";

/// What it costs to separate `word` from `next`: 0 at the end of a sentence, [`PLAIN`] where nothing is known, twice as much and
/// more where a word is torn from what it leans on.
pub(super) fn break_cost(word: &str, next: &str) -> u32 {
    let closed = word.trim_end_matches(['"', '\'', '”', '’', ')', ']', '»']);
    let bare = bare(word);
    let title = word.ends_with('.') && is_in(LEANING, &format!("{bare}."));
    if closed.ends_with(['.', '?', '!', '…', '。', '？', '！']) && !title {
        return 0;
    }
    if closed.ends_with([';', ':', '—', '–', '；', '：']) {
        return 5;
    }
    if closed.ends_with([',', '、', '，']) {
        return 8;
    }
    if title || is_in(LEANING, &bare) {
        return PLAIN * 2 + 10;
    }
    let next = self::bare(next);
    if is_in(OPENING, &next) {
        14
    } else if is_in(PREPOSITIONS, &next) {
        18
    } else if is_in(SUBJECTS, &next) {
        22
    } else {
        PLAIN
    }
}

fn bare(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

/// Whether `word` stands in `list`, whose words are between spaces.
fn is_in(list: &str, word: &str) -> bool {
    !word.is_empty() && list.split_ascii_whitespace().any(|entry| entry == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_break_costs_least_after_a_sentence_and_most_after_an_article() {
        let costs = [
            break_cost("times.", "It"),
            break_cost("said:", "no"),
            break_cost("times,", "it"),
            break_cost("tired", "and"),
            break_cost("walk", "in"),
            break_cost("hope", "it"),
            break_cost("old", "dog"),
            break_cost("the", "dog"),
        ];
        assert!(costs.is_sorted() && costs[0] == 0 && costs[7] > 2 * costs[6], "{costs:?}");
        assert_eq!(break_cost("it", "was"), break_cost("the", "dog"));
        assert_eq!(break_cost("\"Go!\"", "he"), 0);
        assert_eq!(break_cost("Mr.", "Smith"), break_cost("the", "dog"), "a title ends no sentence");
        assert_eq!(break_cost("-", "-"), PLAIN);
    }
}
