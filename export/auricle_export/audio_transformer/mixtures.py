"""Seconds to learn from: pieces of clips, bent, filtered, mixed with each other, with noise and with speech.

In: the clips of a collection, a fold at a time, speech, a seed. Out: chunks of 16,000 samples and which classes are in
them. Clips of different folds are never mixed, so that chunks of one fold can be left out with it. The same seed gives
the same chunks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from auricle_export.audio_transformer.configuration import SAMPLE_RATE_HZ

VERSION = 4
"""Of what is made from a seed: raised with every change to it, so that chunks that were kept are made anew."""
CHUNK = SAMPLE_RATE_HZ
Floats = npt.NDArray[np.float32]
Random = np.random.Generator

AUDIBLE_DB = 25.0
"""A second of a clip is cut from where there is at most so much less energy than in its loudest."""
STEP = 400
"""Samples between the places where a piece may begin, before it is moved by chance."""
SPEED, BENT = 0.3, 0.85
"""Most pieces are played faster or slower, by at most this in natural logarithm: 0.74 to 1.35."""
SPEECH_SPEED = (-0.5, 0.3)
"""The same of speech, which makes other voices, deeper ones above all: 0.61 to 1.35."""
SPOKEN, TONES, NOISES, SILENT = 0.18, 0.05, 0.04, 0.03
"""Shares of chunks that hold speech alone, plucked tones, steady noise, and nothing at all."""
UNNAMED = 0.25
"""Share of chunks that nobody has a name for, made of bursts, clicks, hums and swells."""
TWO = 0.5
"""Share of the others that hold a second clip, 15 dB below to 6 dB above the first."""
HEARD_DB = -10.0
"""Where the second clip is weaker than this beside the first, its classes are not asked for."""
FILTERED, FILTER_DB = 0.8, 8.0
"""Share of pieces that are filtered, and the largest standard deviation of the response."""
NOISY, SPOKEN_OVER, ECHOING = 0.4, 0.15, 0.25
"""Shares of chunks in noise (40 to 3 dB below), under speech (25 to 0 dB below), in a room."""
UNKNOWN = 255.0
"""In place of 0 or 1 where nobody but the teacher says whether a class is in a chunk."""
LEVEL_DBFS = (-45.0, -14.0)
"""Root mean square of a chunk."""
QUIET_DBFS = (-110.0, -60.0)
"""The same of a chunk that is silence: what a microphone gives where there is nothing."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A clip to cut pieces from: its samples, its classes, and where its audible seconds begin."""

    samples: Floats
    classes: tuple[int, ...]
    starts: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64]


