"""Hours of live audio: whether memory, lag, threads or open files grow.

In: the built binary, a length, and the recordings in ../shared/data, or those that come with Moonshine where there is
no such folder. Out: a table of slopes, and with --json all samples. `make soak ARGS="--hours 2"`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import machine
import numpy as np
from clips import sound_clips, utterances
from programme import Programme, write
from slopes import slope

SAMPLE_EVERY_S = 5.0
WARM_UP_S = 300.0
"""What is left out of slopes: buffers reach their largest size in the first minutes."""
WITH_MOONSHINE = ("two_cities.wav", "beckett.wav")


@dataclass(frozen=True)
class Sample:
    """What the system says of the process at a moment."""

    at_s: float
    resident_mib: float
    threads: int
    handles: int


def sample(process: int, started: float) -> Sample:
    """Reads /proc of a process.

    Raises:
        OSError: when it has ended.
    """
    folder = Path(f"/proc/{process}")
    status = dict(
        line.split(":", 1) for line in (folder / "status").read_text(encoding="utf-8").splitlines() if ":" in line
    )
    if "VmRSS" not in status:
        raise ProcessLookupError(f"{process} has ended")
    resident_mib = int(status["VmRSS"].split()[0]) / 1024
    handles = sum(1 for _ in (folder / "fd").iterdir())
    return Sample(time.monotonic() - started, round(resident_mib, 2), int(status["Threads"]), handles)


def recordings(data: Path) -> tuple[list[Path], list[Path]]:
    """Speech and sounds of the data folder, or what comes with Moonshine."""
    speech, sounds = [each.path for each in utterances(data)], [each.path for each in sound_clips(data)]
    if not speech:
        print(f"{data}: not there; the recordings that come with Moonshine are used, and no sounds")
        speech = [Path("models/moonshine-tiny-en") / name for name in WITH_MOONSHINE]
    return speech, sounds


def follow(command: list[str], length_s: float) -> tuple[list[Sample], int]:
    """Runs a command and samples it until it ends; it is ended when it takes a minute longer than the audio."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    samples: list[Sample] = []
    try:
        while process.poll() is None:
            try:
                samples.append(sample(process.pid, started))
            except OSError:
                break
            if time.monotonic() - started > length_s + 60.0:
                print("it did not end with its input; interrupted")
                process.terminate()
            time.sleep(SAMPLE_EVERY_S)
    finally:
        if process.poll() is None:
            process.terminate()
        code = process.wait()
    return samples, code


def main() -> None:
    """Makes the programme, plays it, and prints slopes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--auricle", type=Path, default=Path("target/release/auricle"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="where to keep all samples")
    arguments, options = parser.parse_known_args()
    length_s = arguments.hours * 3600.0
    with tempfile.TemporaryDirectory(prefix="auricle-soak-") as folder:
        audio, events = Path(folder) / "programme.wav", Path(folder) / "events.jsonl"
        seconds = write(audio, Programme(*recordings(arguments.data), arguments.seed).parts(length_s))
        command = [str(arguments.auricle), "listen", "--input", str(audio), "--output", str(events), *options]
        load_before = machine.load()
        samples, code = follow(command, length_s)
        if not events.is_file():
            raise SystemExit(f"{' '.join(command)}: ended with {code} before it listened")
        told = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
    stats = [event for event in told if event["type"] == "stats"]
    after = [one for one in samples if one.at_s >= WARM_UP_S] or samples
    times = np.array([one.at_s for one in after])
    later = [event for event in stats if event["emitted"] >= WARM_UP_S] or stats
    series = {
        "resident memory, MiB": (times, np.array([one.resident_mib for one in after])),
        "threads": (times, np.array([float(one.threads) for one in after])),
        "open files": (times, np.array([float(one.handles) for one in after])),
        "lag, s": (np.array([event["emitted"] for event in later]), np.array([event["lag"] for event in later])),
    }
    counted = {
        "exit_code": code,
        "audio_s": round(stats[-1]["audio"], 1),
        "dropped_samples": stats[-1]["dropped"],
        "gaps": sum(event["type"] == "gap" for event in told),
        "finals": sum(event["type"] == "caption" and event["state"] == "final" for event in told),
        "sounds": sum(event["type"] == "sound" and event["state"] == "start" for event in told),
        "holes_in_seq": sum(one["seq"] + 1 != other["seq"] for one, other in itertools.pairwise(told)),
        "processor_share": round(stats[-1]["cpu"] / stats[-1]["audio"], 4),
        "highest_resident_mib": max(one.resident_mib for one in samples),
        "highest_lag_s": max(event["lag"] for event in stats),
    }
    slopes = {}
    parts = ", ".join(f"{kind} {value / 60:.0f} min" for kind, value in seconds.items())
    print(f"{stats[-1]['audio'] / 3600:.2f} h of audio as live: {parts}")
    for name, value in counted.items():
        print(f"  {name.replace('_', ' '):24} {value}")
    print("slopes an hour, with the interval of 95 % of resamples, and medians of the first and last quarter:")
    for name, (at, values) in series.items():
        found = slope(at, values)
        quarter = max(len(values) // 4, 1)
        first, last = float(np.median(values[:quarter])), float(np.median(values[-quarter:]))
        slopes[name] = {**found._asdict(), "first_quarter": first, "last_quarter": last}
        print(f"  {name:24} {found.an_hour:+.4f} ({found.low:+.4f} to {found.high:+.4f}); {first:.3f} to {last:.3f}")
    if arguments.json:
        result = {
            "command": ["auricle", *(part for part in command[1:] if folder not in part)],
            "processor": machine.processor(),
            "load": {"before": load_before, "after": machine.load()},
            "seconds": {kind: round(value, 1) for kind, value in seconds.items()},
            "counted": counted,
            "slopes": slopes,
            "samples": {"rows": [list(asdict(one).values()) for one in samples]},
            "lag": {"rows": [[event["emitted"], event["lag"]] for event in stats[::10]]},
        }
        machine.write(arguments.json, result)


if __name__ == "__main__":
    main()
