"""`library`: takes libonnxruntime.so out of the installed `onnxruntime` wheel and places it where the binary looks.

The wheel was installed against its hash in requirements.txt; the copy keeps the wheel's size and time, which tell the
next run that it is there.
"""

import argparse
import shutil
import sys
import tempfile
from importlib import metadata
from pathlib import Path

PACKAGE = "onnxruntime"
VERSION = "1.31.1"
NAME = "libonnxruntime.so"


def main(arguments: list[str]) -> int:
    """Run the command; 0 when the library is in place, 1 when this Python has no such wheel or it cannot be copied."""
    parser = argparse.ArgumentParser(prog="auricle_export library", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help=f"where {NAME} goes")
    options = parser.parse_args(arguments)
    try:
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
