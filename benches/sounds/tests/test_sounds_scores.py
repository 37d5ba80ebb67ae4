"""What is right, near, late, a second time and false; counts, rates and thresholds; what is audible; made alarms."""

import tomllib
from pathlib import Path

import choose
import numpy as np
import pytest
from alarms import T3, T4, beeps, music, others, partials, sounded
from clips import SAMPLE_RATE_HZ, rms
from ingredients import audible, coloured, to_level
from measure import with_thresholds
from outline import Outline
from score import Tally, Told, Was, judged, onsets, rate, spread, tally, told
from sounds import CLASSES
from timeline import A_SCENE, Sound, _groups, _placed

ROOT = Path(__file__).resolve().parents[3]
OUTLINE = Outline.read(ROOT / "src" / "sound" / "sounds.txt")


def heard(label: str, start_s: float, end_s: float, emitted_s: float | None = None) -> Told:
    return Told(((start_s + 1.0 if emitted_s is None else emitted_s, label),), start_s, end_s)


def verdicts(*sounds: Told, heard_too: tuple[str, ...] = ()) -> list[tuple[Was, int | None]]:
    truth = [Sound("dog", "a", 10.0, 12.0), Sound("rain", "b", 20.0, 25.0)]
    return [(each.was, each.truth) for each in judged(sounds, truth, CLASSES, OUTLINE, heard_too)]


def test_the_outline_says_what_is_a_closer_name_and_what_is_kin() -> None:
    assert OUTLINE.is_exact("Bark", CLASSES["dog"]) and OUTLINE.is_exact("Yip", CLASSES["dog"])
    assert not OUTLINE.is_exact("Animal", CLASSES["dog"]) and OUTLINE.is_near("Animal", CLASSES["dog"])
    assert OUTLINE.is_near("Meow", CLASSES["dog"]) and not OUTLINE.is_near("Siren", CLASSES["dog"])
    assert OUTLINE.is_signal("Doorbell") and OUTLINE.is_signal("Reversing beeps") and not OUTLINE.is_signal("Dog")
    missing = [name for names in CLASSES.values() for name in names if name not in OUTLINE.parents]
    assert not missing


def test_an_event_is_right_near_late_or_false() -> None:
    assert verdicts(heard("Bark", 10.9, 12.0)) == [(Was.RIGHT, 0)]
    assert verdicts(heard("Cat", 9.1, 12.0)) == [(Was.NEAR, 0)]
    assert verdicts(heard("Dog", 11.5, 12.0)) == [(Was.LATE, 0)]
    assert verdicts(heard("Dog", 15.0, 16.0)) == [(Was.FALSE, None)]
    assert verdicts(heard("Siren", 10.0, 12.0)) == [(Was.FALSE, None)]
    assert verdicts(heard("Stream", 15.0, 16.0), heard_too=("rain",)) == [(Was.BACKGROUND, None)]


def test_a_sound_is_told_once_and_the_exact_name_goes_before_the_nearer_onset() -> None:
    found = verdicts(heard("Cat", 10.0, 11.0), heard("Bark", 10.5, 12.0), heard("Dog", 11.8, 12.5))
    assert found == [(Was.AGAIN, 0), (Was.RIGHT, 0), (Was.AGAIN, 0)]


def test_figures_count_second_events_against_precision() -> None:
    truth = [Sound("dog", "a", 10.0, 12.0), Sound("rain", "b", 20.0, 25.0)]
    events = [
        heard("Bark", 10.2, 11.0),
        heard("Dog", 11.5, 12.0),
        heard("Stream", 20.0, 25.0),
        heard("Siren", 1.0, 2.0),
    ]
    each = judged(events, truth, CLASSES, OUTLINE)
    counts = tally(each, len(truth))
    assert counts == Tally(sounds=2, right=1, near=1, again=1, false=1)
    assert counts.figures(False) == pytest.approx({"precision": 0.25, "recall": 0.5, "f1": 1.0 / 3.0})
    assert counts.figures(True) == pytest.approx({"precision": 0.5, "recall": 1.0, "f1": 2.0 / 3.0})
    assert onsets(each, truth, CLASSES, OUTLINE) == [pytest.approx((0.2, 1.2))]
    assert Tally().figures(False) == {"precision": 0.0, "recall": 0.0, "f1": 0.0}


def test_the_delay_is_that_of_the_first_right_name() -> None:
    renamed = Told(((11.0, "Animal"), (12.5, "Bark")), 10.0, 12.0)
    truth = [Sound("dog", "a", 10.0, 12.0)]
    assert onsets(judged([renamed], truth, CLASSES, OUTLINE), truth, CLASSES, OUTLINE) == [(0.0, 2.5)]


def test_events_of_one_number_are_one_sound() -> None:
    lines = [
        {"type": "sound", "event": 0, "emitted": 2.0, "label": "Animal", "start": 1.0, "end": 2.0},
        {"type": "caption"},
        {"type": "sound", "event": 1, "emitted": 2.5, "label": "Siren", "start": 2.0, "end": 3.0},
        {"type": "sound", "event": 0, "emitted": 3.0, "label": "Dog", "start": 1.0, "end": 2.6},
    ]
    first, second = told(lines)
    assert (first.label, first.labels[0], first.end_s) == ("Dog", (2.0, "Animal"), 2.6)
    assert second.label == "Siren"


