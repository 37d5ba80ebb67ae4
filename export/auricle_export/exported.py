"""What a family hands over: in comes its finished export, out goes what the manifest will say of it.

A family's module offers one function, the shape of `Family.export`: it reads the source's files, writes graphs into a
work folder, compares them with the source on real audio, and returns an `Exported`, or raises `ExportError`.
Nothing here needs numpy or onnx, so set-up may import it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

PRECISIONS = ("fp32", "fp16", "int8")
"""What `--precision` takes; a family says by an `ExportError` which of them it cannot make."""


class ExportError(Exception):
    """An export that could not be made; the message names the thing, the value and the way out."""


class ParityError(ExportError):
    """An export that does not do what its source does; the message names every measure that is out of its bound."""


@dataclass(frozen=True, slots=True)
class Parity:
    """One comparison of an export with its source: passed when `value` is at most `bound`.

    `measure` says what was compared, on what, in which unit, as a reader of the manifest needs it: `"largest difference
    of logits, 10 s of speech, 34 tokens"`.
    """

    measure: str
    value: float
    bound: float

    @property
    def passed(self) -> bool:
        """Whether the value is within its bound; what is not a number never is."""
        return self.value <= self.bound


@dataclass(frozen=True, slots=True)
class Exported:
    """A finished export: its files, and what the manifest says of them."""

    files: tuple[tuple[str, Path], ...]
    """Role and path of every file, in the manifest's order; the paths lie in the work folder. A file that is the same
    as one of the source's, byte for byte, is brought from the source's places and not built."""
    sections: Mapping[str, Mapping[str, Any]]
    """Sections of the manifest that the family's runtime reads: `{"moonshine": {"start_token": 1, ...}}`."""
    task: str
    """`transcribe`, `tag` or `detect-speech`."""
    sample_rate_hz: int
    opset: int
    """The highest version of the default operator set among the graphs."""
    ir_version: int
    """The highest IR version among the graphs."""
    minimum_ort: str
    """The oldest ONNX Runtime that loads the graphs, `major.minor`."""
    parameters: int
    """Trained numbers of the network."""
    parity: tuple[Parity, ...]
    """What was compared with the source; never empty."""
    inputs: tuple[Path, ...] = ()
    """The files of the source folder that were read; where empty, every file in it."""


class Family(Protocol):
    """A module that exports a family of models."""

    def export(self, source: Path, work: Path, precision: str, audio: Sequence[Path]) -> Exported:
        """Export the files in the folder `source` into the empty folder `work`, and compare the two on `audio`.

        Same source, precision and packages, same bytes: on another day, in another folder, on another audio.
        `precision` is one of `PRECISIONS`; `audio` are WAV files of real sound, possibly none.
        """
        ...


def source_files(source: Path, names: Sequence[str]) -> tuple[Path, ...]:
    """Return the paths of the files that a family reads from `source`; `ExportError` names all that are not there."""
    if missing := [name for name in names if not (source / name).is_file()]:
        raise ExportError(
            f"{source}: has no {', '.join(missing)}; --source names the folder that holds {', '.join(names)}"
        )
    return tuple(source / name for name in names)


def require(parity: Iterable[Parity]) -> None:
    """Raise `ParityError` unless there is a comparison and every one is within its bound."""
    parity = tuple(parity)
    if not parity:
        raise ParityError("nothing was compared with the source: an export without a parity check is not trusted")
    failed = [f"{each.measure}: {each.value:g}, at most {each.bound:g} allowed" for each in parity if not each.passed]
    if failed:
        raise ParityError("the export does not do what its source does: " + "; ".join(failed))
