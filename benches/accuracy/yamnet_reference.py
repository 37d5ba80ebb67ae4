"""YAMNet behind the float64 front end on ESC-10: the figure that `auricle tag` is compared with.

In: the model's ONNX file, its labels (`yamnet_class_map.csv`) and ESC-10. Out: top-1 of ten by the mean over patches
of the probabilities, at YAMNet's own patch hop and at the live path's. Needs `auricle_export` (`export/`) to import.

    PYTHONPATH=export python benches/accuracy/yamnet_reference.py MODEL.onnx LABELS.csv
"""

import argparse
import csv
from pathlib import Path

from auricle_export.yamnet import PATCH_HOP_FRAMES, Yamnet
from clips import read, sound_clips
from sounds import top1

ROOT = Path(__file__).resolve().parents[2]
LIVE_HOP_FRAMES = 24


def main() -> None:
    """Scores the set once at the finer hop; the coarser one is every second patch of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("model", type=Path, help="the ONNX file")
    parser.add_argument("labels", type=Path, help="CSV with a column display_name, in the order of the scores")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of esc10/")
    options = parser.parse_args()
    clips = sound_clips(options.data)
    if not clips:
        parser.exit(0, f"left out: {options.data / 'esc10' / 'clips.tsv'} is not there\n")
    with options.labels.open(encoding="utf-8", newline="") as file:
        labels = [row["display_name"] for row in csv.DictReader(file)]
    model = Yamnet(options.model)
    right = {PATCH_HOP_FRAMES: 0, LIVE_HOP_FRAMES: 0}
    for clip in clips:
        scores = model.scores(read(clip.path), LIVE_HOP_FRAMES)
        for hop in right:
            right[hop] += top1(scores[:: hop // LIVE_HOP_FRAMES].mean(axis=0), labels) == clip.label
    for hop, count in right.items():
        print(f"patches every {hop / 100:.2f} s: {count} of {len(clips)}, top-1 {count / len(clips):.4f}")


if __name__ == "__main__":
    main()
