"""What a live session costs: processor share, resident memory, time to listening, size of the binary.

In: the built binary and a recording, which is played as if it were live. Out: one table, with medians and the spread of
the runs. Run it with `make footprint`; the machine should have nothing else to do: its load is printed with them,
before and after.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """Figures of one run of `auricle listen`."""

    listening_s: float
    """From the start of the process to the event that says the source is open."""
    cpu_share: float
    """Processor seconds while the recording played, by its length; 1 is one core. Loading is not in it."""
    loading_cpu_s: float
    """Processor seconds up to the first sample."""
    resident_mib: float
    """Highest resident memory of the process, as the system accounts it."""
    lag_s: list[float]
    """Lag in each `stats` event."""


def listen(auricle: Path, recording: Path, options: list[str]) -> Run:
    """Plays `recording` to a live session and reads its events as they come."""
    started = time.monotonic()
    command = [str(auricle), "listen", "--input", str(recording), "--format", "jsonl", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    listening, stats = 0.0, []
    for line in process.stdout:
        event = json.loads(line)
        if event["type"] == "device" and event["state"] == "open":
            listening = time.monotonic() - started
        elif event["type"] == "stats":
            stats.append(event)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0 or not stats:
        raise SystemExit(f"{' '.join(command)}: ended with status {status} and {len(stats)} stats events")
    cpu = usage.ru_utime + usage.ru_stime
    loading = stats[0]["cpu"]
    return Run(
        listening_s=listening,
        cpu_share=(cpu - loading) / stats[-1]["audio"],
        loading_cpu_s=loading,
        resident_mib=usage.ru_maxrss / 1024,
        lag_s=[event["lag"] for event in stats],
    )


def spread(values: list[float], digits: int = 2) -> str:
    """Median with the lowest and the highest."""
    middle = statistics.median(values)
    return f"{middle:.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--auricle", type=Path, default=Path("target/release/auricle"))
    parser.add_argument("--recording", type=Path, default=Path("models/moonshine-tiny-en/two_cities.wav"))
    parser.add_argument("--runs", type=int, default=3)
    arguments, options = parser.parse_known_args()
    load_before = os.getloadavg()[0]
    runs = [listen(arguments.auricle, arguments.recording, options) for _ in range(arguments.runs)]
    print(f"{arguments.recording} as live, {arguments.runs} runs, {' '.join(options) or 'default options'}")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores; load {load_before:.2f} before, {os.getloadavg()[0]:.2f} after"
    )
    print("median (lowest to highest):")
    print(f"  processor share of one core  {spread([run.cpu_share for run in runs])}")
    print(f"  highest resident memory, MiB {spread([run.resident_mib for run in runs], 0)}")
    print(f"  start to listening, s        {spread([run.listening_s for run in runs])}")
    print(f"  processor s for loading      {spread([run.loading_cpu_s for run in runs])}")
    print(f"  lag, s, median of all events {statistics.median(lag for run in runs for lag in run.lag_s):.3f}")
    print(f"  lag, s, highest of all       {max(lag for run in runs for lag in run.lag_s):.3f}")
    print(f"  binary, MB                   {arguments.auricle.stat().st_size / 1e6:.1f}")


if __name__ == "__main__":
    main()
