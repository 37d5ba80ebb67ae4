"""Reading captions and segments out of a file's events.

In: the events of one file, in order. Out: its transcript, its speech segments, and what was promised and not kept.
"""

from collections.abc import Iterable, Sequence

from auricle import Event

Segment = tuple[float, float]
"""Start and end of a speech segment, seconds in the file."""


def captions(events: Iterable[Event]) -> list[Event]:
    """The caption events, in order."""
    return [event for event in events if event["type"] == "caption"]


def transcript(events: Iterable[Event]) -> str:
    """The text of the final captions, in the order of their segments."""
    finals = [event for event in captions(events) if event["state"] == "final"]
    return " ".join(event["text"] for event in sorted(finals, key=lambda event: event["segment"]))


def words_shown(events: Iterable[Event]) -> int:
    """Words a reader got to see: of each segment the most words any of its captions had, partial or final."""
    most: dict[int, int] = {}
    for event in captions(events):
        most[event["segment"]] = max(most.get(event["segment"], 0), len(event["text"].split()))
    return sum(most.values())


def taken_back(events: Iterable[Event]) -> int:
    """Captions that broke the promise of `committed`: not a prefix of their own text, or of less than was committed."""
    committed: dict[int, str] = {}
    broken = 0
    for event in captions(events):
        now, before = event.get("committed", ""), committed.get(event["segment"], "")
        kept = event["text"] if event["state"] == "final" else now
        broken += not event["text"].startswith(now) or not kept.startswith(before)
        committed[event["segment"]] = now
    return broken


def segments(events: Sequence[Event]) -> list[Segment]:
    """Speech segments from the `speech` end events, which carry both times."""
    return [(e["start"], e["end"]) for e in events if e["type"] == "speech" and e["state"] == "end"]


def timed_words(events: Iterable[Event]) -> list[Event]:
    """The entries of `words` of the final captions, in the order of their segments; none where no caption has any."""
    finals = [event for event in captions(events) if event["state"] == "final"]
    return [word for event in sorted(finals, key=lambda event: event["segment"]) for word in event.get("words", [])]
