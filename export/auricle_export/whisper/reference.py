"""Whisper as the paper defines it, in numpy: in come weights, log-mel and tokens, out go states, logits, attention.

Float64 by default, nothing cached, nothing folded, all tokens in one pass: what exports are held to.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from auricle_export.whisper.weights import Whisper

NORM_EPSILON = 1e-5
Floats = npt.NDArray[np.floating]
_erf = np.frompyfunc(math.erf, 1, 1)


def gelu(states: Floats) -> Floats:
    """Gaussian error linear unit, by the error function."""
    return states * (1.0 + _erf(states / math.sqrt(2.0)).astype(states.dtype)) / 2.0


def softmax(scores: Floats) -> Floats:
    """Along the last axis."""
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


class Reference:
    """The network with the weights of `model`."""

    def __init__(self, model: Whisper, dtype: npt.DTypeLike = np.float64) -> None:
        """Take the weights, in the precision to compute in."""
        self._dims = model.dims
        self._of = {name: value.astype(dtype) for name, value in model.tensors.items()}

    def states(self, mel: Floats) -> Floats:
        """Encoder states [frames / 2, state] of log-mel [mels, frames]."""
        states = mel.astype(self._of["encoder.conv1.weight"].dtype)
        for name, stride in (("encoder.conv1", 1), ("encoder.conv2", 2)):
            states = gelu(self._convolved(states, name, stride))
        states = states.T + self._of["encoder.positional_embedding"][: states.shape[1]]
        for layer in range(self._dims.n_audio_layer):
            name = f"encoder.blocks.{layer}"
            normed = self._norm(states, f"{name}.attn_ln")
            states = states + self._attention(normed, normed, f"{name}.attn", self._dims.n_audio_head, causal=False)[0]
            states = states + self._mlp(states, name)
        return self._norm(states, "encoder.ln_post")

    def logits(self, states: Floats, tokens: Sequence[int]) -> tuple[Floats, list[Floats]]:
        """Logits [tokens, vocabulary], and every layer's cross-attention [heads, tokens, frames]."""
        embedding, heads = self._of["decoder.token_embedding.weight"], self._dims.n_text_head
        heard, looks = states.astype(embedding.dtype), []
        states = embedding[list(tokens)] + self._of["decoder.positional_embedding"][: len(tokens)]
        for layer in range(self._dims.n_text_layer):
            name = f"decoder.blocks.{layer}"
            normed = self._norm(states, f"{name}.attn_ln")
            states = states + self._attention(normed, normed, f"{name}.attn", heads, causal=True)[0]
            normed = self._norm(states, f"{name}.cross_attn_ln")
            context, weights = self._attention(normed, heard, f"{name}.cross_attn", heads, causal=False)
            looks.append(weights)
            states = states + context
            states = states + self._mlp(states, name)
        return self._norm(states, "decoder.ln") @ embedding.T, looks

    def _norm(self, states: Floats, name: str) -> Floats:
        centred = states - states.mean(axis=-1, keepdims=True)
        deviation = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + NORM_EPSILON)
        return centred / deviation * self._of[f"{name}.weight"] + self._of[f"{name}.bias"]

    def _product(self, states: Floats, name: str) -> Floats:
        product = states @ self._of[f"{name}.weight"].T
        return product + self._of[f"{name}.bias"] if f"{name}.bias" in self._of else product

    def _mlp(self, states: Floats, name: str) -> Floats:
        inner = gelu(self._product(self._norm(states, f"{name}.mlp_ln"), f"{name}.mlp.0"))
        return self._product(inner, f"{name}.mlp.2")

    def _attention(self, states: Floats, heard: Floats, name: str, heads: int, causal: bool) -> tuple[Floats, Floats]:
        """What is heard weighed [positions, state], and the weights [heads, positions, heard]."""
        query, key, value = (
            self._product(source, f"{name}.{part}").reshape(len(source), heads, -1).transpose(1, 0, 2)
            for source, part in ((states, "query"), (heard, "key"), (heard, "value"))
        )
        quarter = query.shape[-1] ** -0.25
        later = np.triu(np.full((len(states), len(heard)), -np.inf), 1) if causal else 0.0
        weights = softmax((query * quarter) @ (key * quarter).transpose(0, 2, 1) + later)
        joined = (weights @ value).transpose(1, 0, 2).reshape(len(states), -1)
        return self._product(joined, f"{name}.out"), weights

    def _convolved(self, states: Floats, name: str, stride: int) -> Floats:
        """Three places wide, zeros around, [channels, positions]."""
        weight, bias = self._of[f"{name}.weight"], self._of[f"{name}.bias"]
        padded = np.pad(states, ((0, 0), (1, 1)))
        count = (states.shape[1] - 1) // stride + 1
        taps = [padded[:, tap : tap + stride * (count - 1) + 1 : stride] for tap in range(3)]
        return sum(weight[:, :, tap] @ taps[tap] for tap in range(3)) + bias[:, None]
