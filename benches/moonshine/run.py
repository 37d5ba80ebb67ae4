"""Moonshine as shipped against what is exported of it: time, memory, disk, words, and whether drafts change readings.

In: the shipped files of the models (`python -m auricle_export fetch --sources` brings them) and, for words and
refreshes, the speech set. Out: a table a model and part; with `--json`, the figures. README.md defines them.

    make bench-moonshine ARGS="--only timing"
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import memory
import timing
import variants
from variants import ALTERNATIVES, EXPORTED, MODELS, SHIPPED

DATA = variants.ROOT.parent / "shared" / "data"
KINDS: Mapping[str, tuple[str, ...]] = {
    "timing": (SHIPPED, *EXPORTED),
    "memory": (SHIPPED, *EXPORTED),
    "words": (SHIPPED, *EXPORTED, *ALTERNATIVES),
    "refreshes": ("fp32", "int8", *ALTERNATIVES),
}
"""What each part compares."""
QUICK = ("timing", "memory")
"""What is measured unless `--only` says otherwise: it needs no data and takes less than two minutes."""
EXACT = ("fp32", "int8")
"""Of these no draft may change a reading."""


def parts(text: str) -> list[str]:
    """The names in a list with commas, each one a part."""
    return _listed(text, tuple(KINDS))


def models(text: str) -> list[str]:
    """The names in a list with commas, each one a model."""
    return _listed(text, MODELS)


def positive(text: str) -> int:
    """A number of at least one."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)


def _listed(text: str, known: tuple[str, ...]) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not one of {', '.join(known)}")
    return names


def settings(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="benches/moonshine/run.py", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--only",
        type=parts,
        default=list(QUICK),
        metavar="PART,...",
        help=f"{', '.join(KINDS)} (default: the quick two)",
    )
    parser.add_argument("--models", type=models, default=list(MODELS), metavar="NAME,...", help=", ".join(MODELS))
    parser.add_argument("--rounds", type=positive, default=8, help="of timing; every variant runs once a round")
    parser.add_argument("--runs", type=positive, default=3, help="of memory; processes a variant")
    parser.add_argument("--refreshes", type=positive, default=1000, help="how many, of each model")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of speech/")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures here; parts not measured stay")
    parser.add_argument("--show", type=Path, metavar="PATH", help="measure nothing, print the tables of a result file")
    parser.add_argument("--machine", default=machine(), help="how the result calls this machine (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a draft changed a reading")
    return parser.parse_args(arguments)


def machine() -> str:
    """This machine in general words."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        flags = []
    vnni = " with AVX-512 VNNI" if "avx512_vnni" in flags else " with AVX-VNNI" if "avx_vnni" in flags else ""
    return f"{os.cpu_count()} {platform.machine()} cores{vnni}"


def main(arguments: list[str] | None = None) -> int:
    """Measures what was asked for. 0 done, 1 a bound missed, 2 nothing to measure on."""
    options = settings(arguments)
    if options.show is not None:
        shown = json.loads(options.show.read_text(encoding="utf-8"))["models"]
        print("\n\n".join(table(model, part, found) for model in shown for part, found in shown[model].items()))
        return 0
    if missing := [name for name in options.models if not variants.source(name).is_dir()]:
        print(
            f"{variants.source(missing[0])}: is not there; bring it with "
            f"'PYTHONPATH=export python -m auricle_export fetch --sources {' '.join(missing)}'",
            file=sys.stderr,
        )
        return 2
    result: dict[str, Any] = {"machine": options.machine, "packages": _packages(), "models": {}}
    wrong: list[str] = []
    for model in options.models:
        measured = result["models"].setdefault(model, {})
        for part in options.only:
            if part not in QUICK and not (listed := options.data / "speech" / "clips.tsv").is_file():
                print(f"left out: {part}: {listed} is not there")
                continue
            began = time.monotonic()
            load = os.getloadavg()[0]
            with tempfile.TemporaryDirectory(prefix="auricle-moonshine-") as work:
                found = _measure(part, model, variants.build(model, KINDS[part], Path(work)), options)
            found = {"date": time.strftime("%Y-%m-%d", time.gmtime()), "load": [round(load, 2)], **found}
            found["load"].append(round(os.getloadavg()[0], 2))
            measured[part] = found
            if part == "refreshes":
                wrong += [f"{model}: {kind}" for kind in EXACT if found["variants"][kind]["differ"]]
            print(f"{table(model, part, found)}\n", flush=True)
            print(f"{model}: {part}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
            if options.json is not None:
                _write(options.json, result)
    for each in wrong:
        print(f"missed: refreshes: {each}: a draft changed a reading", file=sys.stderr)
    return 1 if options.check and wrong else 0


def _measure(part: str, model: str, folders: dict[str, Path], options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one part."""
    if part == "timing":
        return timing.measure(folders, variants.recording(model), options.rounds)
    if part == "memory":
        return memory.measure(folders, variants.recording(model), options.runs)
    # Imported here because scoring needs packages that timing does without.
    import refreshes
    import words
    from clips import utterances

    clips = utterances(options.data)
    if part == "words":
        return words.measure(folders, clips)
    return refreshes.measure(folders, [clip for clip in clips if clip.source == "TIMIT"], options.refreshes)


def table(model: str, part: str, found: Mapping[str, Any]) -> str:
    """One part of one model: a row a variant."""
    kinds = found["variants"]
    said = "; ".join(f"{key} {_shown(value)}" for key, value in found.items() if key != "variants")
    names = list(dict.fromkeys(name for figures in kinds.values() for name in figures))
    rows = [("", *names), *((kind, *(_shown(figures.get(name)) for name in names)) for kind, figures in kinds.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(names) + 1)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([f"{model}: {part}: {said}", *lines])


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return f"{value['median']:.2f} ({value['p10']:.2f} to {value['p90']:.2f})"
    if isinstance(value, list):
        return " to ".join(_shown(each) for each in value)
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _packages() -> dict[str, str]:
    return {name: metadata.version(name) for name in ("numpy", "onnx", "onnxruntime")}


def _write(path: Path, result: Mapping[str, Any]) -> None:
    """Writes the figures into a result file; what it says of other models and parts stays."""
    before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    found = {**before, **result, "models": before.get("models", {})}
    for model, measured in result["models"].items():
        found["models"][model] = {**found["models"].get(model, {}), **measured}
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
