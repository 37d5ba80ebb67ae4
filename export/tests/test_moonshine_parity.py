"""Moonshine's parity check finds damage, and its exporter refuses what is not Moonshine."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from auricle_export import derive, moonshine
from auricle_export.exported import ExportError, Parity, ParityError, require
from auricle_export.moonshine import parity, weights
from auricle_export.moonshine.decode import read_tokenizer
from auricle_export.moonshine.reference import Reference
from auricle_export.moonshine.weights import DECODER_FILE, ENCODER_FILE, TOKENIZER_FILE, Moonshine
from auricle_export.onnx_graph import Quantised, write
from moonshine_models import BASE, TINY, exported, heads, read, recording, shipped, written

TINY_TOKENS = 32_768


@pytest.fixture(scope="module")
def reference() -> Reference:
    """Tiny as shipped."""
    return Reference(shipped(TINY))


def measured(reference: Reference, damaged: Moonshine, patch: pytest.MonkeyPatch) -> tuple[Parity, ...]:
    """What the check finds of an int8 export with these weights; the reference is loaded once for all."""
    patch.setattr(parity, "Reference", lambda _: reference)
    made = dict(exported(TINY, "int8"))
    graphs = moonshine.graphs
    if damaged.encoder is not read(TINY).encoder:
        made["encoder"] = graphs.encoder(damaged, "int8")
    if damaged.decoder is not read(TINY).decoder:
        made["cross_kv"] = graphs.cross_kv(damaged, "int8")
        made["step"] = graphs.step(damaged, "int8", heads(TINY))
    with written(TINY, made) as work:
        return parity.compare(shipped(TINY), work, "int8", [recording(TINY)])


def gate_and_value_swapped(model: Moonshine) -> Moonshine:
    """One layer of the decoder takes its gates for values."""
    layer = model.decoder[2]
    inner = layer.mlp_in.values.shape[1] // 2
    order = np.roll(np.arange(2 * inner), inner)
    swapped = dataclasses.replace(
        layer, mlp_in=layer.mlp_in.reordered(order), mlp_in_bias=np.ascontiguousarray(layer.mlp_in_bias[order])
    )
    return dataclasses.replace(model, decoder=(*model.decoder[:2], swapped, *model.decoder[3:]))


def one_column_of_a_product_is_gone(model: Moonshine) -> Moonshine:
    """One of 1152 outputs in one layer of the encoder is zero."""
    layer = model.encoder[1]
    factors = np.ones(layer.mlp_in.scale.size, np.float32)
    busiest = int(np.abs(layer.mlp_out.floats()).sum(axis=1).argmax())
    factors[busiest] = 0
    damaged = dataclasses.replace(layer, mlp_in=layer.mlp_in.scaled(factors))
    return dataclasses.replace(model, encoder=(model.encoder[0], damaged, *model.encoder[2:]))


def a_norm_of_another_layer(model: Moonshine) -> Moonshine:
    """The cross-attention of one layer is normed as the next one's."""
    damaged = dataclasses.replace(model.decoder[3], cross_norm=model.decoder[4].cross_norm)
    return dataclasses.replace(model, decoder=(*model.decoder[:3], damaged, *model.decoder[4:]))


def a_zero_point_off_by_one(model: Moonshine) -> Moonshine:
    """One step of 8 bits in the weights of one product."""
    layer = model.decoder[5]
    off = Quantised(layer.mlp_in.values, layer.mlp_in.scale, layer.mlp_in.zero_point + np.int8(1))
    return dataclasses.replace(
        model, decoder=(*model.decoder[:5], dataclasses.replace(layer, mlp_in=off), *model.decoder[6:])
    )


