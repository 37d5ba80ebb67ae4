"""A small writer of ONNX graphs: in come operators in order, out goes a checked model without leftovers.

Every value has the name that was given to it, every constant is one that a node reads, and the same calls give the same
bytes. What a matrix product is made of (`Products`) depends on the precision of the export.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
"""Has LayerNormalization; ONNX Runtime runs it from 1.13 on."""
IR_VERSION = 8
PRODUCER = "auricle-export"
STEPS = 63
"""Steps of an activation either way, around a zero point of 64. On x86 processors without VNNI ONNX Runtime adds
products of bytes in pairs of 16 bits: 128 x -128 twice is the lowest number that fits into them, so no unsigned byte
may be above 128."""
FINER = 128
"""Finer steps in a step, half of them either way: a power of two, so that no scaling by it rounds."""
ROUNDINGS = 3
"""What a rounding leaves is rounded again in finer steps, so that activations have 20 bits, close to a float's 24."""
COARSE_STEPS = 127
"""Steps either way, around a zero point of 128, of activations that are rounded once: all that a byte has."""
PAIR = 128
"""Sum of two weights, one after the other of an output, that bytes up to 255 may be multiplied by: in 16 bits, see
`STEPS`."""
MINIMUM_ORT = "1.20"
"""The oldest ONNX Runtime that Auricle loads; the graphs themselves would run on older ones."""

KEEP_NO_INTEGERS = ("session.disable_quant_qdq", "1")
"""The entry of a session's configuration with which stored integers become floats when a graph is loaded.

Without it ONNX Runtime 1.31.1 multiplies them by activations rounded to 8 bits, which is 2e-3 of a product off; 1.20.1
makes floats of them at every run. A cast, a difference and a product in place of `DequantizeLinear` would need no
entry, and three times the memory while a graph is loaded.
"""

Precision = Literal["fp32", "fp16", "int8"]
Array = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Shape:
    """A shape that only a run knows."""

    value: str
    """The vector of integers that holds it."""
    axes: tuple[int | str, ...]
    """Its sizes, by name or number."""


@dataclass(frozen=True, slots=True)
class Quantised:
    """Weights as 8-bit integers: `scale * (values - zero_point)`, [inputs, outputs], scale and zero point [outputs]."""

    values: npt.NDArray[np.int8]
    scale: npt.NDArray[np.float32]
    zero_point: npt.NDArray[np.int8]

    def floats(self) -> npt.NDArray[np.float32]:
        """The weights they stand for."""
        return (self.values.astype(np.float32) - self.zero_point.astype(np.float32)) * self.scale

    @staticmethod
    def beside(parts: "Sequence[Quantised]") -> "Quantised":
        """Several products of one input as a single product, outputs one after the other."""
        return Quantised(
            np.concatenate([part.values for part in parts], axis=1),
            np.concatenate([part.scale for part in parts]),
            np.concatenate([part.zero_point for part in parts]),
        )

    def scaled(self, factors: npt.NDArray[np.float32]) -> "Quantised":
        """The same integers, each output multiplied by its factor."""
        return Quantised(self.values, self.scale * factors, self.zero_point)

    def reordered(self, order: npt.NDArray[np.int64]) -> "Quantised":
        """The outputs in another order."""
        return Quantised(self.values[:, order], self.scale[order], self.zero_point[order])


@dataclass(frozen=True, slots=True)
class Unrounded:
    """Weights as a source that is not quantised has them, [inputs, outputs]."""

    values: npt.NDArray[np.float32]

    def floats(self) -> npt.NDArray[np.float32]:
        """The weights."""
        return self.values

    def rounded(self) -> Quantised:
        """The nearest 8-bit integers, one scale an output, by which its largest weight is 127 or -127."""
        return self._rounded_by(np.abs(self.values).max(axis=0) / np.float32(127))

    def rounded_in_pairs(self) -> Quantised:
        """As `rounded`, by scales that let no two inputs side by side (first and second, and so on) sum above `PAIR`.

        They may then meet activations that use the whole of a byte. Few outputs have both of their largest weights in a
        pair, so a scale is 1.2 of that of `rounded` (tiny.en), and not 2.
        """
        pairs = np.pad(self.values, ((0, len(self.values) % 2), (0, 0))).reshape(-1, 2, self.values.shape[1])
        # Half a step is what rounding adds to either.
        sums = np.abs(pairs.sum(axis=1)).max(axis=0) / np.float32(PAIR - 1)
        return self._rounded_by(np.maximum(sums, np.abs(self.values).max(axis=0) / np.float32(127)))

    def _rounded_by(self, step: npt.NDArray[np.float32]) -> Quantised:
        scale = np.where(step > 1e-32, step, 1.0).astype(np.float32)
        return Quantised(np.rint(self.values / scale).astype(np.int8), scale, np.zeros(scale.size, np.int8))


