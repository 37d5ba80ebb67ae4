"""Compares an export with the shipped graphs on real audio: in come both folders, out go figures and their bounds.

Logits are compared on the same tokens, those that the export reads out of the audio, so that one token that falls
otherwise does not hide or fake what follows it.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from auricle_export import audio as wav
from auricle_export.exported import ExportError, Parity
from auricle_export.moonshine.decode import MASK, START, Decoder, beside
from auricle_export.moonshine.reference import Floats, Reference
from auricle_export.onnx_graph import Precision

LARGEST_DIFFERENCE = {"fp32": 1e-3, "int8": 1e-2, "fp16": 0.1}
"""Of a logit, where logits span some 40: single precision leaves 2e-5 of it after 16 layers, half precision 1e-2."""
MEAN_DIFFERENCE = {"fp32": 1e-4, "int8": 1e-3, "fp16": 1e-2}
"""Of a logit, over the whole vocabulary."""
OTHER_CHOICES = 0.0
"""Share of tokens that would be chosen otherwise."""
ATTENTION_DIFFERENCE = {"fp32": 1e-4, "int8": 1e-3, "fp16": 1e-2}
"""Of a weight of attention, which is 1 at most."""
TOGETHER = (2, 1, 3)
"""Beginnings of a recording that are read in one batch: a half, all of it, a third."""
LONGEST_S = 20
"""Of each recording as much is read; the reference takes memory with its square."""


def compare(source: Path, work: Path, precision: Precision, audio: Sequence[Path]) -> tuple[Parity, ...]:
    """Compare logits, tokens chosen; a call of many tokens with as many calls of one; a batch with its pieces."""
    if not audio:
        raise ExportError("an export of Moonshine is compared on real speech; name 16 kHz WAV files with --audio")
    reference, export = Reference(source), Decoder(work)
    figures: list[Parity] = []
    for path in audio:
        samples = wav.read(path)[: LONGEST_S * wav.SAMPLE_RATE_HZ]
        heard = export.hear(samples)
        tokens = export.greedy(heard).tokens
        if len(tokens) < 8:
            raise ExportError(f"{path}: the export reads {len(tokens)} tokens out of it; name a recording of speech")
        expected = reference.logits(samples, [START, *tokens])
        found, _, _ = export.call(heard, [START, *tokens], export.empty())
        difference = np.abs(found - expected)
        on = f"{path.name}, {len(tokens)} tokens"
        bound = LARGEST_DIFFERENCE[precision]
        figures.append(
            Parity(f"largest difference of a logit from the source's, {on}", _round(difference.max()), bound)
        )
        figures.append(
            Parity(
                f"mean difference of a logit from the source's, {on}",
                _round(difference.mean()),
                MEAN_DIFFERENCE[precision],
            )
        )
        others = float((found.argmax(-1) != expected.argmax(-1)).mean())
        figures.append(
            Parity(f"share of tokens the source would choose otherwise, {on}", _round(others), OTHER_CHOICES)
        )
        drafted = export.greedy(heard, tokens).tokens
        differ = sum(a != b for a, b in zip(drafted, tokens, strict=False)) + abs(len(drafted) - len(tokens))
        figures.append(Parity(f"tokens that differ when all are verified in one call, {on}", differ, 0))
        logit, weight = _batched(export, samples, [START, *tokens])
        figures.append(Parity(f"largest difference of a logit in a batch from alone, {on}", _round(logit), bound))
        allowed = ATTENTION_DIFFERENCE[precision]
        figures.append(Parity(f"largest difference of attention in a batch from alone, {on}", _round(weight), allowed))
    return tuple(figures)


def _batched(export: Decoder, samples: Floats, tokens: list[int]) -> tuple[float, float]:
    """How far logits and attention of pieces of different length in one batch are from those of each alone.

    The first half of the tokens in one call, the others one by one, so that keys and values are those of a batch too.
    """
    pieces = [export.hear(samples[: len(samples) // part]) for part in TOGETHER]
    half = len(tokens) // 2
    calls = [tokens[:half], *([token] for token in tokens[half:])]
    together, past = beside(pieces), export.empty(len(pieces))
    alone = [export.empty() for _ in pieces]
    logit = weight = 0.0
    for call in calls:
        logits, past, attention = export.call_all(together, [call] * len(pieces), past)
        for row, piece in enumerate(pieces):
            expected, alone[row], looks = export.call(piece, call, alone[row])
            own = piece.cross[MASK].shape[-1]
            logit = max(logit, float(np.abs(logits[row] - expected).max()))
            weight = max(weight, float(np.abs(attention[row, :, :, :own] - looks).max()))
            weight = max(weight, float(attention[row, :, :, own:].max(initial=0)))
    return logit, weight


def _round(value: float) -> float:
    """As many digits as a manifest needs; the last bits depend on the processor."""
    return float(f"{value:.2g}")
