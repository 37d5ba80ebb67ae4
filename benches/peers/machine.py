"""Where and with what something was measured, to stand beside every figure.

Out: processor, cores, governor, load, kernel, versions, and the hashes of the binary and of its model's manifest.
"""

import hashlib
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any


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
        "model_toml_sha256": hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest.is_file() else None,
        "load_before": load(),
    }
