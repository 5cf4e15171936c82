"""The records of an interactive program, read into the messages of a headless one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.agents.claude_code import failure_of, reply_of
from obra.agents.terminal_story import TerminalStory
from obra.errors import AgentCrashed, AgentUnavailable
from obra.monitoring.output_monitor import OutputMonitor

START = {"session_id": "s-1", "transcript_path": "/t.jsonl", "model": "m"}
STOP = {"last_assistant_message": "Done.", "background_tasks": []}
JSON = st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3))


def said(text: str = "", *, identity: str = "a", tool: str = "") -> dict:
    """A line of the transcript: the model said something, or calls a tool."""
    block = {"type": "tool_use", "id": f"t-{tool}", "name": tool, "input": {"command": "x"}}
    content = [block] if tool else [{"type": "text", "text": text}]
    usage = {"input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 2}
    return {"type": "assistant", "message": {"id": identity, "content": content, "usage": usage}}


def result_of(tool: str, **more) -> dict:
    """A line of the transcript: what a tool answered."""
    block = {"type": "tool_result", "tool_use_id": f"t-{tool}", "content": "ok"}
    return {"type": "user", "message": {"role": "user", "content": [block]}, **more}


def status(dollars: float) -> dict:
    """What the status line is told."""
    return {"cost": {"total_cost_usd": dollars}, "model": {"id": "m-2"}}


def told(*records: tuple[str, dict] | dict) -> tuple[TerminalStory, list[dict]]:
    """Play hooks (name, data) and lines of the transcript to a story; return it and its messages."""
    story = TerminalStory()
    messages: list[dict] = []
    for record in records:
        read = story.take_hook(*record) if isinstance(record, tuple) else story.take_line(record)
        messages += list(read)
    return story, messages


def reply(story: TerminalStory, before: float = 0.0):
    """The reply that the end of the story makes."""
    return reply_of([list(story.ending())[-1]], seconds=1.0, total_before_usd=before)


def test_a_turn_is_a_reply_with_tokens_of_each_call_once_and_the_cost():
    """A call whose blocks stand in several lines counts once; cached tokens count as read."""
    story, messages = told(
        ("SessionStart", START), ("Status", status(0.5)), ("UserPromptSubmit", {"prompt": "go"}),
        said(tool="Bash"), said(tool="Bash"), result_of("Bash"), ("Stop", STOP), said("Done.", identity="b"),
        ("Status", status(0.75)),
    )  # fmt: skip
    assert story.heard == "go"
    assert story.is_complete
    found = reply(story, before=0.5)
    assert (found.text, found.session, found.turns) == ("Done.", "s-1", 2)
    assert (found.tokens_in, found.tokens_out, found.cost_usd) == (30, 4, 0.25)
    monitor = OutputMonitor()
    kinds = [event.kind.value for message in messages for event in monitor.feed(json.dumps(message))]
    assert kinds == ["tool_call", "tool_call", "tool_result", "text"]


def test_what_was_not_told_is_unknown():
    """Without the transcript's end the tokens are unknown, without the status line the cost."""
    story, _ = told(("SessionStart", START), ("Status", status(0.5)), said(tool="Bash"), ("Stop", STOP))
    assert (story.has_ended, story.is_complete) == (True, False)
    found = reply(story)
    assert (found.text, found.tokens_in, found.tokens_out, found.cost_usd) == ("Done.", None, None, None)


@pytest.mark.parametrize(
    ("error", "line", "kind"),
    [
        ("rate_limit", {"apiErrorStatus": 429}, AgentCrashed),
        ("authentication_failed", {}, AgentUnavailable),
        ("unknown", {"apiErrorStatus": 403}, AgentUnavailable),
    ],
)
def test_a_failing_model_api_has_its_class(error, line, kind):
    """The status stands in the transcript, which may arrive after the hook."""
    failed = {"type": "assistant", "isApiErrorMessage": True, **line}
    story, _ = told(("StopFailure", {"error": error, "last_assistant_message": "API Error"}), failed)
    failure = failure_of([list(story.ending())[-1]])
    assert isinstance(failure, kind)
    assert "API Error" in str(failure)


def test_a_refused_call_is_among_the_denials():
    """Whoever refused it, the reply names tool and subject."""
    story, _ = told(said(tool="Bash"), result_of("Bash", toolDenialKind="user-rejected"), ("Stop", STOP))
    assert reply(story).denials == ("Bash x",)


def test_the_limit_of_model_calls_is_a_limit_and_no_failure():
    """The hook that counts has ended the turn."""
    story, _ = told(("Limit", {"limit": 2}), {"type": "system", "subtype": "turn_duration"})
    assert story.is_complete
    found = reply(story)
    assert (found.limit, found.text) == ("error_max_turns", "Reached maximum number of turns (2)")


def test_an_interrupted_turn_has_ended():
    """The transcript alone says so: no hook runs then."""
    words = {"content": [{"type": "text", "text": "[Request interrupted by user for tool use]"}]}
    story, _ = told({"type": "user", "message": words})
    assert story.is_complete
    assert isinstance(failure_of([list(story.ending())[-1]]), AgentCrashed)


def test_a_background_task_that_ends_before_the_result_goes_on_with_the_same_turn():
    """The result is that of the later end, with the tokens of both parts."""
    woken = ("UserPromptSubmit", {"prompt": "<task-notification>x"})
    story, _ = told(said("Done."), ("Stop", STOP), woken)
    assert not story.has_ended
    told_twice = [*story.take_line(said("Again.", identity="b"))]
    list(story.take_hook("Stop", {"last_assistant_message": "Again.", "background_tasks": []}))
    found = reply(story)
    assert told_twice
    assert (found.text, found.tokens_out) == ("Again.", 4)


def test_a_background_task_that_ends_later_has_a_result_of_its_own():
    """It answers no prompt, and says so; its tokens are its own."""
    story, _ = told(said("Done."), ("Stop", {**STOP, "background_tasks": [{"id": "1", "description": "server"}]}))
    first = list(story.ending())
    assert first[0]["tasks"] == [{"id": "1", "description": "server"}]
    list(story.take_hook("UserPromptSubmit", {"prompt": "<task-notification>x"}))
    assert story.is_woken
    list(story.take_line(said("Later.", identity="b")))
    list(story.take_hook("Stop", {"last_assistant_message": "Later."}))
    second = list(story.ending())[-1]
    assert (second["origin"], second["usage"]["output_tokens"]) == ({"kind": "task-notification"}, 2)
    assert not story.is_woken


@given(st.dictionaries(st.sampled_from(["type", "message", "origin", "content", "cost", "error"]), JSON))
def test_no_record_breaks_the_story(record):
    """Fields of a kind that nobody expects are passed over."""
    for kind in ("assistant", "user", "system"):
        told({**record, "type": kind})
    for name in ("SessionStart", "UserPromptSubmit", "Stop", "StopFailure", "Status", "Limit", "Else"):
        story, _ = told((name, record))
        list(story.ending())
