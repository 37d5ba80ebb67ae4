"""Figures: what a measurement hands back, how it is shown, and whether it misses its bound.

In: numbers with their names. Out: one table for a reader, plain values for `--json`, the misses for `--check`.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Figure:
    """One measured number."""

    part: str
    """The measurement it belongs to, as `--only` names it."""
    name: str
    """What was measured, in words."""
    value: float
    unit: str = ""
    reference: float | None = None
    """The same figure of the reference it is compared with; the README says which."""
    at_most: float | None = None
    """The bound `--check` holds it to, from above."""
    at_least: float | None = None
    """The bound `--check` holds it to, from below."""
    digits: int = 2
    """Decimals shown; bounds compare the full value."""
    note: str = ""
    """What the value was taken over, where a reader wants to know; the name alone says which figure it is."""

    @property
    def missed(self) -> bool:
        """Whether a bound is not kept. Not a number keeps no bound."""
        if self.at_most is not None and not self.value <= self.at_most:
            return True
        return self.at_least is not None and not self.value >= self.at_least

    @property
    def bound(self) -> str:
        """The bound in words, empty where there is none."""
        if self.at_most is not None:
            return f"at most {self.at_most:g}"
        if self.at_least is not None:
            return f"at least {self.at_least:g}"
        return ""

    def shown(self) -> str:
        """The value with its unit."""
        return f"{self.value:.{self.digits}f} {self.unit}".rstrip()

    def to_json(self) -> dict[str, object]:
        """The figure as `--json` writes it."""
        kept = {name: value for name, value in asdict(self).items() if value not in (None, "") and name != "digits"}
        return kept | {"missed": self.missed}


@dataclass
class Outcome:
    """What one part hands back: its figures, and in words what it could not measure."""

    figures: list[Figure] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def table(figures: Sequence[Figure]) -> str:
    """All figures as one plain table; with whether a bound is kept."""
    rows = [("part", "figure", "value", "reference", "must be", "kept", "note")]
    for figure in figures:
        reference = "" if figure.reference is None else f"{figure.reference:.{figure.digits}f}"
        verdict = "" if not figure.bound else "MISSED" if figure.missed else "ok"
        rows.append((figure.part, figure.name, figure.shown(), reference, figure.bound, verdict, figure.note))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths).rstrip())
    return "\n".join(lines)


def misses(figures: Sequence[Figure]) -> list[str]:
    """One line a missed bound, naming the figure, its value and the bound."""
    return [f"{f.part}: {f.name}: {f.shown()}, must be {f.bound} {f.unit}".rstrip() for f in figures if f.missed]
