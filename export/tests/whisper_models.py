"""Whisper for the tests: small models with random weights, in all three forms, and tiny.en where it is at hand."""

import functools
import json
import pickle
import struct
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from auricle_export import fetch
from auricle_export.onnx_graph import write
from auricle_export.whisper import graphs, weights
from auricle_export.whisper.decode import Decoder
from auricle_export.whisper.dimensions import ModelDimensions, shapes
from auricle_export.whisper.safetensors import SIZES, _theirs
from auricle_export.whisper.tokenizer import BYTE_CHARACTERS, TIMESTAMPS

SOURCES = fetch.MODELS.parent / ".cache" / "sources"
ENGLISH = ("endoftext", "startoftranscript", "translate", "transcribe", "startoflm", "startofprev", "nospeech")
MERGES = ("Ġ t", "h e", "Ġt he", "i n")
VOCABULARY = 256 + len(MERGES) + len(ENGLISH) + 1 + TIMESTAMPS
SMALL = ModelDimensions(80, 40, 32, 4, 2, VOCABULARY, 48, 32, 4, 3)
HEADS = ((2, 1), (1, 3), (2, 0))

Floats = npt.NDArray[np.float32]


@functools.cache
def small(dims: ModelDimensions = SMALL, seed: int = 0) -> weights.Whisper:
    """Random weights, of a size at which every part has a say in the logits; their last bits are those of a half."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for name, shape in shapes(dims).items():
        value = rng.normal(0, 0.5, shape)
        if len(shape) > 1 and "embedding" not in name:
            value *= 3 / np.sqrt(np.prod(shape[1:]))
        if name.endswith(("ln.weight", "ln_post.weight")):
            value = 1 + 0.3 * value
        tensors[name] = value.astype(np.float16).astype(np.float32)
    return weights.Whisper(dims, tensors, HEADS)


def ctranslate2_variables(model: weights.Whisper) -> dict[str, npt.NDArray[np.generic]]:
    """The variables that CTranslate2's converter makes of a model."""
    dims, of = model.dims, model.tensors
    made: dict[str, npt.NDArray[np.generic]] = {
        "decoder/activation": np.int8(3),
        "decoder/pre_norm": np.int8(1),
        "encoder/num_heads": np.int16(dims.n_audio_head),
        "decoder/num_heads": np.int16(dims.n_text_head),
        "decoder/embeddings/weight": of["decoder.token_embedding.weight"],
    }

    def norm(source: str, name: str) -> None:
        made[f"{source}/gamma"], made[f"{source}/beta"] = of[f"{name}.weight"], of[f"{name}.bias"]

    def product(source: str, *names: str) -> None:
        none = np.zeros(of[f"{names[0]}.weight"].shape[0], np.float32)
        made[f"{source}/weight"] = np.concatenate([of[f"{name}.weight"] for name in names])
        made[f"{source}/bias"] = np.concatenate([of.get(f"{name}.bias", none) for name in names])

    for name in ("conv1", "conv2"):
        product(f"encoder/{name}", f"encoder.{name}")
    for side, last, layers in (("encoder", "ln_post", dims.n_audio_layer), ("decoder", "ln", dims.n_text_layer)):
        made[f"{side}/position_encodings/encodings"] = of[f"{side}.positional_embedding"]
        norm(f"{side}/layer_norm", f"{side}.{last}")
        for layer in range(layers):
            source, name = f"{side}/layer_{layer}", f"{side}.blocks.{layer}"
            parts = [f"{name}.attn.{part}" for part in ("query", "key", "value")]
            product(f"{source}/self_attention/linear_0", *parts)
            product(f"{source}/self_attention/linear_1", f"{name}.attn.out")
            norm(f"{source}/self_attention/layer_norm", f"{name}.attn_ln")
            product(f"{source}/ffn/linear_0", f"{name}.mlp.0")
            product(f"{source}/ffn/linear_1", f"{name}.mlp.2")
            norm(f"{source}/ffn/layer_norm", f"{name}.mlp_ln")
            if side == "decoder":
                product(f"{source}/attention/linear_0", f"{name}.cross_attn.query")
                product(f"{source}/attention/linear_1", f"{name}.cross_attn.key", f"{name}.cross_attn.value")
                product(f"{source}/attention/linear_2", f"{name}.cross_attn.out")
                norm(f"{source}/attention/layer_norm", f"{name}.cross_attn_ln")
    return made


TYPE_NUMBERS = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}


def ctranslate2_bytes(variables: Mapping[str, npt.NDArray[np.generic]], version: int = 6) -> bytes:
    """A `model.bin` of these variables."""

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    out = [struct.pack("<I", version), text("WhisperSpec"), struct.pack("<II", 3, len(variables))]
    for name, value in sorted(variables.items()):
        value = np.ascontiguousarray(value).reshape(np.shape(value))
        data = value.tobytes()
        out += [text(name), struct.pack("<B", value.ndim), struct.pack(f"<{value.ndim}I", *value.shape)]
        out += [struct.pack("<BI", TYPE_NUMBERS[str(value.dtype)], len(data)), data]
    out += [struct.pack("<I", 1), text("decoder/projection/weight"), text("decoder/embeddings/weight")]
    return b"".join(out)


def eight_bits(variables: Mapping[str, npt.NDArray[np.generic]]) -> dict[str, npt.NDArray[np.generic]]:
    """The variables as CTranslate2 writes them in int8: products, the embedding and convolutions with a scale a row."""
    made: dict[str, npt.NDArray[np.generic]] = {}
    for name, value in variables.items():
        if name.endswith("/weight"):
            rows = value.reshape(len(value), -1)
            scale = (127 / np.abs(rows).max(axis=1)).astype(np.float32)
            made[name] = np.rint(rows * scale[:, None]).astype(np.int8)
            made[f"{name}_scale"] = scale
        else:
            made[name] = value
    return made


