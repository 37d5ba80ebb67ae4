"""Reads the audio that exports are compared on: in comes a WAV file, out go samples as the runtime would hear them."""

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from auricle_export.exported import ExportError

SAMPLE_RATE_HZ = 16_000


def read(path: Path) -> npt.NDArray[np.float32]:
    """Samples [n] in [-1, 1) of a 16-bit WAV file, mono, 16 kHz; `ExportError` for any other."""
    try:
        with wave.open(str(path), "rb") as file:
            rate, channels, width = file.getframerate(), file.getnchannels(), file.getsampwidth()
            data = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise ExportError(f"{path}: cannot be read as a WAV file: {error}") from error
    if (rate, channels, width) != (SAMPLE_RATE_HZ, 1, 2):
        found = f"{rate} Hz, {channels} channels, {8 * width} bits"
        raise ExportError(f"{path}: has {found}; an export is compared on {SAMPLE_RATE_HZ} Hz, 1 channel, 16 bits")
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float32) / 32_768.0
