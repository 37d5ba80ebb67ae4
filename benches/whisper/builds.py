"""Models to compare: Whisper tiny.en as it is shipped, as fp32 made for the run, and hearing less of the silence.

In: the models of this repository, and the sources of Whisper's. Out: a folder of models for `auricle --models-dir`.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from auricle import Failed

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = "whisper-tiny-en"
SOURCE = ROOT / ".cache" / "sources" / SHIPPED
NEEDED = ("silero-vad", "moonshine-tiny-en")
"""What is used beside it: the detector of speech, and the model that live rows are compared with."""
Context = tuple[float, float]
"""`after_s` and `least_s` of `[whisper.context]`."""
SECTION = re.compile(r"^\[whisper\.context\]\n(?:(?!\[).*\n)*", re.MULTILINE)


def context_name(context: Context) -> str:
    """The model's name with another context."""
    after_s, least_s = context
    return f"int8-{after_s:g}-after-{least_s:g}-least".replace(".", "p")


def prepared(work: Path, fp32: bool, contexts: Iterable[Context] = ()) -> Path:
    """Makes the folder of models: `int8`, the one shipped; `fp32`, if asked for; one a context."""
    models = work / "models"
    models.mkdir()
    for name in NEEDED:
        (models / name).symlink_to(ROOT / "models" / name)
    shipped = ROOT / "models" / SHIPPED
    if not (shipped / "step.onnx").is_file():
        raise Failed(f"{shipped}: has no step.onnx; 'make models' builds it")
    _renamed(shipped, models / "int8", None)
    for context in contexts:
        _renamed(shipped, models / context_name(context), context)
    if fp32:
        _single(models / "fp32")
    return models


def with_context(manifest: str, name: str, context: Context | None) -> str:
    """The text of a `model.toml` under another name, and with another context if one is given."""
    manifest = re.sub(r'^name = ".*"$', f'name = "{name}"', manifest, count=1, flags=re.MULTILINE)
    if context is None:
        return manifest
    section = f"[whisper.context]\nafter_s = {float(context[0])}\nleast_s = {float(context[1])}\n"
    manifest = SECTION.sub("", manifest)
    return manifest.replace("[whisper.word_times]\n", f"{section}\n[whisper.word_times]\n", 1)


def _renamed(shipped: Path, folder: Path, context: Context | None) -> None:
    folder.mkdir()
    for path in shipped.iterdir():
        if path.suffix in (".onnx", ".json"):
            (folder / path.name).symlink_to(path)
    manifest = (shipped / "model.toml").read_text(encoding="utf-8")
    (folder / "model.toml").write_text(with_context(manifest, folder.name, context), encoding="utf-8")


def _single(folder: Path) -> None:
    """Exports fp32 graphs from the weights."""
    if not SOURCE.is_dir():
        raise Failed(f"{SOURCE}: is not there; bring it with 'python -m auricle_export fetch --sources {SHIPPED}'")
    command = [sys.executable, "-m", "auricle_export", "whisper", "--output", str(folder), "--precision", "fp32"]
    command += ["--source", str(SOURCE / "source"), "--audio", str(SOURCE / "audio" / "beckett.wav")]
    command += ["--licence", "MIT", "--language", "en"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT / "export")}
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["(nothing on standard error)"])[-1]
        raise Failed(f"auricle_export whisper: exit code {done.returncode}: {last}")
