"""Time: a token, and a second of audio, of several variants in turn on one thread.

In: folders of variants and a recording. Out: thread processor times. Each round runs every variant once, another one
first each time, so that what else the machine does falls on all alike.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from auricle_export import audio as wav
from auricle_export.moonshine.decode import START, Decoder, Floats
from moonshine_shipped import Caches, Shipped
from resident import load

LONGEST_S = 10.0
T = TypeVar("T")


class Clock:
    """Thread processor seconds of what was called, by name."""

    def __init__(self) -> None:
        """Nothing was called yet."""
        self.seconds: dict[str, list[float]] = {}

    def of(self, name: str, call: Callable[[], T]) -> T:
        """Calls and keeps the time."""
        began = time.thread_time()
        result = call()
        self.seconds.setdefault(name, []).append(time.thread_time() - began)
        return result


def measure(folders: Mapping[str, Path], recording: Path, rounds: int) -> dict[str, Any]:
    """Times of every variant over the same tokens: those that the first of the exported ones reads."""
    audio = wav.read(recording)[: int(LONGEST_S * wav.SAMPLE_RATE_HZ)]
    duration_s = len(audio) / wav.SAMPLE_RATE_HZ
    loaded = {kind: load(folder) for kind, folder in folders.items()}
    reader = next(each for each in loaded.values() if isinstance(each, Decoder))
    tokens = [START, *reader.greedy(reader.hear(audio)).tokens]
    clocks = {kind: Clock() for kind in loaded}
    for number in range(rounds + 1):
        kinds = list(loaded)
        for kind in kinds[number % len(kinds) :] + kinds[: number % len(kinds)]:
            # The first round is for the caches to fill and is not counted.
            clock = clocks[kind] if number else Clock()
            variant = loaded[kind]
            if isinstance(variant, Shipped):
                _shipped(clock, variant, audio, tokens)
            else:
                _split(clock, variant, audio, tokens)
    return {
        "recording": f"{recording.name}, {duration_s:.1f} s, {len(tokens)} tokens",
        "rounds": rounds,
        "variants": {kind: _figures(clock.seconds, duration_s, len(tokens)) for kind, clock in clocks.items()},
    }


def _split(clock: Clock, decoder: Decoder, audio: Floats, tokens: list[int]) -> None:
    heard = clock.of("hear", lambda: decoder.hear(audio))
    past = decoder.empty()
    for place, token in enumerate(tokens):
        name = "token" if place else "first"
        _, past, _ = clock.of(name, lambda token=token, past=past: decoder.call(heard, [token], past))
    clock.of("verify", lambda: decoder.call(heard, tokens, decoder.empty()))


def _shipped(clock: Clock, decoder: Shipped, audio: Floats, tokens: list[int]) -> None:
    heard = clock.of("hear", lambda: decoder.hear(audio))
    caches: Caches | None = None
    for place, token in enumerate(tokens):
        # The first call makes the cross-attention's keys and values too, which elsewhere belongs to hearing.
        name = "token" if place else "first"
        _, caches = clock.of(name, lambda token=token, caches=caches: decoder.call(heard, token, caches))


def _figures(seconds: Mapping[str, list[float]], duration_s: float, tokens: int) -> dict[str, Any]:
    token_s = statistics.median(seconds["token"])
    hear = seconds["hear"]
    if "verify" not in seconds:
        hear = [encode + max(first - token_s, 0.0) for encode, first in zip(hear, seconds["first"], strict=True)]
    figures = {
        "token_ms": _spread([1e3 * each for each in seconds["token"]]),
        "hear_ms_per_s": _spread([1e3 * each / duration_s for each in hear]),
    }
    if "verify" in seconds:
        figures["verified_token_ms"] = _spread([1e3 * each / tokens for each in seconds["verify"]])
    return figures


def _spread(values: list[float]) -> dict[str, float]:
    """Median, and the range that holds eight of ten values."""
    tenths = statistics.quantiles(values * 2 if len(values) == 1 else values, n=10, method="inclusive")
    return {"median": round(statistics.median(values), 3), "p10": round(tenths[0], 3), "p90": round(tenths[-1], 3)}
