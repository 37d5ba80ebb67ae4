"""Quiet speech: how much of what is said faintly falls inside a speech segment.

In: the speech set, every clip scaled to -35 dBFS RMS. Out: the share of TIMIT's marked words that lie in a segment;
for the other clips, which have no word times, the share of their loud frames.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from auricle import Auricle
from captions import Segment, segments
from clips import SAMPLE_RATE_HZ, Samples, Utterance, Word, at_level, read, utterances, write
from figures import Figure, Outcome

PART = "quiet"
LEVEL_DBFS = -35.0
WORDS_AT_LEAST = 95.0
FRAME_SAMPLES, HOP_SAMPLES = 400, 160
ACTIVE_DB = 30.0


@dataclass(frozen=True)
class Coverage:
    """How many of `total` things lie in a segment."""

    total: int = 0
    inside: int = 0

    def __add__(self, other: "Coverage") -> "Coverage":
        """Both counts of both."""
        return Coverage(self.total + other.total, self.inside + other.inside)

    @property
    def percent(self) -> float:
        """100 inside / total; not a number where there is nothing to cover."""
        return 100.0 * self.inside / self.total if self.total else float("nan")


def instants_inside(instants_s: Iterable[float], spans: Sequence[Segment]) -> Coverage:
    """How many instants lie in a segment, its ends included."""
    hits = [any(start <= instant <= end for start, end in spans) for instant in instants_s]
    return Coverage(len(hits), sum(hits))


def words_by_midpoint(words: Sequence[Word], spans: Sequence[Segment]) -> Coverage:
    """How many words have the middle between their start and end in a segment."""
    return instants_inside(((word.start_s + word.end_s) / 2.0 for word in words), spans)


def words_wholly(words: Sequence[Word], spans: Sequence[Segment]) -> Coverage:
    """How many words lie in one segment from start to end."""
    hits = [any(start <= word.start_s and word.end_s <= end for start, end in spans) for word in words]
    return Coverage(len(hits), sum(hits))


def loud_instants(samples: Samples) -> npt.NDArray[np.float64]:
    """Middles, in seconds, of the 25 ms frames (every 10 ms) within 30 dB of the clip's level when it is loud.

    That level is the 95th percentile of the frames' RMS, so the result does not depend on the clip's gain. It takes in
    breath and misses soft fricatives: a stand-in for word times, not a truth.
    """
    if len(samples) < FRAME_SAMPLES:
        return np.empty(0)
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME_SAMPLES)[::HOP_SAMPLES]
    level = np.sqrt(np.mean(np.square(frames), axis=1))
    loud = np.flatnonzero((level > 0.0) & (level >= np.percentile(level, 95.0) * 10.0 ** (-ACTIVE_DB / 20.0)))
    return (loud * HOP_SAMPLES + FRAME_SAMPLES / 2) / SAMPLE_RATE_HZ


def _total(parts: Iterable[Coverage]) -> Coverage:
    return sum(parts, Coverage())


def measure(auricle: Auricle, data: Path, scratch: Path) -> Outcome:
    """Transcribes the scaled set with the settings of the speech part and looks only at the segments."""
    clips = utterances(data)
    if not clips:
        return Outcome(left_out=[f"{PART}: all of it: {data / 'speech' / 'clips.tsv'} is not there"])
    scaled = {
        clip: write(scratch / f"quiet-{k}.wav", at_level(read(clip.path), LEVEL_DBFS)) for k, clip in enumerate(clips)
    }
    events = auricle.events("transcribe", list(scaled.values()), "--sounds", "off")
    spans = {clip: segments(events[path]) for clip, path in scaled.items()}
    marked: dict[Utterance, list[Word]] = {clip: words for clip in clips if (words := clip.words())}
    loud = {clip: instants_inside(loud_instants(read(clip.path)), spans[clip]) for clip in clips}

    middle = _total(words_by_midpoint(words, spans[clip]) for clip, words in marked.items())
    wholly = _total(words_wholly(words, spans[clip]) for clip, words in marked.items())
    frames_marked = _total(loud[clip] for clip in marked)
    frames_other = _total(cover for clip, cover in loud.items() if clip not in marked)
    outcome = Outcome()
    if marked:
        note = f"{middle.total} words, {len(marked)} clips"
        outcome.figures += [
            Figure(PART, "TIMIT words in a segment", middle.percent, "%", at_least=WORDS_AT_LEAST, note=note),
            Figure(PART, "TIMIT words wholly in a segment", wholly.percent, "%"),
            Figure(PART, "loud frames in a segment, TIMIT", frames_marked.percent, "%"),
        ]
    else:
        outcome.left_out.append(f"{PART}: words in a segment: no clip in {data / 'speech'} has a .words.tsv")
    if frames_other.total:
        note = f"{len(clips) - len(marked)} clips without word times"
        outcome.figures.append(
            Figure(PART, "loud frames in a segment, all but TIMIT", frames_other.percent, "%", note=note)
        )
    return outcome
