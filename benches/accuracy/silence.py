"""Silence: no caption words where nobody speaks.

In: made silence and noise; rain and sea waves of ESC-10 where the data is there. Out: the words shown in 60 s of each.
"""

from pathlib import Path

import numpy as np
from auricle import Auricle
from captions import segments, words_shown
from clips import SAMPLE_RATE_HZ, Samples, at_level, read, sound_clips, write
from figures import Figure, Outcome

PART = "silence"
SECONDS = 60
NATURE = {"rain": "rain", "sea waves": "sea_waves"}


def made_signals() -> dict[str, Samples]:
    """60 s each of digital silence and of white Gaussian noise at two levels, the same on every run."""
    count = SECONDS * SAMPLE_RATE_HZ
    white = np.random.default_rng(1).standard_normal(count)
    return {
        "digital silence": np.zeros(count),
        "white noise, -20 dBFS": at_level(white, -20.0),
        "white noise, -50 dBFS": at_level(white, -50.0),
    }


def recorded_signals(data: Path) -> dict[str, Samples]:
    """60 s each of rain and sea waves: the first clips of the class in the list's order, end to end, as recorded."""
    clips = sound_clips(data)
    count = SECONDS * SAMPLE_RATE_HZ
    found: dict[str, Samples] = {}
    for name, label in NATURE.items():
        parts: list[Samples] = []
        for clip in clips:
            if clip.label == label and sum(map(len, parts)) < count:
                parts.append(read(clip.path))
        if sum(map(len, parts)) >= count:
            found[name] = np.concatenate(parts)[:count]
    return found


def measure(auricle: Auricle, data: Path, scratch: Path) -> Outcome:
    """Counts the words shown, with final captions only and with rolling ones; every one is a miss."""
    outcome = Outcome()
    signals = made_signals() | recorded_signals(data)
    for name in NATURE.keys() - signals.keys():
        outcome.left_out.append(f"{PART}: {name}: fewer than {SECONDS} s of it in {data / 'esc10'}")
    paths = {name: write(scratch / f"silence-{k}.wav", signal) for k, (name, signal) in enumerate(signals.items())}
    for mode, options in (("", ()), (" rolling", ("--partials",))):
        events = auricle.events("transcribe", list(paths.values()), "--sounds", "off", *options)
        for name, path in paths.items():
            words, opened = words_shown(events[path]), len(segments(events[path]))
            label = f"words shown{mode} in {SECONDS} s of {name}"
            note = f"{opened} segments opened"
            outcome.figures.append(Figure(PART, label, words, at_most=0, digits=0, note=note))
    return outcome