Weights = Quantised | Unrounded
"""Of a product. In int8 they must be rounded."""


class GraphWriter:
    """One graph as it is written. Values are named by scope: `layers.0.mlp.fc1`."""

    def __init__(self, name: str) -> None:
        """Start an empty graph."""
        self._name = name
        self._scope: list[str] = []
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._sized: list[onnx.ValueInfoProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._names: set[str] = set()

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Everything written inside is named below `name`."""
        self._scope.append(name)
        try:
            yield
        finally:
            self._scope.pop()

    def input(self, name: str, element: int, shape: Sequence[int | str]) -> str:
        """Declare an input; axes with a name are dynamic."""
        self._inputs.append(helper.make_tensor_value_info(self._claim(name), element, list(shape)))
        return name

    def output(self, name: str, element: int, shape: Sequence[int | str]) -> str:
        """Declare an output: the name of a value that a node makes."""
        self._outputs.append(helper.make_tensor_value_info(name, element, list(shape)))
        return name

    def constant(self, name: str, value: Array) -> str:
        """Add a constant to the scope."""
        full = self._claim(".".join([*self._scope, name]))
        self._constants[full] = numpy_helper.from_array(np.ascontiguousarray(value), full)
        return full

    def shared(self, name: str, value: Array) -> str:
        """Add a constant that belongs to no scope, once."""
        if name not in self._constants:
            self._names.add(name)
            self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def node(self, operator: str, inputs: Sequence[str], name: str, **attributes: object) -> str:
        """Add an operator with one result, called `name` in the scope (or `=name` for a name outside it)."""
        return self.nodes(operator, inputs, [name], **attributes)[0]

    def nodes(self, operator: str, inputs: Sequence[str], names: Sequence[str], **attributes: object) -> list[str]:
        """Add an operator with several results."""
        outputs = [
            self._claim(name[1:]) if name.startswith("=") else self._claim(".".join([*self._scope, name]))
            for name in names
        ]
        self._nodes.append(helper.make_node(operator, list(inputs), outputs, name=outputs[0], **attributes))
        return outputs

    def sized(self, name: str, element: int, shape: Sequence[int | str]) -> str:
        """Say of which shape a value is, where the operators that make it do not tell.

        ONNX Runtime plans which memory serves which values from sizes that it knows to be the same. Where they come
        without names it finds none, and spends most of the time that loading a graph of hundreds of operators takes.
        """
        self._sized.append(helper.make_tensor_value_info(name, element, list(shape)))
        return name

    def finish(self) -> onnx.ModelProto:
        """Give the model, checked; `ValueError` where a constant or a value is read by nobody."""
        read = {name for node in self._nodes for name in node.input} | {output.name for output in self._outputs}
        made = {name for node in self._nodes for name in node.output} | set(self._constants)
        if unused := sorted((made | {value.name for value in self._inputs}) - read):
            raise ValueError(f"{self._name}: nobody reads {', '.join(unused)}")
        constants = list(self._constants.values())
        graph = helper.make_graph(
            self._nodes, self._name, self._inputs, self._outputs, constants, value_info=self._sized
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = IR_VERSION
        model.producer_name = PRODUCER  # without a version: the same graph has the same hash in the next one
        onnx.checker.check_model(model, full_check=True)
        return model

    def _claim(self, name: str) -> str:
        if name in self._names:
            raise ValueError(f"{self._name}: {name} is there already")
        self._names.add(name)
        return name


def write(model: onnx.ModelProto, path: Path) -> None:
    """Write a model; the same model gives the same bytes."""
    path.write_bytes(model.SerializeToString(deterministic=True))


class Products:
    """Matrix products with constant weights, [1, rows, inputs] x [inputs, outputs], in one precision.

    int8 keeps weights as 8-bit integers. Where few rows are multiplied, reading the weights is what takes time, so
    int8 can multiply integers: activations are rounded to whole steps, what that leaves to finer ones, what that
    leaves to finer ones still, and all are multiplied in one operator, as a batch: the weights are read once. So
    little is lost that a row's result does not tell how many rows were computed with it, no more than floats do; with
    one rounding to 8 bits, a last bit of a float that falls otherwise can move an activation by a whole step. Where
    many rows are multiplied that would cost more than it saves. There the weights either become floats, once, when the
    graph is loaded, or meet activations rounded once (`coarse`), each row in 127 steps either way of its own, which
    takes half the time and is right where all rows come in one call anyway.
    fp16: weights and product in half precision, everything around them in single.
    """

    def __init__(
        self, writer: GraphWriter, precision: Precision, rows: str | None = None, coarse: bool = False
    ) -> None:
        """Write into `writer`. int8 multiplies integers: fine ones where `rows` names their axis, or `coarse` ones.

        Coarse products take weights that are `rounded_in_pairs`.
        """
        self._writer = writer
        self._precision = precision
        self._coarse = coarse and precision == "int8"
        self._integers = rows is not None and precision == "int8"
        self._rounded: dict[str, tuple[str, str | None, float]] = {}
        self._coarsely: dict[str, tuple[str, str]] = {}
        self._rows = rows or ""

    def normed(self, states: str, weight: npt.NDArray[np.float32], epsilon: float, name: str) -> str:
        """Layer normalisation without a shift, for products alone to read.

        Its results have a bound, sqrt of their number times the largest weight. There are steps enough to round
        all rows by that bound, and the step is divided out of the weight already.
        """
        step = float(np.sqrt(weight.size) * np.abs(weight).max() / STEPS) if self._integers else 1.0
        scale = self._writer.constant(f"{name}.weight", (weight / step).astype(np.float32))
        normed = self._writer.node("LayerNormalization", [states, scale], name, axis=-1, epsilon=epsilon)
        if self._integers:
            self._rounded[normed] = (self._planes(normed, name, 1), None, step)
        return normed

    def constant(self, weights: Weights, name: str) -> str:
        """Write the weights alone, as this precision stores them; `product` takes what it returns."""
        label = f"{name.removeprefix('=')}.weight"
        if self._precision == "int8":
            if not isinstance(weights, Quantised):
                raise ValueError(f"{label}: an int8 product takes weights that are rounded")
            return self._writer.constant(label, weights.values)
        floats = weights.floats()
        return self._writer.constant(label, floats.astype(np.float16) if self._precision == "fp16" else floats)

    def product(
        self,
        activations: str,
        weights: Weights,
        name: str,
        constant: str | None = None,
        shape: Shape | None = None,
    ) -> str:
        """Write `activations x weights`; the result is f32. `constant`: the weights, where they were written before.

        `shape`: of the result, where it is not [1, rows, outputs]: two axes that make the rows, and those that make
        the outputs.
        """
        writer, label = self._writer, name.removeprefix("=")
        constant = constant or self.constant(weights, name)
        if self._integers:
            return self._integer_product(activations, weights, constant, name, shape)
        if shape is not None:
            rows = self.product(activations, weights, f"{label}.together", constant)
            return writer.sized(writer.node("Reshape", [rows, shape.value], name), TensorProto.FLOAT, shape.axes)
        if self._precision == "fp16":
            half = writer.node("Cast", [activations], f"{label}.half", to=TensorProto.FLOAT16)
            product = writer.node("MatMul", [half, constant], f"{label}.product")
            return writer.node("Cast", [product], name, to=TensorProto.FLOAT)
        if self._coarse:
            return self._coarse_product(activations, weights, constant, name)
        if self._precision == "int8":
            constant = self._floats(constant, weights, label)
        return writer.node("MatMul", [activations, constant], name)

    def _floats(self, constant: str, weights: Quantised, label: str) -> str:
        """Stored integers as floats, which they become when the graph is loaded with `KEEP_NO_INTEGERS`."""
        writer = self._writer
        inputs = [constant, writer.constant(f"{label}.scale", weights.scale)]
        if weights.zero_point.any():
            inputs.append(writer.constant(f"{label}.zero_point", weights.zero_point))
        return writer.node("DequantizeLinear", inputs, f"{label}.floats", axis=1)

    def _integer_product(
        self, activations: str, weights: Quantised, constant: str, name: str, shape: Shape | None
    ) -> str:
        writer, label = self._writer, name.removeprefix("=")
        rounded, row_step, step = self._rounded_rows(activations)
        inputs = [rounded, constant, self._zero_point()]
        if weights.zero_point.any():
            inputs.append(writer.constant(f"{label}.zero_point", weights.zero_point))
        whole = writer.node("MatMulInteger", inputs, f"{label}.integers")
        single = writer.node("Cast", [whole], f"{label}.floats", to=TensorProto.FLOAT)
        # The sum of the planes, each in its steps, as a product with one row: ReduceSum takes several times as long.
        apart = writer.node("Reshape", [single, self._of_planes()], f"{label}.apart")
        shares = writer.shared("plane_steps", (1 / np.float32(FINER) ** np.arange(ROUNDINGS, dtype=np.float32))[None])
        joined = writer.node("MatMul", [shares, apart], f"{label}.joined")
        scale = (weights.scale * np.float32(step)).astype(np.float32)
        if shape is None:
            shape = Shape(self._of_rows(scale.size), (1, self._rows, scale.size))
        elif row_step is not None:
            raise ValueError(f"{label}: rows with steps of their own cannot be laid out as {shape.axes}")
        steps = writer.node("Reshape", [joined, shape.value], f"{label}.steps")
        writer.sized(steps, TensorProto.FLOAT, shape.axes)
        if row_step is not None:
            steps = writer.node("Mul", [steps, row_step], f"{label}.rows")
        return writer.node("Mul", [steps, writer.constant(f"{label}.scale", scale.reshape(shape.axes[2:]))], name)

    def _coarse_product(self, activations: str, weights: Quantised, constant: str, name: str) -> str:
        writer, label = self._writer, name.removeprefix("=")
        if weights.zero_point.any():
            raise ValueError(f"{label}: coarse products take weights around zero")
        rounded, row_step = self._coarse_rows(activations)
        zero_point = writer.shared("coarse_zero_point", np.array(COARSE_STEPS + 1, np.uint8))
        whole = writer.node("MatMulInteger", [rounded, constant, zero_point], f"{label}.integers")
        single = writer.node("Cast", [whole], f"{label}.floats", to=TensorProto.FLOAT)
        rows = writer.node("Mul", [single, row_step], f"{label}.rows")
        return writer.node("Mul", [rows, writer.constant(f"{label}.scale", weights.scale)], name)

    def _coarse_rows(self, activations: str) -> tuple[str, str]:
        """The integers, and each row's step."""
        if activations not in self._coarsely:
            writer = self._writer
            base = activations.rpartition(".")[2]
            divisor = self._largest(activations, base)
            share = writer.shared("coarse_step", np.array(1 / COARSE_STEPS, np.float32))
            step = writer.node("Mul", [divisor, share], f"{base}.step")
            unit = writer.node("Div", [activations, step], f"{base}.unit")
            one = writer.shared("one_step", np.array(1, np.float32))
            zero_point = writer.shared("coarse_zero_point", np.array(COARSE_STEPS + 1, np.uint8))
            integers = writer.node("QuantizeLinear", [unit, one, zero_point], f"{base}.integers")
            self._coarsely[activations] = (integers, step)
        return self._coarsely[activations]

    def _rounded_rows(self, activations: str) -> tuple[str, str | None, float]:
        """The integers, each row's own step (where it has one) and the step common to all."""
        if activations not in self._rounded:
            base = activations.rpartition(".")[2]
            divisor = self._largest(activations, base)
            unit = self._writer.node("Div", [activations, divisor], f"{base}.unit")
            self._rounded[activations] = (self._planes(unit, base, STEPS), divisor, 1 / STEPS)
        return self._rounded[activations]

    def _largest(self, activations: str, base: str) -> str:
        """The largest magnitude of each row, [1, rows, 1], to divide by."""
        writer = self._writer
        magnitude = writer.node("Abs", [activations], f"{base}.magnitude")
        largest = writer.node("ReduceMax", [magnitude], f"{base}.largest", axes=[-1], keepdims=1)
        least = writer.shared("least_magnitude", np.array(1e-9, np.float32))
        return writer.node("Max", [largest, least], f"{base}.divisor")

    def _planes(self, states: str, base: str, steps: int) -> str:
        """Activations [1, rows, inputs], of which `steps` times are -63 to 63, as integers [roundings, rows, inputs].

        A plane is what rounding to the steps of the one before has left, in its own steps. Both come of the activations
        scaled alike but for a power of two, so they are rounded from the very same number.
        """
        writer = self._writer
        finer = (steps * np.float32(FINER) ** np.arange(-1, ROUNDINGS - 1, dtype=np.float32))[:, None, None]
        scaled = writer.node("Mul", [states, writer.shared(f"coarser_steps.{steps}", finer)], f"{base}.coarser")
        whole = writer.node("Round", [scaled], f"{base}.whole")
        left = writer.node("Sub", [scaled, whole], f"{base}.left")
        step = writer.shared("finer_step", np.array(1 / FINER, np.float32))
        return writer.node("QuantizeLinear", [left, step, self._zero_point()], f"{base}.integers")

    def _of_planes(self) -> str:
        return self._writer.shared("of_planes", np.array([ROUNDINGS, -1], np.int64))

    def _of_rows(self, outputs: int) -> str:
        return self._writer.shared(f"of_rows.{outputs}", np.array([1, -1, outputs], np.int64))

    def _zero_point(self) -> str:
        return self._writer.shared("activation_zero_point", np.array(STEPS + 1, np.uint8))
