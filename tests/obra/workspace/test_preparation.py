"""Preparation: from files, a template or real git, and nothing half-made on failure."""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from obra.errors import WorkspaceError
from obra.workspace.preparation import FileContent, GitSource, prepare


def test_from_files(tmp_path, look):
    """Files are written exactly as given, folders made on the way; nothing at all gives an empty folder."""
    files = {"README.md": "# Hi\r\n", "src/\N{SNAKE}/a.py": "x = 'é'\n", "empty": ""}
    prepare(tmp_path / "deep" / "work", files=files)
    assert look(tmp_path / "deep" / "work") == {
        path.encode(): (False, text.encode()) for path, text in files.items()
    }
    prepare(tmp_path / "empty")
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x", "", ".", "a\0b"])
def test_paths_that_leave(tmp_path, path):
    """Absolute paths, climbing paths and no path at all are refused before anything is made."""
    with pytest.raises(WorkspaceError, match="does not stay"):
        prepare(tmp_path / "work", files={"good": "", path: "x"})
    assert not (tmp_path / "work").exists()


def test_paths_through_links(tmp_path):
    """A template's link that leads outside, or is the file itself, is no way out."""
    template = tmp_path / "template"
    template.mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "letter").write_text("mine")
    (template / "link").symlink_to(tmp_path / "outside")
    (template / "file").symlink_to(tmp_path / "letter")
    (template / "loop").symlink_to("loop")
    for path in ("link/x", "file", "loop/x"):
        with pytest.raises(WorkspaceError, match=r"symlink|cannot be written"):
            prepare(tmp_path / "work", template=template, files={path: "x"})
        assert not (tmp_path / "work").exists()
    assert list((tmp_path / "outside").iterdir()) == []
    assert (tmp_path / "letter").read_text() == "mine"


def test_conflicting_files(tmp_path):
    """A file that another path needs as a folder is a clear error, and an existing empty folder stays empty."""
    (tmp_path / "work").mkdir()
    with pytest.raises(WorkspaceError, match="cannot be written"):
        prepare(tmp_path / "work", files={"a": "", "a/b": ""})
    assert list((tmp_path / "work").iterdir()) == []


def test_text_that_is_no_text(tmp_path):
    """A lone surrogate cannot be written as UTF-8 and says so."""
    with pytest.raises(WorkspaceError, match="UTF-8"):
        prepare(tmp_path / "work", files={"a": "\udc80"})


@pytest.mark.parametrize("what", ["full", "file", "link"])
def test_a_used_root_is_refused(tmp_path, what):
    """A folder with content, a file and a link are refused and left alone."""
    root = tmp_path / "work"
    if what == "full":
        root.mkdir()
        (root / "mine").write_text("mine")
    elif what == "file":
        root.write_text("mine")
    else:
        root.symlink_to(tmp_path)
    with pytest.raises(WorkspaceError, match=r"new or empty|cannot be made"):
        prepare(root, files={"a": ""})
    if what == "full":
        assert [item.name for item in root.iterdir()] == ["mine"]
    assert not (tmp_path / "a").exists()


def test_from_a_template(tmp_path, look):
    """A template is copied with rights and links; files are laid on top."""
    template = tmp_path / "template"
    (template / "deep").mkdir(parents=True)
    (template / "deep" / "run.sh").write_text("#!/bin/sh\n")
    (template / "deep" / "run.sh").chmod(0o755)
    (template / "etc").symlink_to("/etc")
    (template / "a").write_text("template")
    prepare(tmp_path / "work", template=template, files={"a": "file"})
    assert look(tmp_path / "work") == look(template) | {b"a": (False, b"file")}
    assert os.access(tmp_path / "work" / "deep" / "run.sh", os.X_OK)


def test_bad_templates(tmp_path):
    """No folder, a folder around the workspace, and a template together with git are refused."""
    with pytest.raises(WorkspaceError, match="not a folder"):
        prepare(tmp_path / "work", template=tmp_path / "nothing")
    with pytest.raises(WorkspaceError, match="in each other"):
        prepare(tmp_path / "work", template=tmp_path)
    with pytest.raises(WorkspaceError, match="one of them"):
        prepare(tmp_path / "work", template=tmp_path, git=GitSource(url="x"))


@pytest.fixture
def upstream(tmp_path, git):
    """A repository with two commits, a tag on the first, and a second branch."""
    folder = tmp_path / "upstream"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "a").write_text("first\n")
    git(folder, "add", "a")
    git(folder, "commit", "-q", "-m", "first")
    git(folder, "tag", "v1")
    git(folder, "branch", "side")
    (folder / "a").write_text("second\n")
    git(folder, "commit", "-q", "-a", "-m", "second")
    return folder


def test_from_git(tmp_path, upstream, git):
    """The default branch, a branch, a tag and a commit each give their own content, history included."""
    first = git(upstream, "rev-parse", "v1").decode().strip()
    for number, (ref, content) in enumerate(
        {"": "second\n", "side": "first\n", "v1": "first\n", first: "first\n", "main": "second\n"}.items()
    ):
        root = tmp_path / f"work{number}"
        prepare(root, git=GitSource(url=str(upstream), ref=ref), files={"extra": "x"})
        assert (root / "a").read_text() == content
        assert (root / "extra").read_text() == "x"
        assert git(root, "log", "--oneline")


