"""One peer in a process of its own, in the peers' environment, doing what it is told line by line.

In: the kind of work, an engine's name and its options as JSON on the command line; then a request a line, which names a
NumPy file of samples. Out: a line when loaded, and one a request. What libraries print goes to standard error.
"""

import json
import os
import sys
import time
from typing import Any

import numpy as np


def main() -> None:
    """Loads, says so, and answers until standard input ends."""
    work, engine, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if options.get("one_core"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

    def answer(content: dict[str, Any]) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    import readers
    import streams

    began = time.perf_counter()
    loaded: Any = (readers.READERS if work == "read" else streams.STREAMS)[engine](options)
    answer({"construct_s": time.perf_counter() - began, "versions": readers.versions()})
    for line in sys.stdin:
        samples = np.load(json.loads(line)["samples"])
        if work == "read":
            began = time.perf_counter()
            texts = loaded.read(samples)
            answer({"wall_s": time.perf_counter() - began, "texts": texts})
            # Only when the next line comes, so that it is in nobody's time.
            sys.stdin.readline()
            loaded.settle()
            answer({})
        else:
            answer({"shown": loaded.follow(samples)})


if __name__ == "__main__":
    main()
