"""What goes wrong at the model's door, as the real Claude Code takes it: each fault has its own named outcome."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import pytest

from obra.agents.claude_code_local import ClaudeCodeLocalAgent
from obra.domain import CLIFault, Fault, ModelFault, ScriptStep, TurnLimits
from obra.errors import AgentCrashed, AgentTimeout
from obra.events import AgentEvent, AgentEventKind
from obra.replay.faults import HUGE
from obra.replay.model_server import ModelServer

LIMITS = TurnLimits(idle=90.0, seconds=100.0)


@pytest.fixture
def play(claude: str, tmp_path: Path):
    """Run two turns with faults in the first; returns a function that gives the outcome of the first."""

    @contextmanager
    def opened(*faults: Fault):
        workspace = tmp_path / "workspace"
        workspace.mkdir()
        agent = ClaudeCodeLocalAgent()
        steps = [ScriptStep(say="One."), ScriptStep(say="Two.")]
        with ModelServer(steps, workspace=workspace, faults=faults) as server:
            given = {"base_url": server.base_url, "api_key": "no-key"}
            agent.initialize({"command": claude, "workspace_dir": workspace, **given})
            try:
                yield agent, server
            finally:
                agent.cleanup()

    return opened


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        (ModelFault.RATE_LIMITED, "rate_limit"),
        (ModelFault.OVERLOADED, "overloaded"),
        (ModelFault.ERROR_EVENT, ""),
        (ModelFault.CUT, ""),
        (ModelFault.HALF_LINE, ""),
    ],
)
def test_what_happens_once_is_survived(play, kind: ModelFault, seen: str):
    """The CLI asks again: the turn is answered, with more requests than a good day needs."""
    events: list[AgentEvent] = []
    with play(Fault(kind=kind)) as (agent, server):
        assert agent.send_prompt("go", limits=LIMITS, on_event=events.append).text == "One."
        assert server.requests > 1
        assert server.error == ""
    errors = [event.text for event in events if event.kind is AgentEventKind.ERROR]
    assert all(seen in text for text in errors)
    assert bool(errors) or not seen


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        (ModelFault.OVERLOADED, AgentCrashed, r"the model API failed during the turn \(status 529\).*verloaded"),
        (ModelFault.RATE_LIMITED, AgentCrashed, r"the model API failed during the turn \(status 429\)"),
        (ModelFault.STALLED, AgentTimeout, r"was silent for 3 s"),
    ],
)
def test_what_does_not_stop_ends_the_turn_with_its_own_name(play, kind, error, message):
    """For ever means: the turn fails in its own way, and the next prompt of the session is answered."""
    with play(Fault(kind=kind, times=None)) as (agent, _):
        with pytest.raises(error, match=message):
            agent.send_prompt("go", limits=TurnLimits(idle=3.0) if error is AgentTimeout else LIMITS)
        assert agent.send_prompt("go on", limits=LIMITS).text in ("One.", "Two.")


def test_a_huge_text_arrives_whole(play):
    """Five million characters are one reply, no less."""
    with play(Fault(kind=ModelFault.HUGE_TEXT)) as (agent, _):
        reply = agent.send_prompt("go", limits=LIMITS)
    assert len(reply.text) == HUGE + len("One.")


def test_faults_strike_the_prompt_they_name_and_count_down(tmp_path: Path):
    """Only requests of that prompt suffer, as often as said; those of command lines are not the server's."""
    faults = [Fault(kind=ModelFault.CUT, prompt=2, times=2), Fault(kind=CLIFault.HANGS)]
    server = ModelServer([], workspace=tmp_path, faults=faults)

    def request(prompts: int) -> dict:
        messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}] * prompts
        return {"messages": messages[:-1], "tools": [{"name": "Bash"}]}

    taken = [server.plan.take(request(number)) for number in (1, 2, 2, 2, 3)]
    assert taken == [None, ModelFault.CUT, ModelFault.CUT, None, None]
    assert server.plan.take({**request(2), "tools": []}) is None
