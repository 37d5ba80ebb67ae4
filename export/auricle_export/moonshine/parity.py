"""Compares an export with the shipped graphs on real audio: in come both folders, out go figures and their bounds.

Logits are compared on the same tokens, those that the export reads out of the audio, so that one token that falls
otherwise does not hide or fake what follows it.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from auricle_export import audio as wav
from auricle_export.exported import ExportError, Parity
from auricle_export.moonshine.decode import START, Decoder
from auricle_export.moonshine.reference import Reference
from auricle_export.onnx_graph import Precision

LARGEST_DIFFERENCE = {"fp32": 1e-3, "int8": 1e-2, "fp16": 0.1}
"""Of a logit, where logits span some 40: single precision leaves 2e-5 of it after 16 layers, half precision 1e-2."""
MEAN_DIFFERENCE = {"fp32": 1e-4, "int8": 1e-3, "fp16": 1e-2}
"""Of a logit, over the whole vocabulary."""
OTHER_CHOICES = 0.0
"""Share of tokens that would be chosen otherwise."""
LONGEST_S = 20
"""Of each recording as much is read; the reference takes memory with its square."""


def compare(source: Path, work: Path, precision: Precision, audio: Sequence[Path]) -> tuple[Parity, ...]:
    """Compare logits, the choice of tokens, and a call of many tokens with as many calls of one."""
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
    return tuple(figures)


def _round(value: float) -> float:
    """As many digits as a manifest needs; the last bits depend on the processor."""
    return float(f"{value:.2g}")
