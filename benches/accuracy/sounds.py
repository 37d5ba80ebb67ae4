"""Sounds: top-1 of `auricle tag` on ESC-10, by the mean of its scores over a clip.

In: the 400 clips of `esc10/clips.tsv`. Out: the share whose class has the highest score among the ten.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from auricle import Auricle, Event, Failed
from clips import sound_clips
from figures import Figure, Outcome

PART = "sounds"
TOP1_AT_LEAST = 0.92
REFERENCE = 0.9325
"""The float64 front end with the same model, patches every 0.24 s: `yamnet_reference.py`."""

CLASSES: Mapping[str, tuple[str, ...]] = {
    "chainsaw": ("Chainsaw",),
    "clock_tick": ("Clock", "Tick", "Tick-tock"),
    "crackling_fire": ("Fire", "Crackle"),
    "crying_baby": ("Baby cry, infant cry",),
    "dog": ("Dog", "Bark"),
    "helicopter": ("Helicopter",),
    "rain": ("Rain", "Raindrop", "Rain on surface"),
    "rooster": ("Chicken, rooster", "Crowing, cock-a-doodle-doo"),
    "sea_waves": ("Ocean", "Waves, surf"),
    "sneezing": ("Sneeze",),
}
"""ESC-10 class -> the AudioSet classes that name the same sound. Chosen by name, not by score."""


def class_scores(mean: npt.NDArray[np.float64], labels: Sequence[str]) -> dict[str, float]:
    """Score of each ESC-10 class: the highest of its AudioSet classes in `mean` [labels], the clip's mean scores."""
    place = {label: k for k, label in enumerate(labels)}
    wanted = [name for names in CLASSES.values() for name in names]
    if missing := [name for name in wanted if name not in place]:
        raise Failed(f"scores have no class {missing[0]!r}; ESC-10 is mapped to AudioSet's names")
    return {label: max(float(mean[place[name]]) for name in names) for label, names in CLASSES.items()}


def top1(mean: npt.NDArray[np.float64], labels: Sequence[str]) -> str:
    """The ESC-10 class with the highest score; the first in the alphabet where two are equal."""
    scores = class_scores(mean, labels)
    return max(sorted(scores), key=lambda label: scores[label])


def labels_of(events: Sequence[Sequence[Event]]) -> list[str]:
    """The labels that the first `scores` event of each run carries."""
    found = [event["labels"] for clip in events for event in clip if event["type"] == "scores" and "labels" in event]
    if not found:
        raise Failed("auricle tag: no scores event carries labels")
    if any(labels != found[0] for labels in found):
        raise Failed("auricle tag: two runs of one model give different labels")
    return list(found[0])


def measure(auricle: Auricle, data: Path, scratch: Path) -> Outcome:
    """Tags the set; a clip's scores are the mean over its patches of the probabilities, not of the logits."""
    clips = sound_clips(data)
    if not clips:
        return Outcome(left_out=[f"{PART}: all of it: {data / 'esc10' / 'clips.tsv'} is not there"])
    events = auricle.events("tag", [clip.path for clip in clips], "--scores")
    labels = labels_of(list(events.values()))
    right, patches = 0, 0
    for clip in clips:
        rows = [event["scores"] for event in events[clip.path] if event["type"] == "scores"]
        if not rows:
            raise Failed(f"auricle tag: no scores for {clip.path}")
        patches += len(rows)
        right += top1(np.mean(rows, axis=0, dtype=np.float64), labels) == clip.label
    note = f"{len(clips)} clips, {patches / len(clips):.1f} patches each"
    top = Figure(PART, "top-1 of ten", right / len(clips), "", REFERENCE, at_least=TOP1_AT_LEAST, digits=4, note=note)
    return Outcome([top])
