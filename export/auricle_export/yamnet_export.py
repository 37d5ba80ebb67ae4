"""YAMNet's exporter: in comes the graph as it is shipped, its weights in a file beside it, out goes one `model.onnx`.

The shipped graph (Qualcomm AI Hub's, quantised to 8 bits) says IR version 11, which ONNX Runtime refuses before 1.23,
and uses nothing that IR version 10 lacks. Its weights move inside and the number changes; weights that it carries as
floats and quantises whenever it is loaded are stored as the integers that come of it, a quarter of the bytes. The
scores are the same to the bit.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from auricle_export import audio as wav
from auricle_export.exported import Exported, ExportError, Parity, source_files
from auricle_export.logmel import log_mel
from auricle_export.yamnet import RECIPE, Yamnet, patches, quantise, vector_signals

GRAPH, WEIGHTS = "model.onnx", "model.data"
IR_VERSION = 10
"""The newest that ONNX Runtime 1.20 loads."""
LIVE_HOP_FRAMES = 24
"""Frames between two patches of the live path: 0.24 s."""


def export(source: Path, work: Path, precision: str, audio: Sequence[Path]) -> Exported:
    """Make one self-contained graph of `model.onnx` and `model.data`, and compare every score of both.

    Compared are all patches of `audio` and of the made signals of the front end's test vector. `ExportError` for a
    precision other than int8, which is what the weights are.
    """
    if precision != "int8":
        raise ExportError(
            f"precision is {precision}, and YAMNet's weights are int8 as they are shipped: '--precision int8'"
        )
    inputs = source_files(source, (GRAPH, WEIGHTS))
    shipped, target = source / GRAPH, work / GRAPH
    model = _read(shipped)
    model.ir_version = IR_VERSION
    _store_quantised(model.graph)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise ExportError(f"{shipped}: is not sound as IR version {IR_VERSION}: {error}") from error
    target.write_bytes(model.SerializeToString(deterministic=True))

    signals = [("made signals", np.concatenate([np.tile(each, 16) for each in vector_signals().values()]))]
    signals += [(path.name, wav.read(path)) for path in audio]
    before, after = Yamnet(shipped), Yamnet(target)
    parity = []
    for name, samples in signals:
        cut = quantise(patches(log_mel(samples, RECIPE), LIVE_HOP_FRAMES))
        different = int(np.count_nonzero(before.class_scores(cut) != after.class_scores(cut)))
        parity.append(Parity(f"scores that differ from the source's, {len(cut)} patches of {name}", different, 0))
    return Exported(
        files=(("model", target),),
        sections={},
        task="tag",
        sample_rate_hz=RECIPE.sample_rate_hz,
        opset=max(each.version for each in model.opset_import if each.domain in ("", "ai.onnx")),
        ir_version=model.ir_version,
        minimum_ort="1.20",
        parameters=_parameters(model),
        parity=tuple(parity),
        inputs=inputs,
    )


def _read(path: Path) -> onnx.ModelProto:
    """Read a graph and the weights beside it."""
    try:
        return onnx.load(path)
    except (OSError, DecodeError, onnx.checker.ValidationError, ValueError) as error:
        raise ExportError(f"{path}: cannot be read with its weights, {WEIGHTS}, beside it: {error}") from error


def _store_quantised(graph: onnx.GraphProto) -> None:
    """Replace each constant that is quantised by what comes of it."""
    constants = {each.name: each for each in graph.initializer}
    stored: list[onnx.TensorProto] = []
    kept: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type != "QuantizeLinear" or not all(name in constants for name in node.input):
            kept.append(node)
            continue
        values, scale, zero_point = (onnx.numpy_helper.to_array(constants[name]) for name in node.input)
        if scale.ndim:
            axis = next((each.i for each in node.attribute if each.name == "axis"), 1)
            along = [-1 if place == axis else 1 for place in range(values.ndim)]
            scale, zero_point = scale.reshape(along), zero_point.reshape(along)
        limits = np.iinfo(zero_point.dtype)
        # As QuantizeLinear is defined: divided in single precision, rounded to even, then saturated.
        steps = np.rint(values / scale) + zero_point.astype(np.float32)
        whole = np.clip(steps, limits.min, limits.max).astype(zero_point.dtype)
        stored.append(onnx.numpy_helper.from_array(whole, node.output[0]))
    del graph.node[:]
    graph.node.extend(kept)
    read = {name for node in kept for name in node.input}
    needed = [each for each in graph.initializer if each.name in read] + stored
    del graph.initializer[:]
    graph.initializer.extend(needed)


def _parameters(model: onnx.ModelProto) -> int:
    """Count the trained numbers: weights and biases of the layers, which reach them through quantiser and back."""
    sizes = {each.name: int(np.prod(each.dims)) for each in model.graph.initializer}
    made_by = {name: node for node in model.graph.node for name in node.output}
    total = 0
    for layer in model.graph.node:
        if layer.op_type in ("Conv", "Gemm"):
            for name in layer.input[1:]:
                while name in made_by:
                    name = made_by[name].input[0]
                total += sizes.get(name, 0)
    return total
