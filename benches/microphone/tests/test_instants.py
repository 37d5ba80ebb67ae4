"""When samples and lines were due, by what came late, and where in a recording something was played."""

import numpy as np
import pytest
from auricle import Failed
from clips import SAMPLE_RATE_HZ
from instants import Chunk, Pcm, block_s, due, started, zero
from virtual import joined

RATE = SAMPLE_RATE_HZ


def noise(samples: int, seed: int) -> Pcm:
    return (np.random.default_rng(seed).standard_normal(samples) * 1000.0).astype(np.int16)


def test_what_was_played_is_found_to_the_sample() -> None:
    played = noise(3 * RATE, 1)
    recorded = np.concatenate([np.zeros(12_345, np.int16), played, np.zeros(RATE, np.int16)])
    assert started(recorded, played) == 12_345
    assert started(played, played) == 0


def test_a_hole_is_told_with_its_place() -> None:
    """As where the player ran dry: 10 ms of silence, and all after them as much later."""
    played = noise(3 * RATE, 1)
    hole = np.zeros(160, np.int16)
    recorded = np.concatenate([hole, played[:RATE], hole, played[RATE:], np.zeros(RATE, np.int16)])
    with pytest.raises(Failed, match="did not arrive as they were played"):
        started(recorded, played)
    with pytest.raises(Failed, match="did not arrive as they were played"):
        started(noise(4 * RATE, 2), played)


def test_a_recording_that_lacks_the_end_is_told() -> None:
    played = noise(3 * RATE, 1)
    with pytest.raises(Failed, match="samples were recorded of"):
        started(played[:-1], played)
    with pytest.raises(Failed, match="lacks a part of it"):
        started(np.concatenate([np.zeros(RATE, np.int16), played[:-1]]), played)


def test_a_sample_was_due_by_the_piece_that_came_with_the_least_delay() -> None:
    """Pieces of 10 ms that come up to 8 ms late, for a minute; sample 0 was due at 100 s, sample 16,000 at 101 s."""
    late_s = np.random.default_rng(3).uniform(0.0, 0.008, 6000)
    chunks = [Chunk(160 * (k + 1), 100.0 + 0.01 * (k + 1) + late) for k, late in enumerate(late_s)]
    found = due(chunks, RATE, 60 * RATE)
    assert found.seconds == pytest.approx(101.0, abs=1e-4)
    assert found.spread_s < 2e-4
    # Before and after it things may have been otherwise: a line that shifts there does not count.
    outside = [Chunk(chunk.end, chunk.at_s - 0.5) for chunk in chunks if not RATE < chunk.end <= 50 * RATE]
    inside = [chunk for chunk in chunks if RATE < chunk.end <= 50 * RATE]
    assert due(outside + inside, RATE, 50 * RATE).seconds == pytest.approx(101.0, abs=1e-4)
    with pytest.raises(Failed, match="pieces"):
        due(chunks, 100 * RATE, 200 * RATE)


def test_a_line_that_shifts_is_seen_in_the_spread() -> None:
    ends = [160 * (k + 1) for k in range(2000)]
    chunks = [Chunk(end, end / RATE + (0.05 if end > 10 * RATE else 0.0)) for end in ends]
    assert due(chunks, 0, 20 * RATE).spread_s == pytest.approx(0.05)


def test_the_zero_of_a_log_is_by_the_line_that_came_with_the_least_delay() -> None:
    emitted_s = [0.0, 1.0, 2.0, 2.5, 7.0]
    read_s = [49.0, 51.003, 52.001, 52.9, 57.002]
    found = zero(emitted_s, read_s)
    assert found.seconds == pytest.approx(50.001)
    assert zero([0.0, 1.0], [7.0, 51.0]).seconds == pytest.approx(50.0)
    with pytest.raises(Failed, match="lines of the log"):
        zero([0.0], [1.0])


def test_pieces_are_joined_though_one_ends_within_a_sample() -> None:
    content = np.arange(6, dtype="<i2").tobytes()
    samples, chunks = joined([(1.0, content[:5]), (2.0, content[5:12])])
    assert samples.tolist() == [0, 1, 2, 3, 4, 5]
    assert chunks == [Chunk(2, 1.0), Chunk(6, 2.0)]
    assert block_s(chunks) == 4 / RATE
