"""Lets the tests import the vocabulary bench, which is scripts in one folder and no package, and what it is made of."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).resolve().parents[1]
# Behind what is there: another bench's `run` is to stay what its own tests find under that name.
sys.path += [
    str(HERE),
    *(str(HERE.parent / name) for name in ("peers", "accuracy")),
    str(HERE.parents[1] / "export"),
]


@pytest.fixture(scope="session")
def bench() -> ModuleType:
    """This bench's `run.py`, whatever else goes by that name."""
    spec = importlib.util.spec_from_file_location("vocabulary_run", HERE / "run.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
