"""The pictures as a reader gets them: whole, legible in either theme, on the page, and saying what the numbers say."""

import base64
import re
import shutil
import struct
import subprocess
import xml.etree.ElementTree as ElementTree
import zlib
from pathlib import Path

import numpy as np
import pytest
from auricle_export.audio_transformer import pictures
from auricle_export.audio_transformer.clips import AUDIOSET

NAMES = [name for _, name in AUDIOSET.values()]
SVG = "{http://www.w3.org/2000/svg}"
HALF = 0.5 * pictures.CHARACTER


def made_filters(count: int, seed: int = 2) -> np.ndarray:
    """Short waves of every frequency, in no order, with some noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(400) / 16_000
    hz = rng.permutation(np.geomspace(60.0, 7_500.0, count))[:, None]
    return np.sin(2.0 * np.pi * hz * time + rng.uniform(0, 6, (count, 1))) * np.hanning(400) + rng.normal(
        0, 0.02, (count, 400)
    )


def made_counts(classes: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.multinomial(12, np.full(classes, 1 / classes), size=classes) + np.diag(rng.integers(10, 40, classes))


def every_picture() -> dict[str, str]:
    steps = np.arange(0, 9_000, 5)
    near = {f"a run with quite a long name {k}": (steps, 1.0 - np.exp(-steps / (900 + k))) for k in range(6)}
    return {
        "ten classes": pictures.confusion(made_counts(10), NAMES, "Ten classes"),
        "two classes": pictures.confusion(np.array([[3, 1], [0, 0]]), ["a", "b"], "Two classes"),
        "twenty classes": pictures.confusion(made_counts(20), [name * 2 for name in NAMES] * 2, "Twenty"),
        "thirty classes": pictures.confusion(made_counts(30), NAMES * 3, "Thirty"),
        "sixty classes": pictures.confusion(made_counts(60), [f"class {k}" for k in range(60)], "Sixty"),
        "curves": pictures.curves(near, "Accuracy", "steps of 64 chunks", "share of clips", (0.0, 1.0)),
        "filters": pictures.filters(made_filters(2_048), "Filters"),
        "few filters": pictures.filters(made_filters(5), "Five filters"),
    }


@pytest.fixture(scope="module")
def drawn() -> dict[str, str]:
    return every_picture()


def texts(svg: str) -> list[tuple[str, float, float, float, float, float]]:
    """Every line that is not turned: its text, the box it takes, and its font."""
    found = []
    for each in ElementTree.fromstring(svg).iter(f"{SVG}text"):
        if "transform" not in each.attrib:
            kind = each.get("class", "")
            font = 11.0 if "small" in kind else 15.0 if "title" in kind else 13.0
            width = len(each.text or "") * pictures.CHARACTER * font / 13.0
            x, y = float(each.attrib["x"]), float(each.attrib["y"])
            left = x - {"start": 0.0, "middle": 0.5, "end": 1.0}[each.attrib["text-anchor"]] * width
            found.append((each.text or "", left, left + width, y - 0.75 * font, y, font))
    return found


def test_every_picture_is_well_formed_small_and_the_same_each_time(drawn: dict[str, str]) -> None:
    for name, svg in drawn.items():
        root = ElementTree.fromstring(svg)
        assert root.tag == f"{SVG}svg" and root.get("width") == "900" and root.get("aria-label"), name
        assert len(svg.encode()) < 200_000, name
    assert every_picture() == drawn


def test_every_class_of_colour_has_a_light_and_a_dark_value(drawn: dict[str, str]) -> None:
    coloured = {"page", "soft", "small", "over", "grid", "axis", "thin", "heat", "right", "wrong"}
    coloured |= {f"c{k}" for k in range(pictures.MOST_RUNS)}
    for name, svg in drawn.items():
        light, dark = re.search(
            r"<style>(.*?)@media \(prefers-color-scheme: dark\) \{(.*)\}\s*</style>", svg, re.S
        ).groups()
        for theme in (light, dark):  # small numbers on strong cells are both: the later rule holds
            assert theme.index(".small {") < theme.index(".over {")
        used = {kind for each in re.findall(r' class="([^"]*)"', svg) for kind in each.split()}
        assert used <= coloured | {"title", "line", "dash"}, name
        for kind in used:
            assert f".{kind} " in light, (name, kind)
            assert f".{kind} " in dark or f".{kind}," in dark or kind not in coloured, (name, kind)


def test_text_stays_on_the_page_and_apart(drawn: dict[str, str]) -> None:
    for name, svg in drawn.items():
        height = float(ElementTree.fromstring(svg).attrib["height"])
        boxes = texts(svg)
        assert len(boxes) > 5
        for text, left, right, top, bottom, _ in boxes:
            assert left >= -HALF and right <= 900.0 + HALF and top >= 0.0 and bottom <= height - 2.0, (name, text)
        for k, (one, left, right, top, bottom, _) in enumerate(boxes):
            for other, l2, r2, t2, b2, _ in boxes[k + 1 :]:
                apart = right <= l2 + HALF or r2 <= left + HALF or bottom <= t2 or b2 <= top
                assert apart, (name, one, other)


def test_turned_headings_stay_on_the_page(drawn: dict[str, str]) -> None:
    for name in ("ten classes", "sixty classes"):
        turned = [each for each in ElementTree.fromstring(drawn[name]).iter(f"{SVG}text") if "transform" in each.attrib]
        assert len(turned) == (10 if name == "ten classes" else 60)
        for each in turned:
            angle = -np.radians(float(re.match(r"rotate\((\S+)", each.attrib["transform"])[1]))
            reach = len(each.text) * pictures.CHARACTER
            assert float(each.attrib["x"]) + np.cos(angle) * reach <= 900.0
            assert float(each.attrib["y"]) - np.sin(angle) * reach >= 40.0, "the title is above"


def test_a_row_is_what_is_true_and_a_column_what_was_told() -> None:
    svg = pictures.confusion(np.array([[7, 0, 1], [0, 5, 0], [0, 2, 0]]), ["ant", "bee", "cow"], "Three")
    place = {text: ((left + right) / 2, bottom) for text, left, right, _, bottom, _ in texts(svg)}
    row = {name: place[name][1] for name in ("ant", "bee", "cow")}
    heads = re.findall(r'x="([\d.]+)" y="[\d.]+" text-anchor="start" transform="[^"]*">(\w+)<', svg)
    column = {name: float(x) for x, name in heads}
    for count, true, told in (("7", "ant", "ant"), ("1", "ant", "cow"), ("5", "bee", "bee"), ("2", "cow", "bee")):
        x, y = place[count]
        assert y == row[true] and min(column, key=lambda name: abs(column[name] - x)) == told
    assert svg.count('class="right"') == 2 and svg.count('class="wrong"') == 2
    assert "12 of 15 right, 80 %" in svg and "88 %" in place and "71 %" in place  # 7 of 8, 5 of 7
    # The stronger, the larger the share of the row: two of two cows.
    assert re.search(r'class="wrong"[^>]*fill-opacity="1\.00"', svg)


def test_names_are_no_markup() -> None:
    hostile = ["<script>&\"'\x1b", "b" * 500]
    svg = pictures.confusion(np.eye(2, dtype=int), hostile, "<title>\n")
    assert "<script" not in svg and "&lt;script&gt;&amp;&quot;&#39;\ufffd" in svg and "&lt;title&gt;\ufffd" in svg
    assert all(right <= 900.0 for _, _, right, _, _, _ in texts(svg))
    ElementTree.fromstring(pictures.curves({hostile[0]: ([1], [1.0])}, hostile[1][:50], "<", "&"))


@pytest.mark.parametrize(
    ("counts", "names"),
    [
        (np.zeros((2, 3), int), ["a", "b"]),
        (np.eye(2), ["a", "b"]),
        (-np.eye(2, dtype=int), ["a", "b"]),
        (np.zeros((0, 0), int), []),
        (np.eye(61, dtype=int), ["x"] * 61),
    ],
)
def test_what_is_no_confusion_is_refused(counts: np.ndarray, names: list[str]) -> None:
    with pytest.raises(ValueError, match=r"whole numbers|can be drawn"):
        pictures.confusion(counts, names, "t")


def test_a_curve_is_broken_where_a_value_is_no_number_and_names_its_end() -> None:
    svg = pictures.curves({"loss": ([1, 2, 3, 4, 5, 6, 7], [4, 3, np.nan, 2, np.inf, 1e300, 1])}, "Loss")
    curves = re.findall(r'<polyline class="line c0" points="([^"]*)"', svg)
    assert len(curves) == 4, "three pieces and the line to the name"
    assert ">loss 1.00<" in svg
    # Steps 1 and 7 are the ends of the axis, 4 and 1 those of the values.
    first, last = curves[0].split()[1].split(","), curves[2].split()[1].split(",")
    (left, top), (right, bottom) = map(float, first), map(float, last)
    marks = {text: ((x1 + x2) / 2, y2) for text, x1, x2, _, y2, _ in texts(svg) if text in ("7", "4.0", "1.0")}
    assert right == pytest.approx(marks["7"][0], abs=0.2) and left < right
    assert marks["4.0"][1] - 4.0 == pytest.approx(top, abs=0.2) and marks["1.0"][1] - 4.0 == pytest.approx(
        bottom, abs=0.2
    )


def test_a_long_curve_is_thinned_by_means() -> None:
    values = np.tile([0.0, 1.0], 3_000)
    svg = pictures.curves({"x": (np.arange(6_000), values)}, "t", limits=(0.0, 1.0))
    points = re.search(r'<polyline class="line c0" points="([^"]*)"', svg)[1].split()
    assert len(points) == pictures.CURVE_POINTS + 2 and len({point.split(",")[1] for point in points}) == 1


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ({}, "0 runs"),
        ({str(k): ([1], [1.0]) for k in range(7)}, "7 runs"),
        ({"a": ([1, 2], [1.0])}, "run 'a'"),
        ({"a": ([np.nan], [1.0])}, "finite step"),
        ({"a": ([1], [np.nan])}, "no run has a value"),
    ],
)
def test_what_is_no_curve_is_refused(runs: dict[str, tuple[list[float], list[float]]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pictures.curves(runs, "t")


def test_a_tone_is_tuned_to_its_frequency_and_as_wide_as_its_window_allows() -> None:
    time = np.arange(400) / 16_000
    tones = np.array([np.sin(2.0 * np.pi * hz * time) for hz in (200.0, 1_000.0, 6_400.0)])
    tuned = pictures.tuning(tones)
    assert tuned.centre_hz == pytest.approx([200.0, 1_000.0, 6_400.0], rel=0.01, abs=4.0)
    # Equivalent noise bandwidth of a rectangular window is one bin of its own length; of a Hann window 1.5.
    assert tuned.bandwidth_hz[1:] == pytest.approx(40.0, rel=0.02)
    assert pictures.tuning(tones * np.hanning(401)[:-1]).bandwidth_hz[1:] == pytest.approx(60.0, rel=0.02)
    # Larger weights are no other tuning; an offset, or little noise, moves it little.
    other = 50.0 * tones + np.random.default_rng(1).normal(0.0, 5.0, tones.shape)
    assert pictures.centre_frequencies(other) == pytest.approx(tuned.centre_hz, rel=0.03)


def test_a_click_hears_everything_and_zeros_nothing() -> None:
    weights = np.zeros((2, 400))
    weights[0, 7] = -3.0
    tuned = pictures.tuning(weights)
    assert tuned.centre_hz[0] == pytest.approx(4_000.0, abs=4.0) and tuned.bandwidth_hz[0] == pytest.approx(8_000.0)
    assert np.isnan([tuned.centre_hz[1], tuned.bandwidth_hz[1]]).all()
    assert "1 filters" in pictures.filters(weights, "t") and "1 more hold nothing but 0" in pictures.filters(
        weights, "t"
    )
    for bad in (np.zeros((3, 400)), np.full((1, 400), np.nan), np.zeros((0, 400)), np.ones(400), np.ones((2, 5_000))):
        with pytest.raises(ValueError, match=r"are 0|are expected"):
            pictures.filters(bad, "t")


def test_the_map_of_spectra_rises_with_the_order_of_the_filters() -> None:
    """The bitmap is read back as a viewer would: the darkest row of a column is the frequency of the filters there."""
    svg = pictures.filters(made_filters(1_024), "Filters")
    data = base64.b64decode(re.search(r'href="data:image/png;base64,([^"]+)"', svg)[1])
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, at = {}, 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        content = data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + content)
        chunks[kind], at = content, at + 12 + length
    columns, rows, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert (columns, rows, depth, colour) == (256, 128, 8, 0) and b"IEND" in chunks
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(rows, columns + 1)
    assert (lines[:, 0] == 2).all(), "every line is told by the one above"
    grey = np.cumsum(lines[:, 1:], axis=0, dtype=np.uint8)
    darkest = (rows - 0.5 - grey.argmax(axis=0)) * 8_000.0 / rows
    expected = np.sort(pictures.centre_frequencies(made_filters(1_024))).reshape(256, 4).mean(axis=1)
    assert np.abs(darkest - expected).max() < 130.0
    assert (grey == 0).mean() > 0.5 and (grey.max(axis=0) == 255).all()


def test_the_waves_are_those_of_the_filters() -> None:
    weights = made_filters(24)
    svg = pictures.filters(weights, "Filters")
    order = np.argsort(pictures.centre_frequencies(weights))
    waves = re.findall(r'<path class="thin" transform="[^"]*" stroke-width="[^"]*" d="M0 (\d+)l([^"]*)"', svg)
    assert len(waves) == 24
    for index, (start, steps) in zip(order, waves, strict=True):
        moves = np.array(re.findall(r"1([+-]\d+)", steps), int)
        wave = -np.concatenate([[int(start)], int(start) + np.cumsum(moves)])
        assert len(wave) == 400 and np.corrcoef(wave, weights[index])[0, 1] > 0.999


def test_a_renderer_draws_every_picture(drawn: dict[str, str], tmp_path: Path) -> None:
    if not shutil.which("rsvg-convert"):
        print("skipped: no rsvg-convert")
        pytest.skip("rsvg-convert is not installed: apt-get install librsvg2-bin")
    for k, (name, svg) in enumerate(drawn.items()):
        (tmp_path / f"{k}.svg").write_text(svg, encoding="utf-8")
        subprocess.run(["rsvg-convert", "-o", str(tmp_path / f"{k}.png"), str(tmp_path / f"{k}.svg")], check=True)
        size = struct.unpack(">II", (tmp_path / f"{k}.png").read_bytes()[16:24])
        assert size[0] == 900 and size[1] == int(ElementTree.fromstring(svg).attrib["height"]), name
