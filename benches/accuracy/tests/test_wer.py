"""Word error rate on sentences whose errors can be counted by hand."""

import math

from wer import error_rate, matches, normalise, normalise_word


def test_spelling_case_and_numbers_are_no_errors() -> None:
    """What Whisper's normaliser makes equal costs nothing."""
    rate = error_rate([("Colour the twenty two Armchairs, don't you?", "color the 22 armchairs do not you")])
    assert (rate.errors, rate.words) == (0, 7)


def test_each_kind_of_error_counts_once() -> None:
    """A substitution, a deletion and an insertion over six words."""
    rate = error_rate([("the cat sat on the mat", "the dog sat on mat today")])
    assert (rate.errors, rate.words) == (3, 6)
    assert rate.percent == 50.0


def test_errors_are_pooled_over_words_not_averaged_over_clips() -> None:
    """One wrong word of one and none of nine: 10 %, not 50 %."""
    rate = error_rate(
        [("yes", "no"), ("one red fox ran over the lazy old dog", "one red fox ran over the lazy old dog")]
    )
    assert math.isclose(rate.percent, 10.0)


def test_an_empty_hypothesis_is_all_deletions() -> None:
    """Saying nothing is wrong on every word."""
    assert error_rate([("followed by the pound key", "")]).percent == 100.0


def test_a_reference_without_words_is_left_out() -> None:
    """A clip of a cough has nothing to be measured on, and no clips give no rate."""
    assert error_rate([("[coughs]", "hello"), ("yes", "yes")]).words == 1
    assert math.isnan(error_rate([("(laughs)", "ha")]).percent)


def test_words_keep_their_places() -> None:
    """A word that normalises to several stays one; punctuation alone becomes empty."""
    assert normalise("Don't!") == "do not"
    assert normalise_word("Don't!") == "donot"
    assert normalise_word("--") == ""


def test_alignment_gives_the_places_left_as_they_are() -> None:
    """`quick` replaced, `old` inserted; empty words match nothing."""
    assert matches(["the", "quick", "fox"], ["the", "slow", "old", "fox"]) == [(0, 0), (2, 3)]
    assert matches(["", "fox"], ["", "fox"]) == [(1, 1)]
    assert matches([], ["fox"]) == []
