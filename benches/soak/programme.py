"""Hours of what a table hears: talk, silence, sounds, talk over noise, one after another in a seeded order.

In: recordings of speech and of sounds, a length, a seed. Out: parts, each with its samples at 16 kHz and what it is.
Nothing is held but the part that is being made.
"""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from clips import SAMPLE_RATE_HZ, Samples, read

FLOOR_DBFS = -65.0
"""Level of the noise that is under everything: no room is digitally silent."""
TALK_S = (20.0, 120.0)
SILENCE_S = (5.0, 90.0)
PAUSE_S = (0.2, 2.5)
NOISE_DB = (0.0, 20.0)
"""Talk over noise: how far the talk is above it."""


class Part(NamedTuple):
    """A stretch of the programme."""

    kind: str
    samples: Samples


class Programme:
    """Draws parts until there is enough."""

    def __init__(self, speech: list[Path], sounds: list[Path], seed: int) -> None:
        """Takes the recordings of speech, and of sounds, which may be none."""
        self._speech, self._sounds = speech, sounds
        self._random = np.random.default_rng(seed)

    def parts(self, length_s: float) -> Iterator[Part]:
        """Parts of `length_s` in all, the last cut short."""
        left = round(length_s * SAMPLE_RATE_HZ)
        kinds = ["talk", "silence", "talk in noise"] + (["sounds"] if self._sounds else [])
        shares = np.array([0.45, 0.2, 0.15] + ([0.2] if self._sounds else []))
        while left > 0:
            kind = str(self._random.choice(kinds, p=shares / shares.sum()))
            made = self._make(kind)[:left]
            left -= len(made)
            yield Part(kind, np.clip(made + self._noise(len(made), FLOOR_DBFS), -1.0, 1.0).astype(np.float32))

    def _make(self, kind: str) -> Samples:
        if kind == "silence":
            return np.zeros(self._samples(SILENCE_S), np.float32)
        if kind == "sounds":
            chosen = self._random.choice(len(self._sounds), size=self._random.integers(1, 8))
            return self._joined([read(self._sounds[index]) for index in chosen])
        talk = self._talk(self._random.uniform(*TALK_S))
        if kind == "talk in noise":
            level = 20.0 * np.log10(max(float(np.sqrt(np.mean(talk**2))), 1e-4))
            talk = talk + self._noise(len(talk), level - self._random.uniform(*NOISE_DB))
        return talk.astype(np.float32)

    def _talk(self, length_s: float) -> Samples:
        utterances: list[Samples] = []
        while sum(map(len, utterances)) < length_s * SAMPLE_RATE_HZ:
            utterances.append(read(self._speech[self._random.integers(len(self._speech))]))
        return self._joined(utterances)

    def _joined(self, pieces: list[Samples]) -> Samples:
        spaced = [part for piece in pieces for part in (piece, np.zeros(self._samples(PAUSE_S), np.float32))]
        return np.concatenate(spaced)

    def _noise(self, samples: int, level_dbfs: float) -> npt.NDArray[np.float64]:
        return self._random.standard_normal(samples) * 10.0 ** (level_dbfs / 20.0)

    def _samples(self, bounds_s: tuple[float, float]) -> int:
        return round(self._random.uniform(*bounds_s) * SAMPLE_RATE_HZ)


def write(path: Path, parts: Iterator[Part]) -> dict[str, float]:
    """Writes parts to a WAV file, 16 bits, and gives how many seconds there are of each kind."""
    seconds: dict[str, float] = {}
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        for part in parts:
            file.writeframes((part.samples * 32767.0).astype("<i2").tobytes())
            seconds[part.kind] = seconds.get(part.kind, 0.0) + len(part.samples) / SAMPLE_RATE_HZ
    return seconds
