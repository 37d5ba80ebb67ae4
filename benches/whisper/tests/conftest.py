"""Lets the tests import the Whisper bench, which is scripts in one folder and no package, and what it is made of."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
# Behind what is there: another bench's `run` is to stay what its own tests find under that name.
sys.path += [
    str(HERE),
    *(str(HERE.parent / name) for name in ("peers", "accuracy")),
    str(HERE.parents[1] / "export"),
]
