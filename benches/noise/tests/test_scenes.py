"""Levels and ratios of what is recorded, noises that go on, conditions, and counts of errors."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from clips import SAMPLE_RATE_HZ, SoundClip, Utterance, Word, rms
from conditions import LEVELS_DBFS, ROOMS_S, Condition, designed, full
from emission import String
from noises import HELD, TALKERS, babble, held, looped, steady
from scenes import scene, spoken
from scores import errors


def string(seconds: float = 2.0) -> String:
    """Noise that is loud within its one word, half as long as the whole, and 40 dB down elsewhere."""
    samples = np.random.default_rng(5).standard_normal(round(seconds * SAMPLE_RATE_HZ)) * 0.001
    word = Word(seconds / 4.0, seconds * 0.75, "ah")
    samples[round(word.start_s * SAMPLE_RATE_HZ) : round(word.end_s * SAMPLE_RATE_HZ)] *= 100.0
    return String("she-0", samples, [word], "ah")


@pytest.mark.parametrize("room_s", ROOMS_S)
def test_level_and_ratio_are_of_the_speech_within_its_words(room_s: float | None) -> None:
    said = string()
    noise = np.random.default_rng(6).standard_normal(len(said.samples)) * 7.0
    quiet = scene(said, Condition(None, None, -40.0, room_s), None)
    noisy = scene(said, Condition("held", 10.0, -40.0, room_s), noise)
    words = spoken(said)
    assert 20.0 * np.log10(rms(quiet.samples[words])) == pytest.approx(-40.0, abs=0.01)
    added = noisy.samples - quiet.samples
    assert 20.0 * np.log10(rms(quiet.samples[words]) / rms(added)) == pytest.approx(10.0, abs=0.01)
    assert quiet.clipped == noisy.clipped == 0.0 and len(noisy.samples) == len(said.samples)


def test_what_is_too_loud_is_cut_off_and_counted() -> None:
    """Noise at -6 dBFS is beyond full scale in about 4.6 % of its samples: 2 sigma, here within half of the string."""
    loud = scene(string(), Condition(None, None, -6.0, None), None)
    assert float(np.max(np.abs(loud.samples))) == 1.0
    assert loud.clipped == pytest.approx(0.0455 / 2.0, abs=0.005)


def test_a_condition_with_noise_needs_it() -> None:
    with pytest.raises(ValueError, match="needs noise"):
        scene(string(), Condition("held", 10.0, -26.0, None), None)


def test_a_loop_has_no_gap() -> None:
    samples = np.random.default_rng(7).standard_normal(SAMPLE_RATE_HZ)
    made = looped(samples, 5 * SAMPLE_RATE_HZ)
    frames = made.reshape(-1, SAMPLE_RATE_HZ // 20)
    level = np.sqrt(np.mean(np.square(frames), axis=1))
    assert len(made) == 5 * SAMPLE_RATE_HZ and float(level.min()) > 0.8 and float(level.max()) < 1.2
    assert steady(made)
    made[: SAMPLE_RATE_HZ // 2] = 0.0
    assert not steady(made)


def test_held_sounds_take_turns_and_leave_out_what_is_padded(write: Callable[..., Path]) -> None:
    noise = np.random.default_rng(8).standard_normal(SAMPLE_RATE_HZ)
    padded = np.concatenate([noise, np.zeros(SAMPLE_RATE_HZ)])
    clips = [SoundClip(write(f"{label}-padded", padded), label, "1") for label in HELD]
    clips += [SoundClip(write(f"{label}-whole", noise), label, "1") for label in HELD]
    names = [held(clips, number, 100)[1] for number in range(len(HELD))]
    assert names == [f"{label}-whole.wav" for label in HELD]
    with pytest.raises(ValueError, match="rain"):
        held(clips[: len(HELD)], 0, 100)


def test_babble_is_of_others_who_say_other_things(write: Callable[..., Path]) -> None:
    """A talker of a constant tells who is in it: everyone is equally loud."""
    ones = np.ones(1000)
    clips = [Utterance(write(f"timit-{who}_{k}", ones), f"text {k}", "TIMIT") for who in "abcdefg" for k in (1, 2)]
    made, who = babble(clips, "text 1", "timit-a", 0, 5000)
    assert len(set(who)) == TALKERS and "timit-a" not in who
    assert made == pytest.approx(np.full(5000, float(TALKERS)))
    assert np.array_equal(made, babble(clips, "text 1", "timit-a", 0, 5000)[0])
    with pytest.raises(ValueError, match="0 other speakers"):
        babble(clips, "text 1 text 2", "timit-a", 0, 5000)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes samples under a name."""

    def written(name: str, samples: np.ndarray) -> Path:
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, samples / 8.0, SAMPLE_RATE_HZ, subtype="FLOAT")
        return path

    return written


def test_conditions_are_each_there_once() -> None:
    assert len(designed()) == len(set(designed())) == 41
    assert len(full()) == len(set(full())) == len(LEVELS_DBFS) * len(ROOMS_S) * 9
    assert set(designed()) <= set(full())
    assert len({each.name for each in full()}) == 81


def test_missed_added_and_wrong_are_told_apart() -> None:
    counts = errors([("she had a dog", "she had dog"), ("yes", "yes yes sir"), ("one cat", "one hat")])
    assert (counts.words, counts.missed, counts.added, counts.wrong) == (7, 1, 2, 1)
    assert counts.rate == pytest.approx(400.0 / 7.0)
