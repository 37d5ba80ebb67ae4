"""The test vector of Whisper's decoding rules: `OUTPUT` in, out goes the JSON file that `src/decode` is tested against.

python -m auricle_export.whisper.rules_vector tests/data/whisper_rules.json

Runs openai-whisper itself (the package `openai-whisper`, with torch: `DecodingTask`, `detect_language`, `transcribe`)
over a decoder whose logits are a hash of the tokens it read, which Rust computes too. Its text is nonsense, yet it
ends, repeats itself, names times and languages, so that every rule has something to decide. Chances are drawn from
SplitMix64 in place of torch's generator; all else is the reference's own code.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from unittest import mock

import numpy as np
import numpy.typing as npt
import torch
import whisper
from torch import Tensor
from whisper.decoding import DecodingOptions, DecodingResult, DecodingTask
from whisper.tokenizer import Tokenizer, get_tokenizer

GOLDEN = 0x9E3779B97F4A7C15
BITS = (1 << 64) - 1
CONTEXT = 448
WINDOW_FRAMES = 3_000
TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
LEVEL = 6.0
"""What every timestamp gets where one is due, so that their sum can outweigh the text."""

Floats = npt.NDArray[np.float32]


def splitmix64(x: int) -> int:
    """The first number of the generator SplitMix64 that starts from `x`."""
    z = (x + GOLDEN) & BITS
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & BITS
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & BITS
    return z ^ (z >> 31)


def fnv1a64(values: bytes) -> int:
    """The FNV-1a hash of bytes, 64 bits."""
    h = 0xCBF29CE484222325
    for value in values:
        h = ((h ^ value) * 0x100000001B3) & BITS
    return h


@dataclass(frozen=True)
class Character:
    """How the hashed decoder is inclined; every figure is added to logits, which are 0 to 12 without."""

    sure: float = 21.0
    """The first of six text tokens that the hash chooses gets this."""
    gap: float = 1.5
    """The next ones get so much less each."""
    loop: int = 0
    """The token of so many places before gets `looping`, if it is text; 0: none does."""
    looping: float = 42.0
    odd: int = 0
    """This token gets 2 more than the first of the six where the hash is odd; 0: none does."""
    no_speech: float = 0.0
    """The token of no speech gets this."""
    end: float = 8.0
    """The end gets this, and `ending` for every token since the start."""
    ending: float = 0.7
    times: int = 3
    """A time is due where the hash is a multiple of this; 0: never."""


@dataclass(frozen=True)
class Known:
    """The tokens of a tokenizer that matter here."""

    vocabulary: int
    end: int
    start: int
    translate: int
    transcribe: int
    previous: int
    no_speech: int
    no_timestamps: int
    first_timestamp: int
    languages: tuple[int, ...]
    blank: tuple[int, ...]
    non_speech: tuple[int, ...]
    always: tuple[int, ...]

    @staticmethod
    def of(tokenizer: Tokenizer, multilingual: bool) -> "Known":
        """Take them from the reference's tokenizer."""
        special = (tokenizer.transcribe, tokenizer.translate, tokenizer.sot, tokenizer.sot_prev, tokenizer.sot_lm)
        return Known(
            vocabulary=tokenizer.encoding.n_vocab,
            end=tokenizer.eot,
            start=tokenizer.sot,
            translate=tokenizer.translate,
            transcribe=tokenizer.transcribe,
            previous=tokenizer.sot_prev,
            no_speech=tokenizer.no_speech,
            no_timestamps=tokenizer.no_timestamps,
            first_timestamp=tokenizer.timestamp_begin,
            languages=tuple(sorted(tokenizer.all_language_tokens)) if multilingual else (),
            blank=(*tokenizer.encode(" "), tokenizer.eot),
            non_speech=tokenizer.non_speech_tokens,
            always=tuple(sorted((*special, tokenizer.no_speech))),
        )


