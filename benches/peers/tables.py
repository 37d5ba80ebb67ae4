"""The tables of the comparison, as Markdown, which reads well on a terminal too.

In: what `offline.py` and `streaming.py` measured. Out: text.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with its columns padded; all but the first are set to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        numbers = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
        return f"| {' | '.join([cells[0].ljust(widths[0]), *numbers])} |"

    rule = "|".join(["", "-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:]), ""])
    return "\n".join([line(head), rule, *map(line, rows)])


def number(value: float | None, digits: int = 2) -> str:
    """A number, a dash where there is none, `never` for infinity."""
    if value is None or math.isnan(value):
        return "-"
    return "never" if math.isinf(value) else f"{value:.{digits}f}"


def ranged(value: Mapping[str, float], digits: int = 4) -> str:
    """Median (lowest to highest)."""
    return f"{value['median']:.{digits}f} ({value['lowest']:.{digits}f} to {value['highest']:.{digits}f})"


def offline_table(found: Mapping[str, Any], title: str = "offline") -> str:
    """Errors, speed and memory of every engine, and the ratio to the engine with the same weights."""
    head = (title, "model", "WER %", "WER one segment", "RTF wall", "RTF CPU", "start s", "peak MiB")
    rows = [
        (
            name,
            each["model"],
            number(each["wer"]),
            number(each["wer_one_segment"] if found["one_segment"] else None),
            ranged(each["factor_wall"]),
            ranged(each["factor_cpu"]),
            number(each["start_s"]),
            number(each["peak_mib"], 0),
        )
        for name, each in found["engines"].items()
    ]
    lines = [
        f"{found['clips']} recordings, {found['words']} words, {found['audio_s']:.0f} s, {found['rounds']} rounds, "
        "one thread. RTF: median of the rounds (lowest to highest). One segment: the "
        f"{found['one_segment']} clips that Auricle took as one",
        "",
        markdown(head, rows),
    ]
    if found["ratios"]:
        named = {"all": "all clips", "one_segment": "one segment"}
        said = [
            f"{named[key.rpartition('_')[0]]}, {key.rpartition('_')[2]}: {ranged(value, 3)}"
            for key, value in found["ratios"].items()
        ]
        other = f"{found['same_weights']} with the same weights"
        lines += ["", f"auricle's factor over that of {other}: " + "; ".join(said)]
    return "\n".join(lines)


def streaming_table(found: Mapping[str, Any]) -> str:
    """Delays, changes, cost and errors of every engine."""
    head = (
        "live",
        "first p50",
        "p95",
        "lasting p50",
        "p95",
        "committed p50",
        "p95",
        "final p50",
        "p95",
        "matched",
        "flips a word",
        "CPU",
        "WER %",
        "peak MiB",
    )
    rows = []
    for name, each in found["engines"].items():
        delays = [
            number(each.get(f"{kind}_s", {}).get(percent))
            for kind in ("first", "lasting", "committed", "final")
            for percent in ("p50", "p95")
        ]
        cells = [name, *delays, f"{100.0 * each['matched']:.0f} %", number(each["flips_a_word"])]
        rows.append((*cells, f"{100.0 * each['cpu_share']:.0f} %", number(each["wer"]), number(each["peak_mib"], 0)))
    return "\n".join(
        [
            f"{len(found['strings'])} strings, {found['words']} words, {found['audio_s']:.0f} s, in real time; seconds "
            "after a word's end, over the words that the final text has",
            "",
            markdown(head, rows),
        ]
    )
