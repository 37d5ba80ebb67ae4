"""The microphone's figures beside the file's, as Markdown, which reads well on a terminal too.

In: what `run.py` measured. Out: text, and what capture costs each word.
"""

import statistics
from collections.abc import Mapping
from typing import Any

import numpy as np
from tables import markdown, number

RESAMPLES = 1000

DELAYS = ("first", "lasting", "stable", "committed", "first_partial", "final_after_endpoint", "final_after_word")
SHARES = ("matched", "flips", "stable_amended", "wer_streamed", "wer_committed", "cpu")
SINGLES = ("committed_changes", "dropped", "lag_most")


def costs(microphone: Mapping[str, Any], file: Mapping[str, Any], kind: str) -> dict[int, list[float]]:
    """How much later each word came from the microphone, seconds, by utterance; words that came in both runs only.

    `kind` is `first`, `lasting`, `stable` or `committed`. The words of both are the same, in the same order.
    """

    def delays(run: Mapping[str, Any]) -> list[float | None]:
        end, at = run["fields"].index("end_s"), run["fields"].index(f"{kind}_s")
        return [None if row[at] is None else row[at] - row[end] for row in run["rows"]]

    unit = microphone["fields"].index("unit")
    groups: dict[int, list[float]] = {}
    for row, ours, theirs in zip(microphone["rows"], delays(microphone), delays(file), strict=True):
        if ours is not None and theirs is not None:
            groups.setdefault(row[unit], []).append(ours - theirs)
    return groups


def middle(groups: Mapping[int, list[float]]) -> tuple[float, float, float]:
    """The median of all, and its 95 % interval by resampling whole groups: the words of one utterance come together."""
    rng = np.random.default_rng(1)
    held = [np.asarray(group) for group in groups.values()]
    drawn = [
        np.median(np.concatenate([held[k] for k in rng.integers(len(held), size=len(held))])) for _ in range(RESAMPLES)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return statistics.median(each for group in groups.values() for each in group), float(low), float(high)


def capture_s(microphone: Mapping[str, Any], file: Mapping[str, Any]) -> float | None:
    """How much later than it left the sink Auricle takes a sample to be due, by the word times of the captions.

    Those are off by much the same in both runs, which the file tells, as there they should be off by nothing.
    """
    if microphone.get("auto_s") is None or file.get("auto_s") is None:
        return None
    return microphone["auto_s"] - file["auto_s"] - microphone["offset_s"]


def shown(result: Mapping[str, Any]) -> str:
    """What was measured on, and a table a preset."""
    where = result["machine"]
    before, after = where["load_before"][0], where["load_after"][0]
    parts = [
        f"{result['version']}, {where['date']} UTC, {where['cores']} x {where['processor']}, load {before:.2f} before "
        f"and {after:.2f} after, {result['wall_s']:.0f} s; {len(result['strings'])} strings, {result['words']} words, "
        f"{result['audio_s']:.0f} s. Seconds after a word has left the sink, over the words that the finals have right;"
        " the last column is a median, with its 95 % interval"
    ]
    parts += [_preset(name, each) for name, each in result["presets"].items()]
    return "\n\n".join(parts)


def _preset(name: str, each: Mapping[str, Any]) -> str:
    microphone, file = each["microphone"], each["file"]
    head = (name, "microphone p50", "p95", "n", "file p50", "p95", "n", "same words, later by")
    rows = []
    for key in DELAYS:
        ours, theirs = (_delay(run, key) for run in (microphone, file))
        if ours is None or theirs is None:
            continue
        same = costs(microphone, file, key) if f"{key}_s" in microphone["fields"] else {}
        cost = "{:.3f} ({:.3f} to {:.3f})".format(*middle(same)) if same else "-"
        rows.append((ours["name"], *_percentiles(ours), *_percentiles(theirs), cost))
    told = [f"{label}: {ours} (file: {theirs})" for label, ours, theirs in _others(microphone, file)]
    return "\n".join([markdown(head, rows), "", "; ".join(told), "", _clocks(microphone, file)])


def _clocks(microphone: Mapping[str, Any], file: Mapping[str, Any]) -> str:
    offs = ("words_zero_spread_s", "log_zero_spread_s", "drift_spread_s")
    spreads = [f"{1000.0 * microphone[key]:.1f}" for key in offs]
    taken = capture_s(microphone, file)
    captured = "-" if taken is None else f"{1000.0 * taken:.0f} ms"
    return (
        f"the words begin {microphone['offset_s']:.4f} s after the log's zero, which stretches of the run give within "
        f"{spreads[0]} (sink), {spreads[1]} (log) and {spreads[2]} ms (drift); by word times, Auricle takes a sample "
        f"for due {captured} after it left the sink, which delivers every {1000.0 * microphone['block_s']:.0f} ms; "
        f"gaps: {microphone['gaps']}"
    )


def _delay(run: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    return next((each for each in run["summary"]["delays"] if each["key"] == key), None)


def _percentiles(delay: Mapping[str, Any]) -> tuple[str, str, str]:
    values = {each["percent"]: each["value"] for each in delay["over_matched"]}
    return number(values.get(50.0), 3), number(values.get(95.0), 3), str(delay["matched"])


def _others(microphone: Mapping[str, Any], file: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    found = []
    for part, keys in (("shares", SHARES), ("singles", SINGLES)):
        for key in keys:
            ours, theirs = (
                next((each for each in run["summary"][part] if each["key"] == key), None) for run in (microphone, file)
            )
            if ours is not None and theirs is not None:
                found.append((ours["name"], number(ours["value"], 3), number(theirs["value"], 3)))
    return found
