//! Numbers in words as digits, as Whisper's English normaliser does it: "twenty one" is 21, "nineteen sixty" 1960, "one" stays.
//!
//! In: tokens in lower case. Out: tokens, fewer where several make one number.

use super::normalise::Token;

/// A number that is being read: digits where it was put together from parts or is no integer.
#[derive(Clone, Debug)]
enum Value {
    Number(u64),
    Digits(String),
}

impl Value {
    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Digits(digits) => digits.clone(),
        }
    }

    /// A word for `units` below `room` after this: added to a round number, else written behind.
    fn then(&self, units: u64, round: u64) -> Self {
        match self {
            Self::Number(number) if number % round == 0 => Self::Number(number.saturating_add(units)),
            _ => Self::Digits(format!("{}{units}", self.text())),
        }
    }

    fn times(&self, multiplier: u64) -> Option<Self> {
        match self {
            Self::Number(0) => Some(Self::Number(0)),
            Self::Number(number) => {
                let (before, rest) = (number / 1000 * 1000, number % 1000);
                Some(Self::Number(before.saturating_add(rest.saturating_mul(multiplier))))
            }
            Self::Digits(digits) => {
                let product = digits.parse::<f64>().ok()? * multiplier as f64;
                (product.fract() == 0.0 && product < 1e15).then_some(Self::Number(product as u64))
            }
        }
    }
}

const ONES: [&str; 19] = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const MULTIPLIERS: [(&str, u64); 5] =
    [("hundred", 100), ("thousand", 1_000), ("million", 1_000_000), ("billion", 1_000_000_000), ("trillion", 1_000_000_000_000)];

