"""The sweep without its runs: which settings it tries, its table and its picture."""

import math
import xml.etree.ElementTree as ElementTree

from sweep import PRESETS, WITHOUT, Result, curve_settings, draw, idea_settings, table


def result(name: str, cpu: float, delays: dict[str, tuple[float | None, float | None]]) -> Result:
    """A run with these medians and 95th percentiles."""
    rows = [
        {"key": key, "over_matched": [{"percent": 50.0, "value": p50}, {"percent": 95.0, "value": p95}]}
        for key, (p50, p95) in delays.items()
    ]
    shares = [{"key": "cpu_open", "value": cpu}, {"key": "flips", "value": 0.5}, {"key": "wer_streamed", "value": 0.12}]
    return Result(name, {}, {"delays": rows, "shares": shares})


DELAYS: dict[str, tuple[float | None, float | None]] = {
    key: (0.1 * place, 0.4 * place) for place, key in enumerate(("first", "lasting", "stable", "committed"), 1)
}


def test_ideas_are_tried_together_alone_and_left_out() -> None:
    """Every idea is left out of one run, alone in another, and none is in the last."""
    runs = idea_settings()
    assert len(runs) == 2 * len(WITHOUT) + 2
    assert runs[0] == ("all", {})
    everything = runs[-1][1]
    for name, settings in runs[1:-1]:
        assert settings.items() <= everything.items(), name
        left_out = sum(without.items() <= settings.items() for without in WITHOUT.values())
        assert left_out == (1 if name.startswith("all but") else len(WITHOUT) - 1), name


def test_intervals_grow() -> None:
    """The curve goes from often to seldom."""
    runs = curve_settings()
    assert [name for name, settings in runs if "preset" in settings] == list(PRESETS)
    settings = [settings for _, settings in runs if "preset" not in settings]
    assert all(float(row["refresh.least_s"]) < float(row["refresh.most_s"]) for row in settings)
    assert [float(row["refresh.most_s"]) for row in settings] == sorted(
        float(row["refresh.most_s"]) for row in settings
    )


def test_the_table_has_a_line_a_run() -> None:
    """Delays in seconds, errors and processor in percent; what is not there is not a number."""
    lines = table([result("one", 0.101, DELAYS), result("another", 0.07, {"first": (None, 0.5)})]).splitlines()
    assert len(lines) == 3
    assert lines[1].split() == [
        "one",
        "0.10",
        "0.40",
        "0.20",
        "0.80",
        "0.30",
        "1.20",
        "0.40",
        "1.60",
        "0.50",
        "nan",
        "12.00",
        "10.1",
    ]
    assert lines[2].split()[1:3] == ["nan", "0.50"]


def test_the_picture_has_a_dot_a_run_and_is_well_formed() -> None:
    """Three measures, two percentiles, two runs."""
    picture = draw([result("a & b", 0.1, DELAYS), result("c", 0.05, DELAYS)])
    circles = list(ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}circle"))
    assert len(circles) == 12
    assert all(math.isfinite(float(circle.get("cx", "nan"))) for circle in circles)
