"""Words and speed: every clip read whole by every engine in turn, on one thread.

In: clips with their texts, a folder of models. Out: of each row errors, real-time factors, time to load and memory; of
each pair how many texts are the same and how the factors compare.
"""

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import engines
import numpy as np
from binary import Fed
from captions import transcript
from clips import SAMPLE_RATE_HZ, Utterance, read
from offline import TIMES, by_round, factors, spread
from process import Reading, Worker
from wer import error_rate, normalise

Texts = Mapping[Utterance, str]


def measure(binary: Path, models: Path, clips: Sequence[Utterance], rounds: int, scratch: Path) -> dict[str, Any]:
    """Every round gives every clip to every engine, another one first each time; all engines stay loaded.

    The first clip is given once more before, and not counted.
    """
    own, others = engines.ours(), engines.theirs()
    files = [scratch / f"{k}.npy" for k in range(len(clips))]
    sounds = [read(clip.path) for clip in clips]
    for path, samples in zip(files, sounds, strict=True):
        np.save(path, samples.astype(np.float32))
    rows: list[dict[str, Any]] = []
    texts: dict[str, dict[Utterance, str]] = {row.name: {} for row in (*own, *others)}
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for row in others:
            workers[row.name] = engines.start(row, scratch)
            stack.callback(workers[row.name].close)
        fed: dict[str, Fed] = {}
        for k, each in enumerate(own):
            folder = scratch / f"pipes-{k}"
            folder.mkdir()
            fed[each.name] = Fed(binary, folder, 1 + rounds * len(clips), *engines.arguments(each, models))
            stack.callback(fed[each.name].abandon)

        def given(name: str, k: int) -> tuple[Reading, list[str] | None]:
            if name in fed:
                return fed[name].read(sounds[k]), None
            return workers[name].read(files[k])

        names = [*fed, *workers]
        for name in names:
            given(name, 0)
        for number in range(rounds):
            for k, clip in enumerate(clips):
                length_s = len(sounds[k]) / SAMPLE_RATE_HZ
                turn = (number + k) % len(names)
                for name in names[turn:] + names[:turn]:
                    took, said = given(name, k)
                    if said is not None:
                        texts[name].setdefault(clip, " ".join(said))
                    row_of = {"engine": name, "round": number, "clip": clip.path.name, "audio_s": length_s}
                    rows.append(row_of | {key: round(value, 6) for key, value in asdict(took).items()})
                if (k + 1) % 24 == 0 or k + 1 == len(clips):
                    print(
                        f"words: round {number + 1}/{rounds}: {k + 1}/{len(clips)} clips", file=sys.stderr, flush=True
                    )
        loaded = {name: engine.loaded() for name, engine in (*fed.items(), *workers.items())}
        for name, engine in fed.items():
            events = engine.close()[1 : 1 + len(clips)]
            texts[name] = {clip: transcript(each) for clip, each in zip(clips, events, strict=True)}
    return {
        "clips": len(clips),
        "words": error_rate((clip.text, "") for clip in clips).words,
        "audio_s": sum(map(len, sounds)) / SAMPLE_RATE_HZ,
        "rounds": rounds,
        "versions": next(iter(workers.values())).versions,
        "engines": {
            name: errors(clips, said) | factors(rows, name) | asdict(loaded[name]) for name, said in texts.items()
        },
        "pairs": [compared(pair, clips, texts, rows) for pair in engines.pairs()],
        "texts": {name: {clip.path.name: text for clip, text in said.items()} for name, said in texts.items()},
        "rows": rows,
    }


def errors(clips: Sequence[Utterance], texts: Texts) -> dict[str, float]:
    """Word error rates in %: whole, of TIMIT, of the rest."""
    timit = [clip for clip in clips if clip.source == "TIMIT"]
    rest = [clip for clip in clips if clip.source != "TIMIT"]
    parts = {"wer": clips, "wer_timit": timit, "wer_rest": rest}
    return {name: error_rate((clip.text, texts[clip]) for clip in chosen).percent for name, chosen in parts.items()}


def same(one: Texts, other: Texts) -> dict[str, float]:
    """Share of clips, 0 to 1, on which two engines wrote the same: to the letter, and after the normaliser."""
    letter = [" ".join(one[clip].split()) == " ".join(other[clip].split()) for clip in one]
    words = [normalise(one[clip]) == normalise(other[clip]) for clip in one]
    return {"letter": sum(letter) / len(letter), "words": sum(words) / len(words)}


def compared(
    pair: engines.Pair, clips: Sequence[Utterance], texts: Mapping[str, Texts], rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """One pair: texts that are the same, points of error apart, and ours over theirs in time, a round."""
    ours, theirs = texts[pair.ours], texts[pair.theirs]
    ratios = {
        f"ratio_{time}": spread(
            [a / b for a, b in zip(by_round(rows, pair.ours, time), by_round(rows, pair.theirs, time), strict=True)]
        )
        for time in TIMES
    }
    return {
        "ours": pair.ours,
        "theirs": pair.theirs,
        "same": same(ours, theirs),
        "wer_apart": errors(clips, ours)["wer"] - errors(clips, theirs)["wer"],
        **ratios,
    }
