"""Whisper's exporter from a folder to files, on small random weights, and on tiny.en where it is at hand."""

import json
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from auricle_export import audio, whisper
from auricle_export.exported import ExportError, ParityError, require
from auricle_export.whisper import graphs, weights
from auricle_export.whisper.decode import Decoder
from auricle_export.whisper.tokenizer import Tokenizer
from moonshine_models import SOURCES
from whisper_models import (
    HEADS,
    SMALL,
    checkpoint_bytes,
    configuration,
    safetensors_bytes,
    shipped,
    small,
    tokenizer_table,
    transformers_tensors,
)

LANGUAGES = ("en", *(f"l{place}" for place in range(1, 99)))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The small model as Hugging Face keeps it, with a tokenizer."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(safetensors_bytes(transformers_tensors(small())))
    (folder / "config.json").write_text(json.dumps(configuration(SMALL)))
    (folder / "generation_config.json").write_text(json.dumps({"alignment_heads": HEADS, "suppress_tokens": [1, 260]}))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_table()))
    return folder


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """Half a second of noise; random weights read something out of it."""
    path = tmp_path / "noise.wav"
    samples = (np.random.default_rng(0).uniform(-0.3, 0.3, 8000) * 32_767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples.tobytes())
    return path


def exported(source: Path, work: Path, precision: str, sound: Path) -> whisper.Exported:
    """An export into a new folder."""
    work.mkdir()
    return whisper.export(source, work, precision, [sound])


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_folder_is_exported_and_compared(precision: str, source: Path, sound: Path, tmp_path: Path) -> None:
    made = exported(source, tmp_path / "work", precision, sound)
    assert [role for role, _ in made.files] == ["encoder", "cross_kv", "step", "tokenizer"]
    assert {path.name for path in made.inputs} == {
        "model.safetensors",
        "config.json",
        "generation_config.json",
        "tokenizer.json",
    }
    require(made.parity)
    assert len(made.parity) == 5
    said = made.sections["whisper"]
    assert (said["mels"], said["audio_frames"], said["text_tokens"], said["vocabulary"]) == (80, 40, 48, SMALL.n_vocab)
    assert (said["start_token"], said["no_timestamps_token"]) == (261, 267)
    assert said["suppress"] == [1, 260]
    assert said["word_times"] == {"method": "warp", "heads": [list(head) for head in HEADS]}
    assert (made.task, made.sample_rate_hz, made.opset, made.minimum_ort) == ("transcribe", 16_000, 17, "1.20")
    # Once more from openai-whisper's form, which has the same weights and says less of them.
    (source / "model.safetensors").unlink()
    (source / "small.pt").write_bytes(checkpoint_bytes(small()))
    again = exported(source, tmp_path / "again", precision, sound)
    assert [path.name for path in again.inputs] == ["small.pt", "tokenizer.json"]
    for name in ("encoder.onnx", "cross_kv.onnx"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "work" / name).read_bytes()
    assert again.sections["whisper"]["suppress_first"] == sorted([*_space(source), 260])


def _space(source: Path) -> list[int]:
    return Tokenizer(source / "tokenizer.json", SMALL).joined(" ")


def test_damage_is_found(source: Path, sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value of the decoder's left out, a query of another block: parity is out of its bounds."""
    plain = small()
    for name in ("decoder.blocks.1.attn.value.bias", "decoder.blocks.2.cross_attn.query.weight"):
        other = name.replace("blocks.2", "blocks.0")
        damaged = plain.tensors | {name: plain.tensors[other] if other != name else 0 * plain.tensors[name]}
        wrong = replace(plain, tensors=damaged)
        monkeypatch.setattr(
            whisper.graphs, "step", lambda _, precision, heads, wrong=wrong: _step(wrong, precision, heads)
        )
        made = exported(source, tmp_path / name, "fp32", sound)
        with pytest.raises(ParityError, match="largest difference of a logit from the definition's"):
            require(made.parity)


_step = graphs.step


def test_an_export_is_compared_on_something(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="name 16 kHz WAV files with --audio"):
        whisper.export(source, tmp_path, "fp32", [])
    with pytest.raises(ExportError, match="precision is 'int4', expected one of fp32, fp16, int8"):
        whisper.export(source, tmp_path, "int4", [])
    (source / "tokenizer.json").unlink()
    with pytest.raises(ExportError, match=r"has no tokenizer\.json"):
        whisper.export(source, tmp_path, "fp32", [])


def test_a_model_of_many_languages_is_prompted_in_one(tmp_path: Path) -> None:
    """Start, language, task, no timestamps; the languages are the tokens after the start."""
    table = tokenizer_table(LANGUAGES)
    base = [{"id": place, "content": f"<|x{place}|>"} for place in range(260, 50_257)]
    moved = [{"id": entry["id"] + 50_257 - 260, "content": entry["content"]} for entry in table["added_tokens"]]  # type: ignore[attr-defined]
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(table | {"added_tokens": base + moved}))
    dims = replace(SMALL, n_vocab=51_865)
    tokenizer = Tokenizer(path, dims)
    assert tokenizer.special.languages == LANGUAGES
    assert (tokenizer.special.start, tokenizer.special.first_timestamp) == (50_258, 50_364)
    rules = whisper.rules_of(weights.Whisper(dims, {}, HEADS), tokenizer)
    assert rules.prompt == (50_258, 50_259, 50_359, 50_363)


def test_tiny_reads_the_recording(tmp_path: Path) -> None:
    """The words, and every token the definition's choice; the export's own comparison is within its bounds."""
    path = SOURCES / "moonshine-tiny-en" / "audio" / "beckett.wav"
    source = shipped()
    if not path.is_file():
        pytest.skip("beckett.wav is not at hand: 'python -m auricle_export fetch --sources moonshine-tiny-en'")
    made = exported(source, tmp_path / "work", "int8", path)
    require(made.parity)
    others = [each.value for each in made.parity if each.measure.startswith("share of tokens")]
    assert others == [0.0]
    model = weights.read(source)
    tokenizer, export = Tokenizer(source / "tokenizer.json", model.dims), Decoder(tmp_path / "work")
    heard = export.hear(export.states(audio.read(path), model.dims.n_audio_ctx))
    text = tokenizer.text(export.greedy(heard, whisper.rules_of(model, tokenizer)).tokens)
    assert text == " Ever tried, ever failed. No matter, try again. Fail again. Fail better."
