"""The command line: takes a command's name and its arguments, gives an exit code (0 done, 1 failed, 2 wrong usage)."""

from __future__ import annotations  # an older Python must get as far as the message below

import importlib
import sys

COMMANDS = {
    "packages": "install the Debian packages that are missing",
    "environment": "make the virtual environment from hash-pinned requirements",
    "library": "place libonnxruntime.so where the binary looks for it",
    "fetch": "bring the models' files, each checked against its manifest",
}
"""Each command is the module of that name, with `main(arguments) -> exit code`; imported only when called."""


def main(arguments: list[str]) -> int:
    """Run the command that the first argument names."""
    listing = "\n".join(f"  {name:12} {what}" for name, what in COMMANDS.items())
    usage = f"usage: python -m auricle_export COMMAND [--help | ARGUMENT...]\n\n{listing}"
    if arguments and arguments[0] in ("-h", "--help"):
        print(usage)
        return 0
    if not arguments or arguments[0] not in COMMANDS:
        print(usage, file=sys.stderr)
        return 2
    if sys.version_info < (3, 11):  # noqa: UP036
        found = ".".join(str(part) for part in sys.version_info[:3])
        print(
            f"{sys.executable} is Python {found}, and set-up needs 3.11 or newer; name one: 'make PYTHON=python3.11 …'",
            file=sys.stderr,
        )
        return 1
    return importlib.import_module(f"auricle_export.{arguments[0]}").main(arguments[1:])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
