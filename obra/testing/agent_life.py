"""The life of an agent as the loop leads it: initialize, turns of one session, cleanup."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from obra.domain import Reply, TurnLimits
from obra.events import AgentEvent
from obra.plugins import AgentPlugin
from obra.testing.requirements import (
    AGENT,
    identity_of,
    must_raise,
    no_error,
    require,
    require_bool,
    require_shape,
)


def check_start(agent: AgentPlugin, settings: Mapping[str, Any]) -> None:
    """Require that *agent* is healthy from initialize() on, and not before."""
    require_bool(agent.is_healthy, "is_healthy() before initialize()", expected=False)
    with no_error(AGENT, "initialize()"):
        agent.initialize(settings)
    require_bool(agent.is_healthy, "is_healthy() after initialize()", expected=True)
    identity_of(agent, AGENT)


def check_turn(
    agent: AgentPlugin,
    prompt: str,
    *,
    what: str,
    limits: TurnLimits | None = None,
) -> Reply:
    """Require a turn that ends with a well-formed reply, after well-formed events; return the reply."""
    events: list[object] = []
    with no_error(AGENT, what):
        reply: object = agent.send_prompt(prompt, limits=limits or TurnLimits(), on_event=events.append)
    require(isinstance(reply, Reply), f"send_prompt() must return an obra.domain.Reply, not {reply!r}")
    assert isinstance(reply, Reply)  # noqa: S101  # just required; tells mypy so
    check_reply(reply)
    for event in events:
        require(isinstance(event, AgentEvent), f"on_event must be given AgentEvents, not {event!r}")
    require_bool(agent.is_healthy, f"is_healthy() after {what}", expected=True)
    return reply


def check_turns(agent: AgentPlugin, prompts: Sequence[str]) -> None:
    """Require that each of *prompts* is answered, all in one session."""
    replies = [
        check_turn(agent, prompt, what=f"send_prompt() number {number}")
        for number, prompt in enumerate(prompts, start=1)
    ]
    sessions = [reply.session for reply in replies]
    require(len(set(sessions)) == 1, f"the turns of one task must be one session; the replies name {sessions}")


def check_reply(reply: Reply) -> None:
    """Require that each field of *reply* is of its kind."""
    require(isinstance(reply.text, str), f"Reply.text must be a text, not {reply.text!r}")
    require(isinstance(reply.session, str), f"Reply.session must be a text, not {reply.session!r}")
    for name in ("seconds", "turns", "cost_usd", "tokens_in", "tokens_out"):
        value = reply[name]
        is_unknown = value is None and name != "seconds"
        is_amount = isinstance(value, int | float) and value >= 0
        require(is_unknown or is_amount, f"Reply.{name} must be 0 or more, or None for unknown; not {value!r}")


def check_end(agent: AgentPlugin, prompt: str) -> None:
    """Require that cleanup() may be called twice, and ends it."""
    for times in ("once", "twice"):
        with no_error(AGENT, f"cleanup() called {times}"):
            agent.cleanup()
        require_bool(agent.is_healthy, f"is_healthy() after cleanup() called {times}", expected=False)
    must_raise(AGENT, "send_prompt() after cleanup()", lambda: agent.send_prompt(prompt))


@contextlib.contextmanager
def living(make_agent: Callable[[], AgentPlugin]) -> Iterator[AgentPlugin]:
    """Give an agent, and clean it up in any case."""
    agent = make_agent()
    require_shape(agent, AgentPlugin)
    try:
        yield agent
    finally:
        # Whatever was found wrong above is what must be told, and not that cleanup then fails as well; a third
        # cleanup after a good life does nothing.
        with contextlib.suppress(Exception):
            agent.cleanup()
