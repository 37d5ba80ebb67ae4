"""Word error rate, and the normalisation of text before it.

In: pairs of reference and hypothesis. Out: errors over words, pooled. Whisper's English normaliser (the package
whisper-normalizer) and jiwer, as for the published figures of the models compared with.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import jiwer
from rapidfuzz.distance import Levenshtein
from whisper_normalizer.english import EnglishTextNormalizer


@dataclass(frozen=True)
class ErrorRate:
    """Errors (substitutions, deletions and insertions) against the words of the references."""

    errors: int
    words: int

    @property
    def percent(self) -> float:
        """100 errors / words; not a number where there are no words."""
        return 100.0 * self.errors / self.words if self.words else float("nan")


@lru_cache(maxsize=1)
def _normaliser() -> Callable[[str], str]:
    return EnglishTextNormalizer()


@lru_cache(maxsize=65_536)
def normalise(text: str) -> str:
    """Text as Whisper's English normaliser leaves it: lower case, no punctuation, numbers as digits, one spelling."""
    return str(_normaliser()(text)).strip()


def normalise_word(word: str) -> str:
    """One written word normalised alone, its parts joined ("don't" -> "donot"), so that words keep their places."""
    return normalise(word).replace(" ", "")


def error_rate(pairs: Iterable[tuple[str, str]]) -> ErrorRate:
    """Pooled error rate of (reference, hypothesis) pairs; a reference with no words left is left out."""
    normalised = [(normalise(reference), normalise(hypothesis)) for reference, hypothesis in pairs]
    kept = [pair for pair in normalised if pair[0]]
    if not kept:
        return ErrorRate(0, 0)
    counts = jiwer.process_words([pair[0] for pair in kept], [pair[1] for pair in kept])
    return ErrorRate(
        errors=counts.substitutions + counts.deletions + counts.insertions,
        words=counts.hits + counts.substitutions + counts.deletions,
    )


def matches(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[int, int]]:
    """Places (in reference, in hypothesis) of the words a minimum-edit alignment leaves as they are.

    Empty strings, which is what punctuation alone normalises to, match nothing.
    """
    pairs: list[tuple[int, int]] = []
    for block in Levenshtein.opcodes(reference, hypothesis):
        if block.tag == "equal":
            places = zip(range(block.src_start, block.src_end), range(block.dest_start, block.dest_end), strict=True)
            pairs.extend(place for place in places if reference[place[0]])
    return pairs


def right_words(reference: str, words: Sequence[str]) -> list[bool | None]:
    """Of each written word whether all its normalised parts are matched in `reference`; none where it has no parts.

    Words are normalised one by one, and a word of several parts ("don't" -> "do not") is right with all of them.
    """
    parts = [normalise(word).split() for word in words]
    said = [part for word in reference.split() for part in normalise(word).split()]
    matched = {j for _, j in matches(said, [part for word in parts for part in word])}
    right: list[bool | None] = []
    place = 0
    for word in parts:
        right.append(all(k in matched for k in range(place, place + len(word))) if word else None)
        place += len(word)
    return right
