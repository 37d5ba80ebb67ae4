"""Whisper's three graphs, written from its weights (Radford et al., arXiv 2212.04356).

- `encoder`: `input_features` f32 [1, mels, mel_frames] -> `last_hidden_state` f32 [1, frames, state], where frames is
  half of mel_frames, rounded up, and at most 1500
- `cross_kv`: `encoder_hidden_states` f32 [1, frames, state] -> `past_key_values.{i}.encoder.{key,value}` f32
  [1, heads, frames, width]
- `step`: `input_ids` i64 [batch, tokens], past keys and values, `encoder_mask` f32 [heard, 1, 1, frames] -> `logits`
  f32 [batch, tokens, vocabulary], `present.{i}.decoder.{key,value}` f32 [batch, heads, past + tokens, width], and,
  where heads are asked for, `cross_attention` f32 [batch, asked heads, tokens, frames]

What `step` takes and gives is what Moonshine's does: any number of tokens after any number of past ones, none
included, each seeing itself and those before it; the mask, added to the scores of the attention to the audio, is 0
where a frame is the piece's own and -inf where it is not. Keys and values of the audio may be those of every line of
the batch, or one for all: heard is the batch or 1, so that beams over one piece of audio share them.

Audio may be shorter than the 30 s of training: positions are cut to the frames there are, as if those were all.

Shifts of norms are folded into the products that read them, and the keys' d^-0.25 into the queries', so `present` and
`encoder` keys are the reference's before scaling. Precision: fp32 is single throughout. fp16 stores products and
convolutions as half and multiplies products in half (their results too); convolutions, norms, softmax, attention and
the sum along the layers are single. int8 stores products as 8-bit integers, one scale an output, and
multiplies integers: `step` by activations rounded finely, the others coarsely (`Products`); the rest is single.

Of the encoder's attention fp32 and int8, which are for processors, do one head after the other; fp16, for graphics
cards, all at once.
"""

import numpy as np
import numpy.typing as npt
import onnx

from auricle_export.attention_graph import FLOAT, INT64, AttentionWriter, Heads
from auricle_export.onnx_graph import Precision, Unrounded, Weights
from auricle_export.whisper.weights import Floats, Whisper

NORM_EPSILON = 1e-5


