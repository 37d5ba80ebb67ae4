"""Peers as processes, fed one recording at a time, and what is measured of any process.

In: recordings, each when it is its turn. Out: texts, wall and processor time a recording, time to load, peak memory. An
engine that waits for its turn uses no processor, so that any number of them can take turns.
"""

import json
import os
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auricle import Event, Failed

HERE = Path(__file__).resolve().parent
ENVIRONMENT = {
    # Whatever a library would take for itself: numpy's own threads, a look at the network.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "ORT_DISABLE_TELEMETRY": "1",
}
PROCESS_CLOCK = 2
"""CPUCLOCK_SCHED of Linux: the processor time of all threads of a process, those that have ended too."""
TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Reading:
    """What one recording took."""

    wall_s: float
    cpu_s: float


@dataclass(frozen=True)
class Loaded:
    """What it took to be ready, and what the process needed at its most so far."""

    start_s: float
    """From the start of the process until it could take audio."""
    start_cpu_s: float
    peak_mib: float


def processor_s(pid: int) -> float:
    """Processor seconds of a process so far, to the nanosecond."""
    return time.clock_gettime((~pid << 3) | PROCESS_CLOCK)


def peak_mib(pid: int) -> float:
    """The most resident memory of a process so far."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    return next(float(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024.0


class Worker:
    """A peer in its process."""

    def __init__(self, python: Path, work: str, engine: str, options: Mapping[str, Any], log: Path) -> None:
        """Starts it and waits until it is loaded. `work` is "read" or "stream"; `log` gets what libraries print."""
        self.name, self.log = engine, log
        began = time.monotonic()
        command = [str(python), str(HERE / "worker.py"), work, engine, json.dumps(options)]
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                env=os.environ | ENVIRONMENT,
            )
        said = self._answer(TIMEOUT_S)
        self.start_s, self.start_cpu_s = time.monotonic() - began, processor_s(self.process.pid)
        self.construct_s = float(said["construct_s"])
        self.versions: dict[str, str] = said["versions"]

    def read(self, samples: Path) -> tuple[Reading, list[str]]:
        """Reads a NumPy file of samples whole. Wall time is that of the call, processor time that of the process."""
        before = processor_s(self.process.pid)
        said = self._ask(samples, TIMEOUT_S)
        took = Reading(said["wall_s"], processor_s(self.process.pid) - before)
        self._tell("\n")
        self._answer(TIMEOUT_S)
        return took, said["texts"]

    def follow(self, samples: Path, length_s: float) -> tuple[list[Event], float]:
        """Plays a NumPy file of samples in real time: what was shown as caption events, and processor seconds."""
        before = processor_s(self.process.pid)
        said = self._ask(samples, TIMEOUT_S + length_s)
        events = [
            {
                "type": "caption",
                "segment": line,
                "state": "final" if final else "partial",
                "text": text,
                "emitted": at_s,
            }
            for at_s, line, text, final in said["shown"]
        ]
        return events, processor_s(self.process.pid) - before

    def loaded(self) -> Loaded:
        """What it needed."""
        return Loaded(self.start_s, self.start_cpu_s, peak_mib(self.process.pid))

    def close(self) -> None:
        """Ends it."""
        # What was last told may still lie in the buffer of one that has ended.
        with suppress(BrokenPipeError):
            if self.process.stdin is not None:
                self.process.stdin.close()
        try:
            self.process.wait(10.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _ask(self, samples: Path, timeout_s: float) -> dict[str, Any]:
        self._tell(json.dumps({"samples": str(samples)}) + "\n")
        return self._answer(timeout_s)

    def _tell(self, line: str) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(line)
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Failed(f"{self.name}: has ended; {self.log} has what it printed") from None

    def _answer(self, timeout_s: float) -> dict[str, Any]:
        assert self.process.stdout is not None
        timer = threading.Timer(timeout_s, self.process.kill)
        timer.start()
        try:
            line = self.process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            raise Failed(f"{self.name}: ended or did not answer within {timeout_s:g} s; {self.log} has what it printed")
        return dict(json.loads(line))
