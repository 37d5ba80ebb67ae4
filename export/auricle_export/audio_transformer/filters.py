"""`filters`: in comes a finished run, out goes a picture of what the filters of its front end learned.

python -m auricle_export audio-transformer filters --run .cache/runs/large-5 --output docs/audio-transformer-filters.svg
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from auricle_export.audio_transformer import pictures, runs


def main(arguments: list[str]) -> int:
    """Run the command; 0 when the picture is drawn, 1 when it cannot be."""
    parser = argparse.ArgumentParser(
        prog="auricle_export audio-transformer filters", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--run", type=Path, required=True, metavar="FOLDER", help="the finished run")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.svg", help="where to draw")
    options = parser.parse_args(arguments)
    try:
        weights = runs.load(options.run).weights["front_end.filters.weight"]
        options.output.write_text(
            pictures.filters(weights, f"The {len(weights):,} filters of {options.run.name}"), encoding="utf-8"
        )
    except (runs.RunError, OSError) as error:
        print(f"{options.output}: not drawn: {error}", file=sys.stderr)
        return 1
    centres = pictures.centre_frequencies(weights)
    low, middle, high = (float(np.percentile(centres, share)) for share in (5, 50, 95))
    print(f"{options.output}: {len(centres)} filters, centres {low:.0f}, {middle:.0f}, {high:.0f} Hz (5, 50, 95 %)")
    return 0
