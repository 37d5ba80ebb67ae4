"""How often made alarms are recognised by their cadence, how late, and what else is taken for one.

In: the binary, speech of one half. Out: recall and delay for every alarm in every surrounding; false alarms an hour of
speech, of music, of both, and of what beeps and is no alarm.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from alarms import T3, T4, Rhythm, beeps, music, others, partials, sounded
from auricle import Auricle, Event
from clips import SAMPLE_RATE_HZ, Samples
from ingredients import coloured, talk
from rooms import convolve, room
from score import rate
from timeline import LEVEL_DBFS, QUIET_DBFS

MODEL = "cadence"
ALARMS: Mapping[str, tuple[Rhythm, str]] = {
    "T3": (T3, "Smoke alarm (T3 pattern)"),
    "T4": (T4, "CO alarm (T4 pattern)"),
}
TONES: Mapping[str, tuple[float, float, bool]] = {
    "3.1 kHz": (2_900.0, 3_500.0, False),
    "520 Hz": (494.0, 546.0, True),
}
"""From where to where the frequency of an alarm is drawn, and whether it is a square wave."""
TEMPO = (0.9, 1.1)
"""The standards allow a tenth."""
SURROUNDINGS = (
    "alone",
    "room 0.3 s",
    "room 0.6 s",
    "speech 10 dB",
    "speech 0 dB",
    "music 10 dB",
    "music 0 dB",
    "noise 10 dB",
    "noise 0 dB",
)
CYCLES = 6
LEAD_S = 3.0


def _gain(dbfs: float) -> float:
    return float(10.0 ** (dbfs / 20.0))


def alarm_in(rhythm: Rhythm, tone: str, surrounding: str, voices: Sequence[Path], rng: np.random.Generator) -> Samples:
    """One alarm of six cycles, at a frequency and a tempo of chance, 3 s after the beginning."""
    low_hz, high_hz, square = TONES[tone]
    tempo = rng.uniform(*TEMPO)
    times = [(start + LEAD_S, end + LEAD_S) for start, end in beeps(rhythm, CYCLES, tempo)]
    length_s = LEAD_S + rhythm.period_s * CYCLES * tempo + 2.0
    samples = sounded(times, partials(rng.uniform(low_hz, high_hz), square), length_s) * _gain(LEVEL_DBFS)
    kind, _, value = surrounding.partition(" ")
    if kind == "room":
        rung = convolve(samples, room(float(value.split()[0])).response)[: len(samples)]
        samples = rung * float(np.max(np.abs(samples)) / np.max(np.abs(rung)))
    elif kind != "alone":
        bed = _bed(kind, len(samples), voices, rng)
        samples = samples + bed * _gain(LEVEL_DBFS - float(value.split()[0]))
    floor = coloured("pink", len(samples), rng) * _gain(QUIET_DBFS)
    return np.clip(samples + floor, -1.0, 1.0)


def _bed(kind: str, length: int, voices: Sequence[Path], rng: np.random.Generator) -> Samples:
    if kind == "speech":
        return talk(voices, length, rng)
    if kind == "music":
        return music(length / SAMPLE_RATE_HZ + 1.0, rng)[:length]
    return coloured("pink", length, rng)


def recognised(auricle: Auricle, folder: Path, voices: Sequence[Path], each: int, seed: int) -> dict[str, Any]:
    """`each` alarms of every kind in every surrounding."""
    made: dict[Path, tuple[str, str, str]] = {}
    for number, (pattern, tone, surrounding) in enumerate(
        (pattern, tone, surrounding) for pattern in ALARMS for tone in TONES for surrounding in SURROUNDINGS
    ):
        for k in range(each):
            rng = np.random.default_rng([seed, number, k])
            path = folder / f"alarm-{number}-{k}.wav"
            samples = alarm_in(ALARMS[pattern][0], tone, surrounding, voices, rng)
            soundfile.write(path, samples, SAMPLE_RATE_HZ, subtype="PCM_16")
            made[path] = (pattern, tone, surrounding)
    events = auricle.events("tag", list(made))
    rows: dict[tuple[str, str, str], list[tuple[float | None, bool]]] = {}
    for path, which in made.items():
        found = patterns(events[path])
        right = [event for event in found if event["label"] == ALARMS[which[0]][1]]
        delay_s = right[0]["emitted"] - LEAD_S if right else None
        rows.setdefault(which, []).append((delay_s, len(right) < len(found)))
    return {"cases": [_case(which, results) for which, results in rows.items()], "each": each}


def _case(which: tuple[str, str, str], results: Sequence[tuple[float | None, bool]]) -> dict[str, Any]:
    delays = [delay_s for delay_s, _ in results if delay_s is not None]
    p50, p95 = (float(each) for each in np.percentile(delays, [50, 95])) if delays else (None, None)
    return {
        "pattern": which[0],
        "tone": which[1],
        "surrounding": which[2],
        "alarms": len(results),
        "recognised": len(delays),
        "taken_for_the_other": sum(wrong for _, wrong in results),
        "delay_p50_s": p50,
        "delay_p95_s": p95,
    }


def patterns(events: Sequence[Event]) -> list[Event]:
    """The sound events of a file that bear a pattern's name."""
    return [event for event in events if event["type"] == "sound" and event["model"] == MODEL]


def negatives(voices: Sequence[Path], minutes: int, seed: int) -> Iterator[tuple[str, str, Samples]]:
    """Kind, name and samples of what holds no alarm: `minutes` of speech, music and both, and other beepers."""
    for number in range(minutes // 2):
        rng = np.random.default_rng([seed, 1000, number])
        length = 120 * SAMPLE_RATE_HZ
        said = talk(voices, length, rng) * _gain(LEVEL_DBFS)
        played = music(121.0, rng)[:length] * _gain(LEVEL_DBFS)
        floor = coloured("pink", length, rng) * _gain(QUIET_DBFS)
        yield "speech", f"speech-{number}", said + floor
        yield "music", f"music-{number}", played + floor
        yield "speech and music", f"both-{number}", said + played + floor
    for number in range(max(1, minutes // 15)):
        rng = np.random.default_rng([seed, 2000, number])
        for name, samples in others(120.0, rng).items():
            noise = coloured("pink", len(samples), rng) * _gain(QUIET_DBFS)
            yield "other beeps", f"{name}-{number}", samples * _gain(LEVEL_DBFS) + noise


def false_alarms(auricle: Auricle, folder: Path, voices: Sequence[Path], minutes: int, seed: int) -> dict[str, Any]:
    """False alarms an hour for each kind, and the names of what brought them."""
    made: dict[Path, tuple[str, str, float]] = {}
    for kind, name, samples in negatives(voices, minutes, seed):
        path = folder / f"none-{len(made)}.wav"
        soundfile.write(path, np.clip(samples, -1.0, 1.0), SAMPLE_RATE_HZ, subtype="PCM_16")
        made[path] = (kind, name, len(samples) / SAMPLE_RATE_HZ)
    events = auricle.events("tag", list(made))
    result: dict[str, Any] = {}
    for kind in dict.fromkeys(kind for kind, _, _ in made.values()):
        of_kind = [path for path in made if made[path][0] == kind]
        by_name = {made[path][1]: len({event["event"] for event in patterns(events[path])}) for path in of_kind}
        hours = sum(made[path][2] for path in of_kind) / 3600.0
        result[kind] = rate(sum(by_name.values()), hours) | {"of": {k: n for k, n in by_name.items() if n}}
    return result
