"""The small file in which a running task tells what its agent does."""

from __future__ import annotations

import json
import logging
import math
import os
import threading

import pytest

from obra.domain import Outcome, Reply, Task, TaskStatus
from obra.events import (
    AgentActed,
    AgentEvent,
    AgentEventKind,
    PromptReady,
    ReplyReceived,
    TaskEnded,
    TaskStarted,
    TurnRetried,
)
from obra.monitoring import live_acts
from obra.monitoring.live_acts import LiveActs, name_of

TASK = Task(id=7, title="t", owner="host:4711:boot-1", fence=2)


def act(text):
    """Something that the agent did."""
    return AgentActed(task_id=7, number=1, event=AgentEvent(kind=AgentEventKind.TOOL_CALL, text=text))


def lines(folder):
    """What stands in the one file."""
    (file,) = folder.iterdir()
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_tells_while_the_task_runs_and_leaves_nothing(tmp_path):
    """Each act on a line, cut; many at once are thinned out; the file goes with the task."""
    folder = tmp_path / "live"
    live = LiveActs(folder)
    live(act("before it began"))
    live(TaskStarted(task=TASK))
    assert [one.name for one in folder.iterdir()] == ["host-4711-boot-1-7-2.jsonl"]
    live(PromptReady(task_id=7, number=1, prompt="p"))
    live(act("Write\na.py " + "x" * 999))
    live._last = math.inf  # it has just been written, and stays so however slow the machine is
    live(act("at the same moment"))
    live(TurnRetried(task_id=7, number=1, error="it\ncrashed", retries_left=0))
    live(ReplyReceived(task_id=7, number=1, reply=Reply(text="Done.")))
    told = lines(folder)
    assert [one["kind"] for one in told] == ["prompt", "tool_call", "again", "reply"]
    assert (told[1]["text"][:12], len(told[1]["text"]), told[2]["text"]) == ("Write a.py x", 200, "it crashed")
    live(TaskEnded(outcome=Outcome(task_id=7, status=TaskStatus.COMPLETED, reason="r")))
    assert list(folder.iterdir()) == []
    live.close()


def test_a_file_that_grows_begins_anew(tmp_path):
    """No run fills the disk with it."""
    live = LiveActs(tmp_path)
    live(TaskStarted(task=TASK))
    file = tmp_path / name_of(TASK)
    for _ in range(3 * live_acts._LARGEST // 300):
        live(TurnRetried(task_id=7, number=1, error="x" * 300, retries_left=0))
    assert file.stat().st_size <= live_acts._LARGEST + 1000
    assert lines(tmp_path)
    live.close()


def test_what_cannot_be_written_is_told_once_and_stops_nothing(tmp_path, caplog):
    """A file where the folder should be: one warning, and the work goes on."""
    (tmp_path / "live").touch()
    live = LiveActs(tmp_path / "live")
    with caplog.at_level(logging.WARNING, logger="obra.loop"):
        live(TaskStarted(task=TASK))
        live(act("a"))
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "what the agent does is not shown to others"
    ]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")  # noqa: PTH110  # a device
def test_a_full_disk_ends_the_telling(tmp_path, caplog):
    """The file is given up, with one warning."""
    live = LiveActs(tmp_path)
    (tmp_path / name_of(TASK)).symlink_to("/dev/full")
    live(TaskStarted(task=TASK))
    with caplog.at_level(logging.WARNING, logger="obra.loop"):
        live(act("a"))
        live(PromptReady(task_id=7, number=2, prompt="p"))
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "what the agent does is not shown to others any more"
    ]


def test_leftovers_of_killed_runs_go(tmp_path):
    """What nobody wrote for a day is removed; what is young belongs to somebody."""
    for name, age in (("old.jsonl", 90_000), ("young.jsonl", 10)):
        (tmp_path / name).touch()
        moment = (tmp_path / name).stat().st_mtime - age
        os.utime(tmp_path / name, (moment, moment))
    live = LiveActs(tmp_path)
    live(TaskStarted(task=TASK))
    assert {one.name for one in tmp_path.iterdir()} == {"young.jsonl", name_of(TASK)}
    live.close()


def test_a_run_that_is_over_at_once_makes_no_file(tmp_path):
    """Not even the folder is made, and what was to be written is forgotten with the run."""
    folder = tmp_path / "live"
    live = LiveActs(folder, waits=60)
    live(TaskStarted(task=TASK))
    live(act("a"))
    live.show()
    live.close()
    live._due = 0
    live.show()
    assert not folder.exists()


def test_what_a_silent_agent_did_is_shown_when_its_time_has_come(tmp_path):
    """Nobody tells anything any more, and still the file is made, with all that was told before."""
    live = LiveActs(tmp_path, waits=60)
    live(TaskStarted(task=TASK))
    live(PromptReady(task_id=7, number=1, prompt="p"))
    live(act("a"))
    assert list(tmp_path.iterdir()) == []
    live._due = 0
    thread = threading.Thread(target=live.show)
    thread.start()
    thread.join()
    assert [line["text"] for line in lines(tmp_path)] == ["the prompt is sent", "a"]
    live.close()
    assert list(tmp_path.iterdir()) == []


def test_the_act_that_lasts_is_shown_though_it_came_too_soon(tmp_path):
    """Of acts that come at once the newest is written a moment later, once, by whoever looks after the file."""
    live = LiveActs(tmp_path)
    live(TaskStarted(task=TASK))
    live(act("a"))
    live._last = math.inf
    live(act("b"))
    live(act("c, which takes an hour"))
    live.show()
    assert [line["text"] for line in lines(tmp_path)] == ["a"]
    live._last = 0
    live.show()
    live._last = 0
    live.show()
    assert [line["text"] for line in lines(tmp_path)] == ["a", "c, which takes an hour"]
    live.close()
