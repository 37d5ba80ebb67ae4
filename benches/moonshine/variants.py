"""The variants of a Moonshine model that are compared: what was shipped, what is exported, and what might have been.

In: the folder of the shipped files. Out: a folder for each kind.
"""

import logging
import shutil
from collections.abc import Iterable
from pathlib import Path
from unittest import mock

from auricle_export import moonshine, onnx_graph
from auricle_export.moonshine import graphs, weights
from auricle_export.moonshine.weights import Floats
from auricle_export.onnx_graph import Precision, write
from onnxruntime.quantization import QuantType, quantize_dynamic

ROOT = Path(__file__).resolve().parents[2]
MODELS = ("moonshine-tiny-en", "moonshine-base-en")

SHIPPED = "as shipped"
EXPORTED: tuple[Precision, ...] = ("fp32", "fp16", "int8")
A_SCALE_A_CALL = "int8, one scale a call"
"""The fp32 step through ONNX Runtime's `quantize_dynamic`: all rows of a call share one scale of their activations."""
ROUNDED_ONCE = "int8, rounded once"
"""The int8 step with a scale a row, as exported, but activations rounded once to 8 bits instead of thrice to 20."""
ALTERNATIVES = (A_SCALE_A_CALL, ROUNDED_ONCE)


def source(model: str) -> Path:
    """Where a model's shipped files lie, once they were brought."""
    return ROOT / ".cache" / "sources" / model / "source"


def recording(model: str) -> Path:
    """The recording that the model's export is compared on, which was brought with the source."""
    return ROOT / ".cache" / "sources" / model / "audio" / "beckett.wav"


def build(model: str, kinds: Iterable[str], work: Path) -> dict[str, Path]:
    """Makes variants below `work` and gives the folder of each; what is shipped stays where it is."""
    shipped = source(model)
    read = weights.read(shipped)
    measured = moonshine.MEASURED[len(read.decoder)]
    heads = measured.before + measured.own
    folders: dict[str, Path] = {}

    def exported(precision: Precision, kind: str) -> Path:
        folder = work / kind.replace(", ", "-").replace(" ", "-")
        if kind not in folders:
            folder.mkdir(parents=True)
            write(graphs.stem(read, precision), folder / "stem.onnx")
            write(graphs.encoder(read, precision), folder / "encoder.onnx")
            write(graphs.cross_kv(read, precision), folder / "cross_kv.onnx")
            write(graphs.step(read, precision, heads), folder / "step.onnx")
            shutil.copyfile(shipped / weights.TOKENIZER_FILE, folder / weights.TOKENIZER_FILE)
            folders[kind] = folder
        return folder

    wanted = list(kinds)
    for kind in wanted:
        if kind == SHIPPED:
            folders[kind] = shipped
        elif kind in EXPORTED:
            exported(kind, kind)
        elif kind == A_SCALE_A_CALL:
            folders[kind] = _beside(exported("fp32", "fp32"), work / "one-scale-a-call")
            _one_scale_a_call(folders["fp32"] / "step.onnx", folders[kind] / "step.onnx")
        elif kind == ROUNDED_ONCE:
            with (
                mock.patch.object(onnx_graph, "ROUNDINGS", 1),
                mock.patch.object(onnx_graph, "STEPS", 127),
                mock.patch.object(onnx_graph, "FINER", 256),
                mock.patch.object(graphs.Writer, "norm", _norm),
            ):
                exported("int8", kind)
        else:
            raise ValueError(f"no such variant: {kind}")
    return {kind: folders[kind] for kind in wanted}


def _norm(writer: graphs.Writer, states: str, weight: Floats, name: str) -> str:
    """Layer normalisation whose rows find their own scale: 8 bits are too few for the one bound that 20 can share."""
    scale = writer.graph.constant(f"{name}.weight", weight)
    return writer.graph.node("LayerNormalization", [states, scale], name, axis=-1, epsilon=graphs.NORM_EPSILON)


def _beside(folder: Path, other: Path) -> Path:
    """A folder of the same files, without the step."""
    other.mkdir()
    for path in folder.iterdir():
        if path.name != "step.onnx":
            (other / path.name).hardlink_to(path)
    return other


def _one_scale_a_call(step: Path, to: Path) -> None:
    logging.getLogger().setLevel(logging.ERROR)  # it asks for a pre-processing that changes nothing here
    quantize_dynamic(step, to, op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QInt8)
