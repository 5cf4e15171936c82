"""ACPAgent against a small agent that speaks the protocol by its own library."""

from __future__ import annotations

import shlex
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from ever_longer import with_time

from obra.agents.acp import ACPAgent
from obra.domain import PermissionAnswer, TurnLimits
from obra.errors import AgentCrashed, AgentTimeout, AgentUnavailable, ObraError
from obra.plugins import AsksPermission
from obra.testing import check_agent

STAND_IN = shlex.join([sys.executable, str(Path(__file__).parent / "acp_stand_in.py")])


@pytest.fixture
def make(workspace):
    """Return a function that makes an agent, and cleans it up."""
    made = []

    def make(**settings) -> ACPAgent:
        agent = ACPAgent()
        made.append(agent)
        agent.initialize({"workspace_dir": workspace, "command": STAND_IN, **settings})
        return agent

    yield make
    for agent in made:
        agent.cleanup()


def test_the_contract(workspace, processes_in):
    """The shipped suite passes with one process for both turns, and nothing is left."""
    before = set(threading.enumerate())
    check_agent(
        ACPAgent,
        workspace=workspace,
        config={"command": STAND_IN},
        prompts=["say one", "say two"],
        impossible={"command": "nowhere-to-be-found"},
    )
    assert not processes_in(workspace)
    assert set(threading.enumerate()) <= before


def test_one_process_serves_all_turns(make):
    """The pieces of a text are put together, and the process is the same."""
    agent = make()
    assert agent.identity == "stand-in 9"
    first, second = (agent.send_prompt(f"say {word}") for word in ("one", "two"))
    assert first.text.partition(" ")[2] == second.text.partition(" ")[2]
    assert (second.text.partition(" ")[0], second.session, second.limit) == ("two", "s-1", "")


def test_a_megabyte_each_way(make):
    """Long prompts and long lines arrive whole."""
    text = "ä" * 1_000_000
    assert make().send_prompt(f"say {text}").text.startswith(text)


def test_policy_answers_what_it_can(make, workspace):
    """An edit in the workspace is allowed once; outside of it, or of another kind, it is denied and told."""
    agent = make()
    assert agent.send_prompt("edit a.txt").text == "allow_once"
    assert (workspace / "a.txt").read_text() == "edited"
    for prompt, denied in (("edit ../b.txt", "edit edit ../b.txt"), ("fetch", "fetch fetch")):
        reply = agent.send_prompt(prompt)
        assert reply.text == "reject_once"
        assert reply.denials == (denied,)
    assert not (workspace.parent / "b.txt").exists()


def test_what_policy_does_not_allow_is_put_to_a_decision(make):
    """Whoever decides sees tool, subject and input, in the thread of the turn; waiting counts for no limit."""
    here = threading.current_thread()

    def ask(limit: float) -> None:
        agent = make(timeout=limit, timeout_response=limit, ask_about=["edit"])
        assert isinstance(agent, AsksPermission)
        seen = []

        def decide(request) -> PermissionAnswer:
            seen.append((request.tool, request.subject, dict(request.input), threading.current_thread()))
            time.sleep(limit * 1.2)
            return PermissionAnswer(allowed=request.tool == "edit")

        agent.on_permission = decide
        assert agent.send_prompt("edit a.txt").text == "allow_once"
        assert agent.send_prompt("fetch").text == "reject_once"
        assert seen == [("edit", "edit a.txt", {"path": "a.txt"}, here), ("fetch", "fetch ", {"path": ""}, here)]

    with_time(ask, 0.5, 4, 20)


def test_time_limits(make, processes_in, workspace):
    """Silence and the whole turn have limits; the process is gone, and the next turn loads the session."""
    agent = make()
    with pytest.raises(AgentTimeout, match=r"was silent for 0\.4 s"):
        agent.send_prompt("hang", limits=TurnLimits(idle=0.4))
    assert not processes_in(workspace)
    with pytest.raises(AgentTimeout, match=r"was not done after 0\.5 s"):
        agent.send_prompt("chatter", limits=TurnLimits(seconds=0.5))
    reply = agent.send_prompt("say again")
    assert reply.text.startswith("again (")
    assert reply.session == "s-1"


