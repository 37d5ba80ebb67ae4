"""Speech: word error rate of `auricle transcribe` on the speech set.

In: the 192 utterances of `speech/clips.tsv`. Out: the error rate whole, by source and without TIMIT; the same with
rolling captions, where what was committed before the end of a segment stays as it was.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from auricle import Auricle
from captions import taken_back, transcript
from clips import Utterance, utterances
from figures import Figure, Outcome
from wer import error_rate

PART = "speech"
REFERENCE = {
    "moonshine-tiny-en": {"whole set": 8.07, "TIMIT": 13.43, "all but TIMIT": 4.40},
    "moonshine-base-en": {"whole set": 4.89, "TIMIT": 8.53, "all but TIMIT": 2.39},
}
"""By model, each clip decoded whole: `benches/moonshine`."""
WHOLE_ABOVE = 1.0
"""Points that cutting clips by voice activity may cost."""


def groups(clips: list[Utterance]) -> dict[str, list[Utterance]]:
    """The whole set, TIMIT, all but TIMIT, and then the other sources in the order of the list."""
    result = {
        "whole set": clips,
        "TIMIT": [clip for clip in clips if clip.source == "TIMIT"],
        "all but TIMIT": [clip for clip in clips if clip.source != "TIMIT"],
    }
    for clip in clips:
        if clip.source != "TIMIT":
            result.setdefault(clip.source, []).append(clip)
    return {name: members for name, members in result.items() if members}


def rates(
    clips: list[Utterance],
    texts: Mapping[Path, str],
    mode: str,
    reference: Mapping[str, float] = MappingProxyType({}),
    at_most: float | None = None,
) -> list[Figure]:
    """WER figures of `texts` by group, beside a reference by group; only the whole set is bound."""
    figures = []
    for name, members in groups(clips).items():
        rate = error_rate((clip.text, texts[clip.path]) for clip in members)
        bound = at_most if name == "whole set" else None
        note = f"{len(members)} clips, {rate.words} words"
        figures.append(
            Figure(PART, f"WER{mode}, {name}", rate.percent, "%", reference.get(name), at_most=bound, note=note)
        )
    return figures


def measure(auricle: Auricle, data: Path, scratch: Path) -> Outcome:
    """Transcribes the set twice: as files, which is checked, and as rolling captions."""
    clips = utterances(data)
    if not clips:
        return Outcome(left_out=[f"{PART}: all of it: {data / 'speech' / 'clips.tsv'} is not there"])
    paths = [clip.path for clip in clips]
    whole = auricle.events("transcribe", paths, "--sounds", "off")
    rolling = auricle.events("transcribe", paths, "--sounds", "off", "--partials")
    reference = REFERENCE.get(auricle.models.get("transcribe", "moonshine-tiny-en"), {})
    at_most = reference["whole set"] + WHOLE_ABOVE if reference else None
    figures = rates(clips, {path: transcript(events) for path, events in whole.items()}, "", reference, at_most)
    figures += rates(clips, {path: transcript(events) for path, events in rolling.items()}, " rolling", reference)
    broken = sum(taken_back(events) for events in rolling.values())
    figures.append(Figure(PART, "captions that took back a committed word", broken, "", at_most=0, digits=0))
    return Outcome(figures)