class Writer(AttentionWriter):
    """What Whisper's graphs have in common: products of folded norms, perceptrons, tables."""

    def __init__(self, name: str, model: Whisper, side: str, precision: Precision, rows: str | None = None) -> None:
        """Start a graph of one side, `audio` or `text`. `rows`: see `Products`; without, products are coarse."""
        dims = model.dims
        hidden, heads = getattr(dims, f"n_{side}_state"), getattr(dims, f"n_{side}_head")
        super().__init__(name, hidden, heads, precision, rows, coarse=rows is None)
        self.model, self.coarse = model, rows is None

    def stored(self, weight: Floats) -> Weights:
        """Weights [outputs, inputs] for products, rounded where the precision is int8."""
        plain = Unrounded(np.ascontiguousarray(weight.T))
        if self.precision != "int8":
            return plain
        return plain.rounded_in_pairs() if self.coarse else plain.rounded()

    def floats(self, value: Floats, name: str) -> str:
        """A constant to compute with in single precision, stored in half where the precision is fp16."""
        if self.precision != "fp16":
            return self.graph.constant(name, value)
        return self.graph.node("Cast", [self.graph.constant(f"{name}.half", value.astype(np.float16))], name, to=FLOAT)

    def norm(self, states: str, name: str, label: str) -> str:
        """Layer normalisation by the reference's name without its shift, for `folded` products to read."""
        return self.products.normed(states, self.model.tensor(f"{name}.weight"), NORM_EPSILON, label)

    def folded(self, norm: str, weight: Floats, bias: Floats | None) -> Floats:
        """The bias of a product that reads a norm, with what the norm's shift adds to it."""
        shift = weight.astype(np.float64) @ self.model.tensor(f"{norm}.bias").astype(np.float64)
        return (shift if bias is None else shift + bias).astype(np.float32)

    def self_attention(self, states: str, name: str) -> str:
        """Queries (divided for the softmax), keys and values [batch, 3 x heads, positions, width] of a block's norm."""
        tensor, attention = self.model.tensor, f"{name}.attn"
        query = self.width**-0.5
        scale = np.repeat([query, 1.0, 1.0], self.hidden).astype(np.float32)
        weight = np.concatenate([tensor(f"{attention}.{part}.weight") for part in ("query", "key", "value")])
        own = [tensor(f"{attention}.query.bias"), np.zeros(self.hidden), tensor(f"{attention}.value.bias")]
        bias = self.folded(f"{name}.attn_ln", weight, np.concatenate(own)) * scale
        return self.by_head(
            states, self.stored(weight * scale[:, None]), 3 * self.heads, ("qkv", "heads"), bias.astype(np.float32)
        )

    def together(self, heads: str) -> tuple[str, str, str]:
        """Queries, keys and values [batch, heads, positions, width]."""
        split = self.ints(*[self.heads] * 3)
        query, key, value = self.graph.nodes("Split", [heads, split], ["query", "key", "value"], axis=1)
        return query, key, value

    def in_turn(self, heads: str) -> tuple[list[str], list[str], list[str]]:
        """Queries, keys and values, a list of heads [batch, 1, positions, width] each."""
        names = [f"heads.{head}.{part}" for part in ("query", "key", "value") for head in range(self.heads)]
        parts = self.graph.nodes("Split", [heads, self.ints(*[1] * 3 * self.heads)], names, axis=1)
        return parts[: self.heads], parts[self.heads : -self.heads], parts[-self.heads :]

    def out(self, states: str, context: str, name: str) -> str:
        """States with what attention adds to them."""
        weight, bias = self.model.tensor(f"{name}.out.weight"), self.model.tensor(f"{name}.out.bias")
        projected = self.add(self.products.product(context, self.stored(weight), "out"), bias, "projected")
        return self.graph.node("Add", [states, projected], "residual")

    def mlp(self, states: str, name: str) -> str:
        """States with what a block's perceptron adds to them."""
        tensor = self.model.tensor
        normed = self.norm(states, f"{name}.mlp_ln", "norm")
        first, second = tensor(f"{name}.mlp.0.weight"), tensor(f"{name}.mlp.2.weight")
        bias = self.folded(f"{name}.mlp_ln", first, tensor(f"{name}.mlp.0.bias"))
        inner = self.add(self.products.product(normed, self.stored(first), "fc1"), bias, "inner")
        active = self.gelu(inner, "active")
        outer = self.products.product(active, self.stored(second), "fc2")
        return self.graph.node("Add", [states, self.add(outer, tensor(f"{name}.mlp.2.bias"), "outer")], "residual")


