"""Diffs: kinds, counts, cuts, and sentences about guarded paths."""

import os

import pytest

from obra.domain import ChangeKind, FileChange
from obra.errors import WorkspaceError
from obra.workspace.difference import tampering

LINES = "".join(f"line {number} of this file\n" for number in range(30))


def test_every_kind_of_change(root, workspace):
    """Created, modified, deleted, renamed, made executable and changed in type are told apart and counted."""
    for name in ("mod.py", "del.py", "old.py", "run.sh", "link.py"):
        (root / name).write_text(f"# {name}\n{LINES}")
    before = workspace.snapshot()
    (root / "new.py").write_text("a\nb\n")
    (root / "mod.py").write_text(f"# mod.py\n{LINES}more\n".replace("line 3 ", "row 3 "))
    (root / "del.py").unlink()
    (root / "sub").mkdir()
    (root / "old.py").rename(root / "sub" / "moved.py")
    (root / "run.sh").chmod(0o755)
    (root / "link.py").unlink()
    (root / "link.py").symlink_to("new.py")
    diff = workspace.diff(before, workspace.snapshot())
    found = {change.path: (change.kind, change.old_path, change.added, change.removed) for change in diff.changes}
    assert found == {
        "new.py": (ChangeKind.CREATED, "", 2, 0),
        "mod.py": (ChangeKind.MODIFIED, "", 2, 1),
        "del.py": (ChangeKind.DELETED, "", 0, 31),
        "sub/moved.py": (ChangeKind.RENAMED, "old.py", 0, 0),
        "run.sh": (ChangeKind.MODE_CHANGED, "", 0, 0),
        "link.py": (ChangeKind.TYPE_CHANGED, "", 1, 31),
    }
    for line in ("rename from old.py", "new mode 100755", "new file mode 120000", "+row 3 of this file"):
        assert line in diff.patch


def test_a_file_becomes_a_folder(root, workspace, git):
    """Both halves are in the changes, and git applies the patch."""
    (root / "a").write_text("a\n")
    before = workspace.snapshot()
    (root / "a").unlink()
    (root / "a").mkdir()
    (root / "a" / "b").write_text("b\n")
    after = workspace.snapshot()
    diff = workspace.diff(before, after)
    assert {(change.path, change.kind) for change in diff.changes} == {
        ("a", ChangeKind.DELETED),
        ("a/b", ChangeKind.CREATED),
    }
    workspace.restore(before)
    git(root, "init", "-q")
    git(root, "apply", "-", data=diff.patch.encode())
    assert workspace.snapshot() == after


def test_odd_names_in_the_patch(root, workspace, git):
    """Newlines, quotes, dashes, emoji and bytes that are no text are quoted so that git applies the patch."""
    before = workspace.snapshot()
    for name in (b"new\nline", b'quo"te', b"-rf", b"\xff\xfe", "\N{SNAKE}".encode(), b"back\\slash", b" b "):
        (root / os.fsdecode(name)).write_text("text\n")
    after = workspace.snapshot()
    diff = workspace.diff(before, after)
    assert {change.path for change in diff.changes} == {
        "new\nline", 'quo"te', "-rf", "\\xff\\xfe", "\N{SNAKE}", "back\\\\slash", " b "
    }  # fmt: skip
    workspace.restore(before)
    git(root, "init", "-q")
    git(root, "apply", "-", data=diff.patch.encode())
    assert workspace.snapshot() == after


def test_binary_files_are_said_to_be(root, workspace):
    """A binary change has no lines, only a sentence."""
    (root / "a.bin").write_bytes(b"\0\1")
    before = workspace.snapshot()
    (root / "a.bin").write_bytes(b"\0\2")
    diff = workspace.diff(before, workspace.snapshot())
    assert "Binary files a/a.bin and b/a.bin differ" in diff.patch
    assert (diff.changes[0].added, diff.changes[0].removed) == (0, 0)


