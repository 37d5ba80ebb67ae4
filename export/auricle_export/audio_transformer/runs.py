"""A run of training on disk: what it was asked to do, how it went, and the weights it ended with.

In: the folder. Out: `settings.json` (claimed by the first step, so that two runs never mix), `weights.npz` (float16),
`result.json` once it is evaluated.
"""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[3]
"""The repository."""
YAMNET = ROOT / "models/yamnet/model.onnx"
CACHE = ROOT / ".cache/audio-transformer"
NOT_TO_LEARN = "TIMIT"
"""Speech whose licence allows measuring only."""

Weights = dict[str, npt.NDArray[np.float32]]


class RunError(Exception):
    """A run that cannot be used; the message names the file, what is wrong, and the way out."""


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run."""

    folder: Path
    settings: dict[str, Any]
    """As `train.Settings`."""
    collection: str
    labels: tuple[tuple[str, str], ...]
    """Id and name of each class."""
    held_out: str
    learned_from: tuple[str, ...]
    minutes: float
    """Of processor time that training took, all threads together."""
    weights: Weights
    """float32, each a float16 that was widened: what is kept is what is measured."""


def claim(folder: Path, described: dict[str, Any]) -> None:
    """Make the folder this run's, or find that it is; `RunError` where it is another's."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "settings.json"
    if path.is_file():
        if _read(path) != json.loads(json.dumps(described)):
            raise RunError(f"{path}: another run stands there, with other settings or data; name another --run")
        return
    path.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")


def finish(folder: Path, described: dict[str, Any], weights: Weights, minutes: float) -> None:
    """Keep the weights, rounded to float16."""
    claim(folder, described)
    for name, value in weights.items():
        if not np.isfinite(value.astype(np.float16)).all():
            raise RunError(f"{folder}: {name} has numbers that float16 cannot hold; train with a lower --rate")
    np.savez(folder / "weights.npz", **{name: value.astype(np.float16) for name, value in weights.items()})
    (folder / "cost.json").write_text(json.dumps({"processor_minutes": round(minutes, 2)}) + "\n", encoding="utf-8")


def load(folder: Path) -> Run:
    """Read a finished run; `RunError` where it is none."""
    path = folder / "weights.npz"
    if not path.is_file():
        raise RunError(f"{folder}: has no weights.npz; train it to its end first")
    described, cost = _read(folder / "settings.json"), _read(folder / "cost.json")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            weights = {name: arrays[name].astype(np.float32) for name in arrays.files}
        return Run(
            folder,
            described["settings"],
            described["collection"],
            tuple((each[0], each[1]) for each in described["labels"]),
            described["held_out"],
            tuple(described["learned_from"]),
            cost["processor_minutes"],
            weights,
        )
    except (KeyError, TypeError, IndexError, ValueError, OSError) as error:
        raise RunError(f"{folder}: cannot be read as a run: {error!r}; train it again") from error


def speech_halves(folder: Path) -> tuple[list[Path], list[Path]]:
    """Speech of a folder with `clips.tsv`: what may be learned from, and the rest.

    Every second file goes to either; what may only be measured with goes to the second.
    """
    path = folder / "clips.tsv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(row["path"], row["source"]) for row in csv.DictReader(file, delimiter="\t")]
    except (OSError, KeyError, csv.Error, UnicodeDecodeError) as error:
        raise RunError(f"{path}: cannot be read as a table with columns path and source: {error!r}") from error
    free = [folder / name for name, source in rows if NOT_TO_LEARN not in source]
    kept = [folder / name for name, source in rows if NOT_TO_LEARN in source]
    return free[0::2], free[1::2] + kept


def speech_to_learn(folder: Path) -> list[Path]:
    """The speech of a folder that training may mix in."""
    return speech_halves(folder)[0]


def _read(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read: {error}") from error
    if not isinstance(table, dict):
        raise RunError(f"{path}: holds no table")
    return table