def test_git_s_own_words(tmp_path, upstream):
    """No such repository, ref or protocol: git's words are in the error, and nothing is left."""
    for source, words in (
        (GitSource(url=str(tmp_path / "nothing")), "does not exist"),
        (GitSource(url=str(upstream), ref="v9"), "v9"),
        (GitSource(url="ext::sh -c touch% pwned"), "not allowed"),
        (GitSource(url=str(upstream), ref="--help"), "no git ref"),
        (GitSource(url="--upload-pack=touch pwned"), "git could not clone"),
    ):
        with pytest.raises(WorkspaceError, match=words):
            prepare(tmp_path / "work", git=source)
        assert not (tmp_path / "work").exists()
    assert not list(tmp_path.rglob("pwned"))


def test_git_started_from_a_hook(tmp_path, upstream):
    """Variables that name another repository do not lead the clone astray."""
    os.environ["GIT_DIR"] = str(tmp_path / "elsewhere")
    try:
        prepare(tmp_path / "work", git=GitSource(url=str(upstream), ref="v1"))
    finally:
        del os.environ["GIT_DIR"]
    assert (tmp_path / "work" / "a").read_text() == "first\n"
    assert not (tmp_path / "elsewhere").exists()


def test_bytes_and_modes(tmp_path):
    """A file may be binary, and may be run; others may not."""
    files = {"logo.png": FileContent(content=b"\x89PNG\x00"), "run.sh": FileContent(content="x", executable=True)}
    prepare(tmp_path / "work", files=files)
    assert (tmp_path / "work" / "logo.png").read_bytes() == b"\x89PNG\x00"
    assert (tmp_path / "work" / "run.sh").stat().st_mode & 0o777 == 0o755
    assert not (tmp_path / "work" / "logo.png").stat().st_mode & 0o111


def test_an_archive_of_a_repository(tmp_path, upstream):
    """It is unpacked with its history and its modes, and files come on top."""
    with tarfile.open(tmp_path / "repo.tar.gz", "w:gz") as packed:
        packed.add(upstream, ".")
    prepare(tmp_path / "work", archive=tmp_path / "repo.tar.gz", files={"extra": "x"})
    log = subprocess.run(["git", "log", "--oneline"], cwd=tmp_path / "work", capture_output=True, check=True)
    assert log.stdout
    assert (tmp_path / "work" / "extra").read_text(encoding="utf-8") == "x"


def test_an_archive_that_leads_outside_or_is_none(tmp_path):
    """Neither a path out of the workspace nor half a file leaves anything behind."""
    with tarfile.open(tmp_path / "evil.tar", "w") as packed:
        packed.addfile(tarfile.TarInfo("../evil"))
    (tmp_path / "half.tar.gz").write_bytes(b"\x1f\x8b\x08half")
    for name in ("evil.tar", "half.tar.gz", "none.tar"):
        with pytest.raises(WorkspaceError, match="cannot be unpacked"):
            prepare(tmp_path / "work", archive=tmp_path / name)
        assert not (tmp_path / "work").exists()
    assert not (tmp_path / "evil").exists()


def test_a_bundle_is_cloned_at_a_ref(tmp_path, upstream):
    """A bundle, the one-file form of a repository, is a source like any other."""
    subprocess.run(
        ["git", "bundle", "create", "--quiet", tmp_path / "r.bundle", "--all"], cwd=upstream, check=True
    )
    prepare(tmp_path / "work", git=GitSource(url=str(tmp_path / "r.bundle"), ref="v1"))
    assert (tmp_path / "work" / ".git").exists()


def test_a_python_without_safe_archives_unpacks_none(tmp_path):
    """Python 3.11.0 to 3.11.3 would follow a path out of the workspace; it is told which Python does not."""
    old = shutil.which("python3.11", path="/usr/bin:/usr/local/bin")
    asked = "import sys, tarfile; sys.exit(hasattr(tarfile, 'data_filter'))"
    if old is None or subprocess.run([old, "-c", asked], check=False).returncode:
        pytest.skip("no Python 3.11 before 3.11.4 in /usr/bin or /usr/local/bin; Debian 12 has one: python3.11")
    with tarfile.open(tmp_path / "a.tar", "w") as packed:
        packed.addfile(tarfile.TarInfo("a"))
    code = (
        "import pathlib, sys; from obra.workspace.preparation import prepare\n"
        "prepare(pathlib.Path(sys.argv[1], 'work'), archive=pathlib.Path(sys.argv[1], 'a.tar'))"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [old, "-c", code, tmp_path], env={"PYTHONPATH": str(root)}, capture_output=True, text=True, check=False
    )
    said = f"the archive {tmp_path}/a.tar is not unpacked: this Python cannot do so safely; use 3.11.4 or newer"
    assert done.stderr.splitlines()[-1] == f"obra.errors.WorkspaceError: {said}"
    assert not (tmp_path / "work").exists()
