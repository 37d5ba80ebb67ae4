"""The Audio Transformer in numpy, float64: what every graph is held to, read off the definition.

In: a run's weights under PyTorch's names, and samples. Out: embeddings, and probabilities of the classes.
"""

import numpy as np
import numpy.typing as npt

from auricle_export.audio_transformer.configuration import SCALES, WINDOW, WINDOWS, Configuration
from auricle_export.audio_transformer.runs import Weights

EPSILON = 1e-5
"""Of every layer norm."""
LEVEL_FLOOR = 1e-4
"""Added to the root mean square of a second's embeddings: below it a second counts as silent, however it is scaled."""
POSITION_SCALE = 0.5
"""Positions stand beside embeddings whose mean square is one."""

Floats = npt.NDArray[np.float64]


def positions(width: int) -> npt.NDArray[np.float32]:
    """Sinusoidal positions [40, width]: sines at even places, cosines at odd ones."""
    rates = 10_000.0 ** (-np.arange(0, width, 2) / width)
    angles = np.arange(WINDOWS)[:, None] * rates
    out = np.empty((WINDOWS, width))
    out[:, 0::2], out[:, 1::2] = np.sin(angles), np.cos(angles)
    return (POSITION_SCALE * out).astype(np.float32)


def embeddings(weights: Weights, samples: npt.ArrayLike) -> Floats:
    """Embeddings [windows, 64] of samples [windows x 400]."""
    windows = np.asarray(samples, np.float64).reshape(-1, WINDOW)
    return _dense(weights, "front_end.mixture", np.maximum(0.0, _dense(weights, "front_end.filters", windows)))


def scores(weights: Weights, configuration: Configuration, samples: npt.ArrayLike) -> Floats:
    """Probabilities [classes] of one second, [16000]."""
    return classify(weights, configuration, embeddings(weights, samples))


def classify(weights: Weights, configuration: Configuration, embedded: Floats) -> Floats:
    """Probabilities [classes] of the embeddings of one second, [40, 64]."""
    states = embedded / (np.sqrt(np.mean(embedded**2)) + LEVEL_FLOOR) + positions(configuration.embedding)
    for number in range(configuration.layers):
        states = _layer(weights, configuration, f"classifier.layers.{number}", states)
        if number % 2 == 1 and configuration.pooling:
            states = states[: len(states) // 2 * 2].reshape(-1, 2, configuration.embedding).mean(1)
        if number % 2 == 1 and configuration.scales:
            quarter = configuration.embedding // 2 // len(SCALES)
            for k, windows in enumerate(SCALES):
                part = states[:, k * quarter : (k + 1) * quarter].copy()
                for time in range(len(states)):
                    states[time, k * quarter : (k + 1) * quarter] = part[max(0, time - windows + 1) : time + 1].mean(0)
    summary = _normed(weights, "classifier.norm", states.mean(0))
    return 1.0 / (1.0 + np.exp(-_dense(weights, "classifier.head", summary)))


def _dense(weights: Weights, name: str, values: Floats) -> Floats:
    return values @ weights[f"{name}.weight"].astype(np.float64).T + weights[f"{name}.bias"]


def _normed(weights: Weights, name: str, states: Floats) -> Floats:
    centred = states - states.mean(-1, keepdims=True)
    scaled = centred / np.sqrt(np.mean(centred**2, -1, keepdims=True) + EPSILON)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _layer(weights: Weights, configuration: Configuration, name: str, states: Floats) -> Floats:
    time, width = states.shape
    heads = configuration.heads
    joined = _dense(weights, f"{name}.query_key_value", _normed(weights, f"{name}.attention_norm", states))
    query, key, value = joined.reshape(time, 3, heads, width // heads).transpose(1, 2, 0, 3)
    logits = query @ key.transpose(0, 2, 1) / np.sqrt(width // heads)
    if configuration.causal:
        logits = np.where(np.triu(np.ones((time, time), bool), 1), -np.inf, logits)
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    mixed = (shares @ value).transpose(1, 0, 2).reshape(time, width)
    states = states + _dense(weights, f"{name}.attention_out", mixed)
    inner = np.maximum(
        0.0, _dense(weights, f"{name}.feed_forward_in", _normed(weights, f"{name}.feed_forward_norm", states))
    )
    return states + _dense(weights, f"{name}.feed_forward_out", inner)
