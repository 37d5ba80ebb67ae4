"""Pictures of what was learned, as SVG written by hand: mistakes, curves, filters.

In: counts, curves, weights. Out: the text of one file of 900 pixels' width, whose colours follow the reader's light or
dark page; they are those of the pages that `auricle bench` writes. The same input gives the same bytes.
"""

import base64
import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from auricle_export.audio import SAMPLE_RATE_HZ
from auricle_export.logmel import hz_to_mel

Floats = npt.NDArray[np.float64]
Point = tuple[float, float]

WIDTH = 900.0
"""Pixels that a page of documentation has for a picture."""
CHARACTER = 7.4
"""Pixels of an average character of 13, on the safe side: readers have other fonts than we do."""
MOST_CLASSES = 60
MOST_RUNS = 6
CURVE_POINTS = 600
LARGEST = 1e30
"""What is larger is taken for no number."""
TRANSFORM = 4_096
"""Length to which a filter is padded with zeros before its transform: bins of 4 Hz at 16 kHz."""
HEAT_COLUMNS, HEAT_ROWS = 256, 128
HEAT_DB = 20.0
"""What is so far below the highest of its column is not seen."""
EXAMPLES = (6, 4)
"""Rows and columns of example filters."""

_LIGHT = """\
text { font: 13px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1b1f24; }
.page { fill: #ffffff; } .title { font-size: 15px; font-weight: 600; } .soft { fill: #5c6670; }
.small { font-size: 11px; fill: #5c6670; } .over { fill: #ffffff; }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round; } .dash { stroke-dasharray: 5 4; }
.grid { stroke: #dfe3e8; } .axis { stroke: #5c6670; }
.thin { fill: none; stroke: #1b1f24; stroke-linejoin: round; } .heat { fill: #08344f; }
.right { fill: #0072b2; } .wrong { fill: #d55e00; } .c0 { stroke: #0072b2; } .c1 { stroke: #d55e00; }
.c2 { stroke: #009e73; } .c3 { stroke: #a8579b; } .c4 { stroke: #8a6d00; } .c5 { stroke: #5c6670; }
"""
_DARK = """\
text { fill: #e8eaed; } .page { fill: #14171b; } .soft, .small { fill: #9aa4ae; } .over { fill: #14171b; }
.grid { stroke: #2c3238; } .axis { stroke: #9aa4ae; } .thin { stroke: #e8eaed; } .heat { fill: #bfe3fa; }
.right { fill: #4aa8e0; } .wrong { fill: #ff9350; } .c0 { stroke: #4aa8e0; } .c1 { stroke: #ff9350; }
.c2 { stroke: #35c79b; } .c3 { stroke: #dd9ad2; } .c4 { stroke: #e3c24a; } .c5 { stroke: #9aa4ae; }
"""


class Tuning(NamedTuple):
    """What filters listen to, in hertz; NaN for a filter whose weights are all 0."""

    centre_hz: Floats
    """[filters]; half of the filter's energy lies below: near its peak, and little moved by what lies around that. The
    highest bin itself would make a filter of 7 kHz that also has an offset one of 0 Hz."""
    bandwidth_hz: Floats
    """[filters]; the equivalent noise bandwidth: of a rectangle as high as the highest bin, of the same energy."""


def spectra(weights: npt.ArrayLike) -> Floats:
    """Power spectra [filters, 2049] of weights [filters, samples], no window, 0 Hz to half the rate."""
    given = np.asarray(weights, np.float64)
    if given.ndim != 2 or not len(given) or not 2 <= given.shape[1] <= TRANSFORM or not (np.abs(given) < LARGEST).all():
        raise ValueError(f"weights have shape {given.shape}; finite numbers [filters, 2 to {TRANSFORM}] are expected")
    return np.abs(np.fft.rfft(given, TRANSFORM)) ** 2


def tuning(weights: npt.ArrayLike, sample_rate_hz: int = SAMPLE_RATE_HZ) -> Tuning:
    """Centre and bandwidth of every filter of weights [filters, samples]."""
    return _tuning(spectra(weights), sample_rate_hz)


def centre_frequencies(weights: npt.ArrayLike, sample_rate_hz: int = SAMPLE_RATE_HZ) -> Floats:
    """Hertz [filters] of `Tuning.centre_hz` of weights [filters, samples]."""
    return tuning(weights, sample_rate_hz).centre_hz


