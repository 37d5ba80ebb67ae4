"""Whisper's log-mel in float64: the definition that the Rust front end is held to.

In: 16 kHz mono samples in [-1, 1]. Out: log-mel [mels, frames], a frame every 10 ms, about -1 to 1.5.

As `whisper/audio.py` of openai-whisper: centred frames of 400 samples with the ends reflected, periodic Hann window,
power, mel bands of Slaney's scale (librosa's `filters.mel` with its defaults), log10, everything more than 8 below the
largest raised to that, then (x + 4) / 4. The reference keeps its bands in single precision; here they are exact.
"""

import numpy as np
import numpy.typing as npt

from auricle_export.logmel import Floats, hann_periodic

SAMPLE_RATE_HZ = 16_000
WINDOW_SAMPLES = 400
"""Of the transform too."""
HOP_SAMPLES = 160
LEAST_POWER = 1e-10
RANGE = 8.0
"""Decades of power that are told apart."""
LINEAR_BELOW_HZ = 1_000.0
HZ_A_MEL = 200.0 / 3.0
"""Of Slaney's scale where it is linear."""
LOG_STEP = np.log(6.4) / 27.0
"""Of a mel above: 27 of them lead from 1 to 6.4 kHz."""


def mel_to_hz(mel: npt.ArrayLike) -> Floats:
    """Slaney's mel scale (Auditory Toolbox): linear to 1 kHz, which is mel 15, logarithmic above."""
    mel = np.asarray(mel, np.float64)
    knee = LINEAR_BELOW_HZ / HZ_A_MEL
    return np.where(mel < knee, mel * HZ_A_MEL, LINEAR_BELOW_HZ * np.exp(LOG_STEP * np.maximum(mel - knee, 0.0)))


def mel_matrix(mels: int) -> Floats:
    """Weights [201, mels]: triangles straight in hertz from 0 Hz to 8 kHz, each of area 1 (2 / its width in hertz)."""
    highest = LINEAR_BELOW_HZ / HZ_A_MEL + np.log(SAMPLE_RATE_HZ / 2 / LINEAR_BELOW_HZ) / LOG_STEP
    edges = mel_to_hz(np.linspace(0.0, highest, mels + 2))
    hz = np.arange(WINDOW_SAMPLES // 2 + 1)[:, None] * SAMPLE_RATE_HZ / WINDOW_SAMPLES
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.maximum(0.0, np.minimum((hz - lower) / (centre - lower), (upper - hz) / (upper - centre)))
    return triangles * 2.0 / (upper - lower)


def log_mel(samples: npt.ArrayLike, mels: int) -> Floats:
    """Log-mel [mels, len(samples) // 160]; there must be more than 200 samples, as many as are reflected.

    The largest of all frames decides how low the others may be, so audio is to be filled up first to the length that
    the encoder is to hear.
    """
    x = np.asarray(samples, np.float64)
    if x.ndim != 1 or len(x) <= WINDOW_SAMPLES // 2:
        raise ValueError(f"samples have shape {x.shape}, expected one channel of more than {WINDOW_SAMPLES // 2}")
    padded = np.pad(x, WINDOW_SAMPLES // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SAMPLES)[::HOP_SAMPLES][: len(x) // HOP_SAMPLES]
    power = np.square(np.abs(np.fft.rfft(frames * hann_periodic(WINDOW_SAMPLES), axis=1)))
    log = np.log10(np.maximum(power @ mel_matrix(mels), LEAST_POWER)).T
    return (np.maximum(log, log.max() - RANGE) + 4.0) / 4.0


def filled(samples: npt.NDArray[np.floating], count: int) -> npt.NDArray[np.floating]:
    """The samples, cut or filled up with silence to `count`."""
    return np.pad(samples[:count], (0, max(0, count - len(samples))))
