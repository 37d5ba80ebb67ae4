"""What graphs of transformers have in common: in come products and values by name, out go operators around them.

Heads of attention, causal masks, biases and activations, written into a `GraphWriter` for one family after the other;
what a family does its own way (norms, rotation, gates) is in its own `graphs`.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from auricle_export.onnx_graph import GraphWriter, Precision, Products, Shape, Weights

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
Heads = Sequence[tuple[int, int]]
"""Layer and head of the cross-attention, from 0."""


class AttentionWriter:
    """One graph of a network whose states are `hidden` wide, `heads` heads of `hidden / heads` each."""

    def __init__(
        self, name: str, hidden: int, heads: int, precision: Precision, rows: str | None = None, coarse: bool = False
    ) -> None:
        """Start a graph. `rows`, `coarse`: see `Products`."""
        self.graph = GraphWriter(name)
        self.products = Products(self.graph, precision, rows, coarse)
        self.precision = precision
        self.hidden, self.heads, self.width = hidden, heads, hidden // heads
        self.lines: str | None = None
        """The shape [batch, tokens] of rows that lie one after the other, [1, batch x tokens, ...], where they do."""
        self._shapes: dict[tuple[int, ...], Shape] = {}
        self._aligned: list[str] = []

    def ints(self, *values: int) -> str:
        """A constant vector of integers, shared by all who need the same."""
        return self.graph.shared(f"ints.{'_'.join(str(value) for value in values)}", np.array(values, np.int64))

    def number(self, name: str, value: float) -> str:
        """A constant scalar, shared."""
        return self.graph.shared(name, np.array(value, np.float32))

    def add(self, states: str, bias: npt.NDArray[np.float32], name: str) -> str:
        """Add a bias."""
        return self.graph.node("Add", [states, self.graph.constant(f"{name}.bias", bias)], name)

    def gelu(self, states: str, name: str) -> str:
        """Gaussian error linear unit, by the error function; ONNX Runtime makes one operator of it."""
        graph = self.graph
        divided = graph.node("Div", [states, self.number("root_of_two", np.sqrt(2))], f"{name}.divided")
        error = graph.node("Erf", [divided], f"{name}.erf")
        raised = graph.node("Add", [error, self.number("one", 1)], f"{name}.raised")
        weighed = graph.node("Mul", [states, raised], f"{name}.weighed")
        return graph.node("Mul", [weighed, self.number("half", 0.5)], name)

    def laid_out(self, *last: int) -> Shape:
        """[batch, tokens, *last], for rows that lie one after the other."""
        if self.lines is None:
            raise ValueError("rows do not lie one after the other in this graph")
        if last not in self._shapes:
            name = f"=lines.{'_'.join(str(size) for size in last)}"
            shape = self.graph.node("Concat", [self.lines, self.ints(*last)], name, axis=0)
            self._shapes[last] = Shape(shape, ("batch", "tokens", *last))
        return self._shapes[last]

    def by_head(
        self,
        states: str,
        weights: Weights,
        heads: int,
        names: tuple[str, str],
        bias: npt.NDArray[np.float32] | None = None,
    ) -> str:
        """The product, named first, with its bias, as [batch, heads, positions, width], named second."""
        product, name = names
        if self.lines is None:
            together = self.products.product(states, weights, product)
            if bias is not None:
                together = self.add(together, bias, f"{product}.biased")
            shape = self.ints(0, 0, heads, self.width)
            apart = self.graph.node("Reshape", [together, shape], f"{name}.apart")
        else:
            apart = self.products.product(states, weights, product, shape=self.laid_out(heads, self.width))
            if bias is not None:
                apart = self.add(apart, bias.reshape(heads, self.width), f"{product}.biased")
        return self.graph.node("Transpose", [apart], name, perm=[0, 2, 1, 3])

    def attended(self, query: str, key: str, value: str, mask: str | None) -> tuple[str, str]:
        """The values weighed, as states are laid out, and the weights, [batch, heads, positions, keys]."""
        graph = self.graph
        across = graph.node("Transpose", [key], "key_across", perm=[0, 1, 3, 2])
        scores = graph.node("MatMul", [query, across], "scores")
        if mask is not None:
            scores = graph.node("Add", [scores, mask], "masked")
        weights = graph.node("Softmax", [scores], "weights", axis=-1)
        weighed = graph.node("MatMul", [weights, value], "weighed")
        joined = graph.node("Transpose", [weighed], "joined", perm=[0, 2, 1, 3])
        if self.lines is None:
            return graph.node("Reshape", [joined, self.ints(0, 0, self.hidden)], "context"), weights
        context = graph.node("Reshape", [joined, self.ints(1, -1, self.hidden)], "context")
        return graph.sized(context, FLOAT, [1, "rows", self.hidden]), weights

    def attended_in_turn(self, query: Sequence[str], key: Sequence[str], value: Sequence[str]) -> str:
        """The values weighed, as states are laid out, of heads [1, 1, positions, width] that come one after the other.

        The scores of 1500 positions to each other are 9 MB a head. Those of all heads at once are more than a cache
        holds, and memory that is asked of the system anew for every layer.
        """
        graph = self.graph
        weighed = []
        for head, (queries, keys, values) in enumerate(zip(query, key, value, strict=True)):
            with graph.scope(f"heads.{head}"):
                across = graph.node("Transpose", [keys], "key_across", perm=[0, 1, 3, 2])
                scores = graph.node("MatMul", [queries, across], "scores")
                weights = graph.node("Softmax", [scores], "weights", axis=-1)
                weighed.append(graph.node("MatMul", [weights, values], "weighed"))
        joined = graph.node("Concat", weighed, "joined", axis=3)
        return graph.node("Squeeze", [joined, self.ints(1)], "context")

    def positions(self, tokens: str, past_key: str) -> tuple[str, str]:
        """Positions i64 [tokens], and the mask f32 [tokens, past + tokens] that hides what comes later."""
        graph = self.graph
        with graph.scope("positions"):
            zero, one = (graph.shared(f"int.{value}", np.array(value, np.int64)) for value in (0, 1))
            shape = graph.node("Shape", [tokens], "shape", start=1, end=2)
            count = graph.node("Squeeze", [shape, self.ints(0)], "count")
            length = graph.node("Shape", [past_key], "past_shape", start=2, end=3)
            first = graph.node("Squeeze", [length, self.ints(0)], "first")
            last = graph.node("Add", [first, count], "last")
            queries = graph.sized(graph.node("Range", [first, last, one], "queries"), INT64, ["tokens"])
            keys = graph.sized(graph.node("Range", [zero, last, one], "keys"), INT64, ["present"])
            column = graph.node("Unsqueeze", [queries, self.ints(1)], "column")
            later = graph.node("Greater", [keys, column], "later")
            hidden = graph.constant("hidden", np.array(-np.inf, np.float32))
            mask = graph.node("Where", [later, hidden, self.number("nothing", 0)], "mask")
            return queries, mask

    def align(self, weights: str, layer: int, asked: Heads) -> None:
        """Keep of a layer's weights [batch, heads, tokens, frames] the heads asked for, for `show`."""
        chosen = [head for of_layer, head in asked if of_layer == layer]
        if chosen:
            self._aligned.append(self.graph.node("Gather", [weights, self.ints(*chosen)], "aligned", axis=1))

    def show(self, asked: Heads) -> None:
        """Make the output `cross_attention` [batch, asked heads, tokens, frames], heads in the order asked for."""
        graph, aligned = self.graph, self._aligned
        # Layers come in their order, heads within one in the order asked for; the output has all in the order
        # asked for.
        joined = graph.node("Concat", aligned, "alignment.layers", axis=1) if len(aligned) > 1 else aligned[0]
        come = sorted(range(len(asked)), key=lambda place: asked[place][0])
        order = self.ints(*(come.index(place) for place in range(len(come))))
        graph.node("Gather", [joined, order], "=cross_attention", axis=1)
        graph.output("cross_attention", FLOAT, ["batch", len(asked), "tokens", "frames"])
