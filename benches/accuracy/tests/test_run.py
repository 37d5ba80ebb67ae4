"""The whole run over a made data folder and a program that answers from a recording; what is checked and left out."""

import json
import stat
from pathlib import Path

import numpy as np
import pytest
import run
import soundfile
from figures import Figure, misses, table

PROGRAM = """#!/usr/bin/env python3
import json, sys
if sys.argv[1] == "--version":
    print("auricle 9.9.9")
    sys.exit()
options = [k for k, argument in enumerate(sys.argv) if argument.startswith("--")]
files, seq = sys.argv[2 : options[0]], 0
for file in files:
    for event in TEMPLATE:
        print(json.dumps({"v": 1, "seq": seq, "file": file, **event}))
        seq += 1
"""
HEARD = [
    {"type": "speech", "state": "end", "start": 0.0, "end": 0.6, "emitted": 1.0},
    {"type": "caption", "segment": 0, "state": "final", "text": "two words", "end": 0.6, "emitted": 1.0},
]


def program(folder: Path, events: list[dict[str, object]]) -> Path:
    """An executable that answers every file with the same events."""
    path = folder / "auricle"
    path.write_text(PROGRAM.replace("TEMPLATE", repr(events)))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def speech_set(folder: Path) -> Path:
    """Two clips of a second, the first with word times: one word in the heard segment and one after it."""
    audio = folder / "speech" / "audio"
    audio.mkdir(parents=True)
    rows = ["path\ttext\tsource\tlicence"]
    for name, text, source in (("one", "Two words.", "TIMIT sample"), ("other", "Two birds.", "LibriSpeech test")):
        soundfile.write(audio / f"{name}.flac", np.random.default_rng(3).uniform(-0.1, 0.1, 16_000), 16_000)
        rows.append(f"audio/{name}.flac\t{text}\t{source}\tCC0")
    (audio / "one.words.tsv").write_text("0.1\t0.5\ttwo\n0.5\t0.9\twords\n")
    (folder / "speech" / "clips.tsv").write_text("\n".join(rows) + "\n")
    return folder


def measured(path: Path) -> dict[str, float]:
    """Values by name from a `--json` file."""
    return {figure["name"]: figure["value"] for figure in json.loads(path.read_text())["figures"]}


def test_figures_of_a_made_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One word wrong of four is 25 %; one of two marked words is in the segment; both miss their bounds."""
    arguments = ["--auricle", str(program(tmp_path, HEARD)), "--data", str(speech_set(tmp_path))]
    arguments += ["--only", "speech,quiet", "--json", str(tmp_path / "figures.json")]
    assert run.main(arguments) == 0
    values = measured(tmp_path / "figures.json")
    assert values["WER, whole set"] == 25.0
    assert values["WER, TIMIT"] == 0.0
    assert values["WER, all but TIMIT"] == values["WER rolling, LibriSpeech"] == 50.0
    assert values["TIMIT words in a segment"] == values["TIMIT words wholly in a segment"] == 50.0
    assert values["loud frames in a segment, all but TIMIT"] == pytest.approx(60.0, abs=2.0)

    assert run.main([*arguments, "--check"]) == 1
    said = capsys.readouterr().err
    assert "missed: speech: WER, whole set: 25.00 %, must be at most 9.07 %" in said
    assert "missed: quiet: TIMIT words in a segment: 50.00 %, must be at least 95 %" in said


def test_words_where_nobody_speaks_are_a_miss(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Made silence needs no data; the recorded kinds are named as left out."""
    arguments = ["--data", str(tmp_path / "nowhere"), "--only", "silence", "--check"]
    assert run.main(["--auricle", str(program(tmp_path, [])), *arguments]) == 0
    assert "left out: silence: sea waves" in capsys.readouterr().out
    assert run.main(["--auricle", str(program(tmp_path, HEARD)), *arguments]) == 1
    assert "words shown in 60 s of digital silence: 2, must be at most 0" in capsys.readouterr().err


def test_without_data_nothing_is_missed_and_all_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, one line a part."""
    arguments = [
        "--auricle",
        str(program(tmp_path, [])),
        "--data",
        str(tmp_path),
        "--only",
        "speech,quiet,sounds,ten sounds,emission,words,reliability",
    ]
    assert run.main([*arguments, "--check"]) == 0
    said = capsys.readouterr().out
    parts = ("speech", "quiet", "sounds", "ten sounds", "emission", "words", "reliability")
    assert [f"left out: {part}:" in said for part in parts] == [True] * 7


def test_an_unknown_part_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, naming the parts there are."""
    with pytest.raises(SystemExit, match="2"):
        run.main(["--only", "spech"])
    assert (
        "'spech' is not one of speech, silence, quiet, sounds, ten sounds, emission, words, reliability"
        in capsys.readouterr().err
    )


def test_bounds_compare_the_value_and_not_what_is_shown() -> None:
    """9.814 is shown as 9.81 and missed; not a number keeps no bound."""
    close = Figure("speech", "WER", 9.814, "%", at_most=9.81)
    assert close.missed
    assert "9.81 %" in table([close]) and "MISSED" in table([close])
    assert Figure("quiet", "share", float("nan"), "%", at_least=95.0).missed
    assert misses([Figure("sounds", "top-1", 0.92, at_least=0.92)]) == []
