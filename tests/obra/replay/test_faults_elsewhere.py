"""The faults of the other model APIs, as the real Codex, Gemini CLI and opencode take them."""

from __future__ import annotations

import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from obra.domain import Fault, ModelFault, ScriptStep, TurnLimits
from obra.errors import AgentError
from obra.plugins import AGENTS, find_plugin
from obra.replay.chat_completions import ChatCompletions
from obra.replay.dialect import Dialect
from obra.replay.dialects import server_for, settings_for
from obra.replay.generate_content import GenerateContent
from obra.replay.messages import AnthropicMessages
from obra.replay.model_server import ModelServer
from obra.replay.responses_api import OpenAIResponses

SECONDS = 300  # these programs take seconds to start, and more on a busy machine
STEPS = [ScriptStep(say="One.")]
ANSWERED, CRASHED, TIMED_OUT = "answered", "AgentCrashed", "AgentTimeout"


@dataclass(frozen=True)
class Asks:
    """A first prompt in one dialect: where it goes, and what it says."""

    dialect: Dialect
    path: str
    body: dict[str, Any]
    overloaded: int


USER = {"role": "user", "content": "go"}
DIALECTS = {
    "messages": Asks(
        AnthropicMessages(), "/v1/messages", {"messages": [USER], "tools": [{}], "stream": True}, 529
    ),
    "responses": Asks(
        OpenAIResponses(),
        "/v1/responses",
        {"input": [USER], "tools": [{"name": "exec_command"}], "stream": True},
        503,
    ),
    "chat": Asks(
        ChatCompletions(), "/v1/chat/completions", {"messages": [USER], "tools": [{}], "stream": True}, 503
    ),
    "gemini": Asks(
        GenerateContent(),
        "/v1beta/models/m:streamGenerateContent",
        {"contents": [{"role": "user", "parts": [{"text": "go"}]}], "tools": [{}]},
        503,
    ),
}


@pytest.mark.parametrize("asks", DIALECTS.values(), ids=DIALECTS)
def test_each_dialect_has_each_fault_once_and_then_answers(asks: Asks, tmp_path: Path):
    """Refused with its own status, broken off between two events or within a line, an error event, a flood."""
    seen: dict[ModelFault, bytes] = {}
    faults = [Fault(kind=kind) for kind in ModelFault if kind is not ModelFault.STALLED]
    with ModelServer(STEPS, workspace=tmp_path, dialect=asks.dialect, faults=faults) as server:

        def ask() -> httpx.Response:
            return httpx.post(server.base_url + asks.path, json=asks.body)

        for fault in faults:
            answer = ask()
            seen[ModelFault(fault.kind)] = without_numbers(answer.content)
            status = {ModelFault.RATE_LIMITED: 429, ModelFault.OVERLOADED: asks.overloaded}.get(fault.kind, 200)
            assert answer.status_code == status
            assert b'"error"' in answer.content or status == 200  # HTTP's own number
        whole = without_numbers(ask().content)
    assert whole.startswith(seen[ModelFault.CUT])
    assert seen[ModelFault.CUT].strip(b" ").endswith(b"\n")
    assert not seen[ModelFault.HALF_LINE].endswith(b"\n")
    assert len(seen[ModelFault.CUT]) < len(seen[ModelFault.HALF_LINE]) < len(whole)
    assert b"overloaded" in seen[ModelFault.ERROR_EVENT].lower()
    assert len(seen[ModelFault.HUGE_TEXT]) > 5_000_000 > len(whole)  # as its docstring says
    assert server.error == ""


def without_numbers(answer: bytes) -> bytes:
    """Return an answer without what counts the answers."""
    return re.sub(rb'(obra[_-]|"created": )\d+', rb"\1N", answer)


PATIENT, QUICK = TurnLimits(idle=60.0, seconds=120.0), TurnLimits(idle=5.0, seconds=120.0)
FEW_CALLS = TurnLimits(idle=60.0, seconds=120.0, turns=2)


