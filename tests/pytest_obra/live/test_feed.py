"""Messages out of the loop, and out of a worker."""

from __future__ import annotations

from obra.domain import Reply
from obra.events import AgentActed, AgentEvent, AgentEventKind, PromptReady, ReplyReceived
from pytest_obra.live.feed import Tail, observer_for
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