def piece(samples: Floats, classes: tuple[int, ...]) -> Piece:
    """Prepare a clip; one under a second is repeated until it fills one."""
    if len(samples) <= CHUNK:
        samples = np.tile(samples, -(-(CHUNK + 1) // len(samples)))[: CHUNK + 1]
    sums = np.concatenate([[0.0], np.cumsum(samples.astype(np.float64) ** 2)])
    starts = np.arange(0, len(samples) - CHUNK + 1, STEP)
    energy = sums[starts + CHUNK] - sums[starts] + 1e-12
    audible = energy >= energy.max() * 10.0 ** (-AUDIBLE_DB / 10.0)
    weights = (energy[audible] / energy.max()) ** 0.25
    return Piece(samples, classes, starts[audible], weights / weights.sum())


class Mixer:
    """Makes chunks of the clips of one fold."""

    def __init__(self, pieces: Sequence[Piece], classes: int, speech: Sequence[Floats], seed: int) -> None:
        """Mix `pieces` of a collection with `classes`, and `speech`, of which there may be none."""
        self._pieces, self._classes = pieces, classes
        self._speech = [np.pad(each, (0, max(0, CHUNK - len(each)))) for each in speech]
        self._random = np.random.default_rng(seed)

    def chunk(self) -> tuple[Floats, Floats]:
        """Make the next chunk, [16000] in [-1, 1], and its classes, [classes] of 0, 1 or `UNKNOWN`."""
        truth = np.zeros(self._classes, np.float32)
        draw = self._random
        level_dbfs = draw.uniform(*LEVEL_DBFS)
        kinds = ("unnamed", "spoken", "tones", "noise", "silent", "something")
        shares = np.cumsum((UNNAMED, SPOKEN if self._speech else 0.0, TONES, NOISES, SILENT))
        kind = kinds[int(np.searchsorted(shares, draw.random(), side="right"))]
        if kind == "something":
            mixed = self._something(truth)
        elif kind == "spoken":
            mixed = self._spoken()
        else:
            mixed = {"unnamed": _unnamed, "tones": tones}.get(kind, noise)(draw)
        if kind in ("unnamed", "noise"):
            truth[:] = UNKNOWN
        if kind == "silent":
            level_dbfs = draw.uniform(*QUIET_DBFS)
        level = 10.0 ** (level_dbfs / 20.0)
        return np.clip(_at_one(mixed) * level, -1.0, 1.0).astype(np.float32), truth

    def _something(self, truth: Floats) -> Floats:
        draw = self._random
        first = self._pieces[draw.integers(len(self._pieces))]
        mixed = self._cut(first)
        truth[list(first.classes)] = 1.0
        if draw.random() < TWO:
            second = self._pieces[draw.integers(len(self._pieces))]
            beside_db = draw.uniform(-15.0, 6.0)
            mixed = mixed + self._cut(second) * 10.0 ** (beside_db / 20.0)
            if beside_db > HEARD_DB:
                truth[list(second.classes)] = 1.0
        if draw.random() < ECHOING:
            mixed = _at_one(_echoing(draw, mixed))
        if draw.random() < NOISY:
            mixed = mixed + _at_one(noise(draw)) * 10.0 ** (draw.uniform(-40.0, -3.0) / 20.0)
        if self._speech and draw.random() < SPOKEN_OVER:
            mixed = mixed + self._talk() * 10.0 ** (draw.uniform(-25.0, 0.0) / 20.0)
        return mixed

    def _spoken(self) -> Floats:
        """Speech that is played at another speed, which makes other voices, filtered, in a room, in noise."""
        draw = self._random
        of = self._speech[draw.integers(len(self._speech))]
        speed = np.exp(draw.uniform(*SPEECH_SPEED))
        at = np.mod(draw.integers(len(of)) + np.arange(CHUNK) * speed, len(of) - 1)
        before = at.astype(np.int64)
        share = (at - before).astype(np.float32)
        spoken = _filtered(draw, of[before] * (1.0 - share) + of[before + 1] * share, draw.uniform(0.0, FILTER_DB))
        if draw.random() < ECHOING:
            spoken = _echoing(draw, spoken)
        return _at_one(spoken) + _at_one(noise(draw)) * np.float32(10.0 ** (draw.uniform(-60.0, 0.0) / 20.0))

    def _talk(self) -> Floats:
        draw = self._random
        spoken = self._speech[draw.integers(len(self._speech))]
        start = draw.integers(0, len(spoken) - CHUNK + 1)
        return _at_one(spoken[start : start + CHUNK])

    def _cut(self, of: Piece) -> Floats:
        """Cut a second, moved by chance and played at another speed; past its end a clip begins anew."""
        draw = self._random
        start = draw.choice(of.starts, p=of.weights) + draw.integers(-STEP // 2, STEP // 2)
        speed = np.exp(draw.uniform(-SPEED, SPEED)) if draw.random() < BENT else 1.0
        at = np.mod(start + np.arange(CHUNK) * speed, len(of.samples) - 1)
        before = at.astype(np.int64)
        share = (at - before).astype(np.float32)
        cut = of.samples[before] * (1.0 - share) + of.samples[before + 1] * share
        if draw.random() < FILTERED:
            cut = _filtered(draw, cut, draw.uniform(0.0, FILTER_DB))
        return _at_one(cut)


def _at_one(samples: Floats) -> Floats:
    """Scale to a root mean square of one; silence stays silence."""
    return samples / (np.sqrt(np.mean(np.square(samples))) + 1e-9)


def _curve_db(draw: Random, frequencies: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Draw a response: 1 dB of standard deviation at eight frequencies, evenly spaced in octaves from 20 Hz."""
    octaves = np.log2((frequencies + 20.0) / 20.0)
    return np.interp(octaves, np.linspace(0.0, octaves[-1], 8), draw.normal(0.0, 1.0, 8))


def _filtered(draw: Random, samples: Floats, deviation_db: float) -> Floats:
    frequencies = np.fft.rfftfreq(CHUNK, 1.0 / SAMPLE_RATE_HZ)
    response = 10.0 ** (deviation_db * _curve_db(draw, frequencies) / 20.0)
    return np.fft.irfft(np.fft.rfft(samples) * response).astype(np.float32)


def noise(draw: Random) -> Floats:
    """Steady noise, white to brown, with a response of chance."""
    frequencies = np.fft.rfftfreq(CHUNK, 1.0 / SAMPLE_RATE_HZ)
    spectrum = np.fft.rfft(draw.standard_normal(CHUNK)) * (frequencies + 20.0) ** -draw.uniform(0.0, 1.1)
    spectrum *= 10.0 ** (draw.uniform(0.0, 8.0) * _curve_db(draw, frequencies) / 20.0)
    return np.fft.irfft(spectrum).astype(np.float32)


def _echoing(draw: Random, samples: Floats) -> Floats:
    """The same in a room of chance: noise that decays by 60 dB in 0.1 to 0.8 s, after what comes directly."""
    length = CHUNK // 2
    time = np.arange(length) / SAMPLE_RATE_HZ
    room = draw.standard_normal(length) * 10.0 ** (-3.0 * time / draw.uniform(0.1, 0.8))
    room *= 10.0 ** (draw.uniform(-15.0, 3.0) / 20.0) / np.linalg.norm(room)
    room[0] = 1.0
    size = 2 * CHUNK
    return np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(room, size))[:CHUNK].astype(np.float32)


def _unnamed(draw: Random) -> Floats:
    """One to three of noise, hum and clicks: steady, trembling, in bursts or swelling, with a response of chance."""
    out = np.zeros(CHUNK, np.float32)
    for _ in range(draw.integers(1, 4)):
        made = _at_one(_filtered(draw, _source(draw), draw.uniform(0.0, 20.0)))
        out += _at_one(made * _envelope(draw)) * np.float32(10.0 ** (draw.uniform(-20.0, 0.0) / 20.0))
    return out


def _source(draw: Random) -> Floats:
    time = np.arange(CHUNK) / SAMPLE_RATE_HZ
    kind = draw.integers(3)
    if kind == 0:
        return draw.standard_normal(CHUNK).astype(np.float32)
    if kind == 1:
        glide = draw.normal(0.0, 0.7) * time + draw.uniform(0.0, 0.4) * np.sin(draw.uniform(2.0, 60.0) * time)
        pitch = np.exp(draw.uniform(np.log(30.0), np.log(3000.0)))
        phase = np.cumsum(pitch * np.exp(glide)) / SAMPLE_RATE_HZ
        # A pulse each turn: all harmonics at once.
        return (np.diff(np.floor(phase), prepend=0.0) > 0.0).astype(np.float32)
    clicks = np.zeros(CHUNK, np.float32)
    places = draw.integers(0, CHUNK, int(np.exp(draw.uniform(0.0, np.log(400.0)))))
    clicks[places] = draw.normal(0.0, 1.0, len(places))
    return clicks


def _envelope(draw: Random) -> Floats:
    time = np.arange(CHUNK) / SAMPLE_RATE_HZ
    kind = draw.integers(4)
    if kind == 0:
        return np.ones(CHUNK, np.float32)
    if kind == 1:
        depth, rate, phase = draw.uniform(0.2, 1.0), draw.uniform(3.0, 200.0), draw.uniform(0.0, 6.3)
        return (1.0 + depth * np.sin(rate * time + phase)).astype(np.float32)
    if kind == 2:
        out = np.zeros(CHUNK)
        regular = np.arange(draw.uniform(0.0, 0.5), 1.0, draw.uniform(0.08, 0.8))
        decay = np.exp(draw.uniform(np.log(3.0), np.log(200.0)))
        for start in regular if draw.random() < 0.5 else draw.uniform(0.0, 1.0, draw.integers(1, 8)):
            out += np.where(time >= start, np.exp(-(time - start) * decay), 0.0) * draw.uniform(0.3, 1.0)
        return out.astype(np.float32)
    return np.interp(time, np.linspace(0.0, 1.0, 6), 10.0 ** (draw.uniform(-30.0, 0.0, 6) / 20.0)).astype(np.float32)


def tones(draw: Random) -> Floats:
    """One to five plucked tones with harmonics: what is musical and none of the classes."""
    time = np.arange(CHUNK) / SAMPLE_RATE_HZ
    out = np.zeros(CHUNK)
    for _ in range(draw.integers(1, 6)):
        pitch = np.exp(draw.uniform(np.log(80.0), np.log(2500.0)))
        start, decay = draw.uniform(0.0, 0.8), draw.uniform(0.5, 12.0)
        envelope = np.where(time >= start, np.exp(-(time - start) * decay), 0.0)
        for harmonic in range(1, draw.integers(2, 9)):
            phase, fall = draw.uniform(0.0, 2.0 * np.pi), draw.uniform(0.5, 2.0)
            out += envelope * np.sin(2.0 * np.pi * pitch * harmonic * time + phase) / harmonic**fall
    return out.astype(np.float32)
