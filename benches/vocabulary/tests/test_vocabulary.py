"""What counts as a name that was read, which words are rare, and what a reader gives the program."""

import stat
from pathlib import Path
from types import ModuleType

import pytest
from auricle import Auricle
from clips import Utterance
from names import COMMON, FRESH, SEEN, TUNING

PROGRAM = """#!/bin/sh
case "$*" in *--vocabulary*) text="Please tell Siobhan" ;; *) text="Please tell Shivon" ;; esac
case "$*" in *--beam*) text="$text, by a beam" ;; esac
fields="\\"segment\\": 1, \\"state\\": \\"final\\", \\"text\\": \\"$text\\""
echo "{\\"v\\": 1, \\"seq\\": 0, \\"type\\": \\"caption\\", $fields}"
"""


def test_a_name_counts_as_it_is_listed_and_as_words_of_its_own(bench: ModuleType) -> None:
    """Case and letters count, punctuation behind it does not."""
    assert bench.has("Siobhan", "Please tell Siobhan's, and go")
    assert bench.has("Siobhan", "Siobhan.")
    assert not bench.has("Siobhan", "please tell siobhan")
    assert not bench.has("Ann", "Anna and Joann")
    assert bench.has("Dr. Who", "with Dr. Who")


def test_wilsons_interval_is_the_published_one(bench: ModuleType) -> None:
    """Of 34 in 100, and of none and all, where the interval by the normal distribution has no width."""
    low, high = bench.wilson(34, 100)
    assert (low, high) == pytest.approx((0.2546, 0.4372), abs=5e-4)
    assert bench.wilson(0, 100) == pytest.approx((0.0, 0.0370), abs=5e-4)
    assert bench.wilson(100, 100) == pytest.approx((0.9630, 1.0), abs=5e-4)
    assert str(bench.Share(34, 100)) == "34.0 % (25 to 44) of 100"
    assert str(bench.Share(0, 0)) == "-"


def test_rare_words_are_long_of_one_clip_and_misread(bench: ModuleType) -> None:
    """What two clips have, what is short and what is read right is not rare."""

    def clip(path: str, text: str) -> Utterance:
        return Utterance(path=Path(path), text=text, source="made")

    clips = [clip("a", "The KESTREL hovered over wheat."), clip("b", "Nobody hovered, said Okonkwo.")]
    heard = {Path("a"): "the kestral covered over wheat", Path("b"): "nobody hoovered said a conquo"}
    assert bench.rare(clips, heard) == {Path("a"): ["kestrel"], Path("b"): ["Okonkwo"]}


def test_the_reported_names_are_not_those_the_bonus_was_chosen_on() -> None:
    """Three times fifty, none twice, nor among those that nobody says."""
    assert [len(names) for names in (TUNING, SEEN, FRESH)] == [50, 50, 50]
    everyone = [*TUNING, *SEEN, *FRESH, *COMMON]
    assert len(set(everyone)) == len(everyone)


def test_a_reader_gives_the_list_and_its_options(bench: ModuleType, tmp_path: Path) -> None:
    """With a list the program is given its path, and a beam where one was asked for."""
    program = tmp_path / "auricle"
    program.write_text(PROGRAM)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (audio := tmp_path / "a.wav").write_bytes(b"")
    names = bench.listed(tmp_path / "names.txt", ["Siobhan", "Okonkwo"])
    assert names.read_text() == "Siobhan\nOkonkwo\n"
    plain, searched = bench.Reader(Auricle(program), []), bench.Reader(Auricle(program), ["--beam", "5"])
    assert plain([audio], None) == {audio: "Please tell Shivon"}
    assert plain([audio], names) == {audio: "Please tell Siobhan"}
    assert searched([audio], names) == {audio: "Please tell Siobhan, by a beam"}
