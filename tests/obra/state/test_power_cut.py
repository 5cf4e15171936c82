"""SQLite after a power cut, on a full disk, and with a clock that runs backwards."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from obra.domain import TaskStatus
from obra.errors import StateError
from obra.state.state_manager import StateManager


def test_a_wal_that_is_cut_anywhere_opens_whole_and_in_order(manager, file, make_attempt, tmp_path):
    """Whatever part of the WAL reached the disk: the database is sound, and holds a beginning of what was done."""
    task = manager.create_task(manager.create_project("p").id, {"title": "t"})
    manager.start_task(task.id, base_snapshot="b", run={"iterations": 9})
    for number in range(1, 6):
        manager.record_attempt(make_attempt(task.id, number), run={"iterations": 9})
    wal = file.with_name(file.name + "-wal").read_bytes()
    seen = set()
    for part in range(41):
        place = tmp_path / f"cut-{part}" / "obra.db"
        place.parent.mkdir()
        shutil.copy(file, place)
        size = len(wal) * part // 40
        torn = wal[:size] + os.urandom(512) if part % 2 else wal[:size]  # half a sector is anything
        place.with_name("obra.db-wal").write_bytes(torn)
        with closing(sqlite3.connect(place)) as raw:
            assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
        with StateManager(f"sqlite:///{place}") as after:
            tasks = after.list_tasks(limit=None)
            attempts = [one.number for one in after.attempts(1)] if tasks else []
            assert attempts == list(range(1, len(attempts) + 1))
            assert not tasks or tasks[0].iterations == len(attempts)
            seen.add(len(attempts))
            after.create_project("it can be written")
    assert {0, 5} <= seen


def test_a_full_disk_loses_nothing_that_was_stored(tmp_path, make_attempt):
    """The write that does not fit is refused as a whole and told; when there is room again, work goes on."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can be mounted by root only")
    try:
        with StateManager(f"sqlite:///{place}/obra.db") as manager:
            task = manager.create_task(manager.create_project("p").id, {"title": "t"})
            manager.start_task(task.id, base_snapshot="b")
            (place / "other").write_bytes(b"x" * (os.statvfs(place).f_bavail * os.statvfs(place).f_frsize - 65536))
            stored = 0

            def record_many():
                nonlocal stored
                for number in range(1, 50):
                    manager.record_attempt(make_attempt(task.id, number, prompt="x" * 20_000))
                    stored = number

            with pytest.raises(StateError, match="full|disk I/O"):
                record_many()
            assert [one.number for one in manager.attempts(task.id)] == list(range(1, stored + 1))
            (place / "other").unlink()
            manager.record_attempt(make_attempt(task.id, stored + 1))
            assert manager.get_task(task.id).iterations == stored + 1
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_clock_that_was_set_back_changes_no_order(manager, file, make_attempt):
    """Attempts, steps, events and breakpoints are ordered by numbers; what the clock says is only shown."""
    task = manager.create_task(manager.create_project("p").id, {"title": "t"})
    manager.start_task(task.id, base_snapshot="b")
    now = datetime.now(UTC)
    for number in (1, 2, 3):
        manager.record_attempt(make_attempt(task.id, number, started_at=now - timedelta(days=number)))
    with closing(sqlite3.connect(file)) as raw, raw:  # every row older than the one before it
        raw.execute("UPDATE event SET at = datetime('now', '-' || id || ' days')")
        raw.execute("UPDATE task SET updated_at = '2100-01-01 00:00:00.000000'")
    assert [one.number for one in manager.attempts(task.id)] == [1, 2, 3]
    kinds = [one["kind"] for one in manager.events(task.id)]
    assert kinds == ["started", "attempt", "attempt", "attempt"]
    assert manager.finish_task(task.id, TaskStatus.INTERRUPTED, "x").status is TaskStatus.INTERRUPTED
    assert manager.start_task(task.id).fence == 2
