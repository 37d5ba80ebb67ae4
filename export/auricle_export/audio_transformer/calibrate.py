"""`calibrate`: in come finished runs, out go thresholds at which what is none of the classes is seldom told as one.

    python -m auricle_export audio-transformer calibrate --data ../shared/data/esc10 --speech ../shared/data/speech \\
        .cache/runs/large-1 .cache/runs/large-2 .cache/runs/large-3 .cache/runs/large-4

Each run hears the clips of the fold it held out, the speech that no run learned from, and made tones, noise and
silence. A class gets the lowest threshold at which it begins falsely at most so many times an hour, over all runs, on
what holds nothing and on the clips of the other classes; what that leaves of the true sounds is printed beside it. The
run that is shipped is none of these: what is measured with it was not seen.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from auricle_export.audio_transformer import clips, evaluate, mixtures, runs
from auricle_export.audio_transformer.configuration import SAMPLE_RATE_HZ
from auricle_export.audio_transformer.network import AudioTransformer
from auricle_export.audio_transformer.progress import Progress

STEPS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
AN_HOUR = 10.0
"""False beginnings of one class."""
SMOOTHING_S = 0.25
"""The runtime's default: an exponential mean of the scores."""
MADE_S = 20
"""Seconds of each made recording."""
MADE = 24
"""Made recordings."""
SEED = 99

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Heard:
    """The smoothed scores of one recording, and which class it holds; -1 where none."""

    scores: Scores
    """[decisions, classes]."""
    holds: int
    hours: float


def main(arguments: list[str]) -> int:
    """Run the command; 0 when thresholds were found, 1 when something cannot be read."""
    parser = argparse.ArgumentParser(
        prog="auricle_export audio-transformer calibrate", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of finished runs")
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="the collection they learned from")
    parser.add_argument("--speech", type=Path, required=True, metavar="FOLDER", help="what they had speech from")
    parser.add_argument("--an-hour", type=float, default=AN_HOUR, metavar="N", help="of false beginnings a class")
    options = parser.parse_args(arguments)
    try:
        collection = clips.read(options.data)
        finished = [runs.load(folder) for folder in options.runs]
        nothing = [clips.samples_of(path) for path in runs.speech_halves(options.speech)[1]] + made()
        heard = [each for run in finished for each in listened(run, collection, nothing)]
    except (clips.CollectionError, runs.RunError, OSError) as error:
        print(f"not calibrated: {error}", file=sys.stderr)
        return 1
    names = [name for _, name in finished[0].labels]
    print(table(heard, names, options.an_hour))
    return 0


def made() -> list[mixtures.Floats]:
    """Tones, noise and silence, from a seed that nothing was learned with."""
    draw = np.random.default_rng(SEED)
    out = []
    for number in range(MADE):
        kind = number % 3
        seconds = [mixtures.tones(draw) if kind == 0 else mixtures.noise(draw) for _ in range(MADE_S)]
        level = 10.0 ** (draw.uniform(*(mixtures.QUIET_DBFS if kind == 2 else mixtures.LEVEL_DBFS)) / 20.0)
        whole = np.concatenate(seconds if kind == 0 else [seconds[0]] * MADE_S)
        out.append((whole / (np.sqrt(np.mean(np.square(whole))) + 1e-9) * level).astype(np.float32))
    return out


def listened(run: runs.Run, collection: clips.Collection, nothing: Sequence[mixtures.Floats]) -> list[Heard]:
    """What `run` scores of the clips it held out, and of recordings that hold nothing."""
    network = evaluate.load(run)
    members = [clip for clip in collection.clips if clip.fold == run.held_out and len(clip.labels) == 1]
    out = []
    with Progress(run.folder.name, len(members) + len(nothing)) as bar:
        for clip in members:
            out.append(_heard(network, clips.samples(clip), clip.labels[0]))
            bar.at(len(out))
        for samples in nothing:
            out.append(_heard(network, samples, -1))
            bar.at(len(out))
    return out


def _heard(network: AudioTransformer, samples: mixtures.Floats, holds: int) -> Heard:
    return Heard(smoothed(network, samples), holds, len(samples) / SAMPLE_RATE_HZ / 3600.0)


def smoothed(network: AudioTransformer, samples: mixtures.Floats) -> Scores:
    """Scores as the runtime compares them with thresholds."""
    scores = evaluate.probabilities(network, samples)
    keep = np.exp(-evaluate.HOP / SAMPLE_RATE_HZ / SMOOTHING_S)
    for row in range(1, len(scores)):
        scores[row] = keep * scores[row - 1] + (1.0 - keep) * scores[row]
    return scores


def begun(scores: Scores, on: float) -> int:
    """How often a class begins: rises to `on` after it was below half of it, as the runtime's `off` is."""
    count, sounding = 0, False
    for score in scores:
        if not sounding and score >= on:
            count, sounding = count + 1, True
        elif sounding and score < on / 2.0:
            sounding = False
    return count


def table(heard: Sequence[Heard], names: Sequence[str], an_hour: float) -> str:
    """The `[events.labels]` of the manifest, and what each threshold costs, as comments."""
    lines = []
    for index, name in enumerate(names):
        others = [each for each in heard if each.holds != index]
        hours = sum(each.hours for each in others)
        true = [each.scores[:, index].max() for each in heard if each.holds == index]
        for on in STEPS:
            false = sum(begun(each.scores[:, index], on) for each in others) / hours
            if false <= an_hour:
                break
        found = float(np.mean(np.array(true) >= on))
        cost = f"{false:.0f} an hour, {found:.2f} of {len(true)}"
        lines.append(f'"{name}" = {{ on = {on:g}, off = {on / 2.0:g} }} # {cost}')
    return "\n".join(["[events.labels]", *lines])
