"""Ten sounds: top-1 of `auricle tag --model audio-transformer` on the fold of ESC-10 that the model did not learn from.

In: the 80 clips of fold 5. Out: the share whose class has the highest score, by the mean of a clip's scores.
"""

from pathlib import Path

import numpy as np
from auricle import Auricle, Failed
from clips import sound_clips
from figures import Figure, Outcome
from sounds import labels_of

PART = "ten sounds"
MODEL = "audio-transformer"
FOLD = "5"
"""Held out when the weights that are shipped were learned: models/audio-transformer/README.md."""
REFERENCE = 0.8875
"""PyTorch on the same clips: `evaluate` of that run."""
TOP1_AT_LEAST = REFERENCE - 0.5 / 80
"""Not one clip fewer."""
NAMES = {
    "chainsaw": "Chainsaw",
    "clock_tick": "Tick-tock",
    "crackling_fire": "Crackle",
    "crying_baby": "Baby cry, infant cry",
    "dog": "Dog",
    "helicopter": "Helicopter",
    "rain": "Rain",
    "rooster": "Crowing, cock-a-doodle-doo",
    "sea_waves": "Waves, surf",
    "sneezing": "Sneeze",
}
"""ESC-10 class -> the model's label."""


def measure(auricle: Auricle, data: Path, scratch: Path) -> Outcome:
    """Tags the fold; a clip's scores are the mean over its decisions of the probabilities."""
    clips = [clip for clip in sound_clips(data) if clip.fold == FOLD]
    if not clips:
        return Outcome(left_out=[f"{PART}: all of it: {data / 'esc10' / 'clips.tsv'} is not there"])
    tagger = Auricle(auricle.path, auricle.timeout_s, {"tag": MODEL})
    events = tagger.events("tag", [clip.path for clip in clips], "--scores")
    labels = labels_of(list(events.values()))
    if sorted(labels) != sorted(NAMES.values()):
        raise Failed(f"{MODEL}: its labels are {', '.join(labels)}; expected {', '.join(NAMES.values())}")
    right = 0
    for clip in clips:
        rows = [event["scores"] for event in events[clip.path] if event["type"] == "scores"]
        if not rows:
            raise Failed(f"auricle tag: no scores for {clip.path}")
        right += labels[int(np.mean(rows, axis=0, dtype=np.float64).argmax())] == NAMES[clip.label]
    note = f"{len(clips)} clips of fold {FOLD}"
    share = right / len(clips)
    return Outcome([Figure(PART, "top-1", share, "", REFERENCE, at_least=TOP1_AT_LEAST, digits=4, note=note)])
