"""Draws reliability curves: the share of words that are right over the probability they were told with.

In: the binary, the data folder, names of models. Out: an SVG, one panel a model, on standard output.

    python benches/accuracy/reliability_plot.py moonshine-tiny-en moonshine-base-en > docs/reliability.svg
"""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from auricle import Auricle, Failed
from clips import utterances
from reliability import Bin, calibration_error, curve, heard
from run import ROOT

SIDE, GAP = 300, 84
LEFT, TOP, BOTTOM = 64, 56, 108
COLOURS = ("#1f6f8b", "#b0b4ba")
INK, FAINT = "#30343b", "#d9dce1"
FEWEST = 5
"""Bins of fewer words are left out of the drawing: their share says nothing."""
Z90 = 1.645
Scale = Callable[[float], float]


@dataclass(frozen=True)
class Series:
    """A curve and what it is called."""

    name: str
    bins: Sequence[Bin]


@dataclass(frozen=True)
class Panel:
    """The curves of one model, the one that matters first."""

    title: str
    series: Sequence[Series]


def interval(right: float, words: int) -> tuple[float, float]:
    """Wilson's 90 % interval of a share."""
    spread = Z90 * math.sqrt(right * (1.0 - right) / words + Z90**2 / (4.0 * words**2))
    middle, scale = right + Z90**2 / (2.0 * words), 1.0 + Z90**2 / words
    return (middle - spread) / scale, (middle + spread) / scale


def draw(panels: Sequence[Panel]) -> str:
    """The picture. The area of a dot grows with the words of its bin; a line through it is the 90 % interval."""
    width = LEFT + len(panels) * SIDE + (len(panels) - 1) * GAP + 24
    height = TOP + SIDE + BOTTOM
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img" aria-label="Share of words that are right over the probability they were told with">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<g font-family="Inter,Helvetica,Arial,\'DejaVu Sans\',sans-serif" font-size="13" fill="{INK}">',
    ]
    for k, panel in enumerate(panels):
        lines += _panel(panel, LEFT + k * (SIDE + GAP))
    lines += [
        f'<text transform="translate(18 {TOP + SIDE / 2}) rotate(-90)" text-anchor="middle">share that is right</text>',
        "</g></svg>",
    ]
    return "\n".join(lines) + "\n"


def _panel(panel: Panel, left: float) -> list[str]:
    def x(value: float) -> float:
        return left + value * SIDE

    def y(value: float) -> float:
        return TOP + (1.0 - value) * SIDE

    lines = [f'<text x="{left}" y="{TOP - 20}" font-size="14" font-weight="600">{escape(panel.title)}</text>']
    for tenth in range(0, 11, 2):
        value = tenth / 10
        lines += [
            f'<path d="M{x(0)} {y(value):.1f}h{SIDE}M{x(value):.1f} {y(0)}v{-SIDE}" stroke="{FAINT}"/>',
            f'<text x="{x(0) - 8}" y="{y(value) + 4.5:.1f}" text-anchor="end">{value:g}</text>',
            f'<text x="{x(value):.1f}" y="{y(0) + 19}" text-anchor="middle">{value:g}</text>',
        ]
    lines += [
        f'<path d="M{x(0)} {y(0)}L{x(1)} {y(1)}" stroke="{INK}" stroke-dasharray="4 4"/>',
        f'<text x="{x(0.5)}" y="{y(0) + 40}" text-anchor="middle">probability told</text>',
    ]
    for number, series in reversed(list(enumerate(panel.series))):
        lines += _series(series, COLOURS[number % len(COLOURS)], x, y)
    for number, series in enumerate(panel.series):
        row = y(0) + 66 + 20 * number
        error = 100.0 * calibration_error(series.bins)
        lines += [
            f'<circle cx="{x(0) + 6}" cy="{row - 4.5}" r="5" fill="{COLOURS[number % len(COLOURS)]}"/>',
            f'<text x="{x(0) + 18}" y="{row}">{escape(series.name)}: error {error:.1f} %</text>',
        ]
    return lines


def _series(series: Series, colour: str, x: Scale, y: Scale) -> list[str]:
    drawn = [b for b in series.bins if b.words >= FEWEST]
    most = max((b.words for b in drawn), default=1)
    path = "L".join(f"{x(b.probability):.1f} {y(b.right):.1f}" for b in drawn)
    lines = [f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'] if drawn else []
    for b in drawn:
        low, high = interval(b.right, b.words)
        radius = 3.0 + 6.0 * math.sqrt(b.words / most)
        at = x(b.probability)
        lines += [
            f'<path d="M{at:.1f} {y(low):.1f}V{y(high):.1f}" stroke="{colour}" stroke-opacity=".55" stroke-width="2"/>',
            f'<circle cx="{at:.1f}" cy="{y(b.right):.1f}" r="{radius:.1f}" fill="{colour}">'
            f"<title>{b.words} words, probability {b.probability:.2f}, right {b.right:.2f}</title></circle>",
        ]
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Measures each model and draws. 0 done, 1 the binary failed or a model tells no words."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--auricle", type=Path, default=ROOT / "target" / "release" / "auricle", help="the binary")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of speech/")
    options = parser.parse_args(arguments)
    clips, panels = utterances(options.data), []
    try:
        auricle = Auricle(options.auricle)
        for model in options.models:
            words = heard(auricle, clips, "--model", model) if clips else []
            if not words:
                raise Failed(f"{model}: no words to judge: no clips in {options.data}, or the model tells no words")
            panels.append(Panel(f"{model} · {len(words)} words", [Series("as told", curve(words))]))
    except Failed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    sys.stdout.write(draw(panels))
    return 0


if __name__ == "__main__":
    sys.exit(main())
