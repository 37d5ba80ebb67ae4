"""Engines as processes: the peers' workers and the Auricle binary, fed one recording at a time and measured alike.

In: recordings, each when it is its turn. Out: texts, wall and processor time a recording, time to load, peak memory. An
engine that waits for its turn uses no processor, so that any number of them can take turns.
"""

import json
import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from auricle import Event, Failed, by_file
from captions import captions
from clips import SAMPLE_RATE_HZ, Samples

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


class Fed:
    """`auricle transcribe` over named pipes, one a recording, so that one process can be given each in its turn.

    It opens a pipe when it has finished with the one before, and blocks there until somebody writes. The time of a
    recording is from when its bytes begin to be written until the next pipe is opened: decoding the WAV file, finding
    speech in it and writing JSON are in it, which in the peers' times they are not.
    """

    def __init__(self, binary: Path, folder: Path, count: int, *options: str) -> None:
        """Starts the binary over `count` pipes in `folder` and waits until it asks for the first."""
        self.name = binary.name
        # The last one is for the binary to ask for when it has finished with the last recording.
        self.pipes = [folder / f"{k:05}.wav" for k in range(count + 1)]
        for pipe in self.pipes:
            os.mkfifo(pipe)
        command = [str(binary), "transcribe", *map(str, self.pipes), *options, "--format", "jsonl"]
        began = time.monotonic()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8", env=os.environ | ENVIRONMENT)
        self.output: list[str] = []
        self.ended, self.closed = False, threading.Event()
        self.next, self.peak = 0, 0.0
        self.threads = [threading.Thread(target=self._drain), threading.Thread(target=self._watch)]
        for thread in self.threads:
            thread.start()
        self.writing = self._open()
        self.start_s, self.start_cpu_s = time.monotonic() - began, processor_s(self.process.pid)

    def read(self, samples: Samples) -> Reading:
        """Reads samples [n]; the texts come with `close`."""
        content = wav(samples)
        before = processor_s(self.process.pid)
        began = time.perf_counter()
        self._write(content)
        self.writing = self._open()
        wall_s = time.perf_counter() - began
        self.peak = peak_mib(self.process.pid)
        return Reading(wall_s, processor_s(self.process.pid) - before)

    def loaded(self) -> Loaded:
        """What it needed."""
        return Loaded(self.start_s, self.start_cpu_s, self.peak)

    def close(self) -> list[list[Event]]:
        """Ends the run and gives the events of every recording that was read, in order; all must have been."""
        whole = self.next == len(self.pipes) and not self.ended
        if whole:
            self._write(wav(np.zeros(SAMPLE_RATE_HZ // 100)))
        else:
            self.process.kill()
        self.process.wait(TIMEOUT_S)
        self.closed.set()
        for thread in self.threads:
            thread.join(TIMEOUT_S)
        if not whole or self.process.returncode != 0:
            raise Failed(
                f"{self.name} transcribe: exit code {self.process.returncode}, {self.next - 1} recordings read"
            )
        events = by_file("".join(self.output), self.pipes, f"{self.name} transcribe")
        return [events[pipe] for pipe in self.pipes[:-1]]

    def abandon(self) -> None:
        """Ends the binary if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.closed.set()

    def _open(self) -> int:
        if self.next == len(self.pipes):
            raise Failed(f"{self.name}: was to read {len(self.pipes) - 1} recordings and is given one more")
        timer = threading.Timer(TIMEOUT_S, self.process.kill)
        timer.start()
        writing = os.open(self.pipes[self.next], os.O_WRONLY)
        timer.cancel()
        if self.ended:
            os.close(writing)
            raise Failed(f"{self.name} transcribe: ended before recording {self.next + 1} of {len(self.pipes) - 1}")
        self.next += 1
        return writing

    def _write(self, content: bytes) -> None:
        view = memoryview(content)
        try:
            while view:
                view = view[os.write(self.writing, view) :]
        except BrokenPipeError:
            raise Failed(f"{self.name} transcribe: did not read recording {self.next} to its end") from None
        finally:
            os.close(self.writing)

    def _drain(self) -> None:
        assert self.process.stdout is not None
        self.output.extend(self.process.stdout)

    def _watch(self) -> None:
        """Once the binary has ended, nobody waits for it any more at the other end of a pipe."""
        self.process.wait()
        self.ended = True
        while not self.closed.wait(0.05):
            os.close(os.open(self.pipes[min(self.next, len(self.pipes) - 1)], os.O_RDONLY | os.O_NONBLOCK))


def wav(samples: Samples) -> bytes:
    """Samples [n] as a 16 kHz float32 WAV file."""
    content = BytesIO()
    soundfile.write(content, samples.astype(np.float32), SAMPLE_RATE_HZ, subtype="FLOAT", format="WAV")
    return content.getvalue()


def listen(binary: Path, recording: Path, options: Sequence[str] = ()) -> tuple[list[Event], float, float]:
    """Plays a file to `auricle listen`: its caption events, processor seconds while it played, and peak memory in MiB.

    `emitted` is the binary's own and counts from when the first sample was due; `arrived` is added: when the line was
    read here, on the same scale as far as the first line tells.
    """
    command = [str(binary), "listen", "--input", str(recording), *options, "--format", "jsonl"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8", env=os.environ | ENVIRONMENT)
    assert process.stdout is not None
    lines, arrivals, loading_s = [], list[float](), 0.0
    for line in process.stdout:
        arrivals.append(time.monotonic())
        lines.append(line)
        if len(lines) == 1:
            loading_s = processor_s(process.pid)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise Failed(f"{binary.name} listen: exit code {process.returncode}")
    events = by_file("".join(lines), [recording], f"{binary.name} listen")[recording]
    if not events or events[0]["type"] != "device":
        raise Failed(f"{binary.name} listen: its first event does not say that {recording.name} was opened")
    for event, arrival in zip(events, arrivals, strict=True):
        event["arrived"] = arrival - arrivals[0] + events[0]["emitted"]
    return captions(events), usage.ru_utime + usage.ru_stime - loading_s, usage.ru_maxrss / 1024.0
