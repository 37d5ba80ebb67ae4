"""The recordings that are measured on: what is in a data folder, and made copies of it.

In: a data folder with `speech/clips.tsv` and `esc10/clips.tsv`. Out: clips with their truth; 16 kHz float32 WAV files.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

SAMPLE_RATE_HZ = 16_000
Samples = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Word:
    """One spoken word with its times in the clip, as somebody marked them."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class Utterance:
    """One recorded utterance and what was said."""

    path: Path
    text: str
    source: str
    """The first word of the source column: TIMIT, LibriSpeech, asterisk-core-sounds-en-g722..."""

    def words(self) -> list[Word]:
        """Marked words from the `.words.tsv` beside the clip; none where there is no such file."""
        marks = self.path.with_suffix(".words.tsv")
        if not marks.is_file():
            return []
        rows = (line.split("\t") for line in marks.read_text(encoding="utf-8").splitlines())
        return [Word(float(start), float(end), text) for start, end, text in rows]


@dataclass(frozen=True)
class SoundClip:
    """One clip of ESC-10, its class and its fold."""

    path: Path
    label: str
    fold: str


def utterances(data: Path) -> list[Utterance]:
    """The speech set, in the order of its list; empty where the data is not there."""
    return [Utterance(path, row["text"], row["source"].split()[0]) for path, row in _rows(data / "speech")]


def sound_clips(data: Path) -> list[SoundClip]:
    """ESC-10, in the order of its list; empty where the data is not there."""
    return [SoundClip(path, row["label"], row["fold"]) for path, row in _rows(data / "esc10")]


def _rows(folder: Path) -> list[tuple[Path, dict[str, str]]]:
    listed = folder / "clips.tsv"
    if not listed.is_file():
        return []
    with listed.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [(folder / row["path"], row) for row in rows]


def read(path: Path) -> Samples:
    """Samples [n] in [-1, 1] of a mono 16 kHz file."""
    samples, rate_hz = soundfile.read(path, dtype="float64")
    if rate_hz != SAMPLE_RATE_HZ or samples.ndim != 1:
        raise ValueError(f"{path}: {rate_hz} Hz, shape {samples.shape}; the set is 16 kHz mono")
    return samples


def write(path: Path, samples: Samples) -> Path:
    """Writes samples [n] as a 16 kHz float32 WAV file, so that nothing faint is rounded away, and gives its path."""
    soundfile.write(path, samples.astype(np.float32), SAMPLE_RATE_HZ, subtype="FLOAT")
    return path


def rms(samples: Samples) -> float:
    """Root mean square over all samples; 1.0, a full-scale square wave, is 0 dBFS."""
    return float(np.sqrt(np.mean(np.square(samples))))


def at_level(samples: Samples, dbfs: float) -> Samples:
    """Scales samples [n] by one factor to an RMS of `dbfs` over the whole clip, pauses included."""
    level = rms(samples)
    if level == 0.0:
        raise ValueError("digital silence cannot be scaled to a level")
    return samples * (10.0 ** (dbfs / 20.0) / level)
