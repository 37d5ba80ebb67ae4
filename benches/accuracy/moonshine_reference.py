"""Moonshine decoded whole clip by whole clip in numpy: the figure that `auricle transcribe` is compared with.

In: a model folder (`encoder_model.ort`, `decoder_model_merged.ort`, `tokenizer.bin`) and the speech set. Out: WER by
source; with `--texts`, every clip's text as JSON, which the Rust decoder must give for the same samples.

    python benches/accuracy/moonshine_reference.py models/moonshine-tiny-en
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from clips import SAMPLE_RATE_HZ, Samples, read, utterances
from figures import table

from speech import rates

START, END = 1, 2
TOKENS_A_SECOND = 6.5
"""Moonshine's own bound on the length of a hypothesis; speech stays below it and a loop does not."""
ROOT = Path(__file__).resolve().parents[2]


def read_tokenizer(path: Path) -> list[bytes]:
    """Tokens by id out of `tokenizer.bin`: a length, then that many bytes, one record a token.

    A first byte below 128 is the length; else it is that byte - 128 plus 128 times the next one.
    """
    content, tokens, at = path.read_bytes(), list[bytes](), 0
    while at < len(content):
        length = content[at]
        at += 1
        if length >= 128:
            length += content[at] * 128 - 128
            at += 1
        tokens.append(content[at : at + length])
        at += length
    return tokens


class Moonshine:
    """Encoder and merged decoder on the CPU with one thread, decoding greedily."""

    def __init__(self, folder: Path) -> None:
        """Loads the three files in `folder`."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        providers = ["CPUExecutionProvider"]
        self._encoder = onnxruntime.InferenceSession(str(folder / "encoder_model.ort"), options, providers=providers)
        self._decoder = onnxruntime.InferenceSession(
            str(folder / "decoder_model_merged.ort"), options, providers=providers
        )
        self._tokens = read_tokenizer(folder / "tokenizer.bin")
        inputs = {value.name: value.shape for value in self._decoder.get_inputs()}
        self._caches = [name for name in inputs if name.startswith("past_key_values")]
        self._heads, self._width = inputs[self._caches[0]][1], inputs[self._caches[0]][3]
        # The base model's export has no masks; the tiny one's wants them, in samples for the decoder as well.
        self._encoder_mask = "attention_mask" in {value.name for value in self._encoder.get_inputs()}
        self._decoder_mask = "encoder_attention_mask" in inputs

    def transcribe(self, samples: Samples) -> str:
        """Text of samples [n] at 16 kHz."""
        audio = samples.astype(np.float32)[None]
        mask = np.ones(audio.shape, np.int64)
        states = self._encoder.run(
            None, {"input_values": audio} | ({"attention_mask": mask} if self._encoder_mask else {})
        )[0]
        return self._text(self._greedy(states, mask))

    def _greedy(self, states: npt.NDArray[np.float32], mask: npt.NDArray[np.int64]) -> list[int]:
        outputs = ["logits", *(name.replace("past_key_values", "present") for name in self._caches)]
        caches = {name: np.zeros((1, self._heads, 1, self._width), np.float32) for name in self._caches}
        fixed = {"encoder_hidden_states": states} | ({"encoder_attention_mask": mask} if self._decoder_mask else {})
        token, tokens = START, list[int]()
        for step in range(math.ceil(mask.shape[1] / SAMPLE_RATE_HZ * TOKENS_A_SECOND)):
            flags = {"input_ids": np.array([[token]], np.int64), "use_cache_branch": np.array([step > 0])}
            logits, *present = self._decoder.run(outputs, flags | fixed | caches)
            for name, value in zip(self._caches, present, strict=True):
                # The cross-attention's keys and values are those of the first step; later steps give them back empty.
                if step == 0 or ".decoder." in name:
                    caches[name] = value
            token = int(logits[0, -1].argmax())
            if token == END:
                break
            tokens.append(token)
        return tokens

    def _text(self, tokens: list[int]) -> str:
        pieces = (self._tokens[token] for token in tokens)
        spoken = b"".join(
            piece for piece in pieces if not (piece.startswith(b"<") and piece.endswith(b">") and piece[1:-1])
        )
        return spoken.decode("utf-8", "replace").replace("\u2581", " ").strip()


def main() -> None:
    """Decodes the set and prints its error rates."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("model", type=Path, help="folder of the three files")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of speech/")
    parser.add_argument("--texts", type=Path, metavar="PATH", help="write {path in speech/: text} here")
    options = parser.parse_args()
    clips = utterances(options.data)
    if not clips:
        parser.exit(0, f"left out: {options.data / 'speech' / 'clips.tsv'} is not there\n")
    model = Moonshine(options.model)
    texts = {clip.path: model.transcribe(read(clip.path)) for clip in clips}
    print(table(rates(clips, texts, " whole-clip", None)))
    if options.texts is not None:
        named = {str(path.relative_to(options.data / "speech")): text for path, text in texts.items()}
        options.texts.write_text(json.dumps(named, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
