"""Builds a model's derived files: in comes a manifest with [export], out go the files its family's exporter makes.

What the export reads is brought by hash into `.cache/sources/<model>` beside the folder of models, and stays there: the
same disk, so it goes with `make clean`; a damaged export is built again without a download; and the files as they were
shipped lie where a measurement can compare them with the export.
"""

import platform
import sys
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from types import TracebackType

from auricle_export import __version__, families, lock
from auricle_export.exported import Exported, ExportError, require
from auricle_export.manifest import Export, Manifest, ModelFile
from auricle_export.sources import SourceError, bring

PACKAGES = ("numpy", "onnx", "onnxruntime")
"""What exports are made with; another version may give other bytes."""


class Builder:
    """The export of one model, run at most once: when the first of its files is asked for. A context manager."""

    def __init__(self, manifest: Manifest) -> None:
        """Take the manifest; nothing is done before a file is asked for."""
        self._manifest = manifest
        self._work: tempfile.TemporaryDirectory[str] | None = None
        self._files: Mapping[str, Path] = {}
        self._failure: str | None = None
        self.built: dict[str, dict[str, str]] | None = None
        """What the lock says of the files; None until the export was run."""

    def __enter__(self) -> "Builder":
        """Enter."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Remove what was built and not moved away."""
        if self._work is not None:
            self._work.cleanup()

    def file(self, file: ModelFile) -> Path:
        """Return where the file was built; `SourceError` when the export fails or gives other bytes than expected."""
        export = self._manifest.export
        assert export is not None, "a manifest with a file of kind export and no [export] is refused when it is read"
        if self._work is None:
            self._work = tempfile.TemporaryDirectory(dir=self._manifest.folder, prefix=".export-")
            try:
                self._run(export, Path(self._work.name))
            except (SourceError, ExportError) as error:
                self._failure = "it failed, as said above"
                raise SourceError(str(error)) from error
        if self._failure:
            raise SourceError(self._failure)
        if file.path not in self._files:
            raise SourceError(f"the export of {export.family} made no {file.path}: it made {', '.join(self._files)}")
        if (found := lock.sha256_of(self._files[file.path])) != file.sha256:
            made_by = ", ".join([export.exporter, *export.packages])
            raise SourceError(
                f"sha256 is {found}, expected {file.sha256}; built with {', '.join(tools())} on {platform.machine()}, "
                f"and the manifest was written with {made_by}: run 'make venv' and use the Python in .venv; where the "
                f"exporter was changed on purpose, write the manifest anew with 'python -m auricle_export "
                f"{export.family} --output {self._manifest.folder}'"
            )
        return self._files[file.path]

    def _run(self, export: Export, work: Path) -> None:
        source, audio = bring_source(self._manifest), bring_audio(self._manifest)
        print(f"building {self._manifest.name}: {export.family}, {export.precision}", flush=True)
        exported = run(export.family, source, work, export.precision, audio)
        self._files = {path.relative_to(work).as_posix(): path for _, path in exported.files}
        self.built = record(export)


def run(family: str, source: Path, work: Path, precision: str, audio: tuple[Path, ...]) -> Exported:
    """Run a family's export and hold it to what it promises; `ExportError` when it fails, `ParityError` included."""
    exported = families.load(family).export(source, work, precision, audio)
    require(exported.parity)
    paths = [path for _, path in exported.files]
    if not paths or len(set(paths)) != len(paths):
        raise ExportError(f"the exporter of {family} names no file, or one twice: {[path.name for path in paths]}")
    for path in paths:
        if not path.is_relative_to(work) or not path.is_file():
            raise ExportError(f"the exporter of {family} names {path}, which is not a file in its work folder")
    return exported


def bring_source(manifest: Manifest) -> Path:
    """Bring the files that the model is exported from, unless they are there, and return their folder."""
    return _bring(manifest, "source", manifest.export.inputs if manifest.export else ())


def bring_audio(manifest: Manifest) -> tuple[Path, ...]:
    """Bring the real sound that the export is compared with its source on, unless it is there, and return the files."""
    files = manifest.export.audio if manifest.export else ()
    folder = _bring(manifest, "audio", files)
    return tuple(folder / file.path for file in files)


def _bring(manifest: Manifest, kind: str, files: tuple[ModelFile, ...]) -> Path:
    """Bring files into the folder of their kind; local folders of sources keep them as `<model>/<kind>/<path>`."""
    folder = manifest.folder.parent.parent / ".cache" / "sources" / manifest.name / kind
    listed = {folder / file.path for file in files}
    # What an older manifest listed must not be taken for a part of the source.
    for path in folder.rglob("*"):
        if path.is_file() and path not in listed:
            path.unlink()
    for file in files:
        path = folder / file.path
        if path.is_file() and path.stat().st_size == file.bytes and lock.sha256_of(path) == file.sha256:
            continue
        try:
            source = bring(f"{manifest.name}/{kind}", file, folder)
        except SourceError as error:
            raise SourceError(f"none of the sources of {kind}/{file.path}, which it reads, has it:\n{error}") from error
        print(f"{manifest.name}/{kind}/{file.path}: {file.bytes:,} bytes from {source}", flush=True)
    return folder


def record(export: Export) -> dict[str, dict[str, str]]:
    """Return what the lock says of files built here: with which tools, from which bytes."""
    return {
        "tools": dict(tool.split(" ", 1) for tool in tools()),
        "inputs": {file.path: file.sha256 for file in export.inputs},
    }


def tools() -> tuple[str, ...]:
    """Name and version of everything that has a say in the bytes of an export."""
    packages = (*PACKAGES, "torch") if "torch" in sys.modules else PACKAGES
    return (f"auricle-export {__version__}", *(f"{package} {metadata.version(package)}" for package in packages))
