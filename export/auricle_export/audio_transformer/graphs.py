"""The graphs that the runtime loads: in come a run's weights, out go `window`, `classifier`, and both as one.

    window       samples f32 [n, 400]        -> embeddings f32 [n, 64]
    classifier   embeddings f32 [1, 40, 64]  -> scores f32 [1, classes], probabilities
    whole        samples f32 [1, 16000]      -> scores f32 [1, classes]

Live audio runs `window` once every 25 ms and `classifier` once a decision; `whole` is what the two are compared with.
Weights are stored as float16 and cast to float32, which ONNX Runtime does once, when it loads the graph.
"""

import math
from typing import cast

import numpy as np
import numpy.typing as npt
import onnx

from auricle_export.audio_transformer.configuration import SCALES, WINDOW, WINDOWS, Configuration
from auricle_export.audio_transformer.reference import EPSILON, LEVEL_FLOOR, positions
from auricle_export.audio_transformer.runs import Weights
from auricle_export.onnx_graph import GraphWriter

FLOAT = onnx.TensorProto.FLOAT


def window(weights: Weights, configuration: Configuration) -> onnx.ModelProto:
    """Write the front end."""
    writer = GraphWriter("audio transformer: window")
    samples = writer.input("samples", FLOAT, ["windows", WINDOW])
    writer.output(_front_end(writer, weights, samples, "=embeddings"), FLOAT, ["windows", configuration.embedding])
    return writer.finish()


def classifier(weights: Weights, configuration: Configuration) -> onnx.ModelProto:
    """Write what stands behind the front end."""
    writer = GraphWriter("audio transformer: classifier")
    embeddings = writer.input("embeddings", FLOAT, [1, WINDOWS, configuration.embedding])
    scores = _classifier(writer, weights, configuration, embeddings)
    writer.output(scores, FLOAT, [1, len(weights["classifier.head.bias"])])
    return writer.finish()


def whole(weights: Weights, configuration: Configuration) -> onnx.ModelProto:
    """Write both as one graph."""
    writer = GraphWriter("audio transformer")
    samples = writer.input("samples", FLOAT, [1, WINDOWS * WINDOW])
    windows = writer.node("Reshape", [samples, writer.constant("cut", np.array([WINDOWS, WINDOW]))], "windows")
    embedded = _front_end(writer, weights, windows, "embedded")
    shape = writer.constant("second", np.array([1, WINDOWS, configuration.embedding]))
    scores = _classifier(writer, weights, configuration, writer.node("Reshape", [embedded, shape], "embeddings"))
    writer.output(scores, FLOAT, [1, len(weights["classifier.head.bias"])])
    return writer.finish()


def weights_of(window: onnx.ModelProto, classifier: onnx.ModelProto) -> Weights:
    """Read the weights back out of the two graphs, as a run has them."""
    out: Weights = {}
    for model in (window, classifier):
        for each in model.graph.initializer:
            name, half, rest = each.name.partition(".half")
            if not half or rest:
                continue
            value = onnx.numpy_helper.to_array(each).astype(np.float32)
            out[name] = value.T if value.ndim == 2 else value
    return out


def _stored(writer: GraphWriter, name: str, value: npt.NDArray[np.float32]) -> str:
    """Add a constant as float16, to be read as float32."""
    half = value.astype(np.float16)
    if not np.array_equal(half.astype(np.float32), value):
        raise ValueError(f"{name}: is not float16 widened; a finished run's weights are")
    return writer.node("Cast", [writer.constant(f"{name}.half", half)], name, to=FLOAT)


def _dense(writer: GraphWriter, weights: Weights, name: str, values: str, result: str) -> str:
    """Write `values` @ weight' + bias, of [..., inputs]."""
    with writer.scope(name):
        weight = _stored(writer, "weight", np.ascontiguousarray(weights[f"{name}.weight"].T))
        product = writer.node("MatMul", [values, weight], "product")
        return writer.node("Add", [product, _stored(writer, "bias", weights[f"{name}.bias"])], result)


def _front_end(writer: GraphWriter, weights: Weights, windows: str, result: str) -> str:
    filtered = _dense(writer, weights, "front_end.filters", windows, "sum")
    return _dense(writer, weights, "front_end.mixture", writer.node("Relu", [filtered], "filtered"), result)


def _normed(writer: GraphWriter, weights: Weights, name: str, states: str) -> str:
    with writer.scope(name):
        scale, bias = (_stored(writer, part, weights[f"{name}.{part}"]) for part in ("weight", "bias"))
        return writer.node("LayerNormalization", [states, scale, bias], "normed", axis=-1, epsilon=EPSILON)


