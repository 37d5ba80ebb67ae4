"""Word times on attention made by hand, and the cases that the Rust tests read."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from auricle_export.moonshine.word_times import (
    FRAME_BEGINS_SAMPLES,
    FRAME_SAMPLES,
    SAMPLE_RATE_HZ,
    Span,
    quietness,
    spoken_tokens,
    token_scores,
    word_times,
)

CASES = Path(__file__).resolve().parents[2] / "tests" / "data" / "word_times.json"
Floats = npt.NDArray[np.float64]


def blocks(parts: list[tuple[float, int]]) -> Floats:
    """Audio of (amplitude, samples): the sign changes with every sample, so that the level is the amplitude's."""
    audio = np.concatenate([np.full(samples, amplitude) for amplitude, samples in parts])
    audio[1::2] *= -1.0
    return audio


def looks(frames: int, *where: tuple[int, int]) -> Floats:
    """Rows of attention [tokens, frames], each spread evenly over its first to before its last frame."""
    rows = np.full((len(where), frames), 1e-6)
    for row, (first, last) in zip(rows, where, strict=True):
        row[first:last] = 1.0 / (last - first)
    return rows


def both(rows: Floats) -> Floats:
    """Two heads [2, tokens + 1, frames] that agree: the first looks while it predicts, the second at its own token."""
    idle = np.full((1, rows.shape[1]), 1.0 / rows.shape[1])
    return np.stack([np.concatenate([rows, idle]), np.concatenate([idle, rows])])


def begins(frame: int) -> float:
    """Seconds at which a frame begins."""
    return (frame * FRAME_SAMPLES + FRAME_BEGINS_SAMPLES) / SAMPLE_RATE_HZ


def utf8(*pieces: str) -> list[bytes]:
    return [piece.encode() for piece in pieces]


def test_words_without_a_pause_touch() -> None:
    """Steady sound: the end of each word is the start of the next, and the tokens of a word are one span."""
    rows = looks(30, (2, 10), (10, 15), (15, 30))
    spans = word_times(both(rows), 1, utf8("▁one", "▁two", "ty"), blocks([(0.1, 12_000)]))
    assert spans == [Span(begins(2), begins(10)), Span(begins(10), begins(30))]


def test_a_pause_is_in_no_word() -> None:
    """Attention that reaches into ten quiet frames ends where they begin; a comma does not stretch its word."""
    rows = looks(40, (1, 16), (12, 22), (24, 38))
    audio = blocks([(0.1, 12 * FRAME_SAMPLES + FRAME_BEGINS_SAMPLES), (0.001, 10 * FRAME_SAMPLES), (0.1, 8_000)])
    spans = word_times(both(rows), 1, utf8("▁well", ",", "▁then"), audio)
    assert spans[0].end_s == pytest.approx(begins(12))
    assert begins(22) <= spans[1].start_s <= begins(24)


def test_a_closure_of_two_frames_is_no_pause() -> None:
    """The silence of a plosive belongs to a word."""
    rows = looks(30, (2, 15), (15, 28))
    audio = blocks([(0.1, 15 * FRAME_SAMPLES), (0.001, 2 * FRAME_SAMPLES), (0.1, 13 * FRAME_SAMPLES)])
    spans = word_times(both(rows), 1, utf8("▁had", "▁dark"), audio)
    assert spans[0].end_s == spans[1].start_s


def test_the_last_token_may_lack_its_own_row() -> None:
    """As when a reading was cut at its longest."""
    attention = both(looks(30, (2, 12), (12, 30)))[:, :2]
    spans = word_times(attention, 1, utf8("▁one", "▁two"), blocks([(0.1, 12_000)]))
    assert spans == [Span(begins(2), begins(12)), Span(begins(12), begins(30))]


def test_more_tokens_than_frames_share_the_audio() -> None:
    spans = word_times(np.ones((2, 6, 3)), 1, utf8("▁a", "▁b", "▁c", "▁d", "▁e"), blocks([(0.1, 1_600)]))
    assert spans[0].start_s == 0.0
    assert spans[4].end_s == pytest.approx(0.1)
    assert all(a.end_s == pytest.approx(b.start_s) for a, b in pairwise(spans))


def test_nothing_said_has_no_times() -> None:
    assert word_times(np.ones((2, 1, 40)), 1, [], blocks([(0.1, 16_000)])) == []


def test_spans_are_in_order_whatever_the_attention() -> None:
    """Noise, all zero, and what is not a number: in order, inside the audio, no word without time."""
    rng = np.random.default_rng(0)
    audio = rng.standard_normal(20_000) * 0.1
    pieces = utf8(*["▁la"] * 20)
    for attention in (rng.random((3, 21, 50)), np.zeros((3, 21, 50)), np.full((3, 21, 50), np.nan)):
        spans = word_times(attention, 2, pieces, audio)
        edges = [edge for span in spans for edge in (span.start_s, span.end_s)]
        assert len(spans) == 20
        assert edges == sorted(edges)
        assert all(span.start_s < span.end_s for span in spans)
        assert edges[-1] <= len(audio) / SAMPLE_RATE_HZ


def test_attention_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"attention \(2, 3, 9\) does not do for 1 heads before and 4 tokens"):
        token_scores(np.ones((2, 3, 9)), 1, 4)


def test_what_is_said() -> None:
    """Punctuation and an apostrophe are not; a piece of a longer character is; a word of a dash keeps it."""
    pieces = [*utf8("▁Don", "'", "t", ",", "▁–"), b"\xc3", *utf8("▁", "x", "▁-")]
    assert spoken_tokens(pieces) == [[0, 2], [4, 5], [7], [8]]
    assert spoken_tokens(utf8("no", "▁space")) == [[0], [1]]


def test_quiet_is_told_from_loud_by_the_audio_itself() -> None:
    """A fortieth of the amplitude leaves it as it is; nothing is quiet in a steady sound; silence is."""
    audio = blocks([(0.1, 8_000), (0.001, 8_000), (0.05, 8_000)])
    quiet = quietness(audio, 60)
    assert quiet[25:40] == pytest.approx(np.ones(15))
    assert quiet[[*range(19), *range(43, 60)]] == pytest.approx(np.zeros(36))
    assert quietness(audio / 40.0, 60) == pytest.approx(quiet)
    assert quietness(blocks([(0.1, 24_000)]), 60) == pytest.approx(np.zeros(60))
    assert quietness(blocks([(0.1, 12_000), (0.0, 12_000)]), 60)[40] == 1.0


def cases() -> list[dict[str, Any]]:
    """The cases that are shared with the runtime."""
    return json.loads(CASES.read_text(encoding="utf-8"))["cases"]


@pytest.mark.parametrize("case", cases(), ids=lambda case: str(case["name"]))
def test_the_shared_cases(case: dict[str, Any]) -> None:
    """The runtime's test reads the same file."""
    pieces = [bytes(piece) for piece in case["pieces"]]
    spans = word_times(np.array(case["attention"]), case["before"], pieces, blocks(case["audio"]))
    assert [[span.start_s, span.end_s] for span in spans] == pytest.approx(np.array(case["times"]), abs=1e-6)
