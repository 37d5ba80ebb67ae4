"""The Auricle binary, unchanged, taking turns with the peers and measured as they are.

In: recordings. Out: events; wall and processor time a recording, or processor time while one played.
"""

import os
import subprocess
import threading
import time
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile
from auricle import Event, Failed, by_file
from captions import captions
from clips import SAMPLE_RATE_HZ, Samples
from process import ENVIRONMENT, TIMEOUT_S, Loaded, Reading, peak_mib, processor_s


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
