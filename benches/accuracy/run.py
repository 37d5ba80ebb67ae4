"""Measures the built binary against what it must show, and prints one table.

In: the binary, and a data folder where there is one. Out: the table; with `--check`, exit code 1
when a bound is missed.
README.md beside this file defines every figure.

    python benches/accuracy/run.py --check
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import emission
import quiet
import reliability
import silence
import sounds
import speech
import ten_sounds
import word_times
from auricle import Auricle, Failed
from figures import Figure, Outcome, misses, table

ROOT = Path(__file__).resolve().parents[2]
PARTS: Mapping[str, Callable[[Auricle, Path, Path], Outcome]] = {
    module.PART: module.measure
    for module in (speech, silence, quiet, sounds, ten_sounds, emission, word_times, reliability)
}


def parts(text: str) -> list[str]:
    """The names in a list with commas, each one a part."""
    names = text.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not one of {', '.join(PARTS)}")
    return names


def settings(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="benches/accuracy/run.py", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--auricle", type=Path, default=ROOT / "target" / "release" / "auricle", help="the binary")
    parser.add_argument("--model", metavar="NAME", help="model that makes captions (default: the binary's)")
    parser.add_argument("--sounds", metavar="NAME", help="model that hears sounds (default: the binary's)")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of speech/, esc10/")
    parser.add_argument("--only", type=parts, default=list(PARTS), metavar="PART,...", help=", ".join(PARTS))
    parser.add_argument("--check", action="store_true", help="exit with 1 when a figure misses its bound")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures here as well")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Measures what was asked for. 0 done, 1 a bound missed or the binary failed."""
    options = settings(arguments)
    figures: list[Figure] = []
    left_out: list[str] = []
    try:
        named = {"transcribe": options.model, "tag": options.sounds}
        auricle = Auricle(options.auricle, models={command: name for command, name in named.items() if name})
        version = auricle.version()
        for name in options.only:
            began = time.monotonic()
            with tempfile.TemporaryDirectory(prefix="auricle-accuracy-") as scratch:
                outcome = PARTS[name](auricle, options.data, Path(scratch))
            figures += outcome.figures
            left_out += outcome.left_out
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    except Failed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(", ".join([version, *auricle.models.values()]), table(figures), sep="\n\n")
    for line in left_out:
        print(f"left out: {line}")
    if options.json is not None:
        content = {"version": version, "figures": [figure.to_json() for figure in figures], "left_out": left_out}
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    missed = misses(figures)
    for line in missed:
        print(f"missed: {line}", file=sys.stderr)
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
