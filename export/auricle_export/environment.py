"""`environment`: makes a virtual environment and installs requirement files into it, every package against its hash.

A stamp a requirement file, holding the hash of that file and the Python's version, makes the next run do nothing.
"""

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path


class EnvironmentFailure(Exception):
    """The environment could not be made; the message says at which step and what to do."""


def main(arguments: list[str]) -> int:
    """Run the command; 0 when everything is installed, 1 when a step failed."""
    parser = argparse.ArgumentParser(prog="auricle_export environment", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="the environment's folder")
    parser.add_argument("requirements", type=Path, nargs="+", help="requirement files with hashes")
    options = parser.parse_args(arguments)
    try:
        for requirements in options.requirements:
            install(options.folder, requirements)
    except (EnvironmentFailure, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def install(folder: Path, requirements: Path) -> None:
    """Install one requirement file into the environment, making the environment first when it is missing or broken."""
    key = hashlib.sha256(sys.version.encode() + requirements.read_bytes()).hexdigest()
    stamp = folder / f".installed-{requirements.stem}"
    python = folder / "bin" / "python"
    if python.exists() and stamp.is_file() and stamp.read_text() == key:
        return
    if not _usable(python):
        print(f"making {folder} with Python {sys.version.split()[0]}", flush=True)
        _run([sys.executable, "-m", "venv", "--clear", str(folder)], f"{folder}: cannot be made")
    print(f"installing {requirements} into {folder}", flush=True)
    stamp.unlink(missing_ok=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--require-hashes", "--only-binary=:all:", f"--requirement={requirements}"]
    _run(command, f"{requirements}: cannot be installed into {folder}")
    stamp.write_text(key)


def _usable(python: Path) -> bool:
    """Say whether the environment's Python runs, is this version, and has pip."""
    check = "import pip, sys; print(sys.version)"
    try:
        done = subprocess.run([python, "-c", check], capture_output=True, text=True)
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.strip() == sys.version.strip()


def _run(command: list[str], failure: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
    if done.returncode != 0:
        raise EnvironmentFailure(f"{failure}:\n{done.stderr.strip()}\n  mend that and run it again")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
