"""Where and with what something was measured, to stand beside every figure.

Out: processor, cores, governor, load, kernel, versions, and hashes of the binary, its model and the peers' packages.
"""

import hashlib
import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def processor() -> str:
    """The processor's name as the system has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def load() -> list[float]:
    """The load of the last 1, 5 and 15 minutes."""
    return [round(each, 2) for each in os.getloadavg()]


TEXT = {"texts", "text", "committed", "stable", "amended"}
"""Under these names stands what somebody said."""


def without_text(result: Mapping[str, Any]) -> dict[str, Any]:
    """The same without what was said and read, for recordings that are not ours to publish."""

    def held(value: object) -> object:
        if isinstance(value, Mapping):
            return without_text(value)
        return [held(each) for each in value] if isinstance(value, list) else value

    return {name: held(value) for name, value in result.items() if name not in TEXT}


def write(path: Path, result: Mapping[str, Any]) -> None:
    """Writes a result as JSON, where a list under the name `rows` has one line a row."""
    rows: list[str] = []

    def held(value: object) -> object:
        if isinstance(value, Mapping):
            return {name: placed(each) if name == "rows" else held(each) for name, each in value.items()}
        return value

    def placed(each: Sequence[object]) -> str:
        rows.append("[\n" + ",\n".join(json.dumps(row) for row in each) + "\n]")
        return f"<rows {len(rows) - 1}>"

    content = json.dumps(held(result), indent=1)
    for k, each in enumerate(rows):
        content = content.replace(f'"<rows {k}>"', each)
    path.write_text(content + "\n", encoding="utf-8")


def described(binary: Path, root: Path) -> dict[str, Any]:
    """What holds for a whole run."""
    governor = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    manifest = root / "models" / "moonshine-tiny-en" / "model.toml"
    commit = subprocess.run(["git", "-C", str(root), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return {
        "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        "processor": processor(),
        "cores": os.cpu_count(),
        "governor": governor.read_text(encoding="ascii").strip() if governor.is_file() else None,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "commit": commit.stdout.strip() or None,
        "auricle_sha256": hashlib.sha256(binary.read_bytes()).hexdigest(),
        "peers_requirements_sha256": hashlib.sha256(HERE.joinpath("requirements.txt").read_bytes()).hexdigest(),
        "model_toml_sha256": hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest.is_file() else None,
        "load_before": load(),
    }
