"""Moonshine's exporter: in comes a folder of the shipped `.ort` graphs, out go four of ours and the tokenizer.

`weights` reads the shipped files, `graphs` writes the four graphs, `decode` runs them, `reference` runs what was
shipped, `parity` compares the two. What each graph takes and gives is said in `graphs`.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from auricle_export.exported import Exported, ExportError, source_files
from auricle_export.moonshine import decode, graphs, weights
from auricle_export.moonshine.parity import compare
from auricle_export.onnx_graph import IR_VERSION, MINIMUM_ORT, OPSET, Precision, write

UNSPELLED = 768
"""Tokens at the end of the vocabulary that mean nothing yet; base's tokenizer leaves them out."""
ROLES = ("stem", "encoder", "cross_kv", "step")


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of a model, and its weights do not tell."""

    before: tuple[tuple[int, int], ...]
    """Layer and head of the cross-attention that look where a token begins while they predict it."""
    own: tuple[tuple[int, int], ...]
    """Layer and head that look where a token was said while it is the input."""
    odds: float
    """The odds of a word (its tokens' probabilities multiplied) times this are how often such words are right."""


MEASURED = {
    6: Measured(before=((3, 0), (4, 1), (4, 4), (4, 6)), own=((4, 0),), odds=1.6),
    8: Measured(before=((3, 2), (5, 6), (7, 7)), own=((0, 7), (1, 0)), odds=2.1),
}
"""By the number of decoder layers: tiny, base. `word_times` says how heads are used; benches/accuracy how well it
does."""


def export(source: Path, work: Path, precision: str, audio: Sequence[Path]) -> Exported:
    """Export the shipped files in `source` into the folder `work`, and compare the two on `audio`.

    Same source, precision and packages, same bytes. `ExportError` where the source is not Moonshine's.
    """
    if precision not in get_args(Precision):
        raise ExportError(f"precision is {precision!r}, expected one of {', '.join(get_args(Precision))}")
    chosen: Precision = precision  # type: ignore[assignment]
    inputs = source_files(source, (weights.ENCODER_FILE, weights.DECODER_FILE, weights.TOKENIZER_FILE))
    model = weights.read(source)
    measured = MEASURED.get(len(model.decoder))
    if measured is None:
        raise ExportError(
            f"{source}: the decoder has {len(model.decoder)} layers; heads for word times are known for "
            f"{' and '.join(str(layers) for layers in MEASURED)}: measure them and add them to MEASURED in {__file__}"
        )
    tokenizer = source / weights.TOKENIZER_FILE
    spelled = len(decode.read_tokenizer(tokenizer))
    if not model.vocabulary - UNSPELLED <= spelled <= model.vocabulary:
        raise ExportError(
            f"{tokenizer}: has {spelled} tokens, expected {model.vocabulary} (or {UNSPELLED} fewer, without those kept "
            "free): it is another model's, or cut off"
        )
    heads = measured.before + measured.own
    write(graphs.stem(model, chosen), work / "stem.onnx")
    write(graphs.encoder(model, chosen), work / "encoder.onnx")
    write(graphs.cross_kv(model, chosen), work / "cross_kv.onnx")
    write(graphs.step(model, chosen, heads), work / "step.onnx")
    shutil.copyfile(tokenizer, work / weights.TOKENIZER_FILE)
    return Exported(
        files=(
            *((role, work / f"{role}.onnx") for role in ROLES),
            ("tokenizer", work / weights.TOKENIZER_FILE),
        ),
        sections={
            "moonshine": {
                "start_token": decode.START,
                "end_token": decode.END,
                "vocabulary": model.vocabulary,
                "tokens_per_second": decode.TOKENS_PER_SECOND,
                "confidence_odds": measured.odds,
                "word_times": {"heads": [list(head) for head in heads], "before": len(measured.before)},
            }
        },
        task="transcribe",
        sample_rate_hz=decode.SAMPLE_RATE_HZ,
        opset=OPSET,
        ir_version=IR_VERSION,
        minimum_ort=MINIMUM_ORT,
        parameters=model.parameters(),
        parity=compare(source, work, chosen, audio),
        inputs=inputs,
    )
