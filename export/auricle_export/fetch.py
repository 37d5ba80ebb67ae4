"""`fetch`: brings every file that the manifests list and checks it by sha256; `--verify` only checks.

In come `models/*/model.toml`; out go the files beside them, written whole or not at all, and a `model.lock` each.
"""

import argparse
import sys
from pathlib import Path

from auricle_export import lock
from auricle_export.lock import Locked
from auricle_export.manifest import Manifest, ManifestError, ModelFile, read

MODELS = Path(__file__).resolve().parents[2] / "models"


class FetchError(Exception):
    """A file that is missing or wrong and could not be mended; the message says which, why, and the way out."""


def main(arguments: list[str]) -> int:
    """Run the command; 0 when every file is as its manifest says, 1 when one is not, 2 where there is no such model."""
    parser = argparse.ArgumentParser(prog="auricle_export fetch", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="models to bring (default: all)")
    parser.add_argument("--verify", action="store_true", help="read and hash every file, change nothing")
    parser.add_argument("--models", type=Path, default=MODELS, help="the folder of the manifests")
    options = parser.parse_args(arguments)

    known = {path.parent.name: path for path in sorted(options.models.glob("*/model.toml"))}
    if not known:
        parser.error(f"{options.models} has no model: expected {options.models}/<name>/model.toml")
    if unknown := sorted(set(options.names) - set(known)):
        parser.error(f"no such model: {', '.join(unknown)}; there are: {', '.join(known)}")
    problems: list[str] = []
    files = 0
    for name in options.names or known:
        try:
            manifest = read(known[name])
            files += len(manifest.files)
            verify(manifest) if options.verify else fetch(manifest)
        except (FetchError, ManifestError) as error:
            problems.append(str(error))
    if problems:
        print("\n".join(problems), file=sys.stderr)
        return 1
    print(f"models: {', '.join(options.names or known)}; {files} files as their manifests say")
    return 0


def fetch(manifest: Manifest) -> None:
    """Bring what is missing or wrong, and write the lock; `FetchError` names every file that could not be brought."""
    before = lock.read(manifest)
    if all(lock.holds(before.get(file.path), manifest, file) for file in manifest.files):
        return
    entries: list[Locked] = []
    problems: list[str] = []
    for file in manifest.files:
        entry = before.get(file.path)
        try:
            if not lock.holds(entry, manifest, file):
                origin = entry.source if entry else "found in place"
                wrong = _wrong(manifest, file)
                if wrong is not None:
                    origin = _bring(manifest, file, wrong)
                status = (manifest.folder / file.path).stat()
                entry = Locked(file.path, status.st_size, status.st_mtime_ns, file.sha256, origin)
            entries.append(entry)
        except FetchError as error:
            problems.append(str(error))
        except OSError as error:
            problems.append(f"{_shown(manifest, file)}: cannot be written: {error}")
    lock.write(manifest, entries)
    if problems:
        raise FetchError("\n".join(problems))


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


def _bring(manifest: Manifest, file: ModelFile, wrong: str) -> str:
    """Bring the file from one of its sources and return which."""
    # Imported here because it is half of the start-up time of a run that has nothing to bring.
    from auricle_export.sources import SourceError, bring

    shown = _shown(manifest, file)
    try:
        source = str(bring(manifest, file))
    except SourceError as error:
        raise FetchError(
            f"{shown}: {wrong}, and none of its sources has it:\n{error}\n"
            f"  put the file into a folder as {manifest.name}/{file.path}, name that folder in AURICLE_MODEL_SOURCES, "
            "and run 'make models' again"
        ) from error
    print(f"{shown}: {file.bytes:,} bytes from {source}", flush=True)
    return source


def _shown(manifest: Manifest, file: ModelFile) -> str:
    return f"{manifest.folder.parent.name}/{manifest.name}/{file.path}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
