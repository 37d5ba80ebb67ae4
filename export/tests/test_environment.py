"""The virtual environment and the library, made for real in a temporary folder out of wheels made here."""

import os
import platform
import subprocess
from pathlib import Path

import pytest
from auricle_export import environment, library
from auricle_export.sources import cache_folder
from wheelhouse import write_wheel


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that is pip's only package index."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return tmp_path / "index"


def test_an_environment_is_made_once_and_again_when_a_pin_changes(
    tmp_path: Path, index: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    requirements = tmp_path / "requirements.txt"
    folder = tmp_path / "venv"
    arguments = [str(folder), str(requirements)]

    def answer() -> str:
        code = "import tiny_model; print(tiny_model.ANSWER)"
        return subprocess.run([folder / "bin/python", "-c", code], capture_output=True, text=True).stdout.strip()

    _, digest = write_wheel(index, {"tiny_model/__init__.py": b"ANSWER = 1\n"}, "1.0")
    requirements.write_text(f"tiny-model==1.0 --hash=sha256:{digest}\n")
    assert environment.main(arguments) == 0
    assert answer() == "1"

    with monkeypatch.context() as patch:
        patch.setattr("subprocess.run", lambda *_, **__: pytest.fail("something was run though nothing had changed"))
        assert environment.main(arguments) == 0

    _, digest = write_wheel(index, {"tiny_model/__init__.py": b"ANSWER = 2\n"}, "2.0")
    requirements.write_text(f"tiny-model==2.0 --hash=sha256:{'0' * 64}\n")
    capfd.readouterr()
    assert environment.main(arguments) == 1
    said = capfd.readouterr().err
    assert "requirements.txt: cannot be installed" in said
    assert digest in said, "the message must name the hash that was found"

    requirements.write_text(f"tiny-model==2.0 --hash=sha256:{digest}\n")
    assert environment.main(arguments) == 0
    assert answer() == "2"


def test_the_library_is_copied_once_with_its_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "lib/auricle"
    assert library.main([str(target)]) == 0
    placed = (target / library.NAME).stat()
    assert placed.st_size == library.find().stat().st_size
    assert f"{library.PACKAGE} {library.VERSION}" in capsys.readouterr().out

    assert library.main([str(target)]) == 0
    assert (target / library.NAME).stat().st_ino == placed.st_ino, "the library was copied again"
    assert capsys.readouterr().out == ""

    os.truncate(target / library.NAME, 100)
    assert library.main([str(target)]) == 0
    assert (target / library.NAME).stat().st_size == placed.st_size


def test_another_version_of_the_wheel_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(library, "VERSION", "1.20.1")
    assert library.main([str(tmp_path)]) == 1
    assert "onnxruntime 1.20.1 is needed; run 'make venv'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_requirements_pin_the_version_of_the_library() -> None:
    requirements = Path(library.__file__).parents[1] / "requirements.txt"
    assert f"\n{library.PACKAGE}=={library.VERSION} " in requirements.read_text()


def test_the_oldest_library_is_placed_once_and_again_when_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = platform.machine()
    if machine not in library.OLDEST_BY_MACHINE:
        pytest.skip(f"ONNX Runtime {library.OLDEST} is not pinned for {machine}")
    if not list(cache_folder().glob(f"{library.PACKAGE}-{library.OLDEST}-*_{machine}.whl")):
        pytest.skip("its wheel is not in the cache: 'make library-oldest'")
    target = tmp_path / library.NAME
    assert library.main(["--oldest", str(tmp_path)]) == 0
    assert f"{library.PACKAGE} {library.OLDEST}" in capsys.readouterr().out
    whole = target.read_bytes()
    assert library.OLDEST.encode() in whole

    with monkeypatch.context() as patch:
        patch.setattr("zipfile.ZipFile", lambda *_, **__: pytest.fail("the wheel was opened again"))
        assert library.main(["--oldest", str(tmp_path)]) == 0

    target.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert library.main(["--oldest", str(tmp_path)]) == 0
    assert target.read_bytes() == whole


def test_a_machine_without_an_oldest_library_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert library.main(["--oldest", str(tmp_path)]) == 1
    assert "pinned for x86_64, aarch64, and this is riscv64" in capsys.readouterr().err
