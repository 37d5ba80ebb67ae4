"""Coverage by segments of words and frames that lie where the test puts them."""

import math

import numpy as np
import pytest
from clips import Word, at_level, rms
from quiet import Coverage, instants_inside, loud_instants, words_by_midpoint, words_wholly

WORDS = [Word(0.0, 0.4, "one"), Word(0.4, 1.0, "two"), Word(1.0, 1.5, "three"), Word(2.0, 2.4, "four")]


def test_a_word_counts_by_its_middle() -> None:
    """Middles 0.2, 0.7, 1.25, 2.2: the segments hold two of them, their ends included."""
    assert words_by_midpoint(WORDS, [(0.3, 1.2), (2.2, 2.3)]) == Coverage(total=4, inside=2)


def test_wholly_needs_one_segment_from_start_to_end() -> None:
    """`two` lies in the first, `three` is cut between two segments that touch."""
    assert words_wholly(WORDS, [(0.4, 1.2), (1.2, 2.4)]) == Coverage(total=4, inside=2)
    assert words_wholly(WORDS, []) == Coverage(total=4, inside=0)


def test_coverages_add_up() -> None:
    """Pooled over clips; nothing to cover is not a number, which keeps no bound."""
    assert (Coverage(3, 1) + Coverage(1, 1)).percent == 50.0
    assert math.isnan(Coverage().percent)


def test_loud_frames_are_where_the_tone_is_at_any_gain() -> None:
    """A tone from 0.5 to 1.0 s over faint noise: only frames that touch it, whatever the level."""
    rng = np.random.default_rng(2)
    time = np.arange(24_000) / 16_000
    tone = np.where((time >= 0.5) & (time < 1.0), np.sin(2.0 * np.pi * 300.0 * time), 0.0)
    clip = tone + 1e-4 * rng.standard_normal(len(time))
    instants = loud_instants(clip)
    assert instants.min() == pytest.approx(0.5, abs=0.0125)
    assert instants.max() == pytest.approx(1.0, abs=0.0125)
    assert np.array_equal(instants, loud_instants(at_level(clip, -35.0)))
    assert instants_inside(instants, [(0.0, 0.75)]).percent == pytest.approx(50.0, abs=1.5)


def test_nothing_is_loud_in_silence_or_in_less_than_a_frame() -> None:
    """Digital silence has no loud frame, not all of them."""
    assert len(loud_instants(np.zeros(16_000))) == 0
    assert len(loud_instants(np.ones(399))) == 0


def test_level_is_rms_over_the_whole_clip() -> None:
    """Half a second of full-scale square wave and half of silence is -3 dBFS, and is scaled from there."""
    clip = np.concatenate([np.tile([1.0, -1.0], 4_000), np.zeros(8_000)])
    assert 20.0 * math.log10(rms(clip)) == pytest.approx(-3.0103, abs=1e-4)
    assert 20.0 * math.log10(rms(at_level(clip, -35.0))) == pytest.approx(-35.0)
    with pytest.raises(ValueError, match="silence"):
        at_level(np.zeros(8), -35.0)
