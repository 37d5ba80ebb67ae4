"""YAMNet's export on the real graph, where its packages are in the cache of wheels."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from auricle_export import derive, fetch, manifest, yamnet_export
from auricle_export.exported import ExportError
from auricle_export.sources import SourceError
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator


@pytest.fixture(scope="module")
def brought(tmp_path_factory: pytest.TempPathFactory) -> tuple[manifest.Manifest, Path, tuple[Path, ...]]:
    """YAMNet's manifest in a folder of its own, the graph as it is shipped, and the audio that it is compared on."""
    folder = tmp_path_factory.mktemp("house") / "models" / "yamnet"
    folder.mkdir(parents=True)
    shutil.copy(fetch.MODELS / "yamnet/model.toml", folder)
    read = manifest.read(folder / "model.toml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        try:
            return read, derive.bring_source(read), derive.bring_audio(read)
        except SourceError as error:
            pytest.skip(f"the shipped graph is not at hand: {error}")


def test_the_export_is_the_manifests_and_every_score_is_the_sources(
    brought: tuple[manifest.Manifest, Path, tuple[Path, ...]], tmp_path: Path
) -> None:
    read, source, audio = brought
    exported = yamnet_export.export(source, tmp_path, "int8", audio)

    assert [(each.value, each.bound) for each in exported.parity] == [(0, 0), (0, 0)]
    assert "38 patches of beckett.wav" in exported.parity[1].measure
    ((role, path),) = exported.files
    model = onnx.load(path, load_external_data=False)
    assert not [each.name for each in model.graph.initializer if each.data_location == onnx.TensorProto.EXTERNAL]
    # Nothing but the IR version and the weights differs, which are stored as the operators left out would give them.
    shipped = onnx.load(source / "model.onnx")
    assert (shipped.ir_version, model.ir_version) == (11, 10)
    before = {each.name: numpy_helper.to_array(each) for each in shipped.graph.initializer}
    after = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    left_out = [node for node in shipped.graph.node if node.op_type == "QuantizeLinear" and node.input[0] in before]
    assert [node for node in shipped.graph.node if node not in left_out] == list(model.graph.node)
    assert len(left_out) == 28
    for node in left_out:
        (quantised,) = ReferenceEvaluator(node).run(None, {name: before[name] for name in node.input})
        np.testing.assert_array_equal(after.pop(node.output[0]), quantised)
    for name, value in after.items():
        np.testing.assert_array_equal(value, before[name])
    assert path.stat().st_size < (source / "model.data").stat().st_size / 3
    assert exported.parameters == 3_729_481
    (listed,) = (file for file in read.files if file.role == role)
    assert derive.lock.sha256_of(path) == listed.sha256


def test_another_precision_and_weights_that_are_cut_off_are_refused(
    brought: tuple[manifest.Manifest, Path, tuple[Path, ...]], tmp_path: Path
) -> None:
    _, source, _ = brought
    with pytest.raises(ExportError, match="precision is fp16, and YAMNet's weights are int8"):
        yamnet_export.export(source, tmp_path, "fp16", ())
    broken = tmp_path / "broken"
    broken.mkdir()
    shutil.copy(source / "model.onnx", broken)
    with pytest.raises(ExportError, match=r"has no model\.data; --source names the folder"):
        yamnet_export.export(broken, tmp_path, "int8", ())
    (broken / "model.data").write_bytes((source / "model.data").read_bytes()[:1_000_000])
    with pytest.raises(ExportError, match="cannot be read with its weights"):
        yamnet_export.export(broken, tmp_path, "int8", ())
