"""What is heard besides the talker: a sound that goes on, or others who talk.

In: the clips of ESC-10 and of the speech set, and a seed a string. Out: noise of any length with no level of its own;
the same for a string in every condition, so that conditions differ in nothing else.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from clips import SAMPLE_RATE_HZ, Samples, SoundClip, Utterance, read, rms

HELD = ("rain", "sea_waves", "helicopter")
"""The classes of ESC-10 that go on by themselves without beats or cries."""
TALKERS = 6
FRAME_SAMPLES = SAMPLE_RATE_HZ // 20
QUIETEST_DB = -30.0
"""A clip with a frame quieter than this, relative to its level, is not a sound that is held: most such are padded."""
FADE_SAMPLES = SAMPLE_RATE_HZ // 10


def steady(samples: Samples) -> bool:
    """Whether samples [n] sound from start to end."""
    frames = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    quietest = float(np.min(np.sqrt(np.mean(np.square(frames), axis=1))))
    return quietest > rms(samples) * 10.0 ** (QUIETEST_DB / 20.0)


def looped(samples: Samples, length: int) -> Samples:
    """Samples [n] again and again up to `length`, each time faded over 0.1 s into the next, with constant power."""
    turn = np.linspace(0.0, np.pi / 2.0, FADE_SAMPLES)
    ends = samples.copy()
    ends[:FADE_SAMPLES] *= np.sin(turn)
    ends[-FADE_SAMPLES:] *= np.cos(turn)
    step = len(samples) - FADE_SAMPLES
    times = length // step + 2
    result = np.zeros(times * step + FADE_SAMPLES)
    for k in range(times):
        result[k * step : k * step + len(samples)] += ends
    # The first fade-in has nothing to fade from.
    return result[FADE_SAMPLES : FADE_SAMPLES + length]


def held(clips: Sequence[SoundClip], number: int, length: int) -> tuple[Samples, str]:
    """The held sound of string `number`, `length` samples, and which clip it is; classes take turns."""
    label = HELD[number % len(HELD)]
    named = [clip for clip in clips if clip.label == label]
    rng = np.random.default_rng([1, number])
    for k in rng.permutation(len(named)):
        samples = read(named[k].path)
        if steady(samples):
            return looped(samples, length), named[k].path.name
    raise ValueError(f"no clip of {label} sounds from start to end; the data is not ESC-10")


def speaker(path: Path) -> str:
    """The speaker of a TIMIT clip."""
    return path.stem.rpartition("_")[0]


def babble(clips: Sequence[Utterance], said: str, by: str, number: int, length: int) -> tuple[Samples, list[str]]:
    """Six others talking at once over string `number`, equally loud, `length` samples, and who they are.

    No sentence of theirs is in `said`, what the talker `by` says: all of TIMIT's speakers read two that are the same.
    """
    others: dict[str, list[Utterance]] = {}
    for clip in clips:
        if clip.source == "TIMIT" and speaker(clip.path) != by and clip.text not in said:
            others.setdefault(speaker(clip.path), []).append(clip)
    if len(others) < TALKERS:
        raise ValueError(f"{len(others)} other speakers, {TALKERS} are needed")
    rng = np.random.default_rng([2, number])
    names = [str(name) for name in rng.choice(sorted(others), TALKERS, replace=False)]
    result = np.zeros(length)
    for name in names:
        talk = [read(others[name][k].path) for k in rng.permutation(len(others[name]))]
        talk = np.concatenate([samples / rms(samples) for samples in talk])
        result += np.resize(np.roll(talk, -int(rng.integers(len(talk)))), length)
    return result, names
