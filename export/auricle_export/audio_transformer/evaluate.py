"""`evaluate`: in come finished runs, out goes how well each tells what it did not learn from.

    python -m auricle_export audio-transformer evaluate --data ../shared/data/esc10 .cache/runs/large-* --table FILE.md

A clip is scored as `auricle tag` scores it: a decision every 250 ms, and the mean of their probabilities. Mean average
precision is FSD50K's: of each class over all clips, then the mean of the classes (Fonseca et al. 2020). Where every
clip has one label, the share of clips whose highest class it is comes with it.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from auricle_export.audio_transformer import clips, metrics, pictures, runs
from auricle_export.audio_transformer.configuration import SAMPLE_RATE_HZ, WINDOW, parameters
from auricle_export.audio_transformer.network import AudioTransformer
from auricle_export.audio_transformer.progress import Progress
from auricle_export.audio_transformer.train import Settings

HOP = 10 * WINDOW
"""Samples from one decision to the next, 250 ms: the runtime's."""
BATCH = 256

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Result:
    """How well a run tells the clips it did not learn from."""

    run: runs.Run
    truth: npt.NDArray[np.bool_]
    """[clips, classes]."""
    scores: Floats
    """[clips, classes]: the mean of the probabilities of a clip's decisions."""

    @property
    def single(self) -> bool:
        """Whether every clip has one label."""
        return bool((self.truth.sum(1) == 1).all())

    @property
    def right(self) -> int:
        """Clips whose highest class is their label."""
        return int((self.scores.argmax(1) == self.truth.argmax(1)).sum())

    @property
    def mean_average_precision(self) -> float:
        """FSD50K's."""
        return metrics.mean_average_precision(self.truth, self.scores)


def main(arguments: list[str]) -> int:
    """Run the command; 0 when every run was measured, 1 when one cannot be."""
    parser = argparse.ArgumentParser(
        prog="auricle_export audio-transformer evaluate", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of finished runs")
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="the collection they learned from")
    parser.add_argument("--table", type=Path, metavar="FILE.md", help="write the table here too")
    parser.add_argument("--confusion", type=Path, metavar="FILE.svg", help="draw which classes were taken for which")
    parser.add_argument("--curves", type=Path, metavar="FILE.svg", help="draw how the error fell")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), metavar="N", help="of the processor")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        collection = clips.read(options.data)
        finished = [runs.load(folder) for folder in options.runs]
        results = [measure(run, collection) for run in finished]
        for result in results:
            _write(result)
        text = table(results)
        print(text)
        if options.table:
            options.table.write_text(text + "\n", encoding="utf-8")
        if options.confusion:
            options.confusion.write_text(_confusion(results), encoding="utf-8")
        if options.curves:
            options.curves.write_text(_curves(finished), encoding="utf-8")
    except (clips.CollectionError, runs.RunError, OSError) as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    return 0


def measure(run: runs.Run, collection: clips.Collection) -> Result:
    """Score the clips of the fold that `run` held out."""
    if tuple((label.id, label.name) for label in collection.labels) != run.labels:
        raise runs.RunError(f"{run.folder}: its classes are not those of {collection.name}; name what it learned from")
    network = load(run)
    members = [clip for clip in collection.clips if clip.fold == run.held_out]
    if not members:
        raise runs.RunError(f"{run.folder}: held out fold {run.held_out!r}, of which {collection.name} has no clips")
    truth = np.zeros((len(members), len(run.labels)), bool)
    scores = np.empty(truth.shape)
    with Progress(f"{run.folder.name}: fold {run.held_out}", len(members)) as bar:
        for row, clip in enumerate(members):
            truth[row, list(clip.labels)] = True
            scores[row] = probabilities(network, clips.samples(clip)).mean(0)
            bar.at(row + 1)
    return Result(run, truth, scores)


def load(run: runs.Run) -> AudioTransformer:
    """Make the network of a run, with its weights."""
    network = AudioTransformer(Settings(**run.settings).shape(), len(run.labels))
    try:
        network.load_state_dict({name: torch.from_numpy(value) for name, value in run.weights.items()})
    except RuntimeError as error:
        raise runs.RunError(f"{run.folder}: its weights are not those of its settings: {error}") from error
    return network.eval()


