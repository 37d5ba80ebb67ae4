"""Reads Whisper from `model.safetensors`: in come it and Hugging Face's `config.json`, out go dimensions and tensors.

The file is a u64 length, a JSON header of that length with type, shape and place of every tensor, then their bytes. Its
names, those of transformers, become the reference's.
"""

import json
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from auricle_export.exported import ExportError
from auricle_export.whisper.container import MOST_TENSORS, Reader, Tensor, floats, shaped, values
from auricle_export.whisper.dimensions import ModelDimensions, checked, shapes

CONFIGURATION = "config.json"
LONGEST_JSON = 1 << 24
KINDS = {"F32": "f32", "F16": "f16", "BF16": "bf16"}
SIZES = {
    "n_mels": "num_mel_bins",
    "n_audio_ctx": "max_source_positions",
    "n_audio_state": "d_model",
    "n_audio_head": "encoder_attention_heads",
    "n_audio_layer": "encoder_layers",
    "n_vocab": "vocab_size",
    "n_text_ctx": "max_target_positions",
    "n_text_state": "d_model",
    "n_text_head": "decoder_attention_heads",
    "n_text_layer": "decoder_layers",
}
PARTS = (
    ("positional_embedding", "embed_positions.weight"),
    ("decoder.token_embedding", "decoder.embed_tokens"),
    ("encoder.ln_post", "encoder.layer_norm"),
    ("decoder.ln.", "decoder.layer_norm."),
    (".blocks.", ".layers."),
    (".cross_attn_ln.", ".encoder_attn_layer_norm."),
    (".attn_ln.", ".self_attn_layer_norm."),
    (".mlp_ln.", ".final_layer_norm."),
    (".mlp.0.", ".fc1."),
    (".mlp.2.", ".fc2."),
    (".cross_attn.", ".encoder_attn."),
    (".attn.", ".self_attn."),
    (".query.", ".q_proj."),
    (".key.", ".k_proj."),
    (".value.", ".v_proj."),
    (".out.", ".out_proj."),
)
"""What the reference calls a part, and what transformers does."""
PROJECTION = "proj_out.weight"
"""The embedding again, where it is written at all."""

Floats = npt.NDArray[np.float32]


def read(path: Path) -> tuple[ModelDimensions, dict[str, Floats]]:
    """Dimensions and tensors of the file at `path`; `ExportError` where it is not Whisper's or is damaged."""
    beside = path.parent / CONFIGURATION
    with path.open("rb") as file:
        held = _header(file, path)
        dims = _dimensions(beside, path.stat().st_size)
        names = {name: f"model.{_theirs(name)}" for name in shapes(dims)}
        unknown = sorted(set(held) - set(names.values()) - {PROJECTION})
        if unknown:
            raise ExportError(f"{path}: has {unknown[0]}, which is no tensor of the Whisper that {beside} describes")
        made: dict[str, Floats] = {}
        for name, shape in shapes(dims).items():
            if names[name] not in held:
                raise ExportError(f"{path}: has no tensor {names[name]}")
            made[name] = _floats(file, path, names[name], held[names[name]], shape)
        if PROJECTION in held:
            embedding = made["decoder.token_embedding.weight"]
            if not np.array_equal(_floats(file, path, PROJECTION, held[PROJECTION], embedding.shape), embedding):
                raise ExportError(f"{path}: {PROJECTION} is not the embedding, as it is in Whisper")
    return dims, made


def _dimensions(beside: Path, available_bytes: int) -> ModelDimensions:
    table = json_object(beside)
    dims = checked({ours: table.get(theirs) for ours, theirs in SIZES.items()}, str(beside), available_bytes)
    if (activation := table.get("activation_function", "gelu")) != "gelu":
        raise ExportError(f"{beside}: activation_function is {activation!r}, expected 'gelu'")
    if table.get("scale_embedding", False) is not False:
        raise ExportError(f"{beside}: scale_embedding is {table['scale_embedding']!r}, expected false")
    return dims


def json_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file; `ExportError` where there is none, or a file too long to be one."""
    try:
        if path.stat().st_size > LONGEST_JSON:
            raise ExportError(f"{path}: has {path.stat().st_size} bytes, expected at most {LONGEST_JSON}")
        table = json.loads(path.read_bytes())
    except OSError as error:
        raise ExportError(f"{path}: cannot be read: {error}") from error
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{path}: is not JSON: {error}") from error
    if not isinstance(table, dict):
        raise ExportError(f"{path}: is not an object of JSON")
    return table


def _floats(file: BinaryIO, path: Path, name: str, tensor: Tensor, shape: tuple[int, ...]) -> Floats:
    if tensor.shape != shape:
        raise ExportError(f"{path}: {name} has the shape {list(tensor.shape)}, expected {list(shape)}")
    return shaped(floats(values(file, path, name, tensor), path, name), shape, path, name)


def _theirs(name: str) -> str:
    for ours, theirs in PARTS:
        name = name.replace(ours, theirs)
    return name


def _header(file: BinaryIO, path: Path) -> dict[str, Tensor]:
    """Every tensor's place; none leaves the file, and none lies on another."""
    reader = Reader(file, path)
    length = reader.number(8, "the length of the header")
    if length > LONGEST_JSON:
        raise ExportError(f"{path}: the header has {length} bytes, expected at most {LONGEST_JSON}")
    text = reader.take(length, "the header")
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{path}: the header is not JSON: {error}") from error
    if not isinstance(table, dict) or len(table) > MOST_TENSORS:
        raise ExportError(f"{path}: the header is not an object of at most {MOST_TENSORS} tensors")
    table.pop("__metadata__", None)
    found = {name: _placed(name, entry, reader) for name, entry in table.items()}
    end = reader.at
    for name, tensor in sorted(found.items(), key=lambda each: each[1].offset):
        if tensor.offset != end:
            raise ExportError(
                f"{path}: {name} begins at byte {tensor.offset}, expected {end}, where the one before ends"
            )
        end += tensor.bytes
    if end != reader.size:
        raise ExportError(f"{path}: its tensors end at byte {end}, and the file has {reader.size}")
    return found


def _placed(name: str, entry: object, reader: Reader) -> Tensor:
    where = f"{reader.path}: {name}"
    if not isinstance(entry, dict) or entry.get("dtype") not in KINDS:
        kind = entry.get("dtype") if isinstance(entry, dict) else entry
        raise ExportError(f"{where} is of type {kind!r}, expected one of {', '.join(KINDS)}")
    shape, places = entry.get("shape"), entry.get("data_offsets")
    if not _naturals(shape) or len(shape) > 4 or not _naturals(places) or len(places) != 2:
        raise ExportError(f"{where} has the shape {shape!r} at {places!r}, expected sizes, and first and last byte")
    tensor = Tensor(KINDS[entry["dtype"]], tuple(shape), reader.at + places[0])
    if places[1] - places[0] != tensor.bytes:
        raise ExportError(f"{where} of the shape {shape} has {places[1] - places[0]} bytes, expected {tensor.bytes}")
    if reader.at + places[1] > reader.size:
        raise ExportError(
            f"{where} ends at byte {reader.at + places[1]}, and the file has {reader.size}: it is cut off"
        )
    return tensor


def _naturals(value: object) -> bool:
    return isinstance(value, list) and all(type(each) is int and 0 <= each < 1 << 63 for each in value)