def hashed_logits(tokens: Sequence[int], seed: int, character: Character, known: Known) -> Floats:
    """Logits [vocabulary] after `tokens`; `Hashed` of tests/whisper_rules.rs is the same in Rust, bit by bit."""
    h = fnv1a64((seed & BITS).to_bytes(8, "little") + b"".join(token.to_bytes(4, "little") for token in tokens))
    ids = np.arange(known.vocabulary, dtype=np.uint64)
    z = (np.uint64(h) ^ (ids * np.uint64(GOLDEN))) + np.uint64(GOLDEN)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    u = ((z ^ (z >> np.uint64(31))) >> np.uint64(40)).astype(np.float64) / float(1 << 24)
    logits = 12.0 * u * u * u * u
    for place in range(6):
        favourite = 300 + splitmix64((h + place + 1) & BITS) % 3_000
        logits[favourite] += character.sure - character.gap * place
    start = len(tokens) - 1 - tokens[::-1].index(known.start)
    said = tokens[start + 1 :]
    if 0 < character.loop <= len(said) and said[-character.loop] < known.end:
        logits[said[-character.loop]] += character.looping
    if character.odd > 0 and h % 2 == 1:
        logits[character.odd] += character.sure + 2.0
    if character.times > 0 and h % character.times == 0:
        latest = max([token - known.first_timestamp for token in said if token >= known.first_timestamp], default=0)
        logits[known.first_timestamp :] += LEVEL
        logits[known.first_timestamp + min(1_500, latest + (h >> 16) % 150)] += character.sure
    logits[known.end] += character.end + character.ending * len(said)
    logits[known.no_speech] += character.no_speech
    return logits.astype(np.float32)


class HashedDecoder:
    """Stands where the reference has its text decoder. What it has read it keeps where attention keeps keys."""

    def __init__(self, model: "HashedModel") -> None:
        """Decode for `model`; one block, since the reference rearranges the caches of blocks."""
        self.model = model
        self.key, self.value = object(), object()
        self.blocks = [SimpleNamespace(attn=SimpleNamespace(key=self.key, value=self.value))]

    def __call__(self, tokens: Tensor, audio: Tensor, kv_cache: dict[object, Tensor]) -> Tensor:
        """Logits [lines, tokens, vocabulary], only where the reference looks at them: after the start and the last."""
        history = torch.cat([kv_cache[self.key], tokens], dim=1) if self.key in kv_cache else tokens
        kv_cache[self.key] = kv_cache[self.value] = history
        known, given = self.model.known, tokens.shape[1]
        logits = torch.zeros(tokens.shape[0], given, known.vocabulary)
        for line, read in enumerate(history.tolist()):
            seed = self.model.seed + int(audio[min(line, len(audio) - 1), 0, 0])
            for place in range(given):
                length = len(read) - given + place + 1
                if place == given - 1 or read[length - 1] == known.start:
                    logits[line, place] = self.model.logits_after(read[:length], seed)
        return logits


