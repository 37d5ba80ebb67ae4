"""Whisper's weights in all three forms: the same numbers out of each, and an error for every damaged file."""

import json
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from auricle_export.exported import ExportError
from auricle_export.whisper import checkpoint, ctranslate2, safetensors, weights
from auricle_export.whisper.dimensions import ModelDimensions, checked, parameters, shapes
from whisper_models import (
    HEADS,
    REBUILD,
    SMALL,
    Named,
    Pickled,
    Stored,
    archive_bytes,
    checkpoint_bytes,
    configuration,
    ctranslate2_bytes,
    ctranslate2_variables,
    eight_bits,
    safetensors_bytes,
    shipped,
    small,
    transformers_tensors,
)

MOST_MEMORY = 8 << 20
"""Bytes that reading a damaged file of a small model may take, whatever it claims."""


def half(variables: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Floats as halves, as most files have them."""
    return {name: np.asarray(each, np.float16) if each.dtype.kind == "f" else each for name, each in variables.items()}


def written(folder: Path, form: str) -> Path:
    """The small model in a form, in a folder; the file of its weights."""
    model = small()
    if form == "model.bin":
        (folder / form).write_bytes(ctranslate2_bytes(half(ctranslate2_variables(model))))
        (folder / "config.json").write_text(json.dumps({"alignment_heads": HEADS, "suppress_ids": [5, 3, 3]}))
    elif form == "model.safetensors":
        (folder / form).write_bytes(safetensors_bytes(transformers_tensors(model)))
        (folder / "config.json").write_text(json.dumps(configuration(model.dims) | {"suppress_tokens": None}))
        (folder / "generation_config.json").write_text(
            json.dumps({"alignment_heads": HEADS, "suppress_tokens": [3, 5]})
        )
    else:
        (folder / form).write_bytes(checkpoint_bytes(model))
    return folder / form


def read(path: Path) -> tuple[ModelDimensions, dict[str, np.ndarray]]:
    """A file of weights, by its form."""
    readers = {"model.bin": ctranslate2.read, "model.safetensors": safetensors.read}
    return readers.get(path.name, checkpoint.read)(path)


FORMS = ("model.bin", "model.safetensors", "small.pt")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_numbers(form: str, tmp_path: Path) -> None:
    written(tmp_path, form)
    found, model = weights.read(tmp_path), small()
    assert found.dims == SMALL
    assert list(found.tensors) == list(shapes(SMALL))
    for name, value in model.tensors.items():
        assert found.tensors[name].dtype == np.float32
        np.testing.assert_array_equal(found.tensors[name], value, err_msg=name)
    if form == "small.pt":
        assert found.alignment_heads == tuple((layer, head) for layer in (1, 2) for head in range(4))
        assert found.suppress is None
    else:
        assert found.alignment_heads == HEADS
        assert found.suppress == (3, 5)


def test_dimensions_count_what_their_tensors_hold() -> None:
    held = sum(int(np.prod(shape)) for name, shape in shapes(SMALL).items() if name != "encoder.positional_embedding")
    assert parameters(SMALL) == held


@pytest.mark.parametrize("kind", ["F32", "BF16"])
def test_safetensors_in_other_precisions(kind: str, tmp_path: Path) -> None:
    path = written(tmp_path, "model.safetensors")
    path.write_bytes(safetensors_bytes(transformers_tensors(small(), kind)))
    for name, value in safetensors.read(path)[1].items():
        np.testing.assert_allclose(value, small().tensors[name], rtol=0 if kind == "F32" else 2**-7)


def test_eight_and_sixteen_bits_are_scaled_back(tmp_path: Path) -> None:
    """Within half a step of each row; a convolution's weights may have lost an axis."""
    path, plain = tmp_path / "model.bin", ctranslate2_variables(small())
    rounded = eight_bits(plain)
    assert rounded["encoder/conv1/weight"].ndim == 2
    path.write_bytes(ctranslate2_bytes(rounded))
    for name, value in ctranslate2.read(path)[1].items():
        expected = small().tensors[name]
        exact = value.ndim == 1 or "positional" in name
        step = 0 if exact else np.abs(expected.reshape(len(expected), -1)).max(axis=1) / 127
        error = np.abs(value - expected).reshape(len(expected), -1).max(axis=1)
        assert (error <= np.asarray(step) / 2 * 1.001).all(), name
    name = "decoder/layer_1/ffn/linear_0/weight"
    short = plain | {name: np.rint(plain[name] * 1000).astype(np.int16)}
    path.write_bytes(ctranslate2_bytes(short))
    found = ctranslate2.read(path)[1]["decoder.blocks.1.mlp.0.weight"]
    np.testing.assert_allclose(found, plain[name], atol=0.51e-3)


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_is_cut_off_is_refused(form: str, tmp_path: Path) -> None:
    """At every one of its first bytes, and at many places to its end."""
    path = written(tmp_path, form)
    whole = path.read_bytes()
    rng = np.random.default_rng(3)
    places = [*range(64), *rng.integers(64, len(whole), 60).tolist(), len(whole) - 2, len(whole) - 1]
    for place in places:
        path.write_bytes(whole[:place])
        with pytest.raises(ExportError, match=form.replace(".", r"\.")):
            read(path)


@pytest.mark.parametrize("form", FORMS)
def test_no_damage_costs_memory_or_another_error(form: str, tmp_path: Path) -> None:
    """Bytes of its descriptions replaced by chance: it is read or refused, and takes no more than it is long."""
    path = written(tmp_path, form)
    whole = path.read_bytes()
    rng = np.random.default_rng(4)
    refused = 0
    tracemalloc.start()
    try:
        for attempt in range(48):
            damaged = bytearray(whole)
            spread = len(whole) if attempt % 2 else 3000
            for place in rng.integers(0, spread, 1 + attempt % 4):
                damaged[place] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, int(rng.integers(256))])
            path.write_bytes(damaged)
            try:
                read(path)
            except ExportError as error:
                refused += 1
                assert len(str(error)) < 2000
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()
    assert refused > 8


