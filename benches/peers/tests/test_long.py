"""Long recordings: nothing of the clips is lost, and there is a pause after each."""

from pathlib import Path

import numpy as np
import soundfile
from clips import SAMPLE_RATE_HZ, Utterance, write
from long import LENGTH_S, PAUSE_S, recordings


def test_clips_are_strung_together_in_their_order(tmp_path: Path) -> None:
    """Two of 200 s fill a recording; the third is left for another."""
    length = 200 * SAMPLE_RATE_HZ
    clips = []
    for k, level in enumerate((0.1, 0.2, 0.3)):
        path = write(tmp_path / f"{k}.wav", np.full(length, level))
        clips.append(Utterance(path, f"clip {k}", "made"))
    made = recordings(clips, tmp_path)
    assert [recording.text for recording in made] == ["clip 0 clip 1", "clip 2"]
    samples, rate_hz = soundfile.read(made[0].path)
    pause = round(PAUSE_S * SAMPLE_RATE_HZ)
    assert rate_hz == SAMPLE_RATE_HZ and len(samples) == 2 * (length + pause) >= LENGTH_S * SAMPLE_RATE_HZ
    assert np.allclose(samples[length + pause : -pause], 0.2)
    assert 0 < np.abs(samples[-pause:]).max() < 1e-3
