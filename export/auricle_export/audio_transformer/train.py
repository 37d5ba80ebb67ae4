"""`train`: in come a collection of clips and a teacher, out goes a run: weights, curve, settings.

    python -m auricle_export audio-transformer train --data ../shared/data/esc10 --hold-out 5 \\
        --configuration large --run .cache/runs/large-5

One fold is held out: no clip of it is learned from, and nothing is chosen by it; the last weights, averaged over the
last thousand steps or so, are the result. A run that was stopped goes on where its last checkpoint stands. The same
seed, on the same machine with the same number of threads, gives the same weights.
"""

import argparse
import dataclasses
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from auricle_export.audio_transformer import clips, mixtures, pool, runs, teacher
from auricle_export.audio_transformer.configuration import CONFIGURATIONS, Configuration
from auricle_export.audio_transformer.network import AudioTransformer
from auricle_export.audio_transformer.progress import Progress
from auricle_export.yamnet import OUTPUT_ZERO_POINT, probabilities

TEACHER_CLASSES = 200
"""The teacher's classes that are learned: those it hears most often in what is learned from."""
TEACHER_AXES = 128
"""Principal axes of the teacher's embedding that are learned."""
EMBEDDING_WEIGHT, SCORES_WEIGHT, HUBER_WEIGHT = 1.0, 4.0, 10.0
"""Of the errors, beside that of the classes, so that each moves the weights about as much."""
GAIN_DB = 10.0
"""A chunk is played louder or softer by at most this each time it is seen."""
MASKED, MASK_SAMPLES = 0.3, 4_800
"""Share of chunks of which a stretch, of at most so many samples, is silenced."""
SOFT = 0.02
"""Targets of the classes are this far from 0 and 1: labels of a clip are not all true of each of its seconds."""
_PROBABILITY = probabilities(np.arange(256, dtype=np.uint8))
FILTERS_SHARE = 0.2
"""Of the learning rate, for the filters: nine tenths of all weights, and the first to learn clips by heart."""
WARM_UP = 100
CHECKPOINT_EVERY = 250
CURVE_EVERY = 25


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run depends on, beside its data."""

    configuration: str = "small"
    causal: bool = False
    steps: int = 2400
    batch: int = 128
    rate: float = 3e-3
    weight_decay: float = 0.05
    seed: int = 0
    loss: str = "bce"
    """`bce`, or `huber` between probabilities and targets."""
    teacher: bool = True
    augment: bool = True
    filter_bank: bool = True
    chunks: int = 12_000
    """Of each fold."""

    def shape(self) -> Configuration:
        """The configuration that is trained."""
        return dataclasses.replace(CONFIGURATIONS[self.configuration], causal=self.causal)


class Lessons(nn.Module):
    """What the student has to say of its summary, [b, 64], while it learns: the teacher's scores and embedding."""

    def __init__(self, width: int) -> None:
        """Start from random weights."""
        super().__init__()
        self.scores = nn.Linear(width, TEACHER_CLASSES)
        self.embedding = nn.Linear(width, TEACHER_AXES)


@dataclass(frozen=True, slots=True)
class _Batch:
    samples: Tensor
    truth: Tensor
    scores: Tensor
    embedding: Tensor


