"""`export`: in comes a finished run, out go the graphs and labels that the runtime loads, and the manifest's figures.

    python -m auricle_export audio-transformer export --run .cache/runs/large-5 --data ../shared/data/esc10 \\
        --output models/audio-transformer --vector tests/data/audio_transformer.json

Nothing is written before the graphs have said the same as the definition on clips that the run did not learn from.
"""

import argparse
import csv
import dataclasses
import io
import json
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from auricle_export import toml_write
from auricle_export.audio_transformer import clips, graphs, reference, runs
from auricle_export.audio_transformer.configuration import CONFIGURATIONS, WINDOW, WINDOWS, Configuration, parameters
from auricle_export.exported import ExportError, Parity, require
from auricle_export.lock import sha256_of
from auricle_export.onnx_graph import write
from auricle_export.yamnet import noise

FILES = (("window", "window.onnx"), ("classifier", "classifier.onnx"), ("labels", "labels.csv"))
BOUND = 1e-5
"""No score of the graphs may differ by more from the definition's, or of two graphs from one's."""
HOP_WINDOWS = 10
COMPARED_CLIPS = 20
VECTOR_STEP = 64.0
"""Samples of the test vector are multiples of 1/64, exact in any format and short to write."""

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Rounded:
    """What rounding the weights to 8 bits, one scale an output, does to the decisions."""

    same: int
    """Decisions whose highest class is the same."""
    of: int
    right: int
    """Clips whose label has the highest mean score."""
    right_before: int
    """The same before rounding."""
    clips: int
    largest: float
    """Largest difference of a probability."""
    bytes: int
    """Of the two graphs."""


def main(arguments: list[str]) -> int:
    """Run the command; 0 when the model is in place, 1 when it could not be made."""
    parser = argparse.ArgumentParser(
        prog="auricle_export audio-transformer export", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--run", type=Path, required=True, metavar="FOLDER", help="the finished run")
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="the collection it learned from")
    parser.add_argument("--output", type=Path, required=True, metavar="models/NAME", help="a folder with a model.toml")
    parser.add_argument("--vector", type=Path, metavar="FILE.json", help="write made signals and their scores here")
    options = parser.parse_args(arguments)
    try:
        export(runs.load(options.run), clips.read(options.data), options.output, options.vector)
    except (ExportError, clips.CollectionError, runs.RunError, OSError, tomllib.TOMLDecodeError) as error:
        print(f"{options.output}: not exported: {error}", file=sys.stderr)
        return 1
    return 0


def export(run: runs.Run, collection: clips.Collection, output: Path, vector: Path | None) -> None:
    """Write the model of `run` into the folder `output`, whose manifest says the rest."""
    manifest = output / "model.toml"
    text = manifest.read_text(encoding="utf-8")
    configuration = shape(run)
    models = {
        "window": graphs.window(run.weights, configuration),
        "classifier": graphs.classifier(run.weights, configuration),
        "whole": graphs.whole(run.weights, configuration),
    }
    heard = [clip for clip in collection.clips if clip.fold == run.held_out]
    parted = [(clip.labels, _seconds(clips.samples(clip))) for clip in heard]
    step = max(1, len(heard) // COMPARED_CLIPS)
    parity = compared(run.weights, configuration, models, [second for _, each in parted[::step] for second in each])
    require(parity)
    rounded = quantised(models, parted)
    with tempfile.TemporaryDirectory(dir=output, prefix=".export-") as folder:
        work = Path(folder)
        for role, name in FILES[:2]:
            write(models[role], work / name)
        (work / "labels.csv").write_text(_labels(run), encoding="utf-8")
        table = _described(tomllib.loads(text), run, configuration, parity, work)
        for _, name in FILES:
            (work / name).replace(output / name)
    manifest.write_text(toml_write.rewrite(text, table), encoding="utf-8")
    if vector:
        vector.write_text(json.dumps(_vector(run, configuration), separators=(",", ":")) + "\n", encoding="utf-8")
    for each in parity:
        print(f"  {each.measure}: {each.value:.2g} (at most {each.bound:g})")
    print(
        f"  8 bits: {rounded.same} of {rounded.of} decisions the same, {rounded.right} of {rounded.clips} clips right "
        f"instead of {rounded.right_before}, largest difference {rounded.largest:.2f}, "
        f"{rounded.bytes:,} bytes for {sum((output / name).stat().st_size for _, name in FILES[:2]):,}"
    )


def shape(run: runs.Run) -> Configuration:
    """The configuration of a run, read without PyTorch."""
    return dataclasses.replace(CONFIGURATIONS[run.settings["configuration"]], causal=run.settings["causal"])


def compared(
    weights: runs.Weights, configuration: Configuration, models: dict[str, onnx.ModelProto], seconds: Sequence[Samples]
) -> tuple[Parity, ...]:
    """Compare the definition, the one graph and the two on `seconds`, each [16000]."""
    if not seconds:
        raise ExportError("there is no clip to compare the graphs on")
    one, two = _one(models["whole"]), _two(models["window"], models["classifier"])
    expected = np.array([reference.scores(weights, configuration, second) for second in seconds])
    whole, parted = (np.array([run(second) for second in seconds]) for run in (one, two))
    what = f"scores, {len(seconds)} decisions on clips that were not learned from"
    return (
        Parity(
            f"largest difference of the one graph and the definition in float64, {what}", _far(whole, expected), BOUND
        ),
        Parity(f"largest difference of the two graphs and the one, {what}", _far(parted, whole), BOUND),
    )


def quantised(
    models: dict[str, onnx.ModelProto], parted: Sequence[tuple[tuple[int, ...], Sequence[Samples]]]
) -> Rounded:
    """Compare decisions of the two graphs with those of the same in 8 bits."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        small = []
        for role in ("window", "classifier"):
            wide, narrow = Path(folder) / f"{role}.onnx", Path(folder) / f"{role}.int8.onnx"
            write(widened(models[role]), wide)
            # 7 bits of weights: what processors without VNNI add up without saturating.
            quantize_dynamic(wide, narrow, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)
            small.append(onnx.load(narrow))
    full, rounded = _two(models["window"], models["classifier"]), _two(*small)
    same = of = right = before = 0
    largest = 0.0
    for labels, seconds in parted:
        ours, theirs = (np.array([scores(second) for second in seconds]) for scores in (full, rounded))
        same += int((ours.argmax(1) == theirs.argmax(1)).sum())
        of += len(seconds)
        before += int(ours.mean(0).argmax()) in labels
        right += int(theirs.mean(0).argmax()) in labels
        largest = max(largest, _far(ours, theirs))
    return Rounded(same, of, right, before, len(parted), largest, sum(each.ByteSize() for each in small))


def widened(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with float32 constants where it casts float16 ones."""
    out = onnx.ModelProto()
    out.CopyFrom(model)
    constants = {each.name: each for each in out.graph.initializer}
    casts = [node for node in out.graph.node if node.op_type == "Cast" and node.input[0] in constants]
    for node in casts:
        value = onnx.numpy_helper.to_array(constants[node.input[0]]).astype(np.float32)
        constants[node.input[0]].CopyFrom(onnx.numpy_helper.from_array(value, node.output[0]))
        out.graph.node.remove(node)
    return out


def _far(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    return float(np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64)).max())


