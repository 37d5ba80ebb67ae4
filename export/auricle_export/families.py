"""The families that can be exported: in comes a family's name, out goes its module, imported only then."""

from __future__ import annotations  # the command line reads this file, whatever Python it finds

import importlib
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from auricle_export.exported import Family

FAMILIES = {
    "moonshine": "auricle_export.moonshine",
    "whisper": "auricle_export.whisper",
    "yamnet": "auricle_export.yamnet_export",
}
"""A family's name, as manifests have it, and its module, which offers what `exported.Family` says."""


def load(name: str) -> Family:
    """Import the module of a family; `ExportError` when there is none, or a package that it needs is not installed."""
    from auricle_export.exported import ExportError

    if name not in FAMILIES:
        raise ExportError(f"no exporter for the family {name!r}; there are: {', '.join(sorted(FAMILIES))}")
    try:
        return cast("Family", importlib.import_module(FAMILIES[name]))
    except ModuleNotFoundError as error:
        way_out = "run 'make torch'" if error.name == "torch" else "run 'make venv', and use the Python in .venv"
        raise ExportError(f"the exporter of {name} needs the module {error.name!r}; {way_out}") from error
