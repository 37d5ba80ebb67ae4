"""Whisper's tokens: in comes Hugging Face's `tokenizer.json`, out go what each token spells, and those with a meaning.

A byte-level BPE (GPT-2's, or its successor of many languages): every byte is written as a character of its own, and
pieces of text are joined pair by pair, the pair that was learned first before the others.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path

from auricle_export.exported import ExportError
from auricle_export.whisper.dimensions import ModelDimensions
from auricle_export.whisper.safetensors import json_object

NO_SPEECH = ("<|nospeech|>", "<|nocaptions|>")
"""The token's name, and the one it had before."""
TIMESTAMPS = 1_501
"""Tokens for 0 to 30 s, one every 20 ms, at the end of the vocabulary."""
SIGNS = '"#()*+/:;<=>@[\\]^_`{|}~「」『』'
LONG_SIGNS = [
    "<<",
    ">>",
    "<<<",
    ">>>",
    "--",
    "---",
    "-(",
    "-[",
    "('",
    '("',
    "((",
    "))",
    "(((",
    ")))",
    "[[",
    "]]",
    "{{",
    "}}",
    "♪♪",
    "♪♪♪",
]
NOTES = "♩♪♫♬♭♮♯"
"""What is written of what is not said, as the reference lists it (`Tokenizer.non_speech_tokens`)."""


@dataclass(frozen=True, slots=True)
class Special:
    """The tokens with a meaning."""

    end: int
    start: int
    translate: int
    transcribe: int
    start_of_lm: int
    previous: int
    no_speech: int
    no_timestamps: int
    first_timestamp: int
    languages: tuple[str, ...]
    """Codes, in the order of their tokens, which follow the start; none in a model for English alone."""

    @property
    def never_said(self) -> tuple[int, ...]:
        """Tokens that no reading may have."""
        return (self.start, self.translate, self.transcribe, self.start_of_lm, self.previous, self.no_speech)


def _byte_characters() -> dict[int, str]:
    """The character that stands for each byte: itself where it can be seen, else one from 256 on, in order."""
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    table = {byte: chr(byte) for byte in seen}
    unseen = (byte for byte in range(256) if byte not in table)
    return table | {byte: chr(256 + number) for number, byte in enumerate(unseen)}


BYTE_CHARACTERS = _byte_characters()
BYTES = {character: byte for byte, character in BYTE_CHARACTERS.items()}


