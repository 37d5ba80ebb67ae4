"""Moonshine's exporter: in comes a folder of the shipped `.ort` graphs, out go `encoder`, `cross_kv` and `step`.

`weights` reads the shipped files, `graphs` writes the three graphs, `decode` runs them, `reference` runs what was shipped,
`parity` compares the two. What each graph takes and gives is said in `graphs`.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from auricle_export import __version__
from auricle_export.exported import Exported, ExportError
from auricle_export.moonshine import decode, graphs, weights
from auricle_export.moonshine.parity import compare
from auricle_export.onnx_graph import IR_VERSION, MINIMUM_ORT, OPSET, Precision, write

ROLES = ("encoder", "cross_kv", "step")
ALIGNMENT_HEADS: dict[int, tuple[tuple[int, int], ...]] = {
    6: ((3, 0),),
    8: ((4, 0),),
}
"""By the number of decoder layers: (layer, head) of the cross-attention that words are timed by."""


def export(source: Path, work: Path, precision: str, audio: Sequence[Path]) -> Exported:
    """Export the shipped files in `source` into the folder `work`, and compare the two on `audio`.

    Same source, precision and packages, same bytes. `ExportError` where the source is not Moonshine's.
    """
    if precision not in get_args(Precision):
        raise ExportError(f"precision is {precision!r}, expected one of {', '.join(get_args(Precision))}")
    chosen: Precision = precision  # type: ignore[assignment]
    model = weights.read(source)
    producer = f"auricle-export {__version__}"
    heads = ALIGNMENT_HEADS.get(len(model.decoder))
    if heads is None:
        raise ExportError(
            f"{source}: the decoder has {len(model.decoder)} layers; heads for word times are known for "
            f"{' and '.join(str(layers) for layers in ALIGNMENT_HEADS)}: add them to ALIGNMENT_HEADS"
        )
    write(graphs.encoder(model, chosen, producer), work / "encoder.onnx")
    write(graphs.cross_kv(model, chosen, producer), work / "cross_kv.onnx")
    write(graphs.step(model, chosen, producer, heads), work / "step.onnx")
    shutil.copyfile(source / weights.TOKENIZER_FILE, work / weights.TOKENIZER_FILE)
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
            }
        },
        task="transcribe",
        sample_rate_hz=decode.SAMPLE_RATE_HZ,
        opset=OPSET,
        ir_version=IR_VERSION,
        minimum_ort=MINIMUM_ORT,
        parameters=model.parameters(),
        parity=compare(source, work, chosen, audio),
        inputs=tuple(source / name for name in (weights.ENCODER_FILE, weights.DECODER_FILE, weights.TOKENIZER_FILE)),
    )
