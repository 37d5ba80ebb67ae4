"""Whisper's sizes, and the shape that they give every tensor: in come ten numbers, out go names and shapes.

Names of sizes and tensors are those of the reference, openai-whisper (Radford et al., arXiv 2212.04356).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from auricle_export.exported import ExportError

LARGEST = {
    "n_mels": 256,
    "n_audio_ctx": 1 << 14,
    "n_audio_state": 1 << 13,
    "n_audio_head": 1 << 8,
    "n_audio_layer": 1 << 7,
    "n_vocab": 1 << 18,
    "n_text_ctx": 1 << 14,
    "n_text_state": 1 << 13,
    "n_text_head": 1 << 8,
    "n_text_layer": 1 << 7,
}
"""No Whisper comes near these; a file that says more is wrong, and is not worth the memory."""
SPECIAL_TOKENS = 1_607
"""Tokens beyond those of text, in a vocabulary of one language; every further language has one more."""
ENGLISH_VOCABULARY = 51_864
"""Of the models for English alone; others have more, by which they are known."""


@dataclass(frozen=True, slots=True)
class ModelDimensions:
    """The reference's sizes, by its names."""

    n_mels: int
    """Bands of the log-mel: 80, or 128 from large-v3 on."""
    n_audio_ctx: int
    """States of the encoder for the 30 s that it was trained on: 1500, 50 a second."""
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    n_vocab: int
    n_text_ctx: int
    """Most tokens that a decoder sees, its prompt included: 448."""
    n_text_state: int
    n_text_head: int
    n_text_layer: int

    @property
    def is_multilingual(self) -> bool:
        """Whether the vocabulary has more than English."""
        return self.n_vocab > ENGLISH_VOCABULARY

    @property
    def num_languages(self) -> int:
        """How many languages the vocabulary has tokens for; 99 also where all but English are unused."""
        return self.n_vocab - 51_765 - int(self.is_multilingual)


def checked(sizes: Mapping[str, object], where: str, available_bytes: int) -> ModelDimensions:
    """Make dimensions of sizes by name; `ExportError` names `where` they stand, the size that is wrong, and its bound.

    Sizes are refused that no Whisper has, and such as make more numbers than the file of weights has bytes: every
    number takes one at least, so whatever else a file claims, reading it takes no more than four times its length.
    """
    names = [field.name for field in fields(ModelDimensions)]
    for name in names:
        value = sizes.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= LARGEST[name]:
            raise ExportError(f"{where}: {name} is {value!r}, expected a whole number from 1 to {LARGEST[name]}")
    if unknown := sorted(set(sizes) - set(names)):
        raise ExportError(f"{where}: has {', '.join(unknown)}, which is no size of Whisper")
    dims = ModelDimensions(**{name: sizes[name] for name in names})  # type: ignore[arg-type]
    for side in ("audio", "text"):
        state, heads = getattr(dims, f"n_{side}_state"), getattr(dims, f"n_{side}_head")
        if state % (2 * heads):
            raise ExportError(f"{where}: n_{side}_state is {state}, which does not make {heads} heads of even width")
    if dims.n_audio_state != dims.n_text_state:
        raise ExportError(
            f"{where}: n_audio_state is {dims.n_audio_state} and n_text_state {dims.n_text_state}, expected the same"
        )
    if (count := parameters(dims) + dims.n_audio_ctx * dims.n_audio_state) > available_bytes:
        raise ExportError(f"{where}: these sizes make {count} numbers, and the weights have {available_bytes} bytes")
    return dims


def shapes(dims: ModelDimensions) -> dict[str, tuple[int, ...]]:
    """Every tensor's shape by the reference's name; products are [outputs, inputs], keys have no bias."""
    audio, text = dims.n_audio_state, dims.n_text_state
    found: dict[str, tuple[int, ...]] = {
        "encoder.conv1.weight": (audio, dims.n_mels, 3),
        "encoder.conv1.bias": (audio,),
        "encoder.conv2.weight": (audio, audio, 3),
        "encoder.conv2.bias": (audio,),
        "encoder.positional_embedding": (dims.n_audio_ctx, audio),
    }
    for layer in range(dims.n_audio_layer):
        found |= _block(f"encoder.blocks.{layer}", audio, cross=False)
    found |= {"encoder.ln_post.weight": (audio,), "encoder.ln_post.bias": (audio,)}
    found |= {
        "decoder.token_embedding.weight": (dims.n_vocab, text),
        "decoder.positional_embedding": (dims.n_text_ctx, text),
    }
    for layer in range(dims.n_text_layer):
        found |= _block(f"decoder.blocks.{layer}", text, cross=True)
    return found | {"decoder.ln.weight": (text,), "decoder.ln.bias": (text,)}


def parameters(dims: ModelDimensions) -> int:
    """Trained numbers: all but the encoder's positions, which are sines.

    Computed from the sizes alone, so that it can be known before there is a table of names.
    """
    audio, text = dims.n_audio_state, dims.n_text_state
    encoder = 3 * audio * (dims.n_mels + audio) + 2 * audio + 2 * audio
    encoder += dims.n_audio_layer * _block_values(audio, cross=False)
    decoder = (dims.n_vocab + dims.n_text_ctx) * text + 2 * text
    return encoder + decoder + dims.n_text_layer * _block_values(text, cross=True)


def _block(name: str, state: int, cross: bool) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for attention in ("attn", "cross_attn") if cross else ("attn",):
        for part in ("query", "key", "value", "out"):
            found[f"{name}.{attention}.{part}.weight"] = (state, state)
            if part != "key":
                found[f"{name}.{attention}.{part}.bias"] = (state,)
        found[f"{name}.{attention}_ln.weight"] = found[f"{name}.{attention}_ln.bias"] = (state,)
    found |= {f"{name}.mlp.0.weight": (4 * state, state), f"{name}.mlp.0.bias": (4 * state,)}
    found |= {f"{name}.mlp.2.weight": (state, 4 * state), f"{name}.mlp.2.bias": (state,)}
    return found | {f"{name}.mlp_ln.weight": (state,), f"{name}.mlp_ln.bias": (state,)}


def _block_values(state: int, cross: bool) -> int:
    attention = 4 * state * state + 3 * state + 2 * state
    return (2 if cross else 1) * attention + 8 * state * state + 5 * state + 2 * state
