"""The tables of this bench, as Markdown, which reads well on a terminal too.

In: what each part measured. Out: text.
"""

from collections.abc import Mapping
from typing import Any

from tables import markdown, number, ranged


def share(value: float, digits: int = 1) -> str:
    """A share in %."""
    return f"{100.0 * value:.{digits}f} %"


def words_table(found: Mapping[str, Any]) -> str:
    """Errors, speed, memory; then the pairs."""
    head = ("words", "WER %", "TIMIT", "rest", "RTF wall", "RTF CPU", "start s", "peak MiB")
    rows = []
    for name, each in found["engines"].items():
        timed = [ranged(each[f"factor_{time}"], 3) for time in ("wall", "cpu")]
        errors = [number(each[key]) for key in ("wer", "wer_timit", "wer_rest")]
        rows.append((name, *errors, *timed, number(each["start_s"]), number(each["peak_mib"], 0)))
    pairs_head = ("pair", "same words", "same letters", "WER apart", "wall", "CPU")
    pairs = []
    for pair in found["pairs"]:
        pairs.append(
            (
                f"{pair['ours']} / {pair['theirs']}",
                share(pair["same"]["words"]),
                share(pair["same"]["letter"]),
                f"{pair['wer_apart']:+.2f}",
                ranged(pair["ratio_wall"], 3),
                ranged(pair["ratio_cpu"], 3),
            )
        )
    return "\n".join(
        [
            f"{found['clips']} clips, {found['words']} words, {found['audio_s']:.0f} s, {found['rounds']} rounds, "
            "one thread; medians of the rounds (lowest to highest)",
            "",
            markdown(head, rows),
            "",
            markdown(pairs_head, pairs),
        ]
    )


def context_table(found: Mapping[str, Any]) -> str:
    """Read once, live, and the time it takes."""
    once = [
        (
            name,
            *(number(each[key]) for key in ("wer", "wer_timit", "wer_rest")),
            share(each["begun_anew"]),
            share(each["doubted"]),
        )
        for name, each in found["once"].items()
    ]
    live = [
        (
            name,
            *(number(each[key]) for key in ("wer", "wer_timit", "wer_rest", "wer_rolling")),
            share(each["cpu_share"]),
        )
        for name, each in found["live"].items()
    ]
    timed = [
        (f"{name}, {stage}", *(number(lengths.get(str(seconds)), 1) for seconds in (2, 5, 10, 30)))
        for name, stages in found["timed"].items()
        for stage, lengths in stages.items()
    ]
    return "\n".join(
        [
            f"{found['clips']} clips, each read greedily once",
            "",
            markdown(("read once", "WER %", "TIMIT", "rest", "begun anew", "doubted"), once),
            "",
            f"{found['live_clips']} clips, captions as live, the final ones; processor time by length of audio",
            "",
            markdown(("live", "WER %", "TIMIT", "rest", "before finals", "CPU"), live),
            "",
            "processor time, ms, median, of so many seconds of audio",
            "",
            markdown(("time", "2 s", "5 s", "10 s", "30 s"), timed),
        ]
    )


def times_table(found: Mapping[str, Any]) -> str:
    """Errors of word times: over the words that all rows have, those held out, and each row's own."""
    head = ("word times", "words", "start median", "p95", "signed", "end median", "p95", "signed")
    keys = [f"{edge}_{what}_s" for edge in ("start", "end") for what in ("median", "p95", "signed")]
    named = {"same": "", "held_out": ", held out", "own": ", own words"}
    rows = [
        (f"{name}{added}", str(each[kind]["words"]), *(number(each[kind].get(key), 3) for key in keys))
        for kind, added in named.items()
        for name, each in found["engines"].items()
    ]
    return "\n".join([f"{found['clips']} clips, {found['spoken']} words; seconds", "", markdown(head, rows)])


def invented_table(found: Mapping[str, Any]) -> str:
    """Of each kind of recordings a table."""
    kinds = next(iter(found["engines"].values()))
    lines = []
    for kind, first in kinds.items():
        head = (f"{kind}, {first['recordings']} recordings", "with words too many", "such words", "an hour", "no text")
        rows = [
            (
                name,
                share(each[kind]["invented"]),
                number(each[kind]["words"], 0),
                number(each[kind]["words_an_hour"], 0),
                share(each[kind]["nothing"]),
            )
            for name, each in found["engines"].items()
        ]
        lines += [markdown(head, rows), ""]
    return "\n".join(lines).rstrip()
