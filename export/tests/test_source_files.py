"""A folder that lacks what a family reads: the error names every file, before anything is read."""

from pathlib import Path

import pytest
from auricle_export import moonshine, yamnet_export
from auricle_export.exported import ExportError

MOONSHINE = "encoder_model.ort, decoder_model_merged.ort, tokenizer.bin"


def test_every_file_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "encoder_model.ort").write_bytes(b"not looked at")
    with pytest.raises(ExportError) as raised:
        moonshine.export(tmp_path, tmp_path, "fp32", ())
    missing = "has no decoder_model_merged.ort, tokenizer.bin; --source names the folder that holds"
    assert str(raised.value) == f"{tmp_path}: {missing} {MOONSHINE}"
    with pytest.raises(ExportError, match=r"has no model\.onnx, model\.data; --source names"):
        yamnet_export.export(tmp_path, tmp_path, "int8", ())