def confusion(counts: npt.ArrayLike, names: Sequence[str], title: str) -> str:
    """Draw counts [classes, classes] of what was told (column) of what is true (row), as `metrics.confusion` has them.

    A cell is as strong as its share of its row; what is right is blue, mistakes are orange. Beside a row stands how
    much of the class was found, below a column how much of what was told is right.
    """
    matrix = np.asarray(counts)
    classes = len(names)
    if matrix.shape != (classes, classes) or matrix.dtype.kind not in "iu" or (matrix < 0).any():
        raise ValueError(
            f"counts have shape {matrix.shape} of {matrix.dtype}, names {classes}; whole numbers of [n, n]"
        )
    if not 1 <= classes <= MOST_CLASSES:
        raise ValueError(f"{classes} classes: 1 to {MOST_CLASSES} can be drawn")
    shown = [_shortened(name, 28) for name in names]
    longest = max(map(len, shown)) * CHARACTER
    left = max(170.0, min(30.0 + longest, 240.0))
    # Headings lean to the right, past the last column; where columns are too narrow for that they stand upright.
    cell = min(46.0, (WIDTH - left - 16.0 - max(84.0, 0.71 * longest)) / classes)
    turn, rise = (-45.0, 0.71) if cell > 17.0 else (-90.0, 1.0)
    top, side = 64.0 + rise * longest, cell * classes
    drawing = _Drawing(top + side + 58.0)
    drawing.text("title", (16.0, 28.0), title)
    small = cell < 26.0
    rows, columns = matrix.sum(axis=1), matrix.sum(axis=0)
    for k in range(classes + 1):
        drawing.line("grid", (left, top + k * cell), (left + side, top + k * cell))
        drawing.line("grid", (left + k * cell, top), (left + k * cell, top + side))
    for i, j in zip(*np.nonzero(matrix), strict=True):
        share, x, y = matrix[i, j] / rows[i], left + j * cell, top + i * cell
        drawing.box("right" if i == j else "wrong", (x + 0.5, y + 0.5), cell - 1.0, cell - 1.0, 0.08 + 0.92 * share)
        if cell >= 15.0:
            kind = ("over" if share > 0.45 else "") + (" small" if small else "")
            drawing.text(kind.strip(), (x + cell / 2.0, y + cell / 2.0 + 4.5), str(matrix[i, j]), "middle")
    kind = "small" if small else ""
    for k, name in enumerate(shown):
        middle = (k + 0.5) * cell
        if cell >= 9.0:
            drawing.text(kind, (left - 10.0, top + middle + 4.5), name, "end")
            drawing.text(kind, (left + middle + 4.0, top - 9.0), name, "start", turn)
            drawing.text("small", (left + side + 10.0, top + middle + 4.5), _percent(matrix[k, k], rows[k]))
        if cell >= 26.0:
            drawing.text("small", (left + middle, top + side + 18.0), _percent(matrix[k, k], columns[k]), "middle")
    drawing.text("soft", (left - 10.0, top - 12.0), "is ↓, told as →", "end")
    drawing.text("small", (left + side + 10.0, top - 9.0), "found")
    if cell >= 26.0:
        drawing.text("small", (left - 10.0, top + side + 18.0), "right of what was told", "end")
    total = f"{np.trace(matrix)} of {matrix.sum()} right, {_percent(np.trace(matrix), matrix.sum())}"
    drawing.text("soft", (left, top + side + 44.0), total)
    return drawing.finish(f"{title}: confusion of {classes} classes, {total}")


