"""Live captions of every engine in turn, the same strings in real time: when words come, what they cost, what is right.

In: strings of TIMIT utterances with word times (`benches/accuracy/emission.py`). Out: of each engine the delays from a
word's end, the changes of shown words, the share of a core and the word error rate; the raw events beside them.
"""

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lineup
import numpy as np
from auricle import Event
from binary import listen
from captions import transcript
from clips import SAMPLE_RATE_HZ, write
from emission import String, delays
from latency import Appearance, appearances, flips, percentile
from lineup import Peer
from wer import error_rate


@dataclass
class Run:
    """What an engine showed of every string, and what that cost."""

    events: list[list[Event]] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    peak_mib: float = 0.0


def spread(made: Sequence[String], count: int) -> list[String]:
    """So many of the strings, as many of each speaker as can be.

    One speaker's first, the next one's second and so on: all read the same sentences in their first.
    """
    speakers: dict[str, list[String]] = {}
    for string in made:
        speakers.setdefault(string.name.rpartition("-")[0], []).append(string)
    turns = range(max(map(len, speakers.values()), default=0))
    order = [
        said[(k + turn) % len(said)] for turn in turns for k, said in enumerate(speakers.values()) if turn < len(said)
    ]
    chosen = {string.name for string in order[:count]}
    return [string for string in made if string.name in chosen]


def measure(
    binary: Path,
    listening: Mapping[str, Sequence[str]],
    strings: Sequence[String],
    peers: Sequence[Peer],
    scratch: Path,
) -> dict[str, Any]:
    """One engine at a time plays one string; the machine has nothing else to do. The workers stay loaded.

    `listening` has the names of Auricle's rows, and what each adds to `auricle listen --sounds off`.
    """
    shared = lineup.ready(scratch)
    files = [write(scratch / f"stream-{k}.wav", string.samples) for k, string in enumerate(strings)]
    arrays = [scratch / f"stream-{k}.npy" for k in range(len(strings))]
    for string, path in zip(strings, arrays, strict=True):
        np.save(path, string.samples.astype(np.float32))
    runs = {name: Run() for name in (*listening, *(peer.name for peer in peers))}
    with ExitStack() as stack:
        workers = {}
        for peer in peers:
            workers[peer.name] = lineup.start(peer, "stream", shared, scratch)
            stack.callback(workers[peer.name].close)
        names = list(runs)
        for k, string in enumerate(strings):
            for name in names[k % len(names) :] + names[: k % len(names)]:
                run = runs[name]
                if name in listening:
                    events, cpu_s, peak_mib = listen(binary, files[k], ["--sounds", "off", *listening[name]])
                else:
                    events, cpu_s = workers[name].follow(arrays[k], len(string.samples) / SAMPLE_RATE_HZ)
                    peak_mib = workers[name].loaded().peak_mib
                run.events.append(events)
                run.cpu_s.append(cpu_s)
                run.peak_mib = max(run.peak_mib, peak_mib)
            print(f"streaming: {k + 1}/{len(strings)} strings", file=sys.stderr, flush=True)
    return {
        "strings": [string.name for string in strings],
        "words": sum(len(string.words) for string in strings),
        "audio_s": sum(len(string.samples) for string in strings) / SAMPLE_RATE_HZ,
        "listening": {name: list(options) for name, options in listening.items()},
        "engines": {name: figures(strings, run) for name, run in runs.items()},
        "rows": [
            {"engine": name, "string": string.name, "cpu_s": run.cpu_s[k], "events": [_kept(e) for e in run.events[k]]}
            for name, run in runs.items()
            for k, string in enumerate(strings)
        ],
    }


def _kept(event: Event) -> Event:
    """What of a caption stays in the raw rows: all but the words, whose texts it has anyway."""
    return {name: value for name, value in event.items() if name not in ("v", "seq", "type", "words", "model")}


def figures(strings: Sequence[String], run: Run) -> dict[str, Any]:
    """The figures of one engine. Delays are over words that its final text has; `_all` counts the others as never."""
    words = sum(len(string.words) for string in strings)
    seconds = sum(len(string.samples) for string in strings) / SAMPLE_RATE_HZ
    pairs = list(zip(strings, run.events, strict=True))
    found: list[Appearance] = []
    for string, events in pairs:
        found += [each for each in appearances(events, string.words) if each is not None]
    result: dict[str, Any] = {}
    for name in ("first", "lasting", "final"):
        values = [asdict(each)[f"{name}_s"] for each in found]
        result[f"{name}_s"] = {
            "p50": percentile(values, 50),
            "p95": percentile(values, 95),
            "p50_all": percentile(values, 50, words),
            "p80_all": percentile(values, 80, words),
        }
    if any("stable" in event for events in run.events for event in events):
        settled = [delay for string, events in pairs for delay in delays(events, string.words)]
        for name in ("stable", "committed"):
            values = [asdict(each)[f"{name}_s"] for each in settled]
            result[f"{name}_s"] = {"p50": percentile(values, 50), "p95": percentile(values, 95)}
    # How much later the lines of a program were read than it says it wrote them; peers' times are taken inside.
    late = [event["arrived"] - event["emitted"] for events in run.events for event in events if "arrived" in event]
    if late:
        result["pipe_s"] = {"p50": percentile(late, 50), "p95": percentile(late, 95)}
    final_words = sum(len(transcript(events).split()) for events in run.events)
    rate = error_rate((string.text, transcript(events)) for string, events in pairs)
    return result | {
        "matched": len(found) / words,
        "flips_a_word": sum(map(flips, run.events)) / final_words if final_words else None,
        "cpu_share": sum(run.cpu_s) / seconds,
        "peak_mib": run.peak_mib,
        "wer": rate.percent,
    }
