"""Private folders go with their owner, or when the next one comes."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from obra.workspace.private_folder import (
    make_private_folder,
    private_folder,
    remove_private_folder,
    sweep_private_folders,
)

MAKE = """
import sys, time
from obra.workspace.private_folder import make_private_folder
print(make_private_folder("test"), flush=True)
time.sleep(float(sys.argv[1]))
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder for temporary files that is this test's own."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def start(place: Path, seconds: float) -> tuple[subprocess.Popen[str], Path]:
    """Start a process that makes a folder and sleeps."""
    process = subprocess.Popen(
        [sys.executable, "-c", MAKE, str(seconds)],
        env={**os.environ, "TMPDIR": str(place)},
        stdout=subprocess.PIPE,
        text=True,
    )
    return process, Path(process.stdout.readline().strip())


def end(process: subprocess.Popen[str]) -> None:
    """Wait for its end and close its pipe."""
    process.wait(60)
    process.stdout.close()


def test_a_folder_is_private_and_removed(place):
    """Only its user enters it; what tools left without write permission goes, too."""
    with private_folder("test") as folder:
        assert folder.parent == place
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "cache").mkdir()
        (folder / "cache" / "file").write_text("")
        (folder / "cache").chmod(0o500)
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_killed_process_left_goes_at_the_next_start(place, number):
    """The next process that makes a folder removes it; a living one's stays."""
    living, kept = start(place, 60)
    killed, left = start(place, 60)
    killed.send_signal(number)
    end(killed)
    assert left.is_dir()
    following, _ = start(place, 0)
    end(following)
    assert not left.exists()
    assert kept.is_dir()
    living.kill()
    end(living)


def test_the_folder_above_is_left_alone(place):
    """A folder that is gone already, or goes at the same moment, changes no rights of the place it stood in."""
    place.chmod(0o777)
    remove_private_folder(place / "gone")
    assert stat.S_IMODE(place.stat().st_mode) == 0o777


def test_what_is_not_ours_stays(place):
    """Other names, other machines, and folders whose owner cannot be told are left alone."""
    mine = make_private_folder("test")
    pid, start_, host_and_rest = mine.name.removeprefix("obra-test-").split(".")
    host = host_and_rest.partition("-")[0]
    dead = f"obra-test-{pid}.{start_}0.{host}-abc"
    names = [
        "obra-test-abcdefgh",
        "obra-test-1.2.xyz-abc",
        f"obra-test-{pid}.{start_}0.{int(host, 16) ^ 1:08x}-abc",
        f"other-test-{pid}.{start_}0.{host}-abc",
    ]
    for name in (*names, dead):
        (place / name).mkdir()
    assert sweep_private_folders(place) == (place / dead,)
    assert {path.name for path in place.iterdir()} == {*names, mine.name}
    remove_private_folder(mine)


def test_the_folder_of_a_session_stays_for_a_day(place):
    """Whoever goes on with a killed run can take it over; nobody came for the older one."""
    mine = make_private_folder("test")
    beginning, _, end_of_name = mine.name.removeprefix("obra-test-").partition(".")
    start_, _, host_and_rest = end_of_name.partition(".")
    old, new = (
        place / f"obra-session-{beginning}.{start_}0.{host_and_rest[:8]}-{name}" for name in ("old", "new")
    )
    for folder, hours in ((old, 25), (new, 23)):
        folder.mkdir()
        os.utime(folder, (time.time() - hours * 3600,) * 2)
    assert sweep_private_folders(place) == (old,)
    assert new.is_dir()
    remove_private_folder(mine)
