"""Moonshine's weights out of the files that its authors ship: in comes a folder of `.ort` graphs, out go named arrays.

ONNX Runtime writes its own format back as ONNX; products are then found by the path of their node, norms and biases by
the name of their weight. Both generations that were shipped are read: `base-en` (weights of 8 bits that are made
floats at run time) and `tiny-en` (products of integers). Their 8-bit integers are kept as they are, so nothing is
rounded twice.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import numpy_helper

from auricle_export.exported import ExportError
from auricle_export.onnx_graph import Quantised

ENCODER_FILE = "encoder_model.ort"
DECODER_FILE = "decoder_model_merged.ort"
TOKENIZER_FILE = "tokenizer.bin"

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EncoderLayer:
    """One layer of the encoder; products are [inputs, outputs]."""

    attention_norm: Floats
    query: Quantised
    key: Quantised
    value: Quantised
    attention_out: Quantised
    mlp_norm: Floats
    mlp_in: Quantised
    mlp_in_bias: Floats
    mlp_out: Quantised
    mlp_out_bias: Floats


@dataclass(frozen=True, slots=True)
class DecoderLayer:
    """One layer of the decoder; `mlp_in` makes the values and then, as many, their gates."""

    attention_norm: Floats
    query: Quantised
    key: Quantised
    value: Quantised
    attention_out: Quantised
    cross_norm: Floats
    cross_query: Quantised
    cross_key: Quantised
    cross_value: Quantised
    cross_out: Quantised
    mlp_norm: Floats
    mlp_in: Quantised
    mlp_in_bias: Floats
    mlp_out: Quantised
    mlp_out_bias: Floats


@dataclass(frozen=True, slots=True)
class Convolutions:
    """The three that lead from samples to frames, [outputs, inputs, kernel], and the norm after the first."""

    first: Floats
    norm_scale: Floats
    norm_shift: Floats
    second: Floats
    second_bias: Floats
    third: Floats
    third_bias: Floats


@dataclass(frozen=True, slots=True)
class Moonshine:
    """A whole model."""

    convolutions: Convolutions
    encoder: tuple[EncoderLayer, ...]
    encoder_norm: Floats
    decoder: tuple[DecoderLayer, ...]
    decoder_norm: Floats
    embedding: Quantised
    """[vocabulary, hidden], each column with the scale and zero point of the whole."""
    projection: Quantised
    """[hidden, vocabulary]: the embedding again, as the source has it."""
    heads: int
    rotary_frequencies: Floats
    """Radians a position turns the first dimensions of a head by, pair by pair."""

    @property
    def hidden(self) -> int:
        """Width of a state."""
        return int(self.encoder_norm.shape[0])

    @property
    def width(self) -> int:
        """Width of a head."""
        return self.hidden // self.heads

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return int(self.embedding.values.shape[0])

    def parameters(self) -> int:
        """Weights, the embedding counted once."""

        def count(value: object) -> int:
            if isinstance(value, Quantised):
                return int(value.values.size)
            if isinstance(value, np.ndarray):
                return int(value.size)
            if isinstance(value, tuple):
                return sum(count(part) for part in value)
            fields = getattr(type(value), "__dataclass_fields__", ())
            return sum(count(getattr(value, name)) for name in fields)

        return count(self) - int(self.projection.values.size) - int(self.rotary_frequencies.size)


def read(folder: Path) -> Moonshine:
    """Read the shipped files; `ExportError` names the file and what is missing in it."""
    files = (ENCODER_FILE, DECODER_FILE, TOKENIZER_FILE)
    if missing := [name for name in files if not (folder / name).is_file()]:
        raise ExportError(f"{folder}: has no {' and no '.join(missing)}; the source is a folder of {', '.join(files)}")
    encoder = Source(folder / ENCODER_FILE, "")
    decoder = Source(folder / DECODER_FILE, "model.decoder.")
    past = [value for value in decoder.model.graph.input if value.name == "past_key_values.0.decoder.key"]
    if not past:
        raise ExportError(f"{decoder.path}: has no input past_key_values.0.decoder.key; this is no Moonshine decoder")
    embedding = decoder.weight_of("/model/decoder/embed_tokens/Gather", operand=0)
    model = Moonshine(
        convolutions=_convolutions(encoder),
        encoder=tuple(_encoder_layer(encoder, index) for index in range(encoder.layers())),
        encoder_norm=encoder.floats("layer_norm.weight"),
        decoder=tuple(_decoder_layer(decoder, index) for index in range(decoder.layers())),
        decoder_norm=decoder.floats("norm.weight"),
        embedding=embedding,
        projection=decoder.weight_of("/proj_out/MatMul"),
        heads=past[0].type.tensor_type.shape.dim[1].dim_value,
        rotary_frequencies=encoder.shaped((1, 16, 1)).reshape(-1),
    )
    if (width := model.embedding.values.shape[1]) != model.hidden:
        raise ExportError(f"{decoder.path}: has states of {width}, {encoder.path} of {model.hidden}: two models' files")
    return model


def _convolutions(source: "Source") -> Convolutions:
    return Convolutions(
        first=source.operand("/conv1/Conv", 1),
        norm_scale=source.operand("/groupnorm/Mul", 1).reshape(-1),
        norm_shift=source.operand("/groupnorm/Add", 1).reshape(-1),
        second=source.operand("/conv2/Conv", 1),
        second_bias=source.operand("/conv2/Conv", 2),
        third=source.operand("/conv3/Conv", 1),
        third_bias=source.operand("/conv3/Conv", 2),
    )


def _encoder_layer(source: "Source", index: int) -> EncoderLayer:
    layer = f"layers.{index}"
    attention = f"/{layer}/self_attn"
    return EncoderLayer(
        attention_norm=source.floats(f"{layer}.input_layernorm.weight"),
        query=source.weight_of(f"{attention}/q_proj/MatMul"),
        key=source.weight_of(f"{attention}/k_proj/MatMul"),
        value=source.weight_of(f"{attention}/v_proj/MatMul"),
        attention_out=source.weight_of(f"{attention}/o_proj/MatMul", f"{attention}/dense/MatMul"),
        mlp_norm=source.floats(f"{layer}.post_attention_layernorm.weight"),
        mlp_in=source.weight_of(f"/{layer}/mlp/fc1/MatMul"),
        mlp_in_bias=source.floats(f"{layer}.mlp.fc1.bias"),
        mlp_out=source.weight_of(f"/{layer}/mlp/fc2/MatMul"),
        mlp_out_bias=source.floats(f"{layer}.mlp.fc2.bias"),
    )


def _decoder_layer(source: "Source", index: int) -> DecoderLayer:
    layer = f"layers.{index}"
    path = f"/model/decoder/{layer}"
    attention, cross, mlp = f"{path}/self_attn", f"{path}/encoder_attn", f"{path}/mlp"
    return DecoderLayer(
        attention_norm=source.floats(f"{layer}.input_layernorm.weight"),
        query=source.weight_of(f"{attention}/q_proj/MatMul"),
        key=source.weight_of(f"{attention}/k_proj/MatMul"),
        value=source.weight_of(f"{attention}/v_proj/MatMul"),
        attention_out=source.weight_of(f"{attention}/o_proj/MatMul", f"{attention}/dense/MatMul"),
        cross_norm=source.floats(f"{layer}.post_attention_layernorm.weight"),
        cross_query=source.weight_of(f"{cross}/q_proj/MatMul"),
        cross_key=source.weight_of(f"{cross}/k_proj/MatMul"),
        cross_value=source.weight_of(f"{cross}/v_proj/MatMul"),
        cross_out=source.weight_of(f"{cross}/o_proj/MatMul", f"{cross}/dense/MatMul"),
        mlp_norm=source.floats(f"{layer}.final_layernorm.weight"),
        mlp_in=source.weight_of(f"{mlp}/fc1/MatMul", f"{mlp}/up_proj/MatMul"),
        mlp_in_bias=source.floats(f"{layer}.mlp.fc1.bias", f"{layer}.mlp.up_proj.bias"),
        mlp_out=source.weight_of(f"{mlp}/fc2/MatMul", f"{mlp}/down_proj/MatMul"),
        mlp_out_bias=source.floats(f"{layer}.mlp.fc2.bias", f"{layer}.mlp.down_proj.bias"),
    )


class Source:
    """One shipped graph, its branches laid open, with its nodes by name and its constants by value."""

    def __init__(self, path: Path, prefix: str) -> None:
        """Read a file; `prefix` stands before the names of its weights."""
        self.path = path
        self.model = as_onnx(path)
        self._prefix = prefix
        self._nodes: dict[str, onnx.NodeProto] = {}
        self._made_by: dict[str, onnx.NodeProto] = {}
        self._constants: dict[str, npt.NDArray[np.generic]] = {}
        self._lay_open(self.model.graph)

    def layers(self) -> int:
        """Number of layers."""
        found = [name for name in self._constants if "input_layernorm.weight" in name]
        if not found:
            raise ExportError(f"{self.path}: has no layers; this is no graph of Moonshine")
        return len(found)

    def floats(self, *names: str) -> Floats:
        """A constant by its name, or by the name another generation gave it."""
        for name in names:
            for full in (f"{self._prefix}{name}", f"{self._prefix}{name}_merged_0"):
                if full in self._constants:
                    return self._constants[full].astype(np.float32)
        raise ExportError(f"{self.path}: has no constant {names[0]}; this is no graph of Moonshine that is known here")

    def shaped(self, shape: tuple[int, ...]) -> Floats:
        """The one constant of a shape."""
        found = [value for value in self._constants.values() if value.shape == shape]
        if len(found) != 1:
            raise ExportError(f"{self.path}: has {len(found)} constants of the shape {shape}, expected one")
        return found[0].astype(np.float32)

    def operand(self, path: str, index: int) -> Floats:
        """A constant operand of the node at `path`, as floats."""
        return self._folded(self._node(path).input[index])

    def weight_of(self, *paths: str, operand: int = 1) -> Quantised:
        """The 8-bit weights of the product at the first of `paths` that is there."""
        node = self._node(*paths)
        if node.op_type == "MatMulIntegerToFloat":
            values, scale, zero = node.input[1], node.input[3], node.input[5]
        elif node.op_type == "DynamicQuantizeMatMul":
            values, scale, zero = node.input[1], node.input[2], node.input[3]
        elif node.input[operand] in self._constants and self._constants[node.input[operand]].dtype == np.uint8:
            name = node.input[operand].removesuffix("_quantized")
            values, scale, zero = node.input[operand], f"{name}_scale", f"{name}_zero_point"
        else:
            return self._affine(node.input[operand])
        return _signed(self._constants[values], float(self._constants[scale]), int(self._constants[zero]))

    def _affine(self, name: str) -> Quantised:
        """Weights made by Cast, Mul and Add of 8-bit integers, transposed or not: `scale * values + shift`."""
        transposed = False
        node = self._made_by.get(name)
        if node is not None and node.op_type == "Transpose":
            transposed, node = True, self._made_by.get(node.input[0])
        scaled = self._made_by.get(node.input[0]) if node is not None and node.op_type == "Add" else None
        cast = self._made_by.get(scaled.input[0]) if scaled is not None else None
        if node is None or scaled is None or cast is None or cast.input[0] not in self._constants:
            raise ExportError(f"{self.path}: {name} is not made of 8-bit integers, a scale and a shift")
        scale = float(self._constants[scaled.input[1]].reshape(()))
        shift = float(self._constants[node.input[1]].reshape(()))
        zero = -shift / scale
        if abs(zero - round(zero)) > 1e-3:
            raise ExportError(f"{self.path}: {name} has the zero point {zero}, expected a whole number")
        values = self._constants[cast.input[0]]
        return _signed(values.T if transposed else values, scale, round(zero))

    def _folded(self, name: str) -> Floats:
        """A constant, or one made of constants by Cast, Mul and Add, of any shape."""
        if name in self._constants:
            return self._constants[name].astype(np.float32)
        node = self._made_by.get(name)
        if node is None:
            raise ExportError(f"{self.path}: {name} is not a constant")
        if node.op_type == "Cast":
            return self._folded(node.input[0])
        if node.op_type in ("Mul", "Add"):
            left, right = (self._folded(operand) for operand in node.input)
            return left * right if node.op_type == "Mul" else left + right
        raise ExportError(f"{self.path}: {name} is made by {node.op_type}, expected a constant")

    def _node(self, *paths: str) -> onnx.NodeProto:
        for path in paths:
            for name in (path, f"{path}_quant"):
                if name in self._nodes:
                    return self._nodes[name]
        raise ExportError(f"{self.path}: has no node {paths[0]}; this is no graph of Moonshine that is known here")

    def _lay_open(self, graph: onnx.GraphProto) -> None:
        for constant in graph.initializer:
            self._constants[constant.name] = numpy_helper.to_array(constant)
        for node in graph.node:
            self._nodes[node.name] = node
            self._made_by.update(dict.fromkeys(node.output, node))
            for attribute in node.attribute:
                # Of a merged decoder, the branch that makes the cross-attention's keys and values has every weight.
                if attribute.name == "else_branch":
                    self._lay_open(attribute.g)


def _signed(values: npt.NDArray[np.generic], scale: float, zero: int) -> Quantised:
    """8-bit integers, signed or not, with one scale and zero point, as signed ones with one an output."""
    if values.dtype == np.uint8:
        values, zero = (values.astype(np.int16) - 128).astype(np.int8), zero - 128
    if values.dtype != np.int8 or not -128 <= zero <= 127:
        raise ExportError(f"weights of {values.dtype} with the zero point {zero}, expected 8 bits")
    outputs = values.shape[1]
    return Quantised(np.ascontiguousarray(values), np.full(outputs, scale, np.float32), np.full(outputs, zero, np.int8))


def as_onnx(path: Path) -> onnx.ModelProto:
    """Read a graph in ONNX Runtime's own format as ONNX, unoptimised; `ExportError` says why it cannot be read."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.save_model_format", "ONNX")
    options.log_severity_level = 4
    with tempfile.TemporaryDirectory(prefix="auricle-") as work:
        written = Path(work) / "graph.onnx"
        options.optimized_model_filepath = str(written)
        try:
            onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            model = onnx.load(written)
        except Exception as error:  # ONNX Runtime's errors have no common type
            raise ExportError(f"{path}: ONNX Runtime cannot read it: {error}") from error
    # The format does not keep the names of branches, and a graph without a name is not valid.
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                attribute.g.name = attribute.name
    return model
