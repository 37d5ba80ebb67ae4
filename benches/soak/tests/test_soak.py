"""Slopes of what is known to grow and of what is not, and the programme that is played."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from programme import Programme, write
from slopes import minutes, slope


def test_what_grows_is_found_and_what_wanders_is_not() -> None:
    random = np.random.default_rng(1)
    times = np.arange(0.0, 7200.0, 5.0)
    noise = random.normal(0.0, 1.0, len(times))
    growing = slope(times, 140.0 + 3.0 * times / 3600.0 + noise)
    assert growing.an_hour == pytest.approx(3.0, abs=0.5)
    assert growing.low > 0.0
    wandering = slope(times, 140.0 + noise)
    assert wandering.low <= 0.0 <= wandering.high


def test_an_outlier_of_one_minute_moves_no_slope() -> None:
    times = np.arange(0.0, 3600.0, 5.0)
    values = np.where((times >= 600.0) & (times < 660.0), 500.0, 100.0)
    assert slope(times, values).an_hour == 0.0


def test_minutes_are_medians() -> None:
    each, medians = minutes(np.array([30.0, 40.0, 50.0, 100.0]), np.array([1.0, 9.0, 2.0, 5.0]))
    assert each.tolist() == [0.0, 1.0]
    assert medians.tolist() == [2.0, 5.0]


def test_too_little_is_an_error() -> None:
    with pytest.raises(ValueError, match="too few"):
        slope(np.array([0.0, 1.0]), np.array([1.0, 1.0]))


def test_a_programme_is_as_long_as_asked_and_the_same_again(tmp_path: Path) -> None:
    voice = tmp_path / "voice.wav"
    soundfile.write(voice, 0.1 * np.sin(np.arange(16_000) * 0.1), 16_000)
    written = [tmp_path / "one.wav", tmp_path / "other.wav"]
    for path in written:
        seconds = write(path, Programme([voice], [voice], seed=3).parts(300.0))
        assert sum(seconds.values()) == pytest.approx(300.0)
        assert set(seconds) <= {"talk", "silence", "talk in noise", "sounds"}
        assert seconds["talk"] > 0.0
    assert written[0].read_bytes() == written[1].read_bytes()
    samples, _ = soundfile.read(written[0])
    assert float(np.abs(samples).max()) <= 1.0
