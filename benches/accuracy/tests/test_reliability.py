"""Reliability of probabilities written out by hand, and its picture."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
import reliability_plot
import run
from reliability import Judged, calibration_error, curve, figures, judged
from reliability_plot import Panel, Series, draw, interval
from test_run import HEARD, measured, program, speech_set
from test_words import final
from wer import right_words


def words(*told: tuple[float, int, int]) -> list[Judged]:
    """Of each probability so many words, so many of them right."""
    return [Judged(probability, k < right) for probability, count, right in told for k in range(count)]


def test_a_word_is_right_with_all_of_its_parts() -> None:
    """Case, punctuation and how a contraction is written do not matter; a dash alone is no word."""
    assert right_words("Do not go, Joe.", ["don't", "go", "-", "Jo"]) == [True, True, None, False]
    assert right_words("I do so.", ["don't"]) == [False]
    assert right_words("", ["hello"]) == [False]


def test_words_are_judged_over_segments() -> None:
    """The text of the file is one, however it was cut."""
    events = [final(0, ("She", 0.1, 0.5)), final(1, ("has", 0.5, 1.0), ("don't.", 1.0, 2.0))]
    assert judged(events, "She had don't.") == [Judged(0.9, True), Judged(0.9, False), Judged(0.9, True)]


def test_bins_are_a_tenth_wide() -> None:
    """A probability of 1 is in the last, and a bin without words is not there."""
    bins = curve(words((0.25, 4, 1), (0.95, 3, 3), (1.0, 1, 0)))
    assert [(b.low, b.words, b.right) for b in bins] == [(0.2, 4, 0.25), (0.9, 4, 0.75)]
    assert bins[1].probability == pytest.approx(0.9625)
    assert calibration_error(bins) == pytest.approx((0.9625 - 0.75) / 2)


def test_what_marking_brings() -> None:
    """Ten of a hundred words lie below .5: six of them wrong, of eight wrong words."""
    values = {figure.name: figure.value for figure in figures(words((0.4, 10, 4), (0.9, 90, 88)))}
    assert values["words wrong"] == 8.0
    assert values["marked below 0.5: of all words"] == 10.0
    assert values["marked below 0.5: of them wrong"] == 60.0
    assert values["marked below 0.5: of the wrong words"] == 75.0
    assert values["right at probability 0.4 to 0.5"] == 40.0


def test_nothing_wrong_has_no_share_of_wrong_words() -> None:
    """And nothing marked none of the marked."""
    names = [figure.name for figure in figures(words((0.9, 10, 10)))]
    assert not [name for name in names if "of the wrong" in name or "of them wrong" in name]


def test_a_made_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two clips, three of four words right; a model that tells no words is left out."""
    folder, data = tmp_path / "program", speech_set(tmp_path)
    folder.mkdir()
    event = final(0, ("two", 0.1, 0.5), ("words", 0.6, 1.0)) | {"end": 1.0, "emitted": 1.0}
    arguments = ["--data", str(data), "--only", "reliability", "--json", str(tmp_path / "figures.json"), "--auricle"]
    assert run.main([*arguments, str(program(folder, [event]))]) == 0
    values = measured(tmp_path / "figures.json")
    assert values["words wrong"] == 25.0
    assert values["expected calibration error"] == pytest.approx(15.0)
    assert run.main([*arguments, str(program(folder, HEARD))]) == 0
    assert "left out: reliability: all of it: no caption has words" in capsys.readouterr().out


def test_the_interval_of_a_share() -> None:
    """Wilson's, as tables have it for 8 of 10 at 90 %."""
    assert interval(0.8, 10) == pytest.approx((0.541, 0.931), abs=1e-3)
    assert interval(1.0, 20)[1] == pytest.approx(1.0)


def test_the_picture_shows_bins_with_words_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A dot a bin and one a legend; it is XML; without data the plot fails and says so."""
    bins = curve(words((0.15, 3, 1), (0.65, 20, 12), (0.95, 200, 190)))
    picture = ElementTree.fromstring(draw([Panel("a <model>", [Series("as told", bins)])]))
    assert len(picture.findall(".//{*}circle")) == 2 + 1
    assert "a <model>" in [element.text for element in picture.findall(".//{*}text")]
    assert reliability_plot.main(["m", "--auricle", str(program(tmp_path, HEARD)), "--data", str(tmp_path)]) == 1
    assert "error: m: no words to judge" in capsys.readouterr().err