def _session(model: onnx.ModelProto) -> Any:  # noqa: ANN401
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _one(whole: onnx.ModelProto) -> Any:  # noqa: ANN401
    session = _session(whole)
    return lambda second: session.run(None, {"samples": second[None]})[0][0]


def _two(window: onnx.ModelProto, classifier: onnx.ModelProto) -> Any:  # noqa: ANN401
    first, then = _session(window), _session(classifier)

    def scores(second: Samples) -> npt.NDArray[np.float32]:
        # A window at a time, as live audio has them.
        rows = [first.run(None, {"samples": row[None]})[0] for row in second.reshape(WINDOWS, WINDOW)]
        found: npt.NDArray[np.float32] = then.run(None, {"embeddings": np.concatenate(rows)[None]})[0][0]
        return found

    return scores


def _seconds(samples: Samples) -> list[Samples]:
    return list(clips.chunks(samples, WINDOWS * WINDOW, HOP_WINDOWS * WINDOW))


def _labels(run: runs.Run) -> str:
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(("index", "mid", "display_name"))
    rows.writerows((index, identity, name) for index, (identity, name) in enumerate(run.labels))
    return out.getvalue()


def _described(
    table: dict[str, Any], run: runs.Run, configuration: Configuration, parity: Sequence[Parity], work: Path
) -> dict[str, Any]:
    """The manifest with the new files, what they were compared with, and how many numbers they hold."""
    files = [
        {
            "role": role,
            "path": name,
            "bytes": (work / name).stat().st_size,
            "sha256": sha256_of(work / name),
            "source": [{"kind": "git"}, {"kind": "folder"}],
        }
        for role, name in FILES
    ]
    compared_with = [
        {"measure": each.measure, "value": float(f"{each.value:.2g}"), "bound": each.bound} for each in parity
    ]
    return table | {
        "parameters": parameters(configuration, len(run.labels))["all"],
        "file": files,
        "parity": compared_with,
    }


def _vector(run: runs.Run, configuration: Configuration) -> dict[str, Any]:
    """Made signals and the definition's scores of each of their decisions."""
    time = np.arange(24_000) / 16_000.0
    chirp = 0.5 * np.sin(2.0 * np.pi * (80.0 * time + 1_500.0 * time**2))
    bursts = np.where(time % 0.5 < 0.1, noise(len(time)), 0.0)
    cases = []
    for name, made in (("a chirp and noise", chirp + 0.1 * noise(len(time), seed=2)), ("bursts of noise", bursts)):
        samples = np.rint(made * VECTOR_STEP) / VECTOR_STEP
        scores = [
            reference.scores(run.weights, configuration, second) for second in _seconds(samples.astype(np.float32))
        ]
        rows = [[float(f"{score:.9g}") for score in row] for row in scores]
        cases.append({"name": name, "samples": samples.tolist(), "scores": rows})
    return {
        "description": "Made signals at 16 kHz and the scores that the definition, in float64, gives for each second "
        f"of them, one every {HOP_WINDOWS} windows. "
        "Made by: python -m auricle_export audio-transformer export --vector PATH",
        "hop_windows": HOP_WINDOWS,
        "cases": cases,
    }
