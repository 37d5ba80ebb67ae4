"""Writes TOML, which the standard library only reads: in comes a table, out goes text that `tomllib` reads as the same.

The order is the table's own, so the same table gives the same text. `rewrite` keeps what stands in an older text.
"""

import json
import math
import re
import tomllib
from collections.abc import Mapping
from typing import Any

INT_LIMIT = 1 << 63
Table = Mapping[str, Any]


def dumps(table: Table) -> str:
    """Write a table: its values, then its tables, then its lists of tables, each in the order they stand in.

    `TypeError` for what manifests do not hold (dates, None), `ValueError` for what TOML cannot say.
    """
    return "\n".join(_lines(table, ())).lstrip("\n") + "\n"


def rewrite(old: str, table: Table) -> str:
    """Write `table` in the words of `old`, where they still hold: its comments, its order, its way to write a value.

    Each value before the first header, and each table or entry of a list of tables, keeps its text when it says the
    same as before; a changed one keeps the comment above it; a new one comes after the others of its name. Should that
    not read as `table`, because `old` is written in a way that is not understood here, all is written anew.
    """
    try:
        text = _rewritten(old, table)
        if tomllib.loads(text) == table:
            return text
    except tomllib.TOMLDecodeError:
        pass
    return dumps(table)


def _lines(table: Table, name: tuple[str, ...]) -> list[str]:
    plain = {key: value for key, value in table.items() if not _is_section(value)}
    lines = [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    for key, value in table.items():
        path = (*name, key)
        header = ".".join(_key(part) for part in path)
        if isinstance(value, Mapping):
            below = _lines(value, path)
            # A table that holds nothing but tables needs no header of its own.
            headless = value and all(_is_section(each) for each in value.values())
            lines += below if headless else ["", f"[{header}]", *below]
        elif _is_section(value):
            for entry in value:
                below = _lines(entry, path)
                # A list's tables stand right below their entry: they are a part of it, not a section.
                lines += ["", f"[[{header}]]", *(line for line in below if line)]
    return lines


def _is_section(value: object) -> bool:
    """Whether a value is written under a header: a table, or a list of nothing but tables."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(each, Mapping) for each in value)
    return isinstance(value, Mapping)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, int):
        if not -INT_LIMIT <= value < INT_LIMIT:
            raise ValueError(f"{value} does not fit a 64-bit integer, the largest that TOML promises to keep")
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(each) for each in value)}]"
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    raise TypeError(f"{value!r} is a {type(value).__name__}, which a manifest does not hold")


def _string(text: str) -> str:
    text.encode("utf-8")  # a lone surrogate is no text: UnicodeEncodeError, a ValueError
    # JSON's escapes are TOML's; JSON alone lets a delete character stand.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _string(key)


def _rewritten(old: str, table: Table) -> str:
    head, groups = _parts(old)
    plain = {key: value for key, value in table.items() if not _is_section(value)}
    texts = [_rewritten_head(head, plain)]
    for key, value in table.items():
        if not _is_section(value):
            continue
        left = [group for group in groups if group[0] == key]
        for each in value if isinstance(value, list) else [value]:
            same = next((group for group in left if group[1] == each), None)
            kin = same or next((group for group in left if _identity(group[1]) == _identity(each)), None)
            if kin:
                left.remove(kin)
            written = dumps({key: [each] if isinstance(value, list) else each})
            texts.append(same[2] if same else (_comment_above(kin[2]) if kin else "") + written)
    return "\n\n".join(text.strip("\n") for text in texts if text.strip()) + "\n"


def _identity(value: Table) -> object:
    """What a table is known by when something else in it has changed."""
    return value.get("path", value.get("measure"))


def _parts(old: str) -> tuple[str, list[tuple[str, Table, str]]]:
    """Cut a text before every header of a top-level table or entry, with the comment above it: name, value and text."""
    texts: list[tuple[str, str]] = [("", "")]
    above = ""
    for line in old.splitlines(keepends=True):
        if line.lstrip().startswith("#"):
            above += line
            continue
        if line.lstrip().startswith("["):
            key, value = next(iter(tomllib.loads(line).items()))
            nested = bool(value[0] if isinstance(value, list) else value)
            if not (nested and key == texts[-1][0]):
                texts.append((key, ""))
        texts[-1] = (texts[-1][0], texts[-1][1] + above + line)
        above = ""
    texts[-1] = (texts[-1][0], texts[-1][1] + above)
    groups = [(key, tomllib.loads(text)[key], text) for key, text in texts[1:]]
    return texts[0][1], [(key, value[0] if isinstance(value, list) else value, text) for key, value, text in groups]


def _comment_above(text: str) -> str:
    lines = text.lstrip("\n").splitlines(keepends=True)
    end = next((index for index, line in enumerate(lines) if not line.lstrip().startswith("#")), len(lines))
    return "".join(lines[:end])


def _rewritten_head(old: str, plain: Table) -> str:
    """Write the values that stand before the first header."""
    lines: list[str] = []
    left = dict(plain)
    chunk = ""
    for line in old.splitlines(keepends=True):
        chunk += line
        try:
            found = tomllib.loads(chunk)
        except tomllib.TOMLDecodeError:
            continue  # a value of several lines
        if not found:
            continue  # a comment, which belongs to the value below it
        ((key, value),) = found.items()
        if key in left:
            new = left.pop(key)
            lines.append(chunk if new == value else f"{_comment_above(chunk)}{_key(key)} = {_value(new)}\n")
        chunk = ""
    return "".join(lines) + chunk + "".join(f"{_key(key)} = {_value(value)}\n" for key, value in left.items())
