"""Recordings read whole by every engine in turn, on one thread: errors, time, memory.

In: clips with their texts. Out: a row a reading, and of each engine its word error rate, its real-time factor (the time
taken by the length of the audio) a round, what it took to load, and its peak memory.
"""

import statistics
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lineup
import numpy as np
from binary import Fed
from captions import segments, transcript
from clips import SAMPLE_RATE_HZ, Utterance, read
from lineup import AURICLE, SAME_WEIGHTS, Peer
from process import Worker
from wer import error_rate

TIMES = ("wall", "cpu")


def measure(
    binary: Path,
    clips: Sequence[Utterance],
    peers: Sequence[Peer],
    rounds: int,
    scratch: Path,
    same_weights: str = SAME_WEIGHTS,
) -> dict[str, Any]:
    """Every round gives every clip to every engine, another engine first each time; all engines stay loaded.

    The first clip is given once more before, and not counted.
    """
    shared = lineup.ready(scratch)
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for peer in peers:
            workers[peer.name] = lineup.start(peer, "read", shared, scratch)
            stack.callback(workers[peer.name].close)
        fed = Fed(binary, scratch, 1 + rounds * len(clips), "--sounds", "off")
        stack.callback(fed.abandon)
        rows, texts = _take_turns(fed, workers, clips, rounds, scratch)
        loaded = {AURICLE: fed.loaded()} | {name: worker.loaded() for name, worker in workers.items()}
        events = fed.close()[1 : 1 + len(clips)]
    texts[AURICLE] = {clip: transcript(each) for clip, each in zip(clips, events, strict=True)}
    single = [clip for clip, each in zip(clips, events, strict=True) if len(segments(each)) == 1]
    timit = [clip for clip in clips if clip.source == "TIMIT"]
    models = {AURICLE: lineup.MODEL} | {peer.name: peer.model for peer in peers}

    def errors(name: str, chosen: Sequence[Utterance]) -> float:
        return error_rate((clip.text, texts[name][clip]) for clip in chosen).percent

    return {
        "clips": len(clips),
        "words": error_rate((clip.text, "") for clip in clips).words,
        "audio_s": sum(row["audio_s"] for row in rows if row["engine"] == AURICLE) / rounds,
        "rounds": rounds,
        "one_segment": len(single),
        "versions": next((worker.versions for worker in workers.values()), {}),
        "engines": {
            name: {
                "model": model,
                "wer": errors(name, clips),
                "wer_timit": errors(name, timit),
                "wer_one_segment": errors(name, single),
                **factors(rows, name),
                **asdict(loaded[name]),
                "construct_s": workers[name].construct_s if name in workers else None,
            }
            for name, model in models.items()
        },
        "same_weights": same_weights,
        "ratios": ratios(rows, {clip.path.name for clip in single}, same_weights) if same_weights in workers else {},
        "texts": {name: {clip.path.name: text for clip, text in said.items()} for name, said in texts.items()},
        "rows": rows,
    }


def _take_turns(
    fed: Fed, workers: Mapping[str, Worker], clips: Sequence[Utterance], rounds: int, scratch: Path
) -> tuple[list[dict[str, Any]], dict[str, dict[Utterance, str]]]:
    """A row a reading, and what the peers read the first time."""
    files = [scratch / f"{k}.npy" for k in range(len(clips))]
    sounds = [read(clip.path) for clip in clips]
    for path, samples in zip(files, sounds, strict=True):
        np.save(path, samples.astype(np.float32))
    fed.read(sounds[0])
    for worker in workers.values():
        worker.read(files[0])
    rows: list[dict[str, Any]] = []
    texts: dict[str, dict[Utterance, str]] = {name: {} for name in workers}
    names = [AURICLE, *workers]
    for number in range(rounds):
        for k, clip in enumerate(clips):
            length_s = len(sounds[k]) / SAMPLE_RATE_HZ
            turn = (number + k) % len(names)
            for name in names[turn:] + names[:turn]:
                if name == AURICLE:
                    took = fed.read(sounds[k])
                else:
                    took, said = workers[name].read(files[k])
                    texts[name].setdefault(clip, " ".join(said))
                row = {"engine": name, "round": number, "clip": clip.path.name, "audio_s": length_s}
                rows.append(row | {key: round(value, 6) for key, value in asdict(took).items()})
            if (k + 1) % 24 == 0 or k + 1 == len(clips):
                done = f"round {number + 1}/{rounds}: {k + 1}/{len(clips)} clips"
                print(f"offline: {done}", file=sys.stderr, flush=True)
    return rows, texts


def by_round(rows: Sequence[Mapping[str, Any]], engine: str, time: str) -> list[float]:
    """Real-time factor of an engine in every round: seconds taken over all recordings by their length together."""
    taken: dict[int, float] = {}
    length: dict[int, float] = {}
    for row in rows:
        if row["engine"] == engine:
            taken[row["round"]] = taken.get(row["round"], 0.0) + row[f"{time}_s"]
            length[row["round"]] = length.get(row["round"], 0.0) + row["audio_s"]
    return [taken[number] / length[number] for number in sorted(taken)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median with the lowest and the highest."""
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}


def factors(rows: Sequence[Mapping[str, Any]], engine: str) -> dict[str, dict[str, float]]:
    """Real-time factors by wall and by processor time over the rounds."""
    return {f"factor_{time}": spread(by_round(rows, engine, time)) for time in TIMES}


def ratios(rows: Sequence[Mapping[str, Any]], single: set[str], same_weights: str) -> dict[str, dict[str, float]]:
    """Auricle's real-time factor over that of the engine with the same weights, a round.

    Over all clips, and over those that Auricle took as one segment, where both decode about the same audio.
    """
    result = {}
    for name, kept in (("all", rows), ("one_segment", [row for row in rows if row["clip"] in single])):
        for time in TIMES if kept else ():
            pairs = zip(by_round(kept, AURICLE, time), by_round(kept, same_weights, time), strict=True)
            result[f"{name}_{time}"] = spread([ours / theirs for ours, theirs in pairs])
    return result
