"""Compares Auricle with its peers on the same audio with one thread, offline and live, and prints a table of each.

In: the built binary, the peers' environment and a data folder. Out: the tables; with `--json`, the raw rows as well.

    make peers
"""

import argparse
import json
import shlex
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import lineup
import long
import machine
import offline
import streaming
from auricle import Auricle, Failed
from clips import utterances
from emission import strings
from tables import offline_table, streaming_table

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("offline", "long", "streaming")


def settings(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="benches/peers/run.py", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--auricle", type=Path, default=ROOT / "target" / "release" / "auricle", help="the binary")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of speech/")
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    parser.add_argument("--rounds", type=int, default=3, help="times every clip is read (default: 3)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="read every Nth clip only (default: all)")
    parser.add_argument("--strings", type=int, default=8, help="strings played live (default: 8, about 95 s)")
    parser.add_argument(
        "--listen",
        action="append",
        default=[],
        metavar="NAME=OPTIONS",
        help="one more live row of Auricle's, such as 'auricle, base=--model moonshine-base-en'",
    )
    parser.add_argument("--peers", metavar="NAME;...", help="only these rows of the tables, separated by semicolons")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write figures and raw rows here as well")
    parser.add_argument("--without-text", action="store_true", help="leave out of that what was said and read")
    parser.add_argument("--show", type=Path, metavar="PATH", help="print the tables of such a file and measure nothing")
    options = parser.parse_args(arguments)
    options.listen = {name: shlex.split(added) for name, _, added in (each.partition("=") for each in options.listen)}
    if min(options.rounds, options.every, options.strings) < 1:
        parser.error("--rounds, --every and --strings are at least 1")
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
    wanted = options.peers.split(";") if options.peers else None
    began = time.monotonic()
    try:
        result: dict[str, Any] = {
            "version": Auricle(options.auricle).version(),
            "machine": machine.described(options.auricle, ROOT),
        }
        for part in PARTS:
            if options.only not in (None, part):
                continue
            peers = {"offline": lineup.OFFLINE, "long": lineup.LONG, "streaming": lineup.STREAMING}[part]
            kept = [peer for peer in peers if wanted is None or peer.name in wanted]
            with tempfile.TemporaryDirectory(prefix="auricle-peers-") as scratch:
                if part == "offline":
                    found = offline.measure(options.auricle, clips, kept, options.rounds, Path(scratch))
                elif part == "long":
                    made = long.recordings(clips, Path(scratch))
                    against = lineup.SAME_WEIGHTS_LONG
                    found = offline.measure(options.auricle, made, kept, options.rounds, Path(scratch), against)
                else:
                    listening = {lineup.AURICLE: [], **options.listen}
                    chosen = streaming.spread(strings(utterances(options.data)), options.strings)
                    found = streaming.measure(options.auricle, listening, chosen, kept, Path(scratch))
            result[part] = found
            result["machine"]["load_after"] = machine.load()
    except Failed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(shown(result))
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    if options.json is not None:
        machine.write(options.json, machine.without_text(result) if options.without_text else result)
    return 0


def shown(result: dict[str, Any]) -> str:
    """What was measured where, and the tables."""
    where = result["machine"]
    lines = [
        f"{result['version']}, {where['date']} UTC, {where['cores']} x {where['processor']}, "
        f"load {where['load_before'][0]} before, {where['load_after'][0]} after"
    ]
    if "offline" in result:
        lines += ["", offline_table(result["offline"])]
    if "long" in result:
        lines += ["", offline_table(result["long"], "long")]
    if "streaming" in result:
        lines += ["", streaming_table(result["streaming"])]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
