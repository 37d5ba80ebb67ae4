"""What is learned from and measured on: in comes a folder of labelled recordings, out come its clips and their samples.

Three layouts are recognised by the listing that each of them has, in this order:

- `clips.tsv`, our own: a heading and the columns path, label, fold, source, licence, parted by tabs and never quoted.
  `label` may hold several, separated by commas.
- `meta/esc50.csv` beside `audio/`: ESC-50 as its author publishes it (Piczak 2015).
- `FSD50K.ground_truth/` beside `FSD50K.dev_audio/` and `FSD50K.eval_audio/`: FSD50K as its authors publish it (Fonseca
  et al. 2020). Of dev.csv and eval.csv either may be missing; its clips are then left out.

A listing is outside input: nothing in it reaches a file outside of its folder, and what is wrong is named by its line.
"""

import csv
import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from auricle_export.audio import SAMPLE_RATE_HZ

Floats32 = npt.NDArray[np.float32]

LONGEST_S = 600
"""A recording that is longer is no clip."""
MOST_FRAMES = LONGEST_S * 48_000
"""Frames that are held at once: ten minutes at 48 kHz, less at a higher rate."""
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 1_000, 384_000
MOST_CHANNELS = 32
LISTING_BYTES = 64 << 20
"""The listing of FSD50K has 6 MB."""
BLOCK = 1 << 16
"""Frames that are read in one piece, all channels."""
TRANSITION = 0.04
"""Share of the band, at its upper edge, over which the resampler's filter falls from one to nothing."""

AUDIOSET = {
    "dog": ("/m/0bt9lr", "Dog"),
    "rooster": ("/m/07qn5dc", "Crowing, cock-a-doodle-doo"),
    "rain": ("/m/06mb1", "Rain"),
    "sea_waves": ("/m/034srq", "Waves, surf"),
    "crackling_fire": ("/m/07pzfmf", "Crackle"),
    "crying_baby": ("/t/dd00002", "Baby cry, infant cry"),
    "sneezing": ("/m/01hsr_", "Sneeze"),
    "clock_tick": ("/m/07qjznl", "Tick-tock"),
    "helicopter": ("/m/09ct_", "Helicopter"),
    "chainsaw": ("/m/01j4z9", "Chainsaw"),
}
"""AudioSet's id and name of the classes of ESC-10, as YAMNet's class map spells them; in the order of ESC's targets."""

_COLUMNS = ("path", "label", "fold", "source", "licence")
_FOLD = re.compile(r"[1-9][0-9]?|train|val|eval")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ESC_FILE = re.compile(r"[1-9]-([0-9]{1,12})-[A-Z]{1,2}-[0-9]{1,3}")
_TRUTH = "FSD50K.ground_truth"


class CollectionError(Exception):
    """Clips that cannot be used; the message names the file, the line, what is wrong there, and the way out."""


@dataclass(frozen=True, slots=True)
class Label:
    """A class of sounds."""

    id: str
    """AudioSet's, such as `/m/0bt9lr`, where it is known; else the collection's own name of the class."""
    name: str
    """AudioSet's, such as `Dog`, where it is known; else the collection's own."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A labelled recording."""

    path: Path
    labels: tuple[int, ...]
    """Which of the collection's labels are heard in it, ascending; never empty."""
    fold: str
    """`1`, `2`, ... of a collection that is measured in turns, or `train`, `val`, `eval`."""
    source: str
    """The recording that it was cut from: clips that share it are never in different folds. The clip's own path in the
    folder where no more is known."""


@dataclass(frozen=True, slots=True)
class Collection:
    """The clips of a folder."""

    name: str
    """The folder's."""
    labels: tuple[Label, ...]
    clips: tuple[Clip, ...]
    """In the order of the listing; none twice."""


