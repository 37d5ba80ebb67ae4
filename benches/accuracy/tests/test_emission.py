"""Delays of words whose appearance is written out by hand."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from auricle import Event
from clips import Utterance, Word
from emission import amended, delays, final_lags, strings

SPOKEN = [Word(0.0, 0.5, "she"), Word(0.5, 1.0, "had"), Word(1.0, 2.0, "don't")]


def caption(
    emitted: float, text: str, committed: int = 0, stable: int = 0, segment: int = 0, final: bool = False
) -> Event:
    """One caption whose first words are committed and stable."""
    words = text.split()
    return {
        "type": "caption",
        "segment": segment,
        "state": "final" if final else "partial",
        "text": text,
        "committed": " ".join(words[:committed]),
        "stable": " ".join(words[:stable]),
        "emitted": emitted,
        "end": emitted - 0.3,
    }


def test_first_stable_and_committed_are_each_the_first_time() -> None:
    """Case and punctuation differ between captions; a final settles what is left."""
    events = [
        caption(0.7, "She"),
        caption(1.0, "She add", stable=1),
        caption(1.3, "She had", committed=1, stable=1),
        caption(1.6, "She had do", committed=1, stable=2),
        caption(2.2, "She had don't,", committed=2, stable=2),
        caption(2.8, "She had don't.", final=True),
    ]
    found = [(delay.first_s, delay.stable_s, delay.committed_s) for delay in delays(events, SPOKEN)]
    assert found == [
        pytest.approx((0.2, 0.5, 0.8)),
        pytest.approx((0.3, 0.6, 1.2)),
        pytest.approx((0.2, 0.8, 0.8)),
    ]


def test_a_word_wrong_in_the_end_has_no_delay() -> None:
    """Though it was right for a while."""
    events = [caption(0.7, "she had"), caption(1.2, "she hat", final=True)]
    assert len(delays(events, SPOKEN)) == 1


def test_the_same_word_said_before_is_not_this_one() -> None:
    """`had` at 0.2 s cannot be the `had` that ends at 1.0; the caption at 1.1 s is its first."""
    events = [caption(0.2, "she had"), caption(1.1, "she had"), caption(2.0, "she had", final=True)]
    assert delays(events, SPOKEN)[1].first_s == pytest.approx(0.1)


def test_a_word_one_place_off_is_still_seen() -> None:
    """A word lost before it moves it by one; two places off is another word."""
    near = [caption(1.1, "had"), caption(2.0, "she had", final=True)]
    far = [caption(1.1, "oh well she had"), caption(2.0, "she had", final=True)]
    assert delays(near, SPOKEN)[1].first_s == pytest.approx(0.1)
    assert delays(far, SPOKEN)[1].first_s == pytest.approx(1.0)


def test_places_are_counted_in_the_segment() -> None:
    """The second segment's words are found whatever happened to the length of the first."""
    events = [
        caption(0.9, "she is on", segment=0),
        caption(1.5, "had", segment=1, committed=1, stable=1),
        caption(1.6, "she", segment=0, final=True),
        caption(1.8, "had", segment=1, final=True),
    ]
    assert [delay.committed_s for delay in delays(events, SPOKEN)] == pytest.approx([1.1, 0.5])


def test_amended_words_are_those_the_final_lost() -> None:
    """Two of three stable words stay; a word put in between amends none."""
    assert amended([caption(1.0, "she had done", stable=3), caption(2.0, "She had gone.", final=True)]) == (1, 3)
    assert amended([caption(1.0, "she had", stable=2), caption(2.0, "well she had", final=True)]) == (0, 2)
    assert amended([caption(2.0, "she had", final=True)]) == (0, 0)


def test_final_lag_is_from_the_end_of_the_segment() -> None:
    """Partials have none."""
    assert final_lags([caption(1.0, "she"), caption(2.0, "she had", final=True)]) == [pytest.approx(0.3)]


def test_word_times_move_with_their_clips(tmp_path: Path) -> None:
    """Words of every clip land on the sample where their clip was put; no clip's level is changed."""
    clips = []
    for k in range(4):
        path = tmp_path / f"timit-dr1-x_{k}.flac"
        burst = np.zeros(16_000)
        burst[4_800:8_000] = 0.1 * (k + 1)
        soundfile.write(path, burst, 16_000)
        path.with_suffix(".words.tsv").write_text(f"0.3\t0.5\tword{k}\n")
        clips.append(Utterance(path, f"Word{k}.", "TIMIT"))
    made = strings(clips)
    assert [string.text for string in made] == ["Word0. Word1. Word2."], "a fourth clip alone makes no string"
    assert np.array_equal(made[0].samples, strings(clips)[0].samples)
    for k, word in enumerate(made[0].words):
        inside = made[0].samples[round(word.start_s * 16_000) : round(word.end_s * 16_000)]
        assert inside == pytest.approx(np.full(3_200, 0.1 * (k + 1)), abs=1e-4)
