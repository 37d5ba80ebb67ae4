"""Captions in noise, at levels and in made rooms: what is wrong, what is missing, how late words come.

In: the built binary, a data folder and, with `--peers`, the peers' environment. Out: one table; with `--json` what
every engine read of every string as well.

    make noise
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import conditions
import lineup
import machine
import noises
import numpy as np
import rooms
from auricle import Auricle, Failed
from captions import transcript
from clips import SAMPLE_RATE_HZ, sound_clips, utterances, write
from conditions import Condition
from emission import String, delays, strings
from latency import appearances, percentile
from process import Worker
from scenes import Scene, scene
from scores import Errors, errors
from streaming import spread
from tables import markdown, number

ROOT = Path(__file__).resolve().parents[2]
PEERS = ("sherpa-onnx", "moonshine-voice", "faster-whisper")
AT_ONCE = 4
"""Conditions whose files go to the binary together, so that loading is little of the time."""


def settings(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="benches/noise/run.py", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--auricle", type=Path, default=ROOT / "target" / "release" / "auricle", help="the binary")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of speech/, esc10/")
    parser.add_argument("--peers", action="store_true", help=f"also {', '.join(PEERS)}")
    parser.add_argument("--full", action="store_true", help="every combination, 81 conditions in place of 41")
    parser.add_argument("--only", metavar="TEXT", help="conditions whose name has this in it")
    parser.add_argument("--strings", type=int, default=8, help="how many of the 24 strings (default: 8)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write figures and what was read here as well")
    parser.add_argument("--without-text", action="store_true", help="leave out of that what was read")
    parser.add_argument("--show", type=Path, metavar="PATH", help="print the table of such a file and measure nothing")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="leave the audio and the words here, to hear or for `make rolling`"
    )
    options = parser.parse_args(arguments)
    if options.strings < 1:
        parser.error("--strings is at least 1")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Measures what was asked for. 0 done, 1 an engine failed, 2 nothing to measure on."""
    options = settings(arguments)
    if options.show is not None:
        print(shown(json.loads(options.show.read_text(encoding="utf-8"))))
        return 0
    made = spread(strings(utterances(options.data)), options.strings)
    if not made or not sound_clips(options.data):
        print(f"{options.data}: has no TIMIT clips or no ESC-10; name the folder with --data", file=sys.stderr)
        return 2
    chosen = [
        each
        for each in (conditions.full() if options.full else conditions.designed())
        if options.only is None or options.only in each.name
    ]
    if not chosen:
        print(f"--only {options.only}: no condition has that in its name", file=sys.stderr)
        return 2
    try:
        result = measure(options, made, chosen)
    except Failed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(shown(result))
    if options.json is not None:
        machine.write(options.json, machine.without_text(result) if options.without_text else result)
    return 0


def measure(options: argparse.Namespace, made: Sequence[String], chosen: Sequence[Condition]) -> dict[str, Any]:
    """Every condition with every engine."""
    auricle = Auricle(options.auricle)
    backgrounds, sources = background(options.data, made)
    result: dict[str, Any] = {
        "version": auricle.version(),
        "machine": machine.described(options.auricle, ROOT),
        "strings": [string.name for string in made],
        "words": sum(len(string.words) for string in made),
        "audio_s": sum(len(string.samples) for string in made) / SAMPLE_RATE_HZ,
        "noises": sources,
        "rooms": {
            f"{t60_s:g}": {"t60_s": rooms.room(t60_s).t60_s, "direct_db": rooms.room(t60_s).direct_db}
            for t60_s in sorted({each.room_s for each in chosen if each.room_s is not None})
        },
        "conditions": [],
    }
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="auricle-noise-") as folder, ExitStack() as stack:
        scratch = Path(folder)
        workers: dict[str, Worker] = {}
        if options.peers:
            shared = lineup.ready(scratch)
            for peer in lineup.OFFLINE:
                if peer.name in PEERS:
                    workers[peer.name] = lineup.start(peer, "read", shared, scratch)
                    stack.callback(workers[peer.name].close)
        for at in range(0, len(chosen), AT_ONCE):
            group = chosen[at : at + AT_ONCE]
            with tempfile.TemporaryDirectory(dir=scratch) as passing:
                audio = options.keep or Path(passing)
                result["conditions"] += _group(auricle, workers, made, group, backgrounds, audio)
            done = f"{at + len(group)}/{len(chosen)} conditions, {time.monotonic() - began:.0f} s"
            print(f"noise: {done}", file=sys.stderr, flush=True)
    result["machine"]["load_after"] = machine.load()
    result["wall_s"] = time.monotonic() - began
    return result


def background(data: Path, made: Sequence[String]) -> tuple[dict[tuple[str, str], Any], dict[str, Any]]:
    """The noise of each kind for each string, and what it is made of."""
    clips, sounds = utterances(data), sound_clips(data)
    noise: dict[tuple[str, str], Any] = {}
    sources: dict[str, Any] = {}
    for k, string in enumerate(made):
        by = string.name.rpartition("-")[0]
        noise["held", string.name], which = noises.held(sounds, k, len(string.samples))
        noise["babble", string.name], who = noises.babble(clips, string.text, by, k, len(string.samples))
        sources[string.name] = {"held": which, "babble": who}
    return noise, sources


