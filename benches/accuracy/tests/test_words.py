"""Errors of word times, from events written out by hand."""

from pathlib import Path

import pytest
import run
from auricle import Auricle, Event
from clips import Word
from figures import misses
from test_run import HEARD, measured, program, speech_set
from word_times import Error, disordered, errors, figures, measure

SPOKEN = [Word(0.1, 0.5, "she"), Word(0.5, 1.0, "had"), Word(1.0, 2.0, "don't")]


def final(segment: int, *words: tuple[str, float, float]) -> Event:
    """A final caption with the times of its words."""
    told = [{"text": text, "start": start, "end": end, "probability": 0.9} for text, start, end in words]
    text = " ".join(word["text"] for word in told)
    return {"type": "caption", "segment": segment, "state": "final", "text": text, "words": told}


def test_a_late_word_has_a_positive_error() -> None:
    """Case and punctuation do not matter, and the words of several segments count on."""
    events = [final(0, ("She", 0.15, 0.45)), final(1, ("had", 0.5, 1.1), ("don't.", 0.9, 2.0))]
    found = [(error.start_s, error.end_s) for error in errors(events, SPOKEN)]
    assert found == [pytest.approx((0.05, -0.05)), pytest.approx((0.0, 0.1)), pytest.approx((-0.1, 0.0))]


def test_a_wrong_word_has_no_error() -> None:
    """And one put in between moves no other."""
    assert len(errors([final(0, ("she", 0.1, 0.5), ("well", 0.5, 0.6), ("hat", 0.6, 1.0))], SPOKEN)) == 1


def test_partials_do_not_count() -> None:
    """Only what stays is measured."""
    assert errors([final(0, ("she", 0.1, 0.5)) | {"state": "partial"}], SPOKEN) == []


def test_words_out_of_order_are_counted() -> None:
    """A word that ends before it starts, and one that starts inside the word before; touching is in order."""
    assert disordered([final(0, ("a", 0.0, 0.5), ("b", 0.5, 0.7), ("c", 0.7, 0.6))]) == 1
    assert disordered([final(0, ("a", 0.0, 0.5)), final(1, ("b", 0.4, 0.7), ("c", 0.7, 0.9))]) == 1
    assert disordered([final(0, ("a", 0.0, 0.5), ("b", 0.5, 0.5))]) == 0


def test_the_medians_are_bound() -> None:
    """Starts off by 0.02 s pass and ends off by 0.1 s do not; one word of two was measured."""
    made = figures("clips", [Error(-0.02, 0.1), Error(0.02, 0.1), Error(0.02, -0.1)], 6)
    assert misses(made) == ["words: clips: word's end, median error: 0.100 s, must be at most 0.08 s"]
    values = {figure.name: figure.value for figure in made}
    assert values["clips: words measured"] == 50.0
    assert values["clips: word's start, median with its sign"] == pytest.approx(0.02)
    assert values["clips: word's start, within 0.08 s"] == 100.0
    assert values["clips: word's end, within 0.08 s"] == 0.0


def test_a_made_set(tmp_path: Path) -> None:
    """`two` is told at its place and `words` 0.1 s late at both ends."""
    event = final(0, ("two", 0.1, 0.5), ("words", 0.6, 1.0)) | {"end": 1.0, "emitted": 1.0}
    arguments = ["--auricle", str(program(tmp_path, [event])), "--data", str(speech_set(tmp_path)), "--check"]
    assert run.main([*arguments, "--only", "words", "--json", str(tmp_path / "figures.json")]) == 0
    values = measured(tmp_path / "figures.json")
    assert values["clips: word's start, median error"] == pytest.approx(0.05)
    assert values["clips held out: words measured"] == 100.0, "no clip of the speakers that heads were chosen on"
    assert values["clips: word's end, p95"] == pytest.approx(0.095)
    assert values["words out of order"] == 0


def test_a_model_without_words_is_left_out(tmp_path: Path) -> None:
    """Nothing is measured, and it is said."""
    outcome = measure(Auricle(program(tmp_path, HEARD)), speech_set(tmp_path), tmp_path)
    assert outcome.figures == []
    assert outcome.left_out == ["words: all of it: no caption has words with times; the model may not tell them"]
