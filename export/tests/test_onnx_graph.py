"""The writer of graphs, and products in each precision, run by ONNX Runtime and compared with float64."""

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from auricle_export.onnx_graph import (
    COARSE_STEPS,
    FINER,
    IR_VERSION,
    KEEP_NO_INTEGERS,
    OPSET,
    PAIR,
    ROUNDINGS,
    STEPS,
    GraphWriter,
    Products,
    Quantised,
    Unrounded,
)
from onnx import TensorProto, helper

INPUTS, OUTPUTS = 96, 40
WITHIN = 2e-6
"""Of integer products; floats leave 1e-7, two roundings instead of three 1e-4."""
LARGEST = 128
"""Byte of an activation."""
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


def weights(seed: int, outputs: int = OUTPUTS, zero_points: bool = True) -> Quantised:
    """Weights of every size an int8 has, with scales of three decades."""
    rng = np.random.default_rng(seed)
    zeros = rng.integers(-20, 20, outputs) if zero_points else np.zeros(outputs)
    return Quantised(
        rng.integers(-128, 128, (INPUTS, outputs)).astype(np.int8),
        (10.0 ** rng.uniform(-4, -1, outputs)).astype(np.float32),
        zeros.astype(np.int8),
    )


def graph(
    precision: str, chosen: Quantised, integers: bool = True, norm: Floats | None = None, coarse: bool = False
) -> onnx.ModelProto:
    """`y = x times chosen` [1, rows, outputs]; of `norm` the weight of a layer normalisation before it."""
    writer = GraphWriter("products")
    products = Products(writer, precision, "rows" if integers else None, coarse)  # type: ignore[arg-type]
    states = writer.input("x", TensorProto.FLOAT, [1, "rows", INPUTS])
    with writer.scope("layer"):
        if norm is not None:
            states = products.normed(states, norm, 1e-5, "norm")
        products.product(states, chosen, "=y")
    writer.output("y", TensorProto.FLOAT, [1, "rows", chosen.values.shape[1]])
    return writer.finish()


def run(model: onnx.ModelProto, rows: Floats, *more: str) -> list[npt.NDArray[np.generic]]:
    """`y` [rows, outputs], then the values called `more`."""
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
    elements = {value.name: value.type.tensor_type.elem_type for value in inferred}
    shown.graph.output.extend(helper.make_tensor_value_info(name, elements[name], None) for name in more)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry(*KEEP_NO_INTEGERS)
    session = onnxruntime.InferenceSession(shown.SerializeToString(), options, providers=["CPUExecutionProvider"])
    y, *others = session.run(["y", *more], {"x": rows[None]})
    return [y[0], *others]


def integers_of(model: onnx.ModelProto) -> str:
    """The activations of the one integer product."""
    (name,) = {node.input[0] for node in model.graph.node if node.op_type == "MatMulInteger"}
    return name


def exact(rows: Floats, chosen: Quantised) -> Doubles:
    """The product in float64."""
    floats = (chosen.values.astype(np.float64) - chosen.zero_point) * chosen.scale.astype(np.float64)
    return rows.astype(np.float64) @ floats


def normalised(rows: Floats, weight: Floats) -> Doubles:
    """Layer normalisation in float64."""
    centred = rows.astype(np.float64) - rows.mean(axis=1, keepdims=True, dtype=np.float64)
    return centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5) * weight


def activations(rows: int = 8, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).standard_normal((rows, INPUTS)).astype(np.float32)


def relative(found: npt.NDArray[np.generic], expected: Doubles, rows: Floats, chosen: Quantised) -> float:
    """The largest error, as a share of what the norms of row and column allow the product to be."""
    columns = np.linalg.norm((chosen.values.astype(np.float64) - chosen.zero_point) * chosen.scale, axis=0)
    return float((np.abs(found - expected) / np.outer(np.linalg.norm(rows.astype(np.float64), axis=1), columns)).max())