def read(folder: Path, only_esc10: bool = False) -> Collection:
    """Read the listing in `folder`; `CollectionError` unless every line of it can be used and every file is there.

    `only_esc10` leaves out of ESC-50 what is not of ESC-10, and is an error for any other layout.
    """
    esc50 = folder / "meta/esc50.csv"
    own = folder / "clips.tsv"
    if only_esc10 and (own.is_file() or not esc50.is_file()):
        raise CollectionError(f"{folder}: only ESC-50 can be read as its part ESC-10; leave that option out")
    if own.is_file():
        labels, clips = _own(folder, own)
    elif esc50.is_file():
        labels, clips = _esc50(folder, esc50, only_esc10)
    elif (folder / _TRUTH).is_dir():
        labels, clips = _fsd50k(folder)
    else:
        raise CollectionError(
            f"{folder}: has neither clips.tsv nor meta/esc50.csv nor {_TRUTH}/; name the folder that holds one of them"
        )
    return Collection(folder.resolve().name or "clips", labels, clips)


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of a listing, as it stands there."""

    where: str
    """File and line, for messages."""
    fields: dict[str, str]

    def wrong(self, what: str, way_out: str = "correct the line, or leave it out") -> CollectionError:
        """Say what is wrong with the line."""
        return CollectionError(f"{self.where}: {what}; {way_out}")


def _rows(listing: Path, columns: tuple[str, ...], heading: bool = True) -> Iterator[_Row]:
    """Give the rows of a listing that has at least `columns`; where there is no heading, those and no others."""
    tabs = listing.suffix == ".tsv"
    try:
        size = listing.stat().st_size
        if size > LISTING_BYTES:
            raise CollectionError(f"{listing}: has {size} bytes, at most {LISTING_BYTES} are read; split it")
        text = listing.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CollectionError(f"{listing}: cannot be read as UTF-8 text: {error}; fetch it again") from error
    dialect = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if tabs else {"strict": True}
    reader = csv.reader(io.StringIO(text, newline=""), **dialect)
    names, empty = list(columns), True
    try:
        for fields in reader:
            where = f"{listing}:{reader.line_num}"
            if heading:
                heading, names = False, fields
                if missing := [column for column in columns if names.count(column) != 1]:
                    raise CollectionError(
                        f"{where}: no column, or several: {_listed(missing)}; expected {_listed(columns)}"
                    )
            elif fields:
                if len(fields) != len(names):
                    raise CollectionError(f"{where}: has {len(fields)} fields, {len(names)} expected: {_listed(names)}")
                empty = False
                yield _Row(where, dict(zip(names, fields, strict=True)))
    except csv.Error as error:
        raise CollectionError(f"{listing}:{reader.line_num}: cannot be read: {error}; fetch it again") from error
    if empty:
        raise CollectionError(f"{listing}: lists no clip; fetch it again")


def _listed(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(_shown(name) for name in names[:12])


def _shown(text: str) -> str:
    """Quote text of a file for a message: on one line, and not all of a long one."""
    return repr(text if len(text) <= 80 else text[:77] + "...")


class _Clips:
    """Collects the clips of a folder, each once, in the folder, with its file, no recording in two folds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._clips: dict[PurePosixPath, Clip] = {}
        self._folds: dict[str, str] = {}

    def add(self, row: _Row, path: str, labels: list[int], fold: str, source: str | None) -> None:
        """Add one; `source` is `None` where the recording is not known."""
        relative = PurePosixPath(path)
        if not path or not path.isprintable() or "\\" in path or relative.is_absolute() or ".." in relative.parts:
            raise row.wrong(f"path {_shown(path)} does not lie in the folder of the listing")
        if relative in self._clips:
            raise row.wrong(f"path {_shown(path)} is listed twice")
        if not labels:
            raise row.wrong(f"{_shown(path)} has no label")
        if len(set(labels)) != len(labels):
            raise row.wrong(f"{_shown(path)} has a label twice")
        if not _FOLD.fullmatch(fold):
            raise row.wrong(f"fold {_shown(fold)} is neither a number from 1 to 99 nor train, val or eval")
        source = source or str(relative)
        if self._folds.setdefault(source, fold) != fold:
            said = f"recording {_shown(source)} is in fold {fold} and in fold {self._folds[source]}"
            raise row.wrong(said, "what is measured would have been learned from: keep a recording in one fold")
        file = self._folder / relative
        try:
            size = file.stat().st_size if file.is_file() else None
        except OSError as error:
            raise row.wrong(f"path {_shown(path)} cannot be used: {error.strerror}") from error
        if not size:
            said = f"{_shown(path)} is {'missing' if size is None else 'empty'}"
            raise row.wrong(said, "fetch it, or leave the line out")
        self._clips[relative] = Clip(file, tuple(sorted(labels)), fold, source)

    def all(self) -> tuple[Clip, ...]:
        """Give those that were added."""
        return tuple(self._clips.values())


