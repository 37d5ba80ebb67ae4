"""Moonshine's four graphs, written from its weights (Jeffries et al., arXiv 2410.15608).

- `stem`: `input_values` f32 [1, samples] -> `convolved` f32 [1, pieces, 2 x hidden], one every 192 samples; `means` and
  `squares` f32 [1, slices], one every 64 samples
- `encoder`: `convolved`, and `mean` and `variance` f32 [1] of all the slices -> `last_hidden_state` f32
  [1, frames, hidden]
- `cross_kv`: `encoder_hidden_states` f32 [1, frames, hidden] -> `past_key_values.{i}.encoder.{key,value}` f32
  [1, heads, frames, width]
- `step`: `input_ids` i64 [batch, tokens], past keys and values, `encoder_mask` f32 [batch, 1, 1, frames] -> `logits`
  f32 [batch, tokens, vocabulary], `present.{i}.decoder.{key,value}` f32 [batch, heads, past + tokens, width],
  `cross_attention` f32 [batch, chosen heads, tokens, frames]

A step takes any number of tokens after any number of past ones, none included, each seeing itself and those before it.
Pieces of audio in a batch are read side by side, as many tokens of each. Keys and values of one that is shorter than
the longest are filled up, and the mask, added to the scores of the attention to the audio, is 0 where a frame is the
piece's own and -inf where it is not.
"""

import numpy as np
import onnx

from auricle_export.attention_graph import FLOAT, INT64, AttentionWriter, Heads
from auricle_export.moonshine.weights import DecoderLayer, EncoderLayer, Floats, Moonshine
from auricle_export.onnx_graph import Precision, Quantised

NORM_EPSILON = 1e-5
LAST = np.iinfo(np.int64).max
"""Where a slice ends that goes to the end."""


class Writer(AttentionWriter):
    """What Moonshine's graphs have in common: norms, rotation, heads made of turned products."""

    def __init__(self, name: str, model: Moonshine, precision: Precision, rows: str | None = None) -> None:
        """Start a graph. `rows`: see `Products`."""
        super().__init__(name, model.hidden, model.heads, precision, rows)
        self.model = model

    def norm(self, states: str, weight: Floats, name: str) -> str:
        """Layer normalisation, for products to read."""
        return self.products.normed(states, weight, NORM_EPSILON, name)

    def rotation(self, positions: str) -> tuple[str, str]:
        """Cosines and sines [positions, width] of the positions i64 [positions].

        Pairs of a head's dimensions stand apart by half of those that turn (`_turning_apart`); the rest do not turn.
        """
        frequencies = self.model.rotary_frequencies
        still = np.zeros(self.model.width - 2 * frequencies.size, np.float32)
        # The sine of the first of a pair is negative, the cosine is the same.
        signed = np.concatenate([-frequencies, frequencies, still])[None]
        graph = self.graph
        with graph.scope("rotation"):
            column = graph.node("Unsqueeze", [positions, self.ints(1)], "column")
            single = graph.node("Cast", [column], "positions", to=FLOAT)
            angles = graph.node("Mul", [single, graph.constant("frequencies", signed)], "angles")
            return graph.node("Cos", [angles], "cosines"), graph.node("Sin", [angles], "sines")

    def rotated(self, states: str, rotation: tuple[str, str], name: str) -> str:
        """States [..., positions, width] turned by their positions."""
        graph = self.graph
        half = self.model.rotary_frequencies.size
        sizes = self.ints(half, half, self.model.width - 2 * half)
        parts = graph.nodes(
            "Split", [states, sizes], [f"{name}.{part}" for part in ("first", "second", "still")], axis=-1
        )
        swapped = graph.node("Concat", [parts[1], parts[0], parts[2]], f"{name}.swapped", axis=-1)
        straight = graph.node("Mul", [states, rotation[0]], f"{name}.straight")
        across = graph.node("Mul", [swapped, rotation[1]], f"{name}.across")
        return graph.node("Add", [straight, across], name)

    def self_attention(
        self, states: str, layer: EncoderLayer | DecoderLayer, rotation: tuple[str, str]
    ) -> tuple[str, str, str]:
        """Queries, keys and values f32 [batch, heads, positions, width], queries and keys turned."""
        graph, model = self.graph, self.model
        together = Quantised.beside(
            [
                _turning_apart(_for_softmax(layer.query, model), model),
                _turning_apart(layer.key, model),
                layer.value,
            ]
        )
        count = model.heads
        heads = self.by_head(states, together, 3 * count, ("qkv", "heads"))
        turning, value = graph.nodes("Split", [heads, self.ints(2 * count, count)], ["turning", "value"], axis=1)
        turned = self.rotated(turning, rotation, "turned")
        query, key = graph.nodes("Split", [turned, self.ints(count, count)], ["query", "key"], axis=1)
        return query, key, value


