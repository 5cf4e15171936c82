"""OutputMonitor on lines that the real Claude Code 2.1.330 printed, and on what it never would."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.events import AgentEventKind as Kind
from obra.monitoring.output_monitor import OutputMonitor

RECORDED = (Path(__file__).parent / "data" / "turns.jsonl").read_bytes().splitlines()
"""Five turns: write and run; edit and a write outside; a background task; a limit; then an API error."""

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
KEYS = (
    "type",
    "subtype",
    "message",
    "content",
    "tasks",
    "usage",
    "result",
    "errors",
    "request",
    "session_id",
    "id",
)
TYPES = (
    "system",
    "assistant",
    "user",
    "result",
    "rate_limit_event",
    "control_request",
    "text",
    "tool_use",
    "init",
)


def read(*lines: object) -> tuple[OutputMonitor, list]:
    """Feed *lines*, objects as JSON, to a new monitor."""
    monitor = OutputMonitor()
    events = []
    for line in lines:
        events += monitor.feed(line if isinstance(line, bytes | str) else json.dumps(line))
    return monitor, events


def turns() -> list[list[bytes]]:
    """The recorded lines, turn by turn."""
    found: list[list[bytes]] = [[]]
    for line in RECORDED:
        found[-1].append(line)
        if json.loads(line)["type"] == "result":
            found.append([])
    return found[:-1]


def test_first_turn_tells_what_happened_in_order():
    """A turn that writes and runs is read as start, edit, result, call, result, text, usage and end."""
    _, events = read(*turns()[0])
    kinds = [event.kind for event in events]
    assert kinds == [
        Kind.START,
        Kind.FILE_EDIT,
        Kind.TOOL_RESULT,
        Kind.TOOL_CALL,
        Kind.TOOL_RESULT,
        Kind.TOOL_CALL,
        Kind.TOOL_RESULT,
        Kind.TEXT,
        Kind.USAGE,
        Kind.END,
    ]
    assert (events[1].tool, events[1].path) == ("Write", "/workspace/hello.txt")
    assert events[3].text == "Bash cat hello.txt"
    assert events[4].text == "Bash hello"
    assert events[6].text == "Bash failed: Exit code 1"


def test_session_model_and_result_are_known():
    """After a turn the session, the model and the whole result message can be asked for."""
    monitor, _ = read(*turns()[0])
    assert monitor.session == "00000000-0000-4000-8000-000000000001"
    assert monitor.model.startswith("claude-")
    assert monitor.result is not None
    assert monitor.result["result"] == "The greeting stands."
    assert monitor.is_settled


def test_denied_write_is_a_permission_event():
    """A write that was not permitted is told as such, with the tool."""
    _, events = read(*turns()[1])
    assert [(event.kind, event.tool) for event in events if event.kind is Kind.PERMISSION] == [
        (Kind.PERMISSION, "Write")
    ]


def test_background_tasks_in_flight_keep_the_turn_open():
    """A task in flight is counted, and a result that comes while it runs settles nothing."""
    monitor = OutputMonitor()
    counts = []
    for line in turns()[2]:
        monitor.feed(line)
        counts.append(len(monitor.tasks))
    assert Counter(counts)[1] > 0
    assert counts[-1] == 0
    started = next(line for line in turns()[2] if b'"background_tasks_changed"' in line)
    early, _ = read(started, turns()[2][-1])
    assert early.has_answered
    assert not early.is_settled


def test_finished_task_that_wakes_the_agent_keeps_the_turn_open_until_the_second_result():
    """Between the end of a background task and the result it brings, the turn is not over."""
    lines = turns()[2]
    started, ended = (line for line in lines if b'"background_tasks_changed"' in line)
    told = next(line for line in lines if b'"task_notification"' in line)
    monitor, _ = read(started, lines[-1], told, ended)
    assert monitor.has_answered
    assert not monitor.is_settled
    monitor.feed(lines[0])
    assert not monitor.has_answered
    monitor.feed(lines[-1])
    assert monitor.is_settled
    assert len(monitor.results) == 2


def test_a_task_that_ends_between_the_last_words_and_the_result_keeps_the_turn_open():
    """No tool result carries that news to the agent any more, so it will be woken."""
    lines = turns()[2]
    told = next(line for line in lines if b'"task_notification"' in line)
    monitor, _ = read(*lines[:-1], told, lines[-1])
    assert monitor.has_answered
    assert not monitor.is_settled
    in_time, _ = read(*lines)
    assert in_time.is_settled


def test_the_result_of_a_woken_turn_answers_no_prompt():
    """A late result that a background task brought is not taken for the answer to the next prompt."""
    monitor = OutputMonitor()
    monitor.begin()
    monitor.feed(json.dumps({"type": "result", "subtype": "success", "origin": {"kind": "task-notification"}}))
    assert not monitor.has_answered
    monitor.feed(turns()[0][-1])
    assert monitor.is_settled


def test_queued_turns_keep_the_turn_open():
    """A result that announces a further turn settles nothing."""
    monitor, _ = read({"type": "result", "subtype": "success", "queued_turn_count": 1})
    assert not monitor.is_settled


def test_limit_and_api_error_have_kinds_of_their_own():
    """A turn that ended at a limit tells LIMIT, one that the API failed tells ERROR."""
    _, at_limit = read(*turns()[3])
    _, failed = read(*turns()[4])
    assert [event.kind for event in at_limit[-3:]] == [Kind.USAGE, Kind.LIMIT, Kind.END]
    assert [event.kind for event in failed[-3:]] == [Kind.USAGE, Kind.ERROR, Kind.END]
    assert "prompt 5 was sent" in failed[-2].text


def test_begin_forgets_results_and_keeps_the_session():
    """A new prompt begins without a result but in the same session."""
    monitor, _ = read(*turns()[0])
    monitor.begin()
    assert monitor.result is None
    assert not monitor.is_settled
    assert monitor.session


def test_a_retry_of_the_model_api_is_an_error_event():
    """What the CLI says of a failing API reaches the observer at once."""
    line = {
        "type": "system",
        "subtype": "api_retry",
        "attempt": 1,
        "max_retries": 3,
        "error_status": 529,
        "error": "x",
    }
    _, events = read(line)
    assert events[0].kind is Kind.ERROR
    assert "529" in events[0].text


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"   \r",
        b"\x00\xff\xfe",
        b"[SandboxDebug] not json",
        b"{",
        b"[1, 2]",
        b"null",
        b"1" * 10_000,
        b"[" * 100_000,
        b'{"type": 5}',
        b'{"type": "assistant", "message": 7}',
        b'{"type": "assistant", "message": {"content": [3, {"type": "tool_use", "input": [], "name": null}]}}',
        b'{"type": "system", "subtype": "background_tasks_changed", "tasks": {"a": 1}}',
        b'{"type": "result", "usage": [], "queued_turn_count": "x", "total_cost_usd": {}}',
        b'{"type": "user", "message": {"content": [{"type": "tool_result", "tool_use_id": {}, "content": 3}]}}',
    ],
)
def test_garbage_is_told_and_never_raises(garbage: bytes):
    """No line whatsoever breaks the reading of the next one."""
    monitor, _ = read(garbage, turns()[0][-1])
    assert monitor.result is not None


@given(
    st.dictionaries(st.sampled_from(KEYS), ANY_JSON | st.sampled_from(TYPES), max_size=6), st.sampled_from(TYPES)
)
def test_any_json_object_is_read(message: dict, kind: str):
    """Fields of any type in any place are no reason to raise, and each event is one short line."""
    _, events = read({**message, "type": kind}, {"type": kind, "message": {"content": [message, {"type": kind}]}})
    assert all(len(event.text) <= 300 and "\n" not in event.text for event in events)


@given(st.binary(max_size=200))
def test_any_bytes_are_read(line: bytes):
    """Bytes that are no text at all are no reason to raise."""
    read(line)


def test_a_huge_line_is_read_whole_and_told_short():
    """Five megabytes in one line arrive in the result, and the event stays one short line."""
    text = "x" * 5_000_000
    monitor, events = read({"type": "result", "subtype": "success", "result": text, "is_error": True})
    assert monitor.result is not None
    assert len(monitor.result["result"]) == len(text)
    assert all(len(event.text) <= 300 for event in events)
