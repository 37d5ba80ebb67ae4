"""Word times beside those that TIMIT's makers marked: Auricle's, and faster-whisper's own, over the same words.

In: TIMIT's clips with their words. Out: of each row the errors at the start and the end of words, median and 95th
percentile, over all that it read right, and over those that every row read right.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import engines
import numpy as np
from auricle import Auricle
from captions import timed_words
from clips import Utterance, Word, read
from engines import ONCE, Ours, Theirs
from wer import matches, normalise_word
from word_times import HEADS_CHOSEN_ON, Error

OURS = (
    Ours("auricle fp32", "fp32", ("--windows",)),
    Ours("auricle int8", "int8", ("--windows",)),
    Ours("auricle int8, by voice", "int8", ()),
)
THEIRS = tuple(
    Theirs(f"faster-whisper {compute}", {"beam": 1, "compute": compute, "asked": ONCE}, "faster-whisper-words")
    for compute in engines.PRECISIONS.values()
)
Place = tuple[str, int]
"""A clip's name and the number of a word in it."""


def by_place(spoken: Sequence[Word], told: Sequence[Word]) -> dict[int, Error]:
    """Errors of the spoken words, by their number, that a minimum-edit alignment leaves as they are."""
    pairs = matches([normalise_word(word.text) for word in spoken], [normalise_word(word.text) for word in told])
    return {i: Error(told[j].start_s - spoken[i].start_s, told[j].end_s - spoken[i].end_s) for i, j in pairs}


def parsed(line: str) -> Word:
    """A word as the worker writes it: start, end, text."""
    start, end, text = line.split("\t", 2)
    return Word(float(start), float(end), text)


def figures(errors: Sequence[Error]) -> dict[str, float]:
    """Median and 95th percentile of the size of the errors, and their median with its sign; seconds.

    Of no errors only their number.
    """
    found: dict[str, float] = {"words": len(errors)}
    if not errors:
        return found
    for edge, values in (("start", [each.start_s for each in errors]), ("end", [each.end_s for each in errors])):
        size = np.abs(values)
        found |= {
            f"{edge}_median_s": round(float(np.median(size)), 4),
            f"{edge}_p95_s": round(float(np.percentile(size, 95)), 4),
            f"{edge}_signed_s": round(float(np.median(values)), 4),
        }
    return found


def measure(binary: Path, models: Path, clips: Sequence[Utterance], scratch: Path) -> dict[str, Any]:
    """Every row reads every clip of TIMIT that has word times."""
    marked = [clip for clip in clips if clip.source == "TIMIT" and clip.words()]
    told: dict[str, dict[str, list[Word]]] = {}
    for row in OURS:
        auricle = Auricle(binary)
        events = auricle.events("transcribe", [clip.path for clip in marked], *engines.arguments(row, models))
        told[row.name] = {
            clip.path.name: [Word(word["start"], word["end"], word["text"]) for word in timed_words(events[clip.path])]
            for clip in marked
        }
    for other in THEIRS:
        with closing(engines.start(other, scratch)) as worker:
            told[other.name] = {}
            for clip in marked:
                np.save(scratch / "clip.npy", read(clip.path).astype(np.float32))
                told[other.name][clip.path.name] = [parsed(line) for line in worker.read(scratch / "clip.npy")[1]]
    spoken = {clip.path.name: clip.words() for clip in marked}
    held_out = {name for name in spoken if not any(speaker in name for speaker in HEADS_CHOSEN_ON)}
    errors = {
        row: {(name, k): error for name in spoken for k, error in by_place(spoken[name], said[name]).items()}
        for row, said in told.items()
    }
    return {
        "clips": len(marked),
        "spoken": sum(map(len, spoken.values())),
        "held_out_clips": len(held_out),
        "engines": {row: summed(errors, row, held_out) for row in errors},
    }


def summed(errors: Mapping[str, Mapping[Place, Error]], row: str, held_out: set[str]) -> dict[str, Any]:
    """Figures of one row: over its own words, over those that every row has, and those of these that are held out."""
    same = set.intersection(*(set(each) for each in errors.values()))
    return {
        "own": figures(list(errors[row].values())),
        "same": figures([errors[row][place] for place in sorted(same)]),
        "held_out": figures([errors[row][place] for place in sorted(same) if place[0] in held_out]),
    }
