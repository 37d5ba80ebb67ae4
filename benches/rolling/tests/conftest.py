"""Lets the tests import the sweep, which is a script and no package."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))
