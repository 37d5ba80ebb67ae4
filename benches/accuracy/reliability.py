"""Reliability: whether a word's probability is how often such words are right, and what marking doubtful ones brings.

In: the speech set and its texts. Out: the expected calibration error, the reliability curve, and of the words below a
threshold how many are wrong, and how many of the wrong words those are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from auricle import Auricle, Event
from captions import timed_words
from clips import Utterance, utterances
from figures import Figure, Outcome
from wer import right_words

PART = "reliability"
BINS = 10
DOUBTFUL_BELOW = (0.5, 0.7)


@dataclass(frozen=True)
class Judged:
    """A word of a final caption: the probability it was told with, and whether it is right."""

    probability: float
    right: bool


@dataclass(frozen=True)
class Bin:
    """The words whose probability is from `low` to below `high`: how many, their mean probability, the share right."""

    low: float
    high: float
    words: int
    probability: float
    right: float


def judged(events: Sequence[Event], reference: str) -> list[Judged]:
    """The words of a file's final captions against what was said in it; punctuation alone is no word."""
    told = timed_words(events)
    verdicts = right_words(reference, [word["text"] for word in told])
    return [Judged(word["probability"], right) for word, right in zip(told, verdicts, strict=True) if right is not None]


def curve(words: Sequence[Judged]) -> list[Bin]:
    """Ten bins of equal width, those without words left out; a probability of 1 is in the last."""
    result = []
    for k in range(BINS):
        inside = [word for word in words if min(int(word.probability * BINS), BINS - 1) == k]
        if inside:
            mean = float(np.mean([word.probability for word in inside]))
            right = float(np.mean([word.right for word in inside]))
            result.append(Bin(k / BINS, (k + 1) / BINS, len(inside), mean, right))
    return result


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error: the mean over words of how far their bin's probability is from its share right."""
    return sum(b.words * abs(b.probability - b.right) for b in bins) / sum(b.words for b in bins)


def heard(auricle: Auricle, clips: Sequence[Utterance], *options: str) -> list[Judged]:
    """The words of all clips, transcribed as files, judged; none where captions have no words."""
    events = auricle.events("transcribe", [clip.path for clip in clips], "--sounds", "off", *options)
    return [word for clip in clips for word in judged(events[clip.path], clip.text)]


def figures(words: Sequence[Judged]) -> list[Figure]:
    """The figures of judged words, of which there is at least one. Nothing is bound."""
    bins = curve(words)
    wrong = sum(not word.right for word in words)
    result = [
        Figure(PART, "words wrong", 100.0 * wrong / len(words), "%", note=f"{len(words)} words"),
        Figure(PART, "expected calibration error", 100.0 * calibration_error(bins), "%"),
    ]
    for b in bins:
        note = f"{b.words} words, mean probability {100.0 * b.probability:.1f} %"
        result.append(
            Figure(PART, f"right at probability {b.low:.1f} to {b.high:.1f}", 100.0 * b.right, "%", note=note)
        )
    for threshold in DOUBTFUL_BELOW:
        marked = [word for word in words if word.probability < threshold]
        caught = sum(not word.right for word in marked)
        name = f"marked below {threshold:g}"
        share = 100.0 * len(marked) / len(words)
        result.append(Figure(PART, f"{name}: of all words", share, "%", note=f"{len(marked)} words"))
        if marked:
            result.append(Figure(PART, f"{name}: of them wrong", 100.0 * caught / len(marked), "%"))
        if wrong:
            result.append(Figure(PART, f"{name}: of the wrong words", 100.0 * caught / wrong, "%"))
    return result


def measure(auricle: Auricle, data: Path, scratch: Path) -> Outcome:
    """Transcribes the set with the default model. Nothing here is checked."""
    clips = utterances(data)
    if not clips:
        return Outcome(left_out=[f"{PART}: all of it: {data / 'speech' / 'clips.tsv'} is not there"])
    words = heard(auricle, clips)
    if not words:
        return Outcome(left_out=[f"{PART}: all of it: no caption has words; the model may not tell them"])
    return Outcome(figures(words))