HARD = {
    "ordinary": activations(),
    "one row": activations(1),
    "huge": activations() * np.float32(1e30),
    "small": activations() * np.float32(1e-6),
    "of all sizes": activations(16) * (10.0 ** np.linspace(-7, 30, 16, dtype=np.float32))[:, None],
    "one outlier a row": activations() + np.float32(1e4) * np.eye(8, INPUTS, dtype=np.float32),
    "halves of a step": np.tile(np.arange(-63, 63.5, 0.5, dtype=np.float32)[:INPUTS], (2, 1)),
    "constant": np.full((3, INPUTS), -0.7, np.float32),
}


@pytest.mark.parametrize("rows", HARD.values(), ids=HARD)
def test_integer_products_are_as_good_as_floats(rows: Floats) -> None:
    """Three roundings leave 20 bits; and no integer above 128 goes in, whatever the row."""
    for chosen in (weights(1), weights(2, zero_points=False)):
        model = graph("int8", chosen)
        found, whole = run(model, rows, integers_of(model))
        assert whole.dtype == np.uint8
        assert whole.shape == (ROUNDINGS, len(rows), INPUTS)
        assert whole.max() <= LARGEST
        assert relative(found, exact(rows, chosen), rows, chosen) < WITHIN


def test_a_row_of_zeros_is_zeros_and_its_neighbours_are_not_harmed() -> None:
    rows, chosen = activations(), weights(1)
    rows[[0, 3, 7]] = 0
    model = graph("int8", chosen)
    found, whole = run(model, rows, integers_of(model))
    assert not found[[0, 3, 7]].any()
    assert (whole[:, [0, 3, 7]] == STEPS + 1).all()
    others = [1, 2, 4, 5, 6]
    assert relative(found[others], exact(rows[others], chosen), rows[others], chosen) < WITHIN
    assert not run(model, np.zeros((2, INPUTS), np.float32))[0].any()


def test_a_row_too_faint_to_matter_stays_faint() -> None:
    """Below 1e-9 a row is rounded in the steps of 1e-9: its error is small, if not relative to itself."""
    rows, chosen = activations() * np.float32(1e-13), weights(1)
    found = run(graph("int8", chosen), rows)[0]
    finest = 1e-9 / STEPS / FINER ** (ROUNDINGS - 1)
    assert np.abs(found - exact(rows, chosen)).max() < finest * np.abs(chosen.floats()).sum(axis=0).max()


def test_a_row_does_not_depend_on_the_others() -> None:
    """To the last bit: what a draft verifies must be what single steps compute."""
    rows, chosen = HARD["of all sizes"], weights(1)
    model = graph("int8", chosen)
    together = run(model, rows)[0]
    for place in range(len(rows)):
        np.testing.assert_array_equal(run(model, rows[place : place + 1])[0][0], together[place])
    np.testing.assert_array_equal(run(model, rows[::-1])[0][::-1], together)


@pytest.mark.parametrize("rows", HARD.values(), ids=HARD)
def test_normed_rows_never_exceed_their_bound(rows: Floats) -> None:
    """A normalised row has the whole bound at most: where one place holds all of it, at the largest weight."""
    weight = np.linspace(-1.5, 2.5, INPUTS, dtype=np.float32)
    peak = np.zeros((2, INPUTS), np.float32)
    peak[0, -1], peak[1, 0] = 1e3, -1e3
    rows = np.concatenate([np.clip(rows, -1e15, 1e15), peak])  # the square of a huge one is not a float
    chosen = weights(1)
    model = graph("int8", chosen, norm=weight)
    found, whole = run(model, rows, integers_of(model))
    assert whole.max() <= LARGEST
    expected = normalised(rows, weight)
    bound = np.full_like(rows, np.sqrt(INPUTS) * weight.max())  # the steps are the bound's, not the row's
    assert relative(found, exact(expected.astype(np.float32), chosen), bound, chosen) < WITHIN


