"""Programs fed through named pipes, with a stand-in for the binary: what a reading is, and what a failure says."""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from auricle import Failed
from binary import Fed, wav
from process import Worker, processor_s

PROGRAM = """#!{python}
import json, sys, time
for seq, path in enumerate(each for each in sys.argv[2:] if each.endswith(".wav")):
    with open(path, "rb") as file:
        content = file.read()
    if len(content) > {most}:
        sys.exit(3)
    until = time.process_time() + len(content) * 1e-6
    while time.process_time() < until:
        pass
    print(json.dumps(dict(v=1, seq=seq, file=path, type="heard", bytes=len(content))), flush=True)
"""


def program(folder: Path, most: int = 1 << 20) -> Path:
    """A program that works 1 us a byte and ends with 3 where a file is longer than `most`."""
    path = folder / "stand-in"
    path.write_text(PROGRAM.format(python=sys.executable, most=most))
    path.chmod(0o755)
    return path


def test_each_recording_has_its_own_time_and_events(tmp_path: Path) -> None:
    """Larger than a pipe holds, and with a wait between that is in nobody's time."""
    fed = Fed(program(tmp_path), tmp_path, 2)
    sizes = [50_000, 25_000]
    took = []
    for size in sizes:
        took.append(fed.read(np.zeros(size)))
        time.sleep(0.3)
    events = fed.close()
    lengths = [len(wav(np.zeros(size))) for size in sizes]
    assert [each[0]["bytes"] for each in events] == lengths
    for reading, length in zip(took, lengths, strict=True):
        assert length * 1e-6 <= reading.cpu_s
        assert length * 1e-6 <= reading.wall_s < length * 1e-6 + 0.3
    assert fed.loaded().peak_mib > 1.0


def test_a_program_that_ends_early_is_a_failure_and_no_hang(tmp_path: Path) -> None:
    fed = Fed(program(tmp_path, most=50_000), tmp_path, 3)
    fed.read(np.zeros(5_000))
    with pytest.raises(Failed, match=r"ended before recording 3 of 3|did not read recording 2"):
        fed.read(np.zeros(20_000))
    fed.abandon()


def test_what_was_not_read_is_missed(tmp_path: Path) -> None:
    fed = Fed(program(tmp_path), tmp_path, 2)
    fed.read(np.zeros(100))
    with pytest.raises(Failed, match="exit code -9, 1 recordings read"):
        fed.close()


def test_a_peer_that_cannot_be_loaded_is_named_with_its_log(tmp_path: Path) -> None:
    log = tmp_path / "nobody.log"
    with pytest.raises(Failed, match=r"nobody: ended.*nobody\.log has what it printed"):
        Worker(Path(sys.executable), "read", "nobody", {}, log)
    assert "KeyError: 'nobody'" in log.read_text()


def test_the_clock_of_a_process_is_its_processor_time() -> None:
    before = processor_s(os.getpid())
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    assert 0.05 <= processor_s(os.getpid()) - before < 5.0
