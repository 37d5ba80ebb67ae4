"""Reads Whisper from OpenAI's `.pt`: in comes the file, out go dimensions and tensors; nothing in it is executed.

What `torch.save` writes: a zip archive, not compressed, of a pickle that describes `dims` and `model_state_dict`, and
of the numbers of every tensor, `data/<key>`. A pickle is a program. Here it is run by a machine that knows only what
PyTorch's own pickles do with texts, numbers, lists, dictionaries and tensors; any other step is an error.
"""

import io
import math
import pickletools
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from auricle_export.exported import ExportError
from auricle_export.whisper.container import ITEM_BYTES, MOST_TENSORS, TYPES, floats, shaped
from auricle_export.whisper.dimensions import ModelDimensions, checked, shapes

LONGEST_PICKLE = 1 << 24
KINDS = {"FloatStorage": "f32", "HalfStorage": "f16", "BFloat16Storage": "bf16"}
MOST_AXES = 4

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Global:
    """A name of a module's, as the pickle has it; it is not looked up."""

    name: str


@dataclass(frozen=True, slots=True)
class Storage:
    """Numbers of one type in the archive."""

    kind: str
    key: str
    count: int


@dataclass(frozen=True, slots=True)
class View:
    """A tensor: numbers of a storage from `offset` on, by sizes and strides."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read(path: Path) -> tuple[ModelDimensions, dict[str, Floats]]:
    """Dimensions and tensors of the file at `path`; `ExportError` where it is not Whisper's or is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _tensors(archive, path)
    except zipfile.BadZipFile as error:
        raise ExportError(
            f"{path}: is no archive of PyTorch's, as 'torch.save' writes them from 1.6 on: {error}"
        ) from error
    except (NotImplementedError, RuntimeError, EOFError) as error:
        raise ExportError(f"{path}: cannot be unpacked: {error}") from error


def _tensors(archive: zipfile.ZipFile, path: Path) -> tuple[ModelDimensions, dict[str, Floats]]:
    entries = archive.infolist()
    if len(entries) > 2 * MOST_TENSORS:
        raise ExportError(f"{path}: has {len(entries)} members, expected at most {2 * MOST_TENSORS}")
    members = {entry.filename.partition("/")[2]: entry for entry in entries}
    for entry in entries:
        # Then no member is longer than the file, and what it takes to read one is known.
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise ExportError(f"{path}: {entry.filename} is compressed, and PyTorch compresses nothing")
    if "data.pkl" not in members:
        raise ExportError(f"{path}: has no data.pkl; it is not what 'torch.save' writes")
    if members["data.pkl"].file_size > LONGEST_PICKLE:
        raise ExportError(f"{path}: data.pkl has {members['data.pkl'].file_size} bytes, at most {LONGEST_PICKLE}")
    if "byteorder" in members and (order := archive.read(members["byteorder"])) != b"little":
        raise ExportError(f"{path}: its numbers are {order[:16]!r}-endian, expected little")
    table = unpickled(archive.read(members["data.pkl"]), f"{path}: data.pkl")
    if not isinstance(table, dict) or not isinstance(table.get("dims"), dict):
        raise ExportError(f"{path}: has no 'dims'; a checkpoint of openai-whisper has 'dims' and 'model_state_dict'")
    if strange := [name for name, size in table["dims"].items() if type(size) is not int]:
        raise ExportError(f"{path}: dims: {strange[0]} is not a whole number")
    dims = checked(table["dims"], f"{path}: dims", path.stat().st_size)
    state = table.get("model_state_dict")
    if not isinstance(state, dict):
        raise ExportError(f"{path}: has no 'model_state_dict'")
    wanted = shapes(dims)
    if wrong := [f"has {name}" for name in state if name not in wanted]:
        raise ExportError(f"{path}: model_state_dict {wrong[0]}, which is no tensor of a Whisper with these dims")
    made: dict[str, Floats] = {}
    for name, shape in wanted.items():
        view = state.get(name)
        if not isinstance(view, View):
            raise ExportError(f"{path}: model_state_dict has no tensor {name}")
        if view.shape != shape:
            raise ExportError(f"{path}: {name} has the shape {list(view.shape)}, expected {list(shape)}")
        made[name] = shaped(floats(_values(archive, members, view, path, name), path, name), shape, path, name)
    return dims, made


def _values(
    archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], view: View, path: Path, name: str
) -> npt.NDArray[np.generic]:
    """The numbers of a tensor; every one is checked to lie in its storage before any is read."""
    storage = view.storage
    member = members.get(f"data/{storage.key}")
    if member is None:
        raise ExportError(f"{path}: has no data/{storage.key}, which {name} is in")
    width = ITEM_BYTES[storage.kind]
    if member.file_size != storage.count * width:
        raise ExportError(
            f"{path}: {name} is in data/{storage.key} of {member.file_size} bytes, expected {storage.count * width}"
        )
    last = view.offset + sum((size - 1) * stride for size, stride in zip(view.shape, view.strides, strict=True))
    if last >= storage.count:
        raise ExportError(f"{path}: {name} reads number {last} of data/{storage.key}, which has {storage.count}")
    data = np.frombuffer(archive.read(member), TYPES[storage.kind])
    strides = tuple(stride * width for stride in view.strides)
    found = np.lib.stride_tricks.as_strided(data[view.offset :], view.shape, strides, writeable=False)
    return (found.astype(np.uint32) << 16).view(np.float32) if storage.kind == "bf16" else found


