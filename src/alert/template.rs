//! Arguments with placeholders: each stays one argument, whatever is put in.
//!
//! In: a string of the configuration, and a sound. Out: one argument. No shell reads it, and nothing in it is split or interpreted.

use crate::event::Sound;

/// One argument of a program, checked when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(Field),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Label,
    Id,
    Score,
    Time,
    Start,
    Event,
}

impl Field {
    const ALL: [(&'static str, Self); 6] = [
        ("label", Self::Label),
        ("id", Self::Id),
        ("score", Self::Score),
        ("time", Self::Time),
        ("start", Self::Start),
        ("event", Self::Event),
    ];
}

impl Argument {
    /// Reads `text`: `{label}` and its like are placeholders, `{{` and `}}` are braces.
    ///
    /// # Errors
    /// What is wrong with it, and what there is.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.contains('\0') {
            return Err("an argument cannot hold the character 0".to_owned());
        }
        let mut pieces = vec![];
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = &rest[at..at + 1];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after;
                continue;
            }
            let (name, after) =
                rest.split_once('}').filter(|_| brace == "{").ok_or("a brace alone is written twice: {{ or }}")?;
            let field = Field::ALL.iter().find(|(known, _)| *known == name).ok_or_else(|| {
                let known: Vec<String> = Field::ALL.iter().map(|(known, _)| format!("{{{known}}}")).collect();
                format!(
                    "'{{{}}}' is no placeholder; there are {}, and a brace is written twice",
                    name.escape_debug(),
                    known.join(", ")
                )
            })?;
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Field(field.1));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }

    /// Whether it is the same for every sound.
    pub(super) fn is_plain(&self) -> bool {
        self.0.iter().all(|piece| matches!(piece, Piece::Text(_)))
    }

    /// The argument for `sound`; `time` is the date and time now.
    pub(super) fn of(&self, sound: &Sound, time: &str) -> String {
        let value = |field: Field| match field {
            Field::Label => sound.label.to_string(),
            Field::Id => sound.id.to_string(),
            Field::Score => format!("{:.2}", sound.score),
            Field::Time => time.to_owned(),
            Field::Start => format!("{:.2}", sound.start.seconds()),
            Field::Event => sound.event.to_string(),
        };
        let text = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Field(field) => value(*field),
        };
        self.0.iter().map(text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::SoundState;
    use crate::time::SamplePosition;

    fn sound(label: &str) -> Sound {
        let (start, end) = (SamplePosition::from_seconds(12.0), SamplePosition::from_seconds(13.0));
        Sound {
            event: 3,
            state: SoundState::Start,
            label: label.into(),
            id: "/m/0".into(),
            score: 0.875,
            start,
            end,
            model: "test".into(),
        }
    }

    #[test]
    fn placeholders_are_put_in_once_and_what_they_hold_is_not_read_again() {
        let argument = Argument::parse("{{{label}}} {score} {start} {event}{id} {time}").unwrap();
        assert_eq!(argument.of(&sound("{id} $(x)"), "now"), "{{id} $(x)} 0.88 12.00 3/m/0 now");
        assert!(!argument.is_plain() && Argument::parse("a }} b").unwrap().is_plain());
        assert_eq!(Argument::parse("").unwrap().of(&sound("x"), ""), "");
    }

    #[test]
    fn what_is_no_placeholder_is_refused_by_name() {
        for (text, says) in
            [("{lable}", "'{lable}'"), ("{", "written twice"), ("}", "written twice"), ("{}", "'{}'"), ("a\0", "character 0")]
        {
            let error = Argument::parse(text).unwrap_err();
            assert!(error.contains(says), "{text:?}: {error}");
        }
    }
}
