"""Subtitles that the program wrote, read by parsers that others keep.

In: files written by the debug or release build. SubRip goes through pysubs2 and webvtt-py, WebVTT through webvtt-py in
its strict mode. Both are lenient in places, so that what they found is also held against the file itself, block by
block; the last tests show that this notices.
"""

from __future__ import annotations

import html
import itertools
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

pysubs2 = pytest.importorskip("pysubs2")
webvtt = pytest.importorskip("webvtt")
errors = pytest.importorskip("webvtt.errors")

ROOT = Path(__file__).resolve().parents[2]
RECORDINGS = ROOT / "models" / "moonshine-tiny-en"
LINE_COLUMNS = 42

# What tells that a file is broken: a parser, or what it found beside what is there
NOTICED = (AssertionError, errors.MalformedFileError, errors.MalformedCaptionError)

Cue = tuple[int, int, str]


def program() -> str:
    """The newest build."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    builds = [target / profile / "auricle" for profile in ("debug", "release")]
    there = [build for build in builds if build.is_file()]
    if not there:
        assert "CI" not in os.environ, "auricle is not built"
        pytest.skip("auricle is not built: 'cargo build'")
    return str(max(there, key=lambda build: build.stat().st_mtime))


def blocks_of(text: str) -> list[list[str]]:
    """The blocks of a subtitle file: lines between empty lines."""
    return [block.split("\n") for block in text.rstrip("\n").split("\n\n")] if text.strip() else []


def assert_cues(cues: list[Cue], payloads: list[str]) -> None:
    """Fails unless `cues` are those of the file's blocks, in order, apart, and of two lines at most."""
    assert [text for _, _, text in cues] == payloads, "the parser reads other cues than the file has blocks"
    assert all(start < end for start, end, _ in cues), cues
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(cues)), "cues overlap"
    for _, _, text in cues:
        lines = text.split("\n")
        assert 1 <= len(lines) <= 2 and all(0 < len(line) <= LINE_COLUMNS for line in lines), text


def read_srt(path: Path) -> list[Cue]:
    """Cues of a SubRip file: start and end in ms, text."""
    text = path.read_text(encoding="utf-8")
    blocks = blocks_of(text)
    assert not text or text.endswith("\n\n"), "the last cue is not whole"
    payloads = []
    for number, block in enumerate(blocks, start=1):
        assert block[0] == str(number), f"block {number} begins with {block[0]!r}"
        assert re.fullmatch(r"\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}", block[1]), block
        payloads.append("\n".join(block[2:]))
    events = pysubs2.SSAFile.from_string(text, format_="srt") if text else []
    cues = [(event.start, event.end, event.plaintext) for event in events]
    assert_cues(cues, payloads)
    if text:
        others = [(c.start_time.in_milliseconds(), c.end_time.in_milliseconds(), c.text) for c in webvtt.from_srt(path)]
        assert others == cues, "two parsers disagree"
    return cues


def read_vtt(path: Path) -> list[Cue]:
    """Cues of a WebVTT file: start and end in ms, text."""
    text = path.read_text(encoding="utf-8")
    assert text.startswith("WEBVTT\n\n"), text[:20]
    captions = webvtt.read(path, strict=True)
    cues = [(c.start_time.in_milliseconds(), c.end_time.in_milliseconds(), html.unescape(c.raw_text)) for c in captions]
    payloads = []
    for block in blocks_of(text.removeprefix("WEBVTT\n\n")):
        assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} --> \d\d:\d\d:\d\d\.\d{3}", block[0]), block
        payloads.append(html.unescape("\n".join(block[1:])))
    assert_cues(cues, payloads)
    return cues


def words_of(text: str) -> list[str]:
    """What was said, in a row."""
    return [word for word in text.split() if not word.startswith("[") and not word.endswith("]")]


def finals(path: Path) -> list[str]:
    """The words of all finals of a JSON Lines file, every line of which has to be whole."""
    events = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [event["seq"] for event in events] == list(range(len(events)))
    texts = [event["text"] for event in events if event["type"] == "caption" and event["state"] == "final"]
    return [word for text in texts for word in text.split()]


