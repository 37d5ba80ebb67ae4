"""A microphone without hardware: a private PulseAudio whose null sink is paced in real time and passes every bit.

In: a folder of our own. Out: a running server, the environment that makes a process use it and nothing else, a way to
play into it, and what its microphone delivered when. Only processes started here are ever ended.
"""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from auricle import Failed
from clips import SAMPLE_RATE_HZ
from instants import Chunk, Pcm

SOURCE = "vmic"
SINK = "vspk"
RECORDER_MS = 1000
"""The latency that the recorder is content with. The sink delivers to everybody in the blocks of whoever asks for the
least, and that is to be Auricle, as if it were alone: asked here for 10 ms, it gave Auricle 10 instead of 50."""
START_S = 15.0
END_S = 20.0
NEEDED = ("pulseaudio", "paplay", "parec", "pactl")


def missing() -> list[str]:
    """Programs that are not installed."""
    return [program for program in NEEDED if shutil.which(program) is None]


class VirtualMicrophone:
    """A private PulseAudio with one microphone, mono at 16 kHz, for as long as the context lasts."""

    def __init__(self, folder: Path) -> None:
        """Everything that the server needs is kept in `folder`, whose path has no blanks."""
        self.folder = folder
        self.socket = folder / "pulse.sock"
        own = str(folder)
        self.environment = {name: value for name, value in os.environ.items() if not _of_a_desktop(name)}
        self.environment |= {"HOME": own, "XDG_RUNTIME_DIR": own, "PULSE_RUNTIME_PATH": own, "OMP_NUM_THREADS": "1"}
        self.environment["PULSE_SERVER"] = f"unix:{self.socket}"
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Starts the server and waits until it can be talked to."""
        script = self.folder / "pulse.pa"
        # Without norewinds the first second or two of what is played are lost.
        script.write_text(
            f"load-module module-native-protocol-unix auth-anonymous=1 socket={self.socket}\n"
            f"load-module module-null-sink sink_name={SINK} rate={SAMPLE_RATE_HZ} channels=1 format=s16le norewinds=1\n"
            f"load-module module-remap-source source_name={SOURCE} master={SINK}.monitor rate={SAMPLE_RATE_HZ} "
            "channels=1 format=s16le\n"
            f"set-default-sink {SINK}\nset-default-source {SOURCE}\n",
            encoding="utf-8",
        )
        command = ["pulseaudio", "-n", "-F", str(script), "--daemonize=no", "--exit-idle-time=-1"]
        command += ["--use-pid-file=no", "--disallow-exit", "--realtime=no", "--high-priority=no"]
        log = self.folder / "pulse.log"
        with log.open("wb") as said:
            self._server = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said
            )
        try:
            self._wait(self._server, log)
        except BaseException:
            end_process(self._server)
            raise
        return self

    def _wait(self, server: subprocess.Popen[bytes], log: Path) -> None:
        limit = time.monotonic() + START_S
        # Its socket is there before it listens: the remapped source is the last thing it makes.
        while SOURCE not in self._sources():
            if server.poll() is not None or time.monotonic() > limit:
                told = (log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["(nothing)"])[-1]
                raise Failed(f"pulseaudio: did not start within {START_S:g} s; it says: {told}")
            time.sleep(0.05)

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        """Ends the server."""
        if self._server is not None:
            end_process(self._server)

    def _sources(self) -> str:
        listed = subprocess.run(
            ["pactl", "list", "short", "sources"], env=self.environment, capture_output=True, encoding="utf-8"
        )
        return listed.stdout if listed.returncode == 0 else ""

    def play(self, recording: Path, seconds: float) -> None:
        """Plays a 16-bit mono WAV file at 16 kHz, which arrives to the bit; returns when it is over."""
        command = ["paplay", f"--device={SINK}", str(recording)]
        player = subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL)
        try:
            status = player.wait(seconds + END_S)
        except subprocess.TimeoutExpired:
            raise Failed(f"paplay: still plays {recording.name} after {seconds + END_S:.0f} s") from None
        finally:
            end_process(player)
        if status != 0:
            raise Failed(f"paplay: exit code {status}")


class Recorder:
    """Records what leaves the sink, and when each piece of it was there to be had, on the monotonic clock."""

    def __init__(self, microphone: VirtualMicrophone) -> None:
        """Starts to record; `stop` ends it. From the sink's own monitor, so that Auricle's source is behind it."""
        command = ["parec", f"--device={SINK}.monitor", "--raw", "--format=s16le", "--channels=1"]
        command += [f"--rate={SAMPLE_RATE_HZ}", f"--latency-msec={RECORDER_MS}"]
        self._process = subprocess.Popen(
            command, env=microphone.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0
        )
        self._pieces: list[tuple[float, bytes]] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        while piece := os.read(pipe, 1 << 16):
            self._pieces.append((time.monotonic(), piece))

    def stop(self) -> tuple[Pcm, list[Chunk]]:
        """Samples [n] as they were recorded, and the pieces in which they came."""
        end_process(self._process)
        self._thread.join(END_S)
        if not self._pieces:
            raise Failed("parec: recorded nothing")
        return joined(self._pieces)


def joined(pieces: Sequence[tuple[float, bytes]]) -> tuple[Pcm, list[Chunk]]:
    """Samples [n] of 16-bit pieces with their instants; half a sample at the end of one waits for the next."""
    content = b"".join(piece for _, piece in pieces)
    ends = np.cumsum([len(piece) for _, piece in pieces]) // 2
    chunks = [Chunk(int(end), at_s) for (at_s, _), end in zip(pieces, ends, strict=True)]
    return np.frombuffer(content[: len(content) // 2 * 2], "<i2"), chunks


def end_process(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """Ends a process that was started here, and waits for it."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5.0)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def _of_a_desktop(name: str) -> bool:
    return name in ("DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS") or name.startswith("PULSE_")
