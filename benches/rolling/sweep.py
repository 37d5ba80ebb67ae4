"""What refresh settings and each idea of rolling captions bring, on one machine in one go.

In: the release binary, a folder of recordings with their words. Out: a table of `auricle bench stream --virtual`; with
`--json` the summaries of its runs, with `--svg` the curve.

    python benches/rolling/sweep.py curve --seeds 2 --json curve.json --svg docs/curve.svg
    python benches/rolling/sweep.py ideas --model moonshine-base-en
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
Settings = Mapping[str, str]

CURVE: tuple[tuple[float, float], ...] = (
    (0.1, 0.2),
    (0.13, 0.26),
    (0.16, 0.32),
    (0.16, 0.4),
    (0.2, 0.4),
    (0.25, 0.5),
    (0.3, 0.6),
    (0.4, 0.8),
    (0.5, 1.0),
    (0.7, 1.4),
)
"""Shortest and longest interval between two readings, seconds."""

PRESETS = ("default", "low-power")

WITHOUT: Mapping[str, Settings] = {
    "drafts": {"drafts": "false"},
    "reading where the voice falls": {"refresh.fall_db": "100", "refresh.least_s": "0.3", "refresh.most_s": "0.3"},
    "a bounded window": {"window.longest_s": "30"},
    "the words before the segment": {"window.context_s": "0"},
    "hiding doubtful last words": {"agreement.shown_probability": "0"},
    "commits by probability": {"agreement.rules": "3/0.6/0/0.7,3/1.2/0/0"},
}
"""Ideas, and the settings that do without them, as captions rolled before."""


@dataclass(frozen=True)
class Result:
    """One run."""

    name: str
    settings: Settings
    summary: dict[str, object]

    def delay(self, key: str, percent: float) -> float:
        """A percentile over the words that the finals have right, seconds; not a number where there is none."""
        for delay in self._list("delays"):
            if delay["key"] == key:
                rows = [row["value"] for row in delay["over_matched"] if row["percent"] == percent]
                return float(rows[0]) if rows and rows[0] is not None else math.nan
        return math.nan

    def share(self, key: str) -> float:
        """A share, 1 = 100 %."""
        found = [share["value"] for share in self._list("shares") if share["key"] == key]
        return float(found[0]) if found and found[0] is not None else math.nan

    def _list(self, key: str) -> list[dict[str, object]]:
        rows = self.summary[key]
        assert isinstance(rows, list)
        return rows


@dataclass(frozen=True)
class Bench:
    """How to call the binary."""

    binary: Path
    data: Path
    seeds: int
    join: int
    model: str
    sounds: str

    def run(self, name: str, settings: Settings) -> Result:
        """Streams the strings once on the virtual clock."""
        with tempfile.TemporaryDirectory() as folder:
            kept = Path(folder) / "run.json"
            command = [str(self.binary), "--quiet", "bench", "stream", "--virtual", "--stream-only"]
            command += ["--input", str(self.data)]
            if self.join > 1:
                command += ["--join", str(self.join), "--seeds", str(self.seeds)]
            command += ["--model", self.model]
            command += ["--sounds", self.sounds, "--json", str(kept)]
            for key, value in settings.items():
                command += ["--preset", value] if key == "preset" else ["--set", f"{key}={value}"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if not kept.is_file():
                raise SystemExit(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
            return Result(name, dict(settings), json.loads(kept.read_text(encoding="utf-8"))["summary"])


def curve_settings() -> list[tuple[str, Settings]]:
    """A run for each interval, and one for each preset."""
    runs: list[tuple[str, Settings]] = [
        (f"{least:g} to {most:g} s", {"refresh.least_s": f"{least:g}", "refresh.most_s": f"{most:g}"})
        for least, most in CURVE
    ]
    return runs + [(preset, {"preset": preset}) for preset in PRESETS]


def idea_settings() -> list[tuple[str, Settings]]:
    """All ideas, all but one each, one each alone, and none."""
    none = {key: value for settings in WITHOUT.values() for key, value in settings.items()}
    runs: list[tuple[str, Settings]] = [("all", {})]
    runs += [(f"all but {idea}", settings) for idea, settings in WITHOUT.items()]
    for idea, settings in WITHOUT.items():
        runs.append((f"{idea} alone", {key: value for key, value in none.items() if key not in settings}))
    return [*runs, ("none", none)]


def table(results: Sequence[Result]) -> str:
    """One line a run."""
    head = ["", "first p50", "p95", "stays p50", "p95", "stable p50", "p95", "committed p50", "p95"]
    head += ["flips", "of shown", "WER %", "CPU %"]
    lines = [head]
    for result in results:
        line = [result.name]
        for key in ("first", "lasting", "stable", "committed"):
            line += [f"{result.delay(key, percent):.2f}" for percent in (50, 95)]
        line += [f"{result.share('flips'):.2f}", f"{result.share('flips_shown'):.3f}"]
        line += [f"{100 * result.share('wer_streamed'):.2f}", f"{100 * result.share('cpu_open'):.1f}"]
        lines.append(line)
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 720, 400, 56, 40, 150, 52
SERIES = (("first", "first shown", "#0072b2"), ("stable", "stable", "#d98a00"), ("committed", "committed", "#009e73"))
PAPER, INK, FAINT = "#ffffff", "#30343b", "#d9dce1"


def draw(results: Sequence[Result]) -> str:
    """Median delays over the processor share: each dot a setting, with its 95th percentile as a hollow one."""
    shares = [100 * result.share("cpu_open") for result in results]
    most_x = max(shares) * 1.05
    most_y = max(result.delay("committed", 95) for result in results) * 1.05

    def x(share: float) -> float:
        return LEFT + share / most_x * (WIDTH - LEFT - RIGHT)

    def y(seconds: float) -> float:
        return HEIGHT - BOTTOM - seconds / most_y * (HEIGHT - TOP - BOTTOM)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'role="img" aria-label="Delay of words over processor share">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>',
        f'<g font-family="sans-serif" font-size="12" fill="{INK}">',
    ]
    for tick in range(0, math.floor(most_y * 2) + 1):
        lines.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick / 2):.1f}" y2="{y(tick / 2):.1f}" stroke="{FAINT}"/>'
            f'<text x="{LEFT - 8}" y="{y(tick / 2) + 4:.1f}" text-anchor="end">{tick / 2:g}</text>'
        )
    for tick in range(0, math.floor(most_x) + 1, 4):
        lines.append(f'<text x="{x(tick):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick}</text>')
    lines.append(f'<text x="{LEFT - 40}" y="{TOP - 18}">seconds after the word ended: dots p50, rings p95</text>')
    lines.append(
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 12}" text-anchor="end">'
        "processor while a segment is open, % of one core</text>"
    )
    for share, result in zip(shares, results, strict=True):
        if result.name in PRESETS:
            at = f"{x(share):.1f}"
            lines.append(
                f'<line x1="{at}" x2="{at}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="{INK}" stroke-dasharray="1 3"/>'
                f'<text x="{at}" y="{TOP - 3}" text-anchor="middle">{result.name}</text>'
            )
    labels: list[tuple[float, str, str]] = []
    for key, name, colour in SERIES:
        placed = sorted(zip(shares, results, strict=True), key=lambda point: point[0])
        points = [(share, result) for share, result in placed if result.name not in PRESETS]
        for percent, dash in ((50, ""), (95, ' stroke-dasharray="3 3"')):
            path = " ".join(f"{x(share):.1f},{y(result.delay(key, percent)):.1f}" for share, result in points)
            lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}"{dash}/>')
            for share, result in placed:
                fill = colour if percent == 50 else PAPER
                place = f'cx="{x(share):.1f}" cy="{y(result.delay(key, percent)):.1f}"'
                title = escape(f"{result.name}: {result.delay(key, percent):.2f} s at {share:.1f} %")
                radius = 5 if result.name in PRESETS else 3
                dot = f'<circle {place} r="{radius}" fill="{fill}" stroke="{colour}">'
                lines.append(f"{dot}<title>{title}</title></circle>")
        labels += [(y(placed[-1][1].delay(key, percent)), f"{name} p{percent}", colour) for percent in (50, 95)]
    lowest = math.inf
    for at_y, label, colour in sorted(labels, reverse=True):
        lowest = min(at_y + 4, lowest - 13)
        lines.append(f'<text x="{x(max(shares)) + 10:.1f}" y="{lowest:.1f}" fill="{colour}">{label}</text>')
    return "\n".join([*lines, "</g>", "</svg>"]) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("what", choices=("curve", "ideas"), help="refresh settings, or each idea alone and left out")
    parser.add_argument("--binary", type=Path, default=ROOT / "target" / "release" / "auricle")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "speech" / "audio")
    parser.add_argument("--seeds", type=int, default=2, help="how many times all recordings are strung together")
    parser.add_argument("--join", type=int, default=3, help="recordings in a string; 1: as they are")
    parser.add_argument("--model", default="moonshine-tiny-en")
    parser.add_argument("--sounds", default="off", help="model that hears sounds beside, or off")
    parser.add_argument("--only", help="runs whose name has this in it")
    parser.add_argument("--json", type=Path, help="file for the summaries")
    parser.add_argument("--svg", type=Path, help="file for the curve")
    chosen = parser.parse_args(arguments)
    bench = Bench(chosen.binary, chosen.data, chosen.seeds, chosen.join, chosen.model, chosen.sounds)
    runs = curve_settings() if chosen.what == "curve" else idea_settings()
    results = []
    for name, settings in runs:
        if chosen.only is None or chosen.only in name:
            print(f"{name} ...", file=sys.stderr, flush=True)
            results.append(bench.run(name, settings))
    print(table(results))
    if chosen.json:
        rows = [{"name": r.name, "settings": dict(r.settings), "summary": r.summary} for r in results]
        kept = {"model": chosen.model, "data": chosen.data.name, "seeds": chosen.seeds, "runs": rows}
        chosen.json.write_text(json.dumps(kept) + "\n", "utf-8")
    if chosen.svg:
        chosen.svg.write_text(draw(results), "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