Change = Callable[[dict[str, np.ndarray]], object]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.pop("decoder/layer_1/ffn/linear_0/weight"), "has no variable decoder/layer_1/ffn/linear_0/weight"),
        (lambda v: v.pop("encoder/conv1/weight"), "has no variable encoder/conv1/weight; it is not a Whisper"),
        (lambda v: v.update({"decoder/layer_1/ffn/linear_0/bias": np.zeros(3, np.float32)}), r"shape \[3\], expected"),
        (lambda v: v.update({"decoder/activation": np.int8(0)}), "decoder/activation is 0, expected 3"),
        (lambda v: v.update({"decoder/num_heads": np.int16(5)}), "n_text_state is 32, which does not make 5 heads"),
        (lambda v: v.update({"encoder/num_heads": np.int16(-1)}), "n_audio_head is -1, expected"),
        (
            lambda v: v["encoder/conv1/bias"].__setitem__(3, np.nan),
            "encoder/conv1/bias has numbers that are not finite",
        ),
        (
            lambda v: v["decoder/layer_0/self_attention/linear_0/bias"].__setitem__(40, 1.0),
            "has a bias for keys, and Whisper has none",
        ),
        (
            lambda v: v.update({"decoder/projection/weight": v["decoder/embeddings/weight"] + 1}),
            "decoder/projection/weight is not the embedding",
        ),
        (
            lambda v: v.update({"encoder/layer_7/ffn/linear_0/bias": np.zeros(3, np.float32)}),
            "layers of the encoder are",
        ),
    ],
)
def test_ctranslate2_that_is_no_whisper_is_refused(change: Change, message: str, tmp_path: Path) -> None:
    variables = {name: np.array(value) for name, value in ctranslate2_variables(small()).items()}
    change(variables)
    path = tmp_path / "model.bin"
    path.write_bytes(ctranslate2_bytes(variables))
    with pytest.raises(ExportError, match=message) as raised:
        ctranslate2.read(path)
    assert str(path) in str(raised.value)


