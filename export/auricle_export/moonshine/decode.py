"""Greedy decoding with the exported graphs, in numpy: what the runtime does, for parity checks and measurements.

In: a folder of `stem.onnx`, `encoder.onnx`, `cross_kv.onnx`, `step.onnx`, `tokenizer.bin`; 16 kHz audio. Out: tokens,
their probabilities, the cross-attention that word times are made from.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from auricle_export.exported import ExportError
from auricle_export.onnx_graph import KEEP_NO_INTEGERS

START, END = 1, 2
TOKENS_PER_SECOND = 6.5
"""Moonshine's own bound on the length of a reading; speech stays below it and a loop does not."""
SAMPLE_RATE_HZ = 16_000
MASK = "encoder_mask"
"""The input of `step` that says which frames are a piece's own."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Utterance:
    """What `step` needs to know of audio: cross-attention and its mask by input name; the most tokens it can hold."""

    cross: dict[str, Floats]
    limit: int


def beside(pieces: Sequence[Utterance]) -> Utterance:
    """Several pieces of audio as one batch: what is shorter than the longest is filled up, and masked."""
    longest = max(piece.cross[MASK].shape[-1] for piece in pieces)

    def filled(piece: Utterance, name: str) -> Floats:
        value = piece.cross[name]
        axis, filling = (3, -np.inf) if name == MASK else (2, 0.0)
        widths = [(0, longest - value.shape[axis] if each == axis else 0) for each in range(value.ndim)]
        return np.pad(value, widths, constant_values=filling)

    cross = {name: np.concatenate([filled(piece, name) for piece in pieces]) for name in pieces[0].cross}
    return Utterance(cross, max(piece.limit for piece in pieces))


@dataclass(slots=True)
class Reading:
    """Tokens without start and end, with the probability of each and its row of cross-attention [heads, frames]."""

    tokens: list[int] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    attention: list[Floats] = field(default_factory=list)
    accepted: int = 0
    """How many tokens of the draft stood."""


class Decoder:
    """The four graphs on the processor, and the tokenizer."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        """Load the files in `folder`."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry(*KEEP_NO_INTEGERS)

        def load(name: str) -> onnxruntime.InferenceSession:
            return onnxruntime.InferenceSession(str(folder / name), options, providers=["CPUExecutionProvider"])

        self._stem, self._encoder = load("stem.onnx"), load("encoder.onnx")
        self._cross, self._step = load("cross_kv.onnx"), load("step.onnx")
        self._cross_names = [output.name for output in self._cross.get_outputs()]
        outputs = [output.name for output in self._step.get_outputs()]
        self._present = [name for name in outputs if name.startswith("present.")]
        self._past = [name.replace("present.", "past_key_values.") for name in self._present]
        shapes = {value.name: value.shape for value in self._step.get_inputs()}
        _, heads, _, width = shapes[self._past[0]]
        self._nothing = np.zeros((1, heads, 0, width), np.float32)
        self._tokens = read_tokenizer(folder / "tokenizer.bin")

    def hear(self, audio: Floats) -> Utterance:
        """Encode audio [samples]."""
        cross = self._cross.run(None, {"encoder_hidden_states": self.states(audio)})
        limit = math.ceil(len(audio) / SAMPLE_RATE_HZ * TOKENS_PER_SECOND)
        mask = np.zeros((1, 1, 1, cross[0].shape[2]), np.float32)
        return Utterance(dict(zip(self._cross_names, cross, strict=True)) | {MASK: mask}, limit)

    def states(self, audio: Floats) -> Floats:
        """Encoder states [1, frames, hidden] of audio [samples]."""
        stem = self._stem.run(["convolved", "means", "squares"], {"input_values": audio[None]})
        return self._encoder.run(None, encoder_inputs(*stem))[0]

    def call(
        self, heard: Utterance, tokens: Sequence[int], past: Sequence[Floats]
    ) -> tuple[Floats, list[Floats], Floats]:
        """One call of `step`: logits [tokens, vocabulary], keys and values, attention [heads, tokens, frames]."""
        logits, present, attention = self.call_all(heard, [tokens], past)
        return logits[0], present, attention[0]

    def call_all(
        self, heard: Utterance, tokens: Sequence[Sequence[int]], past: Sequence[Floats]
    ) -> tuple[Floats, list[Floats], Floats]:
        """The same of pieces of audio, as `beside` puts them, as many tokens of each; they are the first axis."""
        feeds = heard.cross | {"input_ids": np.array(tokens, np.int64)} | dict(zip(self._past, past, strict=True))
        logits, attention, *present = self._step.run(["logits", "cross_attention", *self._present], feeds)
        return logits, present, attention

    def empty(self, batch: int = 1) -> list[Floats]:
        """Keys and values of no token."""
        return [np.repeat(self._nothing, batch, axis=0)] * len(self._past)

    def greedy(self, heard: Utterance, draft: Sequence[int] = ()) -> Reading:
        """Decode; a draft is verified in one call, and decoding goes on from where it first differs."""
        reading = Reading()
        draft = list(draft)[: heard.limit]
        logits, past, attention = self.call(heard, [START, *draft], self.empty())
        row = 0
        while True:
            token = int(logits[row].argmax())
            if token == END or len(reading.tokens) == heard.limit:
                return reading
            reading.tokens.append(token)
            reading.probabilities.append(_probability(logits[row], token))
            reading.attention.append(attention[:, row])
            if row < len(logits) - 1 and draft[row] == token:
                row += 1
                reading.accepted = row
                continue
            past = [value[:, :, : len(reading.tokens)] for value in past]
            logits, past, attention = self.call(heard, [token], past)
            row = 0

    def text(self, tokens: Sequence[int]) -> str:
        """What tokens spell."""
        pieces = (self._tokens[token] for token in tokens)
        spoken = b"".join(piece for piece in pieces if not _special(piece))
        return spoken.decode("utf-8", "replace").replace("\u2581", " ").strip()

    def piece(self, token: int) -> bytes:
        """The bytes of a token."""
        return self._tokens[token]


def encoder_inputs(convolved: Floats, means: Floats, squares: Floats) -> dict[str, Floats]:
    """What `encoder` takes, from what `stem` gives."""
    mean = means.mean(dtype=np.float64)
    variance = max(squares.mean(dtype=np.float64) - mean * mean, 0.0)
    return {
        "convolved": convolved,
        "mean": np.array([mean], np.float32),
        "variance": np.array([variance], np.float32),
    }


def _special(piece: bytes) -> bool:
    return len(piece) > 2 and piece.startswith(b"<") and piece.endswith(b">")


def _probability(logits: Floats, token: int) -> float:
    return float(1 / np.exp(logits - logits[token], dtype=np.float64).sum())


def read_tokenizer(path: Path) -> list[bytes]:
    """Tokens by id out of `tokenizer.bin`: a length, then that many bytes, one record a token.

    A first byte below 128 is the length; else it is that byte - 128 plus 128 times the next one. `ExportError` where
    the last record is cut off.
    """
    content, tokens, at = path.read_bytes(), list[bytes](), 0
    while at < len(content):
        length = content[at]
        at += 1
        if length >= 128:
            length += int.from_bytes(content[at : at + 1]) * 128 - 128
            at += 1
        tokens.append(content[at : at + length])
        at += length
    if at > len(content):
        raise ExportError(f"{path}: is cut off in token {len(tokens) - 1}, {at - len(content)} bytes before its end")
    return tokens