def test_a_limit_of_tool_calls_cancels_the_turn_and_keeps_the_session(make):
    """The agent stops as the protocol says, and answers the next prompt in the same process."""
    agent = make()
    before = agent.send_prompt("say one").text.partition(" ")[2]
    reply = agent.send_prompt("many 1000", limits=TurnLimits(turns=5))
    assert reply.limit == "max_turns"
    assert agent.send_prompt("say two").text == f"two {before}"
    assert agent.send_prompt("refuse").limit == "refusal"


def test_a_crash_has_a_name_and_the_session_goes_on(make):
    """What it last said is told; an error of its own is no crash of the process, but of the turn."""
    agent = make()
    with pytest.raises(AgentCrashed, match=r"ended before the turn was complete.*last words"):
        agent.send_prompt("die")
    assert agent.send_prompt("say again").session == "s-1"
    with pytest.raises(AgentCrashed, match="something odd"):
        agent.send_prompt("fail something odd")
    with pytest.raises(AgentUnavailable, match="401"):
        agent.send_prompt("fail 401 Unauthorized")


def test_cleanup_ends_a_turn_from_another_thread(make, workspace, processes_in):
    """The turn fails with a name, and nothing is left."""
    agent = make()
    begun = threading.Event()
    canceller = threading.Thread(target=lambda: (begun.wait(100), agent.cleanup()))
    canceller.start()
    with pytest.raises(AgentCrashed, match="the ACP agent was cancelled in the middle of its turn"):
        agent.send_prompt("chatter", on_event=lambda _: begun.set())
    canceller.join()
    assert not agent.is_healthy()
    assert not processes_in(workspace)


def test_a_process_that_was_killed_between_turns(make, workspace):
    """Another one is started, and the session is loaded; nothing of the one before is left."""
    agent = make()
    before = set(threading.enumerate())
    number = int(agent.send_prompt("say one").text.partition("(")[2].rstrip(")"))
    psutil.Process(number).kill()
    psutil.wait_procs([process for process in psutil.process_iter() if process.pid == number], timeout=60)
    assert str(number) not in agent.send_prompt("say two").text
    (gone,) = before - set(threading.enumerate())
    assert gone.name == "obra-acp"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"command": f"{sys.executable} -c 'print(1)'"}, "does not open a session"),
        (
            {"command": f"{sys.executable} -c 'import time; time.sleep(60)'", "timeout_ready": 0.5},
            "the ACP agent did not answer within 0.5 s",
        ),
        ({"command": "'"}, "mend its quotes"),
        ({"command": ""}, "not on this machine"),
    ],
)
def test_programs_that_are_no_agents(make, settings, told, processes_in, workspace):
    """They are refused with the reason, and leave nothing behind."""
    with pytest.raises(AgentUnavailable, match=told):
        make(**settings)
    assert not processes_in(workspace)


def test_settings_that_are_wrong(make, workspace):
    """An unknown key and a folder that cannot be are told."""
    with pytest.raises(ObraError, match="did you mean 'allowed_kinds'"):
        make(allowed_kind=["read"])
    (workspace / "file").write_text("")
    with pytest.raises(AgentUnavailable, match="cannot be made"):
        make(workspace_dir=workspace / "file")


def test_an_agent_that_does_not_stop_when_it_is_told_to(make, processes_in, workspace):
    """It passed a limit and ignores the cancellation that the protocol knows: its process is ended."""
    agent = make()
    with pytest.raises(AgentTimeout, match="passed a limit, and did not stop when it was told to"):
        agent.send_prompt("insist", limits=TurnLimits(turns=5))
    assert not processes_in(workspace)


def test_a_program_or_a_library_that_is_not_there_is_told(make, tmp_path, monkeypatch):
    """A script whose interpreter is gone, and a Python without the library of the protocol."""
    (tmp_path / "agent").write_text("#!/nowhere/interpreter\n")
    (tmp_path / "agent").chmod(0o755)
    with pytest.raises(AgentUnavailable, match=r"^the ACP agent cannot be started: cannot run .*/agent"):
        make(command=str(tmp_path / "agent"))
    monkeypatch.setitem(sys.modules, "acp", None)
    with pytest.raises(AgentUnavailable, match=r"needs a library that is not here: pip install 'obra\[acp\]'$"):
        make()
