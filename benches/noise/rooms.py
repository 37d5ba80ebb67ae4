"""Made rooms: what a talker at a table sounds like from its middle.

In: a reverberation time. Out: an impulse response at 16 kHz by the image method (Allen and Berkley, "Image method for
efficiently simulating small-room acoustics", JASA 65(4), 1979), with what was measured of it. One room, its walls made
as absorbent as the time asks for; the same response every time.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from clips import SAMPLE_RATE_HZ, Samples

SOUND_M_S = 343.0
ROOM_M = (5.0, 4.0, 2.6)
TALKER_M = (3.3, 2.3, 1.2)
"""The mouth of somebody who sits at the table, 1.24 m from the microphone."""
MICROPHONE_M = (2.3, 1.7, 0.78)
JITTER_M = 0.08
"""Images are moved by up to this along each axis, the talker itself is not: exact boxes ring with sweeping echoes (De
Sena et al., "On the modeling of rectangular geometries in room acoustic simulations", IEEE/ACM TASLP 23(4), 2015)."""
HIGH_PASS_HZ = 100.0
"""Walls that reflect all frequencies alike pile up what is lowest; Allen and Berkley take it off so."""
DIRECT_S = 0.0025
"""How much after the first arrival counts as direct sound."""


@dataclass(frozen=True)
class Room:
    """An impulse response [n] that begins with the direct sound, and its measures."""

    response: Samples
    t60_s: float
    """Measured: from 5 to 35 dB below, Schroeder's integral, times two."""
    direct_db: float
    """Energy of the direct sound over that of all that comes after it."""


@lru_cache
def room(t60_s: float) -> Room:
    """The room with this reverberation time, within 1 %; `ValueError` where no walls give it."""
    delay, reflections, distance_m = _images(t60_s)
    low, high = 0.05, 0.9999
    for _ in range(40):
        reflected = (low + high) / 2.0
        response = _response(delay, reflected**reflections / (4.0 * np.pi * distance_m))
        found_s = decay_s(response)
        if abs(found_s - t60_s) < 0.002 * t60_s:
            break
        low, high = (reflected, high) if found_s < t60_s else (low, reflected)
    if abs(found_s - t60_s) > 0.01 * t60_s:
        raise ValueError(f"a room of {ROOM_M} m has {found_s:.2f} s at its nearest to {t60_s} s")
    direct = round(DIRECT_S * SAMPLE_RATE_HZ)
    after = float(np.sum(np.square(response[direct:])))
    return Room(response, found_s, 10.0 * np.log10(float(np.sum(np.square(response[:direct]))) / after))


def _images(t60_s: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Of every image that is heard within the time: samples after the direct sound, reflections, distance in m."""
    farthest_m = SOUND_M_S * 1.2 * t60_s
    size, talker, microphone = (np.array(each) for each in (ROOM_M, TALKER_M, MICROPHONE_M))
    counts = np.ceil(farthest_m / (2.0 * size)).astype(int) + 1
    # Along an axis an image is the talker or its mirror, any number of times two lengths away.
    places, reflected = [], []
    for axis in range(3):
        n = np.arange(-counts[axis], counts[axis] + 1)
        places.append(np.concatenate([2 * n * size[axis] + sign * talker[axis] for sign in (1, -1)]) - microphone[axis])
        reflected.append(np.concatenate([np.abs(2 * n), np.abs(2 * n - 1)]))
    x, y, z = np.ix_(*places)
    near = np.flatnonzero(np.ravel(x**2 + y**2 + z**2) < farthest_m**2)
    i, j, k = np.unravel_index(near, [len(each) for each in places])
    reflections = reflected[0][i] + reflected[1][j] + reflected[2][k]
    offsets = np.random.default_rng(1979).uniform(-JITTER_M, JITTER_M, (3, len(near))) * (reflections > 0)
    at_m = np.stack([places[0][i], places[1][j], places[2][k]]) + offsets
    distance_m = np.sqrt(np.sum(np.square(at_m), axis=0))
    direct_m = distance_m[reflections == 0][0]
    # To the nearest sample, as in the paper: with one microphone nothing depends on the fraction.
    delay = np.maximum(np.rint((distance_m - direct_m) / SOUND_M_S * SAMPLE_RATE_HZ), 0).astype(np.int64)
    return delay, reflections.astype(np.float64), distance_m


def _response(delay: npt.NDArray[np.int64], gain: npt.NDArray[np.float64]) -> Samples:
    return _high_pass(np.bincount(delay, gain))


def _high_pass(samples: Samples) -> Samples:
    """The filter of the paper's program: two zeros, of which one is at 0 Hz, and two poles."""
    turn = 2.0 * np.pi * HIGH_PASS_HZ / SAMPLE_RATE_HZ
    radius = np.exp(-turn)
    # Its impulse response, of which nothing is left after 0.1 s, in place of a recursion sample by sample.
    n = np.arange(round(0.1 * SAMPLE_RATE_HZ))
    poles = radius**n * np.sin((n + 1) * turn) / np.sin(turn)
    taps = np.convolve(poles, [1.0, -(1.0 + radius), radius])[: len(n)]
    return convolve(samples, taps)[: len(samples)]


def convolve(one: Samples, other: Samples) -> Samples:
    """Linear convolution of samples [n] and [m], [n + m - 1]."""
    length = len(one) + len(other) - 1
    size = 1 << (length - 1).bit_length()
    return np.fft.irfft(np.fft.rfft(one, size) * np.fft.rfft(other, size), size)[:length]


def decay_s(response: Samples) -> float:
    """Reverberation time: twice what the backward-integrated energy takes from -5 to -35 dB, by a straight line."""
    left = np.cumsum(np.square(response[::-1]))[::-1]
    level_db = 10.0 * np.log10(np.maximum(left / left[0], 1e-12))
    inside = np.flatnonzero((level_db <= -5.0) & (level_db >= -35.0))
    if len(inside) < 2:
        return 0.0
    slope_db = np.polyfit(inside / SAMPLE_RATE_HZ, level_db[inside], 1)[0]
    return float(-60.0 / slope_db)
