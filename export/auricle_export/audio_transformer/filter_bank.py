"""Where the filters of the front end may begin: short waves at mel-spaced frequencies.

In: how many, how long, a seed. Out: weights [filters, samples]. A ReLU of four phases of one frequency, summed, is
nearly its magnitude: what a log-mel front end computes, and what a network that starts from noise has to find first.
"""

import numpy as np
import numpy.typing as npt

from auricle_export.audio_transformer.configuration import SAMPLE_RATE_HZ
from auricle_export.logmel import hz_to_mel

PHASES = 4
LOWEST_HZ, HIGHEST_HZ = 60.0, 7_600.0
NARROWEST_HZ, RELATIVE_WIDTH = 60.0, 0.12
"""Width of a wave's spectrum: a share of its frequency, and no narrower than a window of 25 ms can be."""


def filter_bank(filters: int, length: int, seed: int) -> npt.NDArray[np.float32]:
    """Weights [filters, length], each of norm 1; where a wave is shorter than the window it lies anywhere in it."""
    rng = np.random.default_rng(seed)
    mels = np.linspace(hz_to_mel(LOWEST_HZ), hz_to_mel(HIGHEST_HZ), -(-filters // PHASES))
    time = np.arange(length)
    bank = np.empty((filters, length))
    for k in range(filters):
        frequency = 700.0 * np.expm1(mels[k // PHASES] / 1127.0)
        extent = min(length, 2.0 * SAMPLE_RATE_HZ / max(NARROWEST_HZ, RELATIVE_WIDTH * frequency))
        centre = rng.uniform(extent / 2.0, length - extent / 2.0) if extent < length else length / 2.0
        away = time - centre
        envelope = np.where(np.abs(away) < extent / 2.0, np.cos(np.pi * away / extent) ** 2, 0.0)
        phase = (k % PHASES) * 2.0 * np.pi / PHASES
        wave = envelope * np.cos(2.0 * np.pi * frequency * away / SAMPLE_RATE_HZ + phase)
        bank[k] = wave / np.linalg.norm(wave)
    return bank.astype(np.float32)
