"""A workspace as tar, there and back; what comes back is hostile until shown otherwise."""

from __future__ import annotations

import gc
import io
import socket
import stat
import tarfile
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from obra.agents.ssh_files import pack, unpack
from obra.errors import AgentCrashed


def archive_of(*members: tuple[str, dict]) -> io.BytesIO:
    """A tar with the given names and header fields."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, fields in members:
            member = tarfile.TarInfo(name)
            for key, value in fields.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    stream.seek(0)
    return stream


@pytest.mark.parametrize(
    "members",
    [
        [("../evil", {"size": 1})],
        [("/tmp/evil", {"size": 1})],
        [("a/../../evil", {"size": 1})],
        [("link", {"type": tarfile.SYMTYPE, "linkname": ".."}), ("link/evil", {"size": 1})],
        [("hard", {"type": tarfile.LNKTYPE, "linkname": "../keep"})],
        [
            ("link", {"type": tarfile.SYMTYPE, "linkname": "../keep"}),
            ("hard", {"type": tarfile.LNKTYPE, "linkname": "link/x"}),
        ],
        [
            ("link", {"type": tarfile.SYMTYPE, "linkname": ".."}),
            ("link", {"type": tarfile.DIRTYPE, "mode": 0o777}),
        ],
    ],
)
def test_no_entry_may_leave_the_workspace(tmp_path: Path, members: list):
    """A hostile archive writes nothing outside and leaves the workspace as it was."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "mine").write_text("mine")
    (tmp_path / "keep").write_text("keep")
    with pytest.raises(AgentCrashed, match="outside of it"):
        unpack(archive_of(*members), folder, is_whole=lambda: True)
    assert [path.name for path in folder.iterdir()] == ["mine"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keep", "workspace"]


@pytest.mark.parametrize("cut", [0, 100, 512, 700, 1024])
def test_an_archive_that_breaks_off_changes_nothing(tmp_path: Path, cut: int):
    """Wherever the stream ends early, the workspace stays as it was."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "mine").write_text("mine")
    stream = io.BytesIO(archive_of(("a", {"size": 300}), ("b", {"size": 300})).getvalue()[:cut])
    with pytest.raises(AgentCrashed, match="did not come back whole"):
        unpack(stream, folder, is_whole=lambda: False)
    assert [path.name for path in folder.iterdir()] == ["mine"]


def test_a_workspace_survives_the_journey(tmp_path: Path):
    """Odd names, empty folders, modes, links and hard links are the same after packing and unpacking."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    (here / "é ☃\n'quoted'").write_bytes(b"\x00\xff")
    (here / ("long" * 60)).write_text("long")
    (here / "empty").mkdir(mode=0o700)
    (here / "run").write_text("x")
    (here / "run").chmod(0o751)
    (here / "twin").hardlink_to(here / "run")
    (here / "up").symlink_to("../..")
    with socket.socket(socket.AF_UNIX) as odd:
        odd.bind(str(here / "socket"))
        stream = io.BytesIO()
        pack(here, stream)
    stream.seek(0)
    unpack(stream, there, is_whole=lambda: True)
    assert sorted(path.name for path in there.iterdir()) == sorted(
        path.name for path in here.iterdir() if path.name != "socket"
    )
    assert (there / "é ☃\n'quoted'").read_bytes() == b"\x00\xff"
    assert stat.S_IMODE((there / "run").stat().st_mode) == 0o751
    assert (there / "twin").samefile(there / "run")
    assert (there / "up").readlink() == Path("../..")


@pytest.fixture
def _no_collector() -> Iterator[None]:
    """Whatever goes away goes without the collector of circles."""
    gc.disable()
    yield
    gc.enable()


class Watched(io.BytesIO):
    """A stream that can be watched going away."""


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("bytes_kept", [None, 700, 0])
def test_the_stream_goes_away_with_its_last_user(tmp_path: Path, bytes_kept: int | None):
    """Sent, read to its end or broken off: no circle keeps it, in which its parts would end in any order."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "a").write_text("a")
    sent = Watched()
    pack(folder, sent)
    back = Watched(sent.getvalue()[:bytes_kept])
    try:
        unpack(back, folder, is_whole=lambda: bytes_kept is None)
    except AgentCrashed:
        assert bytes_kept is not None
    watched = [weakref.ref(sent), weakref.ref(back)]
    del sent, back
    assert [one() for one in watched] == [None, None]
