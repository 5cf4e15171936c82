"""The diff of two snapshots of which the second only has more: new files with plain names and plain text.

Most attempts in an empty workspace come to that, and all of it stands in the two trees. Whatever else there is to
compare (lines, renames, modes, links, odd names, anything binary) is libgit2's work.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from obra.workspace.snapshot_store import FILE, FOLDER, PROGRAM, SnapshotStore

_PLAIN_NAME = re.compile(rb"[A-Za-z0-9_.+@=-]+")
"""Names that git neither quotes nor marks the end of."""
_PLAIN_TEXT = re.compile(rb"[^\x00-\x08\x0b-\x0c\x0e-\x1f\x7f]*")
"""What git never takes for binary, if it is UTF-8."""
_ABBREVIATED = 7
"""Digits of an id in a patch; the store's own settings say so, too."""


class AddedFile(NamedTuple):
    """A file that only the later snapshot has."""

    path: str
    added: int
    """Lines."""
    patch: str
    """As ``git diff`` shows it."""


def added_files(store: SnapshotStore, before: str, after: str, largest: int) -> list[AddedFile] | None:
    """Return what the snapshot *after* has more than *before*, sorted by path.

    Args:
        store: where both are.
        before: a tree id.
        after: another one.
        largest: bytes of a file, of which more are not looked at here.

    Returns:
        ``None`` where there is anything else to compare; see :func:`obra.workspace.difference.compare`.
    """
    found: list[AddedFile] = []
    for path, mode, name in _more(store, b"", before, after):
        data = None if mode not in (FILE, PROGRAM) else store.loose_blob(name)
        if data is None or len(data) > largest or not _PLAIN_TEXT.fullmatch(data):
            return None
        try:
            found.append(_added(path.decode("ascii"), mode, name, data.decode("utf-8")))
        except UnicodeDecodeError:
            return None
    return sorted(found)


_OTHER = 0
"""Stands for the mode of what is no new file."""


def _more(store: SnapshotStore, above: bytes, before: str, after: str) -> Iterator[tuple[bytes, int, str]]:
    """Yield path, mode and id of each entry that only *after* has, and one of the mode 0 for anything else."""
    old, new = (store.loose_tree(name) if name else [] for name in (before, after))
    if old is None or new is None:
        yield above, _OTHER, ""
        return
    known = {entry.name: entry for entry in old}
    for entry in new:
        was = known.pop(entry.name, None)
        path = above + entry.name
        if was == entry:
            continue
        if not _PLAIN_NAME.fullmatch(entry.name) or (was and (was.mode, entry.mode) != (FOLDER, FOLDER)):
            yield path, _OTHER, ""
        elif entry.mode == FOLDER:
            yield from _more(store, path + b"/", was.id if was else "", entry.id)
        else:
            yield path, entry.mode, entry.id
    if known:
        yield above, _OTHER, ""


def _added(path: str, mode: int, name: str, text: str) -> AddedFile:
    """Return the patch of a new file, as git writes it."""
    ids = f"{'0' * _ABBREVIATED}..{name[:_ABBREVIATED]}"
    head = f"diff --git a/{path} b/{path}\nnew file mode {mode:o}\nindex {ids}\n--- /dev/null\n+++ b/{path}\n"
    if not text:
        return AddedFile(path, 0, head)
    *lines, rest = text.split("\n")
    body = "".join(f"+{line}\n" for line in lines)
    if rest:
        body += f"+{rest}\n\\ No newline at end of file\n"
        lines.append(rest)
    span = f"+1,{len(lines)}" if len(lines) > 1 else "+1"
    return AddedFile(path, len(lines), f"{head}@@ -0,0 {span} @@\n{body}")
