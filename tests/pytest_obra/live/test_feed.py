"""Messages out of the loop, and out of a worker."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from obra.domain import Reply
from obra.events import AgentActed, AgentEvent, AgentEventKind, PromptReady, ReplyReceived
from pytest_obra.live.feed import FEED, Outbox, Tail, WorkerFeed, observer_for
from pytest_obra.live.running_now import LONGEST_ACT


def test_the_loops_events_become_stages():
    """A prompt, an act and a reply are told as attempt, act and stage with what the turn cost."""
    told: list[dict] = []
    observe = observer_for(told.append, node="n", name="calc", agent="mock")
    observe(PromptReady(task_id=1, number=2, prompt="go"))
    observe(
        AgentActed(
            task_id=1,
            number=2,
            event=AgentEvent(kind=AgentEventKind.TOOL_CALL, text="write\n calc.py " + "x" * 1000),
        )
    )
    observe(ReplyReceived(task_id=1, number=2, reply=Reply(text="done", cost_usd=None)))
    assert [one.get("stage") for one in told] == [None, "agent", None, "checks"]
    assert told[0]["name"] == "calc"
    assert told[1]["attempt"] == 2
    assert told[2]["act"].startswith("write calc.py x")
    assert len(told[2]["act"]) <= LONGEST_ACT
    assert told[3]["spent"] is None


def test_a_flood_of_acts_is_thinned():
    """An agent that acts thousands of times in a moment does not flood the feed."""
    told: list[dict] = []
    observe = observer_for(told.append, node="n", name="calc", agent="mock")
    act = AgentActed(task_id=1, number=1, event=AgentEvent(kind=AgentEventKind.TEXT, text="word"))
    for _ in range(5000):
        observe(act)
    assert 1 < len(told) < 200


def test_a_tail_reads_each_message_once_and_waits_for_half_a_line(tmp_path):
    """What was read is not read again, half a line waits, and a file that comes later is found."""
    tail = Tail(tmp_path)
    file = tmp_path / "gw0.jsonl"
    file.write_text('{"node": "a"}\n{"node": "b"', encoding="utf-8")
    assert [one["node"] for one in tail.messages()] == ["a"]
    with file.open("a", encoding="utf-8") as end:
        end.write("}\n")
    (tmp_path / "gw1.jsonl").write_text('{"node": "c"}\n', encoding="utf-8")
    assert [one["node"] for one in tail.messages()] == ["b", "c"]
    assert list(tail.messages()) == []


def test_a_scenario_that_ends_before_anybody_looks_is_never_told():
    """Only what is under way is told, in its order, and its end only when its beginning was."""
    outbox = Outbox()
    for node in ("short", "long"):
        outbox.tell({"node": node, "name": node})
        outbox.tell({"node": node, "stage": "agent"})
    outbox.tell({"node": "short", "ended": True})
    assert outbox.drain() == [{"node": "long", "name": "long"}, {"node": "long", "stage": "agent"}]
    assert outbox.drain() == []
    outbox.tell({"node": "long", "ended": True})
    outbox.tell({"node": "long", "name": "again"})  # a plugin runs it once more
    assert [one.get("ended", False) for one in outbox.drain()] == [True, False]
    outbox.tell({"node": "long", "ended": True})
    outbox.tell({"node": "long", "ended": True})
    assert len(outbox.drain()) == 2
    outbox.tell({"node": "long", "ended": True})  # it is known no more
    assert outbox.drain() == []


@pytest.fixture
def worker_config(pytestconfig):
    """A configuration of pytest's own, as a worker has one; cleaned up after the test."""
    config = pytestconfig.__class__.fromdictargs({}, [str(pytestconfig.rootpath / "tests" / "bench")])
    yield config
    config._ensure_unconfigure()


def test_a_worker_writes_what_goes_on_and_nothing_of_what_is_over(worker_config, tmp_path):
    """The file holds the messages of the scenario that is under way, soon after they were told."""
    file = tmp_path / "gw0.jsonl"
    feed = WorkerFeed(worker_config, file)
    tell = worker_config.stash[FEED]
    for message in ({"node": "short"}, {"node": "short", "ended": True}, {"node": "long", "stage": "agent"}):
        tell(message)
    end = time.monotonic() + 30
    while not file.read_bytes() and time.monotonic() < end:
        time.sleep(0.01)
    feed.close()
    feed.close()
    assert [json.loads(line) for line in file.read_text().splitlines()] == [{"node": "long", "stage": "agent"}]


def test_a_worker_without_room_for_its_messages_warns_and_works_on(worker_config):
    """A full disk ends the view of this worker, with one warning, and nothing else."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    feed = WorkerFeed(worker_config, Path("/dev/full"))
    feed.tell({"node": "a"})
    end = time.monotonic() + 30
    while feed._writer.is_alive() and time.monotonic() < end:
        time.sleep(0.01)
    with pytest.warns(pytest.PytestWarning, match="not shown any more: .*No space"):
        feed.tell({"node": "b"})
    feed.tell({"node": "c"})
    feed.close()