def encoder(model: Whisper, precision: Precision) -> onnx.ModelProto:
    """Log-mel, 100 frames a second, to states, 50 a second."""
    dims = model.dims
    writer = Writer("whisper_encoder", model, "audio", precision)
    graph = writer.graph
    states = graph.input("input_features", FLOAT, [1, dims.n_mels, "mel_frames"])
    for name, stride in (("conv1", 1), ("conv2", 2)):
        with graph.scope(name):
            weight = writer.floats(model.tensor(f"encoder.{name}.weight"), "weight")
            inputs = [states, weight, graph.constant("bias", model.tensor(f"encoder.{name}.bias"))]
            convolved = graph.node("Conv", inputs, "conv", pads=[1, 1], strides=[stride])
            states = writer.gelu(convolved, "active")
    with graph.scope("positions"):
        rows = graph.node("Transpose", [states], "rows", perm=[0, 2, 1])
        rows = graph.sized(rows, FLOAT, [1, "frames", dims.n_audio_state])
        count = graph.node("Shape", [rows], "frames", start=1, end=2)
        table = writer.floats(model.tensor("encoder.positional_embedding"), "table")
        used = graph.node("Slice", [table, writer.ints(0), count, writer.ints(0)], "used")
        states = graph.node("Add", [rows, graph.sized(used, FLOAT, ["frames", dims.n_audio_state])], "states")
    for layer in range(dims.n_audio_layer):
        name = f"encoder.blocks.{layer}"
        with graph.scope(f"layers.{layer}.self_attn"):
            heads = writer.self_attention(writer.norm(states, f"{name}.attn_ln", "norm"), name)
            if precision == "fp16":
                context, _ = writer.attended(*writer.together(heads), None)
            else:
                context = writer.attended_in_turn(*writer.in_turn(heads))
            states = writer.out(states, context, f"{name}.attn")
        with graph.scope(f"layers.{layer}.mlp"):
            states = writer.mlp(states, name)
    norm = [graph.constant(f"norm.{part}", model.tensor(f"encoder.ln_post.{part}")) for part in ("weight", "bias")]
    graph.node("LayerNormalization", [states, *norm], "=last_hidden_state", axis=-1, epsilon=NORM_EPSILON)
    graph.output("last_hidden_state", FLOAT, [1, "frames", dims.n_audio_state])
    return graph.finish()


def cross_kv(model: Whisper, precision: Precision) -> onnx.ModelProto:
    """Encoder states to every layer's keys and values of the cross-attention."""
    dims = model.dims
    writer = Writer("whisper_cross_kv", model, "text", precision)
    graph = writer.graph
    states = graph.input("encoder_hidden_states", FLOAT, [1, "frames", dims.n_audio_state])
    every, biases = [], []
    for layer in range(dims.n_text_layer):
        name = f"decoder.blocks.{layer}.cross_attn"
        every += [model.tensor(f"{name}.key.weight"), model.tensor(f"{name}.value.weight")]
        biases += [np.zeros(dims.n_text_state, np.float32), model.tensor(f"{name}.value.bias")]
    parts, weight, bias = len(every), np.concatenate(every), np.concatenate(biases)
    heads = writer.by_head(states, writer.stored(weight), parts * writer.heads, ("keys_and_values", "heads"), bias)
    names = [f"past_key_values.{i}.encoder.{what}" for i in range(dims.n_text_layer) for what in ("key", "value")]
    graph.nodes("Split", [heads, writer.ints(*[writer.heads] * parts)], [f"={name}" for name in names], axis=1)
    for name in names:
        graph.output(name, FLOAT, [1, writer.heads, "frames", writer.width])
    return graph.finish()