@dataclass(frozen=True)
class Case:
    """A fault, once or for ever, and what it ends in: the name of the outcome, and words of it."""

    kind: ModelFault
    times: int | None
    outcome: str
    words: str
    asked_again: bool
    limits: TurnLimits = PATIENT


CASES = {
    "codex": [
        Case(ModelFault.RATE_LIMITED, 1, CRASHED, "last status: 429 Too Many Requests", asked_again=False),
        Case(ModelFault.OVERLOADED, 1, ANSWERED, "One.", asked_again=True),
        Case(ModelFault.OVERLOADED, None, CRASHED, "model is at capacity", asked_again=True),
        Case(ModelFault.STALLED, 1, TIMED_OUT, "silent for 5 s", asked_again=False, limits=QUICK),
        Case(ModelFault.CUT, 1, ANSWERED, "One.", asked_again=True),
        Case(ModelFault.CUT, None, CRASHED, "stream disconnected before completion", asked_again=True),
        Case(ModelFault.HALF_LINE, 1, ANSWERED, "One.", asked_again=True),
        Case(ModelFault.ERROR_EVENT, 1, CRASHED, "model is at capacity", asked_again=False),
    ],
    "gemini": [
        Case(ModelFault.RATE_LIMITED, 1, ANSWERED, "One.", asked_again=True),
        Case(ModelFault.OVERLOADED, None, TIMED_OUT, "silent for 5 s", asked_again=False, limits=QUICK),
        Case(ModelFault.STALLED, 1, TIMED_OUT, "silent for 5 s", asked_again=False, limits=QUICK),
        Case(ModelFault.HALF_LINE, None, CRASHED, "Incomplete JSON segment", asked_again=True),
    ],
    "opencode": [
        Case(ModelFault.RATE_LIMITED, 1, ANSWERED, "One.", asked_again=True),
        Case(ModelFault.CUT, None, "max_turns", "", asked_again=True, limits=FEW_CALLS),
        Case(ModelFault.STALLED, None, TIMED_OUT, "was silent for 10 s", asked_again=False,
             limits=TurnLimits(idle=10.0)),
        Case(ModelFault.HALF_LINE, 1, ANSWERED, "One.", asked_again=True),
    ],
}  # fmt: skip
"""What each program really does: Codex gives up at a 429, Gemini waits longer than anybody, opencode for ever."""


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("agent", CASES)
def test_each_fault_ends_in_its_own_outcome_with_the_real_program(agent: str, tmp_path: Path):
    """Some are survived, others end the turn: each with its own name, by our limits where it would wait on."""
    variable = f"{agent.upper()}_BINARY"
    program = shutil.which(os.environ.get(variable, agent))
    if not program:
        pytest.skip(f"no {agent}: install it as .ci/run does and name its path in {variable}")
    cases = CASES[agent]
    folders = [tmp_path / str(number) for number in range(len(cases))]
    with ThreadPoolExecutor(4) as pool:  # most of the time they wait
        ended = list(pool.map(lambda case, folder: play(agent, program, case, folder), cases, folders))
    for case, (outcome, words, requests) in zip(cases, ended, strict=True):
        shown = (case.kind, case.times, outcome, words, requests)
        assert outcome == case.outcome, shown
        assert re.search(re.escape(case.words), words), shown
        assert requests > 1 or not case.asked_again, shown


def play(kind: str, program: str, case: Case, folder: Path) -> tuple[str, str, int]:
    """Run one turn; return the name of its outcome, its words, and how often the model was asked."""
    folder.mkdir()
    agent = find_plugin(AGENTS, kind)()
    faults = [Fault(kind=case.kind, times=case.times)]
    with server_for(kind, STEPS, workspace=folder, faults=faults) as server:
        agent.initialize({"command": program, "workspace_dir": folder, **settings_for(kind, server)})
        try:
            reply = agent.send_prompt("go", limits=case.limits)
        except AgentError as error:
            return type(error).__name__, str(error), server.requests
        else:
            return reply.limit or ANSWERED, reply.text, server.requests
        finally:
            agent.cleanup()