def test_bytes_of_at_most_128_cannot_saturate() -> None:
    """Two products of the largest bytes fit into 16 bits, where x86 without VNNI adds them; of 255 they would not."""
    words = np.iinfo(np.int16)
    assert words.min <= 2 * LARGEST * -128
    assert 2 * LARGEST * 127 <= words.max < 2 * 255 * 127
    # The worst case itself, on this processor: half a step below an even one leaves 64 finer steps.
    worst = Quantised(np.full((INPUTS, 2), -128, np.int8), np.ones(2, np.float32), np.zeros(2, np.int8))
    rows = np.full((1, INPUTS), -0.5, np.float32)
    rows[0, 0] = 1
    model = graph("int8", worst)
    found, whole = run(model, rows, integers_of(model))
    assert (whole[1, 0, 1:] == LARGEST).all()
    assert found[0, 0] == pytest.approx(-128.0 * rows.sum(), rel=1e-6)


def test_one_rounding_serves_all_products_of_the_same_activations() -> None:
    writer = GraphWriter("twice")
    products = Products(writer, "int8", "rows")
    writer.input("x", TensorProto.FLOAT, [1, "rows", INPUTS])
    for name in ("a", "b"):
        products.product("x", weights(1), f"={name}")
        writer.output(name, TensorProto.FLOAT, [1, "rows", OUTPUTS])
    kinds = [node.op_type for node in writer.finish().graph.node]
    assert (kinds.count("QuantizeLinear"), kinds.count("MatMulInteger")) == (1, 2)


@pytest.mark.parametrize(("precision", "within"), [("fp32", 1e-6), ("int8", 1e-6), ("fp16", 2e-4)])
def test_products_of_floats(precision: str, within: float) -> None:
    """int8 where many rows are multiplied: stored as integers, multiplied as floats."""
    chosen, rows = weights(1), activations()
    model = graph(precision, chosen, integers=False)
    assert relative(run(model, rows)[0], exact(rows, chosen), rows, chosen) < within
    stored = {each.name: each.data_type for each in model.graph.initializer}["layer.y.weight"]
    assert stored == {"fp32": TensorProto.FLOAT, "int8": TensorProto.INT8, "fp16": TensorProto.FLOAT16}[precision]
    assert "MatMulInteger" not in {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("rows", HARD.values(), ids=HARD)
def test_coarse_products_round_once_a_row(rows: Floats) -> None:
    """By at most half a step of the row, and each row by its own alone, whatever rows come with it."""
    chosen = weights(2, zero_points=False)
    model = graph("int8", chosen, integers=False, coarse=True)
    found, whole = run(model, rows, integers_of(model))
    assert whole.dtype == np.uint8
    assert (whole[0].astype(int) - (COARSE_STEPS + 1) >= -COARSE_STEPS).all()
    step = np.abs(rows).max(axis=1).astype(np.float64) / COARSE_STEPS
    columns = np.abs(chosen.values.astype(np.float64) * chosen.scale).sum(axis=0)
    assert (np.abs(found - exact(rows, chosen)) <= np.outer(step / 2, columns) * 1.0001).all()
    for place, row in enumerate(rows):
        np.testing.assert_array_equal(run(model, row[None])[0][0], found[place])


def test_coarse_products_of_nothing_are_nothing() -> None:
    chosen = weights(2, zero_points=False)
    assert not run(graph("int8", chosen, integers=False, coarse=True), np.zeros((2, INPUTS), np.float32))[0].any()


def test_coarse_products_take_weights_around_zero() -> None:
    with pytest.raises(ValueError, match="y: coarse products take weights around zero"):
        graph("int8", weights(1), integers=False, coarse=True)


def test_pairs_of_weights_fit_into_16_bits() -> None:
    """With activations of 255; weights are rounded by half a step at most, and some use nearly all that there is."""
    rng = np.random.default_rng(9)
    plain = rng.normal(0, 1, (INPUTS - 1, OUTPUTS)).astype(np.float32)
    plain[:, 0], plain[:, 1], plain[:2, 2] = 1, 0, -1
    plain[4:6, 3] = 9, -9
    rounded = Unrounded(plain).rounded_in_pairs()
    values = rounded.values.astype(int)
    sums = np.abs(values[:-1].reshape(-1, 2, OUTPUTS).sum(axis=1)).max(axis=0)
    assert sums.max() <= PAIR
    assert sums.max() * 255 < 2**15
    assert (np.abs(values).max(axis=0)[2:] > 63).all()
    assert not values[:, 1].any()
    assert np.abs(values[:, 3]).max() == 127  # of opposite signs they do not add up
    assert (np.abs(rounded.floats() - plain) <= rounded.scale / 2 * 1.0001).all()
    np.testing.assert_array_equal(Unrounded(plain * 3).rounded_in_pairs().values, rounded.values)


def test_weights_stay_what_they_stand_for() -> None:
    """Side by side, scaled, reordered: the floats they stand for are side by side, scaled, reordered."""
    left, right = weights(1), weights(2, outputs=8)
    np.testing.assert_array_equal(
        Quantised.beside([left, right]).floats(), np.concatenate([left.floats(), right.floats()], axis=1)
    )
    factors = np.linspace(0.5, 2, OUTPUTS, dtype=np.float32)
    np.testing.assert_allclose(left.scaled(factors).floats(), left.floats() * factors, rtol=1e-6)
    order = np.random.default_rng(0).permutation(OUTPUTS)
    np.testing.assert_array_equal(left.reordered(order).floats(), left.floats()[:, order])


def test_a_graph_is_named_checked_and_the_same_again() -> None:
    first, second = (graph("int8", weights(1), norm=np.ones(INPUTS, np.float32)) for _ in range(2))
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)
    onnx.checker.check_model(first, full_check=True)
    assert (first.ir_version, first.opset_import[0].version) == (IR_VERSION, OPSET)
    assert first.graph.name == "products"
    assert {node.name for node in first.graph.node} >= {"layer.norm", "y", "layer.norm.integers"}
    assert [axis.dim_param for axis in first.graph.input[0].type.tensor_type.shape.dim] == ["", "rows", ""]


