"""What hearing less of the silence behind the audio costs in words and gains in time.

In: clips, a folder of models with a context each. Out: of each context the word error rate of clips read once each and
of live captions, the processor time of these, and the time of hearing and reading so many seconds.
"""

import dataclasses
import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import builds
import numpy as np
from auricle import Auricle, Event, Failed
from auricle_export import whisper
from auricle_export.whisper import weights
from auricle_export.whisper.decode import FRAME_SAMPLES, Decoder, Reading
from auricle_export.whisper.tokenizer import Tokenizer
from builds import Context
from captions import captions, transcript
from clips import SAMPLE_RATE_HZ, Utterance, read
from spoken import errors

ALL: Context = (30.0, 30.0)
GRID: tuple[Context, ...] = (*((after, least) for least in (5.0, 10.0, 15.0, 20.0) for after in (1.0, 2.0, 5.0)), ALL)
"""What clips are read once with."""
LIVE: tuple[Context, ...] = ((1.0, 5.0), (2.0, 5.0), (2.0, 10.0), (5.0, 10.0), (2.0, 15.0), (2.0, 20.0), ALL)
"""What captions are made live with."""
TIMED: tuple[Context, ...] = ((0.0, 0.0), (2.0, 10.0), ALL)
SECONDS = (2, 5, 10, 30)
LONGEST_FRAMES = 1_500
TOKENS_PER_SECOND = 12.0
"""More are an invention: the runtime's default."""
MOST_BACK, ROWS = 50, 3
"""Where attention goes back by more frames, for so many tokens, the decoder has begun anew, and the runtime stops."""
LEAST_LOG_PROBABILITY = -1.0
"""A reading that is less likely, on average a token, the runtime makes once more with all 30 s."""


def frames_of(samples: int, context: Context) -> int:
    """States that are computed of so many samples, as the runtime does (`src/model/whisper/parameters.rs`)."""
    after_s, least_s = context
    seconds = max(samples / SAMPLE_RATE_HZ + after_s, least_s)
    return min(max(math.ceil(seconds * SAMPLE_RATE_HZ / FRAME_SAMPLES), 1), LONGEST_FRAMES)


def before_it_begins_anew(reading: Reading, own_frames: int) -> Reading:
    """What the runtime leaves of a reading that jumps back in the audio's own frames (`src/decode/look_back.rs`)."""
    furthest = behind = 0
    for row, attention in enumerate(reading.attention):
        place = int(attention[:, :own_frames].sum(axis=0).argmax())
        behind = behind + 1 if place + MOST_BACK < furthest else 0
        furthest = max(furthest, place) if not behind else furthest
        if behind == ROWS:
            kept = row + 1 - ROWS
            return Reading(reading.tokens[:kept], reading.probabilities[:kept], reading.attention[:kept])
    return reading


def log_probability(reading: Reading) -> float:
    """Mean logarithm of the probabilities of a reading's tokens, its end counted as certain."""
    return sum(math.log(max(each, 1e-38)) for each in reading.probabilities) / (len(reading.tokens) + 1)


