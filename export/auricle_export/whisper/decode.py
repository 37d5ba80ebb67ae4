"""Greedy decoding with the exported graphs, in numpy: what the runtime does, for parity checks and measurements.

In: a folder of `encoder.onnx`, `cross_kv.onnx`, `step.onnx`; 16 kHz audio. Out: tokens without timestamps, their
probabilities, the cross-attention that word times are made from.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from auricle_export.onnx_graph import KEEP_NO_INTEGERS
from auricle_export.whisper.features import HOP_SAMPLES, filled, log_mel

FRAME_SAMPLES = 2 * HOP_SAMPLES
"""Samples from one state of the encoder to the next: 50 states a second."""
MASK = "encoder_mask"
"""The input of `step` that says which frames are a piece's own."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Rules:
    """What greedy decoding needs to know of tokens."""

    prompt: tuple[int, ...]
    """Start, language and task, no timestamps."""
    end: int
    suppress: tuple[int, ...]
    suppress_first: tuple[int, ...]
    most: int
    """Tokens after the prompt; the reference takes half of the decoder's context."""


@dataclass(slots=True)
class Reading:
    """Tokens without prompt and end, with the probability of each and its row of cross-attention [heads, frames]."""

    tokens: list[int] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    attention: list[Floats] = field(default_factory=list)


class Decoder:
    """The three graphs on the processor."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        """Load the files in `folder`."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry(*KEEP_NO_INTEGERS)

        def load(name: str) -> onnxruntime.InferenceSession:
            return onnxruntime.InferenceSession(str(folder / name), options, providers=["CPUExecutionProvider"])

        self._encoder, self._cross, self._step = load("encoder.onnx"), load("cross_kv.onnx"), load("step.onnx")
        self.mels: int = self._encoder.get_inputs()[0].shape[1]
        self._cross_names = [output.name for output in self._cross.get_outputs()]
        outputs = [output.name for output in self._step.get_outputs()]
        self._present = [name for name in outputs if name.startswith("present.")]
        self._past = [name.replace("present.", "past_key_values.") for name in self._present]
        self._shown = ["cross_attention"] if "cross_attention" in outputs else []
        shapes = {value.name: value.shape for value in self._step.get_inputs()}
        _, heads, _, width = shapes[self._past[0]]
        self._nothing = np.zeros((1, heads, 0, width), np.float32)

    def states(self, audio: Floats, frames: int) -> Floats:
        """Encoder states [1, frames, state] of audio [samples], cut or filled up with silence to so many frames."""
        mel = log_mel(filled(audio, frames * FRAME_SAMPLES), self.mels).astype(np.float32)
        return self._encoder.run(None, {"input_features": mel[None]})[0]

    def hear(self, states: Floats) -> dict[str, Floats]:
        """What `step` needs to know of audio, by input name, from its states [1, frames, state]."""
        cross = self._cross.run(None, {"encoder_hidden_states": states})
        mask = np.zeros((1, 1, 1, states.shape[1]), np.float32)
        return dict(zip(self._cross_names, cross, strict=True)) | {MASK: mask}

    def call(
        self, heard: dict[str, Floats], tokens: Sequence[Sequence[int]], past: Sequence[Floats]
    ) -> tuple[Floats, list[Floats], Floats | None]:
        """One call of `step` with as many tokens of each line of a batch.

        Logits [batch, tokens, vocabulary], keys and values, attention [batch, heads, tokens, frames].
        """
        feeds = heard | {"input_ids": np.array(tokens, np.int64)} | dict(zip(self._past, past, strict=True))
        logits, *rest = self._step.run(["logits", *self._shown, *self._present], feeds)
        return logits, rest[len(self._shown) :], rest[0] if self._shown else None

    def empty(self, batch: int = 1) -> list[Floats]:
        """Keys and values of no token."""
        return [np.repeat(self._nothing, batch, axis=0)] * len(self._past)

    def greedy(self, heard: dict[str, Floats], rules: Rules) -> Reading:
        """Decode: the likeliest token that the rules allow, one after the other."""
        reading, calls = Reading(), list(rules.prompt)
        past = self.empty()
        while True:
            logits, past, attention = self.call(heard, [calls], past)
            row = allowed(logits[0, -1], rules, first=not reading.tokens)
            token = int(row.argmax())
            if token == rules.end or len(reading.tokens) == rules.most:
                return reading
            reading.tokens.append(token)
            reading.probabilities.append(float(1 / np.exp(row - row[token], dtype=np.float64).sum()))
            if attention is not None:
                reading.attention.append(attention[0, :, -1])
            calls = [token]


def allowed(logits: npt.NDArray[np.floating], rules: Rules, first: bool) -> npt.NDArray[np.floating]:
    """Logits [vocabulary] with -inf for what may not be chosen here."""
    row = logits.copy()
    row[list(rules.suppress)] = -np.inf
    if first:
        row[list(rules.suppress_first)] = -np.inf
    return row
