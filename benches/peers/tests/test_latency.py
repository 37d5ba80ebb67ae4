"""Appearances of words whose history is written out by hand."""

import math

import pytest
from auricle import Event
from clips import Word
from latency import appearances, flips, percentile

SPOKEN = [Word(0.0, 0.5, "she"), Word(0.5, 1.0, "had"), Word(1.0, 2.0, "don't")]


def caption(emitted: float, text: str, final: bool = False, segment: int = 0) -> Event:
    """One caption of an engine that tells nothing else."""
    state = "final" if final else "partial"
    return {"type": "caption", "segment": segment, "state": state, "text": text, "emitted": emitted}


def test_first_lasting_and_final() -> None:
    """`had` came, went and came back; `don't` is missing from the end."""
    events = [caption(0.7, "She"), caption(1.2, "She had"), caption(1.6, "She hat"), caption(2.1, "She had,")]
    events += [caption(2.9, "She had done.", final=True)]
    she, had, dont = appearances(events, SPOKEN)
    assert she is not None and had is not None and dont is None
    assert (she.first_s, she.lasting_s, she.final_s) == pytest.approx((0.2, 0.2, 2.4))
    assert (had.first_s, had.lasting_s, had.final_s) == pytest.approx((0.2, 1.1, 1.9))


def test_a_word_one_place_off_is_still_there() -> None:
    events = [caption(1.1, "oh she had"), caption(2.5, "she had don't", final=True)]
    _, had, _ = appearances(events, SPOKEN)
    assert had is not None and had.lasting_s == pytest.approx(0.1)


def test_the_same_word_said_before_is_not_this_one() -> None:
    """At 0.2 s `had` cannot be the one that ends at 1.0 s."""
    events = [caption(0.2, "she had"), caption(1.1, "she had"), caption(2.0, "she had", final=True)]
    _, had, _ = appearances(events, SPOKEN)
    assert had is not None and had.first_s == pytest.approx(0.1)


def test_segments_are_told_apart() -> None:
    """A text of another segment takes nothing back."""
    events = [caption(0.6, "she"), caption(1.2, "had", segment=1), caption(1.3, "she", final=True)]
    events += [caption(1.4, "had", final=True, segment=1)]
    she, had, _ = appearances(events, SPOKEN)
    assert she is not None and she.lasting_s == pytest.approx(0.1)
    assert had is not None and had.final_s == pytest.approx(0.4)
    assert flips(events) == 0


def test_flips_count_what_was_changed_or_removed() -> None:
    events = [caption(1.0, "she hat a"), caption(1.3, "she had"), caption(1.6, "she had it", final=True)]
    assert flips(events) == 2


def test_words_never_seen_are_infinitely_late() -> None:
    values = [0.1, 0.2, 0.3, 0.4]
    assert percentile(values, 50, total=8) == pytest.approx(0.4)
    assert math.isinf(percentile(values, 80, total=8))
    assert percentile(values, 50) == pytest.approx(0.25)
    assert math.isnan(percentile([], 50))
