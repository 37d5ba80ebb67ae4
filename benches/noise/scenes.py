"""A talker in a room with noise, as a microphone would bring it.

In: a string of utterances with word times, a condition and a noise. Out: samples within [-1, 1], and how many were not.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from clips import SAMPLE_RATE_HZ, Samples, rms
from conditions import Condition
from emission import String
from rooms import convolve, room


@dataclass(frozen=True)
class Scene:
    """What is recorded: samples [n] in [-1, 1], as long as the string; the share that was beyond and is cut off."""

    samples: Samples
    clipped: float


def spoken(string: String) -> npt.NDArray[np.bool_]:
    """Which of the string's samples lie within a marked word, [n]."""
    result = np.zeros(len(string.samples), bool)
    for word in string.words:
        result[round(word.start_s * SAMPLE_RATE_HZ) : round(word.end_s * SAMPLE_RATE_HZ)] = True
    return result


def scene(string: String, condition: Condition, noise: Samples | None) -> Scene:
    """Room first, then level, then noise [n], then what a converter does to samples beyond full scale.

    Level and ratio are of the speech within its marked words, as it reaches the microphone. The response begins with
    the direct sound, so that the words stay where they are marked.
    """
    speech = string.samples
    if condition.room_s is not None:
        speech = convolve(speech, room(condition.room_s).response)[: len(speech)]
    level = 10.0 ** (condition.level_dbfs / 20.0)
    mixed = speech * (level / rms(speech[spoken(string)]))
    if condition.snr_db is not None:
        if noise is None:
            raise ValueError(f"{condition.name}: needs noise")
        mixed = mixed + noise * (level * 10.0 ** (-condition.snr_db / 20.0) / rms(noise))
    return Scene(np.clip(mixed, -1.0, 1.0), float(np.mean(np.abs(mixed) > 1.0)))
