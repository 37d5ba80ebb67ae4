"""The command of a family: in come trained weights, out go the ONNX files and the manifest that the runtime loads.

    python -m auricle_export moonshine --source FOLDER --output models/moonshine-tiny-en --precision int8 --licence MIT

Everything is made and compared with its source in a folder beside the output; only then is the output touched. A model
whose manifest has [export] already is exported anew without `--source`: from what the manifest lists.
"""

import argparse
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from auricle_export import derive, fetch, lock, manifest, toml_write
from auricle_export.describe import described
from auricle_export.exported import PRECISIONS, Exported, ExportError
from auricle_export.manifest import Manifest, ManifestError
from auricle_export.origins import Origins
from auricle_export.sources import SourceError

SAID = ("description", "licence", "licence_note", "homepage", "language")
"""What only a person can say of a model: arguments and keys of the manifest."""


def main(family: str, arguments: list[str]) -> int:
    """Run the command for a family; 0 when the model is in place, 1 when it could not be made, 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        prog=f"auricle_export {family}",
        description=f"Export a model of the family {family}, compare it with its source, and write its manifest.",
    )
    parser.add_argument(
        "--output", type=Path, required=True, metavar="models/NAME", help="the model's folder, which has its name"
    )
    parser.add_argument("--source", type=Path, metavar="FOLDER", help="the weights (default: what the manifest lists)")
    parser.add_argument("--precision", choices=PRECISIONS, help="of the weights (default: the manifest's, else fp32)")
    parser.add_argument(
        "--audio", type=Path, nargs="+", metavar="FILE.wav", help="real sound to compare on (default: the manifest's)"
    )
    places = parser.add_argument_group("where the source's files can be had from, for the manifest")
    places.add_argument("--wheel", type=Path, nargs="+", default=[], help="wheels to look for them in, byte for byte")
    places.add_argument("--url", nargs="+", default=[], help="addresses of folders that hold them")
    human = parser.add_argument_group("what a person says of the model (default: what the manifest says)")
    human.add_argument("--licence", metavar="SPDX", help="licence of the weights; a new model needs it")
    human.add_argument("--licence-note", metavar="TEXT", help="who says so")
    human.add_argument("--description", metavar="TEXT", help="one line")
    human.add_argument("--homepage", metavar="URL", help="where the weights come from")
    human.add_argument("--language", metavar="CODE", help="language of its captions, such as 'en'")
    options = parser.parse_args(arguments)

    path: Path = options.output.resolve() / "model.toml"
    if not path.exists():
        if not options.licence:
            parser.error(f"{options.output} is new: name the weights' licence, such as '--licence MIT'")
        if options.source is None:
            parser.error(f"{options.output} is new: name the folder of its weights, '--source FOLDER'")
    try:
        export(family, path, options)
    except (ExportError, ManifestError, SourceError) as error:
        print(f"{options.output}: not exported, nothing was changed: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{options.output}: cannot be written: {error}", file=sys.stderr)
        return 1
    return 0


def export(family: str, path: Path, options: argparse.Namespace) -> None:
    """Export into the folder of the `model.toml` at `path`; raises before that folder is touched, or not at all."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    standing = manifest.read(path) if text else None
    old: dict[str, Any] = tomllib.loads(text)
    section = old.get("export", {})
    precision = options.precision or section.get("precision", "fp32")

    if options.source is None and (standing is None or standing.export is None):
        raise ExportError("its manifest does not say what it is exported from; name the folder, '--source FOLDER'")
    source = options.source or derive.bring_source(standing)
    if not source.is_dir():
        raise ExportError(f"{source}: is not a folder; --source names the folder that holds the weights")
    audio = tuple(options.audio or (derive.bring_audio(standing) if standing else ()))
    if missing := [str(each) for each in audio if not each.is_file()]:
        raise ExportError(f"{', '.join(missing)}: no such file; --audio names WAV files of real sound")
    if len({each.name for each in audio}) != len(audio):
        raise ExportError("two files of --audio have the same name; rename one")

    path.parent.parent.mkdir(parents=True, exist_ok=True)
    # Beside the output, so that the last steps are renames within one disk.
    with tempfile.TemporaryDirectory(dir=path.parent.parent, prefix=".export-") as folder:
        work = Path(folder)
        exported = derive.run(family, source, work, precision, audio)
        known = [*section.get("input", []), *section.get("audio", []), *old.get("file", [])]
        known = [{**each, "source": [one for one in each["source"] if one["kind"] != "export"]} for each in known]
        origins = Origins(options.wheel, options.url, known)
        inputs = [origins.entry(each, name) for each, name in _inputs(exported, source)]
        heard = [Origins(options.wheel, (), known).entry(each, each.name) for each in audio]
        said = {key: value for key in SAID if (value := getattr(options, key)) is not None}
        said.setdefault("description", old.get("description", f"{exported.task}, {family} in {precision}"))
        said["name"] = path.parent.name
        table = described(old, said, exported, work, family, precision, inputs, heard)
        # What is about to be written is read as the next run will read it.
        new = manifest.parse(tomllib.loads(toml_write.dumps(table)), path)
        _place(new, exported, work, toml_write.rewrite(text, table) if text else toml_write.dumps(table))
    for each in exported.parity:
        print(f"  {each.measure}: {each.value:g} (at most {each.bound:g})")
    size = sum(file.bytes for file in new.files)
    print(f"{options.output}: {family}, {precision}, {len(new.files)} files, {size:,} bytes")
    before = {entry["sha256"] for entry in old.get("file", [])}
    if "accuracy" in table and not {file.sha256 for file in new.files} <= before:
        print(f"{options.output}: the figures under [[accuracy]] were measured on other files: measure again")


def _inputs(exported: Exported, source: Path) -> list[tuple[Path, str]]:
    """List the files that the export read, and what the manifest calls them."""
    read = exported.inputs or tuple(sorted(path for path in source.rglob("*") if path.is_file()))
    return [(path, path.relative_to(source).as_posix()) for path in read]


def _place(new: Manifest, exported: Exported, work: Path, text: str) -> None:
    """Move the export into its folder, then write its manifest and its lock."""
    before = lock.read(new)
    new.folder.mkdir(exist_ok=True)
    made = {path.relative_to(work).as_posix(): path for _, path in exported.files}
    assert new.export is not None, "what describes an export has [export]"
    built = derive.record(new.export)
    entries = []
    for file in new.files:
        if file.path in made:
            target = new.folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            made[file.path].replace(target)
            entries.append(fetch.locked(new, file, "export", built))
        elif lock.holds(entry := before.get(file.path), new, file):
            assert entry is not None, "the lock holds what it lists"
            entries.append(entry)
    temporary = new.folder / ".model.toml.new"
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(new.folder / "model.toml")
    fetch.sweep(new, before)
    lock.write(new, entries)