class HashedModel:
    """What the reference needs of a model. Its audio says by its first value at which frame it begins."""

    device = torch.device("cpu")
    num_languages = 99
    detect_language = whisper.decoding.detect_language

    def __init__(self, seed: int, character: Character, multilingual: bool = True) -> None:
        """A model of its own for every case."""
        tokenizer = get_tokenizer(multilingual, num_languages=self.num_languages, language="en", task="transcribe")
        self.tokenizer, self.known = tokenizer, Known.of(tokenizer, multilingual)
        self.seed, self.character, self.is_multilingual = seed, character, multilingual
        self.dims = SimpleNamespace(
            n_mels=1, n_audio_ctx=1_500, n_audio_state=4, n_text_ctx=CONTEXT, n_vocab=self.known.vocabulary
        )
        self.decoder = HashedDecoder(self)
        self.results: list[tuple[int, DecodingResult]] = []
        self.rows: dict[tuple[int, tuple[int, ...]], Tensor] = {}

    def logits_after(self, tokens: list[int], seed: int) -> Tensor:
        """`hashed_logits`, the last few kept: lines of one beam begin as the same."""
        key = (seed, tuple(tokens))
        if key not in self.rows:
            if len(self.rows) > 8:
                self.rows.clear()
            self.rows[key] = torch.from_numpy(hashed_logits(tokens, seed, self.character, self.known))
        return self.rows[key]

    def encoder(self, mel: Tensor) -> Tensor:
        """Features [windows, 1500, 4] that hold the first value of each window."""
        return mel[:, :1, :1].expand(-1, self.dims.n_audio_ctx, self.dims.n_audio_state).clone()

    def logits(self, tokens: Tensor, audio: Tensor) -> Tensor:
        """Logits without a cache, for the detection of languages."""
        return self.decoder(tokens, audio, {})

    def install_kv_cache_hooks(self) -> tuple[dict[object, Tensor], list[object]]:
        """An empty cache; there is nothing to hook."""
        return {}, []

    def decode(self, mel: Tensor, options: DecodingOptions) -> DecodingResult:
        """The reference's `decode`, which is noted down, with chances that follow from seed, window and attempt."""
        seek = int(mel[0, 0])
        attempt = TEMPERATURES.index(options.temperature)
        Seeded.begin(self.seed + seek + attempt, options.best_of or 1)
        result = whisper.decoding.decode(self, mel, options)
        self.results.append((seek, result))
        return result


class Seeded:
    """In place of torch's `Categorical`: the same distribution, drawn from by SplitMix64, a generator for each line."""

    states: ClassVar[list[int]] = []
    distributions: ClassVar[list[Tensor]] = []

    @classmethod
    def begin(cls, seed: int, lines: int) -> None:
        """Begin all lines anew."""
        cls.states = [splitmix64((seed & BITS) ^ (line << 32)) for line in range(lines)]
        cls.distributions = []

    def __init__(self, logits: Tensor) -> None:
        """Take logits [lines, vocabulary], by the temperature already."""
        self.logits = logits

    def sample(self) -> Tensor:
        """A token for each line: where the sum of the weights first exceeds the chance."""
        self.distributions.append(torch.distributions.Categorical(logits=self.logits).probs)
        tokens = []
        for line, row in enumerate(self.logits.numpy().astype(np.float64)):
            sums = np.cumsum(np.exp(row - row.max()))
            chance = (splitmix64(self.states[line]) >> 11) / float(1 << 53)
            self.states[line] = (self.states[line] + GOLDEN) & BITS
            tokens.append(int(np.searchsorted(sums, chance * sums[-1], side="right")))
        return torch.tensor(tokens)


@dataclass(frozen=True)
class Case:
    """One call of the reference's `decode`."""

    name: str
    seeds: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)
    character: Character = Character()
    multilingual: bool = True


