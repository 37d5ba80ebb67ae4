"""Word times: how far the start and the end of a caption's words are from where the words were said.

In: TIMIT utterances, each alone and three of a speaker strung together with pauses, with their word times. Out: median
and 95th percentile of the errors, over the words of final captions that are right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from auricle import Auricle, Event
from captions import timed_words
from clips import Word, utterances, write
from emission import strings
from figures import Figure, Outcome
from wer import matches, normalise_word

PART = "words"
MEDIAN_AT_MOST_S = 0.08
NEAR_S = 0.08
HEADS_CHOSEN_ON = ("fvmh0", "marc0", "falk0", "maeb0")
"""The speakers that the models' alignment heads were chosen on; what is held out is said by the others."""
ROUNDING_S = 1e-3
"""Times are written in milliseconds, or so: an overlap of no more is none."""


@dataclass(frozen=True)
class Error:
    """Seconds from where a word starts and ends to where the caption says it does; positive is late."""

    start_s: float
    end_s: float


def errors(events: Sequence[Event], spoken: Sequence[Word]) -> list[Error]:
    """Errors of the spoken words that a minimum-edit alignment with the final captions leaves as they are."""
    told = timed_words(events)
    pairs = matches([normalise_word(word.text) for word in spoken], [normalise_word(word["text"]) for word in told])
    return [Error(told[j]["start"] - spoken[i].start_s, told[j]["end"] - spoken[i].end_s) for i, j in pairs]


def disordered(events: Sequence[Event]) -> int:
    """Words that end before they start, or start before the word before them has ended."""
    count, before_s = 0, 0.0
    for word in timed_words(events):
        count += word["start"] < before_s - ROUNDING_S or word["end"] < word["start"]
        before_s = max(before_s, word["end"])
    return count


def figures(kind: str, measured: Sequence[Error], spoken: int) -> list[Figure]:
    """Figures of one kind of recording; the medians are bound."""
    result = [Figure(PART, f"{kind}: words measured", 100.0 * len(measured) / spoken, "%", note=f"{spoken} words")]
    for edge, values in (("start", [e.start_s for e in measured]), ("end", [e.end_s for e in measured])):
        if not values:
            continue
        size = np.abs(values)
        name = f"{kind}: word's {edge}"
        result += [
            Figure(PART, f"{name}, median error", float(np.median(size)), "s", at_most=MEDIAN_AT_MOST_S, digits=3),
            Figure(PART, f"{name}, p95", float(np.percentile(size, 95)), "s", digits=3),
            Figure(PART, f"{name}, median with its sign", float(np.median(values)), "s", digits=3),
            Figure(PART, f"{name}, within {NEAR_S:g} s", 100.0 * float(np.mean(size <= NEAR_S)), "%"),
        ]
    return result


def measure(auricle: Auricle, data: Path, scratch: Path) -> Outcome:
    """Transcribes clips and strings with the default model; the medians and the order of the words are checked."""
    alone = [(clip.path, clip.words()) for clip in utterances(data) if clip.source == "TIMIT" and clip.words()]
    if not alone:
        return Outcome(left_out=[f"{PART}: all of it: no clip of TIMIT with word times in {data / 'speech'}"])
    strung = [
        (write(scratch / f"words-{string.name}.wav", string.samples), string.words)
        for string in strings(utterances(data))
    ]
    events = auricle.events("transcribe", [path for path, _ in [*alone, *strung]], "--sounds", "off")
    if not any(timed_words(events[path]) for path, _ in alone):
        return Outcome(left_out=[f"{PART}: all of it: no caption has words with times; the model may not tell them"])
    outcome = Outcome()
    held_out = [(path, words) for path, words in alone if not any(name in path.stem for name in HEADS_CHOSEN_ON)]
    for kind, recordings in (("clips", alone), ("clips held out", held_out), ("strung", strung)):
        if recordings:
            measured = [error for path, words in recordings for error in errors(events[path], words)]
            outcome.figures += figures(kind, measured, sum(len(words) for _, words in recordings))
    wrong = sum(disordered(run) for run in events.values())
    outcome.figures.append(Figure(PART, "words out of order", wrong, at_most=0, digits=0))
    return outcome
