"""Whisper tiny.en in Auricle beside faster-whisper: words and speed, trimmed context, word times, invented words.

In: the built binary, the peers' environment and a data folder. Out: a table a part; with `--json`, the figures.
README.md says what they are.

    make whisper ARGS="--only words --rounds 1 --every 4"
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import builds
import context
import engines
import invented
import machine
import placed
import report
import spoken
from auricle import Auricle, Failed
from clips import Utterance, sound_clips, utterances

ROOT = Path(__file__).resolve().parents[2]
PARTS = {
    "words": report.words_table,
    "context": report.context_table,
    "times": report.times_table,
    "invented": report.invented_table,
}


def parts(text: str) -> list[str]:
    """The names in a list with commas, each one a part."""
    names = text.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not one of {', '.join(PARTS)}")
    return names


def settings(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="benches/whisper/run.py", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--auricle", type=Path, default=ROOT / "target" / "release" / "auricle", help="the binary")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of speech/, esc10/")
    parser.add_argument("--only", type=parts, default=list(PARTS), metavar="PART,...", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=3, help="times every clip is read for words (default: 3)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take every Nth clip only (default: all)")
    parser.add_argument("--live", type=int, default=3, metavar="N", help="and of these every Nth live (default: 3)")
    parser.add_argument("--recordings", type=int, default=40, help="of sounds, and of cut words (default: 40 each)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write figures here, no text; other parts there stay")
    parser.add_argument("--texts", type=Path, metavar="PATH", help="write what was read here, which is not to be kept")
    parser.add_argument("--show", type=Path, metavar="PATH", help="print the tables of a result file, measure nothing")
    options = parser.parse_args(arguments)
    if min(options.rounds, options.every, options.live, options.recordings) < 1:
        parser.error("--rounds, --every, --live and --recordings are at least 1")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Measures what was asked for. 0 done, 1 an engine failed, 2 nothing to measure on."""
    options = settings(arguments)
    if options.show is not None:
        print(shown(json.loads(options.show.read_text(encoding="utf-8"))))
        return 0
    clips = utterances(options.data)[:: options.every]
    if not clips:
        print(f"{options.data / 'speech' / 'clips.tsv'}: is not there; name the folder with --data", file=sys.stderr)
        return 2
    result: dict[str, Any] = {}
    if options.json is not None and options.json.is_file():
        result = json.loads(options.json.read_text(encoding="utf-8"))
    texts: dict[str, Any] = {}
    try:
        if not engines.PYTHON.exists():
            raise Failed(f"{engines.PYTHON}: is not there; make the peers' environment with 'make peers-environment'")
        version = Auricle(options.auricle).version()
        for part in options.only:
            began = time.monotonic()
            where = {"version": version, **machine.described(options.auricle, ROOT)}
            with tempfile.TemporaryDirectory(prefix="auricle-whisper-") as scratch:
                found = _measure(part, options, clips, Path(scratch))
            where["load_after"] = machine.load()
            texts[part] = found.pop("texts", {})
            result[part] = {"machine": where, **found}
            print(f"{shown({part: result[part]})}\n", flush=True)
            print(f"{part}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
            if options.json is not None:
                machine.write(options.json, machine.without_text(result))
            if options.texts is not None:
                options.texts.write_text(json.dumps(texts, indent=1), encoding="utf-8")
    except Failed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _measure(part: str, options: argparse.Namespace, clips: list[Utterance], scratch: Path) -> dict[str, Any]:
    """The figures of one part."""
    contexts = {*context.LIVE, *context.TIMED} if part == "context" else ()
    models = builds.prepared(scratch, fp32=part in ("words", "times"), contexts=contexts)
    if part == "words":
        return spoken.measure(options.auricle, models, clips, options.rounds, scratch)
    if part == "context":
        return context.measure(options.auricle, models, clips, options.live, scratch)
    if part == "times":
        return placed.measure(options.auricle, models, clips, scratch)
    recordings = invented.quiet() + invented.cut_words(clips, options.recordings)
    recordings += invented.sounds(sound_clips(options.data), options.recordings)
    return invented.measure(options.auricle, models, recordings, scratch)


def shown(result: dict[str, Any]) -> str:
    """Of each part what was measured where, and its table."""
    lines = []
    for part, table in PARTS.items():
        if part in result:
            where = result[part]["machine"]
            lines += [
                f"{part}: {where['version']}, {where['date']} UTC, {where['cores']} x {where['processor']}, "
                f"load {where['load_before'][0]} before, {where['load_after'][0]} after",
                "",
                table(result[part]),
                "",
            ]
    return "\n".join(lines).rstrip()


if __name__ == "__main__":
    sys.exit(main())
