"""`fetch`: brings or builds every file that the manifests list and checks it by sha256; `--verify` only checks.

In come `models/*/model.toml`; out go the files beside them, written whole or not at all, and a `model.lock` each. A run
that has nothing to bring imports neither numpy nor onnx, and hashes nothing.
"""

from __future__ import annotations  # the names of modules that are imported late

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from auricle_export import lock
from auricle_export.lock import Locked
from auricle_export.manifest import ExportSource, Manifest, ManifestError, ModelFile, read

if TYPE_CHECKING:
    from auricle_export.derive import Builder

MODELS = Path(__file__).resolve().parents[2] / "models"
"""The repository's, where this runs in one."""


class FetchError(Exception):
    """A file that is missing or wrong and could not be mended; the message says which, why, and the way out."""


def main(arguments: list[str]) -> int:
    """Run the command; 0 when every file is as its manifest says, 1 when one is not, 2 where there is no such model."""
    parser = argparse.ArgumentParser(prog="auricle_export fetch", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="models to bring (default: all)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--verify", action="store_true", help="read and hash every file, change nothing")
    what.add_argument("--sources", action="store_true", help="bring what exports are built from, and say where it lies")
    default = MODELS if MODELS.is_dir() else Path("models")
    parser.add_argument(
        "--models", type=Path, default=default, help="the folder of the manifests (default: %(default)s)"
    )
    options = parser.parse_args(arguments)

    known = {path.parent.name: path for path in sorted(options.models.glob("*/model.toml"))}
    if not known:
        parser.error(f"{options.models} has no model: expected {options.models}/<name>/model.toml")
    if unknown := sorted(set(options.names) - set(known)):
        parser.error(f"no such model: {', '.join(unknown)}; there are: {', '.join(known)}")
    act = verify if options.verify else sources if options.sources else fetch
    problems: list[str] = []
    files = 0
    for name in options.names or known:
        try:
            manifest = read(known[name])
            files += len(manifest.files)
            act(manifest)
        except (FetchError, ManifestError) as error:
            problems.append(str(error))
    if problems:
        print("\n".join(problems), file=sys.stderr)
        return 1
    if not options.sources:
        print(f"models: {', '.join(options.names or known)}; {files} files as their manifests say")
    return 0


def fetch(manifest: Manifest) -> None:
    """Bring what is missing or wrong, and write the lock; `FetchError` names every file that could not be brought."""
    before = lock.read(manifest)
    if set(before) == {file.path for file in manifest.files} and all(
        lock.holds(before[file.path], manifest, file) for file in manifest.files
    ):
        return
    entries: list[Locked] = []
    problems: list[str] = []
    with ExitStack() as stack:
        builder: Builder | None = None
        for file in manifest.files:
            entry = before.get(file.path)
            try:
                if entry is None or not lock.holds(entry, manifest, file):
                    same = entry is not None and entry.sha256 == file.sha256
                    origin, built = (entry.source, entry.built) if same else ("found in place", None)
                    wrong = _wrong(manifest, file)
                    if wrong is not None:
                        # Imported here because it is half of the start-up time of a run that has nothing to bring.
                        from auricle_export.derive import Builder

                        builder = builder or stack.enter_context(Builder(manifest))
                        origin, built = _bring(manifest, file, wrong, builder)
                    entry = locked(manifest, file, origin, built)
                entries.append(entry)
            except FetchError as error:
                problems.append(str(error))
            except OSError as error:
                problems.append(f"{_shown(manifest, file)}: cannot be written: {error}")
    sweep(manifest, before)
    lock.write(manifest, entries)
    if problems:
        raise FetchError("\n".join(problems))


def locked(manifest: Manifest, file: ModelFile, source: str, built: dict[str, dict[str, str]] | None) -> Locked:
    """Make the lock's entry of a file that lies in place and was found to be right."""
    status = (manifest.folder / file.path).stat()
    return Locked(file.path, status.st_size, status.st_mtime_ns, file.sha256, source, built)


def sweep(manifest: Manifest, before: dict[str, Locked]) -> None:
    """Remove the files that set-up once placed and the manifest lists no more, unless someone changed them since."""
    listed = {file.path for file in manifest.files}
    for entry in before.values():
        path = manifest.folder / entry.path
        # The lock is a file like any other: what it names outside the model's folder is not ours.
        if entry.path in listed or not path.resolve().is_relative_to(manifest.folder.resolve()):
            continue
        try:
            status = path.stat()
            if (status.st_size, status.st_mtime_ns) == (entry.bytes, entry.mtime_ns):
                path.unlink()
                print(f"{manifest.folder.parent.name}/{manifest.name}/{entry.path}: removed, no longer of the model")
        except OSError:
            continue


def verify(manifest: Manifest) -> None:
    """Hash every file, whatever the lock says; `FetchError` names every one that is missing or wrong."""
    wrong = [f"{_shown(manifest, file)}: {why}" for file in manifest.files if (why := _wrong(manifest, file))]
    if wrong:
        raise FetchError("\n".join(f"{problem}; run 'make models' to fetch it again" for problem in wrong))


def _wrong(manifest: Manifest, file: ModelFile) -> str | None:
    """Say what is wrong with the file on disk, or None."""
    path = manifest.folder / file.path
    try:
        if (size := path.stat().st_size) != file.bytes:
            return f"has {size} bytes, expected {file.bytes}"
        found = lock.sha256_of(path)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None if found == file.sha256 else f"sha256 is {found}, expected {file.sha256}"


def sources(manifest: Manifest) -> None:
    """Bring what the model's export is built from, and say where it lies; nothing where there is no export."""
    if manifest.export is None:
        return
    from auricle_export.derive import bring_audio, bring_source
    from auricle_export.sources import SourceError

    try:
        folder = bring_source(manifest)
        bring_audio(manifest)
    except (SourceError, OSError) as error:
        raise FetchError(f"{manifest.folder.parent.name}/{manifest.name}: {error}") from error
    print(f"{manifest.name}: {folder}")


def _bring(
    manifest: Manifest, file: ModelFile, wrong: str, builder: Builder
) -> tuple[str, dict[str, dict[str, str]] | None]:
    """Bring the file from one of its sources; return which, and how it was built where it was."""
    from auricle_export.sources import SourceError, bring

    shown = _shown(manifest, file)
    try:
        source = bring(manifest.name, file, manifest.folder, builder.file)
    except SourceError as error:
        raise FetchError(
            f"{shown}: {wrong}, and none of its sources has it:\n{error}\n"
            f"  put the file into a folder as {manifest.name}/{file.path}, name that folder in AURICLE_MODEL_SOURCES, "
            "and run 'make models' again"
        ) from error
    print(f"{shown}: {file.bytes:,} bytes from {source}", flush=True)
    return str(source), builder.built if isinstance(source, ExportSource) else None


def _shown(manifest: Manifest, file: ModelFile) -> str:
    return f"{manifest.folder.parent.name}/{manifest.name}/{file.path}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
