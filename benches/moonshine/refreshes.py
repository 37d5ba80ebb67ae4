"""Refreshes: does verifying the last reading as a draft give what plain greedy decoding gives?

In: folders of variants and clips. Out: of every variant how many refreshes read otherwise with a draft than without,
how many read otherwise than fp32, and what either way of decoding costs. A refresh reads a clip's beginning, 0.3 s
longer each time, as rolling captions do; its draft is what the refresh before it read.
"""

import hashlib
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from auricle_export.moonshine.decode import Decoder
from auricle_export.moonshine.decode import Utterance as HeardAudio
from clips import SAMPLE_RATE_HZ, Utterance, read

FIRST_S = 0.5
APART_S = 0.3


class Tally:
    """What one variant did over all refreshes."""

    def __init__(self) -> None:
        """No refresh yet."""
        self.differ = self.unlike_fp32 = self.tokens = self.accepted = 0
        self.plain_s = self.drafted_s = 0.0

    def figures(self, refreshes: int) -> dict[str, Any]:
        """As they go into the result."""
        return {
            "differ": self.differ,
            "differ_percent": round(100 * self.differ / refreshes, 2),
            "unlike_fp32_percent": round(100 * self.unlike_fp32 / refreshes, 2),
            "accepted_percent": round(100 * self.accepted / max(self.tokens, 1), 1),
            "plain_ms": round(1e3 * self.plain_s / refreshes, 2),
            "drafted_ms": round(1e3 * self.drafted_s / refreshes, 2),
        }


def measure(folders: Mapping[str, Path], clips: Sequence[Utterance], most: int) -> dict[str, Any]:
    """Up to `most` refreshes; `folders` begins with fp32.

    All clips in their order, then all again with beginnings that lie halfway between those of the first time.
    """
    decoders = {kind: Decoder(folder) for kind, folder in folders.items()}
    # Variants whose encoders are the same, byte for byte, hear the same.
    ears = {kind: _hash(folder / "encoder.onnx") + _hash(folder / "cross_kv.onnx") for kind, folder in folders.items()}
    tallies = {kind: Tally() for kind in decoders}
    count, heard = 0, set[Path]()
    for first_s in (FIRST_S, FIRST_S + APART_S / 2):
        for clip in clips:
            audio = read(clip.path).astype(np.float32)
            drafts: dict[str, list[int]] = {kind: [] for kind in decoders}
            for end in _ends(len(audio), first_s)[: most - count]:
                count += 1
                heard.add(clip.path)
                _refresh(decoders, ears, tallies, audio[:end], drafts)
                if count % 100 == 0:
                    print(f"  {count} refreshes", file=sys.stderr, flush=True)
    return {
        "clips": len(heard),
        "refreshes": count,
        "variants": {kind: tally.figures(count) for kind, tally in tallies.items()},
    }


def _ends(samples: int, first_s: float) -> list[int]:
    """Where the refreshes of a clip end, the last at its end."""
    first, apart = round(first_s * SAMPLE_RATE_HZ), round(APART_S * SAMPLE_RATE_HZ)
    return [*range(first, samples, apart), samples]


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _refresh(
    decoders: Mapping[str, Decoder],
    ears: Mapping[str, str],
    tallies: Mapping[str, Tally],
    audio: npt.NDArray[np.float32],
    drafts: dict[str, list[int]],
) -> None:
    single: list[int] | None = None
    heard_by: dict[str, HeardAudio] = {}
    for kind, decoder in decoders.items():
        tally = tallies[kind]
        if ears[kind] not in heard_by:
            heard_by[ears[kind]] = decoder.hear(audio)
        heard = heard_by[ears[kind]]
        began = time.thread_time()
        plain = decoder.greedy(heard)
        between = time.thread_time()
        drafted = decoder.greedy(heard, drafts[kind])
        tally.drafted_s += time.thread_time() - between
        tally.plain_s += between - began
        tally.tokens += len(drafted.tokens)
        tally.accepted += drafted.accepted
        tally.differ += plain.tokens != drafted.tokens
        single = plain.tokens if single is None else single
        tally.unlike_fp32 += plain.tokens != single
        drafts[kind] = drafted.tokens
