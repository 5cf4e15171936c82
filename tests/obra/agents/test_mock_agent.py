"""MockAgent acts its script out for real, and says so when it cannot."""

import pytest

from obra.agents.mock_agent import NO_SCRIPT_REPLY, MockAgent
from obra.domain import ScriptStep, TurnLimits
from obra.errors import AgentCrashed, AgentTimeout, AgentUnavailable, ScriptExhausted
from obra.events import AgentEventKind


def ready(root, *steps: ScriptStep) -> MockAgent:
    """Return an agent that is ready to play steps in root."""
    agent = MockAgent(steps)
    agent.initialize({"workspace_dir": str(root)})
    return agent


def test_a_step_changes_the_workspace_for_real(tmp_path):
    """Files are written, edited and deleted, commands run, in that order, and each is told as an event."""
    (tmp_path / "old.txt").write_text("old")
    (tmp_path / "folder").mkdir()
    agent = ready(
        tmp_path,
        ScriptStep(
            say="Done.",
            write={"deep/a.py": "x = 1\n"},
            edit={"deep/a.py": ("1", "2")},
            delete=("old.txt", "folder"),
            run=("python deep/a.py && cp deep/a.py copy.py",),
        ),
    )
    events = []
    reply = agent.send_prompt("go", on_event=events.append)
    assert str(reply) == "Done."
    assert (tmp_path / "copy.py").read_text() == "x = 2\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.py", "deep"]
    kinds = [event.kind for event in events]
    assert kinds[:2] == [AgentEventKind.FILE_EDIT] * 2
    assert AgentEventKind.TOOL_RESULT in kinds
    assert kinds[-1] is AgentEventKind.END


def test_without_a_script_it_is_harmless(tmp_path):
    """No script at all: one fixed reply for ever, and nothing changes."""
    agent = MockAgent()
    agent.initialize({"workspace_dir": str(tmp_path)})
    assert [str(agent.send_prompt("x")) for _ in range(3)] == [NO_SCRIPT_REPLY] * 3
    assert list(tmp_path.iterdir()) == []


def test_a_used_up_script_is_said(tmp_path):
    """One prompt more than there are steps raises, and says how many there were."""
    agent = ready(tmp_path, ScriptStep(say="one"))
    agent.send_prompt("x")
    with pytest.raises(ScriptExhausted, match=r"has 1 step\(s\) and a prompt number 2 came"):
        agent.send_prompt("x")


def test_a_used_up_script_of_a_resumed_run_counts_the_whole(tmp_path):
    """What was played before the interruption belongs to the script."""
    agent = MockAgent()
    agent.initialize({"workspace_dir": str(tmp_path), "script": [ScriptStep(say="three")], "script_played": 2})
    agent.send_prompt("x")
    with pytest.raises(ScriptExhausted, match=r"has 3 step\(s\) and a prompt number 4 came"):
        agent.send_prompt("x")


def test_a_failing_command_is_the_agents_own_business(tmp_path):
    """A command that fails is reported as an event; the turn goes on, as a real agent's would."""
    agent = ready(tmp_path, ScriptStep(say="hm", run=("exit 3", "touch after")))
    events = []
    agent.send_prompt("x", on_event=events.append)
    assert any(event.text.startswith("exit 3") for event in events)
    assert (tmp_path / "after").exists()


def test_a_command_ends_with_the_turns_limit(tmp_path):
    """A command that hangs is ended at the turn's limit and named."""
    agent = ready(tmp_path, ScriptStep(run=("sleep 30",)))
    with pytest.raises(AgentTimeout, match="'sleep 30' was still running after"):
        agent.send_prompt("x", limits=TurnLimits(seconds=0.2))


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (ScriptStep(edit={"a.py": ("gone", "x")}), "the text 'gone' is not in it"),
        (ScriptStep(edit={"none.py": ("a", "b")}), "No such file"),
        (ScriptStep(delete=("none.py",)), "No such file"),
        (ScriptStep(write={"../out.txt": "x"}), "which leaves the workspace"),
        (ScriptStep(write={"a.py/b": "x"}), "cannot be acted out"),
    ],
)
def test_a_step_that_cannot_be_acted_out(tmp_path, step, words):
    """A script that does not fit the workspace is an error that names step and path."""
    (tmp_path / "a.py").write_text("text")
    with pytest.raises(AgentCrashed) as caught:
        ready(tmp_path, step).send_prompt("x")
    assert words in str(caught.value)
    assert not (tmp_path.parent / "out.txt").exists()


def test_health_follows_life(tmp_path):
    """It is healthy between initialize and cleanup, cleanup may come twice, and then it refuses."""
    agent = MockAgent()
    assert not agent.is_healthy()
    with pytest.raises(AgentUnavailable, match="no workspace_dir"):
        agent.initialize({})
    agent.initialize({"workspace_dir": str(tmp_path / "new")})
    assert agent.is_healthy()
    agent.cleanup()
    agent.cleanup()
    assert not agent.is_healthy()
    with pytest.raises(AgentUnavailable, match="not initialized"):
        agent.send_prompt("x")


def test_a_workspace_that_cannot_be_made(tmp_path):
    """A file where the folder should be is said."""
    (tmp_path / "file").write_text("")
    with pytest.raises(AgentUnavailable, match="cannot be made"):
        MockAgent().initialize({"workspace_dir": str(tmp_path / "file" / "below")})
