"""Word error rate of each variant on the speech set, clip by clip as a whole.

In: folders of variants and clips. Out: WER in % whole, of TIMIT and of the rest, and how many texts are not fp32's.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from clips import Utterance, read
from moonshine_shipped import Shipped
from resident import load
from wer import error_rate


def measure(folders: Mapping[str, Path], clips: Sequence[Utterance]) -> dict[str, Any]:
    """Error rates of every variant; `folders` has fp32."""
    texts = {kind: _texts(kind, folder, clips) for kind, folder in folders.items()}
    timit = [place for place, clip in enumerate(clips) if clip.source == "TIMIT"]
    rest = [place for place, clip in enumerate(clips) if clip.source != "TIMIT"]

    def percent(kind: str, places: Sequence[int]) -> float:
        return round(error_rate((clips[place].text, texts[kind][place]) for place in places).percent, 2)

    return {
        "clips": len(clips),
        "variants": {
            kind: {
                "wer_percent": percent(kind, range(len(clips))),
                "wer_timit_percent": percent(kind, timit),
                "wer_rest_percent": percent(kind, rest),
                "texts_unlike_fp32": sum(a != b for a, b in zip(found, texts["fp32"], strict=True)),
            }
            for kind, found in texts.items()
        },
    }


def _texts(kind: str, folder: Path, clips: Sequence[Utterance]) -> list[str]:
    decoder = load(folder)
    texts = []
    for clip in clips:
        heard = decoder.hear(read(clip.path).astype(np.float32))
        read_out = decoder.greedy(heard) if isinstance(decoder, Shipped) else decoder.greedy(heard).tokens
        texts.append(decoder.text(read_out))
    print(f"  {kind}: {len(texts)} clips", file=sys.stderr, flush=True)
    return texts