def test_parsers_read_what_transcribe_wrote(tmp_path: Path) -> None:
    """Two formats and the events of one recording say the same."""
    srt, vtt, jsonl = (tmp_path / f"cities.{extension}" for extension in ("srt", "vtt", "jsonl"))
    outputs = ["--output", srt, "--output", vtt, "--output", jsonl]
    command = [program(), "transcribe", *outputs, RECORDINGS / "two_cities.wav"]
    subprocess.run(command, check=True, timeout=120)
    cues = read_srt(srt)
    assert cues == read_vtt(vtt)
    said = finals(jsonl)
    assert len(said) > 90 and [word for _, _, text in cues for word in words_of(text)] == said
    assert cues[0][0] < 2_000 and 38_000 < cues[-1][1] < 45_000, "times are those of the recording"


def test_a_session_that_is_killed_leaves_files_that_parse(tmp_path: Path) -> None:
    """SIGKILL while a cue may be on its way."""
    srt, vtt, jsonl = (tmp_path / f"cities.{extension}" for extension in ("srt", "vtt", "jsonl"))
    outputs = ["--output", srt, "--output", vtt, "--output", jsonl]
    command = [program(), "listen", *outputs, "--input", RECORDINGS / "two_cities.wav"]
    with subprocess.Popen(command) as process:
        deadline = time.monotonic() + 60
        while not (srt.is_file() and srt.stat().st_size) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    cues = read_srt(srt)
    assert cues and read_vtt(vtt)[: len(cues)] == cues[: len(read_vtt(vtt))]
    assert finals(jsonl)[:6] == ["It", "was", "the", "best", "of", "times,"]


GOOD = "1\n00:00:01,000 --> 00:00:02,500\n1984\n[dog]\n\n2\n00:00:03,000 --> 00:00:04,000\nI told you so.\n\n"


def as_vtt(text: str) -> str:
    """The same as WebVTT."""
    return "WEBVTT\n\n" + re.sub(r"(?m)^\d+\n(?=\d\d:)", "", text).replace(",", ".")


def test_a_good_file_is_good(tmp_path: Path) -> None:
    """What the next test breaks is whole before."""
    (tmp_path / "good.srt").write_text(GOOD)
    (tmp_path / "good.vtt").write_text(as_vtt(GOOD))
    expected = [(1_000, 2_500, "1984\n[dog]"), (3_000, 4_000, "I told you so.")]
    assert read_srt(tmp_path / "good.srt") == expected == read_vtt(tmp_path / "good.vtt")
    (tmp_path / "none.srt").write_text("")
    (tmp_path / "none.vtt").write_text("WEBVTT\n\n")
    assert read_srt(tmp_path / "none.srt") == [] == read_vtt(tmp_path / "none.vtt")


@pytest.mark.parametrize(
    ("what", "old", "new"),
    [
        ("torn cue", "I told you so.\n\n", ""),
        ("torn time", "00:00:04,000\nI told you so.\n\n", "00:0"),
        ("empty line inside", "1984\n[dog]", "1984\n\n[dog]"),
        ("no empty line between", "[dog]\n\n", "[dog]\n"),
        ("overlap", "00:00:03,000", "00:00:02,000"),
        ("end before start", "00:00:02,500", "00:00:00,500"),
        ("arrow in the text", "I told you so.", "00:00:05,000 --> 00:00:06,000"),
        ("three lines", "1984", "1984\n1984"),
        ("markup", "I told you so.", "<b>I</b> told you so."),
    ],
)
def test_a_broken_file_is_noticed(tmp_path: Path, what: str, old: str, new: str) -> None:
    """A check that cannot fail would prove nothing."""
    assert old in GOOD
    broken = GOOD.replace(old, new, 1)
    (tmp_path / "broken.srt").write_text(broken)
    with pytest.raises(NOTICED):
        read_srt(tmp_path / "broken.srt")
    if what != "markup":  # which WebVTT has
        (tmp_path / "broken.vtt").write_text(as_vtt(broken))
        with pytest.raises(NOTICED):
            read_vtt(tmp_path / "broken.vtt")


def test_a_vtt_file_without_its_header_is_noticed(tmp_path: Path) -> None:
    """The header is written before anything else."""
    (tmp_path / "headless.vtt").write_text(as_vtt(GOOD).removeprefix("WEBVTT\n\n"))
    with pytest.raises(NOTICED):
        read_vtt(tmp_path / "headless.vtt")