def probabilities(network: AudioTransformer, samples: npt.NDArray[np.float32]) -> Floats:
    """Probabilities [decisions, classes] of a clip, one every 250 ms; a clip under a second has one."""
    seconds = clips.chunks(samples, SAMPLE_RATE_HZ, HOP)
    with torch.no_grad():
        parts = [network(torch.from_numpy(seconds[at : at + BATCH])).sigmoid() for at in range(0, len(seconds), BATCH)]
    return torch.cat(parts).double().numpy()


def table(results: Sequence[Result]) -> str:
    """A row for each run, and one for runs that differ in the fold they held out alone."""
    heading = (
        "| configuration | held out | parameters | steps | processor min | clips | right | 95 % | mAP |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    )
    alike: dict[str, list[Result]] = {}
    for result in results:
        alike.setdefault(_shown(result.run), []).append(result)
    rows = []
    for shown, group in alike.items():
        rows += [_row(shown, f"fold {result.run.held_out}", [result]) for result in group]
        if len(group) > 1:
            rows.append(_row(f"**{shown}**", f"{len(group)} folds", group))
    return "\n".join([*heading, *rows])


def _shown(run: runs.Run) -> str:
    """What a run was asked to do, without what is usual."""
    settings, usual = Settings(**run.settings), Settings()
    said = [settings.configuration]
    said += ["causal"] * settings.causal + ["Huber loss"] * (settings.loss == "huber")
    said += ["without teacher"] * (not settings.teacher) + ["without augmentation"] * (not settings.augment)
    said += ["filters from noise"] * (not settings.filter_bank)
    said += [f"seed {settings.seed}"] * (settings.seed != usual.seed)
    return ", ".join(said)


def _row(shown: str, held_out: str, group: Sequence[Result]) -> str:
    run = group[0].run
    of = sum(len(result.truth) for result in group)
    minutes = sum(result.run.minutes for result in group)
    precision = metrics.spread([result.mean_average_precision for result in group])
    around = f" ± {precision.deviation:.3f}" if len(group) > 1 else ""
    right, sure = "", ""
    if all(result.single for result in group):
        shares = metrics.spread([result.right / len(result.truth) for result in group])
        found = sum(result.right for result in group)
        interval = metrics.wilson(found, of)
        right = f"{found / of:.3f}" + (f" ± {shares.deviation:.3f}" if len(group) > 1 else "")
        sure = f"{interval.low:.2f} to {interval.high:.2f}"
    count = parameters(Settings(**run.settings).shape(), len(run.labels))["all"]
    steps = run.settings["steps"]
    return (
        f"| {shown} | {held_out} | {count:,} | {steps} | {minutes:.1f} | {of} | {right} | {sure} | "
        f"{precision.mean:.3f}{around} |"
    )


def _write(result: Result) -> None:
    """Keep what was measured beside the run."""
    classes = len(result.run.labels)
    out: dict[str, Any] = {
        "held_out": result.run.held_out,
        "clips": len(result.truth),
        "mean_average_precision": result.mean_average_precision,
        "average_precision": [
            None if np.isnan(each) else float(each) for each in metrics.average_precisions(result.truth, result.scores)
        ],
    }
    if result.single:
        told = metrics.confusion(result.truth.argmax(1), result.scores.argmax(1), classes)
        out |= {"accuracy": result.right / len(result.truth), "confusion": told.tolist()}
    path = result.run.folder / "result.json"
    path.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")


def _confusion(results: Sequence[Result]) -> str:
    """Draw the confusions of all runs together."""
    if not all(result.single for result in results):
        raise runs.RunError("confusions are of clips with one label each; leave --confusion out")
    names = [name for _, name in results[0].run.labels]
    told = sum(metrics.confusion(each.truth.argmax(1), each.scores.argmax(1), len(names)) for each in results)
    clips_told = int(np.sum(told))
    return pictures.confusion(np.asarray(told), names, f"What {clips_told} clips were told to be")


def _curves(finished: Sequence[runs.Run]) -> str:
    lines = {run.folder.name: curve(run.folder / "curve.tsv") for run in finished}
    return pictures.curves(lines, "Error of the classes", "steps", "binary cross-entropy")


def curve(path: Path) -> tuple[Floats, Floats]:
    """Steps [n] of a run and the error of the classes at each; `RunError` where the file holds no curve."""
    try:
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
        # A run that went on has written the steps since its last checkpoint twice.
        errors = {float(row[0]): float(row[2]) for row in rows}
    except (OSError, ValueError, IndexError) as error:
        raise runs.RunError(f"{path}: cannot be read as a curve: {error!r}") from error
    return np.array(list(errors)), np.array(list(errors.values()))
