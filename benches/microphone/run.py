"""How late captions are from a microphone: sound that is played into one, its words on the clock of who played it.

In: the built binary and a data folder. Out: the delays that `auricle bench report` finds, beside those of the same
recording as `auricle listen --input FILE` has it, so that what capture costs is the difference.

    make microphone
"""

import argparse
import json
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine
import soundfile
from auricle import Auricle, Failed
from beside import shown
from clips import SAMPLE_RATE_HZ, utterances
from emission import String, strings
from instants import Pcm, block_s, due, started, zero
from live import Session, report, while_running
from material import recording
from streaming import spread
from virtual import SOURCE, Recorder, VirtualMicrophone, missing

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("microphone", "file")
SETTLE_S = 2.0
"""Silence that a session and the recorder hear before and after: clocks settle, the last final comes."""


def settings(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="benches/microphone/run.py", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--auricle", type=Path, default=ROOT / "target" / "release" / "auricle", help="the binary")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder with speech/")
    parser.add_argument(
        "--presets", default="default", help="of 'auricle listen', with commas between (default: default)"
    )
    parser.add_argument("--strings", type=int, default=8, help="how many of the 24 strings (default: 8)")
    parser.add_argument(
        "--listen", default="", metavar="OPTIONS", help="more options of 'auricle listen', one argument"
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="write figures and every word's delays here as well")
    parser.add_argument("--without-text", action="store_true", help="number the words there in place of spelling them")
    parser.add_argument("--show", type=Path, metavar="PATH", help="print the tables of such a file and measure nothing")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the recording, its words and the logs here")
    options = parser.parse_args(arguments)
    if options.strings < 1:
        parser.error("--strings is at least 1")
    options.presets = [each.strip() for each in options.presets.split(",") if each.strip()]
    if not options.presets:
        parser.error("--presets names none")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Measures what was asked for. 0 done, 1 something failed, 2 nothing to measure on or with."""
    options = settings(arguments)
    if options.show is not None:
        print(shown(json.loads(options.show.read_text(encoding="utf-8"))))
        return 0
    if lacking := missing():
        print(f"{', '.join(lacking)}: not installed; 'make test-packages' brings PulseAudio", file=sys.stderr)
        return 2
    made = spread(strings(utterances(options.data)), options.strings)
    if not made:
        print(f"{options.data}: has no TIMIT clips; name the folder with --data", file=sys.stderr)
        return 2
    try:
        # A socket's path may be 107 bytes long: the server is not put into what --keep names.
        with tempfile.TemporaryDirectory(prefix="auricle-mic-") as scratch:
            result = measure(options, made, Path(scratch))
    except Failed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(shown(result))
    if options.json is not None:
        machine.write(options.json, without_words(result) if options.without_text else result)
    return 0


@dataclass(frozen=True)
class Played:
    """A recording that is played: its samples [n], the file with them and the one with its words."""

    samples: Pcm
    audio: Path
    marks: Path

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / SAMPLE_RATE_HZ


def played_to(source: str, made: Sequence[String], folder: Path) -> Played:
    """Writes the recording for one of the sources, in which each string begins at a moment of its own."""
    samples, words = recording(made, SOURCES.index(source))
    played = Played(samples, folder / f"{source}.wav", folder / f"{source}.words.tsv")
    soundfile.write(played.audio, samples, SAMPLE_RATE_HZ, subtype="PCM_16")
    lines = (f"{word.start_s:.4f}\t{word.end_s:.4f}\t{word.text}\n" for word in words)
    played.marks.write_text("".join(lines), encoding="utf-8")
    return played


def measure(options: argparse.Namespace, made: Sequence[String], scratch: Path) -> dict[str, Any]:
    """Every preset through the microphone, and from the file."""
    binary = Auricle(options.auricle)
    folder = (options.keep or scratch).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    played = {source: played_to(source, made, folder) for source in SOURCES}
    began = time.monotonic()
    result: dict[str, Any] = {
        "version": binary.version(),
        "machine": machine.described(binary.path, ROOT),
        "strings": [string.name for string in made],
        "words": sum(len(string.words) for string in made),
        "audio_s": max(each.seconds for each in played.values()),
        "listen": options.listen,
        "presets": {},
    }
    for preset in options.presets:
        more = ["--preset", preset, *shlex.split(options.listen)]
        here: dict[str, Any] = {}
        heard = folder / f"microphone-{preset}.jsonl"
        with tempfile.TemporaryDirectory(dir=scratch) as own, VirtualMicrophone(Path(own)) as microphone:
            here["microphone"] = through(microphone, binary.path, more, heard, played["microphone"])
        log, file = folder / f"file-{preset}.jsonl", played["file"]
        # In the same environment; nothing of a sound server is used.
        session = Session(binary.path, ["--input", str(file.audio), *more], log, VirtualMicrophone(scratch).environment)
        while_running(session, session.wait_open)
        session.finish(stop=False, within_s=file.seconds + 60.0)
        auto_s = found(binary.path, log, file.marks)
        here["file"] = report(binary.path, log, file.marks, "0") | {"auto_s": auto_s}
        here = {source: told(run) for source, run in here.items()}
        result["presets"][preset] = here
        print(f"microphone: {preset}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    result["machine"]["load_after"] = machine.load()
    result["wall_s"] = time.monotonic() - began
    return result


def through(
    microphone: VirtualMicrophone,
    binary: Path,
    more: Sequence[str],
    log: Path,
    played: Played,
) -> dict[str, Any]:
    """One session on the microphone: the report, with the offset by the clock and that by the captions' word times."""
    samples, marks, seconds = played.samples, played.marks, played.seconds
    # Before the session, so that all of it is recorded.
    recorder = Recorder(microphone)
    try:
        session = Session(binary, ["--host", "pulseaudio", "--device", SOURCE, *more], log, microphone.environment)

        def play() -> None:
            session.wait_open()
            time.sleep(SETTLE_S)
            microphone.play(played.audio, seconds)
            time.sleep(SETTLE_S)

        while_running(session, play)
        events = session.finish(stop=True)
    finally:
        recorded, chunks = recorder.stop()
    first = started(recorded, samples)
    words_zero = due(chunks, first, first + len(samples))
    log_zero = zero([event["emitted"] for event in events], session.read_s)
    # The report counts on the session's sample clock, off which it takes what `stats` tells of its drift.
    from_s = words_zero.seconds - log_zero.seconds
    drifts = [e["offset"] for e in events if e["type"] == "stats" and from_s < e["emitted"] < from_s + seconds]
    if not drifts:
        raise Failed("auricle listen: told no stats while the recording played")
    offset_s = from_s - statistics.median(drifts)
    return report(binary, log, marks, f"{offset_s:.5f}") | {
        "auto_s": found(binary, log, marks),
        "offset_s": offset_s,
        "block_s": block_s(chunks),
        "words_zero_spread_s": words_zero.spread_s,
        "log_zero_spread_s": log_zero.spread_s,
        "drift_spread_s": max(drifts) - min(drifts),
        "gaps": sum(event["type"] == "gap" for event in events),
    }