def stem(model: Moonshine, precision: Precision) -> onnx.ModelProto:
    """Raw audio to what the encoder needs of it and what no other audio changes: 83.3 pieces a second.

    Two convolutions with a norm between them, of which mean and variance are those of everything that is heard. It is
    affine, so the second convolution is computed without it, and `encoder` applies it to the results. `means` and
    `squares` are those of a slice, over its channels; what they are on average makes mean and variance. No value
    depends on audio but the 511 samples at most that it is computed from, so pieces of audio give what the whole gives.
    """
    writer = Writer("moonshine_stem", model, precision)
    graph, weights = writer.graph, model.convolutions
    audio = graph.input("input_values", FLOAT, [1, "samples"])
    with graph.scope("conv1"):
        channel = graph.node("Unsqueeze", [audio, writer.ints(1)], "channel")
        first = graph.node("Conv", [channel, graph.constant("weight", weights.first)], "conv", strides=[64])
        rows = graph.node("Transpose", [graph.node("Tanh", [first], "tanh")], "slices", perm=[0, 2, 1])
        slices = graph.sized(rows, FLOAT, [1, "slices", model.hidden])
        share = graph.constant("share", np.full((model.hidden, 1), 1 / model.hidden, np.float32))
        square = graph.node("Mul", [slices, slices], "square")
        for values, name in ((slices, "means"), (square, "squares")):
            column = graph.node("MatMul", [values, share], f"{name}.column")
            graph.node("Squeeze", [column, writer.ints(2)], f"={name}")
    with graph.scope("conv2"):
        scaled = weights.second * weights.norm_scale[None, :, None]
        _convolved(writer, slices, scaled, 3, "=convolved")
    graph.output("convolved", FLOAT, [1, "pieces", 2 * model.hidden])
    graph.output("means", FLOAT, [1, "slices"])
    graph.output("squares", FLOAT, [1, "slices"])
    return graph.finish()


def encoder(model: Moonshine, precision: Precision) -> onnx.ModelProto:
    """What `stem` gives of audio to states, 41.7 frames a second."""
    writer = Writer("moonshine_encoder", model, precision)
    graph = writer.graph
    convolved = graph.input("convolved", FLOAT, [1, "pieces", 2 * model.hidden])
    statistics = graph.input("mean", FLOAT, [1]), graph.input("variance", FLOAT, [1])
    states = graph.sized(_frames(writer, convolved, *statistics), FLOAT, [1, "frames", model.hidden])
    length = graph.node("Shape", [states], "frames", start=1, end=2)
    count = graph.node("Squeeze", [length, writer.ints(0)], "frame_count")
    scalars = [graph.shared(f"int.{value}", np.array(value, np.int64)) for value in (0, 1)]
    positions = graph.node("Range", [scalars[0], count, scalars[1]], "positions")
    rotation = writer.rotation(graph.sized(positions, INT64, ["frames"]))
    for index, layer in enumerate(model.encoder):
        with graph.scope(f"layers.{index}.self_attn"):
            normed = writer.norm(states, layer.attention_norm, "norm")
            query, key, value = writer.self_attention(normed, layer, rotation)
            context, _ = writer.attended(query, key, value, None)
            projected = writer.products.product(context, layer.attention_out, "out")
            states = graph.node("Add", [states, projected], "residual")
        with graph.scope(f"layers.{index}.mlp"):
            normed = writer.norm(states, layer.mlp_norm, "norm")
            inner = writer.add(writer.products.product(normed, layer.mlp_in, "fc1"), layer.mlp_in_bias, "inner")
            active = writer.gelu(inner, "active")
            outer = writer.add(writer.products.product(active, layer.mlp_out, "fc2"), layer.mlp_out_bias, "outer")
            states = graph.node("Add", [states, outer], "residual")
    weight = graph.constant("norm.weight", model.encoder_norm)
    graph.node("LayerNormalization", [states, weight], "=last_hidden_state", axis=-1, epsilon=NORM_EPSILON)
    graph.output("last_hidden_state", FLOAT, [1, "frames", model.hidden])
    return graph.finish()