def test_rates_and_spreads_are_those_of_the_textbook() -> None:
    """Garwood's exact 95 % limits are 0 to 3.689 for 0, 1.624 to 11.668 for 5."""
    assert rate(0, 1.0)["high"] == pytest.approx(3.689, abs=0.05)
    five = rate(5, 0.5)
    assert (five["an_hour"], five["low"], five["high"]) == pytest.approx((10.0, 3.247, 23.34), abs=0.1)
    low, high = spread([Tally(sounds=1, right=1), Tally(sounds=1)] * 20, False, "recall")
    assert 0.25 < low < 0.5 < high < 0.75


def test_what_is_audible_begins_at_the_onset_and_ends_before_a_pause() -> None:
    rng = np.random.default_rng(0)
    samples = rng.standard_normal(5 * SAMPLE_RATE_HZ) * 1e-4
    samples[2 * SAMPLE_RATE_HZ : 3 * SAMPLE_RATE_HZ] *= 1000.0
    samples[int(4.5 * SAMPLE_RATE_HZ) :] *= 500.0
    part = audible(samples)
    assert len(part) == pytest.approx(SAMPLE_RATE_HZ, abs=SAMPLE_RATE_HZ // 50)
    assert rms(part) == pytest.approx(0.1, rel=0.05)
    assert len(audible(rng.standard_normal(SAMPLE_RATE_HZ))) == SAMPLE_RATE_HZ
    silent = np.concatenate([part, np.zeros(SAMPLE_RATE_HZ // 2)])
    assert rms(to_level(silent, -20.0)[: len(part)]) == pytest.approx(0.1, rel=0.02)


def test_coloured_noise_falls_as_its_name_says() -> None:
    for kind, octave_db in (("white", 0.0), ("pink", -3.01), ("brown", -6.02)):
        power = np.abs(np.fft.rfft(coloured(kind, 1 << 17, np.random.default_rng(1)))) ** 2
        hertz = np.fft.rfftfreq(1 << 17, 1.0 / SAMPLE_RATE_HZ)
        low, high = (np.mean(power[(hertz > hz) & (hertz < 1.1 * hz)]) for hz in (500.0, 4_000.0))
        assert 10.0 * np.log10(high / low) == pytest.approx(3.0 * octave_db, abs=0.8)


def test_clips_lie_where_the_truth_says_and_rain_never_over_rain() -> None:
    from ingredients import Clip

    clips = [Clip(str(k), label, np.ones(SAMPLE_RATE_HZ)) for label in ("rain", "dog") for k in range(20)]
    groups = _groups(clips, "noise", np.random.default_rng(0))
    assert sum(len(among) for _, among in groups) == 40 and all(len(among) <= A_SCENE for _, among in groups)
    for background, among in groups:
        assert background not in ("rain", "sea_waves") or all(clip.label == "dog" for clip in among)
    samples, sounds = _placed(groups[0][1], np.random.default_rng(0))
    for sound in sounds:
        inside = samples[round(sound.start_s * SAMPLE_RATE_HZ) : round(sound.end_s * SAMPLE_RATE_HZ)]
        assert len(inside) == SAMPLE_RATE_HZ and np.all(inside > 0.0)
    assert np.count_nonzero(samples) == len(sounds) * SAMPLE_RATE_HZ


def test_thresholds_are_written_into_a_copy_of_the_manifest(tmp_path: Path) -> None:
    model = ROOT / "models" / "yamnet"
    events = {"on": 0.5, "off": 0.2, "minimum_s": 0.4, "labels": {"Dog": {"on": 0.3, "off": 0.1}}}
    events = choose.with_label(events, ["Bark"], 0.4, 0.2)
    folder = with_thresholds(model, events, tmp_path)
    copy = tomllib.loads((folder / "yamnet" / "model.toml").read_text(encoding="utf-8"))
    original = tomllib.loads((model / "model.toml").read_text(encoding="utf-8"))
    assert copy["events"]["labels"]["Bark"] == {"on": 0.4, "off": 0.18, "minimum_s": 0.2}
    assert copy["events"]["labels"]["Dog"] == {"on": 0.3, "off": 0.1} and copy["events"]["on"] == 0.5
    assert {k: v for k, v in copy.items() if k != "events"} == {k: v for k, v in original.items() if k != "events"}


def test_alarms_have_their_standards_rhythm_and_frequency() -> None:
    assert (T3.period_s, T4.period_s) == (pytest.approx(4.0), pytest.approx(5.7))
    assert beeps(T3, 2)[3:5] == [pytest.approx((4.0, 4.5)), pytest.approx((5.0, 5.5))]
    samples = sounded(beeps(T4, 1), partials(3_100.0, False), 1.0)
    loud = np.abs(samples).reshape(-1, 160).max(axis=1) > 0.1
    assert int(loud.sum()) == pytest.approx(40, abs=4)
    spectrum = np.abs(np.fft.rfft(samples))
    assert np.fft.rfftfreq(len(samples), 1.0 / SAMPLE_RATE_HZ)[np.argmax(spectrum)] == pytest.approx(3_100.0, abs=10.0)
    assert [n for n, _ in partials(520.0, True)][:3] == [520.0, 1560.0, 2600.0]


def test_music_and_other_beeps_are_made_as_long_as_asked() -> None:
    rng = np.random.default_rng(2)
    assert len(music(8.0, rng)) == 8 * SAMPLE_RATE_HZ and rms(music(8.0, rng)) == pytest.approx(1.0)
    made = others(30.0, rng)
    assert len(made) > 10 and all(len(samples) == 30 * SAMPLE_RATE_HZ for samples in made.values())