def test_the_person_s_git_settings_do_not_matter(root, workspace, store, git):
    """The patch has the usual prefixes in a store whose owner prefers none."""
    (root / "a").write_text("a\n")
    before = workspace.snapshot()
    (root / "a").write_text("b\n")
    patch = workspace.diff(before, workspace.snapshot()).patch
    assert "--- a/a\n+++ b/a\n" in patch
    assert "noprefix = false" in (store.path / "config").read_text()


def test_equal_snapshots_have_no_difference(root, workspace):
    """Nothing changed gives nothing; an unknown snapshot is an error even against itself."""
    tree = workspace.snapshot()
    assert workspace.diff(tree, tree) == workspace.diff(tree, workspace.snapshot())
    assert workspace.diff(tree, tree).patch == ""
    with pytest.raises(WorkspaceError, match="no object"):
        workspace.diff("0" * 40, "0" * 40)


@pytest.mark.parametrize("limit", [0, 50, 300, 1500, 5000])
def test_large_patches_are_cut_per_file(root, workspace, limit):
    """The limit holds; small files stay whole while there is room, and every cut is said."""
    before = workspace.snapshot()
    (root / "small.py").write_text("x = 1\n")
    for name in ("big1.py", "big2.py"):
        (root / name).write_text(LINES * 100)
    after = workspace.snapshot()
    diff = workspace.diff(before, after, max_patch=limit)
    assert len(diff.patch) <= limit
    assert len(diff.changes) == 3
    assert [change.added for change in diff.changes] == [3000, 3000, 1]
    if limit >= 1500:
        assert "+x = 1" in diff.patch
        assert diff.patch.count("is left out]") == 2
    elif limit >= 300:
        assert "left out]" in diff.patch or "not shown" in diff.patch
    assert len(workspace.diff(before, after).patch) > 100_000


def test_more_files_than_room(root, workspace):
    """With hundreds of changed files the note says how many are not shown."""
    before = workspace.snapshot()
    for number in range(300):
        (root / f"{number}.py").write_text(LINES)
    diff = workspace.diff(before, workspace.snapshot(), max_patch=3000)
    assert len(diff.patch) <= 3000
    assert "more changed file(s) are not shown" in diff.patch


GUARDED = (".claude", ".mcp.json", "CLAUDE.md", "tests/acceptance/", "./pyproject.toml")


@pytest.mark.parametrize(
    ("path", "old_path", "is_tampering"),
    [
        ("CLAUDE.md", "", True),
        ("deep/CLAUDE.md", "", True),
        ("deep/claude.MD", "", True),
        ("a/b/.claude/settings.json", "", True),
        (".claude", "", True),
        ("x/.mcp.json", "", True),
        ("tests/acceptance/test_a.py", "", True),
        ("tests/acceptance", "", True),
        ("pyproject.toml", "", True),
        ("docs.md", "CLAUDE.md", True),
        ("CLAUDE.md", "docs.md", True),
        ("sub/pyproject.toml", "", False),
        ("sub/tests/acceptance/x", "", False),
        ("tests/acceptance.py", "", False),
        ("CLAUDE.md.txt", "", False),
        ("a.claude/x", "", False),
        ("b", "a", False),
    ],
)
def test_guarded_paths(path, old_path, is_tampering):
    """A change at, under, from or to a guarded path gives one sentence that names it; others give none."""
    kind = ChangeKind.RENAMED if old_path else ChangeKind.MODIFIED
    said = tampering([FileChange(path=path, old_path=old_path, kind=kind)], GUARDED)
    assert len(said) == is_tampering
    assert all(repr(path) in sentence for sentence in said)


def test_workspace_knows_its_guarded_paths(root, workspace):
    """The default guards what Claude Code takes its orders from."""
    before = workspace.snapshot()
    (root / ".claude").mkdir()
    (root / ".claude" / "settings.json").write_text("{}")
    diff = workspace.diff(before, workspace.snapshot())
    assert workspace.tampering(diff.changes) == ("guarded path '.claude/settings.json' was created",)
