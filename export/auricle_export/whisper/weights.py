"""Whisper's weights, whichever way they are kept: in comes a folder, out go dimensions and tensors in one form.

A folder holds `tokenizer.json` and one of: CTranslate2's `model.bin` and `config.json`; Hugging Face's
`model.safetensors`, `config.json` and perhaps `generation_config.json`; one checkpoint of openai-whisper, `*.pt`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from auricle_export.exported import ExportError
from auricle_export.whisper import checkpoint, ctranslate2, safetensors
from auricle_export.whisper.dimensions import ModelDimensions

TOKENIZER_FILE = "tokenizer.json"
CTRANSLATE2_FILE, SAFETENSORS_FILE = "model.bin", "model.safetensors"
GENERATION_FILE = "generation_config.json"

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Whisper:
    """A model as it was trained, and what its source says of decoding."""

    dims: ModelDimensions
    tensors: dict[str, Floats]
    """By the reference's names, in the order of `dimensions.shapes`; products are [outputs, inputs]."""
    alignment_heads: tuple[tuple[int, int], ...]
    """Layer and head of the cross-attention that follow the audio; half of the decoder where the source names none."""
    suppress: tuple[int, ...] | None = None
    """Tokens that are never chosen; None where the source does not say."""
    suppress_first: tuple[int, ...] | None = None
    """Tokens that are never chosen first."""
    files: tuple[Path, ...] = ()
    """What was read."""

    def tensor(self, name: str) -> Floats:
        """A tensor by the reference's name."""
        return self.tensors[name]


def read(source: Path) -> Whisper:
    """The model in the folder `source`; `ExportError` where there is none, or more than one, or it is damaged."""
    found = [source / name for name in (CTRANSLATE2_FILE, SAFETENSORS_FILE) if (source / name).is_file()]
    found += sorted(source.glob("*.pt"))
    if len(found) != 1:
        listed = ", ".join(path.name for path in found) or "none"
        raise ExportError(
            f"{source}: has {listed}; --source names a folder with one of {CTRANSLATE2_FILE} (CTranslate2), "
            f"{SAFETENSORS_FILE} (Hugging Face), a .pt (openai-whisper)"
        )
    path = found[0]
    reader = {CTRANSLATE2_FILE: ctranslate2.read, SAFETENSORS_FILE: safetensors.read}.get(path.name, checkpoint.read)
    try:
        dims, tensors = reader(path)
    except OSError as error:
        raise ExportError(f"{path}: cannot be read: {error}") from error
    files, said = [path], dict[str, Any]()
    if path.suffix != ".pt":
        for name in (safetensors.CONFIGURATION, GENERATION_FILE):
            if (source / name).is_file():
                said |= safetensors.json_object(source / name)
                files.append(source / name)
    heads = said.get("alignment_heads") or default_heads(dims)
    return Whisper(
        dims,
        tensors,
        _heads(heads, dims, source),
        _tokens(said.get("suppress_ids", said.get("suppress_tokens")), "suppressed tokens", dims, source),
        _tokens(said.get("suppress_ids_begin", said.get("begin_suppress_tokens")), "first tokens", dims, source),
        tuple(files),
    )


def default_heads(dims: ModelDimensions) -> tuple[tuple[int, int], ...]:
    """Every head of the last half of the layers, as the reference takes them where nothing was measured."""
    layers = range(dims.n_text_layer // 2, dims.n_text_layer)
    return tuple((layer, head) for layer in layers for head in range(dims.n_text_head))


def _heads(value: object, dims: ModelDimensions, source: Path) -> tuple[tuple[int, int], ...]:
    pairs = [tuple(pair) if isinstance(pair, list | tuple) else () for pair in value] if _listed(value) else []
    fine = all(
        len(pair) == 2
        and all(type(each) is int for each in pair)
        and 0 <= pair[0] < dims.n_text_layer
        and 0 <= pair[1] < dims.n_text_head
        for pair in pairs
    )
    if not pairs or not fine or len(set(pairs)) != len(pairs):
        raise ExportError(
            f"{source}: alignment_heads are {str(value)[:80]}, expected pairs of a layer below {dims.n_text_layer} and "
            f"a head below {dims.n_text_head}"
        )
    return tuple((int(layer), int(head)) for layer, head in pairs)


def _tokens(value: object, what: str, dims: ModelDimensions, source: Path) -> tuple[int, ...] | None:
    if value is None:
        return None
    if not _listed(value) or not all(type(each) is int and 0 <= each < dims.n_vocab for each in value):
        raise ExportError(f"{source}: {what} are {str(value)[:80]}, expected tokens below {dims.n_vocab}")
    return tuple(sorted(set(value)))


def _listed(value: object) -> bool:
    return isinstance(value, list | tuple)