def safetensors_bytes(tensors: Mapping[str, tuple[str, tuple[int, ...], bytes]]) -> bytes:
    """A `model.safetensors` of type, shape and bytes by name."""
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, (kind, shape, data) in tensors.items():
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values())


def transformers_tensors(model: weights.Whisper, kind: str = "F16") -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """A model's tensors as Hugging Face names and writes them."""

    def data(value: Floats) -> bytes:
        if kind == "BF16":
            return (value.view(np.uint32) >> 16).astype(np.uint16).tobytes()
        return value.astype({"F16": np.float16, "F32": np.float32}[kind]).tobytes()

    return {f"model.{_theirs(name)}": (kind, value.shape, data(value)) for name, value in model.tensors.items()}


def configuration(dims: ModelDimensions) -> dict[str, object]:
    """Hugging Face's `config.json`."""
    return {theirs: getattr(dims, ours) for ours, theirs in SIZES.items()} | {"activation_function": "gelu"}


class Pickled:
    """Something that a pickle calls a function for."""

    def __init__(self, function: object, *arguments: object) -> None:
        """Call `function` with `arguments` when read."""
        self._reduced = (function, arguments)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        """What pickle asks for."""
        return self._reduced  # type: ignore[return-value]


class _Pickler(pickle._Pickler):  # type: ignore[name-defined]
    """Writes tensors as `torch.save` does, without torch: names of its functions, references to its storages."""

    def save(self, value: object, save_persistent_id: bool = True) -> None:
        if isinstance(value, Named):
            self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())
        else:
            super().save(value, save_persistent_id)

    def persistent_id(self, value: object) -> object:
        return value.reference if isinstance(value, Stored) else None

    def save_reduce(self, func: object, args: tuple[object, ...], *more: object, **named: object) -> None:
        self.save(func)
        self.save(args)
        self.write(pickle.REDUCE)


class Named:
    """A function by its module and name."""

    def __init__(self, module: str, name: str) -> None:
        """Name it."""
        self.module, self.name = module, name


class Stored:
    """A reference to a storage."""

    def __init__(self, kind: str, key: str, count: int) -> None:
        """Refer to `count` numbers in `data/<key>`."""
        self.reference = ("storage", Named("torch", kind), key, "cpu", count)


REBUILD = Named("torch._utils", "_rebuild_tensor_v2")


def checkpoint_bytes(
    model: weights.Whisper, replaced: Mapping[str, object] | None = None, compression: int = zipfile.ZIP_STORED
) -> bytes:
    """A `.pt` of a model in half precision; `replaced` are entries of its state to write otherwise."""
    state: dict[str, object] = {}
    data: dict[str, bytes] = {}
    for number, (name, value) in enumerate(model.tensors.items()):
        strides = [int(np.prod(value.shape[axis + 1 :])) for axis in range(value.ndim)]
        stored = Stored("HalfStorage", str(number), value.size)
        hooks = Pickled(Named("collections", "OrderedDict"))
        state[name] = Pickled(REBUILD, stored, 0, value.shape, tuple(strides), False, hooks)
        data[str(number)] = value.astype(np.float16).tobytes()
    dims = {name: getattr(model.dims, name) for name in model.dims.__slots__}
    return archive_bytes({"dims": dims, "model_state_dict": state | dict(replaced or {})}, data, compression)


def archive_bytes(value: object, data: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """What `torch.save` writes of a value whose storages are `data`."""
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", compression) as archive:
            with archive.open("archive/data.pkl", "w") as member:
                _Pickler(member, protocol=2).dump(value)
            archive.writestr("archive/byteorder", "little")
            for key, content in data.items():
                archive.writestr(f"archive/data/{key}", content)
            archive.writestr("archive/version", "3\n")
        file.seek(0)
        return file.read()


def tokenizer_table(languages: tuple[str, ...] = ()) -> dict[str, object]:
    """A `tokenizer.json` of 256 bytes, a few merges, and the tokens with a meaning."""
    vocabulary = {character: byte for byte, character in BYTE_CHARACTERS.items()}
    for merge in MERGES:
        vocabulary[merge.replace(" ", "")] = len(vocabulary)
    names = [*ENGLISH[:2], *languages, *ENGLISH[2:], "notimestamps"]
    added = [{"id": len(vocabulary) + place, "content": f"<|{name}|>"} for place, name in enumerate(names)]
    return {"model": {"type": "BPE", "vocab": vocabulary, "merges": list(MERGES)}, "added_tokens": added}


@contextmanager
def decoder(model: weights.Whisper, precision: str, heads: graphs.Heads | None = None) -> Iterator[Decoder]:
    """The model's graphs, loaded."""
    with tempfile.TemporaryDirectory(prefix="auricle-whisper-") as work:
        write(graphs.encoder(model, precision), Path(work) / "encoder.onnx")  # type: ignore[arg-type]
        write(graphs.cross_kv(model, precision), Path(work) / "cross_kv.onnx")  # type: ignore[arg-type]
        shown = model.alignment_heads if heads is None else heads
        write(graphs.step(model, precision, shown), Path(work) / "step.onnx")  # type: ignore[arg-type]
        yield Decoder(Path(work))


def shipped() -> Path:
    """The folder of tiny.en's weights; the test is skipped where they are not."""
    folder = SOURCES / "whisper-tiny-en" / "source"
    if not folder.is_dir():
        pytest.skip("whisper-tiny-en's weights are not at hand: 'python -m auricle_export fetch --sources'")
    return folder