def _classifier(writer: GraphWriter, weights: Weights, configuration: Configuration, embeddings: str) -> str:
    square = writer.node("Mul", [embeddings, embeddings], "level.squares")
    level = writer.node("Sqrt", [writer.node("ReduceMean", [square], "level.mean", axes=[1, 2], keepdims=1)], "level")
    floored = writer.node("Add", [level, writer.constant("level.floor", np.float32(LEVEL_FLOOR))], "level.floored")
    levelled = writer.node("Div", [embeddings, floored], "levelled")
    placed = writer.constant("positions", positions(configuration.embedding))
    states, time = writer.node("Add", [levelled, placed], "placed"), WINDOWS
    for number in range(configuration.layers):
        states = _layer(writer, weights, configuration, f"classifier.layers.{number}", states, time)
        if number % 2 == 1 and configuration.pooling:
            time //= 2
            means = np.repeat(np.eye(time, dtype=np.float32), 2, axis=1) / np.float32(2.0)
            with writer.scope(f"pool.{number}"):
                # Of an odd number of windows the last one is left out, as by a pool of stride 2.
                means = np.pad(means, ((0, 0), (0, _length(configuration, number) - 2 * time)))
                states = writer.node("MatMul", [writer.constant("means", means), states], "pooled")
        if number % 2 == 1 and configuration.scales:
            states = _scales(writer, configuration, states, time, number)
    mean = writer.node("ReduceMean", [states], "mean", axes=[1], keepdims=0)
    summary = _normed(writer, weights, "classifier.norm", mean)
    return writer.node("Sigmoid", [_dense(writer, weights, "classifier.head", summary, "logits")], "=scores")


def _length(configuration: Configuration, layer: int) -> int:
    """Windows that go into what follows layer number `layer`, from 0."""
    return WINDOWS >> (layer // 2 if configuration.pooling else 0)


def _layer(
    writer: GraphWriter, weights: Weights, configuration: Configuration, name: str, states: str, time: int
) -> str:
    heads, width = configuration.heads, configuration.embedding
    normed = _normed(writer, weights, f"{name}.attention_norm", states)
    joined = _dense(writer, weights, f"{name}.query_key_value", normed, "sum")
    with writer.scope(f"{name}.attention"):
        shape = writer.constant("split", np.array([1, time, 3 * heads, width // heads]))
        split = writer.node("Reshape", [joined, shape], "parts")
        by_head = writer.node("Transpose", [split], "by_head", perm=[0, 2, 1, 3])
        query, key, value = writer.nodes("Split", [by_head], ["query", "key", "value"], axis=1)
        turned = writer.node("Transpose", [key], "key_turned", perm=[0, 1, 3, 2])
        scale = writer.constant("scale", np.float32(1.0 / math.sqrt(width // heads)))
        logits = writer.node("Mul", [writer.node("MatMul", [query, turned], "products"), scale], "logits")
        if configuration.causal:
            later = np.triu(np.full((time, time), -np.inf, np.float32), 1)
            logits = writer.node("Add", [logits, writer.constant("later", later)], "masked")
        mixed = writer.node("MatMul", [writer.node("Softmax", [logits], "shares", axis=-1), value], "mixed")
        together = writer.node("Transpose", [mixed], "together", perm=[0, 2, 1, 3])
        flat = writer.node("Reshape", [together, writer.constant("join", np.array([1, time, width]))], "joined")
    attended = _dense(writer, weights, f"{name}.attention_out", flat, "sum")
    with writer.scope(name):
        states = writer.node("Add", [states, attended], "attended")
    normed = _normed(writer, weights, f"{name}.feed_forward_norm", states)
    inner = _dense(writer, weights, f"{name}.feed_forward_in", normed, "sum")
    with writer.scope(f"{name}.feed_forward_in"):
        inner = writer.node("Relu", [inner], "positive")
    outer = _dense(writer, weights, f"{name}.feed_forward_out", inner, "sum")
    with writer.scope(name):
        return writer.node("Add", [states, outer], "states")


def _scales(writer: GraphWriter, configuration: Configuration, states: str, time: int, number: int) -> str:
    """Average a quarter of the first half of the embedding each over the last 1, 2, 4 and 8 windows."""
    quarter = configuration.embedding // 2 // len(SCALES)
    sizes = [quarter] * len(SCALES) + [configuration.embedding - quarter * len(SCALES)]
    names = [f"over_{windows}" for windows in SCALES]
    with writer.scope(f"scales.{number}"):
        lengths = writer.constant("sizes", np.array(sizes))
        *parts, rest = writer.nodes("Split", [states, lengths], [*(f"{name}.part" for name in names), "rest"], axis=2)
        means = []
        for windows, part, name in zip(SCALES, parts, names, strict=True):
            back = np.arange(time)[:, None] - np.arange(time)
            within = ((back >= 0) & (back < windows)).astype(np.float32)
            matrix = writer.constant(f"{name}.means", within / within.sum(1, keepdims=True))
            means.append(writer.node("MatMul", [matrix, part], name))
        return cast(str, writer.node("Concat", [*means, rest], "scaled", axis=2))
