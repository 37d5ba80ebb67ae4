"""`reproduce`: the whole recipe of the shipped model: five folds, the comparisons, tables, pictures, the graphs.

    make audio-transformer

Runs that are finished are not repeated, and one that was stopped goes on. Each has one thread, so that its weights do
not depend on how many processors there are; `--jobs` of them go on side by side.
"""

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from auricle_export.audio_transformer import clips, evaluate, export, filters, pool, runs
from auricle_export.audio_transformer.train import Settings

FOLDS = ("1", "2", "3", "4", "5")
CONFIGURATION = "large"
SHIPPED = f"{CONFIGURATION}-5"
"""The run that is shipped: what is measured on fold 5 is measured on the weights that everyone has."""
VALIDATION, LEARNED = "4", ("1", "2", "3")
"""What is chosen is chosen on fold 4, by runs that learned from 1 to 3 alone: fold 5 has no say in it."""
COMPARED_STEPS = 800
COMPARISONS: dict[str, tuple[str, ...]] = {
    "small": (),
    "large": ("--configuration", "large"),
    "pooling": ("--configuration", "pooling"),
    "multi-scale": ("--configuration", "multi-scale"),
    "huber": ("--loss", "huber"),
    "no-teacher": ("--no-teacher",),
    "random-filters": ("--random-filters",),
}
"""What is compared, and how it is asked for."""


@dataclass(frozen=True, slots=True)
class _Job:
    name: str
    arguments: tuple[str, ...]


def main(arguments: list[str]) -> int:
    """Run the command; 0 when the model is in place, 1 when a step failed."""
    parser = argparse.ArgumentParser(
        prog="auricle_export audio-transformer reproduce", description=(__doc__ or "").partition("\n")[0]
    )
    data = runs.ROOT.parent / "shared/data"
    parser.add_argument("--data", type=Path, default=data, metavar="FOLDER", help="holds esc10/ and speech/")
    parser.add_argument("--runs", type=Path, default=runs.ROOT / ".cache/runs", metavar="FOLDER", help="of all runs")
    parser.add_argument("--output", type=Path, default=runs.ROOT / "models/audio-transformer", metavar="FOLDER")
    parser.add_argument("--docs", type=Path, default=runs.ROOT / "docs", metavar="FOLDER", help="for the pictures")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="runs side by side (default: %(default)s)")
    options = parser.parse_args(arguments)
    sounds, speech = options.data / "esc10", options.data / "speech"
    try:
        spoken = runs.speech_to_learn(speech)
        pool.pools(clips.read(sounds), FOLDS, spoken, runs.YAMNET, Settings().chunks, Settings().seed, runs.CACHE)
    except (clips.CollectionError, runs.RunError, OSError) as error:
        print(f"nothing to learn from: {error}", file=sys.stderr)
        return 1
    common = ("--data", str(sounds), "--speech", str(speech), "--threads", "1")
    compared = (*common, "--hold-out", VALIDATION, "--only", *LEARNED, "--steps", str(COMPARED_STEPS))
    whole = (*common, "--configuration", CONFIGURATION)
    jobs = [_Job(f"{CONFIGURATION}-{fold}", (*whole, "--hold-out", fold)) for fold in reversed(FOLDS)]
    jobs += [_Job(f"compare-{name}", (*compared, *asked)) for name, asked in COMPARISONS.items()]
    with ThreadPoolExecutor(options.jobs) as workers:
        failed = [name for name in workers.map(lambda job: _trained(job, options.runs), jobs) if name]
    if failed:
        print(f"not trained: {', '.join(failed)}", file=sys.stderr)
        return 1
    return _finish(options.runs, sounds, options.output, options.docs)


def _trained(job: _Job, folder: Path) -> str | None:
    """Train in a process of its own; the name of the run where that failed."""
    command = [sys.executable, "-m", "auricle_export", "audio-transformer", "train"]
    done = subprocess.run([*command, "--run", str(folder / job.name), *job.arguments])
    return job.name if done.returncode else None


def _finish(folder: Path, sounds: Path, output: Path, docs: Path) -> int:
    """Measure, draw and export; the first exit code that is not 0."""
    folds = [str(folder / f"{CONFIGURATION}-{fold}") for fold in FOLDS]
    compared = [str(folder / f"compare-{name}") for name in COMPARISONS]
    shipped, data = str(folder / SHIPPED), ("--data", str(sounds))
    vector = runs.ROOT / "tests/data/audio_transformer.json"
    picture = docs / "audio-transformer"
    drawn = (
        *("--table", f"{folder}/folds.md", "--confusion", f"{picture}-confusion.svg"),
        *("--curves", f"{picture}-curves.svg"),
    )
    return (
        evaluate.main([*folds, *data, *drawn])
        or evaluate.main([*compared, *data, "--table", f"{folder}/compared.md"])
        or filters.main(["--run", shipped, "--output", f"{picture}-filters.svg"])
        or export.main(["--run", shipped, *data, "--output", str(output), "--vector", str(vector)])
    )
