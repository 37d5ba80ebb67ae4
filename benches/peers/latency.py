"""When each word that was said was first seen, when it came to stay, and when it was final.

In: events of any engine, and the words that were said with their times. Out: a delay a word, or none where the
final text does not have it. Nothing here asks for stable or committed text, which only Auricle tells.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from auricle import Event
from captions import captions
from clips import Word
from emission import EARLY_S
from wer import matches, normalise_word


@dataclass(frozen=True)
class Appearance:
    """Seconds from the end of a word; negative is before its end."""

    first_s: float
    """First seen at its place or next to it."""
    lasting_s: float
    """First seen there in a text that was never again without it."""
    final_s: float
    """In a text that does not change any more."""


def _lines(events: Sequence[Event]) -> dict[int, list[tuple[float, list[str]]]]:
    """Of each segment when it showed which words."""
    lines: dict[int, list[tuple[float, list[str]]]] = {}
    for event in captions(events):
        words = [normalise_word(word) for word in event["text"].split()]
        lines.setdefault(event["segment"], []).append((event["emitted"], words))
    return dict(sorted(lines.items()))


def appearances(events: Sequence[Event], spoken: Sequence[Word]) -> list[Appearance | None]:
    """One entry a spoken word, none where a minimum-edit alignment with the texts the segments ended with lacks it.

    As in `emission.py`, a word seen earlier than 0.5 s before its end is another one of the same spelling.
    """
    lines = _lines(events)
    ended = [(line, place, word) for line, shown in lines.items() for place, word in enumerate(shown[-1][1])]
    found: list[Appearance | None] = [None] * len(spoken)
    for i, j in matches([normalise_word(word.text) for word in spoken], [word for _, _, word in ended]):
        line, place, word = ended[j]
        end_s = spoken[i].end_s
        since = [(at_s, words) for at_s, words in lines[line] if at_s >= end_s - EARLY_S]
        has = [word in words[max(0, place - 1) : place + 2] for _, words in since]
        if not has:
            # Final before it was said: a line that was cut too early and guessed right.
            continue
        lacking = max((k for k, each in enumerate(has) if not each), default=-1)
        first_s, lasting_s = since[has.index(True)][0], since[lacking + 1][0]
        found[i] = Appearance(first_s - end_s, lasting_s - end_s, since[-1][0] - end_s)
    return found


def flips(events: Sequence[Event]) -> int:
    """Words shown that the next text of the same segment changed or removed."""
    count = 0
    for shown in _lines(events).values():
        for (_, before), (_, after) in pairwise(shown):
            words = [word for word in before if word]
            count += len(words) - len(matches(words, after))
    return count


def percentile(values: Sequence[float], percent: float, total: int | None = None) -> float:
    """The percentile over `values`; over `total` values, of which those not given are infinite, where it is given."""
    if total is None:
        return float(np.percentile(values, percent)) if values else math.nan
    # The nearest rank: between a finite value and infinity there is nothing to interpolate.
    place = max(0, math.ceil(total * percent / 100.0) - 1)
    return sorted(values)[place] if place < len(values) else math.inf
