"""Which names are the same sound or its kin, read from the outline that the program itself uses.

In: `src/sound/sounds.txt`. Out: for a name its ancestors and the branches it stands in.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

INDENT = 2
SIGNALS = ("Alarm", "Bell", "Telephone", "Knock")
"""What is or is below one of these is a signal, with a low threshold on principle."""


@dataclass
class Outline:
    """Names and, for each, the names that stand right above it."""

    parents: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Outline":
        """Reads the file; a name that stands in several places has several parents."""
        outline = cls()
        above: list[str] = []
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("#") or not line.strip():
                continue
            marked = line.lstrip()
            depth = (len(line) - len(marked)) // INDENT
            name = marked.lstrip("=-")
            del above[depth:]
            outline.parents.setdefault(name, set()).update(above[-1:])
            above.append(name)
        return outline

    def line(self, name: str) -> set[str]:
        """The name and all above it."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            next_ = waiting.pop()
            if next_ not in found:
                found.add(next_)
                waiting += self.parents.get(next_, ())
        return found

    def branches(self, name: str) -> set[str]:
        """The outermost names above it; itself where it stands alone."""
        return {each for each in self.line(name) if not self.parents.get(each)}

    def is_exact(self, name: str, wanted: Iterable[str]) -> bool:
        """Whether `name` is one of `wanted` or a closer name for one."""
        return not self.line(name).isdisjoint(wanted)

    def is_near(self, name: str, wanted: Iterable[str]) -> bool:
        """Whether `name` stands in a branch in which one of `wanted` stands."""
        return any(not self.branches(name).isdisjoint(self.branches(each)) for each in wanted)

    def is_signal(self, name: str) -> bool:
        """Whether `name` is an alarm, a bell, a phone or a knock."""
        return self.is_exact(name, SIGNALS)
