"""The binary on the timelines, with any thresholds.

In: scenes, and the `[events]` section to use. Out: verdicts for each scene. A model of the same name, with other
thresholds, stands in a folder of its own: the files are links, the manifest is a copy.
"""

import re
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from auricle import Auricle
from clips import SAMPLE_RATE_HZ
from outline import Outline
from score import Tally, Verdict, judged, onsets, tally, told
from sounds import CLASSES
from timeline import Scene, Sound


@dataclass(frozen=True)
class Judged:
    """What became of one scene."""

    name: str
    condition: str
    background: str
    seconds: float
    sounds: list[Sound]
    verdicts: list[Verdict]
    tally: Tally
    onsets: list[tuple[float, float]]


class Written:
    """Scenes as files: written once, measured as often as needed."""

    def __init__(self, folder: Path) -> None:
        """`folder` must be there; what is written stays until it is removed."""
        self.folder = folder
        self.scenes: dict[Path, Scene] = {}

    def add(self, scenes: Iterable[Scene]) -> None:
        """Writes scenes as 16-bit WAV and keeps what is in them, but not their samples."""
        for scene in scenes:
            path = self.folder / f"{scene.name}.wav"
            soundfile.write(path, scene.samples, SAMPLE_RATE_HZ, subtype="PCM_16")
            # The samples are in the file now: as float64 a timeline of hours would not fit.
            self.scenes[path] = Scene(
                scene.name,
                scene.condition,
                np.zeros(len(scene.samples), bool),
                scene.sounds,
                scene.background,
                scene.heard_too,
            )

    def measured(self, auricle: Auricle, outline: Outline, models: Path | None = None) -> list[Judged]:
        """What `auricle tag` tells of every scene."""
        options = () if models is None else ("--models-dir", str(models))
        events = auricle.events("tag", list(self.scenes), *options)
        result = []
        for path, scene in self.scenes.items():
            verdicts = judged(told(events[path]), scene.sounds, CLASSES, outline, scene.heard_too)
            result.append(
                Judged(
                    scene.name,
                    scene.condition,
                    scene.background,
                    len(scene.samples) / SAMPLE_RATE_HZ,
                    scene.sounds,
                    verdicts,
                    tally(verdicts, len(scene.sounds)),
                    onsets(verdicts, scene.sounds, CLASSES, outline),
                )
            )
        return result


def section(manifest: Path) -> dict[str, Any]:
    """The `[events]` of a manifest."""
    return dict(tomllib.loads(manifest.read_text(encoding="utf-8"))["events"])


def written(events: Mapping[str, Any]) -> str:
    """`[events]` as TOML."""
    common = [f"{key} = {value}" for key, value in events.items() if key != "labels"]
    rows = []
    for name, own in events.get("labels", {}).items():
        inner = ", ".join(f"{key} = {value}" for key, value in own.items())
        rows.append(f'"{name}" = {{ {inner} }}')
    return "\n".join(["[events]", *common, "", "[events.labels]", *rows, ""])


def with_thresholds(model: Path, events: Mapping[str, Any], folder: Path) -> Path:
    """A folder of models with one: `model` with these `[events]`."""
    copy = folder / model.resolve().name
    copy.mkdir(parents=True)
    manifest = (model / "model.toml").read_text(encoding="utf-8")
    changed = re.sub(r"(?ms)^\[events\]$.*?(?=^\[\[)", lambda _: written(events) + "\n", manifest, count=1)
    (copy / "model.toml").write_text(changed, encoding="utf-8")
    for entry in tomllib.loads(manifest)["file"]:
        (copy / entry["path"]).symlink_to((model / entry["path"]).resolve())
    return folder


def at(auricle: Auricle, outline: Outline, written_: Written, model: Path, events: Mapping[str, Any]) -> list[Judged]:
    """Every scene with these thresholds."""
    with tempfile.TemporaryDirectory(prefix="auricle-thresholds-") as folder:
        return written_.measured(auricle, outline, with_thresholds(model, events, Path(folder)))


def total(judged_: Sequence[Judged]) -> Tally:
    """The counts of several scenes together."""
    return sum((each.tally for each in judged_), Tally())