def test_a_size_that_the_file_does_not_have_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path, variables = tmp_path / "model.bin", ctranslate2_variables(small())
    whole = ctranslate2_bytes(variables)
    at = whole.index(b"decoder/embeddings/weight\0") + len(b"decoder/embeddings/weight\0")
    for sizes in ((0xFFFFFFFF, 0xFFFFFFFF), (1 << 31, 1), (0, 0)):
        path.write_bytes(whole[: at + 1] + struct.pack("<II", *sizes) + whole[at + 9 :])
        with pytest.raises(ExportError, match="decoder/embeddings/weight of the shape"):
            ctranslate2.read(path)
    path.write_bytes(whole[: at + 9] + struct.pack("<BI", 9, 4) + whole[at + 14 :])
    with pytest.raises(ExportError, match="is of type 9"):
        ctranslate2.read(path)
    path.write_bytes(ctranslate2_bytes(variables, version=5))
    with pytest.raises(ExportError, match="binary version 5, expected 6"):
        ctranslate2.read(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(ExportError, match="1 bytes follow the last alias"):
        ctranslate2.read(path)


def test_safetensors_that_lie_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "model.safetensors")
    tensors = transformers_tensors(small())
    name = "model.decoder.layers.1.fc1.weight"
    kind, shape, data = tensors[name]
    cases = {
        "has .* bytes, expected": tensors | {name: (kind, (shape[0], 1 << 40), data)},
        r"has the shape \[32, 128\], expected \[128, 32\]": tensors | {name: (kind, shape[::-1], data)},
        "is of type 'I8'": tensors | {name: ("I8", shape, data)},
        "has model.extra, which is no tensor": tensors | {"model.extra": (kind, (1,), b"\0\0")},
        f"has no tensor {name}": {each: value for each, value in tensors.items() if each != name},
        "proj_out.weight is not the embedding": tensors
        | {"proj_out.weight": (kind, (SMALL.n_vocab, 32), bytes(SMALL.n_vocab * 64))},
    }
    for message, lying in cases.items():
        path.write_bytes(safetensors_bytes(lying))
        with pytest.raises(ExportError, match=message):
            safetensors.read(path)
    path.write_bytes(struct.pack("<Q", 1 << 62) + b"{}")
    with pytest.raises(ExportError, match="the header has"):
        safetensors.read(path)
    overlapping = (
        b'{"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},"b":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}'
    )
    path.write_bytes(struct.pack("<Q", len(overlapping)) + overlapping + b"\0\0")
    with pytest.raises(ExportError, match="begins at byte"):
        safetensors.read(path)
    written(tmp_path, "model.safetensors")
    (tmp_path / "config.json").write_text("[" * 100_000)
    with pytest.raises(ExportError, match="is not JSON"):
        safetensors.read(path)


