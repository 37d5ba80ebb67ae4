"""A family of one layer, exported for real: in comes `weights.npy` [4, 4], out goes a graph that ONNX Runtime runs.

In int8 it has one scale for all weights, so that weights of very different sizes fail its parity check.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from auricle_export.exported import Exported, ExportError, Parity
from onnx import TensorProto, helper, numpy_helper

BOUND = 1e-2


def export(source: Path, work: Path, precision: str, audio: Sequence[Path]) -> Exported:
    """Export `weights.npy`, pass `labels.txt` on where there is one, and compare on four fixed rows."""
    if precision == "fp16":
        raise ExportError("precision is fp16, and this family has fp32 and int8")
    weights = np.load(source / "weights.npy")
    if precision == "int8":
        scale = np.abs(weights).max() / 127
        stored = (np.rint(weights / scale) * scale).astype(np.float32)
    else:
        stored = weights
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weights"], ["y"])],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 4])],
        [numpy_helper.from_array(stored, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    target = work / "graphs" / "model.onnx"
    target.parent.mkdir()
    target.write_bytes(model.SerializeToString(deterministic=True))
    onnx.checker.check_model(model)

    files = [("model", target)]
    inputs = [source / "weights.npy"]
    if (source / "labels.txt").exists():
        (work / "labels.txt").write_bytes((source / "labels.txt").read_bytes())
        files.append(("labels", work / "labels.txt"))
        inputs.append(source / "labels.txt")
    x = np.eye(4, dtype=np.float32)
    (y,) = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"]).run(None, {"x": x})
    worst = float((np.abs(y - x @ weights) / np.abs(x @ weights)).max())
    return Exported(
        files=tuple(files),
        sections={"tiny": {"width": 4, "heard": len(audio)}},
        task="tag",
        sample_rate_hz=16_000,
        opset=17,
        ir_version=8,
        minimum_ort="1.20",
        parameters=weights.size,
        parity=(Parity("largest relative difference, four rows", worst, BOUND),),
        inputs=tuple(inputs),
    )
