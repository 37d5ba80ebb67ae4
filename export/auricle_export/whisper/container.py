"""A file of tensors read piece by piece: in come a file and claims about it, out go bytes that are really there.

What a file says of itself is compared with its size before memory is asked for, so no file takes more than it is long.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from auricle_export.exported import ExportError

MOST_TENSORS = 1 << 14
"""The largest Whisper has 1259."""
ITEM_BYTES = {"f32": 4, "f16": 2, "bf16": 2, "i8": 1, "i16": 2, "i32": 4}
TYPES = {"f32": "<f4", "f16": "<f2", "bf16": "<u2", "i8": "i1", "i16": "<i2", "i32": "<i4"}


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor as it lies in the file: little-endian, dense, last axis fastest."""

    kind: str
    """Of its numbers, a key of `ITEM_BYTES`."""
    shape: tuple[int, ...]
    offset: int
    """Of its first byte in the file; the last is checked to be in it too."""

    @property
    def bytes(self) -> int:
        """Its length."""
        return math.prod(self.shape) * ITEM_BYTES[self.kind]


class Reader:
    """A file read from its start; every claim of a length is held to what is left."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        """Read `file`, which `path` names in messages."""
        self.path = path
        self.size = path.stat().st_size
        self.at = 0
        self._file = file

    def take(self, count: int, what: str) -> bytes:
        """The next bytes; `ExportError` says what of `what` is missing."""
        self.holds(count, what)
        data = self._file.read(count)
        if len(data) != count:
            raise ExportError(f"{self.path}: ended at byte {self.at + len(data)} while {what} was read")
        self.at += count
        return data

    def number(self, count: int, what: str) -> int:
        """The next unsigned number of so many bytes."""
        return int.from_bytes(self.take(count, what), "little")

    def skip(self, count: int, what: str) -> int:
        """Pass over bytes; where they began."""
        self.holds(count, what)
        began = self.at
        self._file.seek(count, 1)
        self.at += count
        return began

    def holds(self, count: int, what: str) -> None:
        """Raise unless so many bytes are left."""
        if count > self.size - self.at:
            raise ExportError(
                f"{self.path}: {what} takes {count} bytes from byte {self.at} on, and the file has {self.size}: it is "
                "cut off or damaged"
            )


def values(file: BinaryIO, path: Path, name: str, tensor: Tensor) -> npt.NDArray[np.generic]:
    """A tensor's numbers, as the file has them, but bf16 as f32."""
    file.seek(tensor.offset)
    data = file.read(tensor.bytes)
    if len(data) != tensor.bytes:
        raise ExportError(f"{path}: {name} has {len(data)} bytes of {tensor.bytes}: the file is cut off")
    found = np.frombuffer(data, TYPES[tensor.kind]).reshape(tensor.shape)
    if tensor.kind == "bf16":
        return (found.astype(np.uint32) << 16).view(np.float32)
    return found


def floats(found: npt.NDArray[np.generic], path: Path, name: str) -> npt.NDArray[np.float32]:
    """Numbers as single precision; `ExportError` where one is not finite."""
    if found.dtype.kind != "f":
        raise ExportError(f"{path}: {name} has numbers of {found.dtype}, expected floats")
    with np.errstate(over="ignore"):
        single = np.ascontiguousarray(found, np.float32)
    if not np.isfinite(single).all():
        raise ExportError(f"{path}: {name} has numbers that are not finite")
    return single


def shaped(found: npt.NDArray[np.float32], shape: tuple[int, ...], path: Path, name: str) -> npt.NDArray[np.float32]:
    """The tensor, if it has the shape expected."""
    if found.shape != shape:
        raise ExportError(f"{path}: {name} has the shape {list(found.shape)}, expected {list(shape)}")
    return found
