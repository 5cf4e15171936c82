"""How a scenario travels: an archive with its file and everything beside it that the file names.

The archive is named by its content, so that a scenario with many cases travels once, and is unpacked once by each
worker.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from obra.config import Config
from obra.errors import ScaleError, ScenarioError
from obra.scale.artefacts import Artefacts
from obra.scenarios.scenario import Scenario


class Source(NamedTuple):
    """Reference of an archive, and the scenario's file in it."""

    reference: str
    file: str


def pack(scenario: Scenario, config: Config, artefacts: Artefacts) -> Source:
    """Store what *scenario* needs to run elsewhere, unless it is stored already.

    Raises:
        ScenarioError: something that it names cannot be read.
        ScaleError: the archive cannot be stored.
    """
    file = scenario.path.absolute()
    needed = [file, *_beside(scenario, config)]
    root = Path(os.path.commonpath([path.parent for path in needed]))
    try:
        data = _archive(root, needed)
    except OSError as error:
        raise ScenarioError(
            f"{scenario.path}: {error.filename or root} cannot be read ({error.strerror}), and it must travel "
            f"with the scenario"
        ) from error
    reference = f"sources/{hashlib.sha256(data).hexdigest()}.tar"
    if not artefacts.has(reference):
        artefacts.write(reference, data)
    return Source(reference, file.relative_to(root).as_posix())


def unpack(source: Source, artefacts: Artefacts, folder: Path) -> Path:
    """Return the scenario's file of an archive, unpacked below *folder* once.

    Raises:
        ScaleError: the archive is not there or cannot be unpacked.
    """
    name = source.reference.rpartition("/")[2].removesuffix(".tar")
    place = folder / name
    if not place.is_dir():
        data = artefacts.read(source.reference)
        if hashlib.sha256(data).hexdigest() != name:
            raise ScaleError(
                f"{artefacts.shown}: {source.reference!r} is not what was stored there; submit it again"
            )
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{name[:12]}.", dir=folder) as unfinished:
            inner = Path(unfinished) / "source"
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                archive.extractall(inner, filter="data")  # refuses paths that lead out
            try:
                inner.rename(place)
            except OSError:
                if not place.is_dir():  # else another worker of this folder was first
                    raise
    return place / source.file


def _beside(scenario: Scenario, config: Config) -> Iterator[Path]:
    form, folder = scenario.form.workspace, scenario.path.absolute().parent
    named = [form.template, form.archive, form.git.url if form.git else None]
    paths = [Path(os.path.normpath(folder / name)) for name in named if name]
    yield from (path for path in paths if path.exists())
    if not scenario.is_several:
        tape = scenario.tape(config).file.absolute()
        if tape.is_file() and tape.is_relative_to(folder):
            yield tape


def _archive(root: Path, needed: list[Path]) -> bytes:
    """Return the same bytes for the same files, whenever and by whomever it is made."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted({inner for one in needed for inner in _below(one)}):
            archive.add(path, arcname=os.path.relpath(path, root), recursive=False, filter=_plain)
    return stream.getvalue()


def _below(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir() and not path.is_symlink():
        for inner in path.iterdir():
            yield from _below(inner)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime, member.uid, member.gid, member.uname, member.gname = 0, 0, 0, "", ""
    return member
