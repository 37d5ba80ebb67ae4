"""`packages`: installs the Debian packages that are missing, and calls apt only when one is.

What counts is whether a thing is there (a program on the path, headers that pkg-config finds), not what brought it.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Need:
    """A Debian package, what it is for, and a test that says whether what it brings is there."""

    package: str
    purpose: str
    present: Callable[[], bool]


def on_path(program: str) -> Callable[[], bool]:
    """Test for a program."""
    return lambda: shutil.which(program) is not None


def _alsa_headers() -> bool:
    if shutil.which("pkg-config") is None:
        return False
    return subprocess.run(["pkg-config", "--exists", "alsa"], capture_output=True).returncode == 0


def _alsa_pulse_plugin() -> bool:
    plugin = "alsa-lib/libasound_module_pcm_pulse.so"
    return any(any(Path("/usr").glob(f"{folder}/{plugin}")) for folder in ("lib*", "lib*/*"))


BUILD = (
    Need("build-essential", "a C compiler and linker", on_path("cc")),
    Need("pkg-config", "to find the ALSA headers", on_path("pkg-config")),
    Need("libasound2-dev", "the ALSA headers", _alsa_headers),
    Need("python3-venv", "virtual environments", lambda: find_spec("ensurepip") is not None),
)
TESTS = (
    Need("pulseaudio", "the virtual microphone of the tests", on_path("pulseaudio")),
    Need("pulseaudio-utils", "to play into that microphone", on_path("paplay")),
    Need("libasound2-plugins", "to hear that microphone through ALSA", _alsa_pulse_plugin),
    Need("espeak-ng", "to say the names of `make vocabulary`", on_path("espeak-ng")),
)


class PackagesMissing(Exception):
    """Packages are missing and were not installed; the message names them and the command for it."""


def main(arguments: list[str]) -> int:
    """Run the command; 0 when everything needed is there, 1 when something is still missing."""
    parser = argparse.ArgumentParser(prog="auricle_export packages", description=__doc__.partition("\n")[0])
    parser.add_argument("--tests", action="store_true", help="also what the tests need")
    options = parser.parse_args(arguments)
    try:
        provide(BUILD + TESTS if options.tests else BUILD)
    except PackagesMissing as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def provide(needs: tuple[Need, ...]) -> None:
    """Install what is missing of the needs; `PackagesMissing` when that cannot be done."""
    missing = [need for need in needs if not need.present()]
    if not missing:
        return
    names = [need.package for need in missing]
    listed = ", ".join(f"{need.package} ({need.purpose})" for need in missing)
    install = f"apt-get install {' '.join(names)}"
    if shutil.which("apt-get") is None:
        raise PackagesMissing(
            f"missing: {listed}; these are Debian's names and there is no apt-get here: install what your system calls "
            "them, then run this again"
        )
    if (prefix := _as_root()) is None:
        raise PackagesMissing(f"missing: {listed}; not root and no sudo: run '{install}' as root, then run this again")

    print(f"installing {listed}", flush=True)
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]
    # A failing update is no reason to stop (one of many sources may be down): the install says whether it matters.
    _run([*apt, "update"])
    # Nothing is ever removed: on a desktop, pulseaudio and what already plays its part may exclude each other.
    _run([*apt, "install", "--yes", "--no-install-recommends", "--no-remove", *names])
    if still := [need.package for need in missing if not need.present()]:
        raise PackagesMissing(
            f"still missing: {', '.join(still)}; run '{install}' as root to see why, then run this again"
        )


def _as_root() -> list[str] | None:
    """Return what to put before a command to run it as root, or None when there is no way."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        return None
    return ["sudo"] if sys.stdin.isatty() else ["sudo", "--non-interactive"]


def _run(command: list[str]) -> None:
    # What apt tells on the way goes to stderr: it is for whoever waits, and the outcome is tested, not read.
    subprocess.run(command, stdout=sys.stderr.fileno())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
