"""Words where nobody speaks, and more words than were said.

In: silence, noise, recordings of sounds, and single words cut out of clips. Out: of each row the share of recordings
that got text, words an hour, and the share of the cut words that got more words than were said.
"""

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engines
import numpy as np
from auricle import Auricle
from captions import transcript
from clips import SAMPLE_RATE_HZ, Samples, SoundClip, Utterance, at_level, read, write
from engines import ONCE, Ours, Theirs
from wer import normalise

PROMPT = "Dinner with Auricle, Moonshine and Whisper."
LEVELS_DBFS = (-90, -70, -60, -50, -40, -30)
TAKES = 4
"""Recordings of noise a level."""
LENGTH_S = 5.0
SHORT_S = (0.3, 1.0)
"""How long a cut word is."""
QUIET = "silence and noise"
SOUNDS = "sounds"
CUT = "cut words"

OURS = (
    Ours("auricle, windows", "int8", ("--windows",)),
    Ours("auricle, windows, prompt", "int8", ("--windows", "--prompt", PROMPT)),
    Ours("auricle, by voice", "int8", ()),
    Ours("auricle, by voice, prompt", "int8", ("--prompt", PROMPT)),
    Ours("auricle, live finals", "int8", ("--partials",)),
)
NO_RULES = {"temperature": 0, "log_prob_threshold": None, "no_speech_threshold": None}
"""What was read is believed."""
THEIRS = tuple(
    Theirs(f"faster-whisper, {name}", {"beam": beam, "asked": asked})
    for name, beam, asked in (
        ("no rules", 1, NO_RULES),
        ("temperature 0", 1, ONCE),
        ("temperature 0, prompt", 1, ONCE | {"initial_prompt": PROMPT}),
        ("defaults", 5, {}),
        ("defaults, prompt", 5, {"initial_prompt": PROMPT}),
        ("defaults, vad_filter", 5, {"vad_filter": True}),
        ("defaults, vad_filter, prompt", 5, {"vad_filter": True, "initial_prompt": PROMPT}),
    )
)


@dataclass(frozen=True)
class Recording:
    """Something to read, and how many words are in it."""

    kind: str
    samples: Samples
    said: int


def quiet() -> list[Recording]:
    """Digital silence, then white noise at each level."""
    rng = np.random.default_rng(1)
    count = round(LENGTH_S * SAMPLE_RATE_HZ)
    noises = [at_level(rng.standard_normal(count), level) for level in LEVELS_DBFS for _ in range(TAKES)]
    return [Recording(QUIET, samples, 0) for samples in (np.zeros(count), *noises)]


def sounds(clips: Sequence[SoundClip], most: int) -> list[Recording]:
    """At most so many recordings of sounds, spread over the folds."""
    taken = sorted(clips, key=lambda clip: clip.path.name)[:: max(1, len(clips) // most)][:most]
    return [Recording(SOUNDS, read(clip.path), 0) for clip in taken]


def cut_words(clips: Sequence[Utterance], most: int) -> list[Recording]:
    """Single words of .3 to 1 s as TIMIT marks them, at most two a clip, in the order of the clips."""
    found = []
    for clip in clips:
        words = [word for word in clip.words() if SHORT_S[0] <= word.end_s - word.start_s <= SHORT_S[1]]
        samples = read(clip.path) if words else np.zeros(0)
        for word in words[:2]:
            start, end = round(word.start_s * SAMPLE_RATE_HZ), round(word.end_s * SAMPLE_RATE_HZ)
            found.append(Recording(CUT, samples[start:end], len(normalise(word.text).split())))
    return found[:: max(1, len(found) // most)][:most]


def figures(recordings: Sequence[Recording], texts: Sequence[str]) -> dict[str, dict[str, float]]:
    """Of each kind: how many got more words than were said, and how many such words there were, all and an hour."""
    found = {}
    for kind in dict.fromkeys(each.kind for each in recordings):
        chosen = [(each, len(normalise(text).split())) for each, text in zip(recordings, texts, strict=True)]
        own = [(each, words) for each, words in chosen if each.kind == kind]
        more = [max(0, words - each.said) for each, words in own]
        hours = sum(len(each.samples) for each, _ in own) / SAMPLE_RATE_HZ / 3600.0
        found[kind] = {
            "recordings": len(own),
            "invented": sum(count > 0 for count in more) / len(own),
            "words": sum(more),
            "words_an_hour": round(sum(more) / hours, 1),
            "nothing": sum(words == 0 for _, words in own) / len(own),
        }
    return found


def measure(binary: Path, models: Path, recordings: Sequence[Recording], scratch: Path) -> dict[str, Any]:
    """Every row reads every recording."""
    texts: dict[str, list[str]] = {}
    files = [write(scratch / f"invented-{k:04}.wav", each.samples) for k, each in enumerate(recordings)]
    for row in OURS:
        events = Auricle(binary).events("transcribe", files, *engines.arguments(row, models))
        texts[row.name] = [transcript(events[path]) for path in files]
        print(f"invented: {row.name}", file=sys.stderr, flush=True)
    for other in THEIRS:
        with closing(engines.start(other, scratch)) as worker:
            texts[other.name] = []
            for recording in recordings:
                np.save(scratch / "recording.npy", recording.samples.astype(np.float32))
                texts[other.name].append(" ".join(worker.read(scratch / "recording.npy")[1]))
        print(f"invented: {other.name}", file=sys.stderr, flush=True)
    found: Mapping[str, Any] = {name: figures(recordings, said) for name, said in texts.items()}
    kinds = [each.kind for each in recordings]
    listed = {name: [[k, t] for k, t in zip(kinds, said, strict=True) if t] for name, said in texts.items()}
    return {"prompt": PROMPT, "engines": found, "texts": listed}