def step(model: Whisper, precision: Precision, alignment_heads: Heads) -> onnx.ModelProto:
    """Tokens to logits, with the keys and values of the tokens before them; without `alignment_heads` no attention."""
    dims, tensor = model.dims, model.tensor
    writer = Writer("whisper_step", model, "text", precision, "rows")
    graph = writer.graph
    tokens = graph.input("input_ids", INT64, ["batch", "tokens"])
    past: list[tuple[str, ...]] = []
    for layer in range(dims.n_text_layer):
        names = [
            f"past_key_values.{layer}.{side}.{what}" for side in ("decoder", "encoder") for what in ("key", "value")
        ]
        for name in names:
            axes = ["batch", "past"] if ".decoder." in name else ["heard", "frames"]
            graph.input(name, FLOAT, [axes[0], writer.heads, axes[1], writer.width])
        past.append(tuple(names))
    encoder_mask = graph.input("encoder_mask", FLOAT, ["heard", 1, 1, "frames"])
    writer.lines = graph.node("Shape", [tokens], "lines")
    projection = writer.stored(tensor("decoder.token_embedding.weight"))
    table = writer.products.constant(projection, "logits")
    places, mask = writer.positions(tokens, past[0][0])
    states = _embedded(writer, tokens, table, projection, places)
    for layer in range(dims.n_text_layer):
        name = f"decoder.blocks.{layer}"
        past_key, past_value, cross_key, cross_value = past[layer]
        with graph.scope(f"layers.{layer}.self_attn"):
            normed = writer.norm(states, f"{name}.attn_ln", "norm")
            query, key, value = writer.together(writer.self_attention(normed, name))
            keys = graph.node("Concat", [past_key, key], f"=present.{layer}.decoder.key", axis=2)
            values = graph.node("Concat", [past_value, value], f"=present.{layer}.decoder.value", axis=2)
            context, _ = writer.attended(query, keys, values, mask)
            states = writer.out(states, context, f"{name}.attn")
        with graph.scope(f"layers.{layer}.cross_attn"):
            normed = writer.norm(states, f"{name}.cross_attn_ln", "norm")
            weight, scale = tensor(f"{name}.cross_attn.query.weight"), np.float32(writer.width**-0.5)
            bias = writer.folded(f"{name}.cross_attn_ln", weight, tensor(f"{name}.cross_attn.query.bias"))
            query = writer.by_head(normed, writer.stored(weight * scale), writer.heads, ("q", "query"), bias * scale)
            context, weights = writer.attended(query, cross_key, cross_value, encoder_mask)
            writer.align(weights, layer, alignment_heads)
            states = writer.out(states, context, f"{name}.cross_attn")
        with graph.scope(f"layers.{layer}.mlp"):
            states = writer.mlp(states, name)
    normed = writer.norm(states, "decoder.ln", "norm")
    product = writer.products.product(normed, projection, "scores", table, writer.laid_out(dims.n_vocab))
    shift = writer.folded("decoder.ln", tensor("decoder.token_embedding.weight"), None)
    graph.node("Add", [product, graph.constant("logits.bias", shift)], "=logits")
    graph.output("logits", FLOAT, ["batch", "tokens", dims.n_vocab])
    for layer in range(dims.n_text_layer):
        for what in ("key", "value"):
            graph.output(f"present.{layer}.decoder.{what}", FLOAT, ["batch", writer.heads, "present", writer.width])
    if alignment_heads:
        writer.show(alignment_heads)
    return graph.finish()


def _embedded(writer: Writer, tokens: str, table: str, projection: Weights, places: str) -> str:
    """Tokens [batch, tokens] at their places as states [1, rows, state]: columns of the projection, and positions."""
    graph, state = writer.graph, writer.hidden
    with graph.scope("embedding"):
        line = graph.sized(graph.node("Reshape", [tokens, writer.ints(1, -1)], "tokens"), INT64, [1, "rows"])
        columns = graph.node("Gather", [table, line], "columns", axis=1)
        rows = graph.node("Transpose", [columns], "rows", perm=[1, 2, 0])
        if writer.precision != "fp32":
            rows = graph.node("Cast", [rows], "single", to=FLOAT)
        if writer.precision == "int8":
            steps = graph.node("Gather", [graph.constant("scale", _column(projection)), line], "steps", axis=0)
            rows = graph.node("Mul", [rows, graph.sized(steps, FLOAT, [1, "rows", 1])], "scaled")
        positions = writer.floats(writer.model.tensor("decoder.positional_embedding"), "positions")
        placed = graph.node("Gather", [positions, places], "placed", axis=0)
        apart = graph.node("Reshape", [rows, writer.laid_out(state).value], "apart")
        added = graph.node("Add", [apart, graph.sized(placed, FLOAT, ["tokens", state])], "added")
        return graph.sized(
            graph.node("Reshape", [added, writer.ints(1, -1, state)], "states"), FLOAT, [1, "rows", state]
        )


def _column(projection: Weights) -> npt.NDArray[np.float32]:
    """The scale of every token's row of the embedding, [tokens, 1]."""
    if isinstance(projection, Unrounded):
        raise ValueError("an embedding of integers has scales")
    return projection.scale[:, None]
