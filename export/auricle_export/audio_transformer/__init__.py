"""The Audio Transformer: trained on labelled clips, measured, and exported as two graphs that live audio runs.

    python -m auricle_export audio-transformer parameters | train | evaluate | calibrate | export | filters | reproduce

`train`, `evaluate` and `calibrate` need PyTorch (`make torch`) and soundfile (`make test-venv`); the rest can do
without PyTorch.
"""

import importlib
import sys

COMMANDS = {
    "parameters": "how many numbers each configuration learns, beside the paper's",
    "train": "learn from clips and a teacher",
    "evaluate": "accuracy, mean average precision and confusions of finished runs on what they did not learn from",
    "calibrate": "thresholds at which what is none of the classes is seldom told as one",
    "export": "write the graphs of a run and compare them with each other",
    "filters": "draw the learned filters of a run",
    "reproduce": "all of it: what is shipped, from its data",
}
"""Each is the module of that name, with `main(arguments) -> exit code`, imported only when called."""
INSTALLED_BY = {"torch": "make torch", "soundfile": "make test-venv"}


def command(arguments: list[str]) -> int:
    """Run the command that the first argument names; 0 when it did its work, 1 when it could not, 2 for wrong usage."""
    listing = "\n".join(f"  {name:12} {what}" for name, what in COMMANDS.items())
    usage = f"usage: python -m auricle_export audio-transformer COMMAND [--help | ARGUMENT...]\n\n{listing}"
    if arguments and arguments[0] in ("-h", "--help"):
        print(usage)
        return 0
    if not arguments or arguments[0] not in COMMANDS:
        print(usage, file=sys.stderr)
        return 2
    try:
        module = importlib.import_module(f"{__name__}.{arguments[0]}")
    except ModuleNotFoundError as error:
        way_out = INSTALLED_BY.get(error.name or "", "make venv")
        print(f"audio-transformer {arguments[0]} needs the module {error.name!r}; run '{way_out}'", file=sys.stderr)
        return 1
    done: int = module.main(arguments[1:])
    return done
