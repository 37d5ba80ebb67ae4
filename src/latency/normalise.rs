//! Text made comparable: the rules of Whisper's English normaliser that bear on captions, without its list of British spellings.
//!
//! In: words as written. Out: [`Token`]s: lower case, no punctuation, contractions written out, numbers as digits; each knows which
//! written word it comes from. The rules are those of `whisper/normalizers/english.py` (OpenAI); docs/latency.md lists what differs.

use super::numbers;

/// A normalised word, and the place of the written word that it begins in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The normalised word, not empty.
    pub text: String,
    /// Place of the written word.
    pub word: usize,
}

/// The tokens of written words, which may number more or fewer than these: "don't" is two, "twenty one" is one.
pub fn normalise<S: AsRef<str>>(words: &[S]) -> Vec<Token> {
    let pieces: Vec<(usize, String)> = words.iter().enumerate().flat_map(|(k, word)| pieces(k, word.as_ref())).collect();
    let mut tokens = Vec::with_capacity(pieces.len());
    for (k, (word, piece)) in pieces.iter().enumerate() {
        let next = pieces.get(k + 1).map(|(_, next)| next.as_str());
        for part in written_out(piece, next) {
            tokens.extend(symbols_apart(&part).into_iter().map(|text| Token { text, word: *word }));
        }
    }
    numbers::as_digits(tokens)
}

/// The tokens of a text.
pub fn normalise_text(text: &str) -> Vec<Token> {
    normalise(&text.split_whitespace().collect::<Vec<_>>())
}

/// One written word normalised alone, its parts joined ("don't" -> "donot"), so that words keep their places. Empty for punctuation.
pub fn normalise_word(word: &str) -> String {
    normalise(&[word]).into_iter().map(|token| token.text).collect()
}

const FILLERS: [&str; 6] = ["hmm", "mm", "mhm", "mmm", "uh", "um"];

/// The word in lower case, cut where a symbol stands that is no part of a word or a number.
fn pieces(word: usize, text: &str) -> Vec<(usize, String)> {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            '\u{2018}' | '\u{2019}' => plain.push('\''),
            _ if c.is_alphanumeric() || "'.,%$¢€£".contains(c) => match without_mark(c) {
                Some(letters) => plain.push_str(letters),
                None => plain.push(c),
            },
            // What is left of a letter that was decomposed.
            '\u{300}'..='\u{36f}' => {}
            _ => plain.push(' '),
        }
    }
    plain.split_whitespace().filter(|piece| !FILLERS.contains(&bare(piece))).map(|piece| (word, piece.to_owned())).collect()
}

fn bare(piece: &str) -> &str {
    piece.trim_matches(|c: char| !c.is_alphanumeric())
}

/// What a letter with a mark is without it, for the letters of western European names.
fn without_mark(c: char) -> Option<&'static str> {
    Some(match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => "a",
        'ç' => "c",
        'è' | 'é' | 'ê' | 'ë' => "e",
        'ì' | 'í' | 'î' | 'ï' => "i",
        'ñ' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' => "o",
        'ù' | 'ú' | 'û' | 'ü' => "u",
        'ý' | 'ÿ' => "y",
        'æ' => "ae",
        'œ' => "oe",
        'ß' => "ss",
        'đ' | 'ð' => "d",
        'ł' => "l",
        'þ' => "th",
        _ => return None,
    })
}

/// A piece with its contractions and titles written out; `next` is the piece after it.
fn written_out(piece: &str, next: Option<&str>) -> Vec<String> {
    if let Some(text) = whole_word(bare(piece)) {
        return text.split(' ').map(str::to_owned).collect();
    }
    let piece = piece.trim_end_matches(['.', ',', '\'']);
    let after = next.map(bare);
    let endings: [(&str, &str); 8] = [
        ("n't", "not"),
        ("'re", "are"),
        ("'s", if matches!(after, Some("been" | "gone" | "got")) { "has" } else { "is" }),
        ("'d", if matches!(after, Some("been" | "gone" | "done")) { "had" } else { "would" }),
        ("'ll", "will"),
        ("'t", "not"),
        ("'ve", "have"),
        ("'m", "am"),
    ];
    for (ending, word) in endings {
        if let Some(stem) = piece.strip_suffix(ending) {
            // "I'd've" has two.
            let mut parts = if stem.is_empty() { Vec::new() } else { written_out(stem, None) };
            parts.push(word.to_owned());
            return parts;
        }
    }
    vec![piece.to_owned()]
}

