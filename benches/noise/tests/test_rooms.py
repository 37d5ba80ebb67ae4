"""Impulse responses against what is known of them."""

import numpy as np
import pytest
from clips import SAMPLE_RATE_HZ
from rooms import MICROPHONE_M, ROOM_M, TALKER_M, convolve, decay_s, room


def test_decay_of_an_exponential_is_its_time() -> None:
    """Noise that falls by 60 dB in 0.4 s."""
    n = np.arange(SAMPLE_RATE_HZ)
    noise = np.random.default_rng(0).standard_normal(len(n)) * 10.0 ** (-3.0 * n / (0.4 * SAMPLE_RATE_HZ))
    assert decay_s(noise) == pytest.approx(0.4, rel=0.03)


@pytest.mark.parametrize("t60_s", [0.3, 0.6])
def test_a_room_rings_as_long_as_asked_and_begins_with_the_direct_sound(t60_s: float) -> None:
    made = room(t60_s)
    assert made.t60_s == pytest.approx(t60_s, rel=0.01)
    assert int(np.argmax(np.abs(made.response))) == 0
    distance_m = float(np.linalg.norm(np.subtract(TALKER_M, MICROPHONE_M)))
    assert made.response[0] == pytest.approx(1.0 / (4.0 * np.pi * distance_m))


def test_more_reverberation_is_less_direct_sound() -> None:
    """And about what Sabine's formula has for the distance at which both are equal: within 3 dB."""
    distance_m = float(np.linalg.norm(np.subtract(TALKER_M, MICROPHONE_M)))
    for t60_s in (0.3, 0.6):
        critical_m = 0.057 * np.sqrt(np.prod(ROOM_M) / t60_s)
        assert room(t60_s).direct_db == pytest.approx(20.0 * np.log10(critical_m / distance_m), abs=3.0)
    assert room(0.6).direct_db < room(0.3).direct_db - 2.0


def test_the_same_room_every_time() -> None:
    first = room(0.3).response.copy()
    room.cache_clear()
    assert np.array_equal(room(0.3).response, first)


def test_a_time_that_no_walls_give_is_refused() -> None:
    with pytest.raises(ValueError, match="at its nearest"):
        room(0.01)


def test_convolution_against_the_definition() -> None:
    rng = np.random.default_rng(3)
    one, other = rng.standard_normal(50), rng.standard_normal(9)
    assert convolve(one, other) == pytest.approx(np.convolve(one, other))
