"""Made alarms, and what must not be taken for one.

In: seeds. Out: samples at 16 kHz. The alarms are T3 (ISO 8201: 0.5 s on, 0.5 s off, three times, 1.5 s of pause) and
T4 (UL 2034: four beeps of 0.1 s, 0.1 s apart, 5 s of pause), from a piezo sounder at about 3.1 kHz or as a square wave
of 520 Hz; they are made at 44.1 kHz and resampled, as a recording would be. The music is chords, arpeggios and drums,
its notes with partials up to 7 kHz, so that some lie on an alarm's tone. What beeps and is no alarm: microwave ovens,
phones, reversing lorries, alarm clocks, a metronome.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from clips import SAMPLE_RATE_HZ, Samples, rms

SOURCE_HZ = 44_100
RAMP_S = 0.003


@dataclass(frozen=True)
class Rhythm:
    """Beeps of `on_s` with `off_s` between, `pause_s` after the last."""

    beeps: int
    on_s: float
    off_s: float
    pause_s: float

    @property
    def period_s(self) -> float:
        """From one group's start to the next one's."""
        return self.beeps * self.on_s + (self.beeps - 1) * self.off_s + self.pause_s


T3 = Rhythm(3, 0.5, 0.5, 1.5)
T4 = Rhythm(4, 0.1, 0.1, 5.0)


def beeps(rhythm: Rhythm, groups: int, tempo: float = 1.0) -> list[tuple[float, float]]:
    """Start and end of every beep; at tempo 1.1 all takes a tenth longer."""
    step = rhythm.on_s + rhythm.off_s
    starts = [group * rhythm.period_s + beep * step for group in range(groups) for beep in range(rhythm.beeps)]
    return [(start * tempo, (start + rhythm.on_s) * tempo) for start in starts]


def partials(hz: float, square: bool, rate_hz: int = SOURCE_HZ) -> list[tuple[float, float]]:
    """Frequency and amplitude of what a sounder gives: a piezo disc two partials, a square wave odd ones."""
    if square:
        return [(n * hz, 1.0 / n) for n in range(1, 16, 2) if n * hz < min(8_000.0, rate_hz / 2.0)]
    return [(hz, 1.0), (2.0 * hz, 0.1)]


def sounded(times: Sequence[tuple[float, float]], tones: Sequence[tuple[float, float]], length_s: float) -> Samples:
    """Beeps of the partials `tones` at `times`, resampled from 44.1 to 16 kHz, RMS 1 while they sound."""
    samples = np.zeros(int(length_s * SOURCE_HZ))
    for start, end in times:
        first, last = int(start * SOURCE_HZ), min(int(end * SOURCE_HZ) + 1, len(samples))
        clock = np.arange(first, last) / SOURCE_HZ
        gate = np.clip(np.minimum((clock - start) / RAMP_S, (end - clock) / RAMP_S), 0.0, 1.0)
        samples[first:last] = gate * sum(amplitude * np.sin(2.0 * np.pi * hz * clock) for hz, amplitude in tones)
    power = sum(amplitude**2 / 2.0 for _, amplitude in tones)
    return resampled(samples / np.sqrt(power), SOURCE_HZ)


def resampled(samples: Samples, rate_hz: int) -> Samples:
    """To 16 kHz, by cutting the spectrum: made signals need no causal filter."""
    length = len(samples) * SAMPLE_RATE_HZ // rate_hz
    spectrum = np.fft.rfft(samples)[: length // 2 + 1]
    return np.fft.irfft(spectrum, length) * (length / len(samples))


def note(hz: float, seconds: float, rng: np.random.Generator, brightness: float) -> Samples:
    """A struck or held note: partials to 7 kHz whose strength falls with their number, each decaying on its own."""
    clock = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    result = np.zeros(len(clock))
    decay_s = rng.uniform(0.15, 1.2)
    for n in range(1, int(7_000.0 / hz) + 1):
        fall = np.exp(-clock * (1.0 + 0.2 * n) / decay_s)
        result += n**-brightness * fall * np.sin(2.0 * np.pi * n * hz * clock + rng.uniform(0.0, 6.28))
    edge = min(len(clock) // 2, 80)
    result[:edge] *= np.linspace(0.0, 1.0, edge)
    result[-edge:] *= np.linspace(1.0, 0.0, edge)
    return result


def music(length_s: float, rng: np.random.Generator) -> Samples:
    """Chords, an arpeggio or melody and drums at a tempo of chance; some notes are four octaves up."""
    length = int(length_s * SAMPLE_RATE_HZ)
    beat_s = 60.0 / rng.choice([60.0, 72.0, 90.0, 100.0, 120.0, 132.0])
    root = 110.0 * 2.0 ** (rng.integers(12) / 12.0)
    brightness = rng.uniform(0.6, 1.6)
    result = np.zeros(length + 4 * SAMPLE_RATE_HZ)

    def add(samples: Samples, at_s: float, gain: float) -> None:
        at = int(at_s * SAMPLE_RATE_HZ)
        if at < length:
            result[at : at + len(samples)] += gain * samples[: len(result) - at]

    scale = np.array([0, 2, 4, 5, 7, 9, 11])
    bars = int(length_s / (4.0 * beat_s)) + 1
    for bar in range(bars):
        degree = int(rng.choice([0, 3, 4, 5]))
        chord = [root * 2.0 ** (scale[(degree + k) % 7] / 12.0 + (degree + k) // 7) for k in (0, 2, 4)]
        for hz in chord:
            add(note(hz, 3.9 * beat_s, rng, brightness), 4.0 * bar * beat_s, 0.5)
        for eighth in range(8):
            if rng.random() < 0.75:
                high = float(rng.choice(chord)) * 2.0 ** int(rng.integers(1, 5))
                add(
                    note(min(high, 3_600.0), rng.uniform(0.2, 0.9) * beat_s, rng, brightness),
                    (4.0 * bar + eighth / 2.0) * beat_s,
                    0.6,
                )
        for quarter in range(4):
            add(_drum(quarter % 2 == 1, rng), (4.0 * bar + quarter) * beat_s, 1.5)
    return result[:length] / rms(result[:length])


def _drum(snare: bool, rng: np.random.Generator) -> Samples:
    clock = np.arange(SAMPLE_RATE_HZ // 4) / SAMPLE_RATE_HZ
    if snare:
        return rng.standard_normal(len(clock)) * np.exp(-clock * 25.0)
    return np.sin(2.0 * np.pi * 60.0 * clock * (1.0 - clock)) * np.exp(-clock * 12.0)


def others(length_s: float, rng: np.random.Generator) -> dict[str, Samples]:
    """What beeps and is no alarm, each `length_s` long, at frequencies of chance in the range of the alarms."""

    def again(group: Sequence[tuple[float, float]], period_s: float) -> list[tuple[float, float]]:
        times = int(length_s / period_s)
        return [(k * period_s + start, k * period_s + end) for k in range(times) for start, end in group]

    def row(count: int, on_s: float, off_s: float) -> list[tuple[float, float]]:
        return [(k * (on_s + off_s), k * (on_s + off_s) + on_s) for k in range(count)]

    high, low = float(rng.uniform(2_800.0, 3_600.0)), float(rng.uniform(470.0, 570.0))
    made = {
        "microwave oven, three beeps every 10 s": (again(row(3, 0.5, 0.5), 10.0), partials(high, False)),
        "microwave oven, five beeps every 30 s": (again(row(5, 0.6, 0.4), 30.0), partials(high, False)),
        "microwave oven, four long beeps every 8 s": (again(row(4, 0.8, 0.4), 8.0), partials(high, False)),
        "reversing beeps": (again(row(1, 0.5, 0.5), 1.0), partials(high, False)),
        "quick reversing beeps": (again(row(1, 0.35, 0.35), 0.7), partials(low, True)),
        "alarm clock": (again(row(4, 0.1, 0.1), 1.0), partials(high, False)),
        "alarm clock, slow": (again(row(4, 0.1, 0.1), 2.2), partials(high, False)),
        "metronome": (again(row(1, 0.04, 0.46), 0.5), partials(high, False)),
        "phone": (again(row(20, 0.05, 0.05), 6.0), partials(high, False)),
        "phone, low": (again(row(2, 0.4, 0.2), 3.0), partials(low, True)),
        "washing machine, ten beeps once a minute": (again(row(10, 0.5, 0.5), 60.0), partials(high, False)),
        "engaged tone": (again(row(1, 0.375, 0.375), 0.75), [(low, 1.0)]),
        "low battery chirp": (again(row(1, 0.06, 0.06), 40.0), partials(high, False)),
        "two beeps every 4 s": (again(row(2, 0.5, 0.5), 4.0), partials(high, False)),
        "four beeps every 5 s": (again(row(4, 0.5, 0.5), 5.0), partials(high, False)),
        "three short beeps every 4 s": (again(row(3, 0.15, 0.15), 4.0), partials(high, False)),
    }
    return {name: sounded(times, tones, length_s) for name, (times, tones) in made.items()}
