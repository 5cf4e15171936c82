"""Make a workspace: empty, from files, from a template folder, or from a git repository."""

from __future__ import annotations

import contextlib
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from obra.domain import Record
from obra.errors import WorkspaceError
from obra.workspace.processes import run_command

_GIT_SECONDS = 600.0
_GIT_OUTPUT = 4000
_EXECUTABLE = 0o755
_PLACES = frozenset(
    {
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_COMMON_DIR",
        "GIT_PREFIX",
        "GIT_NAMESPACE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    }
)
"""Set where Obra is started from a git hook, and then git would work on that repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GitSource(Record):
    """Where a workspace is cloned from. ``ref`` is a branch, tag or commit; empty means the default branch."""

    url: str
    ref: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContent(Record):
    """What a file is to hold, and whether it may be run."""

    content: str | bytes
    executable: bool = False


def prepare(
    root: Path,
    *,
    files: Mapping[str, str | FileContent] | None = None,
    template: Path | None = None,
    archive: Path | None = None,
    git: GitSource | None = None,
) -> None:
    """Make the folder *root* and fill it: a template, an archive or a clone first, then the files on top.

    On failure whatever was put there is removed again.

    Args:
        root: a folder that is new or empty.
        files: text or content by path, relative with ``/``; written exactly as given, text as UTF-8.
        template: a folder that is copied; symlinks stay symlinks.
        archive: a tar file that is unpacked, whatever it is compressed with; modes are kept, and nothing of it may
            lead out of *root*.
        git: a repository that is cloned with the ``git`` command, which never asks anything.

    Raises:
        WorkspaceError: *root* is in use, a path leads outside it, or what it is to be made from cannot be had.
    """
    given = {"a template": template, "an archive": archive, "a git source": git}
    sources = [name for name, source in given.items() if source is not None]
    if len(sources) > 1:
        raise WorkspaceError(f"the workspace {root} has both {' and '.join(sources)}; give one of them")
    contents = {path: (_inside(path), *_content(path, file)) for path, file in (files or {}).items()}
    with _filled_or_empty(root):
        if template is not None:
            _copy_template(template, root)
        if archive is not None:
            _unpack(archive, root)
        if git is not None:
            _clone(git, root)
        for path, (relative, content, executable) in contents.items():
            _write(root, relative, path, content)
            if executable:
                (root / relative).chmod(_EXECUTABLE)


@contextlib.contextmanager
def _filled_or_empty(root: Path) -> Iterator[None]:
    """Make *root*, and empty it again when filling it fails."""
    existed = root.exists()
    try:
        if root.is_symlink() or (existed and any(root.iterdir())):
            raise WorkspaceError(f"{root} is not a new or empty folder; name another or empty it first")
        if not existed:
            root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkspaceError(
            f"the workspace {root} cannot be made: {error.strerror}; name another folder"
        ) from error
    try:
        yield
    except BaseException:
        shutil.rmtree(root, ignore_errors=True)
        if existed:
            root.mkdir(exist_ok=True)
        raise


def _inside(path: str) -> PurePosixPath:
    relative = PurePosixPath(path)
    if relative.is_absolute() or ".." in relative.parts or not relative.parts or "\0" in path:
        raise WorkspaceError(f"the path {path!r} does not stay in the workspace; use a relative path without '..'")
    return relative


def _content(path: str, file: str | FileContent) -> tuple[bytes, bool]:
    if isinstance(file, str):
        file = FileContent(content=file)
    if isinstance(file.content, bytes):
        return file.content, file.executable
    try:
        return file.content.encode("utf-8"), file.executable
    except UnicodeEncodeError as error:
        raise WorkspaceError(f"the text for {path!r} cannot be written as UTF-8: {error.reason}") from error


def _write(root: Path, relative: PurePosixPath, path: str, content: bytes) -> None:
    target = root / relative
    try:
        if target.is_symlink() or not target.parent.resolve().is_relative_to(root.resolve()):
            raise WorkspaceError(f"the path {path!r} leads through a symlink; name the real place")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    except (OSError, RuntimeError) as error:  # RuntimeError: a symlink loop, in Python before 3.13
        reason = getattr(error, "strerror", None) or error
        raise WorkspaceError(f"{path!r} cannot be written in the workspace {root}: {reason}") from error


def _copy_template(template: Path, root: Path) -> None:
    if not template.is_dir():
        raise WorkspaceError(f"the template {template} is not a folder; name one that exists")
    source, target = template.resolve(), root.resolve()
    if target.is_relative_to(source) or source.is_relative_to(target):
        raise WorkspaceError(f"the template {template} and the workspace {root} lie in each other; move one away")
    try:
        shutil.copytree(source, root, symlinks=True, dirs_exist_ok=True)
    except (shutil.Error, OSError) as error:
        raise WorkspaceError(f"the template {template} cannot be copied: {error}") from error


def _unpack(archive: Path, root: Path) -> None:
    import tarfile

    if not hasattr(tarfile, "data_filter"):
        raise WorkspaceError(
            f"the archive {archive} is not unpacked: this Python cannot do so safely; use 3.11.4 or newer"
        )
    try:
        with tarfile.open(archive) as opened:
            opened.extractall(root, filter="data")
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise WorkspaceError(f"the archive {archive} cannot be unpacked: {error}") from error


def _clone(source: GitSource, root: Path) -> None:
    if source.ref.startswith("-"):
        raise WorkspaceError(f"{source.ref!r} is no git ref: a ref never begins with '-'")
    _git(["clone", "--quiet", "--", source.url, str(root.absolute())], root.absolute().parent, source)
    if source.ref:
        _git(["checkout", "--quiet", source.ref, "--"], root, source)


def _git(arguments: list[str], cwd: Path, source: GitSource) -> None:
    """Run git with our own environment: it may need a proxy, an SSH agent or a credential helper."""
    environment = {name: value for name, value in os.environ.items() if name not in _PLACES}
    ssh = os.environ.get("GIT_SSH_COMMAND", "ssh")
    environment |= {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": f"{ssh} -oBatchMode=yes", "LC_ALL": "C"}
    result = run_command(
        ["git", *arguments], cwd=cwd, environment=environment, timeout=_GIT_SECONDS, max_output=_GIT_OUTPUT
    )
    if result.exit_code != 0:
        words = f"no answer in {_GIT_SECONDS:.0f} s" if result.timed_out else result.output.strip()
        at = f" at {source.ref!r}" if source.ref else ""
        raise WorkspaceError(f"git could not {arguments[0]} {source.url!r}{at}: {words}")
