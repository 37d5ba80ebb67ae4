"""A live session of Auricle with the instants at which its lines were read, and what `auricle bench report` says of it.

In: the binary, where to listen, for how long. Out: its log as a file, events, instants; the run as `run.json` has it.
"""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from auricle import Event, Failed, by_file
from virtual import end_process

READY_S = 60.0
"""Models are loaded and the source is open within this."""
END_S = 60.0
"""A session that was told to stop has said its last within this."""


class Session:
    """`auricle listen`, whose lines are read as they come."""

    def __init__(self, binary: Path, arguments: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        """Starts it; `log` gets what it writes."""
        self.log = log
        self.read_s: list[float] = []
        self._lines: list[str] = []
        self._open = threading.Event()
        self._said = log.with_suffix(".err")
        command = [str(binary), "listen", *arguments, "--format", "jsonl"]
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                encoding="utf-8",
            )
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.read_s.append(time.monotonic())
            self._lines.append(line)
            # The first line of every session: the source is open, or why not.
            self._open.set()
        self._open.set()

    def wait_open(self) -> None:
        """Returns once its source is open."""
        told = self._open.wait(READY_S)
        if not self._lines:
            self.abandon()
            what = "ended before it listened" if told else f"does not listen after {READY_S:g} s"
            raise Failed(f"auricle listen: {what}: {self._last_words()}")

    def finish(self, stop: bool, within_s: float = END_S) -> list[Event]:
        """Its events, once it has ended: by itself, or told to as by Ctrl-C."""
        if stop and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            status = self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise Failed(f"auricle listen: has not ended after {within_s:.0f} s") from None
        finally:
            self.abandon()
        if status != 0:
            raise Failed(f"auricle listen: exit code {status}: {self._last_words()}")
        content = "".join(self._lines)
        self.log.write_text(content, encoding="utf-8")
        return by_file(content, [self.log], "auricle listen")[self.log]

    def abandon(self) -> None:
        """Ends it if it still runs, and waits for what it wrote."""
        end_process(self._process)
        self._thread.join(END_S)

    def _last_words(self) -> str:
        told = self._said.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return told[-1] if told else "(nothing on standard error)"


def report(binary: Path, log: Path, words: Path, offset: str) -> dict[str, Any]:
    """The run that `auricle bench report` makes of a log; `offset` is seconds or `auto`."""
    kept = log.with_suffix(".run.json")
    kept.unlink(missing_ok=True)
    command = [str(binary), "bench", "report", str(log), "--words", str(words), f"--offset={offset}"]
    done = subprocess.run([*command, "--json", str(kept)], capture_output=True, encoding="utf-8", env=os.environ)
    # 1 is for committed words that changed, which the run says too.
    if done.returncode not in (0, 1) or not kept.is_file():
        raise Failed(f"auricle bench report: exit code {done.returncode}: {done.stderr.strip()}")
    return json.loads(kept.read_text(encoding="utf-8"))


def while_running(session: Session, doing: Callable[[], None]) -> None:
    """Does something while a session runs, which is not left behind where that fails."""
    try:
        doing()
    except BaseException:
        session.abandon()
        raise