WORDS = tuple(400 + 37 * place for place in range(300))
"""Text tokens to put before."""
FLAT = Character(gap=0.4)
ENDLESS = Character(end=0.0, ending=0.0)
CASES = (
    Case("greedy, timestamps", (1, 2, 3, 4)),
    Case("greedy, hardly any times due", (5, 6), character=Character(times=11)),
    Case("greedy, text only", (1, 2), {"without_timestamps": True}),
    Case("greedy, unsure", (1,), {}, Character(sure=13.0, gap=0.1)),
    Case("greedy, as many tokens as may be", (1,), {"without_timestamps": True}, ENDLESS),
    Case("greedy, at most 10 tokens", (1, 2), {"sample_len": 10}),
    Case("greedy, a loop", (1,), {"without_timestamps": True}, Character(loop=3, ending=0.9)),
    Case("greedy, English only", (1, 2), {}, Character(), False),
    Case("greedy, the context filled", (1,), {"prompt": WORDS, "without_timestamps": True}, ENDLESS),
    Case("prompt", (1, 2), {"prompt": WORDS[:20]}),
    Case("prefix", (1,), {"prefix": WORDS[:5]}),
    Case("prefix, cut", (1,), {"prefix": WORDS[:9], "sample_len": 218, "prompt": WORDS[20:30]}),
    Case("a symbol suppressed", (1, 2), {}, Character(odd=7)),
    Case("a task suppressed", (1,), {}, Character(odd=50_358)),
    Case("nothing suppressed", (1, 2), {"suppress_tokens": ""}, Character(odd=7)),
    Case("two tokens suppressed", (1,), {"suppress_tokens": [7, 2_000]}, Character(odd=7)),
    Case("one token suppressed", (1,), {"suppress_tokens": [2_000]}, Character(odd=7)),
    Case("blank suppressed", (1, 2, 3), {"without_timestamps": True}, Character(odd=220)),
    Case("blank allowed", (1, 2, 3), {"suppress_blank": False, "without_timestamps": True}, Character(odd=220)),
    Case("first time at most 0.1 s", (1, 2, 3), {"max_initial_timestamp": 0.1}),
    Case("first time any", (1, 2, 3), {"max_initial_timestamp": None}),
    Case("language heard", (1, 2), {"language": None}),
    Case("translation", (1,), {"task": "translate", "language": "fr"}),
    Case("beam", (1, 2, 3), {"beam_size": 5}),
    Case("beam, text only", (1,), {"beam_size": 5, "without_timestamps": True}),
    Case("beam, rivals", (1, 2, 3), {"beam_size": 5}, FLAT),
    Case("beam of 2", (1,), {"beam_size": 2}, FLAT),
    Case("beam of 1", (1,), {"beam_size": 1}, FLAT),
    Case("beam, patient", (1, 2), {"beam_size": 5, "patience": 2.0}, FLAT),
    Case("beam, impatient", (1, 2), {"beam_size": 5, "patience": 0.5}, FLAT),
    Case("beam, penalty 0.6", (1, 2), {"beam_size": 5, "patience": 2.0, "length_penalty": 0.6}, FLAT),
    Case("beam, penalty 1", (1,), {"beam_size": 5, "length_penalty": 1.0}, FLAT),
    Case("beam, penalty 0", (1,), {"beam_size": 5, "length_penalty": 0.0}, FLAT),
    Case("beam, cut at 8 tokens", (1, 2), {"beam_size": 4, "sample_len": 8}),
    Case("beam, prompt and prefix", (1,), {"beam_size": 3, "prompt": WORDS[:12], "prefix": WORDS[:2]}),
    Case("sampled at 0.2", (1, 2), {"temperature": 0.2}, FLAT),
    Case("sampled at 1", (1,), {"temperature": 1.0}, FLAT),
    Case("the best of 5 at 0.6", (1, 2), {"temperature": 0.6, "best_of": 5}, FLAT),
    Case("the best of 3 at 1, penalty 0.8", (1,), {"temperature": 1.0, "best_of": 3, "length_penalty": 0.8}, FLAT),
)


@dataclass(frozen=True)
class Recording:
    """One call of the reference's `transcribe`, over so many frames of 10 ms."""

    name: str
    seed: int
    frames: int
    options: dict[str, Any] = field(default_factory=dict)
    character: Character = Character()


