"""Moonshine written down a second time, in plain PyTorch, against the exported graphs.

From the paper (Jeffries et al., arXiv 2410.15608) and the modelling code of Hugging Face's transformers: it shares with
the exporter the weights that `weights.read` gives and nothing else; rotation turns neighbours as a pair, as trained, by
frequencies computed here. Runs with any PyTorch from 1.13 on; arrays go in and out as bytes and lists, because an older
one does not know the newer numpy.
"""

import numpy as np
import numpy.typing as npt
import pytest
from auricle_export.moonshine.decode import START
from auricle_export.moonshine.weights import DecoderLayer, EncoderLayer, Moonshine
from auricle_export.onnx_graph import Quantised
from moonshine_models import BASE, TINY, decoder, heads, read, speech

torch = pytest.importorskip("torch", reason="torch is not installed: 'make torch'")
functional = torch.nn.functional

TURNING = 32
"""Dimensions of a head that turn with the position, in pairs; the rest do not."""
SLOWEST = 10_000.0
"""The last pair turns about this many times slower than the first."""


def tensor(values: npt.NDArray[np.float32] | Quantised) -> "torch.Tensor":
    """An array as a tensor of floats."""
    floats = np.ascontiguousarray(values.floats() if isinstance(values, Quantised) else values, np.float32)
    return torch.frombuffer(bytearray(floats.tobytes()), dtype=torch.float32).reshape(floats.shape)


def array(values: "torch.Tensor") -> npt.NDArray[np.float32]:
    """A tensor as an array."""
    return np.array(values.tolist(), np.float32)


def norm(states: "torch.Tensor", weight: npt.NDArray[np.float32]) -> "torch.Tensor":
    """Layer normalisation without a shift."""
    return functional.layer_norm(states, weight.shape, tensor(weight), None, 1e-5)


def turned(heads: "torch.Tensor") -> "torch.Tensor":
    """[heads, positions, width] turned by position, dimension 2i with 2i + 1, for the first 32 of them."""
    positions = torch.arange(heads.shape[1], dtype=torch.float32)
    frequencies = SLOWEST ** (-torch.arange(0, TURNING, 2, dtype=torch.float64) / TURNING)
    angles = positions[:, None] * frequencies[None].float()
    even, odd = heads[..., 0:TURNING:2], heads[..., 1:TURNING:2]
    pairs = (even * angles.cos() - odd * angles.sin(), odd * angles.cos() + even * angles.sin())
    return torch.cat([torch.stack(pairs, dim=-1).flatten(-2), heads[..., TURNING:]], dim=-1)


def attention(
    query: "torch.Tensor", key: "torch.Tensor", value: "torch.Tensor", causal: bool
) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Values weighed [positions, hidden], and the weights [heads, positions, keys]."""
    scores = query @ key.transpose(1, 2) * query.shape[-1] ** -0.5
    if causal:
        later = torch.ones(scores.shape[1:], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(later, float("-inf"))
    weights = scores.softmax(dim=-1)
    return (weights @ value).transpose(0, 1).flatten(1), weights


def by_head(states: "torch.Tensor", weights: Quantised, model: Moonshine) -> "torch.Tensor":
    """States [positions, hidden] projected, [heads, positions, width]."""
    return (states @ tensor(weights)).reshape(-1, model.heads, model.width).transpose(0, 1)


def self_attended(
    states: "torch.Tensor", layer: EncoderLayer | DecoderLayer, model: Moonshine, causal: bool
) -> "torch.Tensor":
    """States after a layer's self-attention."""
    normed = norm(states, layer.attention_norm)
    query, key, value = (by_head(normed, weights, model) for weights in (layer.query, layer.key, layer.value))
    weighed, _ = attention(turned(query), turned(key), value, causal)
    return states + weighed @ tensor(layer.attention_out)


