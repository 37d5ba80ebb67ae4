"""The binary under measurement: runs it over many files in few processes and gives each file its events.

In: a command and files. Out: the JSON Lines events of each file, in order. docs/events.md describes them.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

Event = dict[str, Any]
"""One line of JSON. `scores` is turned into a float32 array at once: as a list it takes eight times the memory."""

WORKERS = 2
"""Processes at a time. Captions need one core each; more only makes the machine's other work late."""
FILES_A_PROCESS = 32
"""Enough that loading the models is little of the time, few enough that both workers end together."""


class Failed(Exception):
    """The binary failed, or printed what is not in its contract. The message says which command and how."""


class Auricle:
    """The binary at a path."""

    def __init__(self, path: Path, timeout_s: float = 1800.0, models: Mapping[str, str] | None = None) -> None:
        """`path` is the executable; a process that takes longer than `timeout_s` is ended and is a failure.

        `models` names the model of a command, where it is not to be the binary's default.
        """
        if not path.is_file():
            raise Failed(f"{path}: no such program; build it with 'make build' or name it with --auricle")
        self.path = path.resolve()
        self.timeout_s = timeout_s
        self.models = dict(models or {})

    def version(self) -> str:
        """What `auricle --version` prints."""
        return self._output(["--version"]).strip()

    def events(self, command: str, files: Sequence[Path], *options: str) -> dict[Path, list[Event]]:
        """Runs `auricle COMMAND FILE... OPTIONS` with JSON Lines output. Every file has an entry, if an empty one."""
        # Dealt out in turns, largest first, so that a batch of long files does not come last.
        by_size = sorted(files, key=lambda path: path.stat().st_size, reverse=True)
        batches = max(-(-len(by_size) // FILES_A_PROCESS), min(WORKERS, len(by_size)))
        dealt = [by_size[k::batches] for k in range(batches)]
        result: dict[Path, list[Event]] = {path: [] for path in files}
        with ThreadPoolExecutor(WORKERS) as pool:
            for part in pool.map(lambda batch: self._batch(command, batch, options), dealt):
                result.update(part)
        return result

    def _batch(self, command: str, files: Sequence[Path], options: Sequence[str]) -> dict[Path, list[Event]]:
        named = ["--model", self.models[command]] if command in self.models else []
        arguments = [command, *map(str, files), *named, *options, "--format", "jsonl", "--output", "-"]
        return by_file(self._output(arguments), files, f"{self.path.name} {command}")

    def _output(self, arguments: Sequence[str]) -> str:
        what = f"{self.path.name} {arguments[0]}"
        try:
            done = subprocess.run(
                [str(self.path), *arguments], capture_output=True, encoding="utf-8", timeout=self.timeout_s
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"{what}: no end after {self.timeout_s:g} s") from None
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["(nothing on standard error)"])[-1]
            raise Failed(f"{what}: exit code {done.returncode}: {last}")
        return done.stdout


def by_file(output: str, files: Sequence[Path], what: str) -> dict[Path, list[Event]]:
    """Sorts one process's JSON Lines by their `file`, checking what the contract promises of every line.

    A run over one file carries no `file`. Raises `Failed`, beginning with `what`, on a line that is not JSON, another
    version, a hole in `seq`, or a file nobody asked for.
    """
    given = {str(path): path for path in files}
    result: dict[Path, list[Event]] = {path: [] for path in files}
    last_seq: int | None = None
    for number, line in enumerate(output.splitlines(), start=1):
        try:
            event = json.loads(line)
        except json.JSONDecodeError as error:
            raise Failed(f"{what}: line {number} is not JSON: {error}") from None
        if event.get("v") != 1:
            raise Failed(f"{what}: line {number} has version {event.get('v')}, expected 1")
        if last_seq is not None and event["seq"] != last_seq + 1:
            raise Failed(f"{what}: line {number} has seq {event['seq']}, expected {last_seq + 1}")
        last_seq = event["seq"]
        name = event.get("file")
        if name is None and len(files) == 1:
            name = str(files[0])
        if name not in given:
            raise Failed(f"{what}: line {number} is of file {name}, which was not asked for")
        if "scores" in event:
            event["scores"] = np.asarray(event["scores"], np.float32)
        result[given[name]].append(event)
    return result