RECORDINGS = (
    Recording("several windows", 1, 9_500),
    Recording("a language that is heard", 2, 4_100, {"language": None}),
    Recording("nothing told to the next window", 3, 6_000, {"condition_on_previous_text": False}),
    Recording("by a beam", 4, 4_500, {"beam_size": 5}),
    Recording("an initial prompt", 5, 7_000, {"initial_prompt": "Names: Auricle, Whisper."}),
    Recording("an initial prompt, carried", 6, 9_000, {"initial_prompt": "Names.", "carry_initial_prompt": True}),
    Recording("hardly any times due", 7, 7_000, {}, Character(times=11)),
    Recording("text only", 8, 5_000, {"without_timestamps": True}),
    Recording("loops", 9, 3_500, {"best_of": 2}, Character(loop=2, looping=28.0, ending=0.5, times=12)),
    Recording("more loops", 17, 6_500, {}, Character(loop=3, looping=26.5, ending=0.4, times=9)),
    Recording("loops without an end", 18, 3_000, {}, Character(loop=1, looping=60.0, ending=1.5, times=0)),
    Recording("guesses", 10, 3_400, {"best_of": 3}, Character(sure=9.0, gap=0.3, ending=0.5)),
    Recording("some guesses", 11, 12_000, {}, Character(sure=13.0, gap=1.0, ending=0.5, times=5)),
    Recording("some guesses, others", 12, 12_000, {"best_of": 2}, Character(sure=14.5, gap=0.6, ending=0.7)),
    Recording("guesses by a beam", 19, 6_000, {"beam_size": 3, "best_of": 2}, Character(sure=9.0, gap=0.6, times=7)),
    Recording("guesses at silence", 13, 9_000, {}, Character(sure=10.0, gap=0.3, no_speech=20.0, times=7)),
    Recording("sure words in spite of silence", 14, 6_000, {}, Character(sure=24.0, gap=3.0, no_speech=34.0)),
    Recording("no limits", 15, 6_000, {"compression_ratio_threshold": None, "logprob_threshold": None}, FLAT),
    Recording(
        "silence by itself", 16, 6_000, {"logprob_threshold": None}, Character(sure=16.0, gap=0.3, no_speech=24.0)
    ),
)


def digits(value: float, count: int = 6) -> float:
    """`value` to so many digits, which JSON holds in fewer characters."""
    return float(f"{value:.{count}g}")


def reading(result: DecodingResult) -> dict[str, Any]:
    """What the reference says of a reading."""
    return {
        "tokens": result.tokens,
        "sum": digits(result.avg_logprob * (len(result.tokens) + 1), 7),
        "no_speech": digits(result.no_speech_prob),
        "compression_ratio": digits(result.compression_ratio),
        "temperature": result.temperature,
        "language": result.language,
    }


def of_case(case: Case, seed: int, note: Callable[[HashedModel], None]) -> dict[str, Any]:
    """Decode one window."""
    model = HashedModel(seed, case.character, case.multilingual)
    given = {"language": "en"} | case.options
    options = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    mel = torch.zeros(1, 1, WINDOW_FRAMES)
    task = DecodingTask(model, DecodingOptions(**options, fp16=False))
    Seeded.begin(seed, options.get("best_of", 1))
    (result,) = task.run(mel)
    model.results.append((0, result))
    note(model)
    return {
        "name": case.name,
        "seed": seed,
        "multilingual": case.multilingual,
        "character": asdict(case.character),
        "options": options,
        "initial": len(task.initial_tokens),
        "expected": reading(result),
    }