def curves(
    runs: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]],
    title: str,
    steps: str = "steps",
    values: str = "",
    limits: tuple[float, float] | None = None,
) -> str:
    """Draw curves over training of up to six runs: the name of each, its steps [n] and its values [n].

    `steps` and `values` name the axes; `limits` are the ends of the upright one. Neighbours are averaged where there
    are more than `CURVE_POINTS`; where a value is no finite number, there is a gap.
    """
    if not 1 <= len(runs) <= MOST_RUNS:
        raise ValueError(f"{len(runs)} runs: 1 to {MOST_RUNS} can be told apart")
    drawn = {name: _thinned(name, *run) for name, run in runs.items()}
    known = np.concatenate([np.stack(run, axis=1)[np.isfinite(run[1])] for run in drawn.values()])
    if not len(known):
        raise ValueError(f"{title}: no run has a value that is a finite number")
    names = {name: _shortened(name, 28) for name in runs}
    height, right = 400.0, WIDTH - 28.0 - CHARACTER * (max(map(len, names.values())) + 6)
    low, high = limits or (float(known[:, 1].min()), float(known[:, 1].max()))
    across = _Scale(float(known[:, 0].min()), float(known[:, 0].max()), 64.0, right)
    upright = _Scale(low, high, height - 56.0, 68.0)
    drawing = _Drawing(height)
    drawing.text("title", (16.0, 28.0), title)
    drawing.axes(across, upright, steps, values)
    ends, digits = [], min(6, max(0, 2 - math.floor(math.log10(upright.high - upright.low))))
    for k, (name, (x, y)) in enumerate(drawn.items()):
        finite = np.isfinite(y)
        for part in np.split(np.arange(len(x)), np.flatnonzero(np.diff(finite)) + 1):
            if finite[part[0]]:
                points = [(across.at(x[i]), upright.at(y[i])) for i in part]
                (first, y_first), (last, y_last) = points[0], points[-1]
                # A value between two gaps is a dash.
                drawing.path(f"line c{k}", [(first - 1.0, y_first), *points, (last + 1.0, y_last)])
        if finite.any():
            end = float(y[finite][-1])
            ends.append((upright.at(end), k, f"{names[name]} {end:,.{digits}f}"))
    # Names stand at the ends of their curves, moved apart where they would overlap.
    ends.sort()
    places: list[float] = []
    for at, _, _ in ends:
        places.append(max(at, places[-1] + 18.0) if places else at)
    lift = max(0.0, places[-1] - upright.start)
    for place, (at, k, name) in zip(places, ends, strict=True):
        beside = place - lift
        drawing.path(f"line c{k}", [(right + 3.0, at), (right + 10.0, beside), (right + 18.0, beside)])
        drawing.text("", (right + 23.0, beside + 4.5), name)
    return drawing.finish(f"{title}: {values or 'values'} over {steps} of {', '.join(names.values())}")