def once(folder: Path, clips: Sequence[Utterance]) -> dict[str, Any]:
    """Each clip read greedily once with each context of the grid, by the graphs in `folder`."""
    model = weights.read(builds.SOURCE / "source")
    tokens = Tokenizer(folder / weights.TOKENIZER_FILE, model.dims)
    rules, decoder = whisper.rules_of(model, tokens), Decoder(folder)
    texts: dict[Context, dict[Utterance, str]] = {context: {} for context in GRID}
    doubted, begun_anew = dict.fromkeys(GRID, 0), dict.fromkeys(GRID, 0)
    for k, clip in enumerate(clips):
        audio = read(clip.path).astype(np.float32)
        most = min(rules.most, math.ceil(len(audio) / SAMPLE_RATE_HZ * TOKENS_PER_SECOND))
        found: dict[int, tuple[Reading, bool]] = {}
        for context in GRID:
            frames = frames_of(len(audio), context)
            if frames not in found:
                heard = decoder.hear(decoder.states(audio, frames))
                whole = decoder.greedy(heard, dataclasses.replace(rules, most=most))
                kept = before_it_begins_anew(whole, math.ceil(len(audio) / FRAME_SAMPLES))
                found[frames] = kept, len(kept.tokens) < len(whole.tokens)
            kept, anew = found[frames]
            texts[context][clip] = tokens.text(kept.tokens)
            begun_anew[context] += anew
            doubted[context] += log_probability(kept) < LEAST_LOG_PROBABILITY
        if (k + 1) % 24 == 0 or k + 1 == len(clips):
            print(f"context: read once: {k + 1}/{len(clips)} clips", file=sys.stderr, flush=True)
    return {
        builds.context_name(context): errors(clips, texts[context])
        | {"begun_anew": begun_anew[context] / len(clips), "doubted": doubted[context] / len(clips)}
        for context in GRID
    }


def live(binary: Path, models: Path, clips: Sequence[Utterance]) -> dict[str, Any]:
    """The final captions of `auricle transcribe --partials` with each context, and Moonshine's."""
    audio_s = sum(len(read(clip.path)) for clip in clips) / SAMPLE_RATE_HZ
    found = {}
    for name in (*map(builds.context_name, LIVE), "moonshine-tiny-en"):
        auricle = Auricle(binary, models={"transcribe": name})
        before = _children_s()
        asked = ("--models-dir", str(models), "--sounds", "off", "--partials")
        events = auricle.events("transcribe", [clip.path for clip in clips], *asked)
        share = (_children_s() - before) / audio_s
        texts = {clip: transcript(events[clip.path]) for clip in clips}
        rolling = errors(clips, {clip: last_rolling(events[clip.path]) for clip in clips})["wer"]
        found[name] = errors(clips, texts) | {"wer_rolling": rolling, "cpu_share": share}
        print(f"context: live: {name}", file=sys.stderr, flush=True)
    return found


def last_rolling(events: Sequence[Event]) -> str:
    """What each segment showed last before its final caption, which is read with all 30 s."""
    shown: dict[int, str] = {}
    for event in captions(events):
        if event["state"] != "final":
            shown[event["segment"]] = event["text"]
    return " ".join(text for _, text in sorted(shown.items()))


def _children_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def timed(binary: Path, models: Path, scratch: Path) -> dict[str, Any]:
    """Processor time, ms, of log-mel, encoder and whole reading of so many seconds with each context."""
    found = {}
    for context in TIMED:
        name, path = builds.context_name(context), scratch / "stages.json"
        command = [str(binary), "bench", "model", name, "--models-dir", str(models), "--tokens", "1"]
        command += ["--seconds", ",".join(map(str, SECONDS)), "--json", str(path)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"auricle bench model {name}: exit code {done.returncode}: {done.stderr.strip()[-200:]}")
        found[name] = stages(json.loads(path.read_text(encoding="utf-8")))
        print(f"context: timed: {name}", file=sys.stderr, flush=True)
    return found


def stages(measured: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Median processor time, ms, by stage and then by seconds of audio, of what `auricle bench model --json` wrote."""
    result: dict[str, dict[str, float]] = {}
    for stage in measured[0]["stages"]:
        name, _, audio = stage["stage"].partition(", ")
        seconds, _, more = audio.partition(" s")
        if name in ("log-mel", "encoder", "transcribe") and "draft" not in more:
            result.setdefault(name, {})[seconds] = round(statistics.median(stage["cpu_ms"]), 2)
    return result


def measure(binary: Path, models: Path, clips: Sequence[Utterance], apart: int, scratch: Path) -> dict[str, Any]:
    """All three; live captions of every so many clips."""
    chosen = clips[::apart]
    return {
        "clips": len(clips),
        "live_clips": len(chosen),
        "once": once(models / "int8", clips),
        "live": live(binary, models, chosen),
        "timed": timed(binary, models, scratch),
    }
