"""A workspace on its way to another machine and back, as a tar stream; symlinks and modes stay as they are.

What comes back was written by an agent, so nothing in it is trusted: no entry may land outside of its folder, not
even through a symlink that came before it.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO

from obra.errors import AgentCrashed


def pack(folder: Path, stream: IO[bytes]) -> None:
    """Write all of *folder* to *stream* as tar; owners stay behind, sockets and pipes too."""

    def anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
            return None
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, arcname=path.name, filter=anonymous)
        _let_go(archive)


def unpack(stream: IO[bytes], folder: Path, *, is_whole: Callable[[], bool]) -> None:
    """Make *folder* hold what the tar *stream* holds, and nothing else.

    The stream is read to its end first: when it breaks off, *folder* stays as it was. A tar that ends between two
    files looks complete, so *is_whole* is asked whether the sender said that it is.

    Raises:
        AgentCrashed: the stream breaks off, is no tar, or has an entry that leaves the folder.
    """
    arrived = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        try:
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                try:
                    _extract(archive, arrived)
                finally:
                    _let_go(archive)
        except (tarfile.TarError, EOFError) as error:
            raise AgentCrashed(
                f"the workspace did not come back whole: {error}; the local copy is as it was before the turn"
            ) from error
        if not is_whole():
            raise AgentCrashed(
                "the workspace did not come back whole; the local copy is as it was before the turn"
            )
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        for path in arrived.iterdir():
            path.rename(folder / path.name)
    finally:
        shutil.rmtree(arrived)


def _let_go(archive: tarfile.TarFile) -> None:
    """Break a circle: each member knows its archive, and that the stream.

    In it the collector may end the stream's buffer before the stream, which then complains at any later moment.
    """
    archive.members.clear()  # type: ignore[attr-defined]  # it is there; the stubs do not tell of it


def _extract(archive: tarfile.TarFile, root: Path) -> None:
    folders: list[tuple[Path, int]] = []
    for member in archive:
        name = PurePosixPath(member.name)
        if name == PurePosixPath("."):
            continue
        target = _inside(root, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = stat.S_IMODE(member.mode) & 0o777
        if member.isdir():
            _refuse_if(target.is_symlink(), name)
            target.mkdir(exist_ok=True)
            folders.append((target, mode))
        elif member.issym():
            target.symlink_to(member.linkname)
        elif member.islnk():
            os.link(_inside(root, PurePosixPath(member.linkname)), target, follow_symlinks=False)
        elif member.isreg():
            content = archive.extractfile(member)
            with target.open("xb") as file:
                if content is not None:
                    shutil.copyfileobj(content, file)
            target.chmod(mode)
            os.utime(target, (member.mtime, member.mtime))
    for target, mode in reversed(folders):
        target.chmod(mode | stat.S_IRWXU)  # a folder that we cannot enter could never be judged


def _inside(root: Path, name: PurePosixPath) -> Path:
    target = root / name
    leaves = name.is_absolute() or ".." in name.parts
    _refuse_if(leaves or not target.parent.resolve().is_relative_to(root.resolve()), name)
    return target


def _refuse_if(leaves: bool, name: PurePosixPath) -> None:
    if leaves:
        raise AgentCrashed(
            f"the workspace that came back has an entry outside of it: {str(name)!r}; it is refused"
        )
