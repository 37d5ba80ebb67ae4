"""Long recordings made of the clips: what `transcribe` is for, and where an engine may read several segments at once.

In: clips with their texts. Out: recordings of about five minutes, each with all that is said in it.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from clips import SAMPLE_RATE_HZ, Samples, Utterance, read, write

LENGTH_S = 300.0
PAUSE_S = 0.7
"""Between two clips; every engine that looks for pauses finds it with the settings that it is given here."""
FLOOR_RMS = 1e-4
"""A floor of -80 dBFS, as no microphone gives digital silence."""


def recordings(clips: Sequence[Utterance], folder: Path) -> list[Utterance]:
    """The clips in their order, as recorded, in files in `folder`; what is left at the end is a shorter recording."""
    rng = np.random.default_rng(1)
    made: list[Utterance] = []
    parts: list[Samples] = []
    texts: list[str] = []
    for k, clip in enumerate(clips):
        pause = rng.standard_normal(round(PAUSE_S * SAMPLE_RATE_HZ)) * FLOOR_RMS
        parts += [read(clip.path), pause]
        texts.append(clip.text)
        if sum(map(len, parts)) >= LENGTH_S * SAMPLE_RATE_HZ or k + 1 == len(clips):
            path = write(folder / f"long-{len(made) + 1}.wav", np.concatenate(parts))
            made.append(Utterance(path, " ".join(texts), "strung together"))
            parts, texts = [], []
    return made
