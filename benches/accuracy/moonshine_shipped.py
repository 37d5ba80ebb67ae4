"""Moonshine as its authors ship it: an encoder and one merged decoder that reads a token a call.

In: a folder of `encoder_model.ort`, `decoder_model_merged.ort` and `tokenizer.bin`; 16 kHz audio. Out: tokens, read
greedily, and their text. It shares nothing with the exporter that it is compared with.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

START, END = 1, 2
TOKENS_A_SECOND = 6.5
"""Moonshine's own bound on the length of a hypothesis; speech stays below it and a loop does not."""
SAMPLE_RATE_HZ = 16_000

Floats = npt.NDArray[np.float32]
Caches = dict[str, Floats]
"""Keys and values by the name of the input that takes them."""


def read_tokenizer(path: Path) -> list[bytes]:
    """Tokens by id out of `tokenizer.bin`: a length, then that many bytes, one record a token.

    A first byte below 128 is the length; else it is that byte - 128 plus 128 times the next one.
    """
    content, tokens, at = path.read_bytes(), list[bytes](), 0
    while at < len(content):
        length = content[at]
        at += 1
        if length >= 128:
            length += content[at] * 128 - 128
            at += 1
        tokens.append(content[at : at + length])
        at += length
    return tokens


@dataclass(frozen=True)
class Heard:
    """What the decoder needs to know of the audio."""

    states: Floats
    """[1, frames, hidden]"""
    mask: npt.NDArray[np.int64]
    """Ones, [1, samples]."""

    @property
    def limit(self) -> int:
        """The most tokens it can hold."""
        return math.ceil(self.mask.shape[1] / SAMPLE_RATE_HZ * TOKENS_A_SECOND)


class Shipped:
    """Encoder and merged decoder on the processor with one thread."""

    def __init__(self, folder: Path) -> None:
        """Loads the three files in `folder`."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1

        def load(name: str) -> onnxruntime.InferenceSession:
            return onnxruntime.InferenceSession(str(folder / name), options, providers=["CPUExecutionProvider"])

        self._encoder, self._decoder = load("encoder_model.ort"), load("decoder_model_merged.ort")
        self._tokens = read_tokenizer(folder / "tokenizer.bin")
        inputs = {value.name: value.shape for value in self._decoder.get_inputs()}
        self._caches = [name for name in inputs if name.startswith("past_key_values")]
        self._outputs = ["logits", *(name.replace("past_key_values", "present") for name in self._caches)]
        heads, width = inputs[self._caches[0]][1], inputs[self._caches[0]][3]
        # The first call must be given a past, which it does not read.
        self._unread = {name: np.zeros((1, heads, 1, width), np.float32) for name in self._caches}
        # The base model's export has no masks; the tiny one's wants them, in samples for the decoder as well.
        self._encoder_mask = "attention_mask" in {value.name for value in self._encoder.get_inputs()}
        self._decoder_mask = "encoder_attention_mask" in inputs

    def hear(self, audio: Floats) -> Heard:
        """Encodes audio [samples]."""
        mask = np.ones((1, len(audio)), np.int64)
        feeds = {"input_values": audio[None]} | ({"attention_mask": mask} if self._encoder_mask else {})
        return Heard(self._encoder.run(None, feeds)[0], mask)

    def call(self, heard: Heard, token: int, caches: Caches | None) -> tuple[Floats, Caches]:
        """Logits [vocabulary] after one more token, and the caches for the next call.

        Without caches it is the first call, which makes the cross-attention's keys and values besides.
        """
        feeds = {
            "input_ids": np.array([[token]], np.int64),
            "use_cache_branch": np.array([caches is not None]),
            "encoder_hidden_states": heard.states,
        }
        feeds |= ({"encoder_attention_mask": heard.mask} if self._decoder_mask else {}) | (caches or self._unread)
        logits, *present = self._decoder.run(self._outputs, feeds)
        made = dict(zip(self._caches, present, strict=True))
        if caches is not None:
            # Later calls give the cross-attention's back empty.
            made = caches | {name: value for name, value in made.items() if ".decoder." in name}
        return logits[0, -1], made

    def greedy(self, heard: Heard) -> list[int]:
        """Tokens without start and end."""
        token, tokens, caches = START, list[int](), None
        for _ in range(heard.limit):
            logits, caches = self.call(heard, token, caches)
            token = int(logits.argmax())
            if token == END:
                break
            tokens.append(token)
        return tokens

    def text(self, tokens: list[int]) -> str:
        """What tokens spell."""
        pieces = (self._tokens[token] for token in tokens)
        spoken = b"".join(
            piece for piece in pieces if not (piece.startswith(b"<") and piece.endswith(b">") and piece[1:-1])
        )
        return spoken.decode("utf-8", "replace").replace("\u2581", " ").strip()