def _frames(writer: Writer, convolved: str, mean: str, variance: str) -> str:
    """The norm applied to what `stem` gives, and a third convolution: strides of 64, 3 and 2, 384 samples a frame."""
    graph, weights = writer.graph, writer.model.convolutions
    with graph.scope("conv2"):
        # (slices - mean) / deviation, convolved: the mean of all slices adds the same to every piece.
        raised = graph.node("Add", [variance, writer.number("norm_epsilon", NORM_EPSILON)], "variance")
        scale = graph.node("Reciprocal", [graph.node("Sqrt", [raised], "deviation")], "scale")
        shift = weights.second_bias + np.einsum("oik,i->o", weights.second, weights.norm_shift, dtype=np.float64)
        whole = np.einsum("oik,i->o", weights.second, weights.norm_scale, dtype=np.float64)
        centre = graph.node("Mul", [mean, scale], "centre")
        offset = graph.node("Mul", [centre, graph.constant("of_mean", whole.astype(np.float32))], "offset")
        bias = graph.node("Sub", [graph.constant("bias", shift.astype(np.float32)), offset], "shift")
        scaled = graph.node("Mul", [convolved, scale], "scaled")
        states = writer.gelu(graph.node("Add", [scaled, bias], "normed"), "active")
    with graph.scope("conv3"):
        third = _convolved(writer, states, weights.third, 2, "conv")
        return writer.gelu(writer.add(third, weights.third_bias, "biased"), "active")


def _convolved(writer: Writer, states: str, weight: Floats, stride: int, name: str) -> str:
    """Convolution of states [1, positions, inputs] with a weight [outputs, inputs, width], as one product.

    The states of a place lie beside each other as they do for the product that follows, and what pieces of audio give
    can be put one after the other. ONNX's own convolution has channels outermost.
    """
    graph = writer.graph
    outputs, inputs, width = weight.shape
    steps = writer.ints(stride)
    beside = [
        graph.node(
            "Slice",
            [states, writer.ints(tap), writer.ints(tap - width + 1 or LAST), writer.ints(1), steps],
            f"tap{tap}",
        )
        for tap in range(width)
    ]
    rows = graph.node("Concat", beside, "taps", axis=2)
    product = graph.constant("weight", weight.transpose(2, 1, 0).reshape(width * inputs, outputs))
    return graph.node("MatMul", [rows, product], name)


def cross_kv(model: Moonshine, precision: Precision) -> onnx.ModelProto:
    """Encoder states to every layer's keys and values of the cross-attention."""
    writer = Writer("moonshine_cross_kv", model, precision)
    graph = writer.graph
    states = graph.input("encoder_hidden_states", FLOAT, [1, "frames", model.hidden])
    every = Quantised.beside([part for layer in model.decoder for part in (layer.cross_key, layer.cross_value)])
    parts = 2 * len(model.decoder)
    heads = writer.by_head(states, every, parts * model.heads, ("keys_and_values", "heads"))
    names = [f"past_key_values.{i}.encoder.{what}" for i in range(len(model.decoder)) for what in ("key", "value")]
    graph.nodes("Split", [heads, writer.ints(*[model.heads] * parts)], [f"={name}" for name in names], axis=1)
    for name in names:
        graph.output(name, FLOAT, [1, model.heads, "frames", model.width])
    return graph.finish()