/// What a word means to a number.
enum Kind {
    Zero,
    /// 1 to 19, and a suffix where it ends the number: sixes, sixth.
    One(u64, &'static str),
    Ten(u64, &'static str),
    Multiplier(u64, &'static str),
    /// Digits as written.
    Written(Value),
    Currency(&'static str),
    Percent,
    And,
    Point,
    Repeat(usize),
    Other,
}

fn kind(word: &str) -> Kind {
    let place = |list: &[&str], word: &str| list.iter().position(|name| *name == word).map(|k| k as u64);
    if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()) {
        return Kind::Written(word.parse().map_or_else(|_| Value::Digits(word.to_owned()), Value::Number));
    }
    if word
        .split_once('.')
        .is_some_and(|(a, b)| [a, b].iter().all(|part| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit())))
    {
        return Kind::Written(Value::Digits(word.to_owned()));
    }
    let fixed = match word {
        "o" | "oh" | "zero" => Kind::Zero,
        "first" => Kind::One(1, "st"),
        "second" => Kind::One(2, "nd"),
        "third" => Kind::One(3, "rd"),
        "fifth" => Kind::One(5, "th"),
        "eighth" => Kind::One(8, "th"),
        "ninth" => Kind::Other,
        "twelfth" => Kind::One(12, "th"),
        "sixes" => Kind::One(6, "s"),
        "pound" | "pounds" => Kind::Currency("£"),
        "euro" | "euros" => Kind::Currency("€"),
        "dollar" | "dollars" => Kind::Currency("$"),
        "cent" | "cents" => Kind::Currency("¢"),
        "percent" => Kind::Percent,
        "and" => Kind::And,
        "point" => Kind::Point,
        "double" => Kind::Repeat(2),
        "triple" => Kind::Repeat(3),
        _ => Kind::Other,
    };
    if !matches!(fixed, Kind::Other) {
        return fixed;
    }
    if let Some(k) = place(&ONES, word) {
        return Kind::One(k + 1, "");
    }
    if let Some(k) = place(&TENS, word) {
        return Kind::Ten(k * 10 + 20, "");
    }
    if let Some((_, value)) = MULTIPLIERS.iter().find(|(name, _)| *name == word) {
        return Kind::Multiplier(*value, "");
    }
    let ending = |ending: &'static str| word.strip_suffix(ending).map(|stem| (stem, ending));
    for (stem, suffix) in [ending("th"), ending("s")].into_iter().flatten() {
        // Whisper's list has "nineth" and not "ninth"; so has this.
        if let Some(k) = place(&ONES, stem).filter(|&k| suffix == "s" && k != 5 || k > 2 && k != 4 && k != 7 && k != 11) {
            return Kind::One(k + 1, suffix);
        }
        if let Some((_, value)) = MULTIPLIERS.iter().find(|(name, _)| *name == stem) {
            return Kind::Multiplier(*value, suffix);
        }
        if let Some(k) = stem.strip_suffix("ie").and_then(|stem| place(&TENS, &format!("{stem}y"))) {
            return Kind::Ten(k * 10 + 20, suffix);
        }
    }
    Kind::Other
}

/// Whether a word can be part of a number, as the rules for "and" and "point" ask of the word that follows.
fn numeric(word: Option<&str>) -> bool {
    word.is_some_and(|word| !matches!(kind(word), Kind::Other))
}

struct Reader {
    out: Vec<Token>,
    value: Option<Value>,
    /// Where the number began.
    from: usize,
}

impl Reader {
    fn give(&mut self, text: String, word: usize) {
        let text = match text.as_str() {
            "1" => "one".to_owned(),
            "1s" => "ones".to_owned(),
            _ => text,
        };
        self.out.push(Token { text, word });
    }

    fn flush(&mut self) {
        if let Some(value) = self.value.take() {
            self.give(value.text(), self.from);
        }
    }

    fn set(&mut self, value: Value, word: usize) {
        if self.value.is_none() {
            self.from = word;
        }
        self.value = Some(value);
    }

    /// A number or its end: `next` is the number with the present word.
    fn number(&mut self, next: Value, suffix: &str, word: usize) {
        self.set(next, word);
        if !suffix.is_empty() {
            let text = self.value.take().map_or_else(String::new, |value| value.text());
            self.give(text + suffix, self.from);
        }
    }
}

/// The tokens with numbers as digits.
pub(super) fn as_digits(tokens: Vec<Token>) -> Vec<Token> {
    let mut reader = Reader { out: Vec::with_capacity(tokens.len()), value: None, from: 0 };
    let mut skip = false;
    for (k, token) in tokens.iter().enumerate() {
        if std::mem::take(&mut skip) {
            continue;
        }
        let previous = k.checked_sub(1).map_or("", |k| tokens[k].text.as_str());
        let next = tokens.get(k + 1).map(|token| token.text.as_str());
        let word = token.word;
        match kind(&token.text) {
            Kind::Written(value) => match &reader.value {
                Some(Value::Digits(digits)) if digits.ends_with('.') => {
                    reader.value = Some(Value::Digits(digits.clone() + &token.text));
                }
                _ => {
                    reader.flush();
                    reader.set(value, word);
                }
            },
            Kind::Zero => {
                let before = reader
                    .value
                    .as_ref()
                    .filter(|value| !matches!(value, Value::Number(0)))
                    .map_or_else(String::new, Value::text);
                reader.set(Value::Digits(before + "0"), word);
            }
            Kind::One(units, suffix) => {
                let after_ones = matches!(kind(previous), Kind::One(_, ""));
                let number = match &reader.value {
                    None => Value::Number(units),
                    Some(Value::Digits(digits)) if units < 10 && matches!(kind(previous), Kind::Ten(_, "")) => {
                        Value::Digits(format!("{}{units}", digits.strip_suffix('0').unwrap_or(digits)))
                    }
                    Some(value @ Value::Number(_)) if !after_ones => value.then(units, if units < 10 { 10 } else { 100 }),
                    Some(value) => Value::Digits(format!("{}{units}", value.text())),
                };
                reader.number(number, suffix, word);
            }
            Kind::Ten(tens, suffix) => {
                let number = reader.value.as_ref().map_or(Value::Number(tens), |value| value.then(tens, 100));
                reader.number(number, suffix, word);
            }
            Kind::Multiplier(multiplier, suffix) => {
                let number = match &reader.value {
                    None => Value::Number(multiplier),
                    Some(value) => value.times(multiplier).unwrap_or_else(|| {
                        reader.flush();
                        Value::Number(multiplier)
                    }),
                };
                reader.number(number, suffix, word);
            }
            Kind::Currency(sign) => match reader.value.take() {
                Some(value) => reader.give(format!("{sign}{}", value.text()), reader.from),
                None => reader.give(token.text.clone(), word),
            },
            Kind::Percent => match reader.value.take() {
                Some(value) => reader.give(value.text() + "%", reader.from),
                None => reader.give(token.text.clone(), word),
            },
            Kind::And if numeric(next) && matches!(kind(previous), Kind::Multiplier(_, "")) => {}
            Kind::Point if numeric(next) => {
                if matches!(next.map(kind), Some(Kind::Zero | Kind::One(_, "") | Kind::Ten(_, "") | Kind::Written(_))) {
                    let before = reader.value.as_ref().map_or_else(String::new, Value::text);
                    reader.set(Value::Digits(before + "."), word);
                }
            }
            Kind::Repeat(times) if matches!(next.map(kind), Some(Kind::Zero | Kind::One(_, ""))) => {
                let digit = match next.map(kind) {
                    Some(Kind::One(units, _)) => units.to_string(),
                    _ => "0".to_owned(),
                };
                let before = reader.value.as_ref().map_or_else(String::new, Value::text);
                reader.set(Value::Digits(before + &digit.repeat(times)), word);
                skip = true;
            }
            Kind::And | Kind::Point | Kind::Repeat(_) | Kind::Other => {
                reader.flush();
                reader.give(token.text.clone(), word);
            }
        }
    }
    reader.flush();
    reader.out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> String {
        let tokens = text.split(' ').enumerate().map(|(word, text)| Token { text: text.to_owned(), word }).collect();
        as_digits(tokens).into_iter().map(|token| token.text).collect::<Vec<_>>().join(" ")
    }

    /// Right sides are what Whisper's own normaliser gives.
    #[test]
    fn numbers_are_read_as_the_reference_reads_them() {
        let cases = [
            ("one", "one"),
            ("the first one", "the 1st one"),
            ("three hundred and sixty five days", "365 days"),
            ("two million", "2000000"),
            ("nineteen ninety nine", "1999"),
            ("twenty twenty", "2020"),
            ("four and twenty", "4 and 20"),
            ("five six seven", "567"),
            ("one hundred forty ninth", "140 ninth"),
            ("in the sixties", "in the 60s"),
            ("double oh seven", "007"),
            ("3.5 million", "3500000"),
            ("2 3", "2 3"),
            ("hundreds of dogs", "100s of dogs"),
            ("point out", "point out"),
            ("nineth", "9th"),
            ("eighth", "8th"),
            ("fourteenth", "14th"),
            ("ten percent", "10%"),
            ("one second", "12nd"),
        ];
        for (written, expected) in cases {
            assert_eq!(digits(written), expected, "{written}");
        }
    }
}
