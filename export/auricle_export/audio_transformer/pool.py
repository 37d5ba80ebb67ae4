"""The chunks that a network learns from, made once and kept: samples, classes, and what the teacher says.

In: a collection, speech, the teacher, a seed. Out: arrays on disk, a folder each fold, that every run with the same
ingredients reads. A fold of 12,000 chunks takes 410 MB and half a minute of one core.
"""

import hashlib
import json
import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from auricle_export.audio_transformer import clips, mixtures, teacher
from auricle_export.audio_transformer.progress import Progress

BLOCK = 500
"""Chunks that are made in one piece, from one seed."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The chunks of one fold, mapped from disk."""

    samples: npt.NDArray[np.int16]
    """[chunks, 16000], full scale 32767."""
    truth: npt.NDArray[np.uint8]
    """[chunks, classes]: whether a class is in the chunk."""
    logits: npt.NDArray[np.uint8]
    """[chunks, 521]: the teacher's."""
    embeddings: npt.NDArray[np.float16]
    """[chunks, 1024]: the teacher's."""


@dataclass(frozen=True, slots=True)
class _Task:
    pieces: Sequence[mixtures.Piece]
    classes: int
    speech: Sequence[mixtures.Floats]
    model: Path
    seed: int


def pools(
    collection: clips.Collection,
    folds: Sequence[str],
    speech: Sequence[Path],
    model: Path,
    size: int,
    seed: int,
    cache: Path,
) -> list[Pool]:
    """The chunks of `folds`, `size` of each (rounded up to blocks), made where `cache` does not have them."""
    spoken: list[mixtures.Floats] | None = None
    out = []
    for fold in folds:
        members = [clip for clip in collection.clips if clip.fold == fold]
        if not members:
            raise clips.CollectionError(f"{collection.name}: has no clips of fold {fold!r}")
        key = _key(members, speech, model, size, seed)
        folder = cache / f"{collection.name}-{fold}-{key}"
        if not (folder / "done").is_file():
            if spoken is None:
                spoken = [clips.samples_of(path) for path in speech]
            pieces = [mixtures.piece(clips.samples(clip), clip.labels) for clip in members]
            task = _Task(pieces, len(collection.labels), spoken, model, seed + _number(fold))
            _make(folder, task, size, f"chunks of fold {fold}")
        out.append(Pool(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in Pool.__slots__)))
    return out


def _number(fold: str) -> int:
    return int.from_bytes(hashlib.sha256(fold.encode()).digest()[:4], "big")


def _key(members: Sequence[clips.Clip], speech: Sequence[Path], model: Path, size: int, seed: int) -> str:
    """Name everything that the chunks depend on."""
    parts = [[clip.path.name, clip.path.stat().st_size, clip.labels] for clip in members]
    said = [parts, [[path.name, path.stat().st_size] for path in speech], size, seed, BLOCK, mixtures.VERSION]
    digest = hashlib.sha256(json.dumps(said).encode())
    digest.update(model.read_bytes())
    return digest.hexdigest()[:16]


_task: _Task | None = None


def _begin(task: _Task) -> None:
    global _task
    _task = task


def _block(number: int) -> tuple[npt.NDArray[np.generic], ...]:
    """Make block `number`: the arrays of a `Pool`."""
    task = _task
    assert task is not None, "the process began with its task"
    mixer = mixtures.Mixer(task.pieces, task.classes, task.speech, task.seed * 100_003 + number)
    hears = teacher.Teacher(task.model)
    rows = []
    for _ in range(BLOCK):
        chunk, truth = mixer.chunk()
        logits, embedding = hears.hear(chunk)
        samples = np.rint(chunk * 32_767.0).astype(np.int16)
        rows.append((samples, truth.astype(np.uint8), logits, embedding.astype(np.float16)))
    return tuple(np.stack(column) for column in zip(*rows, strict=True))


def _make(folder: Path, task: _Task, size: int, what: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    blocks = -(-size // BLOCK)
    kinds = {
        "samples": (mixtures.CHUNK, np.int16),
        "truth": (task.classes, np.uint8),
        "logits": (teacher.CLASSES, np.uint8),
        "embeddings": (teacher.EMBEDDING, np.float16),
    }
    arrays = [
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", kind, (blocks * BLOCK, width))
        for name, (width, kind) in kinds.items()
    ]
    # Started anew and not forked: a process that holds threads, as PyTorch's does, must not be forked.
    context = multiprocessing.get_context("spawn")
    processes = min(blocks, multiprocessing.cpu_count())
    with context.Pool(processes, _begin, (task,)) as workers, Progress(what, blocks) as bar:
        for number, block in enumerate(workers.imap(_block, range(blocks))):
            for array, rows in zip(arrays, block, strict=True):
                array[number * BLOCK : (number + 1) * BLOCK] = rows
            bar.at(number + 1)
    for array in arrays:
        array.flush()
    (folder / "done").touch()