class _Machine:
    """The pickle's stack and memory."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memory: dict[int, Any] = {}

    def pop(self) -> object:
        """Take the uppermost value, which must lie above the last mark."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise ExportError(f"{self.where}: takes a value that is not there")
        return self.stack.pop()

    def marked(self) -> list[Any]:
        """Take all values above the last mark."""
        if not self.marks:
            raise ExportError(f"{self.where}: takes values from a mark that is not there")
        at = self.marks.pop()
        taken, self.stack[at:] = self.stack[at:], []
        return taken

    def put(self, pairs: list[Any]) -> None:
        """Put keys and values into the dictionary below them."""
        table = self.stack[-1] if self.stack else None
        if not isinstance(table, dict) or len(pairs) % 2 or not all(type(key) is str for key in pairs[::2]):
            raise ExportError(f"{self.where}: puts into a dictionary what is not a text and its value")
        table.update(zip(pairs[::2], pairs[1::2], strict=True))

    def storage(self, reference: object) -> Storage:
        """What a persistent reference stands for: ('storage', type, key, device, count)."""
        match reference:
            case ("storage", Global(kind), str(key), str(), int(count)) if count >= 0:
                module, _, name = kind.rpartition(".")
                if module != "torch" or name not in KINDS:
                    raise ExportError(f"{self.where}: has numbers of {kind}, expected one of {', '.join(KINDS)}")
                return Storage(KINDS[name], key, count)
        raise ExportError(f"{self.where}: refers to what is not a storage of PyTorch's")

    def called(self, function: object, arguments: object) -> object:
        """What the two functions give that a checkpoint calls."""
        match function, arguments:
            case Global("collections.OrderedDict"), ():
                return {}
            case (
                Global("torch._utils._rebuild_tensor_v2"),
                (Storage() as storage, int(offset), tuple(shape), tuple(strides), bool(), *_),
            ):
                sizes = (offset, *shape, *strides)
                fine = len(shape) == len(strides) <= MOST_AXES and all(type(each) is int for each in sizes)
                # What is not a number is not shown: a few steps can make a value that takes forever to print.
                if not fine or min(sizes) < 0 or math.prod(shape) == 0:
                    raise ExportError(f"{self.where}: has a tensor of sizes and strides that no tensor has")
                return View(storage, offset, shape, strides)
        name = function.name if isinstance(function, Global) else type(function).__name__
        raise ExportError(f"{self.where}: calls {name}, which no checkpoint of weights does; it is not run")


def unpickled(data: bytes, where: str) -> object:
    """The value that a pickle of PyTorch's describes, tensors as `View`; `ExportError` for any that does more."""
    machine = _Machine(where)
    stack = machine.stack
    try:
        for code, argument, _ in pickletools.genops(io.BytesIO(data)):
            match code.name:
                case "PROTO" | "FRAME":
                    pass
                case "MARK":
                    machine.marks.append(len(stack))
                case "EMPTY_DICT":
                    stack.append({})
                case "EMPTY_LIST":
                    stack.append([])
                case "EMPTY_TUPLE":
                    stack.append(())
                case "NONE":
                    stack.append(None)
                case "NEWTRUE" | "NEWFALSE":
                    stack.append(code.name == "NEWTRUE")
                case "BINUNICODE" | "SHORT_BINUNICODE" | "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                    stack.append(argument)
                case "GLOBAL":
                    stack.append(Global(str(argument).replace(" ", ".", 1)))
                case "BINPUT" | "LONG_BINPUT":
                    value = machine.pop()
                    stack.append(value)
                    machine.memory[int(argument)] = value  # type: ignore[call-overload]
                case "BINGET" | "LONG_BINGET":
                    stack.append(machine.memory[int(argument)])  # type: ignore[call-overload]
                case "TUPLE":
                    stack.append(tuple(machine.marked()))
                case "TUPLE1" | "TUPLE2" | "TUPLE3":
                    taken = [machine.pop() for _ in range(int(code.name[-1]))]
                    stack.append(tuple(reversed(taken)))
                case "SETITEM":
                    value, key = machine.pop(), machine.pop()
                    machine.put([key, value])
                case "SETITEMS":
                    machine.put(machine.marked())
                case "APPEND" | "APPENDS":
                    added = [machine.pop()] if code.name == "APPEND" else machine.marked()
                    if not stack or not isinstance(stack[-1], list):
                        raise ExportError(f"{where}: adds to what is not a list")
                    stack[-1].extend(added)
                case "BINPERSID":
                    stack.append(machine.storage(machine.pop()))
                case "REDUCE":
                    arguments, function = machine.pop(), machine.pop()
                    stack.append(machine.called(function, arguments))
                case "BUILD":
                    machine.pop()  # attributes of a dictionary: PyTorch's versions of modules
                case "STOP":
                    return machine.pop()
                case other:
                    raise ExportError(
                        f"{where}: has the step {other}, which no checkpoint of weights has; it is not run"
                    )
    except (ValueError, KeyError, IndexError, RecursionError) as error:
        raise ExportError(f"{where}: is not a pickle of PyTorch's: {error}") from error
    raise ExportError(f"{where}: ends without a result")