class Tokenizer:
    """The tokens of a model."""

    def __init__(self, path: Path, dims: ModelDimensions) -> None:
        """Read the file at `path`; `ExportError` where it is not that of a Whisper of these dimensions."""
        self._path = path
        table = json_object(path)
        model = table.get("model")
        if not isinstance(model, dict) or model.get("type", "BPE") != "BPE":
            raise ExportError(f"{path}: its model is not a BPE")
        vocabulary, merges, added = model.get("vocab"), model.get("merges"), table.get("added_tokens")
        if not isinstance(vocabulary, dict) or not isinstance(merges, list) or not isinstance(added, list):
            raise ExportError(f"{path}: lacks one of model.vocab, model.merges, added_tokens")
        self._numbers: dict[str, int] = {}
        self._pieces: dict[int, bytes] = {}
        for text, token in vocabulary.items():
            self._take(text, token, dims)
        self._ranks = {self._pair(merge): rank for rank, merge in enumerate(merges)}
        self._special: dict[str, int] = {}
        for entry in added:
            if not isinstance(entry, dict) or not isinstance(entry.get("content"), str) or not _token(entry, dims):
                raise ExportError(f"{path}: added_tokens has {str(entry)[:80]}, expected a text and its token")
            self._special[entry["content"]] = entry["id"]
        for token in self._special.values():
            self._pieces.pop(token, None)
        self.special = self._meanings(dims)

    def text(self, tokens: list[int]) -> str:
        """What tokens spell; those with a meaning spell nothing, and bytes that are no character become U+FFFD."""
        return b"".join(self._pieces.get(token, b"") for token in tokens).decode("utf-8", "replace")

    def piece(self, token: int) -> bytes:
        """The bytes of a token; none where it has a meaning instead."""
        return self._pieces.get(token, b"")

    def joined(self, chunk: str) -> list[int]:
        """Tokens of a piece of text that is joined as a whole: a word with the space before it, a run of signs."""
        parts = [BYTE_CHARACTERS[byte] for byte in chunk.encode()]
        while len(parts) > 1:
            pairs = list(itertools.pairwise(parts))
            first = min(pairs, key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if first not in self._ranks:
                break
            joined, at = [], 0
            while at < len(parts):
                match = tuple(parts[at : at + 2]) == first
                joined.append("".join(parts[at : at + 2]) if match else parts[at])
                at += 2 if match else 1
            parts = joined
        if missing := [part for part in parts if part not in self._numbers]:
            raise ExportError(f"{self._path}: has no token for {missing[0]!r}, which is part of {chunk!r}")
        return [self._numbers[part] for part in parts]

    def not_speech(self) -> tuple[int, ...]:
        """Tokens that are written and not said: brackets, notes, a speaker's dash; by the reference's rule."""
        found = {self.joined(" -")[0], self.joined(" '")[0]}
        for sign in [*SIGNS, *LONG_SIGNS, *NOTES]:
            for tokens in (self.joined(sign), self.joined(f" {sign}")):
                if len(tokens) == 1 or sign in NOTES:
                    found.add(tokens[0])
        return tuple(sorted(found))

    def suppressed(self) -> tuple[int, ...]:
        """What the reference suppresses unless told otherwise: what is not speech, and tokens with a meaning."""
        return tuple(sorted({*self.not_speech(), *self.special.never_said}))

    def suppressed_first(self) -> tuple[int, ...]:
        """What may not come first: a lone space, and the end."""
        return tuple(sorted({*self.joined(" "), self.special.end}))

    def _take(self, text: str, token: object, dims: ModelDimensions) -> None:
        if not _token({"id": token}, dims) or token in self._pieces:
            raise ExportError(
                f"{self._path}: {text[:40]!r} is token {str(token)[:40]}, expected one below {dims.n_vocab}"
            )
        # A token with a meaning may be in the vocabulary too; it is not written in these characters.
        self._pieces[int(token)] = bytes(BYTES[each] for each in text) if all(each in BYTES for each in text) else b""  # type: ignore[call-overload]
        self._numbers[text] = int(token)  # type: ignore[call-overload]

    def _pair(self, merge: object) -> tuple[str, str]:
        parts = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(parts, list) or len(parts) != 2 or not all(isinstance(part, str) for part in parts):
            raise ExportError(f"{self._path}: model.merges has {str(merge)[:40]}, expected two parts")
        return parts[0], parts[1]

    def _meanings(self, dims: ModelDimensions) -> Special:
        special = self._special

        def named(*names: str) -> int:
            for name in names:
                if name in special:
                    return special[name]
            raise ExportError(f"{self._path}: has no token {names[0]}; it is not Whisper's")

        start, first = named("<|startoftranscript|>"), named("<|notimestamps|>") + 1
        if first + TIMESTAMPS != dims.n_vocab:
            raise ExportError(
                f"{self._path}: timestamps begin at token {first}, expected {dims.n_vocab - TIMESTAMPS}: it is of "
                "another vocabulary"
            )
        after = {token: name for name, token in special.items()}
        languages = [after.get(start + 1 + place, "") for place in range(dims.num_languages)]
        if not all(name.startswith("<|") and name.endswith("|>") for name in languages):
            raise ExportError(f"{self._path}: has no {dims.num_languages} languages after token {start}")
        return Special(
            end=named("<|endoftext|>"),
            start=start,
            translate=named("<|translate|>"),
            transcribe=named("<|transcribe|>"),
            start_of_lm=named("<|startoflm|>"),
            previous=named("<|startofprev|>"),
            no_speech=named(*NO_SPEECH),
            no_timestamps=first - 1,
            first_timestamp=first,
            languages=tuple(name[2:-2] for name in languages) if dims.is_multilingual else (),
        )


def _token(entry: dict[str, object], dims: ModelDimensions) -> bool:
    token = entry.get("id")
    return type(token) is int and 0 <= token < dims.n_vocab
