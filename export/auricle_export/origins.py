"""Says where the files that an export reads can be had: in come files, out go the `source` tables of a manifest.

Nothing is taken on trust: a package is named because its wheel holds the very bytes, and what an older manifest said of
a file stays as long as the file is the same.
"""

import email
import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from auricle_export.exported import ExportError
from auricle_export.lock import sha256_of
from auricle_export.manifest import ManifestError, parse_source

Entry = dict[str, Any]
"""A file as a manifest has it: path, bytes, sha256, and a list of sources."""
LARGEST_INNER_ARCHIVE_BYTES = 1 << 30


class Origins:
    """The wheels and addresses that may hold a file, and the entries of the manifest that stands."""

    def __init__(self, wheels: Iterable[Path], urls: Iterable[str], known: Iterable[Entry]) -> None:
        """Take wheels to look into, addresses under which files lie by their path, and entries with their sources."""
        self._wheels = tuple(wheels)
        self._urls = tuple(url.rstrip("/") for url in urls)
        self._known = {entry["sha256"]: entry["source"] for entry in known}

    def entry(self, path: Path, name: str) -> Entry:
        """Describe the file at `path` as the manifest's `name`, with every place it can be had from.

        `ExportError` when a wheel cannot be read or an address is none.
        """
        size, digest = path.stat().st_size, sha256_of(path)
        found = [source for wheel in self._wheels for source in _in_wheel(wheel, size, digest)]
        found += [{"kind": "url", "url": f"{url}/{name}"} for url in self._urls]
        found += self._known.get(digest, [])
        sources: list[Entry] = []
        for source in [*found, {"kind": "folder"}]:
            try:
                parse_source(source, name)
            except ManifestError as error:
                raise ExportError(str(error)) from error
            if source not in sources:
                sources.append(source)
        # A local folder is the last resort, whoever named it first.
        sources.sort(key=lambda source: source["kind"] == "folder")
        return {"path": name, "bytes": size, "sha256": digest, "source": sources}


def _in_wheel(wheel: Path, size: int, digest: str) -> Iterator[Entry]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            metadata = next((name for name in archive.namelist() if name.endswith(".dist-info/METADATA")), None)
            if metadata is None:
                raise ExportError(f"{wheel}: is not a wheel: it has no METADATA")
            package = email.message_from_bytes(archive.read(metadata))
            members = list(_members(archive, size, digest, deeper=True))
    except (OSError, zipfile.BadZipFile) as error:
        raise ExportError(f"{wheel}: cannot be read as a wheel: {error}") from error
    for member in members:
        yield {
            "kind": "pypi",
            "package": package["Name"],
            "version": package["Version"],
            "wheel_sha256": sha256_of(wheel),
            "member": member,
        }


def _members(archive: zipfile.ZipFile, size: int, digest: str, deeper: bool) -> Iterator[str]:
    """Find the members with these bytes, also in archives inside the archive, whose steps are joined by `!`."""
    for info in archive.infolist():
        if info.file_size == size:
            with archive.open(info) as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() == digest:
                    yield info.filename
        elif deeper and info.filename.endswith(".zip") and info.file_size <= LARGEST_INNER_ARCHIVE_BYTES:
            with zipfile.ZipFile(io.BytesIO(archive.read(info))) as inner:
                for member in _members(inner, size, digest, deeper=False):
                    yield f"{info.filename}!{member}"
