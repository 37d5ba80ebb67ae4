"""Whisper in PyTorch, with the structure and the names of openai-whisper: in come weights, out goes a module.

A second definition beside the numpy one: tests hold the exported graphs to both. Needs torch, which set-up does not
install; nothing that makes or runs a model imports this file. (Radford et al., arXiv 2212.04356.)
"""

import base64
import binascii
import zlib
from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from auricle_export.exported import ExportError
from auricle_export.whisper import weights
from auricle_export.whisper.dimensions import ModelDimensions

GZIP = 31
"""What zlib calls gzip's framing."""
Cache = dict[nn.Module, Tensor]
"""Keys and values by the module that makes them."""


class LayerNorm(nn.LayerNorm):
    """Computes in single precision, whatever its input is."""

    def forward(self, x: Tensor) -> Tensor:
        """Norm of [..., state], in the input's type."""
        return functional.layer_norm(
            x.float(), self.normalized_shape, self.weight.float(), self.bias.float(), self.eps
        ).type(x.dtype)


class Linear(nn.Linear):
    """Casts its weights to the input's type."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., inputs] to [..., outputs]."""
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return functional.linear(x, self.weight.to(x.dtype), bias)


class Conv1d(nn.Conv1d):
    """Casts its weights to the input's type."""

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return super()._conv_forward(x, weight.to(x.dtype), None if bias is None else bias.to(x.dtype))


