"""Real-time factors out of rows, tables out of figures, and what needs no peer of the peers' side."""

import base64
import json
import math
import time
from pathlib import Path

import numpy as np
import pytest
from emission import String
from machine import without_text, write
from offline import by_round, factors, ratios
from readers import tokens_file
from streaming import spread
from streams import Clock
from tables import markdown, number


def row(engine: str, number: int, clip: str, audio_s: float, wall_s: float) -> dict[str, object]:
    """One reading; the processor is busy for half of it."""
    return {
        "engine": engine,
        "round": number,
        "clip": clip,
        "audio_s": audio_s,
        "wall_s": wall_s,
        "cpu_s": wall_s / 2,
    }


ROWS = [
    row("auricle", 0, "a", 1.0, 0.1),
    row("auricle", 0, "b", 3.0, 0.1),
    row("auricle", 1, "a", 1.0, 0.2),
    row("auricle", 1, "b", 3.0, 0.2),
    row("sherpa-onnx", 0, "a", 1.0, 0.1),
    row("sherpa-onnx", 0, "b", 3.0, 0.3),
    row("sherpa-onnx", 1, "a", 1.0, 0.2),
    row("sherpa-onnx", 1, "b", 3.0, 0.2),
]


def test_a_factor_is_over_all_the_audio_of_a_round() -> None:
    assert by_round(ROWS, "auricle", "wall") == pytest.approx([0.05, 0.1])
    assert factors(ROWS, "auricle")["factor_cpu"] == pytest.approx({"median": 0.0375, "lowest": 0.025, "highest": 0.05})


def test_ratios_pair_the_rounds() -> None:
    """So that a machine that was slow in one round was slow for both."""
    found = ratios(ROWS, {"a"}, "sherpa-onnx")
    assert found["all_wall"] == pytest.approx({"median": 0.75, "lowest": 0.5, "highest": 1.0})
    assert found["one_segment_wall"] == pytest.approx({"median": 1.0, "lowest": 1.0, "highest": 1.0})


def test_tokens_of_one_and_two_length_bytes() -> None:
    """A length of 130 takes two bytes: 130, and 1 for another 128."""
    record = bytes([2]) + b"ab" + bytes([0]) + bytes([130, 1]) + b"x" * 130 + bytes([1]) + b"c"
    lines = [line.rpartition(" ") for line in tokens_file(record).splitlines()]
    assert [number for _, _, number in lines] == ["0", "1", "2", "3"]
    assert [base64.b64decode(token) for token, _, _ in lines] == [b"ab", b"", b"x" * 130, b"c"]


def test_blocks_come_when_their_last_sample_is_due() -> None:
    samples = np.arange(1600, dtype=np.float32)
    clock = Clock()
    came = [(clock.now_s(), block) for block in clock.blocks(samples, 400)]
    assert np.array_equal(np.concatenate([block for _, block in came]), samples)
    assert all(at_s >= (k + 1) * 0.025 for k, (at_s, _) in enumerate(came))


def test_late_blocks_are_joined_where_asked() -> None:
    samples = np.arange(3200, dtype=np.float32)
    clock = Clock()
    lengths = []
    for block in clock.blocks(samples, 320, coalesce=True):
        lengths.append(len(block))
        if len(lengths) == 1:
            time.sleep(0.1)
    assert sum(lengths) == 3200 and lengths[0] == 320 and lengths[1] >= 4 * 320
    assert all(length % 320 == 0 for length in lengths)


def test_a_table_lines_up() -> None:
    lines = markdown(("name", "n"), [("a", "1"), ("long name", "1000")]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert (number(None), number(math.nan), number(math.inf), number(0.126)) == ("-", "-", "never", "0.13")


def test_strings_are_spread_over_the_speakers() -> None:
    """Two speakers with three strings each: not both first ones, and nothing twice."""
    made = [String(f"{who}-{k}", np.zeros(1), [], "") for who in ("a", "b") for k in (0, 3, 6)]
    assert [each.name for each in spread(made, 2)] == ["a-0", "b-3"]
    assert [each.name for each in spread(made, 4)] == ["a-0", "a-3", "b-3", "b-6"]
    assert spread(made, 99) == made


def test_raw_rows_are_written_a_line_each_and_read_back(tmp_path: Path) -> None:
    result = {"a": {"rows": [{"x": 1}, {"x": [2, 3]}], "b": None}, "rows": []}
    write(tmp_path / "found.json", result)
    content = (tmp_path / "found.json").read_text(encoding="utf-8")
    assert json.loads(content) == result
    assert '{"x": [2, 3]}' in content.splitlines()


def test_what_was_said_can_be_left_out() -> None:
    result = {
        "words": 3,
        "texts": {"auricle": ["one"]},
        "rows": [{"events": [{"text": "one", "stable": "", "emitted": 1.5}]}],
    }
    assert without_text(result) == {"words": 3, "rows": [{"events": [{"emitted": 1.5}]}]}
