"""Who is compared: each engine's name in the tables, how its process is started, and what its settings are.

README.md says where the settings come from.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from auricle import Failed
from auricle_export.manifest import PypiSource
from auricle_export.sources import SourceError, wheel
from process import HERE, Worker

AURICLE = "auricle"
SAME_WEIGHTS = "sherpa-onnx"
"""The engine that the target of the offline speed is set against."""
SAME_WEIGHTS_LONG = "sherpa-onnx, VAD"
"""The same for recordings that are too long for its decoder."""
PYTHON = HERE.parents[1] / ".cache" / "peers" / "bin" / "python"
SILERO = PypiSource(
    package="silero-vad",
    version="6.2.3",
    wheel_sha256="7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8",
    members=("silero_vad/data/silero_vad.onnx",),
)
"""The detector in the form that sherpa-onnx reads; the same weights as Auricle's."""


@dataclass(frozen=True)
class Peer:
    """An engine as a row of a table."""

    name: str
    engine: str
    """As `readers.py` and `streams.py` name it."""
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)


OFFLINE = (
    Peer(SAME_WEIGHTS, "sherpa-onnx", "Moonshine tiny"),
    Peer(SAME_WEIGHTS_LONG, "sherpa-onnx-segments", "Moonshine tiny"),
    Peer("moonshine-voice", "moonshine-voice", "Moonshine tiny"),
    Peer("moonshine-voice, 1 core", "moonshine-voice", "Moonshine tiny", {"one_core": True}),
    Peer("faster-whisper", "faster-whisper", "Whisper tiny.en", {"beam": 5}),
    Peer("faster-whisper, beam 1", "faster-whisper", "Whisper tiny.en", {"beam": 1}),
)
LONG = tuple(peer for peer in OFFLINE if peer.name != SAME_WEIGHTS)
"""Those that read recordings of any length."""
STREAMING = (
    Peer("sherpa-onnx, simulated", "sherpa-onnx", "Moonshine tiny"),
    Peer("moonshine-voice", "moonshine-voice", "Moonshine tiny"),
    Peer("faster-whisper, finals", "faster-whisper", "Whisper tiny.en", {"beam": 5}),
)
MODEL = "Moonshine tiny"
"""What the Auricle binary reads with unless told otherwise."""


def ready(scratch: Path) -> dict[str, str]:
    """What every peer's options have in common, brought where it is missing; `Failed` says what to do."""
    if not PYTHON.exists():
        raise Failed(f"{PYTHON}: is not there; make the peers' environment with 'make peers-environment'")
    from zipfile import ZipFile

    silero = scratch / "silero_vad.onnx"
    try:
        with ZipFile(wheel(SILERO)) as archive:
            silero.write_bytes(archive.read(SILERO.members[0]))
    except SourceError as error:
        raise Failed(f"{SILERO}: {error}") from None
    return {"scratch": str(scratch), "silero": str(silero)}


def start(peer: Peer, work: str, shared: Mapping[str, str], scratch: Path) -> Worker:
    """The peer in its process, loaded."""
    return Worker(PYTHON, work, peer.engine, {**shared, **peer.options}, scratch / f"{work}-{peer.engine}.log")
