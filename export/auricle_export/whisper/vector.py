"""The test vector of Whisper's log-mel: `PATH` in, out goes the JSON file that the Rust front end is tested against.

python -m auricle_export.whisper.vector tests/data/whisper_logmel.json
"""

import argparse
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from auricle_export.whisper.features import HOP_SAMPLES, SAMPLE_RATE_HZ, log_mel
from auricle_export.yamnet import noise


def vector_signals() -> dict[str, npt.NDArray[np.float32]]:
    """The made signals of the test vector, float32 at 16 kHz, each for what it would show if it were wrong."""
    time = np.arange(6_400) / SAMPLE_RATE_HZ
    chirp = 0.4 * np.sin(2.0 * np.pi * (80.0 * time + 0.5 * (7_800.0 - 80.0) / time[-1] * time**2))
    tones = 0.1 * np.sin(2.0 * np.pi * 440.0 * time) + 0.05 * np.sin(2.0 * np.pi * 3_215.0 * time + 1.0)
    signals = {
        "chirp, two tones and noise": chirp + tones + 0.02 * noise(len(time)),
        "digital silence": np.zeros(800),
        "a burst, then silence, which the range cuts off": np.where(np.arange(1_600) < 400, 0.5 * noise(1_600, 4), 0.0),
        "noise below the last bit of 16-bit audio": 1e-5 * noise(800, seed=2),
        "as few samples as can be reflected": 0.25 * noise(201, seed=3),
        "one sample less than three frames": 0.25 * noise(479, seed=5),
    }
    return {name: signal.astype(np.float32) for name, signal in signals.items()}


def make_vector() -> dict[str, object]:
    """The test vector as the JSON holds it: samples exact in float32, log-mel of the float64 reference to 7 digits."""
    cases = []
    for name, samples in vector_signals().items():
        case: dict[str, object] = {"name": name, "samples": [float(str(x)) for x in samples]}
        case["frames"] = len(samples) // HOP_SAMPLES
        for mels in (80, 128):
            frames = log_mel(samples, mels).T
            case[f"log_mel_{mels}"] = [[float(f"{x:.7g}") for x in row] for row in frames]
        cases.append(case)
    return {
        "description": "Whisper's log-mel of made signals, frame by frame, computed in float64 from the float32 "
        "samples given: centred frames of 400 with reflected ends, periodic Hann window, hop 160, n_fft 400, the last "
        "frame left out, power, Slaney mel bands 0-8000 Hz of area 1, log10 of at least 1e-10, at least 8 below the "
        "largest of all, (x + 4) / 4. Made by: python -m auricle_export.whisper.vector PATH",
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "cases": cases,
    }


def main(arguments: list[str] | None = None) -> None:
    """Write the test vector to the path given."""
    parser = argparse.ArgumentParser(
        prog="python -m auricle_export.whisper.vector", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="write the log-mel test vector here")
    path: Path = parser.parse_args(arguments).path
    path.write_text(json.dumps(make_vector(), separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
