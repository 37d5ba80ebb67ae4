"""Who is compared: rows of Auricle and of faster-whisper over the same weights, and which of them belong together.

In: folders of models. Out: what starts each of them. README.md says where the settings come from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from process import HERE as PEERS
from process import Worker

PYTHON = PEERS.parents[1] / ".cache" / "peers" / "bin" / "python"
PRECISIONS = {"fp32": "float32", "int8": "int8"}
"""Of Auricle's graphs, and what faster-whisper calls the same."""
BEAMS = (1, 5)
ONCE = {"temperature": 0}
"""faster-whisper reads each window once, whatever it thinks of what it read."""


@dataclass(frozen=True)
class Ours:
    """`auricle transcribe` as a row of a table."""

    name: str
    model: str
    """The folder of its model, as `builds.py` names it."""
    options: tuple[str, ...]


@dataclass(frozen=True)
class Theirs:
    """faster-whisper as a row of a table."""

    name: str
    options: Mapping[str, Any]
    engine: str = "faster-whisper"


@dataclass(frozen=True)
class Pair:
    """Two rows with the same numbers and the same beam."""

    ours: str
    theirs: str


def named(who: str, precision: str, beam: int) -> str:
    """The name of a row."""
    return f"{who} {precision}" + (f", beam {beam}" if beam > 1 else "")


def ours() -> list[Ours]:
    """The rows of Auricle: windows of 30 s by the rules of openai-whisper; last what it does unless told otherwise."""
    rows = [
        Ours(named("auricle", precision, beam), precision, ("--windows", "--beam", str(beam)))
        for precision in PRECISIONS
        for beam in BEAMS
    ]
    return [*rows, Ours("auricle int8, by voice", "int8", ())]


def theirs() -> list[Theirs]:
    """The rows of faster-whisper."""
    rows = [
        Theirs(named("faster-whisper", compute, beam), {"beam": beam, "compute": compute, "asked": ONCE})
        for compute in PRECISIONS.values()
        for beam in BEAMS
    ]
    return [*rows, Theirs("faster-whisper int8, its defaults", {"beam": 5, "compute": "int8"})]


def pairs() -> list[Pair]:
    """What is to read the same, ours first."""
    return [
        Pair(named("auricle", precision, beam), named("faster-whisper", compute, beam))
        for precision, compute in PRECISIONS.items()
        for beam in BEAMS
    ]


def start(row: Theirs, scratch: Path) -> Worker:
    """faster-whisper in its process, loaded."""
    return Worker(PYTHON, "read", row.engine, row.options, scratch / "faster-whisper.log")


def arguments(row: Ours, models: Path) -> Sequence[str]:
    """What `auricle transcribe` is told besides its files; `models` is the folder that `builds.py` made."""
    return ["--model", row.model, "--models-dir", str(models), "--sounds", "off", *row.options]
