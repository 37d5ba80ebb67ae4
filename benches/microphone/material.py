"""What is played: strings of utterances one after another, as one recording.

In: strings with their words. Out: 16-bit samples, which a sound server passes on to the bit, and all words in
their time.
"""

from collections.abc import Sequence

import numpy as np
from clips import SAMPLE_RATE_HZ, Word
from emission import String
from instants import Pcm


def recording(made: Sequence[String]) -> tuple[Pcm, list[Word]]:
    """All strings one after another, 16-bit samples [n], and their words."""
    words, at = list[Word](), 0
    for string in made:
        offset_s = at / SAMPLE_RATE_HZ
        words += [Word(word.start_s + offset_s, word.end_s + offset_s, word.text) for word in string.words]
        at += len(string.samples)
    samples = np.concatenate([string.samples for string in made])
    return np.clip(np.round(samples * 32768.0), -32768, 32767).astype(np.int16), words
