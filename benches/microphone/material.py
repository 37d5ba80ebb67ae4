"""What is played: strings of utterances one after another, as one recording.

In: strings with their words. Out: 16-bit samples, which a sound server passes on to the bit, and all words in
their time.
"""

from collections.abc import Sequence

import numpy as np
from clips import SAMPLE_RATE_HZ, Samples, Word
from emission import FLOOR_RMS, String
from instants import Pcm

LONGEST_PAUSE_S = 0.3
"""About as long as from one reading to the next."""


def recording(made: Sequence[String], seed: int) -> tuple[Pcm, list[Word]]:
    """All strings one after another, 16-bit samples [n], and their words.

    Before each string is a pause of up to 0.3 s, drawn by `seed`. Where in the windows of the detector and in the
    rhythm of the readings a sentence begins is luck; with another seed it is another one, string by string.
    """
    rng = np.random.default_rng(seed)
    words, parts, at = list[Word](), list[Samples](), 0
    for string in made:
        pause = rng.standard_normal(int(rng.integers(round(LONGEST_PAUSE_S * SAMPLE_RATE_HZ)))) * FLOOR_RMS
        at += len(pause)
        offset_s = at / SAMPLE_RATE_HZ
        words += [Word(word.start_s + offset_s, word.end_s + offset_s, word.text) for word in string.words]
        parts += [pause, string.samples]
        at += len(string.samples)
    return np.clip(np.round(np.concatenate(parts) * 32768.0), -32768, 32767).astype(np.int16), words
