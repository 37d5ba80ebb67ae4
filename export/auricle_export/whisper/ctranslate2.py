"""Reads Whisper from CTranslate2's `model.bin`: in comes the file, out go dimensions and tensors by the reference's
names.

Binary version 6 (`WhisperSpec`, revision 3): u32 version; name of the specification; u32 revision; u32 number of
variables; for each its name, u8 rank, u32 sizes, u8 type, u32 bytes, data; u32 number of aliases, each two names. A
name is a u16 length, its zero byte included, and text. Queries, keys and values are one product, `linear_0`, of the
self-attention; in the cross-attention `linear_0` makes queries, `linear_1` keys and values. 8- and 16-bit variables
have a `_scale`, by which they were multiplied.
"""

from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from auricle_export.exported import ExportError
from auricle_export.whisper.container import MOST_TENSORS, Reader, Tensor, floats, shaped, values
from auricle_export.whisper.dimensions import ModelDimensions, checked, shapes

VERSION, SPECIFICATION, REVISION = 6, "WhisperSpec", 3
KINDS = ("f32", "i8", "i16", "i32", "f16", "bf16")
LONGEST_NAME = 512
MOST_AXES = 4
EXPECTED = {"activation": 3, "alibi": 0, "pre_norm": 1, "scale_embeddings": 0, "start_from_zero_embedding": 0}
"""What the decoder's switches are in Whisper: GELU by the error function, norms before products."""
SHORT_SCALE = 1000.0
"""Of 16-bit variables without a scale of their own."""

Floats = npt.NDArray[np.float32]


def read(path: Path) -> tuple[ModelDimensions, dict[str, Floats]]:
    """Dimensions and tensors of the file at `path`; `ExportError` where it is not Whisper's or is damaged."""
    with path.open("rb") as file:
        return _Model(file, path).tensors()


