"""Moonshine as shipped, decoded whole clip by whole clip: the figure that `auricle transcribe` is compared with.

In: a folder of the shipped files, or the name of a model whose export is built from them, and the speech set. Out: WER
by source; with `--texts`, every clip's text as JSON.

    python -m auricle_export fetch --sources moonshine-tiny-en
    python benches/accuracy/moonshine_reference.py moonshine-tiny-en
"""

import argparse
import json
from pathlib import Path

import numpy as np
from clips import read, utterances
from figures import table
from moonshine_shipped import Shipped
from speech import rates

ROOT = Path(__file__).resolve().parents[2]


def shipped_files(model: str) -> Path:
    """The folder of a model's shipped files; `model` is that folder, or the name of a model of this repository."""
    named = ROOT / ".cache" / "sources" / model / "source"
    folder = named if named.is_dir() else Path(model)
    if not (folder / "decoder_model_merged.ort").is_file():
        raise argparse.ArgumentTypeError(
            f"{folder}: has no decoder_model_merged.ort; name a folder that has, or bring a model's with "
            "'PYTHONPATH=export python -m auricle_export fetch --sources NAME'"
        )
    return folder


def main() -> None:
    """Decodes the set and prints its error rates."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("model", type=shipped_files, help="a model's name, or the folder of the shipped files")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of speech/")
    parser.add_argument("--texts", type=Path, metavar="PATH", help="write {path in speech/: text} here")
    options = parser.parse_args()
    clips = utterances(options.data)
    if not clips:
        parser.exit(0, f"left out: {options.data / 'speech' / 'clips.tsv'} is not there\n")
    model = Shipped(options.model)
    texts = {}
    for clip in clips:
        texts[clip.path] = model.text(model.greedy(model.hear(read(clip.path).astype(np.float32))))
    print(table(rates(clips, texts, " whole-clip")))
    if options.texts is not None:
        named = {str(path.relative_to(options.data / "speech")): text for path, text in texts.items()}
        options.texts.write_text(json.dumps(named, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