def test_a_pickle_that_would_run_something_is_not_run(tmp_path: Path) -> None:
    """No step but those of PyTorch's own pickles of weights; a file that it would make is not there afterwards."""
    path, marker = tmp_path / "evil.pt", tmp_path / "was-run"
    evil = Pickled(Named("os", "system"), f"touch {marker}")
    for value in (evil, {"dims": evil}, {"dims": {}, "model_state_dict": {"x": evil}}):
        path.write_bytes(archive_bytes(value, {}))
        with pytest.raises(ExportError, match=r"calls os.system, which no checkpoint of weights does; it is not run"):
            checkpoint.read(path)
    assert not marker.exists()
    for program in (pickle.dumps({1, 2}, 4), b"\x80\x02I1\n.", b"\x80\x02c__builtin__\neval\n.", b"", b"\x80\x02"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", program)
        with pytest.raises(ExportError, match=r"evil\.pt"):
            checkpoint.read(path)
    # A value of 2^40 parts in 300 bytes: it may be made, and must not be printed or compared.
    doubled = b"\x80\x02]q\x00" + b"".join(
        b"h" + bytes([n]) + b"h" + bytes([n]) + b"\x86q" + bytes([n + 1]) for n in range(40)
    )
    for program in (doubled + b".", b"\x80\x02}X\x04\x00\x00\x00dims}X\x06\x00\x00\x00n_mels" + doubled[2:] + b"ss."):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", program)
        with pytest.raises(ExportError):
            checkpoint.read(path)


def test_tensors_outside_their_storage_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "small.pt"
    name, shape = "decoder.ln.weight", (32,)
    number = list(shapes(SMALL)).index(name)
    hooks = Pickled(Named("collections", "OrderedDict"))

    def tensor(stored: Stored, offset: object, strides: tuple[object, ...]) -> Pickled:
        return Pickled(REBUILD, stored, offset, shape, strides, False, hooks)

    own = Stored("HalfStorage", str(number), 32)
    cases = {
        "reads number 32 of data": tensor(own, 1, (1,)),
        "reads number 124 of data": tensor(own, 0, (4,)),
        "sizes and strides that no tensor has": tensor(own, -1, (1,)),
        "of 64 bytes, expected 66": tensor(Stored("HalfStorage", str(number), 33), 0, (1,)),
        "has no data/no/such": tensor(Stored("HalfStorage", "no/such", 32), 0, (1,)),
        "has numbers of torch.QInt8Storage": tensor(Stored("QInt8Storage", str(number), 32), 0, (1,)),
        "has no tensor decoder.ln.weight": 7,
    }
    for message, entry in cases.items():
        path.write_bytes(checkpoint_bytes(small(), {name: entry}))
        with pytest.raises(ExportError, match=message):
            checkpoint.read(path)
    path.write_bytes(checkpoint_bytes(small(), {"decoder.extra": 7}))
    with pytest.raises(ExportError, match=r"has decoder\.extra, which is no tensor"):
        checkpoint.read(path)
    path.write_bytes(checkpoint_bytes(small(), compression=zipfile.ZIP_DEFLATED))
    with pytest.raises(ExportError, match="is compressed, and PyTorch compresses nothing"):
        checkpoint.read(path)


def test_a_number_that_stands_for_many_makes_no_large_model(tmp_path: Path) -> None:
    """Strides of 0 make a tensor of any size out of one number: dimensions are held to the length of the file."""
    path = tmp_path / "small.pt"
    dims = {name: getattr(SMALL, name) for name in SMALL.__slots__} | {"n_vocab": 1 << 18, "n_text_ctx": 1 << 14}
    hooks = Pickled(Named("collections", "OrderedDict"))
    state = {
        name: Pickled(REBUILD, Stored("HalfStorage", "0", 1), 0, shape, (0,) * len(shape), False, hooks)
        for name, shape in shapes(ModelDimensions(**dims)).items()
    }
    path.write_bytes(archive_bytes({"dims": dims, "model_state_dict": state}, {"0": b"\0\0"}))
    with pytest.raises(ExportError, match="these sizes make"):
        checkpoint.read(path)


def test_strides_are_followed(tmp_path: Path) -> None:
    """A tensor that is saved transposed is read as it was."""
    path, name = tmp_path / "small.pt", "decoder.blocks.0.attn.query.weight"
    number = list(shapes(SMALL)).index(name)
    hooks = Pickled(Named("collections", "OrderedDict"))
    turned = Pickled(REBUILD, Stored("HalfStorage", str(number), 1024), 0, (32, 32), (1, 32), False, hooks)
    path.write_bytes(checkpoint_bytes(small(), {name: turned}))
    np.testing.assert_array_equal(checkpoint.read(path)[1][name], small().tensors[name].T)


def test_what_torch_saves_is_read(tmp_path: Path) -> None:
    """The real thing, a state dictionary of a module with the versions of its parts."""
    torch = pytest.importorskip("torch", reason="torch is not installed: 'make torch'")
    from auricle_export.whisper import model

    module = model.load(small()).half()
    dims = {name: getattr(SMALL, name) for name in SMALL.__slots__}
    torch.save({"dims": dims, "model_state_dict": module.state_dict()}, tmp_path / "small.pt")
    found = weights.read(tmp_path)
    for name, value in small().tensors.items():
        np.testing.assert_array_equal(found.tensors[name], value, err_msg=name)


def test_a_folder_must_have_one_model(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"has none; --source names a folder with one of model\.bin"):
        weights.read(tmp_path)
    written(tmp_path, "model.bin")
    written(tmp_path, "small.pt")
    with pytest.raises(ExportError, match=r"has model\.bin, small\.pt; --source"):
        weights.read(tmp_path)


@pytest.mark.parametrize("heads", [[[3, 0]], [[0, 4]], [[0]], "x", [[0, 1], [0, 1]], [[True, 0]], [[0, -1]]])
def test_heads_that_the_model_lacks_are_refused(heads: object, tmp_path: Path) -> None:
    written(tmp_path, "model.bin")
    (tmp_path / "config.json").write_text(json.dumps({"alignment_heads": heads}))
    with pytest.raises(ExportError, match="alignment_heads are"):
        weights.read(tmp_path)


@pytest.mark.parametrize("tokens", [[-1], [SMALL.n_vocab], ["a"], 5, [1.0]])
def test_suppressed_tokens_that_the_model_lacks_are_refused(tokens: object, tmp_path: Path) -> None:
    written(tmp_path, "model.bin")
    (tmp_path / "config.json").write_text(json.dumps({"suppress_ids": tokens}))
    with pytest.raises(ExportError, match="suppressed tokens are"):
        weights.read(tmp_path)


def test_sizes_that_no_whisper_has_are_refused() -> None:
    sizes = {name: getattr(SMALL, name) for name in SMALL.__slots__}
    assert checked(sizes, "here", 1 << 40) == SMALL
    for wrong in (0, -1, 1 << 40, True, 80.0, "80", None):
        with pytest.raises(ExportError, match="here: n_mels is"):
            checked(sizes | {"n_mels": wrong}, "here", 1 << 40)
    large = sizes | {"n_audio_state": 8192, "n_text_state": 8192, "n_text_layer": 128}
    with pytest.raises(ExportError, match=r"here: these sizes make \d+ numbers, and the weights have 1000000 bytes"):
        checked(large, "here", 1_000_000)
    with pytest.raises(ExportError, match="has n_more, which is no size of Whisper"):
        checked(sizes | {"n_more": 1}, "here", 1 << 40)
    with pytest.raises(ExportError, match="expected the same"):
        checked(sizes | {"n_audio_state": 64}, "here", 1 << 40)


def test_languages_are_counted_as_the_reference_counts_them() -> None:
    sizes = {name: getattr(SMALL, name) for name in SMALL.__slots__}
    for vocabulary, many, languages in ((51_864, False, 99), (51_865, True, 99), (51_866, True, 100)):
        dims = checked(sizes | {"n_vocab": vocabulary}, "here", 1 << 40)
        assert (dims.is_multilingual, dims.num_languages) == (many, languages)


def test_tiny_is_read() -> None:
    model = weights.read(shipped())
    assert model.dims == ModelDimensions(80, 1500, 384, 6, 4, 51_864, 448, 384, 6, 4)
    assert len(model.tensors) == 167
    assert model.alignment_heads[0] == (1, 0)
    sines = model.tensors["encoder.positional_embedding"]
    np.testing.assert_allclose(sines[:, 0], np.sin(np.arange(1500)), atol=1e-3)
