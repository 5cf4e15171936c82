# ruff: noqa: D102, ARG002, ARG005, FBT003  # toy adapters: their methods and arguments are those of obra.plugins
from __future__ import annotations

import ast
from pathlib import Path

import pytest

import obra.testing
from obra.agents.mock_agent import MockAgent
from obra.domain import Reply
from obra.errors import AgentCrashed, AgentUnavailable, LLMUnavailable, ScriptExhausted
from obra.events import AgentEvent, AgentEventKind
from obra.llm.scripted_llm import ScriptedLLM
from obra.testing import check_agent, check_llm


class GoodAgent:
    """As small as a correct agent can be."""

    identity = "good 1"
    folder = None
    cleanups = 0

    def initialize(self, config):
        if config.get("command") == "missing":
            raise AgentUnavailable("no program called missing; install it")
        self.folder = Path(config["workspace_dir"])

    def is_healthy(self):
        return self.folder is not None

    def send_prompt(self, prompt, *, limits=None, on_event=None):
        if self.folder is None:
            raise AgentUnavailable("not initialized; call initialize() first")
        if on_event is not None:
            on_event(AgentEvent(kind=AgentEventKind.TEXT, text="hm"))
        return Reply(text=f"did {prompt}", session="s1", seconds=0.1)

    def cleanup(self):
        self.cleanups += 1
        self.folder = None


class GoodLLM:
    """As small as a correct LLM can be."""

    identity = "good-model"

    def generate(self, prompt, *, schema=None, seed=None):
        return "{}" if schema else "hello"

    def is_available(self):
        return True


class DeadLLM(GoodLLM):
    def is_available(self):
        return False

    def generate(self, prompt, *, schema=None, seed=None):
        raise LLMUnavailable("no server; start it")


def _with(kind, **members):
    """A subclass of *kind* with other members."""
    return type("Broken", (kind,), members)


def _raising(error):
    def method(self, *args, **kwargs):
        raise error

    return method


def _returning(value):
    return lambda self, *args, **kwargs: value


class ForgetfulAgent(GoodAgent):
    turns = 0

    def send_prompt(self, prompt, **settings):
        reply = super().send_prompt(prompt, **settings)
        self.turns += 1
        return Reply(text=reply.text, session=f"s{self.turns}")


class TalkativeAgent(GoodAgent):
    def send_prompt(self, prompt, *, limits=None, on_event=None):
        on_event("a line of output")
        return super().send_prompt(prompt)


class UndyingAgent(GoodAgent):
    def cleanup(self):
        self.cleanups += 1


class GhostAgent(GoodAgent):
    def send_prompt(self, prompt, *, limits=None, on_event=None):
        return Reply(text="still here")


class OnceAgent(GoodAgent):
    def cleanup(self):
        super().cleanup()
        if self.cleanups > 1:
            raise ValueError("already closed")


def _check(make_agent, tmp_path, **settings):
    check_agent(make_agent, workspace=tmp_path, config={}, prompts=["a", "b"], **settings)


def test_a_correct_agent_passes(tmp_path):
    """Silence means that the loop can use it; the impossible config is tried on a second agent."""
    made = []

    def make():
        made.append(GoodAgent())
        return made[-1]

    _check(make, tmp_path, impossible={"command": "missing"})
    assert len(made) == 2
    assert all(agent.cleanups for agent in made)


def test_our_own_mock_agent_passes(tmp_path):
    """What is asked of strangers is asked of us."""
    _check(MockAgent, tmp_path)


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (object, "no AgentPlugin: it lacks cleanup, identity, initialize, is_healthy, send_prompt"),
        (_with(GoodAgent, is_healthy=_returning(True)), "before initialize.*must be False"),
        (_with(GoodAgent, is_healthy=_returning(None)), "must be False; it is None"),
        (_with(GoodAgent, is_healthy=_raising(OSError("x"))), "never raise; it raised OSError"),
        (_with(GoodAgent, initialize=_returning(None)), "after initialize.*must be True"),
        (_with(GoodAgent, initialize=_raising(KeyError("x"))), "KeyError.*no AgentError"),
        (_with(GoodAgent, initialize=_raising(AgentUnavailable("x"))), "initialize.*failed where"),
        (_with(GoodAgent, identity=""), "identity must be one line"),
        (_with(GoodAgent, identity=property(_raising(RuntimeError("x")))), "identity failed.*RuntimeError"),
        (_with(GoodAgent, send_prompt=_returning("text")), "must return an obra.domain.Reply, not 'text'"),
        (_with(GoodAgent, send_prompt=_returning(Reply(text=b"x"))), "Reply.text must be a text"),
        (_with(GoodAgent, send_prompt=_returning(Reply(text="", session=None))), "Reply.session"),
        (_with(GoodAgent, send_prompt=_returning(Reply(text="", seconds=None))), "Reply.seconds"),
        (_with(GoodAgent, send_prompt=_returning(Reply(text="", turns=-1))), "Reply.turns"),
        (_with(GoodAgent, send_prompt=_raising(AgentCrashed("x"))), "send_prompt.* number 1 failed"),
        (_with(GoodAgent, send_prompt=lambda self, prompt: None), "TypeError"),
        (ForgetfulAgent, r"one session; the replies name \['s1', 's2'\]"),
        (TalkativeAgent, "AgentEvents, not 'a line of output'"),
        (UndyingAgent, "after cleanup.*once must be False"),
        (OnceAgent, "cleanup.*twice failed.*already closed"),
        (GhostAgent, "after cleanup.*must raise AgentError; it returned"),
    ],
)
def test_a_broken_agent_is_told_what_is_wrong(tmp_path, agent, words):
    """Each broken promise has its own words."""
    with pytest.raises(AssertionError, match=words):
        _check(agent, tmp_path)


