"""Whisper's exporter: in comes a folder of weights and `tokenizer.json`, out go three graphs and the tokenizer.

`weights` reads any of three forms (`ctranslate2`, `safetensors`, `checkpoint`) into the reference's names, `graphs`
writes the graphs and says what each takes and gives. `features` makes the log-mel (`vector` its test vector),
`tokenizer` spells tokens, `decode` runs the graphs. `reference` is the definition in numpy, `model` the same in
PyTorch; `parity` compares.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from auricle_export.exported import Exported, ExportError, source_files
from auricle_export.onnx_graph import IR_VERSION, MINIMUM_ORT, OPSET, Precision, write
from auricle_export.whisper import dimensions, features, graphs, weights
from auricle_export.whisper.decode import FRAME_SAMPLES, Rules
from auricle_export.whisper.parity import compare
from auricle_export.whisper.tokenizer import Tokenizer

ROLES = ("encoder", "cross_kv", "step")
LANGUAGE = "en"
"""What a model of many languages is compared in."""


CONTEXT = {"after_s": 2.0, "least_s": 10.0}
"""How much of the 30 s of training the encoder hears of audio that a caption rolls over: `benches/whisper` says why."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of a model, and its weights do not tell."""

    before: tuple[tuple[int, int], ...]
    """Layer and head of the cross-attention that look where a token begins while they predict it."""
    own: tuple[tuple[int, int], ...]
    """Layer and head that look at their own token."""
    odds: float
    """The odds of a word (its tokens' probabilities multiplied) times this are how often such words are right."""


MEASURED: dict[tuple[int, int], Measured] = {
    (51_864, 4): Measured(before=((3, 2), (2, 1), (3, 1)), own=((1, 2),), odds=2.7),
}
"""By vocabulary and decoder layers: tiny.en. Heads were chosen one by one on words of four speakers of TIMIT, odds
fitted on int8's words; `benches/whisper` has what heads tell of the others, `benches/accuracy` how well odds do. Of all
other Whispers the heads that their authors name are taken, by time warping, and odds as they are told."""


def export(source: Path, work: Path, precision: str, audio: Sequence[Path]) -> Exported:
    """Export the weights in `source` into the folder `work`, and compare the graphs with the definition on `audio`.

    Same source, precision and packages, same bytes. `ExportError` where the source is not Whisper's.
    """
    if precision not in get_args(Precision):
        raise ExportError(f"precision is {precision!r}, expected one of {', '.join(get_args(Precision))}")
    chosen: Precision = precision  # type: ignore[assignment]
    spelling = source_files(source, (weights.TOKENIZER_FILE,))[0]
    model = weights.read(source)
    tokens = Tokenizer(spelling, model.dims)
    rules = rules_of(model, tokens)
    write(graphs.encoder(model, chosen), work / "encoder.onnx")
    write(graphs.cross_kv(model, chosen), work / "cross_kv.onnx")
    measured = MEASURED.get((model.dims.n_vocab, model.dims.n_text_layer))
    heads = measured.before + measured.own if measured else model.alignment_heads
    write(graphs.step(model, chosen, heads), work / "step.onnx")
    shutil.copyfile(spelling, work / weights.TOKENIZER_FILE)
    return Exported(
        files=(
            *((role, work / f"{role}.onnx") for role in ROLES),
            ("tokenizer", work / weights.TOKENIZER_FILE),
        ),
        sections={"whisper": _section(model, tokens, rules, measured) | {"word_times": _word_times(model, measured)}},
        task="transcribe",
        sample_rate_hz=features.SAMPLE_RATE_HZ,
        opset=OPSET,
        ir_version=IR_VERSION,
        minimum_ort=MINIMUM_ORT,
        parameters=dimensions.parameters(model.dims),
        parity=compare(model, work, rules, chosen, audio, heads),
        inputs=(*model.files, spelling),
    )


def rules_of(model: weights.Whisper, tokens: Tokenizer) -> Rules:
    """How text is read greedily, without timestamps: by the lists of the source, else by the reference's."""
    special = tokens.special
    language = [special.start + 1 + special.languages.index(LANGUAGE)] if special.languages else []
    task = [special.transcribe] if special.languages else []
    suppress = tokens.suppressed() if model.suppress is None else model.suppress
    first = tokens.suppressed_first() if model.suppress_first is None else model.suppress_first
    return Rules(
        prompt=(special.start, *language, *task, special.no_timestamps),
        end=special.end,
        # Without timestamps the prompt rules them out; a reading has none.
        suppress=(*suppress, *range(special.no_timestamps, model.dims.n_vocab)),
        suppress_first=first,
        most=model.dims.n_text_ctx // 2,
    )


def _section(model: weights.Whisper, tokens: Tokenizer, rules: Rules, measured: Measured | None) -> dict[str, object]:
    """What the runtime needs to know, in the manifest's section."""
    dims, special = model.dims, tokens.special
    return {
        "mels": dims.n_mels,
        "audio_frames": dims.n_audio_ctx,
        "text_tokens": dims.n_text_ctx,
        "vocabulary": dims.n_vocab,
        "start_token": special.start,
        "end_token": special.end,
        "translate_token": special.translate,
        "transcribe_token": special.transcribe,
        "previous_token": special.previous,
        "no_speech_token": special.no_speech,
        "no_timestamps_token": special.no_timestamps,
        "first_timestamp_token": special.first_timestamp,
        "languages": list(special.languages),
        "suppress": [token for token in rules.suppress if token < special.no_timestamps],
        "suppress_first": list(rules.suppress_first),
        **({"confidence_odds": measured.odds} if measured else {}),
        "context": CONTEXT,
    }


def _word_times(model: weights.Whisper, measured: Measured | None) -> dict[str, object]:
    """How the runtime finds where words lie."""
    if measured is None:
        return {"method": "warp", "heads": [list(head) for head in model.alignment_heads]}
    return {
        "method": "path",
        "heads": [list(head) for head in measured.before + measured.own],
        "before": len(measured.before),
        "frame_samples": FRAME_SAMPLES,
        "frame_begins_samples": 0,
    }