def step(model: Moonshine, precision: Precision, alignment_heads: Heads) -> onnx.ModelProto:
    """Tokens to logits, with the keys and values of the tokens before them."""
    writer = Writer("moonshine_step", model, precision, "rows")
    graph = writer.graph
    tokens = graph.input("input_ids", INT64, ["batch", "tokens"])
    past: list[tuple[str, ...]] = []
    for index in range(len(model.decoder)):
        names = [
            f"past_key_values.{index}.{side}.{what}" for side in ("decoder", "encoder") for what in ("key", "value")
        ]
        for name in names:
            length = "past" if ".decoder." in name else "frames"
            graph.input(name, FLOAT, ["batch", model.heads, length, model.width])
        past.append(tuple(names))
    encoder_mask = graph.input("encoder_mask", FLOAT, ["batch", 1, 1, "frames"])
    writer.lines = graph.node("Shape", [tokens], "lines")
    table = writer.products.constant(model.projection, "logits")
    states = _embedded(writer, tokens, table)
    positions, mask = writer.positions(tokens, past[0][0])
    rotation = writer.rotation(positions)
    for index, layer in enumerate(model.decoder):
        past_key, past_value, cross_key, cross_value = past[index]
        with graph.scope(f"layers.{index}.self_attn"):
            normed = writer.norm(states, layer.attention_norm, "norm")
            query, key, value = writer.self_attention(normed, layer, rotation)
            keys = graph.node("Concat", [past_key, key], f"=present.{index}.decoder.key", axis=2)
            values = graph.node("Concat", [past_value, value], f"=present.{index}.decoder.value", axis=2)
            context, _ = writer.attended(query, keys, values, mask)
            projected = writer.products.product(context, layer.attention_out, "out")
            states = graph.node("Add", [states, projected], "residual")
        with graph.scope(f"layers.{index}.cross_attn"):
            normed = writer.norm(states, layer.cross_norm, "norm")
            query = writer.by_head(normed, _for_softmax(layer.cross_query, model), model.heads, ("q", "query"))
            context, weights = writer.attended(query, cross_key, cross_value, encoder_mask)
            writer.align(weights, index, alignment_heads)
            projected = writer.products.product(context, layer.cross_out, "out")
            states = graph.node("Add", [states, projected], "residual")
        with graph.scope(f"layers.{index}.mlp"):
            states = _gated(writer, states, layer)
    normed = writer.norm(states, model.decoder_norm, "norm")
    writer.products.product(normed, model.projection, "=logits", table, writer.laid_out(model.vocabulary))
    graph.output("logits", FLOAT, ["batch", "tokens", model.vocabulary])
    for index in range(len(model.decoder)):
        for what in ("key", "value"):
            graph.output(f"present.{index}.decoder.{what}", FLOAT, ["batch", model.heads, "present", model.width])
    writer.show(alignment_heads)
    return graph.finish()


def _embedded(writer: Writer, tokens: str, table: str) -> str:
    """Tokens [batch, tokens] as states [1, rows, hidden]: columns of the projection, which is the embedding."""
    graph, weights = writer.graph, writer.model.projection
    with graph.scope("embedding"):
        line = graph.node("Reshape", [tokens, writer.ints(1, -1)], "tokens")
        columns = graph.node("Gather", [table, graph.sized(line, INT64, [1, "rows"])], "columns", axis=1)
        rows = graph.node("Transpose", [columns], "rows", perm=[1, 2, 0])
        if writer.precision == "fp32":
            return rows
        single = graph.node("Cast", [rows], "single", to=FLOAT)
        if writer.precision == "fp16":
            return single
        zero, scale = weights.zero_point[:1].astype(np.float32), weights.scale[:1]
        centred = graph.node("Sub", [single, graph.constant("zero_point", zero)], "centred")
        return graph.node("Mul", [centred, graph.constant("scale", scale)], "states")


def _gated(writer: Writer, states: str, layer: DecoderLayer) -> str:
    graph = writer.graph
    normed = writer.norm(states, layer.mlp_norm, "norm")
    both = writer.add(writer.products.product(normed, layer.mlp_in, "fc1"), layer.mlp_in_bias, "both")
    inner = layer.mlp_out.values.shape[0]
    value, gate = graph.nodes("Split", [both, writer.ints(inner, inner)], ["value", "gate"], axis=-1)
    open_ = graph.node("Sigmoid", [gate], "open")
    silu = graph.node("Mul", [gate, open_], "silu")
    active = graph.node("Mul", [silu, value], "active")
    outer = writer.add(writer.products.product(active, layer.mlp_out, "fc2"), layer.mlp_out_bias, "outer")
    return graph.node("Add", [states, outer], "residual")


def _for_softmax(query: Quantised, model: Moonshine) -> Quantised:
    """Queries divided by the root of a head's width, so that scores need not be."""
    return query.scaled(np.full(model.hidden, model.width**-0.5, np.float32))


def _turning_apart(weights: Quantised, model: Moonshine) -> Quantised:
    """Outputs reordered within each head: the source turns neighbours as a pair, these graphs turn halves.

    Queries and keys are reordered alike, so their products are the same.
    """
    turning = 2 * model.rotary_frequencies.size
    within = np.concatenate([np.arange(0, turning, 2), np.arange(1, turning, 2), np.arange(turning, model.width)])
    return weights.reordered(np.concatenate([head * model.width + within for head in range(model.heads)]))