def test_what_nobody_reads_is_refused() -> None:
    """A constant, a value or an input without a reader is a leftover, and the message names it."""
    writer = GraphWriter("leftovers")
    writer.input("x", TensorProto.FLOAT, [1])
    writer.input("idle", TensorProto.FLOAT, [1])
    with writer.scope("layers.0"):
        writer.constant("scale", np.ones(1, np.float32))
        writer.node("Neg", ["x"], "minus")
    writer.node("Abs", ["x"], "=y")
    writer.output("y", TensorProto.FLOAT, [1])
    with pytest.raises(ValueError, match=r"leftovers: nobody reads idle, layers\.0\.minus, layers\.0\.scale"):
        writer.finish()


def test_a_name_is_given_once() -> None:
    writer = GraphWriter("twins")
    writer.input("x", TensorProto.FLOAT, [1])
    writer.node("Neg", ["x"], "minus")
    with pytest.raises(ValueError, match="twins: minus is there already"):
        writer.node("Neg", ["x"], "minus")
    with writer.scope("other"):
        assert writer.node("Neg", ["x"], "minus") == "other.minus"
    assert writer.shared("one", np.ones(1)) == writer.shared("one", np.ones(1)) == "one"


def test_floats_are_rounded_by_half_a_step_at_most() -> None:
    """One scale an output; an output without weights stays without, and no byte is -128."""
    rng = np.random.default_rng(8)
    plain = (rng.normal(0, 1, (INPUTS, OUTPUTS)) * 10.0 ** rng.uniform(-4, 2, OUTPUTS)).astype(np.float32)
    plain[:, 3] = 0
    rounded = Unrounded(plain).rounded()
    step = np.abs(plain).max(axis=0) / 127
    assert (np.abs(rounded.floats() - plain) <= step / 2 * 1.001).all()
    assert np.abs(rounded.values.astype(int)).max() == 127
    assert not rounded.values[:, 3].any()
    assert not rounded.zero_point.any()


def test_int8_takes_no_floats() -> None:
    writer = GraphWriter("products")
    with pytest.raises(ValueError, match=r"y\.weight: an int8 product takes weights that are rounded"):
        Products(writer, "int8").constant(Unrounded(np.ones((2, 2), np.float32)), "y")
