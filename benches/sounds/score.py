"""What was told against what was there.

In: the `sound` events of a scene and its truth. Out: what each told sound was (right, near, a second time, false), and
what became of each true one. An event is right when it has the class's name or a closer one and begins within a second
of the truth; near when its name stands in the same branch of the outline.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from outline import Outline
from timeline import Sound

COLLAR_S = 1.0
"""By how much an onset may be off."""


@dataclass(frozen=True)
class Told:
    """One sound as it was told, from its first event to its last."""

    labels: tuple[tuple[float, str], ...]
    """When (emitted, s) it bore which name, in order; the last is what stays."""
    start_s: float
    end_s: float

    @property
    def label(self) -> str:
        """The name that stays."""
        return self.labels[-1][1]


class Was(Enum):
    """What a told sound turned out to be."""

    RIGHT = "right"
    NEAR = "near"
    AGAIN = "again"
    """Right or near, but of a sound that another event had already told."""
    LATE = "late"
    """A right name within the sound, but an onset off by more than the collar."""
    BACKGROUND = "background"
    """What the background truly is; not counted."""
    FALSE = "false"


@dataclass(frozen=True)
class Verdict:
    """A told sound, what it was, and of which true one (by its number in the scene)."""

    told: Told
    was: Was
    truth: int | None


def told(events: Iterable[Mapping[str, Any]]) -> list[Told]:
    """The sounds of one file's events, in order of their number."""
    found: dict[int, list[Mapping[str, Any]]] = {}
    for event in events:
        if event["type"] == "sound":
            found.setdefault(event["event"], []).append(event)
    return [
        Told(
            tuple((event["emitted"], event["label"]) for event in line),
            line[-1]["start"],
            line[-1]["end"],
        )
        for _, line in sorted(found.items())
    ]


def judged(
    heard: Sequence[Told],
    sounds: Sequence[Sound],
    classes: Mapping[str, Sequence[str]],
    outline: Outline,
    heard_too: Sequence[str] = (),
) -> list[Verdict]:
    """One verdict a told sound. A true sound has one event at most: exact names first, then the closer onset."""
    pairs = []
    for k, each in enumerate(heard):
        for n, sound in enumerate(sounds):
            off_s = abs(each.start_s - sound.start_s)
            exact = outline.is_exact(each.label, classes[sound.label])
            if off_s <= COLLAR_S and (exact or outline.is_near(each.label, classes[sound.label])):
                pairs.append((not exact, off_s, k, n))
    matched: dict[int, tuple[Was, int]] = {}
    taken: set[int] = set()
    for rough, _, k, n in sorted(pairs):
        if k not in matched and n not in taken:
            matched[k] = (Was.NEAR if rough else Was.RIGHT, n)
            taken.add(n)
    result = []
    for k, each in enumerate(heard):
        if k in matched:
            result.append(Verdict(each, *matched[k]))
        else:
            result.append(_other(each, sounds, classes, outline, heard_too, taken))
    return result


def _other(
    each: Told,
    sounds: Sequence[Sound],
    classes: Mapping[str, Sequence[str]],
    outline: Outline,
    heard_too: Sequence[str],
    taken: set[int],
) -> Verdict:
    """What an event is that tells no sound first."""
    for n, sound in enumerate(sounds):
        overlaps = each.start_s < sound.end_s + COLLAR_S and each.end_s > sound.start_s - COLLAR_S
        if overlaps and n in taken and outline.is_near(each.label, classes[sound.label]):
            return Verdict(each, Was.AGAIN, n)
        if overlaps and n not in taken and outline.is_exact(each.label, classes[sound.label]):
            return Verdict(each, Was.LATE, n)
    if any(outline.is_near(each.label, classes[label]) for label in heard_too):
        return Verdict(each, Was.BACKGROUND, None)
    return Verdict(each, Was.FALSE, None)


@dataclass
class Tally:
    """Counts that add up over scenes."""

    sounds: int = 0
    right: int = 0
    near: int = 0
    again: int = 0
    late: int = 0
    false: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(*(getattr(self, name) + getattr(other, name) for name in vars(self)))

    @property
    def told(self) -> int:
        """Every event that is held against somebody: second ones too."""
        return self.right + self.near + self.again + self.late + self.false

    def figures(self, near: bool) -> dict[str, float]:
        """Precision, recall and F1; with `near`, a name of the same branch counts as right."""
        right = self.right + (self.near if near else 0)
        precision = right / self.told if self.told else 0.0
        recall = right / self.sounds if self.sounds else 0.0
        both = precision + recall
        return {"precision": precision, "recall": recall, "f1": 2.0 * precision * recall / both if both else 0.0}


def tally(verdicts: Iterable[Verdict], sounds: int) -> Tally:
    """Counts of one scene."""
    result = Tally(sounds=sounds)
    for verdict in verdicts:
        if verdict.was is not Was.BACKGROUND:
            setattr(result, verdict.was.value, getattr(result, verdict.was.value) + 1)
    return result


def onsets(
    verdicts: Iterable[Verdict], sounds: Sequence[Sound], classes: Mapping[str, Sequence[str]], outline: Outline
) -> list[tuple[float, float]]:
    """For each right event: how late its onset is, and seconds from the true onset to its first right name."""
    result = []
    for verdict in verdicts:
        if verdict.was is Was.RIGHT and verdict.truth is not None:
            sound = sounds[verdict.truth]
            named = (at for at, label in verdict.told.labels if outline.is_exact(label, classes[sound.label]))
            result.append((verdict.told.start_s - sound.start_s, next(named) - sound.start_s))
    return result


def spread(tallies: Sequence[Tally], near: bool, key: str, times: int = 1000, seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of a figure over scenes drawn with replacement."""
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(times):
        total = Tally()
        for k in rng.integers(len(tallies), size=len(tallies)):
            total += tallies[k]
        drawn.append(total.figures(near)[key])
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def rate(count: int, hours: float) -> dict[str, float]:
    """How many an hour, with the 95 % interval of a Poisson count (Garwood 1936; quantiles by Wilson and Hilferty)."""

    def quantile(z: float, degrees: int) -> float:
        if degrees == 0:
            return 0.0
        third = 2.0 / (9.0 * degrees)
        return degrees * (1.0 - third + z * third**0.5) ** 3

    low = quantile(-1.959964, 2 * count) / 2.0 / hours
    high = quantile(1.959964, 2 * count + 2) / 2.0 / hours
    return {"count": count, "hours": hours, "an_hour": count / hours, "low": low, "high": high}
