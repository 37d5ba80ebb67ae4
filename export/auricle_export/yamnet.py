"""YAMNet: its front end's recipe, the quantised patch its exported model takes, and the test vector made from both.

In: 16 kHz mono samples in [-1, 1], or `--vector PATH` on the command line. Out: patches [n, 96, 64], probabilities
[n, 521], or the JSON file that the Rust front end is tested against.

The network is tensorflow/models, research/audioset/yamnet. The exported file is quantised at its ends: it takes uint8
log-mel and gives uint8 logits, whose scales and zero points are those of its QuantizeLinear and DequantizeLinear nodes.

    python -m auricle_export.yamnet --vector tests/data/yamnet_logmel.json
"""

import argparse
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from auricle_export.logmel import Floats, Recipe, log_mel

RECIPE = Recipe(
    sample_rate_hz=16_000,
    window_samples=400,
    hop_samples=160,
    n_fft=512,
    mels=64,
    low_hz=125.0,
    high_hz=7_500.0,
    log_offset=1e-6,
)
"""YAMNet's log-mel. Google's own code adds 1e-3 inside the logarithm; this export was calibrated on 1e-6."""

PATCH_FRAMES = 96
"""Frames the network looks at in one call: 0.96 s."""
PATCH_HOP_FRAMES = 48
"""Frames between two patches in YAMNet's own code: 0.48 s. The live path uses 24."""
CLASSES = 521
INPUT_SCALE, INPUT_ZERO_POINT = 0.047937885, 144
OUTPUT_SCALE, OUTPUT_ZERO_POINT = 0.7565417, 190


def patches(frames: Floats, hop_frames: int = PATCH_HOP_FRAMES) -> Floats:
    """Cuts log-mel [frames, 64] into whole patches [n, 96, 64] that start at k x hop_frames; no padding."""
    count = 1 + (len(frames) - PATCH_FRAMES) // hop_frames if len(frames) >= PATCH_FRAMES else 0
    index = np.arange(count)[:, None] * hop_frames + np.arange(PATCH_FRAMES)
    return frames[index]


def quantise(patch: Floats) -> npt.NDArray[np.uint8]:
    """Log-mel of any shape to the uint8 that the model takes: round to even, then saturate, as QuantizeLinear does."""
    return np.clip(np.rint(patch / INPUT_SCALE) + INPUT_ZERO_POINT, 0, 255).astype(np.uint8)


def probabilities(class_scores: npt.NDArray[np.uint8]) -> Floats:
    """The model's uint8 logits of any shape to probabilities. Classes are independent: a sigmoid, not a softmax."""
    logits = OUTPUT_SCALE * (class_scores.astype(np.float64) - OUTPUT_ZERO_POINT)
    return 1.0 / (1.0 + np.exp(-logits))


class Yamnet:
    """The model behind ONNX Runtime, as it is shipped or exported, on the CPU with one thread."""

    def __init__(self, model: Path) -> None:
        """Loads `model`, the ONNX file (its external data beside it)."""
        import onnxruntime  # not needed to make the vector

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    def scores(self, samples: npt.ArrayLike, hop_frames: int = PATCH_HOP_FRAMES) -> Floats:
        """Probabilities [patches, 521] of `samples` [n], 16 kHz; no row where there is less than one patch."""
        return probabilities(self.class_scores(quantise(patches(log_mel(samples, RECIPE), hop_frames))))

    def class_scores(self, cut: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The graph's own output [patches, 521], uint8 logits, of quantised patches [patches, 96, 64]."""
        rows = [self._session.run(["class_scores"], {"audio": patch[None, None]})[0][0] for patch in cut]
        return np.array(rows, np.uint8).reshape(-1, CLASSES)


def noise(count: int, seed: int = 1) -> Floats:
    """Noise [count], uniform in [-1, 1), that any language repeats: x = (1664525 x + 1013904223) mod 2^32."""
    state, out = seed, np.empty(count)
    for i in range(count):
        state = (1_664_525 * state + 1_013_904_223) % 2**32
        out[i] = state / 2**31 - 1.0
    return out


def vector_signals() -> dict[str, npt.NDArray[np.float32]]:
    """The made signals of the test vector, float32 at 16 kHz, each for what it would show if it were wrong.

    None has a band whose energy is mere leakage many orders below its neighbours': there a float32 transform has no
    correct digits to compare, and the test would measure rounding.
    """
    time = np.arange(8_000) / RECIPE.sample_rate_hz
    chirp = 0.4 * np.sin(2.0 * np.pi * (80.0 * time + 0.5 * (7_800.0 - 80.0) / time[-1] * time**2))
    tones = 0.1 * np.sin(2.0 * np.pi * 440.0 * time) + 0.05 * np.sin(2.0 * np.pi * 3_215.0 * time + 1.0)
    square = np.where((np.arange(2_000) // 80) % 2 == 0, 1.0, -1.0)
    signals = {
        "chirp, two tones and noise": chirp + tones + 0.02 * noise(len(time)),
        "digital silence": np.zeros(1_040),
        "full-scale square wave, 100 Hz": square,
        "noise below the last bit of 16-bit audio": 1e-5 * noise(1_040, seed=2),
        "one sample less than two frames": 0.25 * noise(559, seed=3),
    }
    return {name: signal.astype(np.float32) for name, signal in signals.items()}


def make_vector() -> dict[str, object]:
    """The test vector as the JSON holds it: samples exact in float32, log-mel of the float64 reference to 7 digits."""
    cases = []
    for name, samples in vector_signals().items():
        expected = log_mel(samples, RECIPE)
        cases.append(
            {
                "name": name,
                "samples": [float(str(x)) for x in samples],
                "frames": len(expected),
                "mels": RECIPE.mels,
                "log_mel": [[float(f"{x:.7g}") for x in row] for row in expected],
            }
        )
    return {
        "description": "YAMNet log-mel of made signals, computed in float64 from the float32 samples given: "
        "25 ms periodic Hann window of 400, hop 160, n_fft 512, no centring, magnitude, 64 HTK mel bands "
        "125-7500 Hz (triangles straight in mel, no 0 Hz bin), ln(x + 1e-6). "
        "Made by: python -m auricle_export.yamnet --vector PATH",
        "sample_rate_hz": RECIPE.sample_rate_hz,
        "cases": cases,
    }


def main(arguments: list[str] | None = None) -> None:
    """Writes the test vector where `--vector` says."""
    parser = argparse.ArgumentParser(prog="python -m auricle_export.yamnet", description=__doc__.split("\n")[0])
    parser.add_argument("--vector", type=Path, required=True, metavar="PATH", help="write the log-mel test vector here")
    path: Path = parser.parse_args(arguments).vector
    path.write_text(json.dumps(make_vector(), separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
