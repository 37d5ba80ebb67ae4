"""Moonshine for the tests: the shipped files where set-up left them, and exports of them, each made once a test run."""

import functools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from auricle_export import audio, fetch, moonshine
from auricle_export.moonshine import graphs, weights
from auricle_export.moonshine.decode import SAMPLE_RATE_HZ, Decoder
from auricle_export.moonshine.reference import Reference
from auricle_export.onnx_graph import write

SOURCES = fetch.MODELS.parent / ".cache" / "sources"
TINY, BASE = "moonshine-tiny-en", "moonshine-base-en"


def shipped(name: str) -> Path:
    """The folder of a model's shipped files; the test is skipped where they are not."""
    folder = SOURCES / name / "source"
    if not folder.is_dir():
        pytest.skip(f"{name}'s shipped files are not at hand: 'python -m auricle_export fetch --sources {name}'")
    return folder


@functools.cache
def read(name: str) -> weights.Moonshine:
    """A model's weights."""
    return weights.read(shipped(name))


def heads(name: str) -> graphs.Heads:
    """The heads that the model's export shows."""
    measured = moonshine.MEASURED[len(read(name).decoder)]
    return measured.before + measured.own


@functools.cache
def exported(name: str, precision: str) -> dict[str, onnx.ModelProto]:
    """The four graphs by their roles."""
    model = read(name)
    return {
        "stem": graphs.stem(model, precision),  # type: ignore[arg-type]
        "encoder": graphs.encoder(model, precision),  # type: ignore[arg-type]
        "cross_kv": graphs.cross_kv(model, precision),  # type: ignore[arg-type]
        "step": graphs.step(model, precision, heads(name)),  # type: ignore[arg-type]
    }


@contextmanager
def written(name: str, made: dict[str, onnx.ModelProto]) -> Iterator[Path]:
    """A folder with graphs and the tokenizer, as an export leaves it."""
    with tempfile.TemporaryDirectory(prefix="auricle-moonshine-") as work:
        for role, graph in made.items():
            write(graph, Path(work) / f"{role}.onnx")
        shutil.copyfile(shipped(name) / weights.TOKENIZER_FILE, Path(work) / weights.TOKENIZER_FILE)
        yield Path(work)


@functools.cache
def decoder(name: str, precision: str) -> Decoder:
    """The exported model, loaded."""
    with written(name, exported(name, precision)) as folder:
        return Decoder(folder)


@functools.cache
def reference(name: str) -> Reference:
    """The shipped model, loaded."""
    return Reference(shipped(name))


def recording(name: str) -> Path:
    """Ten seconds of one voice, which the model's export is compared on."""
    path = SOURCES / name / "audio" / "beckett.wav"
    if not path.is_file():
        pytest.skip(f"{path.name} is not at hand: 'python -m auricle_export fetch --sources {name}'")
    return path


def speech(name: str, seconds: float | None = None) -> npt.NDArray[np.float32]:
    """The recording's beginning, samples [n]."""
    samples = audio.read(recording(name))
    return samples if seconds is None else samples[: round(seconds * SAMPLE_RATE_HZ)]