def of_recording(case: Recording, note: Callable[[HashedModel], None]) -> dict[str, Any]:
    """Transcribe windows one after another."""
    model = HashedModel(case.seed, case.character)

    def mel(_audio: object, _mels: int, padding: int) -> Tensor:
        return torch.arange(case.frames + padding // 160, dtype=torch.float32)[None]

    options = {"language": "en"} | case.options
    with mock.patch("whisper.transcribe.log_mel_spectrogram", mel):
        transcribed = whisper.transcribe(model, "", temperature=TEMPERATURES, fp16=False, **options)
    note(model)
    windows: dict[int, dict[str, Any]] = {}
    for seek, result in model.results:
        windows[seek] = reading(result) | {"seek": seek, "attempts": windows.get(seek, {"attempts": 0})["attempts"] + 1}
    for window in windows.values():
        segments = [segment for segment in transcribed["segments"] if segment["seek"] == window["seek"]]
        window["segments"] = [
            [round(16_000 * segment[side]) - 160 * segment["seek"] for side in ("start", "end")]
            + [len(segment["tokens"])]
            for segment in segments
            if segment["text"]
        ]
    initial = case.options.get("initial_prompt")
    return {
        "name": case.name,
        "seed": case.seed,
        "frames": case.frames,
        "character": asdict(case.character),
        "options": options | ({"initial_prompt": model.tokenizer.encode(" " + initial)} if initial else {}),
        "windows": list(windows.values()),
        "language": transcribed["language"],
    }


def of_language(seed: int, known: Known) -> dict[str, Any]:
    """Hear the language."""
    model = HashedModel(seed, Character())
    (token,), (probabilities,) = model.detect_language(torch.zeros(1, 1, WINDOW_FRAMES))
    codes = {model.tokenizer.to_language_token(code): code for code in probabilities}
    ordered = [digits(probabilities[codes[language]], 5) for language in known.languages]
    return {"seed": seed, "token": int(token), "probabilities": ordered}


def of_distribution(seed: int, temperature: float) -> dict[str, Any]:
    """The likeliest first tokens of a text without timestamps at a temperature, by torch's `Categorical`."""
    model = HashedModel(seed, FLAT)
    options = DecodingOptions(language="en", temperature=temperature, without_timestamps=True, sample_len=1, fp16=False)
    Seeded.begin(seed, 1)
    DecodingTask(model, options).run(torch.zeros(1, 1, WINDOW_FRAMES))
    probabilities, tokens = Seeded.distributions[0][0].topk(8)
    return {
        "seed": seed,
        "temperature": temperature,
        "character": asdict(FLAT),
        "tokens": tokens.tolist(),
        "probabilities": [digits(value) for value in probabilities.tolist()],
    }


def make_vector() -> dict[str, Any]:
    """The test vector as the JSON holds it."""
    spelled: dict[bool, set[int]] = {True: set(), False: set()}

    def note(model: HashedModel) -> None:
        for _, result in model.results:
            spelled[model.is_multilingual].update(
                token for token in result.tokens if token < model.known.first_timestamp
            )

    models = {multilingual: HashedModel(0, Character(), multilingual) for multilingual in (True, False)}
    with mock.patch("whisper.decoding.Categorical", Seeded):
        decoded = [of_case(case, seed, note) for case in CASES for seed in case.seeds]
        recordings = [of_recording(case, note) for case in RECORDINGS]
        distributions = [of_distribution(seed, temperature) for seed, temperature in ((1, 0.4), (2, 1.0))]
    pieces = {
        multilingual: {
            # Bytes as the characters of the same numbers.
            str(token): models[multilingual].tokenizer.encoding.decode_single_token_bytes(token).decode("latin-1")
            for token in sorted(tokens)
        }
        for multilingual, tokens in spelled.items()
    }
    known = models[True].known
    names = {
        models[True].tokenizer.to_language_token(code): code for code in whisper.tokenizer.LANGUAGES if code != "yue"
    }
    made_by = "python -m auricle_export.whisper.rules_vector PATH"
    return {
        "description": f"What openai-whisper {whisper.__version__} decodes of logits that are a hash of tokens. "
        f"Made by: {made_by}",
        "multilingual": asdict(known) | {"codes": [names[token] for token in known.languages]},
        "english": asdict(models[False].known),
        "pieces": {"multilingual": pieces[True], "english": pieces[False]},
        "readings": decoded,
        "recordings": recordings,
        "languages": [of_language(seed, known) for seed in (1, 2, 3)],
        "distributions": distributions,
    }


def main(arguments: list[str] | None = None) -> None:
    """Write the test vector to the path given."""
    parser = argparse.ArgumentParser(
        prog="python -m auricle_export.whisper.rules_vector", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("path", type=Path, metavar="OUTPUT", help="write the test vector of the rules here")
    path: Path = parser.parse_args(arguments).path
    path.write_text(json.dumps(make_vector(), separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
