"""`model.lock`, beside each `model.toml`: what lies there, so that the next run need not read it all again.

A file counts as checked while its size and modification time are the lock's and the lock's hash is the manifest's.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from auricle_export import __version__
from auricle_export.manifest import Manifest, ModelFile

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Locked:
    """A file as it was when its hash was last computed; `source` says where it came from.

    `built`, of a derived file that was built here: the versions of the tools, and the hashes of what it was built from,
    `{"tools": {"numpy": "2.4.6", ...}, "inputs": {"encoder_model.ort": "94e9...", ...}}`.
    """

    path: str
    bytes: int
    mtime_ns: int
    sha256: str
    source: str
    built: dict[str, dict[str, str]] | None = None


def read(manifest: Manifest) -> dict[str, Locked]:
    """Return the lock's entries by path; none when there is no lock or it makes no sense, which costs a hashing."""
    try:
        table = json.loads((manifest.folder / "model.lock").read_text(encoding="utf-8"))
        if table["schema"] != SCHEMA:
            return {}
        return {str(entry["path"]): Locked(**entry | {"path": str(entry["path"])}) for entry in table["files"]}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def write(manifest: Manifest, entries: list[Locked]) -> None:
    """Write the lock, whole or not at all."""
    # What is not said is left out, so that a file that was only brought has no empty `built`.
    files = [{key: value for key, value in asdict(entry).items() if value is not None} for entry in entries]
    table = {"schema": SCHEMA, "tool": f"auricle-export {__version__}", "files": files}
    temporary = manifest.folder / ".model.lock.new"
    temporary.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
    temporary.replace(manifest.folder / "model.lock")


def holds(entry: Locked | None, manifest: Manifest, file: ModelFile) -> bool:
    """Say whether the file on disk is the one that the lock vouches for and the manifest asks for."""
    if entry is None or entry.sha256 != file.sha256:
        return False
    try:
        status = (manifest.folder / file.path).stat()
    except OSError:
        return False
    return status.st_size == entry.bytes == file.bytes and status.st_mtime_ns == entry.mtime_ns


def sha256_of(path: Path) -> str:
    """Hash a file, a piece at a time."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
