"""The shipped graphs as a reference: their weights as they are, their activations not rounded.

In: the shipped files. Out: encoder states and logits to compare an export with. `tiny-en` rounds activations to 8
bits, by one scale for all positions of a call; its integer products are made products of floats here, so that what is
compared is the network and not a rounding that an export need not repeat. `base-en` runs as shipped.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from auricle_export.exported import ExportError
from auricle_export.moonshine.weights import DECODER_FILE, ENCODER_FILE, as_onnx

Floats = npt.NDArray[np.float32]


class Reference:
    """The shipped encoder and merged decoder, on the processor."""

    def __init__(self, folder: Path) -> None:
        """Load both graphs from the folder of the shipped files."""
        self._encoder = _session(folder / ENCODER_FILE)
        self._decoder = _session(folder / DECODER_FILE)
        self._shapes = {value.name: value.shape for value in self._decoder.get_inputs()}
        self._encoder_mask = "attention_mask" in {value.name for value in self._encoder.get_inputs()}

    def states(self, audio: Floats) -> Floats:
        """Encoder states [frames, hidden] of audio [samples]."""
        feeds = {"input_values": audio[None]}
        if self._encoder_mask:
            feeds["attention_mask"] = np.ones((1, len(audio)), np.int64)
        return self._encoder.run(["last_hidden_state"], feeds)[0][0]

    def logits(self, audio: Floats, tokens: list[int]) -> Floats:
        """Logits [tokens, vocabulary] after each of `tokens`, the start included, in one call without a past."""
        feeds = {
            "input_ids": np.array([tokens], np.int64),
            "encoder_hidden_states": self.states(audio)[None],
            "use_cache_branch": np.array([False]),
        }
        if "encoder_attention_mask" in self._shapes:
            feeds["encoder_attention_mask"] = np.ones((1, len(audio)), np.int64)
        for name, shape in self._shapes.items():
            if name.startswith("past_key_values"):
                feeds[name] = np.zeros((1, shape[1], 1, shape[3]), np.float32)  # there because it must be, unread
        return self._decoder.run(["logits"], feeds)[0][0]


def _session(path: Path) -> onnxruntime.InferenceSession:
    model = as_onnx(path)
    _unround(model.graph, model.graph, {})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # weights that the floats replace are reported as unused
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common type
        raise ExportError(f"{path}: does not run with its activations as floats: {error}") from error


def _unround(graph: onnx.GraphProto, whole: onnx.GraphProto, rounded: dict[str, str]) -> None:
    """Make integer products of a graph and its branches products of floats; `rounded` says from what."""
    nodes = list(graph.node)
    for node in nodes:
        if node.op_type == "DynamicQuantizeLinear":
            rounded[node.output[0]] = node.input[0]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _unround(attribute.g, whole, rounded)
    del graph.node[:]
    for node in nodes:
        if node.op_type == "MatMulIntegerToFloat":
            graph.node.extend(_product(node, rounded[node.input[0]], (1, 3, 5, 6), whole))
        elif node.op_type == "DynamicQuantizeMatMul":
            graph.node.extend(_product(node, node.input[0], (1, 2, 3, 4), whole))
        elif node.op_type != "DynamicQuantizeLinear":
            graph.node.append(node)


def _product(
    node: onnx.NodeProto, activations: str, places: tuple[int, int, int, int], whole: onnx.GraphProto
) -> list[onnx.NodeProto]:
    """The product of floats that stands for an integer one, and its bias."""
    weight, scale, zero, bias = (node.input[place] if place < len(node.input) else "" for place in places)
    floats = f"{weight}_floats"
    if all(constant.name != floats for constant in whole.initializer):
        constants = {constant.name: constant for constant in whole.initializer}
        value, step, origin = (numpy_helper.to_array(constants[name]) for name in (weight, scale, zero))
        plain = (value.astype(np.float32) - origin.astype(np.float32)) * step.astype(np.float32)
        whole.initializer.append(numpy_helper.from_array(plain, floats))
    if not bias:
        return [helper.make_node("MatMul", [activations, floats], list(node.output), name=node.name)]
    inner = f"{node.output[0]}_unbiased"
    return [
        helper.make_node("MatMul", [activations, floats], [inner], name=node.name),
        helper.make_node("Add", [inner, bias], list(node.output), name=f"{node.name}_bias"),
    ]
