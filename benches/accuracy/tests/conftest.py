"""Lets the tests import the measurements, which are scripts in one folder and no package."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
