"""When a sample left the sink and when a log's zero was, on one clock.

In: pieces of a recording with the instants at which they came, what was played, and lines of a log with the instants at
which they were read. Out: instants on the monotonic clock of the machine, in seconds, and how far each can be off.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from auricle import Failed
from clips import SAMPLE_RATE_HZ

Pcm = npt.NDArray[np.int16]

WINDOW_S = 5.0
"""The line of what was due is fitted anew in every stretch so long: how far these differ is how far it can be off."""
PROBE_SAMPLES = SAMPLE_RATE_HZ


@dataclass(frozen=True)
class Chunk:
    """A piece of a recording."""

    end: int
    """Samples of the recording up to its end."""
    at_s: float
    """When it was there."""


@dataclass(frozen=True)
class Instant:
    """An instant on the monotonic clock."""

    seconds: float
    spread_s: float
    """Between the earliest and the latest that any stretch of the run gives for it."""


def started(recorded: Pcm, played: Pcm) -> int:
    """The sample of `recorded` [n] with which `played` [m] begins, which must be in it to the bit.

    The loudest second is looked for by cross-correlation, everything is compared. Raises `Failed` where samples differ.
    """
    if len(played) < PROBE_SAMPLES or len(recorded) < len(played):
        raise Failed(f"{len(recorded)} samples were recorded of {len(played)} played; both are to be a second or more")
    power = np.concatenate([[0.0], np.cumsum(np.square(played.astype(np.float64)))])
    at = int(np.argmax(power[PROBE_SAMPLES:] - power[:-PROBE_SAMPLES]))
    probe = played[at : at + PROBE_SAMPLES].astype(np.float64)
    size = 1 << (len(recorded) + PROBE_SAMPLES - 1).bit_length()
    spectrum = np.fft.rfft(recorded.astype(np.float64), size) * np.conj(np.fft.rfft(probe, size))
    first = int(np.argmax(np.fft.irfft(spectrum, size)[: len(recorded)])) - at
    if first < 0 or first + len(played) > len(recorded):
        raise Failed(
            f"what was played lies at {first / SAMPLE_RATE_HZ:.3f} s of the recording, which lacks a part of it"
        )
    differ = np.flatnonzero(recorded[first : first + len(played)] != played)
    if len(differ) > 0:
        raise Failed(
            f"{len(differ)} of {len(played)} samples did not arrive as they were played, the first at "
            f"{differ[0] / SAMPLE_RATE_HZ:.3f} s; the machine was too busy to play without a hole: run it again"
        )
    return first


def due(chunks: Sequence[Chunk], first: int, last: int) -> Instant:
    """When sample `first` was due, by the pieces that end after it and up to `last`.

    A piece cannot be there before its last sample. The one that came with the least delay fixes the line on which all
    samples are due: as with a microphone, the last sample of a block is due when the block is there.
    """
    within = [chunk for chunk in chunks if first < chunk.end <= last]
    return _least(
        [(chunk.end - first) / SAMPLE_RATE_HZ for chunk in within],
        [chunk.at_s - (chunk.end - first) / SAMPLE_RATE_HZ for chunk in within],
        "pieces of the recording",
    )


def block_s(chunks: Sequence[Chunk]) -> float:
    """The median length of a piece, seconds."""
    return statistics.median(after.end - before.end for before, after in pairwise(chunks)) / SAMPLE_RATE_HZ


def zero(emitted_s: Sequence[float], read_s: Sequence[float]) -> Instant:
    """When a log's zero was, by when its lines were emitted on its own clock and read on ours.

    A line cannot be read before it is emitted: the one that came with the least delay fixes it. Lines emitted at 0 are
    left out: the clock stands there until the first sample was due.
    """
    lines = [(emitted, read - emitted) for emitted, read in zip(emitted_s, read_s, strict=True) if emitted > 0.0]
    return _least([emitted for emitted, _ in lines], [late for _, late in lines], "lines of the log")


def _least(at_s: Sequence[float], late_s: Sequence[float], what: str) -> Instant:
    windows: dict[int, float] = {}
    # What is left over at the end goes with the stretch before it: few records in it say little.
    whole = max(1, int((max(at_s, default=0.0) + 0.1) // WINDOW_S))
    for at, late in zip(at_s, late_s, strict=True):
        window = min(int(at // WINDOW_S), whole - 1)
        windows[window] = min(late, windows.get(window, late))
    if not windows:
        raise Failed(f"no {what} to tell the time by")
    return Instant(min(windows.values()), max(windows.values()) - min(windows.values()))