class _Chunks:
    """All chunks that are learned from, and the teacher's embedding on its principal axes."""

    def __init__(self, parts: list[pool.Pool], same: npt.NDArray[np.int64]) -> None:
        self._parts, self._same = parts, same
        self._sizes = np.cumsum([0, *(len(part.samples) for part in parts)])
        some = np.concatenate([part.embeddings[::5] for part in parts]).astype(np.float32)
        if len(some) < TEACHER_AXES:
            raise runs.RunError(f"{self._sizes[-1]} chunks are too few to learn from; at least {5 * TEACHER_AXES}")
        self._mean = some.mean(0)
        _, strength, axes = np.linalg.svd(some - self._mean, full_matrices=False)
        # One scale for all axes, so that what varies most counts most.
        self._axes = axes[:TEACHER_AXES].T * (np.sqrt(TEACHER_AXES * len(some)) / np.linalg.norm(strength))
        heard = sum((part.logits[::5] > OUTPUT_ZERO_POINT).sum(0) for part in parts)
        self._classes = np.sort(np.argsort(-heard, kind="stable")[:TEACHER_CLASSES])

    def __len__(self) -> int:
        return int(self._sizes[-1])

    def take(self, numbers: np.ndarray) -> _Batch:
        """Gather the chunks of these numbers."""
        numbers = np.sort(numbers)
        rows = [
            (part, numbers[(numbers >= first) & (numbers < last)] - first)
            for part, first, last in zip(self._parts, self._sizes[:-1], self._sizes[1:], strict=True)
        ]
        samples = np.concatenate([part.samples[at] for part, at in rows]).astype(np.float32) / 32_767.0
        truth = np.concatenate([part.truth[at] for part, at in rows]).astype(np.float32)
        heard = np.concatenate([part.logits[at] for part, at in rows])
        logits = heard[:, self._classes]
        # What has no label has the teacher's score of the same class, where it knows that class.
        same = np.where(self._same >= 0, _PROBABILITY[heard[:, self._same]], mixtures.UNKNOWN)
        truth = np.where(truth == mixtures.UNKNOWN, same, truth)
        embedding = np.concatenate([part.embeddings[at] for part, at in rows]).astype(np.float32)
        projected = (embedding - self._mean) @ self._axes
        return _Batch(
            *(torch.from_numpy(each.astype(np.float32)) for each in (samples, truth, _PROBABILITY[logits], projected))
        )


def main(arguments: list[str]) -> int:
    """Run the command; 0 when the run is finished, 1 when its data or its folder cannot be used."""
    options = _arguments(arguments)
    settings = Settings(
        options.configuration, options.causal, options.steps, options.batch, options.rate, seed=options.seed,
        loss=options.loss, teacher=not options.no_teacher, augment=not options.no_augment,
        filter_bank=not options.random_filters, chunks=options.chunks,
    )  # fmt: skip
    torch.set_num_threads(options.threads)
    try:
        collection = clips.read(options.data)
        held_out = options.hold_out
        folds = options.only or sorted({clip.fold for clip in collection.clips} - {held_out})
        if held_out in folds or held_out not in {clip.fold for clip in collection.clips}:
            raise clips.CollectionError(f"{options.data}: has no fold {held_out!r} that is not learned from")
        speech = runs.speech_to_learn(options.speech) if options.speech else []
        parts = pool.pools(collection, folds, speech, options.yamnet, settings.chunks, settings.seed, options.cache)
        train(settings, collection, held_out, folds, parts, options.run, torch.device(options.device))
    except (clips.CollectionError, runs.RunError, OSError) as error:
        print(f"{options.run}: not trained: {error}", file=sys.stderr)
        return 1
    return 0


