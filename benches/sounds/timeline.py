"""Made timelines: clips at known times over quiet, noise or speech, and the same backgrounds with nothing in them.

In: the material of one half, and a seed. Out: scenes, each its samples and what is truly in it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from clips import SAMPLE_RATE_HZ, Samples
from ingredients import MADE, NATURE, Clip, coloured, outdoors, speech, spoken, talk, to_level

LEVEL_DBFS = -26.0
"""Active RMS of every sound, and of speech that is alone."""
QUIET_DBFS = -60.0
SNRS_DB = (20.0, 10.0, 0.0)
A_SCENE = 10
"""Sounds a scene."""
LEAD_S = 3.0
GAP_S = (3.0, 5.0)
"""From the end of a sound to the onset of the next: longer than what counts as a pause in one, 1.5 s."""
EMPTY_S = 120.0


@dataclass(frozen=True)
class Sound:
    """One sound that is truly there."""

    label: str
    """Its class."""
    clip: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Scene:
    """One file of the timeline."""

    name: str
    condition: str
    samples: Samples
    sounds: list[Sound]
    background: str
    """`quiet`, `white`, `rain`, `speech`..."""
    heard_too: list[str] = field(default_factory=list)
    """Classes that the background truly is: what is told of them is neither right nor wrong."""


def conditions() -> list[str]:
    """Their names: seven."""
    return ["quiet", *(f"{kind} {snr_db:g} dB" for kind in ("noise", "speech") for snr_db in SNRS_DB)]


def scenes(data: Path, half: str, clips: Sequence[Clip], condition: str, seed: int) -> Iterator[Scene]:
    """Every clip once. Of the backgrounds of `noise`, three made ones and two of nature take turns.

    Rain and sea are only ever put over made ones.
    """
    number = conditions().index(condition)
    rng = np.random.default_rng([seed, number, half == "kept"])
    kind, _, ratio = condition.partition(" ")
    snr_db = float(ratio.split()[0]) if ratio else None
    voices = speech(data, half)
    for k, group in enumerate(_groups(clips, kind, rng)):
        background, among = group
        samples, sounds = _placed(among, rng)
        bed, heard_too = bed_of(background, len(samples), rng, clips, voices)
        bed *= 10.0 ** ((QUIET_DBFS if snr_db is None else LEVEL_DBFS - snr_db) / 20.0)
        name = f"{half}-{condition}-{k}-{background}".replace(" ", "_")
        yield Scene(name, condition, np.clip(samples + bed, -1.0, 1.0), sounds, background, heard_too)


def _groups(clips: Sequence[Clip], kind: str, rng: np.random.Generator) -> list[tuple[str, list[Clip]]]:
    """Ten clips a group, each group with its background."""
    order = [clips[k] for k in rng.permutation(len(clips))]
    if kind != "noise":
        return [(kind, order[at : at + A_SCENE]) for at in range(0, len(order), A_SCENE)]
    dealt: dict[str, list[Clip]] = {background: [] for background in (*MADE, *NATURE)}
    for k, clip in enumerate(order):
        allowed = MADE if clip.label in NATURE else (*MADE, *NATURE)
        dealt[allowed[k % len(allowed)]].append(clip)
    return [
        (background, among[at : at + A_SCENE])
        for background, among in dealt.items()
        for at in range(0, len(among), A_SCENE)
    ]


def _placed(among: Sequence[Clip], rng: np.random.Generator) -> tuple[Samples, list[Sound]]:
    """The clips one after the other at one level, and where each is."""
    at = int(LEAD_S * SAMPLE_RATE_HZ)
    sounds, parts = [], []
    for clip in among:
        parts.append((at, to_level(clip.samples, LEVEL_DBFS)))
        end = at + len(clip.samples)
        sounds.append(Sound(clip.label, clip.name, at / SAMPLE_RATE_HZ, end / SAMPLE_RATE_HZ))
        at = end + int(rng.uniform(*GAP_S) * SAMPLE_RATE_HZ)
    samples = np.zeros(at)
    for start, part in parts:
        samples[start : start + len(part)] += part
    return samples, sounds


def bed_of(
    background: str, length: int, rng: np.random.Generator, clips: Sequence[Clip], voices: Sequence[Path]
) -> tuple[Samples, list[str]]:
    """A background of RMS 1 (speech: of its active frames), and the classes that it is."""
    if background == "quiet":
        return coloured("pink", length, rng), []
    if background == "speech":
        return talk(voices, length, rng), []
    if background in MADE:
        return coloured(background, length, rng), []
    return outdoors(clips, background, length, rng)[0], [background]


def empty(data: Path, half: str, clips: Sequence[Clip], seed: int) -> Iterator[Scene]:
    """Nothing to be told: every utterance once, alone and 10 dB above each made noise; noises at two levels."""
    rng = np.random.default_rng([seed, 99, half == "kept"])
    voices = speech(data, half)
    length = int(EMPTY_S * SAMPLE_RATE_HZ)
    said = [to_level(part, LEVEL_DBFS) for part in _all_of(voices, rng)]
    for k, part in enumerate(said):
        floor = coloured("pink", len(part), rng) * 10.0 ** (QUIET_DBFS / 20.0)
        yield Scene(f"{half}-alone-speech-{k}", "speech alone", np.clip(part + floor, -1.0, 1.0), [], "speech")
        for kind in MADE:
            noise = coloured(kind, len(part), rng) * 10.0 ** ((LEVEL_DBFS - 10.0) / 20.0)
            both = np.clip(part + noise, -1.0, 1.0)
            yield Scene(f"{half}-in-{kind}-speech-{k}", "speech in noise", both, [], kind)
    for level_dbfs in (LEVEL_DBFS, LEVEL_DBFS - 20.0):
        for kind in (*MADE, *NATURE):
            bed, heard_too = bed_of(kind, length, rng, clips, voices)
            noise = np.clip(bed * 10.0 ** (level_dbfs / 20.0), -1.0, 1.0)
            name = f"{half}-alone-{kind}{level_dbfs:g}"
            yield Scene(name, "noise alone", noise, [], kind, heard_too)


def _all_of(voices: Sequence[Path], rng: np.random.Generator) -> list[Samples]:
    """Every utterance once, in pieces of about two minutes."""
    seconds = int(EMPTY_S * SAMPLE_RATE_HZ)
    order = [voices[k] for k in rng.permutation(len(voices))]
    pieces, held, total = [], [], 0
    for path in order:
        held.append(spoken(path, rng))
        total += len(held[-1])
        if total >= seconds:
            pieces.append(np.concatenate(held))
            held, total = [], 0
    if held:
        pieces.append(np.concatenate(held))
    return pieces
