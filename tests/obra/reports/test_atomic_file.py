"""Files are put in place whole; what is no file is left in its place."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from obra.errors import ReportError
from obra.reports.atomic_file import write_whole


def test_what_a_link_leads_to_is_replaced(tmp_path):
    """The link stays, and so does its neighbour's name: both lead to the new text."""
    (tmp_path / "page").write_text("old")
    (tmp_path / "link").symlink_to("page")
    write_whole(tmp_path / "link", ("new", " text"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "page").read_text() == "new text"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "page"]


def test_a_pipe_stays_a_pipe(tmp_path):
    """Whoever reads at its other end gets the text."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    reader.start()
    write_whole(pipe, ("a", "b"))
    reader.join()
    assert heard == ["ab"]
    assert pipe.is_fifo()


def test_a_device_stays_a_device():
    """Also for root, who could put a file in its place; a full one is an error."""
    write_whole(Path(os.devnull), ("gone",))
    assert Path(os.devnull).is_char_device()
    with pytest.raises(ReportError, match="/dev/full cannot be written: No space left on device"):
        write_whole(Path("/dev/full"), ("x" * 10_000,))
    assert Path("/dev/full").is_char_device()


def test_links_in_a_circle_are_an_error(tmp_path):
    """They lead nowhere."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(ReportError, match="cannot be written"):
        write_whole(tmp_path / "a" / "c", ("x",))


def test_two_writers_of_one_file_disturb_each_other_in_nothing(tmp_path):
    """Another process puts the same file in place meanwhile: both end whole, and the last one stands."""
    page = tmp_path / "page"
    other = f"""
from pathlib import Path
from obra.reports.atomic_file import write_whole
write_whole(Path({str(page)!r}), ("theirs",))
"""

    def ours():
        yield "our"
        subprocess.run([sys.executable, "-c", other], check=True)
        assert page.read_text() == "theirs"
        yield "s"

    write_whole(page, ours())
    assert page.read_text() == "ours"
    assert list(tmp_path.iterdir()) == [page]
