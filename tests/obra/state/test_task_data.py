from __future__ import annotations

from pathlib import Path

import pytest

from obra.domain import Limits
from obra.errors import StateError
from obra.state.task_data import task_of


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "the key 'title' is missing"),
        ({"title": " \n"}, "is empty"),
        ({"title": 5}, "'title' should be text; it is 5"),
        ({"title": "x", "descripton": "y"}, "unknown key 'descripton'; did you mean 'description'"),
        ({"title": "x", "zzz": "y"}, "unknown key 'zzz'; it may hold: title, description"),
        ({"title": "x", 3: "y"}, "unknown key 3"),
        ({"title": "x", "status": "completed"}, "unknown key 'status'"),
        ({"title": "x", "limits": {"iteration": 3}}, "did you mean 'iterations'"),
        ({"title": "x", "limits": 3}, "'limits'"),
        ({"title": "x", "acceptance": "a sentence"}, "'acceptance' should be a list"),
        ({"title": "x", "checks": ["file"]}, "'checks.0' should be a mapping"),
        ({"title": "x", "priority": "high"}, "'priority' should be a whole number"),
        ({"title": "x", "after": [1.5]}, "'after.0'"),
        ({"title": 1, "priority": "x"}, "'title'.*'priority'"),
    ],
)
def test_wrong_task_data_is_refused_with_the_key_and_what_was_expected(data, message):
    """Each mistake is named; several at once are all named."""
    with pytest.raises(StateError, match=message):
        task_of(1, data)


def test_limits_may_be_a_record_and_a_folder_a_path():
    """Callers need not take their own records apart."""
    limits = Limits(iterations=2)
    task = task_of(4, {"title": "x", "limits": limits, "working_dir": Path("/w")})
    assert (task.project_id, task.limits, task.working_dir) == (4, limits, "/w")
