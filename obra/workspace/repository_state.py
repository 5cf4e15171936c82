"""What a workspace's own ``.git`` says, read from its files: an agent may commit, switch, or plant a hook.

Nothing is started (git itself would run what a planted configuration names) and no link is followed.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path

_RUNS_SOMETHING = re.compile(
    rb"\s*(hookspath|fsmonitor|sshcommand|gitproxy|askpass|editor|pager|clean|smudge|process|textconv|command|cmd|"
    rb"helper|program|driver|path|external|difffilter|packobjectshook|alternaterefscommand|receivepack|uploadpack|"
    rb"worktree\b|[\w-]+\s*=\s*[\"']*!)",
    re.IGNORECASE,
)
"""Settings of git whose value is a program, a file of settings or another folder to look at, and aliases that run
a program (git-config(1))."""
_SECTION = re.compile(rb'\s*\[(?:[^\]"]|"(?:\\.|[^"\\])*")*\]')
"""The head of a section; a setting may stand on the same line."""
_LARGEST = 16 << 20
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def repository_state(root: Path) -> str:
    """Return HEAD, commit, and hashes of config, of programs it names, and of hooks; empty without repository.

    Each stands on a line. Two states are equal when nothing of it changed; the lines tell which part did.
    """
    git = root / ".git"
    try:
        status = git.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    if not stat.S_ISDIR(status.st_mode):
        content = os.fsencode(git.readlink()) if stat.S_ISLNK(status.st_mode) else _read(git)
        return f"linked: {_hash(content)}"
    head = _read(git / "HEAD").decode("utf-8", errors="backslashreplace").strip()
    lines = {
        "head": head,
        "commit": _commit(git, head.removeprefix("ref: ")) if head.startswith("ref: ") else head,
        "config": _hash(_read(git / "config")),
        "programs": _programs(_read(git / "config") + b"\n" + _read(git / "config.worktree")),
        "hooks": _hooks(git / "hooks"),
    }
    return "\n".join(f"{name}: {value}" for name, value in lines.items())


def planted_hooks(before: str, after: str) -> tuple[str, ...]:
    """Return a sentence when what git would run in the workspace changed between two states.

    A commit, a branch and a setting such as ``user.name`` are an agent's good right; a hook is code that runs
    later, in the hands of whoever uses the repository next.
    """
    known = _parts(before)
    found = _parts(after)
    changed = [name for name in ("hooks", "programs", "linked") if known.get(name, "") != found.get(name, "")]
    places = {"hooks": ".git/hooks", "programs": "a program named in .git/config", "linked": "the place of .git"}
    return tuple(f"{places[name]} changed: it is code that git runs by itself" for name in changed)


def _parts(state: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in state.splitlines() if ": " in line)


def _programs(config: bytes) -> str:
    """Return one hash of the settings that make git run something; empty when there is none."""
    found = (_SECTION.sub(b"", line, count=1) for line in config.replace(b"\\\n", b"").splitlines())
    lines = [line.strip() for line in found if _RUNS_SOMETHING.match(line)]
    return _hash(b"\n".join(lines)) if lines else ""


def _commit(git: Path, name: str) -> str:
    """Return the commit of a branch, from its own file or the packed list; empty when it has none yet."""
    if not name.startswith("refs/") or ".." in name.split("/"):
        return ""
    loose = _read(git / name).decode("ascii", errors="backslashreplace").strip()
    if loose:
        return loose
    for line in _read(git / "packed-refs").decode("utf-8", errors="backslashreplace").splitlines():
        commit, _, packed = line.partition(" ")
        if packed == name:
            return commit
    return ""


def _hooks(folder: Path) -> str:
    """Return one hash of all that git would run; the samples that git puts there are not."""
    if folder.is_symlink():
        return f"linked to {os.fsencode(folder.readlink())!r}"
    if not folder.is_dir():
        return ""
    parts = []
    for hook in sorted(folder.iterdir()):
        if hook.suffix != ".sample":
            status = hook.lstat()
            is_link = stat.S_ISLNK(status.st_mode)
            content = os.fsencode(hook.readlink()) if is_link else _read(hook)
            parts.append(f"{os.fsencode(hook.name)!r} {status.st_mode:o} {_hash(content)}")
    return _hash("\n".join(parts).encode()) if parts else ""


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _read(path: Path) -> bytes:
    """Return a regular file's content, its first 16 MiB; empty for anything else or nothing."""
    try:
        descriptor = os.open(path, _OPEN)
    except OSError:  # missing, a link, a socket, not ours: each is a state that differs from a readable file
        return b""
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(_LARGEST) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