def _arguments(arguments: list[str]) -> argparse.Namespace:
    default = Settings()
    parser = argparse.ArgumentParser(
        prog="auricle_export audio-transformer train",
        description=(__doc__ or "").partition("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )

    def argument(name: str, text: str, **more: Any) -> None:  # noqa: ANN401
        parser.add_argument(f"--{name}", help=text, **more)

    folder, number = {"type": Path, "metavar": "FOLDER"}, {"type": int, "metavar": "N"}
    argument("data", "the clips: ours, ESC-50's or FSD50K's layout", required=True, **folder)
    argument("run", "where the run is kept; one that stands there goes on", required=True, **folder)
    argument("hold-out", "fold that is not learned from", required=True, metavar="FOLD")
    argument("only", "learn from these folds alone, instead of all others", nargs="+", metavar="FOLD")
    argument("speech", "speech to mix in, a folder with clips.tsv: every second file that is not TIMIT's", **folder)
    argument("yamnet", "the teacher's graph", type=Path, default=runs.YAMNET, metavar="FILE")
    argument("cache", "where chunks are kept", default=runs.CACHE, **folder)
    argument("configuration", "layers, and what is between", choices=CONFIGURATIONS, default=default.configuration)
    argument("causal", "let no window attend to a later one", action="store_true")
    argument("loss", "error of the classes", choices=("bce", "huber"), default=default.loss)
    argument("steps", "steps", default=default.steps, **number)
    argument("batch", "chunks a step", default=default.batch, **number)
    argument("seed", "seed of everything that is drawn", default=default.seed, **number)
    argument("chunks", "chunks made of each fold", default=default.chunks, **number)
    argument("rate", "highest learning rate", type=float, default=default.rate, metavar="R")
    argument("no-teacher", "learn the labels alone", action="store_true")
    argument("no-augment", "neither gain nor masks when a chunk is seen again", action="store_true")
    argument("random-filters", "let the filters begin as noise", action="store_true")
    argument("device", "where to compute", choices=("cpu", "cuda"), default="cpu")
    argument("threads", "threads of the processor", default=torch.get_num_threads(), **number)
    return parser.parse_args(arguments)


def train(
    settings: Settings,
    collection: clips.Collection,
    held_out: str,
    folds: list[str],
    parts: list[pool.Pool],
    folder: Path,
    device: torch.device,
) -> None:
    """Train to the last step, or from the checkpoint in `folder` on; write settings, curve and weights."""
    described = {
        "settings": dataclasses.asdict(settings),
        "collection": collection.name,
        "labels": [[label.id, label.name] for label in collection.labels],
        "held_out": held_out,
        "learned_from": folds,
    }
    runs.claim(folder, described)
    torch.manual_seed(settings.seed)
    network = AudioTransformer(settings.shape(), len(collection.labels))
    if settings.filter_bank:
        network.front_end.start_from_filter_bank(settings.seed)
    lessons = Lessons(settings.shape().embedding)
    network.to(device), lessons.to(device)
    learner = _Learner(settings, network, lessons, device)
    begun, minutes = learner.resume(folder / "checkpoint.pt")
    if begun >= settings.steps:
        print(f"{folder}: is finished", file=sys.stderr)
        return
    chunks = _Chunks(parts, _same_classes(collection))
    began = time.process_time() - 60.0 * minutes
    with Progress(f"{folder.name}", settings.steps) as bar, (folder / "curve.tsv").open("a") as curve:
        if begun == 0:
            curve.truncate(0)
            print("step", "loss", "classes", "scores", "embedding", sep="\t", file=curve)
        for step in range(begun, settings.steps):
            errors = learner.step(step, chunks)
            if (step + 1) % CURVE_EVERY == 0:
                print(step + 1, *(f"{error:.5f}" for error in errors), sep="\t", file=curve, flush=True)
                bar.at(step + 1, f"loss {errors[0]:.3f}")
            if (step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == settings.steps:
                minutes = (time.process_time() - began) / 60.0
                learner.keep(folder / "checkpoint.pt", step + 1, minutes)
    runs.finish(folder, described, {name: value.cpu().numpy() for name, value in learner.average.items()}, minutes)


def _same_classes(collection: clips.Collection) -> npt.NDArray[np.int64]:
    """For each class the teacher's of the same AudioSet id, -1 where it has none."""
    known = {identity: index for index, identity in enumerate(teacher.identities())}
    return np.array([known.get(label.id, -1) for label in collection.labels])


class _Learner:
    """Network, lessons, optimiser, and the running average of the weights that is the result."""

    def __init__(self, settings: Settings, network: AudioTransformer, lessons: Lessons, device: torch.device) -> None:
        self._settings, self._network, self._lessons, self._device = settings, network, lessons, device
        filters = network.front_end.filters.weight
        others = [each for each in (*network.parameters(), *lessons.parameters()) if each is not filters]
        decay = settings.weight_decay
        groups = [
            {"params": [filters], "weight_decay": decay, "share": FILTERS_SHARE},
            {"params": [each for each in others if each.dim() > 1], "weight_decay": decay, "share": 1.0},
            {"params": [each for each in others if each.dim() <= 1], "weight_decay": 0.0, "share": 1.0},
        ]
        self._optimiser = torch.optim.AdamW(groups, settings.rate, betas=(0.9, 0.98))
        self.average = {name: value.detach().clone() for name, value in network.state_dict().items()}

    def step(self, step: int, chunks: _Chunks) -> tuple[float, float, float, float]:
        """Learn from one batch; the error and its three parts."""
        settings = self._settings
        # Of the step and not of what went before, so that a run that goes on draws what it would have drawn.
        draw = np.random.default_rng((settings.seed, step))
        torch.manual_seed(settings.seed * 1_000_003 + step)
        rate = (
            settings.rate
            * min(1.0, (step + 1) / WARM_UP)
            * (0.02 + 0.49 * (1.0 + np.cos(np.pi * step / settings.steps)))
        )
        for group in self._optimiser.param_groups:
            group["lr"] = float(rate) * group["share"]
        batch = chunks.take(draw.integers(len(chunks), size=settings.batch))
        samples = _augmented(batch.samples, draw) if settings.augment else batch.samples
        samples, truth = samples.to(self._device), batch.truth.to(self._device)

        self._network.train()
        # bfloat16 takes a third off a step.
        with torch.autocast(self._device.type, torch.bfloat16):
            summary = self._network.classifier.summary(self._network.embeddings(samples).float())
        summary = summary.float()
        logits = self._network.classifier.head(summary)
        known = truth <= 1.0
        target = truth * (1.0 - 2.0 * SOFT) + SOFT
        logits, target = logits[known], target[known]
        if settings.loss == "bce":
            classes = functional.binary_cross_entropy_with_logits(logits, target)
        else:
            classes = HUBER_WEIGHT * functional.huber_loss(logits.sigmoid(), target)
        scores = embedding = torch.zeros((), device=self._device)
        if settings.teacher:
            scores = SCORES_WEIGHT * functional.binary_cross_entropy_with_logits(
                self._lessons.scores(summary), batch.scores.to(self._device)
            )
            embedding = EMBEDDING_WEIGHT * functional.mse_loss(
                self._lessons.embedding(summary), batch.embedding.to(self._device)
            )
        error = classes + scores + embedding
        self._optimiser.zero_grad()
        error.backward()
        nn.utils.clip_grad_norm_([*self._network.parameters(), *self._lessons.parameters()], 1.0)
        self._optimiser.step()
        keep = min(0.995, (step + 1) / (step + 10))
        with torch.no_grad():
            for name, value in self._network.state_dict().items():
                self.average[name].lerp_(value, 1.0 - keep)
        return error.item(), classes.item(), scores.item(), embedding.item()

    def keep(self, path: Path, step: int, minutes: float) -> None:
        """Write a checkpoint, whole or not at all: the steps done, and the processor time that they took."""
        state: dict[str, Any] = {
            "step": step,
            "minutes": minutes,
            "network": self._network.state_dict(),
            "lessons": self._lessons.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "average": self.average,
        }
        new = path.with_suffix(".new")
        torch.save(state, new)
        new.replace(path)

    def resume(self, path: Path) -> tuple[int, float]:
        """Take up the checkpoint at `path`; its steps and processor minutes, none where there is no checkpoint."""
        if not path.is_file():
            return 0, 0.0
        try:
            state = torch.load(path, map_location=self._device, weights_only=True)
            self._network.load_state_dict(state["network"])
            self._lessons.load_state_dict(state["lessons"])
            self._optimiser.load_state_dict(state["optimiser"])
            self.average = state["average"]
            return int(state["step"]), float(state.get("minutes", 0.0))
        except (RuntimeError, KeyError, ValueError, EOFError) as error:
            raise runs.RunError(f"{path}: cannot be gone on from: {error}; remove it, or name another --run") from error


def _augmented(samples: Tensor, draw: np.random.Generator) -> Tensor:
    """Play each chunk at another level, and silence a stretch of some."""
    count, length = samples.shape
    gain = torch.from_numpy(draw.uniform(-GAIN_DB, GAIN_DB, (count, 1)).astype(np.float32))
    samples = samples * 10.0 ** (gain / 20.0)
    begin = draw.integers(0, length, count)
    extent = np.where(draw.random(count) < MASKED, draw.integers(0, MASK_SAMPLES, count), 0)
    at = np.arange(length)
    masked = (at >= begin[:, None]) & (at < (begin + extent)[:, None])
    return samples.masked_fill(torch.from_numpy(masked), 0.0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
