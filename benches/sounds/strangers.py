"""What is told of sounds that are none of the classes, and of speech: false alarms on recordings from elsewhere.

In: the built binary and a folder of recordings. Out: for each model, events of the ten classes an hour, and the share
of files with any. What a model tells besides may be right, and is not counted.

    apt-get download tuxpaint-stamps-default && dpkg-deb -x tuxpaint-stamps-default_*.deb .cache/stamps
    python benches/sounds/strangers.py --folder .cache/stamps/usr/share/tuxpaint/stamps

In Debian's tuxpaint-stamps-default a file with `_desc` in its name is somebody who says what a stamp shows, in one of
thirteen languages; those elsewhere than under `symbols` are sounds: animals, tools, instruments, vehicles.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile
from auricle import Auricle, Failed
from score import rate
from sounds import CLASSES
from tables import markdown

ROOT = Path(__file__).resolve().parents[2]
TRUE = ("dogs/dog", "birds/rooster", "firetruck", "chainsaw", "helicopter", "clock")
"""Parts of the names of files that may hold one of the ten classes, and are left out."""
NAMES = {name for names in CLASSES.values() for name in names}
SPEECH_EACH = 6
"""Of the speech every sixth file, in the order of names."""


@dataclass(frozen=True)
class Files:
    """Recordings that are none of the classes."""

    name: str
    paths: Sequence[Path]
    hours: float


def main(arguments: list[str] | None = None) -> int:
    """Measures. 0 done, 1 the binary failed, 2 nothing to measure on."""
    parser = argparse.ArgumentParser(prog="benches/sounds/strangers.py", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--auricle", type=Path, default=ROOT / "target" / "release" / "auricle", help="the binary")
    parser.add_argument("--folder", type=Path, required=True, metavar="FOLDER", help="the recordings")
    models = ["audio-transformer", "yamnet"]
    parser.add_argument("--models", nargs="+", default=models, metavar="NAME", help=f"default: {' '.join(models)}")
    options = parser.parse_args(arguments)
    found = [files("other sounds", sounds_in(options.folder)), files("speech", speech_in(options.folder))]
    if not all(each.paths for each in found):
        print(
            f"{options.folder}: has no sounds or no speech of the kind that is looked for; see --help", file=sys.stderr
        )
        return 2
    try:
        rows = [row for model in options.models for each in found for row in [measured(options.auricle, model, each)]]
    except Failed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(markdown(["model", "of", "files", "hours", "with an event", "events an hour", "what was told"], rows))
    return 0


def sounds_in(folder: Path) -> list[Path]:
    """Sounds that are none of the ten classes."""
    found = [path for path in sorted(folder.rglob("*.ogg")) if "_desc" not in path.name]
    return [path for path in found if "symbols" not in path.parts and not any(part in str(path) for part in TRUE)]


def speech_in(folder: Path) -> list[Path]:
    """Some of the speech."""
    return sorted(folder.rglob("*_desc*.ogg"))[::SPEECH_EACH]


def files(name: str, paths: Sequence[Path]) -> Files:
    """Those of `paths` that can be read, and how long they are."""
    lengths = {}
    for path in paths:
        try:
            info = soundfile.info(path)
        except soundfile.LibsndfileError:
            continue
        lengths[path] = info.frames / info.samplerate
    return Files(name, list(lengths), sum(lengths.values()) / 3600.0)


def measured(program: Path, model: str, of: Files) -> list[str]:
    """The row of one model on one kind of recordings."""
    events = Auricle(program, models={"tag": model}).events("tag", of.paths)
    starts = [
        [one["label"] for one in each if one["type"] == "sound" and one["state"] == "start" and one["label"] in NAMES]
        for each in events.values()
    ]
    told = Counter(label for each in starts for label in each)
    hourly = rate(sum(told.values()), of.hours)
    share = sum(bool(each) for each in starts) / len(starts)
    labels = ", ".join(f"{label} {count}" for label, count in told.most_common(6))
    an_hour = f"{hourly['an_hour']:.0f} ({hourly['low']:.0f}-{hourly['high']:.0f})"
    return [model, of.name, str(len(of.paths)), f"{of.hours:.2f}", f"{share:.2f}", an_hour, labels]


if __name__ == "__main__":
    sys.exit(main())
