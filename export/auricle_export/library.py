"""`library`: takes libonnxruntime.so out of the installed `onnxruntime` wheel and places it where the binary looks.

The wheel was installed against its hash in requirements.txt; the copy keeps the wheel's size and time, which tell the
next run that it is there. `--oldest` takes the oldest version that the runtime supports out of a wheel of its own,
pinned here, so that tests can load every model under it.
"""

import argparse
import platform
import shutil
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from auricle_export.lock import sha256_of
from auricle_export.manifest import ModelFile, PypiSource

PACKAGE = "onnxruntime"
VERSION = "1.31.1"
NAME = "libonnxruntime.so"
OLDEST = "1.20.1"


def _oldest(machine: str, wheel_sha256: str, size: int, sha256: str) -> ModelFile:
    members = (f"{PACKAGE}/capi/{NAME}.{OLDEST}",)
    return ModelFile("library", NAME, size, sha256, (PypiSource(PACKAGE, OLDEST, wheel_sha256, members, machine),))


OLDEST_BY_MACHINE = {
    "x86_64": _oldest(
        "x86_64",
        wheel_sha256="5eec64c0269dcdb8d9a9a53dc4d64f87b9e0c19801d9321246a53b7eb5a7d1bc",
        size=16_559_416,
        sha256="be3dd32e78f6906fd4fa6208dbd296031fa1c3ffb42b40f706cf68d3de269f2b",
    ),
    "aarch64": _oldest(
        "aarch64",
        wheel_sha256="f6243e34d74423bdd1edf0ae9596dd61023b260f546ee17d701723915f06a9f7",
        size=14_041_600,
        sha256="421034f743da872315a6631ed02d8de6bf06273277f9bcc2de75770b1c2a5db6",
    ),
}
"""The library in the wheels for Python 3.11, whichever Python runs this: nothing but the library is taken from them."""


def main(arguments: list[str]) -> int:
    """Run the command; 0 when the library is in place, 1 when this Python has no such wheel or it cannot be copied."""
    parser = argparse.ArgumentParser(prog="auricle_export library", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help=f"where {NAME} goes")
    parser.add_argument("--oldest", action="store_true", help=f"version {OLDEST} instead of {VERSION}")
    options = parser.parse_args(arguments)
    try:
        if options.oldest:
            place_oldest(options.folder)
        else:
            place(find(), options.folder / NAME)
    except (LookupError, OSError) as error:
        print(f"{options.folder / NAME}: {error}", file=sys.stderr)
        return 1
    return 0


def find() -> Path:
    """Return the library inside the installed wheel; `LookupError` when the wheel is missing or another version."""
    wanted = f"{PACKAGE} {VERSION} is needed; run 'make venv' to install it"
    try:
        wheel = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError as error:
        raise LookupError(f"{sys.executable} has no {PACKAGE}, and {wanted}") from error
    if wheel.version != VERSION:
        raise LookupError(f"{sys.executable} has {PACKAGE} {wheel.version}, and {wanted}")
    found = Path(str(wheel.locate_file(f"{PACKAGE}/capi/{NAME}.{VERSION}")))
    if not found.is_file():
        raise LookupError(f"the wheel has no {found}, and {wanted}")
    return found


def place(library: Path, target: Path) -> None:
    """Copy the library, whole or not at all, unless the same one is there already."""
    source = library.stat()
    if target.is_file():
        there = target.stat()
        if (there.st_size, there.st_mtime_ns) == (source.st_size, source.st_mtime_ns):
            return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".library-") as work:
        copy = Path(work) / NAME
        shutil.copy2(library, copy)
        copy.replace(target)
    print(f"{target}: {source.st_size:,} bytes from {PACKAGE} {VERSION}", flush=True)


def place_oldest(folder: Path) -> None:
    """Put the oldest library into `folder`, unless it is there; `LookupError` when no wheel has it for this machine."""
    machine = platform.machine()
    if machine not in OLDEST_BY_MACHINE:
        raise LookupError(f"{PACKAGE} {OLDEST} is pinned for {', '.join(OLDEST_BY_MACHINE)}, and this is {machine}")
    file = OLDEST_BY_MACHINE[machine]
    target = folder / file.path
    if target.is_file() and target.stat().st_size == file.bytes and sha256_of(target) == file.sha256:
        return
    # Imported here because it is half of the start-up time of a run that has nothing to bring.
    from auricle_export.sources import SourceError, bring

    try:
        source = bring(PACKAGE, file, folder)
    except SourceError as error:
        raise LookupError(f"is not there, and its only source does not have it:\n{error}") from error
    print(f"{target}: {file.bytes:,} bytes from {source}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
