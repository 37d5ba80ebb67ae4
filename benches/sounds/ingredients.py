"""What the timelines are made of, in two halves that share no recording and no voice.

In: a data folder with `esc10/` and `speech/`. Out: the audible part of each clip, with its true onset; speech; noises.
Thresholds are chosen on the half `chosen`; what is reported is measured on the half `kept`.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from clips import SAMPLE_RATE_HZ, Samples, read, rms

FOLDS = {"chosen": ("1", "2"), "kept": ("3", "4", "5")}
"""Folds of ESC-10: no two hold parts of one recording."""
HALVES = tuple(FOLDS)
FRAME_SAMPLES = SAMPLE_RATE_HZ // 50
BELOW_PEAK_DB = 30.0
"""A frame this far below the loud ones is not audible any more."""
LOUD_PERCENT = 97.0
"""How loud a clip is: not by its loudest frame, which in a fire is a single crackle."""
PAUSE_S = 1.0
"""A pause this long ends the sound: what comes before or after it in the clip would be another one, and is left out."""
FADE_SAMPLES = SAMPLE_RATE_HZ // 100
MADE = ("white", "pink", "brown")
NATURE = ("rain", "sea_waves")


@dataclass(frozen=True)
class Clip:
    """One clip: the class, and the samples of its audible part, which begins at its onset."""

    name: str
    label: str
    samples: Samples


def clips(data: Path, half: str, folds: Sequence[str] | None = None) -> list[Clip]:
    """The clips of a half, or of other `folds`, in the order of the list; empty where the data is not there."""
    rows = [row for row in _rows(data / "esc10") if row["fold"] in (folds or FOLDS[half])]
    return [Clip(Path(row["path"]).stem, row["label"], audible(_read(data / "esc10" / row["path"]))) for row in rows]


@lru_cache(maxsize=512)
def _read(path: Path) -> Samples:
    return read(path)


def levels_db(samples: Samples) -> Samples:
    """RMS of each frame of 20 ms, dBFS."""
    whole = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    return 20.0 * np.log10(np.sqrt(np.mean(np.square(whole), axis=1)) + 1e-9)


def threshold_db(level_db: Samples) -> float:
    """What is audible: 30 dB below the loud frames, or half-way to the recording's own noise where that is higher."""
    floor, peak = (float(each) for each in np.percentile(level_db, [10.0, LOUD_PERCENT]))
    half_way = (peak + floor) / 2.0 if peak - floor > 20.0 else -np.inf
    return max(peak - BELOW_PEAK_DB, half_way)


def audible(samples: Samples) -> Samples:
    """The part with the most energy that has no pause of a second in it, faded over 10 ms at both ends."""
    level_db = levels_db(samples)
    heard = np.flatnonzero(level_db >= threshold_db(level_db))
    breaks = np.flatnonzero(np.diff(heard) > PAUSE_S * SAMPLE_RATE_HZ / FRAME_SAMPLES)
    power = 10.0 ** (level_db / 10.0)
    part = max(np.split(heard, breaks + 1), key=lambda frames: float(np.sum(power[frames])))
    cut = samples[part[0] * FRAME_SAMPLES : (part[-1] + 1) * FRAME_SAMPLES].copy()
    ramp = np.linspace(0.0, 1.0, min(FADE_SAMPLES, len(cut) // 2))
    cut[: len(ramp)] *= ramp
    cut[len(cut) - len(ramp) :] *= ramp[::-1]
    return cut


def active_rms(samples: Samples) -> float:
    """RMS over the audible frames alone, so that pauses do not make a sound louder when it is set to a level."""
    level_db = levels_db(samples)
    if not len(level_db):
        return rms(samples)
    return float(np.sqrt(np.mean(10.0 ** (level_db[level_db >= threshold_db(level_db)] / 10.0))))


def to_level(samples: Samples, dbfs: float) -> Samples:
    """Scales to an active RMS of `dbfs`; 0 dBFS is an RMS of 1."""
    return samples * (10.0 ** (dbfs / 20.0) / active_rms(samples))


def speech(data: Path, half: str) -> list[Path]:
    """The speech of a half: TIMIT's and LibriVox's voices are in one of them only, the prompts' one voice in both."""
    found: dict[str, list[Path]] = {}
    for row in _rows(data / "speech"):
        path = data / "speech" / row["path"]
        voice = path.stem.rpartition("_")[0] if path.stem.startswith("timit") else path.stem
        found.setdefault(voice, []).append(path)
    place = HALVES.index(half)
    return [path for k, voice in enumerate(sorted(found)) if k % 2 == place for path in found[voice]]


def spoken(path: Path, rng: np.random.Generator) -> Samples:
    """One utterance at an active RMS of 1 and the pause of 0.2 to 0.8 s behind it."""
    pause = np.zeros(int(rng.uniform(0.2, 0.8) * SAMPLE_RATE_HZ))
    return np.concatenate([to_level(_read(path), 0.0), pause])


def talk(paths: Sequence[Path], length: int, rng: np.random.Generator) -> Samples:
    """Utterances one after the other in an order of chance, `length` samples."""
    parts: list[Samples] = []
    total = 0
    while total < length:
        for k in rng.permutation(len(paths)):
            parts.append(spoken(paths[k], rng))
            total += len(parts[-1])
            if total >= length:
                break
    return np.concatenate(parts)[:length]


def coloured(kind: str, length: int, rng: np.random.Generator) -> Samples:
    """White, pink (-3 dB an octave) or brown (-6 dB an octave, from 50 Hz up) noise of RMS 1."""
    white = rng.standard_normal(length)
    if kind == "white":
        return white
    spectrum = np.fft.rfft(white)
    frequency = np.maximum(np.fft.rfftfreq(length, 1.0 / SAMPLE_RATE_HZ), 50.0)
    shaped = np.fft.irfft(spectrum / frequency ** {"pink": 0.5, "brown": 1.0}[kind], length)
    return shaped / rms(shaped)


def outdoors(among: Sequence[Clip], kind: str, length: int, rng: np.random.Generator) -> tuple[Samples, str]:
    """A clip of rain or sea waves that never pauses, again and again with a fade, RMS 1; and which it is."""
    steady = [clip for clip in among if clip.label == kind and len(clip.samples) > 4 * SAMPLE_RATE_HZ]
    if not steady:
        raise ValueError(f"no clip of {kind} lasts for 4 s; the data is not ESC-10")
    clip = steady[int(rng.integers(len(steady)))]
    fade = SAMPLE_RATE_HZ // 10
    turn = np.linspace(0.0, np.pi / 2.0, fade)
    piece = clip.samples.copy()
    piece[:fade] *= np.sin(turn)
    piece[-fade:] *= np.cos(turn)
    step = len(piece) - fade
    result = np.zeros((length // step + 2) * step + fade)
    for k in range(length // step + 2):
        result[k * step : k * step + len(piece)] += piece
    result = result[fade : fade + length]
    return result / rms(result), clip.name


def _rows(folder: Path) -> list[dict[str, str]]:
    listed = folder / "clips.tsv"
    if not listed.is_file():
        return []
    with listed.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