fn whole_word(word: &str) -> Option<&'static str> {
    Some(match word {
        "won't" => "will not",
        "can't" => "can not",
        "let's" => "let us",
        "ain't" => "aint",
        "y'all" => "you all",
        "wanna" => "want to",
        "kinda" => "kind of",
        "sorta" => "sort of",
        "dunno" => "do not know",
        "gotta" => "got to",
        "gonna" => "going to",
        "i'ma" | "imma" => "i am going to",
        "woulda" => "would have",
        "coulda" => "could have",
        "shoulda" => "should have",
        "cause" => "because",
        "ma'am" => "madam",
        "mr" => "mister",
        "mrs" => "missus",
        "st" => "saint",
        "dr" => "doctor",
        "prof" => "professor",
        "capt" => "captain",
        "gov" => "governor",
        "ald" => "alderman",
        "gen" => "general",
        "sen" => "senator",
        "rep" => "representative",
        "pres" => "president",
        "rev" => "reverend",
        "hon" => "honorable",
        "asst" => "assistant",
        "assoc" => "associate",
        "lt" => "lieutenant",
        "col" => "colonel",
        "jr" => "junior",
        "sr" => "senior",
        "esq" => "esquire",
        _ => return None,
    })
}

/// Takes punctuation out of a part, and letters and digits apart: a comma between digits goes, a point stays before a digit only,
/// a currency sign before a digit, a percent sign after one.
fn symbols_apart(part: &str) -> Vec<String> {
    let chars: Vec<char> = part.chars().collect();
    let is_digit = |k: Option<usize>| k.and_then(|k| chars.get(k)).is_some_and(char::is_ascii_digit);
    let mut text = String::with_capacity(part.len() + 4);
    for (k, &c) in chars.iter().enumerate() {
        let (before, after) = (is_digit(k.checked_sub(1)), is_digit(Some(k + 1)));
        match c {
            ',' if before && after => {}
            '.' if after => text.push('.'),
            '%' if before => text.push('%'),
            '$' | '¢' | '€' | '£' if after => text.push(c),
            _ if c.is_alphanumeric() => {
                let previous = text.chars().last();
                let boundary =
                    previous.is_some_and(|p| p.is_ascii_digit() && c.is_alphabetic() || p.is_alphabetic() && c.is_ascii_digit());
                if boundary && !suffixed(&chars, k) {
                    text.push(' ');
                }
                text.push(c);
            }
            _ => text.push(' '),
        }
    }
    text.split_whitespace().map(str::to_owned).collect()
}

/// Whether what begins at `k` ends a number as in 1960s, 274th, 32nd.
fn suffixed(chars: &[char], k: usize) -> bool {
    let rest: String = chars[k..].iter().take_while(|c| c.is_alphanumeric()).collect();
    matches!(rest.as_str(), "st" | "nd" | "rd" | "th" | "s")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(text: &str) -> String {
        normalise_text(text).into_iter().map(|token| token.text).collect::<Vec<_>>().join(" ")
    }

    /// Right sides are what Whisper's own normaliser gives.
    #[test]
    fn text_is_as_the_reference_leaves_it() {
        let cases = [
            ("She had your dark suit, in greasy wash-water.", "she had your dark suit in greasy wash water"),
            ("Don't ask me; I won't!", "do not ask me i will not"),
            ("He's been there. It's mine. They'd gone, I'd go.", "he has been there it is mine they had gone i would go"),
            ("I'd've gone", "i would have gone"),
            ("Mr. Smith, Dr. Who", "mister smith doctor who"),
            ("um, well, uh-huh", "well huh"),
            ("Café naïve", "cafe naive"),
            ("It cost 1,234.50 today.", "it cost 1234.50 today"),
            ("twenty one", "21"),
            ("nineteen sixty", "1960"),
            ("one hundred and five dogs", "105 dogs"),
            ("two thousand three hundred", "2300"),
            ("one dog, the twenty-first", "one dog the 21st"),
            ("the 1960s", "the 1960s"),
            ("fifty percent of it", "50% of it"),
            ("gonna wanna", "going to want to"),
            ("'cause", "because"),
            ("three point five", "3.5"),
            ("one oh one", "101"),
            ("salt and pepper", "salt and pepper"),
            ("twenty dollars", "$20"),
            ("a b2 c", "a b 2 c"),
        ];
        for (written, expected) in cases {
            assert_eq!(normal(written), expected, "{written}");
        }
    }

    #[test]
    fn a_token_knows_its_word() {
        let tokens = normalise(&["I", "don't", "have", "twenty", "one."]);
        let places: Vec<(&str, usize)> = tokens.iter().map(|token| (token.text.as_str(), token.word)).collect();
        assert_eq!(places, [("i", 0), ("do", 1), ("not", 1), ("have", 2), ("21", 3)]);
    }

    #[test]
    fn a_word_alone_keeps_its_place() {
        assert_eq!(normalise_word("don't"), "donot");
        assert_eq!(normalise_word("Wash-water,"), "washwater");
        assert_eq!((normalise_word("--"), normalise_word("uh")), (String::new(), String::new()));
        // Whisper leaves a point alone of this, which is no word.
        assert_eq!(normal("..."), "");
    }

    #[test]
    fn strange_text_is_taken() {
        for text in ["日本語", "\u{0}\u{202e}", "$%.,'", "'", "9999999999999999999999999999999999999999 thousand million", "n't"]
        {
            let _ = normal(text);
        }
    }
}
