"""Emission: how long after it was said a word appears, is stable and is committed.

In: TIMIT utterances strung together, three of a speaker, with their word times. Out: percentiles of the delays on the
virtual clock of `auricle transcribe --partials`: what the caption policy costs, without the time to compute.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from auricle import Auricle, Event
from captions import captions, transcript
from clips import SAMPLE_RATE_HZ, Samples, Utterance, Word, read, utterances, write
from figures import Figure, Outcome
from wer import error_rate, matches, normalise_word

PART = "emission"
UTTERANCES_A_STRING = 3
PAUSES_S = (0.15, 0.4, 0.8)
LEAD_S, TAIL_S = 0.5, 1.5
FLOOR_RMS = 1e-4
"""The pauses are not digital silence, which no microphone gives, but noise at -80 dBFS."""
EARLY_S = 0.5
"""A word seen earlier than this before its end is another one of the same spelling."""


@dataclass(frozen=True)
class String:
    """Utterances strung together: samples [n], its words with their times in it, and the text."""

    name: str
    samples: Samples
    words: list[Word]
    text: str


@dataclass(frozen=True)
class Delay:
    """Seconds from the end of a word to when it was first shown, stable and committed; negative is before its end."""

    first_s: float
    stable_s: float
    committed_s: float


def strings(clips: Sequence[Utterance]) -> list[String]:
    """Strings of three utterances of a speaker as recorded, with pauses drawn from 0.15, 0.4 and 0.8 s.

    No gain is applied: one that knows the loudest sample of a clip looks ahead, which no microphone can.
    """
    rng = np.random.default_rng(1)
    speakers: dict[str, list[Utterance]] = {}
    for clip in clips:
        if clip.source == "TIMIT":
            speakers.setdefault(clip.path.stem.split("_")[0], []).append(clip)
    result = []
    for speaker, said in sorted(speakers.items()):
        for first in range(0, len(said) - UTTERANCES_A_STRING + 1, UTTERANCES_A_STRING):
            chosen = said[first : first + UTTERANCES_A_STRING]
            result.append(_string(f"{speaker}-{first}", chosen, rng))
    return result


def _string(name: str, chosen: Sequence[Utterance], rng: np.random.Generator) -> String:
    def floor(seconds: float) -> Samples:
        return rng.standard_normal(round(seconds * SAMPLE_RATE_HZ)) * FLOOR_RMS

    parts, words = [floor(LEAD_S)], list[Word]()
    for k, clip in enumerate(chosen):
        offset_s = sum(map(len, parts)) / SAMPLE_RATE_HZ
        words += [Word(word.start_s + offset_s, word.end_s + offset_s, word.text) for word in clip.words()]
        last = k == len(chosen) - 1
        parts += [read(clip.path), floor(TAIL_S if last else float(rng.choice(PAUSES_S)))]
    return String(name, np.concatenate(parts), words, " ".join(clip.text for clip in chosen))


@dataclass(frozen=True)
class _Shown:
    """What one caption showed: its words normalised in place, and how many of them were settled."""

    at_s: float
    words: list[str]
    stable: int
    committed: int


def _timeline(events: Sequence[Event]) -> dict[int, list[_Shown]]:
    segments: dict[int, list[_Shown]] = {}
    for event in captions(events):
        words = [normalise_word(word) for word in event["text"].split()]
        final = event["state"] == "final"
        stable = len(words) if final else len(event.get("stable", "").split())
        committed = len(words) if final else len(event.get("committed", "").split())
        segments.setdefault(event["segment"], []).append(_Shown(event["emitted"], words, stable, committed))
    return dict(sorted(segments.items()))


def delays(events: Sequence[Event], spoken: Sequence[Word]) -> list[Delay]:
    """Delays of the spoken words that are right in the text the segments ended with.

    Such a word counts as shown (stable, committed) at the first caption of its segment that has it, normalised, at its
    place or next to it, in the text (the stable, the committed prefix). A final settles all of its words. Words that
    are wrong in the end have no delay: read the result beside the error rate, or a rule that commits rashly looks good.
    """
    segments = _timeline(events)
    ended = [(seg, k, word) for seg, shown in segments.items() for k, word in enumerate(shown[-1].words)]
    found = []
    for i, j in matches([normalise_word(word.text) for word in spoken], [word for _, _, word in ended]):
        segment, place, word = ended[j]
        end_s = spoken[i].end_s
        since = [shown for shown in segments[segment] if shown.at_s >= end_s - EARLY_S]
        low, high = max(0, place - 1), place + 2
        times = [
            next((shown.at_s for shown in since if word in shown.words[low : min(high, settled(shown))]), None)
            for settled in (lambda s: len(s.words), lambda s: s.stable, lambda s: s.committed)
        ]
        first, stable, committed = times
        if first is not None and stable is not None and committed is not None:
            found.append(Delay(first - end_s, stable - end_s, committed - end_s))
    return found


def final_lags(events: Sequence[Event]) -> list[float]:
    """Seconds from the end of each segment to its final caption."""
    return [event["emitted"] - event["end"] for event in captions(events) if event["state"] == "final"]


def amended(events: Sequence[Event]) -> tuple[int, int]:
    """(words the final did not keep, words) of the last stable prefix that each segment showed before its final."""
    lost = total = 0
    for shown in _timeline(events).values():
        if len(shown) < 2:
            continue
        stable = [word for word in shown[-2].words[: shown[-2].stable] if word]
        total += len(stable)
        lost += len(stable) - len(matches(stable, shown[-1].words))
    return lost, total


def measure(auricle: Auricle, data: Path, scratch: Path) -> Outcome:
    """Captions the strings as they would be live, but on the virtual clock. Nothing here is checked."""
    made = strings(utterances(data))
    if not made:
        return Outcome(left_out=[f"{PART}: all of it: no TIMIT clips in {data / 'speech'}"])
    paths = {string.name: write(scratch / f"emission-{string.name}.wav", string.samples) for string in made}
    events = auricle.events("transcribe", list(paths.values()), "--sounds", "off", "--partials")
    runs = [(string, events[paths[string.name]]) for string in made]
    measured = [delay for string, run in runs for delay in delays(run, string.words)]
    spoken = sum(len(string.words) for string in made)
    lags = [lag for _, run in runs for lag in final_lags(run)]
    changes = [amended(run) for _, run in runs]
    lost, stable = sum(change[0] for change in changes), sum(change[1] for change in changes)
    rate = error_rate((string.text, transcript(run)) for string, run in runs)

    named = {
        "word's end to first appearance": [delay.first_s for delay in measured],
        "word's end to stable": [delay.stable_s for delay in measured],
        "word's end to committed": [delay.committed_s for delay in measured],
        "segment's end to final": lags,
    }
    figures = [
        Figure(PART, f"{name}, p{percent}", float(np.percentile(values, percent)), "s")
        for name, values in named.items()
        if values
        for percent in (50, 95)
    ]
    seconds = sum(len(string.samples) for string in made) / SAMPLE_RATE_HZ
    note = f"{len(made)} strings, {spoken} words, {seconds:.0f} s"
    figures += [
        Figure(PART, "words measured", 100.0 * len(measured) / spoken, "%", note=note),
        Figure(PART, "stable words that the final amended", 100.0 * lost / stable if stable else 0.0, "%"),
        Figure(PART, "WER rolling, of the same strings", rate.percent, "%"),
    ]
    return Outcome(figures)
