"""Compares an export with the definition on real audio: in come weights and graphs, out go figures and their bounds.

Logits are compared on the same tokens, those that the definition reads out of the audio by the source's weights as they
are, so that one token that falls otherwise does not hide or fake what follows it. The whole 30 s are heard.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from auricle_export import audio as wav
from auricle_export.attention_graph import Heads
from auricle_export.exported import ExportError, Parity
from auricle_export.onnx_graph import Precision
from auricle_export.whisper.decode import FRAME_SAMPLES, Decoder, Rules, allowed
from auricle_export.whisper.features import filled, log_mel
from auricle_export.whisper.reference import Reference
from auricle_export.whisper.weights import Whisper

LARGEST_DIFFERENCE = {"fp32": 2e-3, "fp16": 0.3, "int8": 3.0}
"""Of a logit, where logits span some 40."""
MEAN_DIFFERENCE = {"fp32": 2e-4, "fp16": 3e-2, "int8": 0.5}
"""Of a logit, over the whole vocabulary."""
OTHER_CHOICES = {"fp32": 0.0, "fp16": 0.0, "int8": 0.1}
"""Share of tokens that would be chosen otherwise: int8 rounds weights that the source has in 16 bits."""
ATTENTION_DIFFERENCE = {"fp32": 1e-4, "fp16": 2e-2, "int8": 0.3}
"""Of a weight of attention, which is 1 at most."""
CACHED_DIFFERENCE = 5e-3
"""Of a logit, whether tokens come one by one or in one call; whatever the precision."""
LEAST_TOKENS = 8


def compare(
    model: Whisper, work: Path, rules: Rules, precision: Precision, audio: Sequence[Path], heads: Heads
) -> tuple[Parity, ...]:
    """Compare logits, attention of `heads` and tokens chosen with the definition's, and one call with many.

    `ExportError` where there is no audio, or no speech in it.
    """
    if not audio:
        raise ExportError("an export of Whisper is compared on real speech; name 16 kHz WAV files with --audio")
    # Whole 30 s in double precision take many seconds; single is fine enough for what has rounded its weights.
    reference, export = Reference(model, np.float64 if precision == "fp32" else np.float32), Decoder(work)
    figures: list[Parity] = []
    for path in audio:
        samples, frames = wav.read(path), model.dims.n_audio_ctx
        heard = export.hear(export.states(samples, frames))
        read_out = export.greedy(heard, rules).tokens
        if len(read_out) < LEAST_TOKENS:
            raise ExportError(f"{path}: the export reads {len(read_out)} tokens out of it; name a recording of speech")
        states = reference.states(log_mel(filled(samples, frames * FRAME_SAMPLES), model.dims.n_mels))
        tokens = [*rules.prompt, *read_out]
        expected, looks = reference.logits(states, tokens)
        found, _, shown = export.call(heard, [tokens], export.empty())
        past, rows = export.empty(), []
        for token in tokens:
            row, past, _ = export.call(heard, [[token]], past)
            rows.append(row[0, 0])
        on = f"{path.name}, {len(read_out)} tokens"
        difference = np.abs(found[0] - expected)
        first = len(rules.prompt) - 1
        chosen = [
            (int(allowed(mine, rules, place == 0).argmax()), int(allowed(theirs, rules, place == 0).argmax()))
            for place, (mine, theirs) in enumerate(zip(found[0][first:], expected[first:], strict=True))
        ]
        others = sum(mine != theirs for mine, theirs in chosen) / len(chosen)
        measures = [
            ("largest difference of a logit from the definition's", difference.max(), LARGEST_DIFFERENCE[precision]),
            ("mean difference of a logit from the definition's", difference.mean(), MEAN_DIFFERENCE[precision]),
            ("share of tokens the definition would choose otherwise", others, OTHER_CHOICES[precision]),
            (
                "largest difference of a logit, one call from as many as tokens",
                np.abs(np.array(rows) - found[0]).max(),
                CACHED_DIFFERENCE,
            ),
        ]
        if shown is not None:
            asked = np.array([looks[layer][head] for layer, head in heads])
            measures.append(
                (
                    "largest difference of attention from the definition's",
                    np.abs(shown[0] - asked).max(),
                    ATTENTION_DIFFERENCE[precision],
                )
            )
        figures += [Parity(f"{what}, {on}", float(f"{value:.2g}"), bound) for what, value, bound in measures]
    return tuple(figures)
