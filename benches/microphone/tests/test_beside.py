"""What capture costs, word by word, and what a recording of several strings has in it."""

from typing import Any

import numpy as np
import pytest
from beside import capture_s, costs, middle
from clips import SAMPLE_RATE_HZ, Word
from emission import String
from material import recording

FIELDS = ["unit", "text", "start_s", "end_s", "first_s"]


def ran(rows: list[list[Any]], **more: float | None) -> dict[str, Any]:
    return {"fields": FIELDS, "rows": rows, **more}


def test_words_are_compared_with_themselves_and_only_where_both_came() -> None:
    file = ran([[0, "in", 0.5, 1.0, 1.2], [0, "the", 1.0, 1.5, None], [1, "end", 1.5, 2.0, 2.5]])
    microphone = ran([[0, "in", 3.5, 4.0, 4.3], [0, "the", 4.0, 4.5, 4.6], [1, "end", 4.5, 5.0, 5.4]])
    assert costs(microphone, file, "first") == {0: [pytest.approx(0.1)], 1: [pytest.approx(-0.1)]}
    with pytest.raises(ValueError):
        costs(microphone, ran(file["rows"][:2]), "first")


def test_an_interval_is_as_wide_as_utterances_differ() -> None:
    value, low, high = middle({unit: [0.02] * 10 for unit in range(8)})
    assert (value, low, high) == pytest.approx((0.02, 0.02, 0.02))
    value, low, high = middle({unit: [0.02 + 0.01 * (unit % 4)] * 10 for unit in range(8)})
    assert low < value < high and high - low < 0.03


def test_the_error_of_word_times_is_taken_off() -> None:
    """Captions' words 30 ms late in both runs; due 50 ms after they left the sink."""
    assert capture_s(ran([], auto_s=3.08, offset_s=3.0), ran([], auto_s=0.03)) == pytest.approx(0.05)
    assert capture_s(ran([], auto_s=None, offset_s=3.0), ran([], auto_s=0.03)) is None


def test_strings_are_one_recording_with_all_their_words() -> None:
    half = np.full(SAMPLE_RATE_HZ, 0.5)
    first = String("a-0", half, [Word(0.25, 0.75, "one")], "one")
    second = String("b-0", np.array([-1.0, 1.0]), [Word(0.0, 0.0001, "two")], "two")
    samples, words = recording([first, second], 1)
    at = [round(words[0].start_s * SAMPLE_RATE_HZ) - 4000, round(words[1].start_s * SAMPLE_RATE_HZ)]
    assert [word.text for word in words] == ["one", "two"]
    assert words[0].end_s - words[0].start_s == pytest.approx(0.5)
    assert samples[at[0] :][:SAMPLE_RATE_HZ].tolist() == [16384] * SAMPLE_RATE_HZ
    assert samples[at[1] :].tolist() == [-32768, 32767]
    pause = samples[at[0] + SAMPLE_RATE_HZ : at[1]]
    assert 0 < len(pause) < 0.3 * SAMPLE_RATE_HZ and 0 < np.max(np.abs(pause)) < 50
    # The same every time, and otherwise with another seed.
    assert np.array_equal(recording([first, second], 1)[0], samples)
    assert len(recording([first, second], 2)[0]) != len(samples)
