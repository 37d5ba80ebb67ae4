"""The log-mel front end in float64: the definition that the Rust front end is held to.

In: 16 kHz mono samples in [-1, 1]. Out: log-mel frames [frames, mels], natural logarithm.

Nothing here is fast, shared or clever: every step is one line of the definition, so that it can be read against its
sources. These are TensorFlow's `tf.signal.stft`, `tf.signal.hann_window(periodic=True)` and
`tf.signal.linear_to_mel_weight_matrix`, put together as in `features.py` of YAMNet
(tensorflow/models, research/audioset/yamnet).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Recipe:
    """What turns samples into log-mel frames. Frames start at k x hop; a frame that would pass the end is not made."""

    sample_rate_hz: int
    """Samples a second."""
    window_samples: int
    """Length of the periodic Hann window."""
    hop_samples: int
    """Samples from the start of one frame to the start of the next."""
    n_fft: int
    """Length of the transform; the windowed frame is padded with zeros at its end."""
    mels: int
    """Number of triangular bands."""
    low_hz: float
    """Lower edge of the first triangle."""
    high_hz: float
    """Upper edge of the last triangle."""
    log_offset: float
    """Added to the mel magnitude before the logarithm: ln(x + log_offset)."""


def hann_periodic(length: int) -> Floats:
    """Periodic Hann window, [length]: 0.5 - 0.5 cos(2 pi n / length)."""
    return 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length)


def hz_to_mel(hz: npt.ArrayLike) -> Floats:
    """HTK's mel scale with TensorFlow's constants: 1127 ln(1 + f / 700)."""
    return 1127.0 * np.log1p(np.asarray(hz, np.float64) / 700.0)


def mel_matrix(recipe: Recipe) -> Floats:
    """Weights [n_fft / 2 + 1, mels]: triangles that are straight in mel, not in hertz, with peaks of 1.

    As `tf.signal.linear_to_mel_weight_matrix`: band edges are equally spaced in mel, and the bin at 0 Hz, whose mel
    is not wanted whatever the lower edge, weighs nothing.
    """
    bins = recipe.n_fft // 2 + 1
    bin_mel = hz_to_mel(np.linspace(0.0, recipe.sample_rate_hz / 2.0, bins))[:, None]
    edges = np.linspace(hz_to_mel(recipe.low_hz), hz_to_mel(recipe.high_hz), recipe.mels + 2)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    rising = (bin_mel - lower) / (centre - lower)
    falling = (upper - bin_mel) / (upper - centre)
    weights = np.maximum(0.0, np.minimum(rising, falling))
    weights[0] = 0.0
    return weights


def frame_count(samples: int, recipe: Recipe) -> int:
    """Whole frames in `samples` samples; 0 when there are fewer than one window."""
    if samples < recipe.window_samples:
        return 0
    return 1 + (samples - recipe.window_samples) // recipe.hop_samples


def log_mel(samples: npt.ArrayLike, recipe: Recipe) -> Floats:
    """Log-mel [frames, mels] of `samples` [n], computed in float64; no centring, magnitude and not power."""
    x = np.asarray(samples, np.float64)
    if x.ndim != 1:
        raise ValueError(f"samples have shape {x.shape}, expected one channel [n]: mix or pick a channel first")
    starts = np.arange(frame_count(len(x), recipe)) * recipe.hop_samples
    frames = x[starts[:, None] + np.arange(recipe.window_samples)] * hann_periodic(recipe.window_samples)
    magnitude = np.abs(np.fft.rfft(frames, recipe.n_fft, axis=1))
    return np.log(magnitude @ mel_matrix(recipe) + recipe.log_offset)
