"""Sound events against made timelines, and made alarms against their cadence.

In: the built binary, a data folder with speech/ and esc10/. Out: tables; with `--json` the figures; with `--choose`,
thresholds chosen anew on one half, printed as the `[events]` of a manifest.

    make sounds
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cadences
import choose
import machine
import numpy as np
from auricle import Auricle, Failed
from ingredients import FOLDS, clips, speech
from measure import Judged, Written, at, section, total, written
from outline import Outline
from score import Was, rate, spread
from sounds import CLASSES
from tables import markdown, number
from timeline import conditions, empty, scenes

ROOT = Path(__file__).resolve().parents[2]
EMPTY = ("speech alone", "speech in noise", "noise alone")
CHOOSING = ("quiet", "noise 10 dB", "speech 10 dB")
"""The conditions that thresholds are chosen in: one of each kind."""


def settings(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="benches/sounds/run.py", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--auricle", type=Path, default=ROOT / "target" / "release" / "auricle", help="the binary")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of speech/, esc10/")
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "yamnet", help="folder of the tagger")
    parser.add_argument("--before", type=Path, metavar="TOML", help="a manifest to compare with, measured as well")
    parser.add_argument("--only", choices=("events", "alarms"), help="one part of it")
    parser.add_argument("--choose", action="store_true", help="choose thresholds on the other half first")
    parser.add_argument("--choose-on", nargs="+", metavar="FOLD", help="folds of ESC-10 to choose on (default: 1 2)")
    parser.add_argument("--measure-on", nargs="+", metavar="FOLD", help="folds to measure on (default: 3 4 5)")
    parser.add_argument("--seed", type=int, default=1, help="of the timelines (default: 1)")
    parser.add_argument("--alarms", type=int, default=10, help="made alarms of each kind and surrounding (default: 10)")
    parser.add_argument("--minutes", type=int, default=60, help="of speech, of music and of both (default: 60)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures here as well")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Measures what was asked for. 0 done, 1 the binary failed, 2 nothing to measure on."""
    options = settings(arguments)
    if not clips(options.data, "kept") or not speech(options.data, "kept"):
        print(f"{options.data}: has no esc10/ or no speech/; name the folder with --data", file=sys.stderr)
        return 2
    try:
        result = measure(options)
    except Failed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(shown(result))
    if options.json is not None:
        machine.write(options.json, result)
    return 0


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Every part that was asked for."""
    auricle = Auricle(options.auricle, models={"tag": options.model.resolve().name})
    outline = Outline.read(ROOT / "src" / "sound" / "sounds.txt")
    began = time.monotonic()
    result: dict[str, Any] = {
        "version": auricle.version(),
        "machine": machine.described(options.auricle, ROOT),
        "seed": options.seed,
        "model": options.model.resolve().name,
        "measured_on": list(options.measure_on or FOLDS["kept"]),
    }
    with tempfile.TemporaryDirectory(prefix="auricle-sounds-") as folder:
        scratch = Path(folder)
        if options.only != "alarms":
            manifests = {"now": section(options.model / "model.toml")}
            if options.before is not None:
                manifests["before"] = section(options.before)
            if options.choose:
                chosen, rungs = chosen_anew(options, auricle, outline, manifests["now"], scratch)
                manifests["chosen"] = chosen
                result["chosen"] = chosen
                result["rungs"] = rungs
            result["events"] = events(options, auricle, outline, manifests, scratch)
        if options.only != "events":
            voices = speech(options.data, "kept")
            result["alarms"] = cadences.recognised(auricle, scratch, voices, options.alarms, options.seed)
            result["false_alarms"] = cadences.false_alarms(auricle, scratch, voices, options.minutes, options.seed)
    result["wall_s"] = time.monotonic() - began
    return result


def chosen_anew(
    options: argparse.Namespace, auricle: Auricle, outline: Outline, start: choose.Events, scratch: Path
) -> tuple[choose.Events, dict[str, Any]]:
    """`[events]` chosen on the half `chosen`, and each rung of each class."""
    folder = scratch / "chosen"
    folder.mkdir()
    timeline = Written(folder)
    those = clips(options.data, "chosen", options.choose_on)
    timeline.add(empty(options.data, "chosen", those, options.seed))
    for condition in CHOOSING:
        timeline.add(scenes(options.data, "chosen", those, condition, options.seed))

    def tried(thresholds: choose.Events) -> list[Judged]:
        return at(auricle, outline, timeline, options.model, thresholds)

    quiet = choose.quieten(start, tried, outline)
    climbed, rungs = choose.climb(quiet, tried, outline)
    found = choose.quieten(climbed, tried, outline)
    return found, {label: [vars(each) | {"f1": each.f1} for each in steps] for label, steps in rungs.items()}


def events(
    options: argparse.Namespace,
    auricle: Auricle,
    outline: Outline,
    manifests: Mapping[str, choose.Events],
    scratch: Path,
) -> dict[str, Any]:
    """The timelines of the half `kept`, with each of the manifests."""
    those = clips(options.data, "kept", options.measure_on)
    judged: dict[str, list[Judged]] = {name: [] for name in manifests}
    parts = [scenes(options.data, "kept", those, condition, options.seed) for condition in conditions()]
    for k, part in enumerate([*parts, empty(options.data, "kept", those, options.seed)]):
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            timeline = Written(Path(folder))
            timeline.add(part)
            for name, thresholds in manifests.items():
                judged[name] += at(auricle, outline, timeline, options.model, thresholds)
        print(f"sounds: {k + 1} of {len(parts) + 1} conditions", file=sys.stderr, flush=True)
    return {name: figures(each, outline) for name, each in judged.items()}


def figures(judged: Sequence[Judged], outline: Outline) -> dict[str, Any]:
    """What one manifest brings, by condition, by class and on what holds no sound."""
    by_condition = {}
    timelines = [each for each in judged if each.condition not in EMPTY]
    for condition in [*conditions(), "all"]:
        those = [each for each in timelines if condition in (each.condition, "all")]
        by_condition[condition] = _condition(those)
    by_class = {}
    for label in CLASSES:
        rung = choose.step(timelines, outline, label, 0.0, 0.0)
        precision = rung.right / max(1, rung.right + rung.wrong)
        by_class[label] = {"precision": precision, "recall": rung.right / rung.sounds, "f1": rung.f1}
    alone = {}
    for condition in EMPTY:
        those = [each for each in judged if each.condition == condition]
        hours = sum(each.seconds for each in those) / 3600.0
        names = Counter(v.told.label for each in those for v in each.verdicts if v.was is not Was.BACKGROUND)
        signals = sum(count for name, count in names.items() if outline.is_signal(name))
        alone[condition] = {
            "all": rate(sum(names.values()), hours),
            "signals": rate(signals, hours),
            "labels": dict(names.most_common()),
        }
    wrong = Counter(v.told.label for each in timelines for v in each.verdicts if v.was is Was.FALSE)
    hours = sum(each.seconds for each in timelines) / 3600.0
    signals = rate(sum(count for name, count in wrong.items() if outline.is_signal(name)), hours)
    return {
        "conditions": by_condition,
        "classes": by_class,
        "empty": alone,
        "false_labels": dict(wrong.most_common(25)),
        "false_signals": signals,
    }


def _condition(judged: Sequence[Judged]) -> dict[str, Any]:
    tallies = [each.tally for each in judged]
    counts = total(judged)
    found = [pair for each in judged for pair in each.onsets]
    off = [abs(off_s) for off_s, _ in found]
    late = [late_s for _, late_s in found]

    def percentiles(values: Sequence[float]) -> dict[str, float]:
        return {f"p{p}": float(np.percentile(values, p)) for p in (50, 95)} if values else {}

    return {
        "counts": vars(counts),
        "hours": sum(each.seconds for each in judged) / 3600.0,
        "exact": counts.figures(False) | {"f1_95": spread(tallies, False, "f1")},
        "near": counts.figures(True) | {"f1_95": spread(tallies, True, "f1")},
        "onset_off_s": percentiles(off),
        "told_after_s": percentiles(late),
    }


def shown(result: Mapping[str, Any]) -> str:
    """The tables."""
    where = result["machine"]
    lines = [
        f"{result['version']}, {where['date']} UTC, {where['cores']} x {where['processor']}, {result['wall_s']:.0f} s"
    ]
    if "chosen" in result:
        lines += ["", "chosen:", written(result["chosen"])]
    for name, each in result.get("events", {}).items():
        lines += ["", f"{name}:", "", _events_table(each), "", _classes_table(each), "", _empty_table(each)]
        lines += ["", f"told falsely: {each['false_labels']}", f"of these signals: {each['false_signals']}"]
    if "alarms" in result:
        lines += ["", _alarms_table(result["alarms"]), ""]
        for kind, each in result["false_alarms"].items():
            lines.append(f"{kind}: {_an_hour(each)} {each['of'] or ''}")
    return "\n".join(lines)


def _events_table(each: Mapping[str, Any]) -> str:
    head = ["timeline", "sounds", "precision", "recall", "F1", "95 %", "near F1", "again", "onset p50", "p95"]
    head += ["told p50", "p95"]
    rows = []
    for name, figures_ in each["conditions"].items():
        exact, low_high = figures_["exact"], figures_["exact"]["f1_95"]
        rows.append(
            [
                name,
                str(figures_["counts"]["sounds"]),
                *(number(exact[key]) for key in ("precision", "recall", "f1")),
                f"{low_high[0]:.2f}-{low_high[1]:.2f}",
                number(figures_["near"]["f1"]),
                str(figures_["counts"]["again"]),
                *(number(figures_["onset_off_s"].get(key)) for key in ("p50", "p95")),
                *(number(figures_["told_after_s"].get(key)) for key in ("p50", "p95")),
            ]
        )
    return markdown(head, rows)


def _classes_table(each: Mapping[str, Any]) -> str:
    rows = [
        [label, *(number(found[key]) for key in ("precision", "recall", "f1"))]
        for label, found in each["classes"].items()
    ]
    return markdown(["class", "precision", "recall", "F1"], rows)


def _empty_table(each: Mapping[str, Any]) -> str:
    rows = [
        [name, number(found["all"]["hours"]), _an_hour(found["all"]), _an_hour(found["signals"]), str(found["labels"])]
        for name, found in each["empty"].items()
    ]
    return markdown(["no sound in it", "hours", "false an hour", "of these signals", "labels"], rows)


def _an_hour(found: Mapping[str, float]) -> str:
    return (
        f"{found['an_hour']:.1f} ({found['low']:.1f}-{found['high']:.1f}; {found['count']} in {found['hours']:.2f} h)"
    )


def _alarms_table(found: Mapping[str, Any]) -> str:
    rows = [
        [
            f"{case['pattern']}, {case['tone']}, {case['surrounding']}",
            f"{case['recognised']}/{case['alarms']}",
            number(case["delay_p50_s"], 1),
            number(case["delay_p95_s"], 1),
            str(case["taken_for_the_other"]),
        ]
        for case in found["cases"]
    ]
    return markdown(["made alarm", "recognised", "after p50 s", "p95", "as the other"], rows)


if __name__ == "__main__":
    sys.exit(main())
