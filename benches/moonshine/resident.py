"""Memory and loading of one variant, in a process that does nothing else.

In: a variant's folder and a recording. Out: one line of JSON. `memory.py` runs it.
"""

import json
import sys
import time
from pathlib import Path

from auricle_export import audio as wav
from auricle_export.moonshine.decode import Decoder
from moonshine_shipped import Shipped

LONGEST_S = 10.0


def load(folder: Path) -> Shipped | Decoder:
    """The variant in a folder, on the processor with one thread."""
    return Shipped(folder) if (folder / "decoder_model_merged.ort").is_file() else Decoder(folder)


def resident_mib(what: str) -> float:
    """`VmRSS` (now) or `VmHWM` (highest) of this process, MiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"/proc/self/status has no {what}: this measures on Linux")


def main(folder: str, recording: str) -> None:
    """Loads, reads the recording once, and says what that took."""
    audio = wav.read(Path(recording))[: int(LONGEST_S * wav.SAMPLE_RATE_HZ)]
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the highest begins anew
    before = resident_mib("VmRSS")
    began, began_cpu = time.monotonic(), time.process_time()
    decoder = load(Path(folder))
    load_s, load_cpu_s = time.monotonic() - began, time.process_time() - began_cpu
    decoder.greedy(decoder.hear(audio))
    figures = {
        "before_mib": before,
        "resident_mib": resident_mib("VmRSS") - before,
        "highest_mib": resident_mib("VmHWM") - before,
        "load_s": load_s,
        "load_cpu_s": load_cpu_s,
    }
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
