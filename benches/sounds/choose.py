"""Chooses `[events]` on one half of the material, label by label.

In: the timelines of the half `chosen`, and thresholds to begin with. Out: thresholds. Three steps, of which the first
is done again at the end:

1. *No data, but false alarms*: a label that is no class of ESC-10 and no signal, and that was told falsely more than
   once, is raised step by step until it was not, or to the top of the ladder; what somebody waits for, not as far.
2. *Data*: the labels of all classes go up the rungs together, with each minimum duration. Each class takes the rung at
   which F1 of what its own labels told is highest, over all conditions together, of the rungs that tell next to nothing
   where there is nothing.
3. Signals (alarms, bells, phones, knocks) stay as they are: low, because a miss costs more. What they cost in false
   alarms is measured on the other half.
"""

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from measure import Judged, total
from outline import Outline
from score import Was
from sounds import CLASSES

LADDER = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Steps of what is raised."""
RUNGS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.75)
"""What is tried for the classes that there is data of."""
WANTED = ("Cat", "Cough", "Laughter", "Snoring")
"""Somebody waits for these, and there is no data to say what raising them loses: they and closer names end at `FAR`."""
FAR = 0.7
OFF = 0.45
"""`off` as a share of `on`."""
MINIMA_S = (0.2, 0.4)
FALSE_AT_MOST = 1
EMPTY_AT_MOST = 2
"""What the labels of a class may tell in the 45 minutes of speech and noise in which there is nothing."""

Events = dict[str, Any]
Measure = Callable[[Events], list[Judged]]


def with_label(events: Events, names: Sequence[str], on: float, minimum_s: float | None = None) -> Events:
    """The same, with `on`, an `off` in proportion and perhaps a minimum duration of their own for these names."""
    result = deepcopy(events)
    own = result.setdefault("labels", {})
    for name in names:
        before = own.get(name, {})
        own[name] = {"on": on, "off": round(OFF * on, 2)}
        shortest = minimum_s if minimum_s is not None else before.get("minimum_s")
        if shortest is not None and shortest != events["minimum_s"]:
            own[name]["minimum_s"] = shortest
    return result


def on_of(events: Mapping[str, Any], name: str) -> float:
    """The `on` that holds for a label."""
    return float(events.get("labels", {}).get(name, {}).get("on", events["on"]))


def false_labels(judged: Sequence[Judged], outline: Outline, known: Sequence[str]) -> Counter[str]:
    """How often each label was told falsely that has no data and is no signal."""
    names = (v.told.label for each in judged for v in each.verdicts if v.was is Was.FALSE)
    return Counter(name for name in names if not outline.is_signal(name) and not outline.is_exact(name, known))


def quieten(events: Events, measure: Measure, outline: Outline) -> Events:
    """Step 1."""
    known = [name for names in CLASSES.values() for name in names]
    while True:
        often = [
            name
            for name, count in false_labels(measure(events), outline, known).items()
            if count > FALSE_AT_MOST and on_of(events, name) < (FAR if outline.is_exact(name, WANTED) else LADDER[-1])
        ]
        if not often:
            return events
        for name in often:
            up = next(step for step in LADDER if step > on_of(events, name))
            events = with_label(events, [name], up)
        print(f"raised: {', '.join(sorted(often))}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Step:
    """One rung: what a class's own labels brought there."""

    on: float
    minimum_s: float
    right: int
    wrong: int
    """Told by a name of the class, and not right: false, late, or a second time."""
    sounds: int
    empty: int
    """Of the wrong ones, those in scenes that hold no sound."""

    @property
    def f1(self) -> float:
        """Of this class alone; 0 where nothing was right."""
        return 2.0 * self.right / (self.right + self.wrong + self.sounds) if self.right else 0.0


def step(judged: Sequence[Judged], outline: Outline, label: str, on: float, minimum_s: float) -> Step:
    """Counts for one class of the set."""
    right = wrong = sounds = empty = 0
    for each in judged:
        sounds += sum(sound.label == label for sound in each.sounds)
        for verdict in each.verdicts:
            if verdict.was is Was.RIGHT and verdict.truth is not None and each.sounds[verdict.truth].label == label:
                right += 1
            elif verdict.was is not Was.BACKGROUND and outline.is_exact(verdict.told.label, CLASSES[label]):
                wrong += 1
                empty += not each.sounds
    return Step(on, minimum_s, right, wrong, sounds, empty)


def climb(events: Events, measure: Measure, outline: Outline) -> tuple[Events, dict[str, list[Step]]]:
    """Step 2, and every rung of every class."""
    rungs: dict[str, list[Step]] = {label: [] for label in CLASSES}
    names = [name for of_class in CLASSES.values() for name in of_class]
    for on in RUNGS:
        for minimum_s in MINIMA_S:
            judged = measure(with_label(events, names, on, minimum_s))
            for label in CLASSES:
                rungs[label].append(step(judged, outline, label, on, minimum_s))
            print(f"on {on}, minimum {minimum_s} s: {total(judged)}", file=sys.stderr, flush=True)
    for label, steps in rungs.items():
        trusted = [each for each in steps if each.empty <= EMPTY_AT_MOST]
        best = max(trusted or steps[-1:], key=lambda each: (round(each.f1, 3), each.on))
        events = with_label(events, CLASSES[label], best.on, best.minimum_s)
        print(f"{label}: {best}, F1 {best.f1:.3f}", file=sys.stderr, flush=True)
    return events, rungs
