"""What is written as TOML reads as what was meant, and what a person wrote in a manifest stays as it was."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from auricle_export import fetch
from auricle_export.toml_write import dumps, rewrite

TABLES: list[dict[str, Any]] = [
    {},
    {"a": 1, "b": -7, "c": True, "d": False, "e": (1 << 63) - 1, "f": -(1 << 63)},
    {"a": 0.0, "b": -0.5, "c": 1e-6, "d": 1e300, "e": 5e-324, "f": 0.1 + 0.2, "g": 1e16, "h": float("inf")},
    {
        "plain": "x",
        "quoted": 'say "no"',
        "path": "C:\\new",
        "lines": "a\nb\r\tc",
        "odd": "\0\x1f\x7f\u2028é漢🎈",
        "e": "",
    },
    {"with space": 1, "": 2, "ü": 3, 'a"b': 4, "a.b": 5, "line\nbreak": 6, "-": 7, "1": 8},
    {"none": [], "numbers": [1, 2.5], "nested": [[1], [], ["x"]], "mixed": [{"a": 1}, 2], "deep": [[{"a b": {}}]]},
    {"empty": {}, "a": {"b": {"c": {"d": 1}}, "x": 2}, "only": {"tables": {"here": {}}}},
    {"list": [{"n": 1}, {}, {"n": 3, "inner": [{"x": 1}, {"x": 2}], "sub": {"y": [{"z": 1}]}}]},
    {"section": {"a": 1}, "late": 2, "again": [{"b": 1}], "later": "3"},
]


@pytest.mark.parametrize("table", TABLES)
def test_what_is_written_reads_as_the_same(table: dict[str, Any]) -> None:
    text = dumps(table)
    assert tomllib.loads(text) == table
    assert dumps(tomllib.loads(text)) == text, "the same table gave another text"


@pytest.mark.parametrize("value", [None, b"bytes", {1, 2}, [None]])
def test_what_a_manifest_does_not_hold_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="which a manifest does not hold"):
        dumps({"key": value})


@pytest.mark.parametrize("value", [1 << 63, "\ud800"])
def test_what_toml_cannot_say_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"64-bit|surrogates"):
        dumps({"key": value})


def manifests() -> list[Path]:
    return sorted(fetch.MODELS.glob("*/model.toml"))


@pytest.mark.parametrize("path", manifests(), ids=lambda path: path.parent.name)
def test_the_manifests_of_this_repository_survive(path: Path) -> None:
    text = path.read_text()
    table = tomllib.loads(text)
    assert tomllib.loads(dumps(table)) == table
    kept = [line for line in rewrite(text, table).splitlines() if line]
    assert kept == [line for line in text.splitlines() if line], "a manifest that says the same was written otherwise"


OLD = """\
# of the model
schema = 1
# why this number
number = 0x10
gone = 1
text = \'\'\'
two
lines\'\'\'

# of the section
[section]
a = 1  # of a
b = { c = [1,
  2] }
[section.inner]
x = 1

# of the first
[[file]]
path = "one"
size = 1
[[file.source]]
kind = "url"

# of the second
[[file]]
path = "two"
size = 1

# at the end
"""


def test_a_change_keeps_the_words_around_it() -> None:
    table = tomllib.loads(OLD)
    del table["gone"]
    table["file"][0]["size"] = 2
    del table["file"][1]
    table["file"].append({"path": "three", "size": 3})
    table["new"] = "value"
    table["export"] = {"input": [{"path": "x"}]}

    text = rewrite(OLD, table)

    assert tomllib.loads(text) == table
    assert "# why this number\nnumber = 0x10\n" in text
    assert "text = '''\ntwo\nlines'''\n" in text
    assert 'new = "value"\n\n# of the section\n[section]\na = 1  # of a\n' in text
    assert '# of the first\n[[file]]\npath = "one"\nsize = 2\n[[file.source]]\nkind = "url"\n' in text
    assert "of the second" not in text


@pytest.mark.parametrize(
    "odd",
    [
        "a.b = 1\n",
        'text = """\n[section]\n"""\n',
        "list = [\n[1],\n[2],\n]\n",
        "[a]\nx = 1\n[b]\ny = 1\n[a.c]\nz = 1\n",
        "[ 'quoted' ]\nx = 1\n",
    ],
)
def test_what_is_written_in_an_unusual_way_is_written_anew_but_right(odd: str) -> None:
    table = tomllib.loads(odd) | {"new": 1}
    assert tomllib.loads(rewrite(odd, table)) == table