@pytest.mark.parametrize(
    ("initialize", "words"),
    [
        (_returning(None), "impossible config must raise AgentError; it returned None"),
        (_raising(OSError("x")), "must raise AgentError; it raised OSError"),
        (_raising(AgentUnavailable()), "without a word"),
    ],
)
def test_an_impossible_config_must_be_refused_in_words(tmp_path, initialize, words):
    """The right error, with a message, and nothing else."""

    class Careless(GoodAgent):
        def initialize(self, config):
            return initialize(self) if "command" in config else super().initialize(config)

    with pytest.raises(AssertionError, match=words):
        _check(Careless, tmp_path, impossible={"command": "missing"})


def test_a_broken_agent_is_cleaned_up(tmp_path):
    """A failed check leaves no process of the agent behind."""
    agent = _with(GoodAgent, send_prompt=_returning("text"))()
    with pytest.raises(AssertionError):
        _check(lambda: agent, tmp_path)
    assert agent.cleanups == 1


def test_one_prompt_is_not_enough(tmp_path):
    """Two turns are the least that shows a session."""
    with pytest.raises(AssertionError, match="at least two prompts"):
        check_agent(GoodAgent, workspace=tmp_path, config={}, prompts=["a"])


def test_a_correct_llm_passes():
    """With a free answer, a JSON answer, and one whose server is not there."""
    check_llm(GoodLLM, schema={"type": "object"}, unreachable=DeadLLM)


def test_our_own_scripted_llm_passes():
    """What is asked of strangers is asked of us."""
    check_llm(ScriptedLLM, schema={"type": "object"})


def test_an_llm_is_closed_when_it_can_be():
    """Close is no part of the contract, but whoever has one gets the call."""
    closed = []
    check_llm(_with(GoodLLM, close=lambda self: closed.append(self)))  # noqa: PLW0108  # only a function is bound
    assert len(closed) == 1


class FickleLLM(GoodLLM):
    asked = 0

    @property
    def identity(self):
        self.asked += 1
        return f"model {self.asked}"


@pytest.mark.parametrize(
    ("llm", "words"),
    [
        (object, "no LLMPlugin: it lacks generate, identity, is_available"),
        (_with(GoodLLM, identity=None), "identity must be one line"),
        (_with(GoodLLM, identity="a\nb"), "identity must be one line"),
        (_with(GoodLLM, is_available=_returning(1)), "must be True; it is 1"),
        (_with(GoodLLM, is_available=_raising(OSError("x"))), "never raise"),
        (_with(GoodLLM, generate=_returning(" ")), "must return a text, not ' '"),
        (_with(GoodLLM, generate=_returning(b"hi")), "must return a text"),
        (_with(GoodLLM, generate=_raising(OSError("x"))), "OSError.*no LLMError"),
        (_with(GoodLLM, generate=_raising(ScriptExhausted("x"))), "failed where it should work"),
        (_with(GoodLLM, generate=_returning("hello")), "must return JSON, not 'hello'"),
        (FickleLLM, "identity must not change"),
    ],
)
def test_a_broken_llm_is_told_what_is_wrong(llm, words):
    """Each broken promise has its own words."""
    with pytest.raises(AssertionError, match=words):
        check_llm(llm, schema={"type": "object"})


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"is_available": _returning(True)}, "without a server must be False"),
        ({"is_available": _raising(OSError("x"))}, "never raise"),
        ({"generate": _returning("made up")}, "must raise LLMError; it returned 'made up'"),
        ({"generate": _raising(OSError("x"))}, "must raise LLMError; it raised OSError"),
        ({"identity": ""}, "identity must be one line"),
    ],
)
def test_an_unreachable_llm_must_say_so(members, words):
    """No invented answer and no foreign error where there is no server."""
    with pytest.raises(AssertionError, match=words):
        check_llm(GoodLLM, unreachable=_with(DeadLLM, **members))


def test_it_needs_no_test_framework():
    """Third parties may run it under anything; what they run imports no pytest, and nothing that runs the loop."""
    for path in Path(obra.testing.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        barred = ("pytest", "_pytest", "obra.cli", "obra.bootstrap", "obra.orchestrator", "obra.judging")
        assert not {name for name in imported if name.startswith(barred)}