class _Model:
    """The variables of an open file by CTranslate2's names."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self.path = file, path
        reader = Reader(file, path)
        if (version := reader.number(4, "the version")) != VERSION:
            raise ExportError(f"{path}: is of CTranslate2's binary version {version}, expected {VERSION}")
        if (found := _name(reader, "the specification")) != SPECIFICATION:
            raise ExportError(f"{path}: is of {found!r}, expected {SPECIFICATION!r}")
        if (revision := reader.number(4, "the revision")) != REVISION:
            raise ExportError(f"{path}: is of revision {revision} of {SPECIFICATION}, expected {REVISION}")
        self.variables = self._variables(reader)
        self._aliases(reader)
        if reader.at != reader.size:
            raise ExportError(f"{path}: {reader.size - reader.at} bytes follow the last alias, expected none")

    def _variables(self, reader: Reader) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        count = reader.number(4, "the number of variables")
        if count > MOST_TENSORS:
            raise ExportError(f"{self.path}: has {count} variables, expected at most {MOST_TENSORS}")
        for index in range(count):
            name = _name(reader, f"the name of variable {index}")
            rank = reader.number(1, f"the rank of {name}")
            if rank > MOST_AXES:
                raise ExportError(f"{self.path}: {name} has {rank} axes, expected at most {MOST_AXES}")
            shape = tuple(reader.number(4, f"the shape of {name}") for _ in range(rank))
            kind = reader.number(1, f"the type of {name}")
            if kind >= len(KINDS):
                raise ExportError(f"{self.path}: {name} is of type {kind}, expected 0 to {len(KINDS) - 1}")
            length = reader.number(4, f"the length of {name}")
            variable = Tensor(KINDS[kind], shape, reader.at)
            if length != variable.bytes:
                raise ExportError(
                    f"{self.path}: {name} of the shape {list(shape)} has {length} bytes, expected {variable.bytes}"
                )
            if name in found:
                raise ExportError(f"{self.path}: has {name} twice")
            reader.skip(length, name)
            found[name] = variable
        return found

    def _aliases(self, reader: Reader) -> None:
        count = reader.number(4, "the number of aliases")
        if count > MOST_TENSORS:
            raise ExportError(f"{self.path}: has {count} aliases, expected at most {MOST_TENSORS}")
        for index in range(count):
            alias, name = (_name(reader, f"alias {index}") for _ in range(2))
            if name not in self.variables:
                raise ExportError(f"{self.path}: {alias} stands for {name}, which is not there")
            self.variables.setdefault(alias, self.variables[name])

    def tensors(self) -> tuple[ModelDimensions, dict[str, Floats]]:
        """Everything by the reference's names."""
        dims = self._dimensions()
        for switch, expected in EXPECTED.items():
            if f"decoder/{switch}" in self.variables and (found := self._scalar(f"decoder/{switch}")) != expected:
                raise ExportError(f"{self.path}: decoder/{switch} is {found}, expected {expected} in Whisper")
        wanted = shapes(dims)
        made: dict[str, Floats] = {}
        for side in ("encoder", "decoder"):
            for layer in range(dims.n_audio_layer if side == "encoder" else dims.n_text_layer):
                self._layer(made, f"{side}/layer_{layer}", f"{side}.blocks.{layer}", wanted)
        for convolution in ("conv1", "conv2"):
            for part in ("weight", "bias"):
                name = f"encoder.{convolution}.{part}"
                made[name] = self._floats(name.replace(".", "/"), wanted[name])
        for side, norm in (("encoder", "ln_post"), ("decoder", "ln")):
            self._norm(made, f"{side}/layer_norm", f"{side}.{norm}", wanted)
            positions = f"{side}.positional_embedding"
            made[positions] = self._floats(f"{side}/position_encodings/encodings", wanted[positions])
        embedding = "decoder.token_embedding.weight"
        made[embedding] = self._floats("decoder/embeddings/weight", wanted[embedding])
        projection = self.variables.get("decoder/projection/weight")
        if projection not in (None, self.variables["decoder/embeddings/weight"]):
            own = self._floats("decoder/projection/weight", wanted[embedding])
            if not np.array_equal(own, made[embedding]):
                raise ExportError(f"{self.path}: decoder/projection/weight is not the embedding, as it is in Whisper")
        return dims, {name: made[name] for name in wanted}

    def _dimensions(self) -> ModelDimensions:
        convolution = self._variable("encoder/conv1/weight").shape
        if len(convolution) == 2:
            convolution = (convolution[0], convolution[1] // 3, 3)
        if len(convolution) != 3:
            raise ExportError(f"{self.path}: encoder/conv1/weight has the shape {list(convolution)}, expected 3 axes")
        audio = self._shape("encoder/position_encodings/encodings", 2)
        text = self._shape("decoder/position_encodings/encodings", 2)
        vocabulary = self._shape("decoder/embeddings/weight", 2)
        sizes = {
            "n_mels": convolution[1],
            "n_audio_ctx": audio[0],
            "n_audio_state": audio[1],
            "n_audio_head": self._scalar("encoder/num_heads"),
            "n_audio_layer": self._layers("encoder"),
            "n_vocab": vocabulary[0],
            "n_text_ctx": text[0],
            "n_text_state": text[1],
            "n_text_head": self._scalar("decoder/num_heads"),
            "n_text_layer": self._layers("decoder"),
        }
        return checked(sizes, str(self.path), self.path.stat().st_size)

    def _layers(self, side: str) -> int:
        found = {name.split("/")[1] for name in self.variables if name.startswith(f"{side}/layer_")} - {"layer_norm"}
        if found != {f"layer_{index}" for index in range(len(found))}:
            raise ExportError(f"{self.path}: the layers of the {side} are {sorted(found)}, expected layer_0 and on")
        return len(found)

    def _layer(self, made: dict[str, Floats], source: str, name: str, wanted: dict[str, tuple[int, ...]]) -> None:
        """Take one layer apart; the reference's keys have no bias, so CTranslate2's has to be zero."""
        parts = {f"{source}/self_attention/linear_0": [f"{name}.attn.{part}" for part in ("query", "key", "value")]}
        parts[f"{source}/self_attention/linear_1"] = [f"{name}.attn.out"]
        parts[f"{source}/ffn/linear_0"], parts[f"{source}/ffn/linear_1"] = [f"{name}.mlp.0"], [f"{name}.mlp.2"]
        norms = {f"{source}/self_attention": f"{name}.attn_ln", f"{source}/ffn": f"{name}.mlp_ln"}
        if f"{name}.cross_attn_ln.weight" in wanted:
            parts[f"{source}/attention/linear_0"] = [f"{name}.cross_attn.query"]
            parts[f"{source}/attention/linear_1"] = [f"{name}.cross_attn.{part}" for part in ("key", "value")]
            parts[f"{source}/attention/linear_2"] = [f"{name}.cross_attn.out"]
            norms[f"{source}/attention"] = f"{name}.cross_attn_ln"
        for product, names in parts.items():
            each = [wanted[f"{one}.weight"] for one in names]
            weight = self._floats(f"{product}/weight", (len(names) * each[0][0], each[0][1]))
            bias = self._floats(f"{product}/bias", (len(names) * each[0][0],))
            for one, rows, share in zip(names, np.split(weight, len(names)), np.split(bias, len(names)), strict=True):
                made[f"{one}.weight"] = np.ascontiguousarray(rows)
                if f"{one}.bias" in wanted:
                    made[f"{one}.bias"] = np.ascontiguousarray(share)
                elif share.any():
                    raise ExportError(f"{self.path}: {product}/bias has a bias for keys, and Whisper has none")
        for norm, one in norms.items():
            self._norm(made, f"{norm}/layer_norm", one, wanted)

    def _norm(self, made: dict[str, Floats], source: str, name: str, wanted: dict[str, tuple[int, ...]]) -> None:
        for ours, theirs in (("weight", "gamma"), ("bias", "beta")):
            made[f"{name}.{ours}"] = self._floats(f"{source}/{theirs}", wanted[f"{name}.{ours}"])

    def _variable(self, name: str) -> Tensor:
        if name not in self.variables:
            raise ExportError(f"{self.path}: has no variable {name}; it is not a Whisper that is known here")
        return self.variables[name]

    def _shape(self, name: str, axes: int) -> tuple[int, ...]:
        shape = self._variable(name).shape
        if len(shape) != axes:
            raise ExportError(f"{self.path}: {name} has the shape {list(shape)}, expected {axes} axes")
        return shape

    def _scalar(self, name: str) -> int:
        variable = self._variable(name)
        if variable.shape not in ((), (1,)) or variable.kind[0] != "i":
            raise ExportError(f"{self.path}: {name} is {variable.kind} {list(variable.shape)}, expected one integer")
        return int(values(self._file, self.path, name, variable).reshape(()))

    def _floats(self, name: str, shape: tuple[int, ...]) -> Floats:
        """A variable as floats, whatever it is stored in."""
        variable = self._variable(name)
        if variable.kind in ("i8", "i16"):
            # A convolution's inputs and places are one axis where it is quantised.
            if variable.shape not in (shape, (shape[0], int(np.prod(shape[1:])))):
                raise ExportError(f"{self.path}: {name} has the shape {list(variable.shape)}, expected {list(shape)}")
            whole = values(self._file, self.path, name, variable).astype(np.float32).reshape(shape)
            return whole / self._scale(name, variable, len(shape))
        if variable.shape != shape:
            raise ExportError(f"{self.path}: {name} has the shape {list(variable.shape)}, expected {list(shape)}")
        return shaped(floats(values(self._file, self.path, name, variable), self.path, name), shape, self.path, name)

    def _scale(self, name: str, variable: Tensor, axes: int) -> Floats:
        scale = self.variables.get(f"{name}_scale")
        if scale is None and variable.kind == "i16":
            return np.array(SHORT_SCALE, np.float32)
        scale = self._variable(f"{name}_scale")
        if scale.shape not in ((), (1,), variable.shape[:1]):
            raise ExportError(
                f"{self.path}: {name}_scale has the shape {list(scale.shape)}, expected one number, or one a row"
            )
        found = floats(values(self._file, self.path, f"{name}_scale", scale), self.path, f"{name}_scale")
        if not (found > 0).all():
            raise ExportError(f"{self.path}: {name}_scale has a scale that is not above 0")
        return found.reshape(-1, *[1] * (axes - 1))


def _name(reader: Reader, what: str) -> str:
    length = reader.number(2, f"the length of {what}")
    if length > LONGEST_NAME:
        raise ExportError(f"{reader.path}: {what} has {length} bytes, expected at most {LONGEST_NAME}")
    data = reader.take(length, what).removesuffix(b"\0")
    try:
        return data.decode("ascii")
    except UnicodeDecodeError as error:
        raise ExportError(f"{reader.path}: {what} is {data[:40]!r}, expected ASCII") from error
