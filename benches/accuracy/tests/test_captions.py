"""Captions and segments read out of hand-made events."""

from auricle import Event
from captions import segments, taken_back, transcript, words_shown


def caption(segment: int, state: str, text: str, committed: str = "") -> Event:
    """One caption event."""
    return {"type": "caption", "segment": segment, "state": state, "text": text, "committed": committed}


def test_a_transcript_is_the_finals_in_the_order_of_segments() -> None:
    """Partials and other events are not in it, and a final that comes late keeps its place."""
    events = [
        caption(0, "partial", "hello wor"),
        caption(1, "final", "Good bye."),
        {"type": "sound", "state": "start", "label": "Dog"},
        caption(0, "final", "Hello world."),
    ]
    assert transcript(events) == "Hello world. Good bye."


def test_words_shown_are_counted_even_if_withdrawn() -> None:
    """A partial of three words counts though its final is empty."""
    events = [caption(0, "partial", "thank you all"), caption(0, "final", ""), caption(1, "final", "bye")]
    assert words_shown(events) == 4
    assert words_shown([]) == 0


def test_a_kept_promise_is_not_counted() -> None:
    """Committed grows, and the text behind it may change."""
    events = [
        caption(0, "partial", "a cat", "a"),
        caption(0, "partial", "a cap on", "a cap"),
        caption(0, "final", "a cap is"),
    ]
    assert taken_back(events) == 0


def test_each_broken_promise_is_counted() -> None:
    """Committed words withdrawn, not in their own text, or not in the final."""
    assert taken_back([caption(0, "partial", "a cat", "a cat"), caption(0, "partial", "a cat", "a")]) == 1
    assert taken_back([caption(0, "partial", "the cat", "a")]) == 1
    assert taken_back([caption(0, "partial", "a cat", "a"), caption(0, "final", "the cat")]) == 1
    assert taken_back([caption(0, "partial", "a cat", "a"), caption(1, "final", "the cat")]) == 0


def test_segments_are_the_ends_of_speech() -> None:
    """A start that is still open is no segment."""
    events = [
        {"type": "speech", "state": "start", "start": 0.5},
        {"type": "speech", "state": "end", "start": 0.5, "end": 2.0},
        {"type": "speech", "state": "start", "start": 3.0},
    ]
    assert segments(events) == [(0.5, 2.0)]
