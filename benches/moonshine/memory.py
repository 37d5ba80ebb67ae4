"""Memory, loading and disk: each variant in processes of its own, in turn.

In: folders of variants and a recording. Out: what loading a variant and reading the recording once adds to a process.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def measure(folders: Mapping[str, Path], recording: Path, runs: int) -> dict[str, Any]:
    """Medians over `runs` processes a variant."""
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in folders}
    for _ in range(runs):
        for kind, folder in folders.items():
            found[kind].append(_process(kind, folder, recording))
    return {
        "runs": runs,
        "variants": {
            kind: {name: round(statistics.median(run[name] for run in found[kind]), 2) for name in found[kind][0]}
            | {"disk_mb": round(sum(path.stat().st_size for path in folder.iterdir()) / 1e6, 1)}
            for kind, folder in folders.items()
        },
    }


def _process(kind: str, folder: Path, recording: Path) -> dict[str, float]:
    script = Path(__file__).with_name("resident.py")
    command = [sys.executable, str(script), str(folder), str(recording)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["(nothing on standard error)"])[-1]
        raise SystemExit(f"{script.name}, {kind}: exit code {done.returncode}: {last}")
    return json.loads(done.stdout)