def filters(weights: npt.ArrayLike, title: str, sample_rate_hz: int = SAMPLE_RATE_HZ) -> str:
    """Draw what the first layer listens to, of weights [filters, samples]: all spectra, and the waves of some.

    Left are the spectra of all filters, sorted by centre (see `Tuning`), which a line follows; a dashed line is where
    as many bands of a mel scale would be. Right are the waves of filters at equal distances in that order, each as high
    as its place. Filters whose weights are all 0 are counted and left out.
    """
    given = np.asarray(weights, np.float64)
    power = spectra(given)
    tuned = _tuning(power, sample_rate_hz)
    heard = np.flatnonzero(np.isfinite(tuned.centre_hz))
    if not len(heard):
        raise ValueError(f"{title}: the weights of all {len(given)} filters are 0")
    order = heard[np.argsort(tuned.centre_hz[heard], kind="stable")]
    centres, count, half = tuned.centre_hz[order], len(order), sample_rate_hz / 2.0
    mel = 700.0 * np.expm1(hz_to_mel(half) * (np.arange(count) + 0.5) / count / 1127.0)

    drawing = _Drawing(508.0)
    drawing.text("title", (16.0, 28.0), title)
    across = _Scale(0.0, float(count), 56.0, 476.0)
    upright = _Scale(0.0, half / 1_000.0, 424.0, 84.0)
    drawing.heat("heat", (56.0, 84.0), 420.0, 340.0, _heat(power[order]))
    drawing.axes(across, upright, f"{count:,} filters, by the middle of their energy", "kHz", inside=False)
    for kind, line in (("line c1", centres), ("line c2 dash", mel)):
        at = np.unique(np.linspace(0, count - 1, 211).astype(int))
        drawing.path(kind, [(across.at(i + 0.5), upright.at(line[i] / 1_000.0)) for i in at])
    for x, kind, name in (
        (120.0, "line c1", "middle of energy"),
        (264.0, "line c2 dash", "mel scale of as many bands"),
    ):
        drawing.line(kind, (x, 66.0), (x + 24.0, 66.0))
        drawing.text("small", (x + 29.0, 70.0), name)

    rows, columns = EXAMPLES
    some = order[np.unique(np.linspace(0.0, count, 2 * min(count, rows * columns) + 1)[1::2].astype(int))]
    length_ms = 1_000.0 * given.shape[1] / sample_rate_hz
    drawing.text("soft", (516.0, 70.0), f"{len(some)} of them, equally far apart, over {length_ms:g} ms")
    for k, index in enumerate(some):
        x, y = 516.0 + (k % columns) * 94.0, 84.0 + (k // columns) * 58.0
        drawing.line("grid", (x, y + 20.0), (x + 84.0, y + 20.0))
        drawing.wave("thin", (x, y + 2.0), 84.0, 36.0, given[index])
        drawing.text("small", (x + 84.0, y + 50.0), _hertz(tuned.centre_hz[index]), "end")
    width = float(np.median(tuned.bandwidth_hz[order]))
    said = f"Half of the filters lie below {_hertz(float(np.median(centres)))}; half are narrower than {_hertz(width)}."
    none = len(given) - count
    drawing.text("soft", (56.0, 490.0), said + (f" {none} more hold nothing but 0." if none else ""))
    return drawing.finish(f"{title}: spectra of {count} sorted filters, and {len(some)} of their waves. {said}")


def _tuning(power: Floats, sample_rate_hz: int) -> Tuning:
    bin_hz = sample_rate_hz / TRANSFORM
    # Half of the spectrum stands for all of it: only the bins at its two ends have no twin.
    below = np.cumsum(power * np.where(np.arange(power.shape[1]) % (TRANSFORM // 2), 1.0, 0.5), axis=1)
    peak, area = power.max(axis=1), below[:, -1]
    centre = (below >= 0.5 * area[:, None]).argmax(axis=1) * bin_hz
    silent = peak == 0.0
    width = area / np.where(silent, 1.0, peak) * bin_hz
    return Tuning(np.where(silent, np.nan, centre), np.where(silent, np.nan, width))


def _heat(power: Floats) -> Floats:
    """Amounts [rows, columns], 0 to 1, of sorted spectra [filters, bins]; the highest frequency is the first row.

    Every filter has a say of one in its column, however large its weights are.
    """
    shares = power / power.sum(axis=1, keepdims=True)
    groups = np.array_split(np.arange(len(power)), min(HEAT_COLUMNS, len(power)))
    bands = np.array_split(np.arange(power.shape[1]), HEAT_ROWS)
    table = np.array([[shares[np.ix_(group, band)].mean() for group in groups] for band in reversed(bands)])
    below = 10.0 * np.log10(np.maximum(table / table.max(axis=0), 1e-12))
    return np.clip(1.0 + below / HEAT_DB, 0.0, 1.0)


def _thinned(name: str, steps: npt.ArrayLike, values: npt.ArrayLike) -> tuple[Floats, Floats]:
    x, y = np.asarray(steps, np.float64), np.asarray(values, np.float64)
    if x.ndim != 1 or x.shape != y.shape or not len(x) or not np.isfinite(x).all():
        raise ValueError(f"run {name!r}: steps have shape {x.shape}, values {y.shape}; one value for every finite step")
    parts = np.array_split(np.arange(len(x)), min(len(x), CURVE_POINTS))
    y = np.where(np.abs(y) < LARGEST, y, np.nan)
    return np.array([x[part].mean() for part in parts]), np.array([y[part].mean() for part in parts])


def _percent(part: int, whole: int) -> str:
    return f"{100.0 * part / whole:.0f} %" if whole else "-"


def _hertz(hz: float) -> str:
    return f"{hz:.0f} Hz" if hz < 995.0 else f"{hz / 1_000.0:.1f} kHz"


def _shortened(text: str, characters: int) -> str:
    return text if len(text) <= characters else text[: characters - 1] + "…"


def _escaped(text: str) -> str:
    """Text that a file has a say in: nothing in it is markup."""
    markup = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
    return "".join(markup.get(c, c if c.isprintable() else "\ufffd") for c in text)


def _png(amounts: Floats) -> bytes:
    """Grey of 33 levels, which is finer than is seen and halves the file, of amounts [rows, columns]."""
    grey = np.minimum(np.rint(amounts * 32.0) * 8.0, 255.0).astype(np.uint8)
    rows, columns = grey.shape
    # Every row is told as its difference from the row above, which changes little.
    lines = np.diff(grey, axis=0, prepend=np.zeros((1, columns), np.uint8))
    data = b"".join(b"\x02" + line.tobytes() for line in lines)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b"")


class _Scale:
    """A scale of values over pixels. What is no range becomes one."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.start, self.end = low, start, end
        self.high = high if high > low else low + 1.0

    def at(self, value: float) -> float:
        """Give the pixel of a value, kept on the scale."""
        share = min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))
        return self.start + share * (self.end - self.start)

    def ticks(self, count: int) -> list[tuple[float, str]]:
        """Round values on the scale, about `count` of them, with their labels."""
        rough = (self.high - self.low) / count
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(k * power for k in (1.0, 2.0, 5.0, 10.0) if k * power >= rough * 0.999)
        digits = max(0, -math.floor(math.log10(step * 1.0001)))
        values = [k * step for k in range(math.ceil(self.low / step - 1e-6), math.floor(self.high / step + 1e-6) + 1)]
        return [(value, f"{value:.{digits}f}" if digits else f"{value:,.0f}") for value in values]


class _Drawing:
    """A picture that is drawn from back to front; points are pixels from the upper left."""

    def __init__(self, height: float) -> None:
        self._height = math.ceil(height)
        self._body: list[str] = []

    def line(self, kind: str, start: Point, end: Point) -> None:
        """Draw a straight line."""
        (x1, y1), (x2, y2) = start, end
        self._body.append(f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')

    def box(self, kind: str, corner: Point, width: float, height: float, opacity: float) -> None:
        """Draw a filled box."""
        (x, y), size = corner, f'width="{width:.1f}" height="{height:.1f}"'
        self._body.append(f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" {size} fill-opacity="{opacity:.2f}"/>')

    def path(self, kind: str, points: Sequence[Point], more: str = "") -> None:
        """Draw a line through all points."""
        through = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._body.append(f'<polyline class="{kind}" points="{through}"{more}/>')

    def text(
        self, kind: str, at: Point, text: str, anchor: Literal["start", "middle", "end"] = "start", turn: float = 0.0
    ) -> None:
        """Write a line; its base line begins, has its middle or ends at `at`."""
        place = f'x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="{anchor}"'
        turned = f' transform="rotate({turn:g} {at[0]:.1f} {at[1]:.1f})"' if turn else ""
        self._body.append(f'<text class="{kind}" {place}{turned}>{_escaped(text)}</text>')

    def axes(self, across: _Scale, upright: _Scale, across_name: str, upright_name: str, inside: bool = True) -> None:
        """Draw marks and names; lines through the picture only where it is to be read `inside`."""
        for value, label in across.ticks(6):
            x = across.at(value)
            self.line("grid", (x, upright.start + 5.0), (x, upright.end if inside else upright.start))
            self.text("small", (x, upright.start + 18.0), label, "middle")
        for value, label in upright.ticks(6):
            y = upright.at(value)
            self.line("grid", (across.start - 5.0, y), (across.end if inside else across.start, y))
            self.text("small", (across.start - 9.0, y + 4.0), label, "end")
        self.line("axis", (across.start, upright.start), (across.end, upright.start))
        self.text("soft", (across.end, upright.start + 38.0), across_name, "end")
        self.text("soft", (across.start - 30.0, upright.end - 14.0), upright_name)

    def wave(self, kind: str, corner: Point, width: float, height: float, samples: Floats) -> None:
        """Draw every sample of a wave, as high as the box; whole steps on a fine grid keep the file small."""
        unit = width / (len(samples) - 1)
        reach = height / 2.0 / unit
        levels = np.rint(reach - reach * samples / np.abs(samples).max()).astype(int)
        steps = "".join(f" 1{step:+d}" for step in np.diff(levels))
        place = f"translate({corner[0]:.1f} {corner[1]:.1f}) scale({unit:.5f})"
        stroke = f'stroke-width="{0.8 / unit:.2f}"'
        self._body.append(f'<path class="{kind}" transform="{place}" {stroke} d="M0 {levels[0]}l{steps.lstrip()}"/>')

    def heat(self, kind: str, corner: Point, width: float, height: float, amounts: Floats) -> None:
        """Draw amounts [rows, columns], 0 to 1, as so much of a colour.

        They are a mask over one box: the colour is the page's, light or dark, and not the bitmap's.
        """
        at = f'x="{corner[0]:.1f}" y="{corner[1]:.1f}" width="{width:.1f}" height="{height:.1f}"'
        data = "data:image/png;base64," + base64.b64encode(_png(amounts)).decode()
        image = f'<image {at} preserveAspectRatio="none" href="{data}"/>'
        self._body.append(f'<mask id="heat" maskUnits="userSpaceOnUse" {at}>{image}</mask>')
        self._body.append(f'<rect class="{kind}" {at} mask="url(#heat)"/>')

    def finish(self, about: str) -> str:
        """Give the file; `about` is read out to who cannot see it."""
        size = f'viewBox="0 0 {WIDTH:.0f} {self._height}" width="{WIDTH:.0f}" height="{self._height}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{_escaped(about)}">'
        style = f"<style>\n{_LIGHT}@media (prefers-color-scheme: dark) {{\n{_DARK}}}\n</style>"
        page = f'<rect class="page" width="{WIDTH:.0f}" height="{self._height}"/>'
        return "\n".join([head, style, page, *self._body, "</svg>"]) + "\n"