def sinusoids(length: int, channels: int, max_timescale: float = 10_000.0) -> Tensor:
    """Positions [length, channels]: sines of every frequency, then cosines, frequencies falling geometrically."""
    if channels % 2:
        raise ValueError(f"channels are {channels}, expected an even number: sines and cosines come in pairs")
    step = np.log(max_timescale) / (channels // 2 - 1)
    frequencies = torch.exp(-step * torch.arange(channels // 2))
    angles = torch.arange(length)[:, None] * frequencies[None]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class MultiHeadAttention(nn.Module):
    """Attention to oneself, or to `xa`; keys have no bias."""

    def __init__(self, n_state: int, n_head: int) -> None:
        """Make `n_head` heads, each `n_state / n_head` wide."""
        super().__init__()
        self.n_head = n_head
        self.query = Linear(n_state, n_state)
        self.key = Linear(n_state, n_state, bias=False)
        self.value = Linear(n_state, n_state)
        self.out = Linear(n_state, n_state)

    def forward(
        self, x: Tensor, xa: Tensor | None = None, mask: Tensor | None = None, kv_cache: Cache | None = None
    ) -> tuple[Tensor, Tensor]:
        """What is weighed [batch, positions, state], and the scores before the softmax [batch, heads, positions, keys].

        With a cache, keys and values are what its hooks keep: of the audio those of the first call, of tokens all.
        """
        query = self.query(x)
        if kv_cache is not None and xa is not None and self.key in kv_cache:
            key, value = kv_cache[self.key], kv_cache[self.value]
        else:
            heard = x if xa is None else xa
            key, value = self.key(heard), self.value(heard)
        weighed, scores = self.qkv_attention(query, key, value, mask)
        return self.out(weighed), scores

    def qkv_attention(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Weigh values; queries and keys are each multiplied by width^-0.25, which keeps half precision in range."""
        count, width = q.shape[1], q.shape[2] // self.n_head
        quarter = width**-0.25
        queries, keys, values = (each.unflatten(2, (self.n_head, width)).transpose(1, 2) for each in (q, k, v))
        scores = (queries * quarter) @ (keys * quarter).transpose(2, 3)
        if mask is not None:
            # Queries are the last of the positions that there are keys for.
            past = keys.shape[2] - count
            scores = scores + mask[past : past + count, : keys.shape[2]]
        scores = scores.float()
        weighed = scores.softmax(dim=-1).to(q.dtype) @ values
        return weighed.transpose(1, 2).flatten(2), scores.detach()


class ResidualAttentionBlock(nn.Module):
    """Attention to oneself, perhaps to the audio, and a perceptron, each normed before and added after."""

    def __init__(self, n_state: int, n_head: int, cross_attention: bool = False) -> None:
        """Make a block of the decoder (`cross_attention`) or the encoder."""
        super().__init__()
        self.attn = MultiHeadAttention(n_state, n_head)
        self.attn_ln = LayerNorm(n_state)
        self.cross_attn = MultiHeadAttention(n_state, n_head) if cross_attention else None
        self.cross_attn_ln = LayerNorm(n_state) if cross_attention else None
        self.mlp = nn.Sequential(Linear(n_state, 4 * n_state), nn.GELU(), Linear(4 * n_state, n_state))
        self.mlp_ln = LayerNorm(n_state)

    def forward(
        self, x: Tensor, xa: Tensor | None = None, mask: Tensor | None = None, kv_cache: Cache | None = None
    ) -> Tensor:
        """States [batch, positions, state] to such; `xa` are the audio's."""
        x = x + self.attn(self.attn_ln(x), mask=mask, kv_cache=kv_cache)[0]
        if self.cross_attn is not None and self.cross_attn_ln is not None:
            x = x + self.cross_attn(self.cross_attn_ln(x), xa, kv_cache=kv_cache)[0]
        return x + self.mlp(self.mlp_ln(x))


class AudioEncoder(nn.Module):
    """Log-mel to states."""

    def __init__(self, n_mels: int, n_ctx: int, n_state: int, n_head: int, n_layer: int) -> None:
        """Make an encoder that hears exactly `n_ctx` states of audio."""
        super().__init__()
        self.conv1 = Conv1d(n_mels, n_state, kernel_size=3, padding=1)
        self.conv2 = Conv1d(n_state, n_state, kernel_size=3, stride=2, padding=1)
        self.register_buffer("positional_embedding", sinusoids(n_ctx, n_state))
        self.blocks: Iterable[ResidualAttentionBlock] = nn.ModuleList(
            ResidualAttentionBlock(n_state, n_head) for _ in range(n_layer)
        )
        self.ln_post = LayerNorm(n_state)

    def forward(self, x: Tensor) -> Tensor:
        """Log-mel [batch, mels, 2 x ctx] to states [batch, ctx, state]."""
        x = functional.gelu(self.conv1(x))
        x = functional.gelu(self.conv2(x)).transpose(1, 2)
        assert x.shape[1:] == self.positional_embedding.shape, (
            f"audio of shape {tuple(x.shape[1:])}, expected {tuple(self.positional_embedding.shape)}"
        )
        x = (x + self.positional_embedding).to(x.dtype)
        for block in self.blocks:
            x = block(x)
        return self.ln_post(x)


class TextDecoder(nn.Module):
    """Tokens and the audio's states to logits."""

    def __init__(self, n_vocab: int, n_ctx: int, n_state: int, n_head: int, n_layer: int) -> None:
        """Make a decoder that sees `n_ctx` tokens at most."""
        super().__init__()
        self.token_embedding = nn.Embedding(n_vocab, n_state)
        self.positional_embedding = nn.Parameter(torch.empty(n_ctx, n_state))
        self.blocks: Iterable[ResidualAttentionBlock] = nn.ModuleList(
            ResidualAttentionBlock(n_state, n_head, cross_attention=True) for _ in range(n_layer)
        )
        self.ln = LayerNorm(n_state)
        self.register_buffer("mask", torch.full((n_ctx, n_ctx), -torch.inf).triu(1), persistent=False)

    def forward(self, x: Tensor, xa: Tensor, kv_cache: Cache | None = None) -> Tensor:
        """Tokens [batch, tokens] after those in the cache, states [batch, frames, state], to logits in single."""
        offset = next(iter(kv_cache.values())).shape[1] if kv_cache else 0
        positions = self.positional_embedding[offset : offset + x.shape[-1]]
        states = (self.token_embedding(x) + positions).to(xa.dtype)
        for block in self.blocks:
            states = block(states, xa, mask=self.mask, kv_cache=kv_cache)
        states = self.ln(states)
        return (states @ self.token_embedding.weight.to(states.dtype).transpose(0, 1)).float()


class Whisper(nn.Module):
    """The whole network."""

    def __init__(self, dims: ModelDimensions) -> None:
        """Make it of these sizes; its weights are to be loaded."""
        super().__init__()
        self.dims = dims
        audio = (dims.n_audio_ctx, dims.n_audio_state, dims.n_audio_head, dims.n_audio_layer)
        self.encoder = AudioEncoder(dims.n_mels, *audio)
        self.decoder = TextDecoder(
            dims.n_vocab, dims.n_text_ctx, dims.n_text_state, dims.n_text_head, dims.n_text_layer
        )
        heads = torch.zeros(dims.n_text_layer, dims.n_text_head, dtype=torch.bool)
        heads[dims.n_text_layer // 2 :] = True
        self.register_buffer("alignment_heads", heads.to_sparse(), persistent=False)

    def set_alignment_heads(self, dump: bytes) -> None:
        """Take the heads that follow the audio: a byte for every head of every layer, gzipped, in base 85.

        `ExportError` where it is not that; no more is unpacked than there are heads.
        """
        shape = (self.dims.n_text_layer, self.dims.n_text_head)
        try:
            unpacker = zlib.decompressobj(wbits=GZIP)
            flags = unpacker.decompress(base64.b85decode(dump), shape[0] * shape[1] + 1)
        except (ValueError, binascii.Error, zlib.error) as error:
            raise ExportError(f"alignment heads are not gzipped bytes in base 85: {error}") from error
        if len(flags) != shape[0] * shape[1]:
            raise ExportError(f"alignment heads are not {shape[0]} layers of {shape[1]} heads")
        heads = torch.tensor([bool(flag) for flag in flags]).reshape(shape)
        self.register_buffer("alignment_heads", heads.to_sparse(), persistent=False)

    def embed_audio(self, mel: Tensor) -> Tensor:
        """States [batch, frames, state] of log-mel [batch, mels, 2 x frames]."""
        return self.encoder(mel)

    def logits(self, tokens: Tensor, audio_features: Tensor) -> Tensor:
        """Logits [batch, tokens, vocabulary]."""
        return self.decoder(tokens, audio_features)

    def forward(self, mel: Tensor, tokens: Tensor) -> Tensor:
        """Logits of tokens [batch, tokens] for log-mel [batch, mels, 2 x frames]."""
        return self.decoder(tokens, self.encoder(mel))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def is_multilingual(self) -> bool:
        """Whether the vocabulary has more than English."""
        return self.dims.is_multilingual

    @property
    def num_languages(self) -> int:
        """How many languages the vocabulary has tokens for."""
        return self.dims.num_languages

    def install_kv_cache_hooks(
        self, cache: Cache | None = None
    ) -> tuple[Cache, list[torch.utils.hooks.RemovableHandle]]:
        """Have keys and values of the decoder kept in a copy of `cache`, which is returned with the hooks' handles.

        Of tokens, every call's are put behind those before; of the audio, the first call's stay.
        """
        kept: Cache = dict(cache) if cache is not None else {}
        handles: list[torch.utils.hooks.RemovableHandle] = []

        def grows(module: nn.Module, _: object, made: Tensor) -> Tensor:
            kept[module] = torch.cat([kept[module], made], dim=1).detach() if module in kept else made
            return kept[module]

        def stays(module: nn.Module, _: object, made: Tensor) -> Tensor:
            return kept.setdefault(module, made)

        def hook(attention: MultiHeadAttention, keep: Callable[[nn.Module, object, Tensor], Tensor]) -> None:
            handles.extend(part.register_forward_hook(keep) for part in (attention.key, attention.value))

        for block in self.decoder.blocks:
            hook(block.attn, grows)
            if block.cross_attn is not None:
                hook(block.cross_attn, stays)
        return kept, handles


def load(source: weights.Whisper) -> Whisper:
    """The network with these weights, in single precision, ready to be run."""
    model = Whisper(source.dims)
    # As bytes, because an older PyTorch does not know the newer numpy.
    state = {
        name: torch.frombuffer(bytearray(value.tobytes()), dtype=torch.float32).reshape(value.shape)
        for name, value in source.tensors.items()
    }
    model.load_state_dict(state)
    heads = torch.zeros(source.dims.n_text_layer, source.dims.n_text_head, dtype=torch.bool)
    for layer, head in source.alignment_heads:
        heads[layer, head] = True
    model.register_buffer("alignment_heads", heads.to_sparse(), persistent=False)
    return model.eval()