def found(binary: Path, log: Path, marks: Path) -> float | None:
    """The offset by the captions' own word times; none where too few words match."""
    try:
        words = report(binary, log, marks, "auto")
    except Failed:
        return None
    start = words["fields"]["words"].index("start_s")
    first = float(marks.read_text(encoding="utf-8").split("\t", 1)[0])
    return words["rows"]["words"][0][start] - first


def told(run: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a report: its summary, its notes and its words, with what was added here."""
    kept = ("summary", "notes", "settings")
    added = {name: value for name, value in run.items() if name.endswith("_s") and name != "ready_s"}
    return (
        {name: run[name] for name in kept}
        | added
        | ({"gaps": run["gaps"]} if "gaps" in run else {})
        | {"fields": run["fields"]["words"], "rows": run["rows"]["words"]}
    )


def without_words(result: dict[str, Any]) -> dict[str, Any]:
    """The same with numbers in the place of words, for recordings that are not ours to publish."""

    def numbered(run: dict[str, Any]) -> dict[str, Any]:
        at = run["fields"].index("text")
        return run | {"rows": [[*row[:at], number, *row[at + 1 :]] for number, row in enumerate(run["rows"], 1)]}

    presets = {
        name: {source: numbered(run) for source, run in runs.items()} for name, runs in result["presets"].items()
    }
    return result | {"presets": presets}


if __name__ == "__main__":
    sys.exit(main())
