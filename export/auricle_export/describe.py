"""Says in a manifest what an export is: in come the manifest that stands and an `Exported`, out goes the new table.

What a person wrote is kept: description, licence, sections of other rooms, files the export did not make, accuracy.
"""

from pathlib import Path
from typing import Any

from auricle_export import manifest
from auricle_export.derive import tools
from auricle_export.exported import Exported, ExportError
from auricle_export.lock import sha256_of
from auricle_export.origins import Entry

EXPORT = {"kind": "export"}
FOLDER = {"kind": "folder"}
LEADING = ("schema", "name", "family", "task", "description", "licence", "licence_note", "homepage", "language")
LEADING += ("minimum_ort", "opset", "parameters", "sample_rate_hz")
"""The order of the first lines of a new manifest."""


def described(
    old: dict[str, Any],
    said: dict[str, Any],
    exported: Exported,
    work: Path,
    family: str,
    precision: str,
    inputs: list[Entry],
    audio: list[Entry],
) -> dict[str, Any]:
    """Return the table of the manifest: `old` (empty for a new model), what the command was told, and the export.

    `ExportError` when the export does not fit the manifest that stands.
    """
    if old and old.get("family") != family:
        raise ExportError(
            f"its family is {old.get('family')!r}, and this is an export of {family}; name another folder"
        )
    facts = {
        "schema": manifest.SCHEMA,
        "family": family,
        "task": exported.task,
        "minimum_ort": exported.minimum_ort,
        "opset": exported.opset,
        "parameters": exported.parameters,
        "sample_rate_hz": exported.sample_rate_hz,
    }
    table = old | facts | said
    ours = {"file", "accuracy", "export", *exported.sections}
    sections = {key: value for key, value in table.items() if isinstance(value, dict) and key not in ours}
    values = {key: value for key, value in table.items() if key not in ours and key not in sections}
    # A manifest that stands keeps its order, a new one gets the usual one.
    ordered = values if old else {key: values[key] for key in LEADING if key in values} | values
    files = _files(old.get("file", []), exported, work, inputs)
    accuracy = {"accuracy": old["accuracy"]} if "accuracy" in old else {}
    export = _export(exported, family, precision, inputs, audio)
    return ordered | dict(exported.sections) | sections | {"file": files} | accuracy | {"export": export}


def _files(old: list[Entry], exported: Exported, work: Path, inputs: list[Entry]) -> list[Entry]:
    """List the export's files, then those of the manifest that stands which it does not replace."""
    places = {entry["sha256"]: entry["source"] for entry in inputs}
    before = {entry["sha256"]: entry["source"] for entry in old}
    files: list[Entry] = []
    for role, path in exported.files:
        digest = sha256_of(path)
        # A file of the source that is passed on as it is comes from where the source comes from.
        others = [each for each in places.get(digest, before.get(digest, [])) if each not in (EXPORT, FOLDER)]
        sources = [*others, FOLDER] if digest in places else [EXPORT, *others, FOLDER]
        name = path.relative_to(work).as_posix()
        files.append({"role": role, "path": name, "bytes": path.stat().st_size, "sha256": digest, "source": sources})
    made = {entry["role"] for entry in files} | {entry["path"] for entry in files}
    for entry in old:
        replaced = entry["role"] in made or entry["path"] in made or EXPORT in entry["source"]
        consumed = entry["sha256"] in places and entry["role"] != "sample"
        if not replaced and not consumed:
            files.append(entry)
    return files


def _export(exported: Exported, family: str, precision: str, inputs: list[Entry], audio: list[Entry]) -> dict[str, Any]:
    exporter, *packages = tools()
    table: dict[str, Any] = {
        "family": family,
        "precision": precision,
        "exporter": exporter,
        "packages": packages,
        "opset": exported.opset,
        "ir_version": exported.ir_version,
        "parity": [
            {"measure": each.measure, "value": float(each.value), "bound": float(each.bound)}
            for each in exported.parity
        ],
        "input": inputs,
    }
    return table | ({"audio": audio} if audio else {})
