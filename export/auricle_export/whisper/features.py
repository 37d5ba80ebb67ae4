"""Whisper's log-mel in float64: the definition that the Rust front end is held to, and the test vector made from it.

In: 16 kHz mono samples in [-1, 1]. Out: log-mel [mels, frames], a frame every 10 ms, about -1 to 1.5.

As `whisper/audio.py` of openai-whisper: centred frames of 400 samples with the ends reflected, periodic Hann window,
power, mel bands of Slaney's scale (librosa's `filters.mel` with its defaults), log10, everything more than 8 below the
largest raised to that, then (x + 4) / 4. The reference keeps its bands in single precision; here they are exact.

    python -m auricle_export.whisper.features --vector tests/data/whisper_logmel.json
"""

import argparse
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from auricle_export.logmel import Floats, hann_periodic
from auricle_export.yamnet import noise

SAMPLE_RATE_HZ = 16_000
WINDOW_SAMPLES = 400
"""Of the transform too."""
HOP_SAMPLES = 160
LEAST_POWER = 1e-10
RANGE = 8.0
"""Decades of power that are told apart."""
LINEAR_BELOW_HZ = 1_000.0
HZ_A_MEL = 200.0 / 3.0
"""Of Slaney's scale where it is linear."""
LOG_STEP = np.log(6.4) / 27.0
"""Of a mel above: 27 of them lead from 1 to 6.4 kHz."""


def mel_to_hz(mel: npt.ArrayLike) -> Floats:
    """Slaney's mel scale (Auditory Toolbox): linear to 1 kHz, which is mel 15, logarithmic above."""
    mel = np.asarray(mel, np.float64)
    knee = LINEAR_BELOW_HZ / HZ_A_MEL
    return np.where(mel < knee, mel * HZ_A_MEL, LINEAR_BELOW_HZ * np.exp(LOG_STEP * np.maximum(mel - knee, 0.0)))


def mel_matrix(mels: int) -> Floats:
    """Weights [201, mels]: triangles straight in hertz from 0 Hz to 8 kHz, each of area 1 (2 / its width in hertz)."""
    highest = LINEAR_BELOW_HZ / HZ_A_MEL + np.log(SAMPLE_RATE_HZ / 2 / LINEAR_BELOW_HZ) / LOG_STEP
    edges = mel_to_hz(np.linspace(0.0, highest, mels + 2))
    hz = np.arange(WINDOW_SAMPLES // 2 + 1)[:, None] * SAMPLE_RATE_HZ / WINDOW_SAMPLES
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.maximum(0.0, np.minimum((hz - lower) / (centre - lower), (upper - hz) / (upper - centre)))
    return triangles * 2.0 / (upper - lower)


def log_mel(samples: npt.ArrayLike, mels: int) -> Floats:
    """Log-mel [mels, len(samples) // 160]; there must be more than 200 samples, as many as are reflected.

    The largest of all frames decides how low the others may be, so audio is to be filled up first to the length that
    the encoder is to hear.
    """
    x = np.asarray(samples, np.float64)
    if x.ndim != 1 or len(x) <= WINDOW_SAMPLES // 2:
        raise ValueError(f"samples have shape {x.shape}, expected one channel of more than {WINDOW_SAMPLES // 2}")
    padded = np.pad(x, WINDOW_SAMPLES // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SAMPLES)[::HOP_SAMPLES][: len(x) // HOP_SAMPLES]
    power = np.square(np.abs(np.fft.rfft(frames * hann_periodic(WINDOW_SAMPLES), axis=1)))
    log = np.log10(np.maximum(power @ mel_matrix(mels), LEAST_POWER)).T
    return (np.maximum(log, log.max() - RANGE) + 4.0) / 4.0


def filled(samples: npt.NDArray[np.floating], count: int) -> npt.NDArray[np.floating]:
    """The samples, cut or filled up with silence to `count`."""
    return np.pad(samples[:count], (0, max(0, count - len(samples))))


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
        "largest of all, (x + 4) / 4. Made by: python -m auricle_export.whisper.features --vector PATH",
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "cases": cases,
    }


def main(arguments: list[str] | None = None) -> None:
    """Write the test vector where `--vector` says."""
    parser = argparse.ArgumentParser(
        prog="python -m auricle_export.whisper.features", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--vector", type=Path, required=True, metavar="PATH", help="write the log-mel test vector here")
    path: Path = parser.parse_args(arguments).vector
    path.write_text(json.dumps(make_vector(), separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
