"""The contracts of the two doors as code: check_agent and check_llm, for everyone who writes an adapter.

Call one in a test of your own. It drives the adapter the way the loop does and raises an ``AssertionError``, with
what was expected and what came instead, at the first broken promise; silence means that the loop can use it::

    def test_my_agent_keeps_the_contract(tmp_path):
        check_agent(MyAgent, workspace=tmp_path, config={"command": "my-agent"}, prompts=["Say hello", "Say bye"])
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from obra.domain import Reply, TurnLimits
from obra.errors import AgentError, LLMError, ObraError, ScriptExhausted
from obra.events import AgentEvent
from obra.plugins import AgentPlugin, LLMPlugin

ErrorTypes = tuple[type[ObraError], ...]

_AGENT: ErrorTypes = (AgentError,)
_LLM: ErrorTypes = (LLMError, ScriptExhausted)


def check_agent(
    make_agent: Callable[[], AgentPlugin],
    *,
    workspace: Path,
    config: Mapping[str, Any],
    prompts: Sequence[str],
    impossible: Mapping[str, Any] | None = None,
) -> None:
    """Drive an agent through its whole life: initialize, a turn for each prompt, cleanup twice.

    *prompts* are at least two that the agent can answer. *config* is what ``initialize`` gets, to which
    ``workspace_dir`` is added. *impossible*, when given, is a config that must make ``initialize`` raise an
    AgentError, such as one that names a program which is not there. The agent is cleaned up in any case.

    Raises:
        AssertionError: the agent does not keep the contract of :class:`obra.plugins.AgentPlugin`.
    """
    _require(len(prompts) > 1, "check_agent needs at least two prompts, to see two turns of one session")
    settings = {**config, "workspace_dir": str(workspace)}
    with _agent(make_agent) as agent:
        _check_start(agent, settings)
        _check_turns(agent, prompts)
        _check_end(agent, prompts[0])
    if impossible is not None:
        with _agent(make_agent) as agent:
            refused = {"workspace_dir": str(workspace), **impossible}
            _must_raise(_AGENT, "initialize() with an impossible config", lambda: agent.initialize(refused))
            _require(agent.is_healthy() is False, "is_healthy() must be False after initialize() has failed")


def check_llm(
    make_llm: Callable[[], LLMPlugin],
    *,
    prompt: str = "Say hello",
    schema: Mapping[str, Any] | None = None,
    unreachable: Callable[[], LLMPlugin] | None = None,
) -> None:
    """Ask an LLM twice freely, once with a seed, and, when *schema* is given, once more for JSON.

    *unreachable*, when given, makes one whose server is not there: it must say so without raising, and raise an
    LLMError only when it is asked.

    Raises:
        AssertionError: the LLM does not keep the contract of :class:`obra.plugins.LLMPlugin`.
    """
    with _llm(make_llm) as llm:
        _require_bool(llm.is_available, "is_available()", expected=True)
        name = _identity(llm, _LLM)
        with _no_error(_LLM, "generate()"):
            answers: list[object] = [llm.generate(prompt), llm.generate(prompt, seed=7)]
        for answer in answers:
            is_text = isinstance(answer, str) and bool(answer.strip())
            _require(is_text, f"generate() must return a text, not {answer!r}")
        if schema is not None:
            _check_json(llm, prompt, schema)
        _require(_identity(llm, _LLM) == name, "identity must not change while the LLM is used")
    if unreachable is not None:
        with _llm(unreachable) as llm:
            _require_bool(llm.is_available, "is_available() without a server", expected=False)
            _identity(llm, _LLM)
            _must_raise(_LLM, "generate() without a server", lambda: llm.generate(prompt))


def _check_start(agent: AgentPlugin, settings: Mapping[str, Any]) -> None:
    _require_bool(agent.is_healthy, "is_healthy() before initialize()", expected=False)
    with _no_error(_AGENT, "initialize()"):
        agent.initialize(settings)
    _require_bool(agent.is_healthy, "is_healthy() after initialize()", expected=True)
    _identity(agent, _AGENT)


def _check_turns(agent: AgentPlugin, prompts: Sequence[str]) -> None:
    sessions: list[str] = []
    for number, prompt in enumerate(prompts, start=1):
        events: list[object] = []
        with _no_error(_AGENT, f"send_prompt() number {number}"):
            reply: object = agent.send_prompt(prompt, limits=TurnLimits(), on_event=events.append)
        _require(isinstance(reply, Reply), f"send_prompt() must return an obra.domain.Reply, not {reply!r}")
        if isinstance(reply, Reply):
            _check_reply(reply)
            sessions.append(reply.session)
        for event in events:
            _require(isinstance(event, AgentEvent), f"on_event must be given AgentEvents, not {event!r}")
        _require_bool(agent.is_healthy, f"is_healthy() after turn {number}", expected=True)
    _require(len(set(sessions)) == 1, f"the turns of one task must be one session; the replies name {sessions}")


def _check_reply(reply: Reply) -> None:
    _require(isinstance(reply.text, str), f"Reply.text must be a text, not {reply.text!r}")
    _require(isinstance(reply.session, str), f"Reply.session must be a text, not {reply.session!r}")
    for name in ("seconds", "turns", "cost_usd", "tokens_in", "tokens_out"):
        value = reply[name]
        is_unknown = value is None and name != "seconds"
        is_amount = isinstance(value, int | float) and value >= 0
        _require(is_unknown or is_amount, f"Reply.{name} must be 0 or more, or None for unknown; not {value!r}")


def _check_end(agent: AgentPlugin, prompt: str) -> None:
    for times in ("once", "twice"):
        with _no_error(_AGENT, f"cleanup() called {times}"):
            agent.cleanup()
        _require_bool(agent.is_healthy, f"is_healthy() after cleanup() called {times}", expected=False)
    _must_raise(_AGENT, "send_prompt() after cleanup()", lambda: agent.send_prompt(prompt))


def _check_json(llm: LLMPlugin, prompt: str, schema: Mapping[str, Any]) -> None:
    with _no_error(_LLM, "generate() with a schema"):
        answer: object = llm.generate(prompt, schema=schema)
    try:
        json.loads(str(answer))
    except ValueError as error:
        raise AssertionError(f"generate() with a schema must return JSON, not {answer!r}") from error


@contextlib.contextmanager
def _agent(make_agent: Callable[[], AgentPlugin]) -> Iterator[AgentPlugin]:
    agent = make_agent()
    _require_shape(agent, AgentPlugin)
    try:
        yield agent
    finally:
        # Whatever was found wrong above is what must be told, and not that cleanup then fails as well; a third
        # cleanup after a good life does nothing.
        with contextlib.suppress(Exception):
            agent.cleanup()


@contextlib.contextmanager
def _llm(make_llm: Callable[[], LLMPlugin]) -> Iterator[LLMPlugin]:
    llm = make_llm()
    _require_shape(llm, LLMPlugin)
    try:
        yield llm
    finally:
        close = getattr(llm, "close", None)  # no part of the contract, but polite
        if callable(close):
            close()


def _require_shape(plugin: object, protocol: type[Any]) -> None:
    wanted = sorted(name for name in vars(protocol) if not name.startswith("_"))
    absent = [name for name in wanted if name not in dir(plugin)]
    _require(not absent, f"{type(plugin).__name__} is no {protocol.__name__}: it lacks {', '.join(absent)}")


def _identity(plugin: AgentPlugin | LLMPlugin, expected: ErrorTypes) -> str:
    with _no_error(expected, "identity"):
        name: object = plugin.identity
    is_line = isinstance(name, str) and bool(name.strip()) and "\n" not in name
    _require(is_line, f"identity must be one line of text, such as 'my-agent 1.2'; it is {name!r}")
    return str(name)


def _require_bool(ask: Callable[[], object], what: str, *, expected: bool) -> None:
    try:
        answer = ask()
    except Exception as error:
        raise AssertionError(f"{what} must answer and never raise; it raised {error!r}") from error
    _require(answer is expected, f"{what} must be {expected}; it is {answer!r}")


@contextlib.contextmanager
def _no_error(expected: ErrorTypes, what: str) -> Iterator[None]:
    try:
        yield
    except expected as error:
        raise AssertionError(f"{what} failed where it should work: {error!r}") from error
    except Exception as error:
        raise AssertionError(
            f"{what} failed where it should work, and with {error!r}, which is no {expected[0].__name__}"
        ) from error


def _must_raise(expected: ErrorTypes, what: str, call: Callable[[], object]) -> None:
    try:
        result = call()
    except expected as error:
        _require(bool(str(error)), f"{what} raised {type(error).__name__} without a word; say what to do next")
    except Exception as error:
        raise AssertionError(f"{what} must raise {expected[0].__name__}; it raised {error!r}") from error
    else:
        raise AssertionError(f"{what} must raise {expected[0].__name__}; it returned {result!r}")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
