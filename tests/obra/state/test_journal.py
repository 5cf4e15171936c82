from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from obra.errors import StateError


def test_projects_come_back_as_they_were_made(manager):
    """Reading gives what creating returned, oldest first."""
    one = manager.create_project(name="one", description="d\0", working_dir=Path("/w"))
    two = manager.create_project("one")
    assert manager.projects() == (one, two)
    assert manager.get_project(one.id) == one
    assert (one.name, one.description, one.working_dir, one.status) == ("one", "d\ufffd", "/w", "active")
    assert abs((datetime.now(UTC) - one.created_at).total_seconds()) < 60


def test_a_project_needs_a_name(manager):
    """A blank name is refused and nothing is stored."""
    with pytest.raises(StateError, match="needs a name"):
        manager.create_project("  ")
    assert manager.projects() == ()


def test_events_tell_the_story_of_a_task_in_order(manager, task):
    """Kind, data and time come back, oldest first; only of the task asked for."""
    other = manager.create_task(task.project_id, {"title": "other"})
    manager.record_event(task.id, "file_touched", {"path": "a.py", "times": [1, 2]})
    manager.record_event(other.id, "x", {})
    manager.record_event(task.id, "retried\0", {})
    first, second = manager.events(task.id)
    assert (first["kind"], first["data"]) == ("file_touched", {"path": "a.py", "times": [1, 2]})
    assert (second["kind"], second["task_id"]) == ("retried\ufffd", task.id)
    assert first["at"] <= second["at"]
    assert first["at"].tzinfo is UTC


def test_an_event_that_is_not_json_is_refused(manager, task):
    """Nothing is stored that could not be read again."""
    with pytest.raises(StateError, match="cannot be stored as JSON"):
        manager.record_event(task.id, "x", {"set": {1}})
    assert manager.events(task.id) == ()
