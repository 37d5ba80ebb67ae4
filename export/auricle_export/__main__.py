"""The command line: takes the name of a command or of a family, and its arguments, and gives an exit code.

0: done; 1: failed; 2: wrong usage.
"""

from __future__ import annotations  # an older Python must get as far as the message below

import importlib
import sys

from auricle_export.families import FAMILIES

COMMANDS = {
    "packages": "install the Debian packages that are missing",
    "environment": "make the virtual environment from hash-pinned requirements",
    "library": "place libonnxruntime.so where the binary looks for it",
    "fetch": "bring or build the models' files, each checked against its manifest",
}
"""Each command is the module of that name, with `main(arguments) -> exit code`; imported only when called."""
EXPORTS = {family: f"export a model of the family {family}" for family in FAMILIES}
"""Each family is a command too: `export.main(family, arguments)`."""
TRAINED = {"audio-transformer": "train, evaluate and export the Audio Transformer"}
"""What is trained here is a package of commands of its own: `audio_transformer.command(arguments)`."""


def main(arguments: list[str]) -> int:
    """Run the command that the first argument names."""
    listing = "\n".join(f"  {name:17} {what}" for name, what in (COMMANDS | EXPORTS | TRAINED).items())
    usage = f"usage: python -m auricle_export COMMAND [--help | ARGUMENT...]\n\n{listing}"
    if arguments and arguments[0] in ("-h", "--help"):
        print(usage)
        return 0
    if not arguments or arguments[0] not in COMMANDS | EXPORTS | TRAINED:
        print(usage, file=sys.stderr)
        return 2
    if sys.version_info < (3, 11):  # noqa: UP036
        found = ".".join(str(part) for part in sys.version_info[:3])
        print(
            f"{sys.executable} is Python {found}, and set-up needs 3.11 or newer; name one: 'make PYTHON=python3.11 …'",
            file=sys.stderr,
        )
        return 1
    if arguments[0] in TRAINED:
        return importlib.import_module("auricle_export.audio_transformer").command(arguments[1:])
    if arguments[0] in EXPORTS:
        return importlib.import_module("auricle_export.export").main(arguments[0], arguments[1:])
    return importlib.import_module(f"auricle_export.{arguments[0]}").main(arguments[1:])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
