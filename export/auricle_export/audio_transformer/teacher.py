"""What YAMNet says of a chunk: its scores and the 1,024 numbers before them, for the student to learn as well.

In: chunks of 16,000 samples. Out: probabilities of its 521 classes, uint8 logits as the graph gives them, and the
embedding. YAMNet learned from two million clips; what it says of mixtures that nobody labelled is worth learning.
"""

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt

from auricle_export.audio_transformer.runs import YAMNET
from auricle_export.logmel import hann_periodic, mel_matrix
from auricle_export.yamnet import CLASSES, PATCH_FRAMES, RECIPE, quantise

YAMNET_CLASSES = YAMNET.with_name("yamnet_class_map.csv")
EMBEDDING = 1024
_EMBEDDING_OUTPUT = "/model/Reshape_output_0_qdq"


def identities(table: Path = YAMNET_CLASSES) -> list[str]:
    """AudioSet's id of each of its classes, from the table that stands beside its graph."""
    with table.open(encoding="utf-8", newline="") as file:
        return [row["mid"] for row in csv.DictReader(file)]


class Teacher:
    """YAMNet with its embedding as a second output, on the CPU with one thread."""

    def __init__(self, model: Path) -> None:
        """Load `model`, the exported graph of `models/yamnet`."""
        import onnx
        import onnxruntime

        graph = onnx.load(model)
        graph.graph.output.append(onnx.helper.make_tensor_value_info(_EMBEDDING_OUTPUT, onnx.TensorProto.FLOAT, None))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        # float32: a teacher whose input is rounded to 8 bits is not told more by the float64 of the definition.
        self._window = hann_periodic(RECIPE.window_samples).astype(np.float32)
        self._mels = mel_matrix(RECIPE).astype(np.float32)

    def hear(self, chunk: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """Logits [521] and embedding [1024] of the first 0.975 s of `chunk`, [16000]."""
        frames = np.lib.stride_tricks.sliding_window_view(chunk, RECIPE.window_samples)[:: RECIPE.hop_samples]
        spectrum = np.abs(np.fft.rfft(frames[:PATCH_FRAMES] * self._window, RECIPE.n_fft)).astype(np.float32)
        patch = quantise(np.log(spectrum @ self._mels + RECIPE.log_offset))
        logits, embedding = self._session.run(["class_scores", _EMBEDDING_OUTPUT], {"audio": patch[None, None]})
        return logits.reshape(CLASSES), embedding.reshape(EMBEDDING)
