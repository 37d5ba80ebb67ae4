"""The runner against a program that prints recorded lines, and against every way it can break the contract."""

import json
import stat
from pathlib import Path

import numpy as np
import pytest
from auricle import FILES_A_PROCESS, Auricle, Failed, by_file

PROGRAM = """#!/bin/sh
shift
seq=0
several=no
case "$2" in --*) ;; *) several=yes ;; esac
for argument in "$@"; do
  case "$argument" in --*) break ;; esac
  case "$several" in yes) file=", \\"file\\": \\"$argument\\"" ;; *) file="" ;; esac
  echo "{\\"v\\": 1, \\"seq\\": $seq, \\"type\\": \\"caption\\", \\"text\\": \\"$(cat "$argument")\\"$file}"
  seq=$((seq + 1))
done
"""


def program(folder: Path, text: str) -> Path:
    """Writes an executable."""
    path = folder / "auricle"
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def line(seq: int, **fields: object) -> str:
    """One event."""
    return json.dumps({"v": 1, "seq": seq, "type": "caption", **fields})


@pytest.mark.parametrize("count", [1, 2, FILES_A_PROCESS * 2 + 5])
def test_every_file_gets_its_own_events(tmp_path: Path, count: int) -> None:
    """However the files are dealt over processes, and also where a process has one file and says no name."""
    files = [tmp_path / f"{k}.wav" for k in range(count)]
    for k, path in enumerate(files):
        path.write_text("x" * (k + 1))
    events = Auricle(program(tmp_path, PROGRAM)).events("transcribe", files, "--sounds", "off")
    assert [[len(event["text"]) for event in events[path]] for path in files] == [[k + 1] for k in range(count)]


@pytest.mark.parametrize(
    ("command", "said"), [("transcribe", "--model mine --partials --format jsonl --output -"), ("tag", "--partials")]
)
def test_a_command_is_given_its_model(tmp_path: Path, command: str, said: str) -> None:
    """And one that has none is given none."""
    text = (
        """#!/bin/sh\nshift 2\necho "{\\"v\\": 1, \\"seq\\": 0, \\"type\\": \\"caption\\", \\"text\\": \\"$*\\"}"\n"""
    )
    (file := tmp_path / "a.wav").touch()
    events = Auricle(program(tmp_path, text), models={"transcribe": "mine"}).events(command, [file], "--partials")
    assert events[file][0]["text"].startswith(said)


def test_a_failure_says_what_the_program_said(tmp_path: Path) -> None:
    """Exit code and the last line of standard error."""
    broken = program(tmp_path, "#!/bin/sh\necho 'loading' >&2\necho 'error: no such model' >&2\nexit 1\n")
    wav = tmp_path / "a.wav"
    wav.write_text("x")
    with pytest.raises(Failed, match=r"auricle transcribe: exit code 1: error: no such model"):
        Auricle(broken).events("transcribe", [wav])


def test_a_hang_is_ended(tmp_path: Path) -> None:
    """A process that does not end is a failure, not a wait without end."""
    with pytest.raises(Failed, match=r"no end after 0\.2 s"):
        Auricle(program(tmp_path, "#!/bin/sh\nexec sleep 20\n"), timeout_s=0.2).version()


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    """The message gives the way out."""
    with pytest.raises(Failed, match=r"nowhere: no such program; build it with 'make build'"):
        Auricle(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("not json", "line 1 is not JSON"),
        ('{"v": 2, "seq": 0}', "line 1 has version 2, expected 1"),
        (line(0, file="a") + "\n" + line(2, file="a"), "line 2 has seq 2, expected 1"),
        (line(0, file="c"), "line 1 is of file c, which was not asked for"),
        (line(0), "line 1 is of file None, which was not asked for"),
    ],
)
def test_a_broken_contract_is_a_failure(output: str, message: str) -> None:
    """Each promise that every line makes."""
    with pytest.raises(Failed, match=message):
        by_file(output, [Path("a"), Path("b")], "auricle")


def test_scores_become_an_array() -> None:
    """So that 400 clips of 521 classes fit into memory."""
    events = by_file(line(0, file="a", scores=[0.5, 0.25]), [Path("a"), Path("b")], "auricle")
    assert events[Path("b")] == []
    assert np.array_equal(events[Path("a")][0]["scores"], np.array([0.5, 0.25], np.float32))