@pytest.mark.parametrize(
    "damage",
    [gate_and_value_swapped, one_column_of_a_product_is_gone, a_norm_of_another_layer, a_zero_point_off_by_one],
)
def test_damage_is_found(
    damage: Callable[[Moonshine], Moonshine], reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = measured(reference, damage(read(TINY)), monkeypatch)
    with pytest.raises(ParityError, match="does not do what its source does: largest difference of a logit"):
        require(figures)


def test_without_damage_every_figure_is_well_within_its_bound(
    reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fifth of the bound at most: what another processor rounds otherwise does not fail an export."""
    figures = measured(reference, read(TINY), monkeypatch)
    assert len(figures) == 6
    require(figures)
    assert all(figure.value <= figure.bound / 5 for figure in figures), figures


def test_a_damaged_export_is_not_handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the whole exporter, as the command runs it."""
    monkeypatch.setattr(weights, "read", lambda _: gate_and_value_swapped(read(TINY)))
    with pytest.raises(ParityError, match=r"beckett\.wav, \d+ tokens: .* allowed"):
        derive.run("moonshine", shipped(TINY), tmp_path, "int8", (recording(TINY),))


def test_no_audio_is_no_comparison(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="name 16 kHz WAV files with --audio"):
        moonshine.export(shipped(TINY), tmp_path, "int8", ())


def source_with(folder: Path, **others: bytes | Path | None) -> Path:
    """Tiny's shipped files, with others (or none) in the place of `encoder`, `decoder`, `tokenizer`."""
    folder.mkdir()
    for key, name in (("encoder", ENCODER_FILE), ("decoder", DECODER_FILE), ("tokenizer", TOKENIZER_FILE)):
        other = others.get(key, shipped(TINY) / name)
        if isinstance(other, bytes):
            (folder / name).write_bytes(other)
        elif other is not None:
            shutil.copyfile(other, folder / name)
    return folder


def as_ort(path: Path, to: Path) -> Path:
    """A valid graph in ONNX Runtime's own format."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.save_model_format", "ORT")
    options.optimized_model_filepath = str(to)
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return to


def refused(source: Path) -> str:
    """What the exporter says of a source that it cannot take."""
    with pytest.raises(ExportError) as caught:
        moonshine.export(source, source, "int8", (recording(TINY),))
    assert not list(source.glob("*.onnx")), "nothing is written before the source is understood"
    return str(caught.value)


@pytest.mark.parametrize(("key", "name"), [("encoder", ENCODER_FILE), ("decoder", DECODER_FILE)])
def test_a_graph_cut_off_foreign_or_missing_is_named(key: str, name: str, tmp_path: Path) -> None:
    whole = (shipped(TINY) / name).read_bytes()
    foreign = tmp_path / "foreign.onnx"
    write(exported(TINY, "int8")["cross_kv"], foreign)
    for number, other in enumerate((whole[: len(whole) // 2], whole[:-100], b"", b"not a graph", foreign)):
        source = source_with(tmp_path / f"{number}", **{key: other})
        assert refused(source).startswith(f"{source / name}: ONNX Runtime cannot read it: ")
    source = source_with(tmp_path / "ort", **{key: as_ort(foreign, tmp_path / "foreign.ort")})
    assert refused(source).startswith(f"{source / name}: has no ")
    source = source_with(tmp_path / "missing", **{key: None})
    assert f"{source}: has no {name}; --source names the folder that holds " in refused(source)


def test_an_encoder_for_a_decoder_is_named(tmp_path: Path) -> None:
    source = source_with(
        tmp_path / "source", encoder=shipped(TINY) / DECODER_FILE, decoder=shipped(TINY) / ENCODER_FILE
    )
    assert f"{source / DECODER_FILE}: has no input past_key_values.0.decoder.key" in refused(source)


def test_files_of_two_models_are_told_apart(tmp_path: Path) -> None:
    source = source_with(tmp_path / "source", encoder=shipped(BASE) / ENCODER_FILE)
    found = refused(source)
    assert found == (f"{source / DECODER_FILE}: has states of 288, {source / ENCODER_FILE} of 416: two models' files")


def test_a_tokenizer_cut_off_or_foreign_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "read", lambda _: read(TINY))  # the graphs beside it are whole
    path = shipped(TINY) / TOKENIZER_FILE
    whole = path.read_bytes()
    assert len(read_tokenizer(path)) == TINY_TOKENS
    cut = source_with(tmp_path / "cut", tokenizer=whole[:-2])
    assert refused(cut) == f"{cut / TOKENIZER_FILE}: is cut off in token 32767, 2 bytes before its end"
    text = source_with(tmp_path / "text", tokenizer=b"hello")
    assert refused(text).startswith(f"{text / TOKENIZER_FILE}: is cut off in token 0")
    # Cut between two records: only their number tells.
    short = source_with(
        tmp_path / "short", tokenizer=whole[: -sum(len(each) + 1 for each in read_tokenizer(path)[-900:])]
    )
    assert refused(short).startswith(f"{short / TOKENIZER_FILE}: has 31868 tokens, expected 32768")


def test_a_precision_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="precision is 'int4', expected one of fp32, fp16, int8"):
        moonshine.export(shipped(TINY), tmp_path, "int4", ())
