"""Listed names: how many are heard with `--vocabulary`, and what it costs where none is said.

In: the built binary, espeak-ng and a data folder. Out: tables; with `--json` the counts as well.

    make vocabulary
"""

import argparse
import json
import math
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from auricle import Auricle, Failed
from captions import transcript
from clips import Utterance, utterances
from names import CARRIERS, COMMON, FRESH, SEEN, TUNING, VOICES, WITHOUT, WORDS_A_MINUTE
from tables import markdown
from wer import error_rate, normalise, right_words

ROOT = Path(__file__).resolve().parents[2]
LISTS = {"tuning": TUNING, "seen": SEEN, "fresh": FRESH}


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    right: int
    all: int

    def __str__(self) -> str:
        """Percent with Wilson's 95 % interval."""
        if not self.all:
            return "-"
        low, high = wilson(self.right, self.all)
        return f"{100 * self.right / self.all:.1f} % ({100 * low:.0f} to {100 * high:.0f}) of {self.all}"


def wilson(right: int, all_: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval of a share (JASA 22, 1927), 0 to 1."""
    share, spread = right / all_, z * z / all_
    middle, half = share + spread / 2, z * math.sqrt(share * (1 - share) / all_ + spread / all_ / 4)
    return (middle - half) / (1 + spread), (middle + half) / (1 + spread)


def has(name: str, text: str) -> bool:
    """Whether the name is written in the text, as it is listed, as words of their own."""
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def speak(text: str, voice: str, speed: int, path: Path) -> Path:
    """Has espeak-ng say the text into a WAV file."""
    subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-w", str(path), text], check=True)
    return path


def planted(names: Sequence[str], folder: Path) -> dict[Path, str]:
    """Every name in two sentences, by voices and speeds in turn."""
    spoken = {}
    for number, name in enumerate(names):
        for take in range(2):
            at = number + take * 3
            text = CARRIERS[at % len(CARRIERS)].format(name)
            path = folder / f"{name}-{take}.wav"
            spoken[speak(text, VOICES[(at + take) % len(VOICES)], WORDS_A_MINUTE[take], path)] = name
    return spoken


def empty(folder: Path) -> dict[Path, str]:
    """Sentences without a name, by all voices."""
    told = [(text, voice) for text in WITHOUT for voice in VOICES]
    paths = [folder / f"without-{k}.wav" for k in range(len(told))]
    return {speak(text, voice, WORDS_A_MINUTE[0], path): text for (text, voice), path in zip(told, paths, strict=True)}


def rare(clips: Sequence[Utterance], texts: dict[Path, str]) -> dict[Path, list[str]]:
    """By clip its words of six letters or more that occur in one clip alone and are read wrong there without a list."""
    count: dict[str, int] = {}
    for clip in clips:
        for word in set(normalise(clip.text).split()):
            count[word] = count.get(word, 0) + 1
    found = {}
    for clip in clips:
        heard = set(normalise(texts[clip.path]).split())
        words = [word.strip(".,;:!?\"'()") for word in clip.text.split()]
        words = [word for word in words if len(word) >= 6 and word.isalpha() and count.get(normalise(word)) == 1]
        wrong = [word.lower() if word.isupper() else word for word in words if normalise(word) not in heard]
        if wrong:
            found[clip.path] = wrong
    return found


def counted(names: Counter[str]) -> str:
    """How many, and the most frequent of them."""
    most = ", ".join(f"{name} {count}" for name, count in names.most_common(3))
    return f"{names.total()} ({most})" if names else "0"


def listed(path: Path, names: Sequence[str]) -> Path:
    """Writes a list."""
    path.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    return path


class Reader:
    """The binary with what it is given for every reading."""

    def __init__(self, auricle: Auricle, options: Sequence[str]) -> None:
        """`options` go before the list."""
        self.auricle, self.options = auricle, tuple(options)

    def __call__(self, paths: Sequence[Path], vocabulary: Path | None) -> dict[Path, str]:
        """What is read of every file, with a list or without."""
        options = [*self.options, *(["--vocabulary", str(vocabulary)] if vocabulary else [])]
        heard = self.auricle.events("transcribe", list(paths), "--sounds", "off", *options)
        return {path: transcript(events) for path, events in heard.items()}


def measure(read: Reader, data: Path, which: str, common: bool, parts: str) -> dict[str, str]:
    """Every figure, by its name; `common` lists names that nobody says beside those that are planted."""
    names = LISTS[which]
    everyone = [*names, *COMMON] if common else names
    result: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="auricle-vocabulary-") as scratch:
        folder = Path(scratch)
        names_file = listed(folder / "names.txt", everyone)
        if "made" in parts:
            spoken, without = planted(names, folder), empty(folder)
            for how, given in (("without", None), ("with", names_file)):
                texts = read([*spoken, *without], given)
                found = sum(has(name, texts[path]) for path, name in spoken.items())
                once = {name for path, name in spoken.items() if has(name, texts[path])}
                wrong = Counter(
                    each
                    for path, name in spoken.items()
                    for each in everyone
                    if each != name and has(each, texts[path])
                )
                false = sum(has(each, texts[path]) for path in without for each in everyone)
                rate = error_rate((text, texts[path]) for path, text in without.items())
                result[f"planted names read, {how}"] = str(Share(found, len(spoken)))
                result[f"names read at least once, {how}"] = str(Share(len(once), len(names)))
                result[f"wrong names in those sentences, {how}"] = counted(wrong)
                result[f"names in {len(without)} sentences without one, {how}"] = str(false)
                result[f"WER of these, {how}"] = f"{rate.percent:.2f} %"
        clips = utterances(data)
        if "real" in parts and clips:
            paths = [clip.path for clip in clips]
            plain, boosted = read(paths, None), read(paths, names_file)
            for how, texts in (("without", plain), ("with", boosted)):
                rate = error_rate((clip.text, texts[clip.path]) for clip in clips)
                result[f"WER of {len(clips)} real clips, {how} the list"] = f"{rate.percent:.2f} % of {rate.words}"
            result["false names in real clips"] = str(
                sum(has(name, boosted[path]) for path in paths for name in everyone)
            )
            half = clips[0::2] if which == "tuning" else clips[1::2]
            words = rare(half, plain)
            rares = sorted({word for each in words.values() for word in each})
            given = read([clip.path for clip in half], listed(folder / "rare.txt", rares))
            found = sum(
                normalise(word) in normalise(given[path]).split() for path, each in words.items() for word in each
            )
            result["rare words misread without, read with"] = str(Share(found, sum(map(len, words.values()))))
            for how, texts in (("without", plain), ("with", given)):
                rate = error_rate((clip.text, texts[clip.path]) for clip in half)
                result[f"WER of that half, {how} the rare words"] = f"{rate.percent:.2f} %"
                others = [right for clip in half for right in right_words(clip.text, texts[clip.path].split())]
                result[f"words read that were not said, {how}"] = str(sum(right is False for right in others))
    return result


def main(arguments: list[str] | None = None) -> int:
    """Measures. 0 done, 1 the binary failed."""
    parser = argparse.ArgumentParser(prog="benches/vocabulary/run.py", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--auricle", type=Path, default=ROOT / "target" / "release" / "auricle", help="the binary")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of speech/")
    parser.add_argument("--model", default="moonshine-tiny-en", help="the model that makes captions")
    parser.add_argument("--beam", type=int, metavar="LINES", help="search with so many lines, where the model can")
    parser.add_argument("--partials", action="store_true", help="read over and over while it is said, as live")
    parser.add_argument("--names", choices=tuple(LISTS), default="fresh", help="which are planted")
    parser.add_argument("--common", action="store_true", help="list common names as well, which nobody says")
    parser.add_argument("--part", choices=("made", "real", "made+real"), default="made+real", help="what to measure")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures here as well")
    options = parser.parse_args(arguments)
    try:
        auricle = Auricle(options.auricle, models={"transcribe": options.model})
        how = ["--beam", str(options.beam)] if options.beam else []
        read = Reader(auricle, [*how, *(["--partials"] if options.partials else [])])
        result = measure(read, options.data, options.names, options.common, options.part)
    except Failed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(markdown([options.model, ""], [[name, value] for name, value in result.items()]))
    if options.json is not None:
        options.json.write_text(json.dumps({"model": options.model} | result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