def _own(folder: Path, listing: Path) -> tuple[tuple[Label, ...], tuple[Clip, ...]]:
    rows = [(row, row.fields["label"].split(",")) for row in _rows(listing, _COLUMNS)]
    named = {}
    for row, labels in rows:
        for label in labels:
            if not label.strip() or label != label.strip() or not label.isprintable() or len(label) > 80:
                raise row.wrong(f"label {_shown(label)} is no name of a class")
            named[label] = None
    # ESC's ten come first, in ESC's order; what it has no target for follows by name.
    order = [label for label in AUDIOSET if label in named] + sorted(label for label in named if label not in AUDIOSET)
    number = {label: k for k, label in enumerate(order)}
    clips = _Clips(folder)
    for row, labels in rows:
        path = row.fields["path"]
        esc = _ESC_FILE.fullmatch(PurePosixPath(path).stem)
        clips.add(row, path, [number[label] for label in labels], row.fields["fold"], esc[1] if esc else None)
    return tuple(Label(*AUDIOSET.get(label, (label, label))) for label in order), clips.all()


def _esc50(folder: Path, listing: Path, only_esc10: bool) -> tuple[tuple[Label, ...], tuple[Clip, ...]]:
    columns = ("filename", "fold", "target", "category", "esc10", "src_file", "take")
    rows, categories = [], {}
    for row in _rows(listing, columns):
        fields = row.fields
        if fields["esc10"] not in ("True", "False"):
            raise row.wrong(f"esc10 is {_shown(fields['esc10'])}, expected True or False")
        if only_esc10 and fields["esc10"] == "False":
            continue
        if not re.fullmatch(r"[0-9]{1,3}", fields["target"]) or not _NAME.fullmatch(fields["category"]):
            raise row.wrong(f"target {_shown(fields['target'])} and category {_shown(fields['category'])} are no class")
        target = int(fields["target"])
        if categories.setdefault(target, fields["category"]) != fields["category"]:
            raise row.wrong(f"target {target} is {_shown(fields['category'])} here and {categories[target]!r} before")
        rows.append((row, target))
    if not rows:
        raise CollectionError(f"{listing}: no line has True in its column esc10; read all of ESC-50")
    if len(set(categories.values())) != len(categories):
        raise CollectionError(f"{listing}: a category has two targets; fetch the listing again")
    number = {target: k for k, target in enumerate(sorted(categories))}
    clips = _Clips(folder)
    for row, target in rows:
        clips.add(row, f"audio/{row.fields['filename']}", [number[target]], row.fields["fold"], row.fields["src_file"])
    names = [categories[target] for target in number]
    return tuple(Label(*AUDIOSET.get(name, (name, name))) for name in names), clips.all()


def _fsd50k(folder: Path) -> tuple[tuple[Label, ...], tuple[Clip, ...]]:
    truth = folder / _TRUTH
    labels: list[Label] = []
    number: dict[str, int] = {}
    for row in _rows(truth / "vocabulary.csv", ("index", "label", "mid"), heading=False):
        index, name, mid = row.fields["index"], row.fields["label"], row.fields["mid"]
        if index != str(len(labels)):
            raise row.wrong(f"index {_shown(index)}, expected {len(labels)}", "fetch the listing again")
        if not name.isprintable() or not mid.startswith("/") or len(name + mid) > 160 or mid in number:
            raise row.wrong(f"{_shown(mid)} is no id of a class, or is listed twice", "fetch the listing again")
        number[mid] = len(labels)
        labels.append(Label(mid, name))
    clips = _Clips(folder)
    parts = [part for part in ("dev", "eval") if (truth / f"{part}.csv").is_file()]
    if not parts:
        raise CollectionError(f"{truth}: has neither dev.csv nor eval.csv; fetch FSD50K.ground_truth again")
    for part in parts:
        columns = ("fname", "labels", "mids", "split") if part == "dev" else ("fname", "labels", "mids")
        for row in _rows(truth / f"{part}.csv", columns):
            name, mids = row.fields["fname"], row.fields["mids"].split(",")
            if not _NAME.fullmatch(name):
                raise row.wrong(f"fname {_shown(name)} is no name of a clip")
            if unknown := [mid for mid in mids if mid not in number]:
                raise row.wrong(f"mids {_listed(unknown)} are not in vocabulary.csv")
            fold = row.fields["split"] if part == "dev" else "eval"
            if part == "dev" and fold not in ("train", "val"):
                raise row.wrong(f"split {_shown(fold)} is neither train nor val")
            # The name is the number of the recording at Freesound, of which FSD50K has one clip.
            clips.add(row, f"FSD50K.{part}_audio/{name}.wav", [number[mid] for mid in mids], fold, name)
    return tuple(labels), clips.all()


