"""What differs between two snapshots: the changes as records, and a patch that ``git apply`` takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from obra.domain import ChangeKind, FileChange, Record
from obra.workspace.added_files import added_files
from obra.workspace.path_names import to_text
from obra.workspace.snapshot_store import SnapshotStore

if TYPE_CHECKING:
    import pygit2

_LARGEST = 4 << 20
"""Bytes of a file on either side beyond which its lines are not compared."""

_ANY_FOLDER = frozenset(
    {
        ".claude",
        ".codex",
        ".gemini",
        ".mcp.json",
        ".opencode",
        "agents.md",
        "claude.local.md",
        "claude.md",
        "gemini.md",
    }
)
"""What agents read in every folder they visit, not only at the top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceDiff(Record):
    """What differs between two snapshots.

    ``patch`` is a unified diff in git's format. ``git apply`` takes it unless a file is binary (only said),
    its text is not UTF-8 (bytes that are not are shown as U+FFFD), or the patch had to be cut (said as well).
    """

    changes: tuple[FileChange, ...] = ()
    patch: str = ""


def compare(store: SnapshotStore, before: str, after: str, max_patch: int) -> WorkspaceDiff:
    """Compare two snapshots; see :meth:`obra.workspace.workspace.Workspace.diff`."""
    if before == after:
        store.read_tree(before)
        return WorkspaceDiff()
    added = added_files(store, before, after, _LARGEST)
    if added is None:
        return compared_by_git(store, before, after, max_patch)
    new = tuple(FileChange(path=one.path, kind=ChangeKind.CREATED, added=one.added) for one in added)
    return WorkspaceDiff(changes=new, patch=_joined([one.patch for one in added], max_patch))


def compared_by_git(store: SnapshotStore, before: str, after: str, max_patch: int) -> WorkspaceDiff:
    """Compare two snapshots of any kind; what :func:`compare` says of the plainest ones is the same."""
    diff = store.diff(before, after)
    changes: list[FileChange] = []
    sections: list[str] = []
    for number, delta in enumerate(diff.deltas):
        change, section = _one(store, diff, number, delta)
        changes.append(change)
        sections.append(section)
    return WorkspaceDiff(changes=_with_type_changes(changes), patch=_joined(sections, max_patch))


def _one(store: SnapshotStore, diff: pygit2.Diff, number: int, delta: pygit2.DiffDelta) -> tuple[FileChange, str]:
    kind = _kind(delta)
    old, new = to_text(delta.old_file.raw_path), to_text(delta.new_file.raw_path)
    path = old if kind is ChangeKind.DELETED else new
    old_path = old if kind is ChangeKind.RENAMED else ""
    sides = [side for side in (delta.old_file, delta.new_file) if side.mode]
    if max(store.size(str(side.id)) for side in sides) > _LARGEST:
        section = (
            f"diff --git a/{old} b/{new}\n[the file is larger than {_LARGEST} bytes; its lines are not compared]\n"
        )
        return FileChange(path=path, kind=kind, old_path=old_path), section
    patch: pygit2.Patch = diff[number]  # type: ignore[assignment]  # only an unchanged file has none
    _, added, removed = patch.line_stats
    section = patch.data.decode("utf-8", errors="replace")
    return FileChange(path=path, kind=kind, old_path=old_path, added=added, removed=removed), section


def _kind(delta: pygit2.DiffDelta) -> ChangeKind:
    from pygit2.enums import DeltaStatus

    if delta.status == DeltaStatus.MODIFIED and delta.old_file.id == delta.new_file.id:
        return ChangeKind.MODE_CHANGED
    return {
        DeltaStatus.ADDED: ChangeKind.CREATED,
        DeltaStatus.DELETED: ChangeKind.DELETED,
        DeltaStatus.RENAMED: ChangeKind.RENAMED,
    }.get(delta.status, ChangeKind.MODIFIED)


def _with_type_changes(changes: Sequence[FileChange]) -> tuple[FileChange, ...]:
    """Join what git's patch has to take apart: a file that went and a link that came under one name."""
    gone = {change.path: change for change in changes if change.kind is ChangeKind.DELETED}
    came = {change.path for change in changes if change.kind is ChangeKind.CREATED}
    both = gone.keys() & came
    joined = []
    for change in changes:
        if change.path not in both or change.kind not in (ChangeKind.CREATED, ChangeKind.DELETED):
            joined.append(change)
        elif change.kind is ChangeKind.CREATED:
            removed = gone[change.path].removed
            joined.append(
                FileChange(path=change.path, kind=ChangeKind.TYPE_CHANGED, added=change.added, removed=removed)
            )
    return tuple(joined)


def _joined(sections: Sequence[str], limit: int) -> str:
    """Join the files' patches within *limit* characters: small files whole, large ones cut to a fair share."""
    if sum(map(len, sections)) <= limit:
        return "".join(sections)
    note_room = 100
    left = limit - note_room
    share: dict[int, int] = {}
    by_size = sorted(range(len(sections)), key=lambda number: len(sections[number]))
    for rank, number in enumerate(by_size):
        share[number] = min(len(sections[number]), left // (len(sections) - rank))
        left -= share[number]
    shown = [part for number, text in enumerate(sections) if (part := _cut(text, share[number]))]
    hidden = len(sections) - len(shown)
    note = f"[{hidden} more changed file(s) are not shown: the patch is limited to {limit} characters]\n"
    return ("".join(shown) + (note if hidden else ""))[: max(limit, 0)]


def _cut(section: str, room: int) -> str:
    """Return the first lines of *section* and a note within *room*; nothing when not even that fits."""
    if len(section) <= room:
        return section
    lines = section.splitlines(keepends=True)
    note = f"[... the rest of this file's {len(lines)} patch lines is left out]\n"
    kept, used = [], len(note)
    for line in lines:
        used += len(line)
        if used > room:
            break
        kept.append(line)
    return "".join(kept) + note if kept else ""


def tampering(changes: Sequence[FileChange], guarded: Sequence[str]) -> tuple[str, ...]:
    """Return a sentence for each change at or under a guarded path, renames from and to it too.

    Guarded paths count from the top of the workspace; the names that agents look for count in any
    folder. Case does not matter, because on some file systems it does not.
    """
    rules = [steps for path in guarded if (steps := _steps(path))]
    return tuple(sentence for change in changes for sentence in _sentences(change, rules))


def _sentences(change: FileChange, rules: Sequence[tuple[str, ...]]) -> Iterator[str]:
    said = change.kind.value.replace("_", " ")
    if change.old_path and _is_guarded(change.old_path, rules):
        yield f"guarded path {change.old_path!r} was {said} to {change.path!r}"
    elif _is_guarded(change.path, rules):
        origin = f" from {change.old_path!r}" if change.old_path else ""
        yield f"guarded path {change.path!r} was {said}{origin}"


def _steps(path: str) -> tuple[str, ...]:
    return tuple(step for step in path.casefold().split("/") if step not in ("", "."))


def _is_guarded(path: str, rules: Sequence[tuple[str, ...]]) -> bool:
    steps = _steps(path)
    for rule in rules:
        if steps[: len(rule)] == rule:
            return True
        if len(rule) == 1 and rule[0] in _ANY_FOLDER and rule[0] in steps:
            return True
    return False
