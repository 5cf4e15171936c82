"""The readers of other agents, on lines that the real programs printed, and on what they never would."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.events import AgentEvent
from obra.events import AgentEventKind as Kind
from obra.monitoring.acp_events import ACPEvents
from obra.monitoring.codex_events import CodexEvents
from obra.monitoring.event_lines import PlainText
from obra.monitoring.gemini_events import GeminiEvents
from obra.monitoring.opencode_events import OpenCodeEvents

DATA = Path(__file__).parent / "data"
READERS = {"codex": CodexEvents, "opencode": OpenCodeEvents, "gemini": GeminiEvents, "acp": ACPEvents}
"""Recorded from codex-cli 0.169.0, opencode 1.18.33, Gemini CLI 0.61.0 and claude-code-acp 0.16.2: a turn that
writes a file and runs a command which fails; one that edits it and runs another; one whose model API says no."""

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def turns(name: str) -> list[list[str]]:
    """The recorded lines, turn by turn: each ends with the line that ends a turn of that program."""
    found: list[list[str]] = [[]]
    for line in (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        found[-1].append(line)
        message = json.loads(line)
        ends = (
            message.get("type") in ("turn.completed", "turn.failed", "result", "error")
            and name in ("codex", "gemini")
            and not (name == "codex" and message["type"] == "error")
        )
        ends |= name == "opencode" and message.get("part", {}).get("reason") == "stop"
        ends |= name == "acp" and "method" not in message
        if ends:
            found.append([])
    return [turn for turn in found if turn]


def read(reader, lines) -> list[AgentEvent]:
    """Feed a turn, and return what it told."""
    reader.begin()
    return [event for line in lines for event in reader.feed(line)]


def kinds(events: list[AgentEvent]) -> list[Kind]:
    """The kinds of events that every dialect has in common, in order."""
    shown = (Kind.FILE_EDIT, Kind.TOOL_CALL, Kind.TOOL_RESULT, Kind.TEXT, Kind.END)
    return [event.kind for event in events if event.kind in shown]


@pytest.mark.parametrize("name", READERS)
def test_one_vocabulary(name):
    """All tell the same: an edit and its result, a call and its result, the words, the end."""
    reader = READERS[name]()
    first, second, third = turns(name)
    events = read(reader, first)
    work = [Kind.FILE_EDIT, Kind.TOOL_RESULT, Kind.TOOL_CALL, Kind.TOOL_RESULT, Kind.TEXT, Kind.END]
    assert kinds(events) == work
    assert events[kinds_at(events, Kind.FILE_EDIT)].path == "/ws/a.txt"
    assert "cat a.txt; exit 3" in events[kinds_at(events, Kind.TOOL_CALL)].text
    assert (reader.text, reader.is_complete, reader.failure, reader.limit) == ("First.", True, "", "")
    assert reader.turns == 3
    session = reader.session
    assert session or name == "acp"  # there it is the answer to a request of ours

    events = read(reader, second)
    own = [kind for kind in kinds(events) if kind is not Kind.END]
    assert own[-5:] == work[:-1]
    assert (reader.text, reader.is_complete, reader.session) == ("Second.", True, session)

    events = read(reader, third)
    assert not reader.is_complete
    assert "the script has 2 step(s), prompt 3 was sent" in reader.failure
    assert Kind.ERROR in {event.kind for event in events}
    assert reader.text == ""
    assert "last seen" in reader.last_seen()


def kinds_at(events: list[AgentEvent], kind: Kind) -> int:
    """Return where the first event of a kind stands."""
    return next(index for index, event in enumerate(events) if event.kind is kind)


@pytest.mark.parametrize("name", ["codex", "opencode", "gemini"])
def test_tokens_are_those_of_the_turn(name):
    """Three model calls of 10 and 5 tokens are 30 and 15 in each turn, also where a program tells sums."""
    reader = READERS[name]()
    for turn in turns(name)[:2]:
        read(reader, turn)
        calls = (reader.turns or 0) if name == "opencode" else 3
        assert (reader.tokens_in, reader.tokens_out, reader.cost_usd) == (10 * calls, 5 * calls, None)


@pytest.mark.parametrize("name", READERS)
@given(st.lists(ANY_JSON | st.text(), max_size=4), st.data())
def test_nothing_is_ever_raised(name, lines, data):
    """Lines with any content, and recorded ones with one part exchanged, are read as something."""
    reader = READERS[name]()
    recorded = json.loads(data.draw(st.sampled_from([line for turn in turns(name) for line in turn])))
    spot = recorded
    while isinstance(spot, dict) and spot:
        key = data.draw(st.sampled_from(sorted(spot)))
        if not isinstance(spot[key], dict) or data.draw(st.booleans()):
            spot[key] = data.draw(ANY_JSON)
            break
        spot = spot[key]
    for line in (*lines, recorded):
        for event in reader.feed(json.dumps(line)):
            assert isinstance(event, AgentEvent)
            assert "\n" not in event.text
    assert reader.lines == len(lines) + 1


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("line", [b"", b"  ", b"garbage", b"\xff\xfe", b"[1]", b"[" * 100_000, b'"' * 5_000_000])
def test_garbage_is_told_as_such(name, line):
    """What is no message is an event of its own, and nothing else changes."""
    reader = READERS[name]()
    events = reader.feed(line)
    assert [event.kind for event in events] == ([Kind.OTHER] if line.strip() else [])
    assert not reader.is_complete


def test_a_declined_command_of_codex():
    """What its sandbox policy declines is a denial."""
    reader = CodexEvents()
    item = {"type": "command_execution", "command": "rm -rf /", "status": "declined"}
    (event,) = reader.feed(json.dumps({"type": "item.completed", "item": item}))
    assert event.kind is Kind.PERMISSION
    assert reader.denials == ("command_execution rm -rf /",)


def test_the_limits_that_programs_know_themselves():
    """A cut answer, a refusal and a number of turns are limits, and no failures."""
    opencode, acp, gemini = OpenCodeEvents(), ACPEvents(), GeminiEvents()
    opencode.feed(json.dumps({"type": "step_finish", "part": {"reason": "length"}}))
    acp.feed(json.dumps({"id": 1, "result": {"stopReason": "refusal"}}))
    error = {"type": "FatalTurnLimitedError", "message": "too many"}
    gemini.feed(json.dumps({"type": "result", "status": "error", "error": error}))
    assert [opencode.limit, acp.limit, gemini.limit] == ["max_tokens", "refusal", "max_turns"]
    assert not opencode.failure + acp.failure + gemini.failure


def test_costs_and_tokens_of_acp():
    """The cost is told as a sum over the session, tokens with the end of a turn."""
    reader = ACPEvents()
    for total, spent in ((0.5, 0.5), (0.75, 0.25)):
        reader.begin()
        update = {"sessionUpdate": "usage_update", "cost": {"amount": total, "currency": "USD"}}
        reader.feed(json.dumps({"method": "session/update", "params": {"update": update}}))
        usage = {"inputTokens": 3, "cachedReadTokens": 4, "outputTokens": 5}
        reader.feed(json.dumps({"id": 1, "result": {"stopReason": "end_turn", "usage": usage}}))
        assert (reader.cost_usd, reader.tokens_in, reader.tokens_out) == (spent, 7, 5)


def test_plain_text_is_the_reply():
    """All lines are the text, without the white space around it."""
    reader = PlainText()
    for line in ("", "  a", b"b\xff", ""):
        reader.feed(line)
    reader.finish()
    assert reader.text == "a\nb�"