def samples(clip: Clip) -> Floats32:
    """Samples [n] of the clip, n >= 1: 16 kHz, mono; see `samples_of`."""
    return samples_of(clip.path)


def samples_of(path: Path) -> Floats32:
    """Samples [n], n >= 1, 16 kHz mono, of a sound file of any rate and number of channels, whose mean is taken.

    Within [-1, 1] where the file is, but for what a filter adds at edges. `CollectionError` names the file that cannot
    be read, is empty, is longer than `LONGEST_S` or `MOST_FRAMES`, or holds what is not a finite number.
    """
    import soundfile  # a collection is listed without it

    try:
        with soundfile.SoundFile(path) as file:
            rate, channels = file.samplerate, file.channels
            if not LOWEST_RATE_HZ <= rate <= HIGHEST_RATE_HZ or not 1 <= channels <= MOST_CHANNELS:
                raise CollectionError(f"{path}: has {channels} channels of {rate} Hz; make it 1 channel of 16000 Hz")
            most, count, blocks = min(LONGEST_S * rate, MOST_FRAMES), 0, []
            # What the header says of the length is not believed.
            while len(block := file.read(BLOCK, "float32", always_2d=True)):
                count += len(block)
                if count > most:
                    raise CollectionError(f"{path}: is longer than {most / rate:.0f} s; cut it into clips")
                blocks.append(block.mean(axis=1, dtype=np.float64))
    except (OSError, TypeError, ValueError, soundfile.SoundFileError) as error:
        raise CollectionError(f"{path}: cannot be read: {error}; fetch it again") from error
    if not count:
        raise CollectionError(f"{path}: holds no sample; fetch it again, or leave it out")
    with np.errstate(all="ignore"):  # what is not finite is named below
        heard = resampled(np.concatenate(blocks), rate).astype(np.float32)
    if not np.isfinite(heard).all():
        raise CollectionError(f"{path}: holds samples that are not finite numbers; write it anew, or leave it out")
    return heard


def resampled(mono: npt.NDArray[np.float64], rate_hz: int) -> npt.NDArray[np.float64]:
    """Samples [n] at `rate_hz` to samples [ceil(n x 16000 / rate_hz)] at 16 kHz; band-limited, without delay.

    By one Fourier transform of the whole: its bins below the lower of the two half rates are kept, the last of them
    fading out. The ends are mirrored first, so that a clip's last sample does not ring into its first.
    """
    if rate_hz == SAMPLE_RATE_HZ:
        return mono
    common = math.gcd(rate_hz, SAMPLE_RATE_HZ)
    up, down = SAMPLE_RATE_HZ // common, rate_hz // common
    wanted = -(-len(mono) * up // down)
    # Padding and whole are multiples of `down`, so that both ends fall on samples at either rate.
    lead = down * -(-max(1, rate_hz // 50) // down)
    periods = (2 * lead + len(mono) + down - 1) // down
    padded = np.pad(mono, (lead, periods * down - lead - len(mono)), mode="symmetric")
    bins = np.fft.rfft(padded)
    spectrum = np.zeros(periods * up // 2 + 1, np.complex128)
    kept = min(len(bins), len(spectrum))
    edge = min(periods * up, periods * down) / 2
    fading = np.clip((edge - np.arange(kept)) / (TRANSITION * edge), 0.0, 1.0)
    spectrum[:kept] = bins[:kept] * np.sin(0.5 * np.pi * fading) ** 2
    whole = np.fft.irfft(spectrum, periods * up) * (up / down)
    start = lead // down * up
    return whole[start : start + wanted]


def chunks(samples: Floats32, length: int = SAMPLE_RATE_HZ, hop: int = SAMPLE_RATE_HZ) -> Floats32:
    """Cut samples [n], n >= 1, into chunks [k, length], k >= 1; each of them inherits the labels of its clip.

    What is shorter than a chunk is repeated until it fills one. What is longer is cut every `hop` samples; if at least
    half a chunk is left over at the end, one more ends with the last sample and overlaps the one before it; less is
    dropped.
    """
    if samples.ndim != 1 or not len(samples) or length < 1 or hop < 1:
        raise ValueError(f"samples of shape {samples.shape}, length {length}, hop {hop}: all must be at least 1")
    if len(samples) < length:
        return np.resize(samples, (1, length))
    starts = np.arange(0, len(samples) - length + 1, hop)
    left = len(samples) - (int(starts[-1]) + length)
    if 2 * left >= length:
        starts = np.append(starts, len(samples) - length)
    return samples[starts[:, None] + np.arange(length)]