def _group(
    auricle: Auricle,
    workers: Mapping[str, Worker],
    made: Sequence[String],
    group: Sequence[Condition],
    backgrounds: Mapping[tuple[str, str], Any],
    folder: Path,
) -> list[dict[str, Any]]:
    """A few conditions: their audio to the binary at once, twice, and to each peer one by one."""
    folder.mkdir(parents=True, exist_ok=True)
    paths: dict[tuple[Condition, str], Path] = {}
    scenes: dict[tuple[Condition, str], Scene] = {}
    for condition in group:
        for string in made:
            noise = backgrounds[condition.noise, string.name] if condition.noise else None
            here = scenes[condition, string.name] = scene(string, condition, noise)
            name = f"{condition.name}-{string.name}".replace(" ", "_").replace(",", "")
            paths[condition, string.name] = write(folder / f"{name}.wav", here.samples)
            words = "".join(f"{word.start_s:.4f}\t{word.end_s:.4f}\t{word.text}\n" for word in string.words)
            (folder / f"{name}.words.tsv").write_text(words, encoding="utf-8")
    whole = auricle.events("transcribe", list(paths.values()), "--sounds", "off")
    rolling = auricle.events("transcribe", list(paths.values()), "--sounds", "off", "--partials")
    result = []
    for condition in group:
        files = [paths[condition, string.name] for string in made]
        texts = {lineup.AURICLE: [transcript(whole[path]) for path in files]}
        texts["rolling"] = [transcript(rolling[path]) for path in files]
        for name, worker in workers.items():
            texts[name] = [_read(worker, scenes[condition, string.name]) for string in made]
        seen = [each for s, f in zip(made, files, strict=True) for each in appearances(rolling[f], s.words) if each]
        settled = [each for s, f in zip(made, files, strict=True) for each in delays(rolling[f], s.words)]
        clipped = float(np.mean([scenes[condition, string.name].clipped for string in made]))
        result.append(figures(condition, made, texts, clipped) | _delays(seen, settled, made))
    return result


def _read(worker: Worker, here: Scene) -> str:
    with tempfile.NamedTemporaryFile(prefix="auricle-scene-", suffix=".npy") as file:
        np.save(file, here.samples.astype(np.float32))
        file.flush()
        return " ".join(worker.read(Path(file.name))[1])


def _delays(seen: Sequence[Any], settled: Sequence[Any], made: Sequence[String]) -> dict[str, Any]:
    """Percentiles on the virtual clock, over the words that the final text has."""
    named = {
        "first_s": [each.first_s for each in seen],
        "lasting_s": [each.lasting_s for each in seen],
        "committed_s": [each.committed_s for each in settled],
    }
    found = {
        name: {"p50": percentile(values, 50), "p95": percentile(values, 95)} for name, values in named.items() if values
    }
    return found | {"matched": len(seen) / sum(len(string.words) for string in made)}


def figures(
    condition: Condition, made: Sequence[String], texts: Mapping[str, Sequence[str]], clipped: float
) -> dict[str, Any]:
    """What each engine got wrong in a condition."""

    def counted(errors_: Errors) -> dict[str, float]:
        return {
            "wer": errors_.rate,
            "missed": errors_.percent(errors_.missed),
            "added": errors_.percent(errors_.added),
        }

    return {
        "name": condition.name,
        "noise": condition.noise,
        "snr_db": condition.snr_db,
        "level_dbfs": condition.level_dbfs,
        "room_s": condition.room_s,
        "clipped": clipped,
        "engines": {
            name: counted(errors((string.text, text) for string, text in zip(made, said, strict=True)))
            for name, said in texts.items()
        },
        "texts": {name: list(said) for name, said in texts.items()},
    }


def shown(result: Mapping[str, Any]) -> str:
    """What was measured on, and the table."""
    where = result["machine"]
    named = "; ".join(
        f"room {name} s: T60 {each['t60_s']:.2f} s, direct to reverberant {each['direct_db']:.1f} dB"
        for name, each in result["rooms"].items()
    )
    engines = list(result["conditions"][0]["engines"])
    peers = [name for name in engines if name not in (lineup.AURICLE, "rolling")]
    head = ["condition", "clipped %", "auricle WER %", "missed", "added", "rolling WER", "first p50", "p95", "matched"]
    head += [column for name in peers for column in (f"{name} WER", "missed")]
    rows = []
    for each in result["conditions"]:
        ours, first = each["engines"][lineup.AURICLE], each.get("first_s", {})
        cells = [
            each["name"],
            number(100.0 * each["clipped"]),
            *(number(ours[key], 1) for key in ("wer", "missed", "added")),
        ]
        cells += [number(each["engines"]["rolling"]["wer"], 1), number(first.get("p50")), number(first.get("p95"))]
        cells.append(f"{100.0 * each['matched']:.0f} %")
        cells += [number(each["engines"][name][key], 1) for name in peers for key in ("wer", "missed")]
        rows.append(cells)
    return "\n".join(
        [
            f"{result['version']}, {where['date']} UTC, {where['cores']} x {where['processor']}, "
            f"{result['wall_s']:.0f} s; {len(result['strings'])} strings, {result['words']} words, "
            f"{result['audio_s']:.0f} s a condition. {named}",
            "",
            markdown(head, rows),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
