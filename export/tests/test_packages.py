"""Debian packages: apt-get is a script here that writes down how it was called, and installs by making a file."""

from pathlib import Path

import pytest
from auricle_export import packages
from auricle_export.packages import Need, PackagesMissing, provide


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make that apt-get the only one on the path; return the file with its calls. It cannot install `no-such-thing`."""
    log = tmp_path / "calls"
    script = tmp_path / "bin" / "apt-get"
    script.parent.mkdir()
    script.write_text(
        f'#!/bin/sh\necho "$DEBIAN_FRONTEND $*" >> {log}\n'
        f'case "$*" in *install*no-such-thing*) exit 100;; *install*) : > {tmp_path}/installed;; esac\n'
    )
    script.chmod(0o755)
    (tmp_path / "bin/env").symlink_to("/usr/bin/env")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(packages.os, "geteuid", lambda: 0)
    return log


def need(tmp_path: Path, package: str = "libthing-dev") -> Need:
    return Need(package, "headers of a thing", (tmp_path / "installed").exists)


def test_apt_is_not_called_when_nothing_is_missing(tmp_path: Path, calls: Path) -> None:
    (tmp_path / "installed").touch()
    provide((need(tmp_path),))
    assert not calls.exists()


def test_what_is_missing_is_installed_and_nothing_is_removed_for_it(tmp_path: Path, calls: Path) -> None:
    provide((need(tmp_path), Need("python3", "already there", lambda: True)))
    update, install = calls.read_text().splitlines()
    assert update.startswith("noninteractive") and update.endswith(" update")
    assert install.startswith("noninteractive") and install.endswith(" libthing-dev")
    assert "--no-remove" in install

    calls.unlink()
    provide((need(tmp_path),))
    assert not calls.exists()


def test_a_package_that_apt_cannot_install_is_named(tmp_path: Path, calls: Path) -> None:
    with pytest.raises(PackagesMissing, match="still missing: no-such-thing; run 'apt-get install no-such-thing'"):
        provide((need(tmp_path, "no-such-thing"),))
    assert len(calls.read_text().splitlines()) == 2


def test_without_root_or_sudo_the_command_to_run_is_named(
    tmp_path: Path, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages.os, "geteuid", lambda: 1000)
    with pytest.raises(PackagesMissing, match="not root and no sudo: run 'apt-get install libthing-dev' as root"):
        provide((need(tmp_path),))
    assert not calls.exists()


def test_sudo_is_used_when_not_root(tmp_path: Path, calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sudo = tmp_path / "bin" / "sudo"
    sudo.write_text('#!/bin/sh\n[ "$1" = --non-interactive ] && shift\nSUDO=yes exec "$@"\n')
    sudo.chmod(0o755)
    monkeypatch.setattr(packages.os, "geteuid", lambda: 1000)
    provide((need(tmp_path),))
    assert len(calls.read_text().splitlines()) == 2


def test_where_there_is_no_apt_the_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PackagesMissing, match=r"missing: libthing-dev \(headers of a thing\); .* no apt-get here"):
        provide((need(tmp_path),))