def encoded(audio: npt.NDArray[np.float32], model: Moonshine) -> "torch.Tensor":
    """Encoder states [frames, hidden] of audio [samples]."""
    stem = model.convolutions
    states = torch.tanh(functional.conv1d(tensor(audio)[None, None], tensor(stem.first), stride=64))
    states = functional.group_norm(states, 1, tensor(stem.norm_scale), tensor(stem.norm_shift), 1e-5)
    states = functional.gelu(functional.conv1d(states, tensor(stem.second), tensor(stem.second_bias), stride=3))
    states = functional.gelu(functional.conv1d(states, tensor(stem.third), tensor(stem.third_bias), stride=2))
    states = states[0].transpose(0, 1)
    for layer in model.encoder:
        states = self_attended(states, layer, model, causal=False)
        inner = functional.gelu(norm(states, layer.mlp_norm) @ tensor(layer.mlp_in) + tensor(layer.mlp_in_bias))
        states = states + inner @ tensor(layer.mlp_out) + tensor(layer.mlp_out_bias)
    return norm(states, model.encoder_norm)


def decoded(heard: "torch.Tensor", tokens: list[int], model: Moonshine) -> tuple["torch.Tensor", list["torch.Tensor"]]:
    """Logits [tokens, vocabulary], and every layer's cross-attention [heads, tokens, frames]."""
    embedding = tensor(model.embedding)
    states = embedding[torch.tensor(tokens)]
    looks = []
    for layer in model.decoder:
        states = self_attended(states, layer, model, causal=True)
        query = by_head(norm(states, layer.cross_norm), layer.cross_query, model)
        key, value = by_head(heard, layer.cross_key, model), by_head(heard, layer.cross_value, model)
        weighed, weights = attention(query, key, value, causal=False)
        looks.append(weights)
        states = states + weighed @ tensor(layer.cross_out)
        both = norm(states, layer.mlp_norm) @ tensor(layer.mlp_in) + tensor(layer.mlp_in_bias)
        inner, gate = both.chunk(2, dim=-1)
        states = states + (functional.silu(gate) * inner) @ tensor(layer.mlp_out) + tensor(layer.mlp_out_bias)
    return norm(states, model.decoder_norm) @ embedding.transpose(0, 1), looks


@pytest.mark.parametrize("name", [TINY, BASE])
def test_the_encoder_is_the_same(name: str) -> None:
    audio = speech(name)
    with torch.no_grad():
        expected = array(encoded(audio, read(name)))
    found = decoder(name, "fp32").states(audio)[0]
    assert found.shape == expected.shape
    # The two add up in another order; states reach 7.
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert np.abs(found - expected).mean() < 2e-5


@pytest.mark.parametrize(
    ("name", "precision", "within"),
    [(TINY, "fp32", 1e-3), (BASE, "fp32", 1e-3), (TINY, "int8", 2e-3), (BASE, "int8", 2e-3)],
)
def test_logits_and_attention_are_the_same(name: str, precision: str, within: float) -> None:
    """All tokens in one call, and one after the other, against one pass over all of them."""
    audio, model, exports = speech(name), read(name), decoder(name, precision)
    heard = exports.hear(audio)
    tokens = [START, *exports.greedy(heard).tokens]
    assert len(tokens) > 12
    with torch.no_grad():
        logits, looks = decoded(encoded(audio, model), tokens, model)
    expected = array(logits)
    found, _, shown = exports.call(heard, tokens, exports.empty())
    np.testing.assert_allclose(found, expected, atol=within)
    assert np.abs(expected).max() > 10, "logits that are all small would be alike whatever was computed"
    for place, (layer, head) in enumerate(heads(name)):
        np.testing.assert_allclose(shown[place], array(looks[layer][head]), atol=1e-4)
    past = exports.empty()
    for row, token in enumerate(tokens):
        single, past, _ = exports.call(heard, [token], past)
        np.testing.assert_allclose(single[0], expected[row], atol=within)
