"""Whisper's tokens: bytes come back as they went in, meanings are found, other tokenizers are refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from auricle_export.exported import ExportError
from auricle_export.whisper import weights
from auricle_export.whisper.tokenizer import BYTE_CHARACTERS, Tokenizer
from whisper_models import SMALL, shipped, tokenizer_table

TEXTS = ("the theatre", " naïve — 漢字 ♪♪", "tab\tand\nline", "\x00\x7f\xad\xff")


def made(folder: Path, table: dict[str, object]) -> Tokenizer:
    """A tokenizer out of a table."""
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(table))
    return Tokenizer(path, SMALL)


def test_every_byte_has_a_character_that_can_be_seen() -> None:
    assert len(set(BYTE_CHARACTERS.values())) == 256
    assert BYTE_CHARACTERS[ord(" ")] == "Ġ"
    assert BYTE_CHARACTERS[ord("\n")] == "Ċ"
    assert BYTE_CHARACTERS[ord("A")] == "A"
    assert all(character.isprintable() for character in BYTE_CHARACTERS.values())


def test_text_comes_back(tmp_path: Path) -> None:
    tokenizer = made(tmp_path, tokenizer_table())
    for text in TEXTS:
        assert tokenizer.text(tokenizer.joined(text)) == text
    assert tokenizer.joined(" the") == [258]
    assert tokenizer.joined("the") == [*tokenizer.joined("t"), 257]
    assert tokenizer.piece(258) == b" the"
    assert tokenizer.text([tokenizer.special.start, 258, tokenizer.special.end]) == " the"
    assert tokenizer.text(tokenizer.joined("漢")[:2]) == "\ufffd"


def test_meanings_are_found(tmp_path: Path) -> None:
    special = made(tmp_path, tokenizer_table()).special
    assert (special.end, special.start, special.no_timestamps) == (260, 261, 267)
    assert special.first_timestamp + 1501 == SMALL.n_vocab
    assert special.languages == ()


@pytest.mark.parametrize("missing", ["startoftranscript", "nospeech", "notimestamps", "endoftext"])
def test_a_tokenizer_without_a_meaning_is_refused(missing: str, tmp_path: Path) -> None:
    table = tokenizer_table()
    table["added_tokens"] = [each for each in table["added_tokens"] if each["content"] != f"<|{missing}|>"]  # type: ignore[index,attr-defined]
    with pytest.raises(ExportError, match=rf"tokenizer\.json: has no token <\|{missing}"):
        made(tmp_path, table)


def test_other_tokenizers_are_refused(tmp_path: Path) -> None:
    table = tokenizer_table()
    model = dict(table["model"])  # type: ignore[call-overload]
    cases = {
        "its model is not a BPE": table | {"model": model | {"type": "Unigram"}},
        "lacks one of": table | {"added_tokens": None},
        "expected a text and its token": table | {"added_tokens": [{"id": 1}]},
        "is token 99999": table | {"model": model | {"vocab": model["vocab"] | {"x y": 99_999}}},
        "is token 5, expected": table | {"model": model | {"vocab": model["vocab"] | {"x y": 5}}},
        "expected two parts": table | {"model": model | {"merges": ["a b c"]}},
    }
    for message, wrong in cases.items():
        with pytest.raises(ExportError, match=message):
            made(tmp_path, wrong)
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(table))
    with pytest.raises(ExportError, match="timestamps begin at token 268, expected 269: it is of another vocabulary"):
        Tokenizer(path, replace(SMALL, n_vocab=SMALL.n_vocab + 1))


def test_tinys_lists_are_what_the_reference_makes_of_its_tokens() -> None:
    """Its converter wrote down what openai-whisper suppresses; the rule gives the same."""
    model = weights.read(shipped())
    tokenizer = Tokenizer(shipped() / "tokenizer.json", model.dims)
    assert tokenizer.suppressed() == model.suppress
    assert tokenizer.suppressed_first() == model.suppress_first == (220, 50_256)
    assert tokenizer.special.first_timestamp == 50_363
    assert tokenizer.joined(" Americans") == [3399]
    for text in TEXTS:
        assert tokenizer.text(tokenizer.joined(text)) == text
