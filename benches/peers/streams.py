"""Live captions by each peer, in the peers' own environment: audio paced in real time, and what was shown when.

In: the name of an engine, its options, samples. Out: a list of what it showed, in seconds since the first sample was
due. Sample n is due n / rate after the start, whatever the engine does; a block is there when its last sample is.
"""

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from readers import (
    SAMPLE_RATE_HZ,
    FasterWhisper,
    Floats,
    Options,
    SherpaWhole,
    moonshine_tiny,
    sherpa_detector,
    sherpa_text,
)

if TYPE_CHECKING:
    from moonshine_voice import TranscriptEvent

SHERPA_BLOCK_SAMPLES = SAMPLE_RATE_HZ // 10
SHERPA_REFRESH_S = 0.2
SHERPA_WINDOW_SAMPLES = 512
MOONSHINE_BLOCK_SAMPLES = 1024


class Shown(NamedTuple):
    """One change of what a reader sees."""

    at_s: float
    line: int
    """Texts of one line replace each other."""
    text: str
    final: bool


class Clock:
    """When samples are due, in seconds since the first."""

    def __init__(self) -> None:
        """The first sample is due now."""
        self._start = time.monotonic()

    def now_s(self) -> float:
        """Seconds since the first sample was due."""
        return time.monotonic() - self._start

    def blocks(self, samples: Floats, block: int, coalesce: bool = False) -> Iterator[Floats]:
        """Blocks of samples [n], each when its last sample is due; late ones at once, joined if `coalesce`."""
        at = 0
        while at < len(samples):
            end = min(at + block, len(samples))
            early_s = end / SAMPLE_RATE_HZ - self.now_s()
            if early_s > 0.0:
                time.sleep(early_s)
            elif coalesce:
                due = min(int(self.now_s() * SAMPLE_RATE_HZ), len(samples))
                end = max(end, at + (due - at) // block * block)
            yield samples[at:end]
            at = end


class Stream(Protocol):
    """An engine that is loaded and can follow live audio."""

    def follow(self, samples: Floats) -> list[Shown]:
        """Plays samples [n] at 16 kHz in real time and gives what was shown, in order."""


class MoonshineStream:
    """moonshine-voice as its `MicTranscriber` runs it: blocks of 1,024 samples, those that wait joined, every 0.5 s."""

    def __init__(self, options: Options) -> None:
        """No options."""
        from moonshine_voice import ModelArch, Transcriber

        self.transcriber = Transcriber(moonshine_tiny(), ModelArch.TINY)

    def follow(self, samples: Floats) -> list[Shown]:
        """Lines that change until they are complete."""
        from moonshine_voice import LineCompleted, LineTextChanged

        shown: list[Shown] = []

        def changed(event: "TranscriptEvent") -> None:
            if isinstance(event, LineTextChanged | LineCompleted):
                final = isinstance(event, LineCompleted)
                shown.append(Shown(clock.now_s(), event.line.line_id, event.line.text, final))

        stream = self.transcriber.create_stream()
        stream.add_listener(changed)
        stream.start()
        clock = Clock()
        for block in clock.blocks(samples, MOONSHINE_BLOCK_SAMPLES, coalesce=True):
            stream.add_audio(block, SAMPLE_RATE_HZ)
        stream.stop()
        done = {each.line for each in shown if each.final}
        last = {each.line: each for each in shown if each.line not in done}
        shown += [Shown(clock.now_s(), line, each.text, True) for line, each in last.items()]
        stream.close()
        return shown


class SherpaSimulated:
    """sherpa-onnx as in `simulate-streaming-sense-voice-microphone.py`, over Moonshine: a new decode every 0.2 s."""

    def __init__(self, options: Options) -> None:
        """Options: `scratch` and `silero`, as for files."""
        self.recognizer = SherpaWhole(options).recognizer
        self.silero = options["silero"]

    def follow(self, samples: Floats) -> list[Shown]:
        """A line a segment of the detector's."""
        detector = sherpa_detector(
            self.silero, threshold=0.5, min_silence_duration=0.1, min_speech_duration=0.25, max_speech_duration=8
        )
        shown: list[Shown] = []
        line, offset, started_s = 0, 0, float("nan")
        buffer = np.empty(0, np.float32)
        clock = Clock()
        keep = 10 * SHERPA_WINDOW_SAMPLES

        def finish() -> bool:
            nonlocal line
            ended = False
            while not detector.empty():
                text = sherpa_text(self.recognizer, np.asarray(detector.front.samples, np.float32))
                detector.pop()
                shown.append(Shown(clock.now_s(), line, text, True))
                line += 1
                ended = True
            return ended

        for block in clock.blocks(samples, SHERPA_BLOCK_SAMPLES):
            buffer = np.concatenate([buffer, block])
            while offset + SHERPA_WINDOW_SAMPLES < len(buffer):
                detector.accept_waveform(buffer[offset : offset + SHERPA_WINDOW_SAMPLES])
                if started_s != started_s and detector.is_speech_detected():
                    started_s = clock.now_s()
                offset += SHERPA_WINDOW_SAMPLES
            if started_s != started_s and len(buffer) > keep:
                offset -= len(buffer) - keep
                buffer = buffer[-keep:]
            if clock.now_s() - started_s > SHERPA_REFRESH_S:
                if text := sherpa_text(self.recognizer, buffer):
                    shown.append(Shown(clock.now_s(), line, text, False))
                started_s = clock.now_s()
            if finish():
                buffer, offset, started_s = np.empty(0, np.float32), 0, float("nan")
        detector.flush()
        finish()
        return shown


class FasterWhisperFinals:
    """faster-whisper, which does not stream: finals of what sherpa-onnx's detector cuts out with its defaults."""

    def __init__(self, options: Options) -> None:
        """Options: `beam`, and `silero`, the detector's model."""
        self.reader = FasterWhisper(options)
        self.silero = options["silero"]

    def follow(self, samples: Floats) -> list[Shown]:
        """A line a segment, final when it first appears."""
        detector = sherpa_detector(self.silero)
        shown: list[Shown] = []
        clock = Clock()

        def finish() -> None:
            while not detector.empty():
                texts = self.reader.read(np.asarray(detector.front.samples, np.float32))
                detector.pop()
                shown.append(Shown(clock.now_s(), len(shown), " ".join(texts), True))

        for block in clock.blocks(samples, SHERPA_WINDOW_SAMPLES):
            if len(block) == SHERPA_WINDOW_SAMPLES:
                detector.accept_waveform(block)
            finish()
        detector.flush()
        finish()
        return shown


STREAMS: Mapping[str, type[Stream]] = {
    "sherpa-onnx": SherpaSimulated,
    "moonshine-voice": MoonshineStream,
    "faster-whisper": FasterWhisperFinals,
}
