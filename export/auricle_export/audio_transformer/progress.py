"""A line on stderr that says how far a long piece of work is; where nobody looks at a terminal, a line a tenth."""

import sys
import time
from types import TracebackType


class Progress:
    """How far `what` is on its way to `total`."""

    def __init__(self, what: str, total: int) -> None:
        """Begin at nothing."""
        self._what, self._total = what, max(1, total)
        self._begun = self._drawn = time.monotonic()
        self._tenths = 0

    def __enter__(self) -> "Progress":
        """Hand itself over."""
        return self

    def at(self, done: int, note: str = "") -> None:
        """Say that `done` of the total is done."""
        now, share = time.monotonic(), done / self._total
        left = (now - self._begun) * (1.0 - share) / share if share > 0.0 else 0.0
        text = f"{self._what}: {done}/{self._total} {note} {left:.0f} s left"
        if sys.stderr.isatty():
            if now - self._drawn > 0.2 or done == self._total:
                filled = round(24 * share)
                print(f"\r\033[K[{'#' * filled}{'.' * (24 - filled)}] {text}", end="", file=sys.stderr, flush=True)
                self._drawn = now
        elif int(10 * share) > self._tenths:
            self._tenths = int(10 * share)
            print(text, file=sys.stderr, flush=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the line as it is."""
        if sys.stderr.isatty():
            print(file=sys.stderr)
