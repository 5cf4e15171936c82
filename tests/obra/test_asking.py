"""A person who is asked through the database."""

import os
import signal
import threading
import time

import pytest
from crash_case import in_child

from obra import Config, MockAgent, Orchestrator, StateManager
from obra.asking import read_answer
from obra.domain import (
    PERMISSION_ASKED,
    Breakpoint,
    Control,
    ControlAct,
    PermissionRequest,
    ScriptStep,
    Trigger,
)
from obra.errors import TaskStopped
from obra.events import BreakpointOpened


@pytest.mark.parametrize(
    ("words", "allowed", "reason"),
    [
        ("allow", True, ""),
        ("Yes, but only once", True, "but only once"),
        ("deny: build is needed", False, "build is needed"),
        ("no", False, ""),
        ("perhaps later", False, "perhaps later"),
        ("allowance", False, "allowance"),
    ],
)
def test_only_a_clear_word_allows(words, allowed, reason):
    """Doubt is a refusal, in the person's own words."""
    answer = read_answer(words)
    assert (answer.allowed, answer.reason) == (allowed, reason)


class Asker(MockAgent):
    """A mock agent that asks before it acts."""

    on_permission = None

    def send_prompt(self, prompt, **arguments):
        """Ask, then play the step."""
        self.answer = self.on_permission(PermissionRequest(tool="Bash", subject="rm -rf build"))
        return super().send_prompt(prompt, **arguments)


@pytest.fixture
def loop(tmp_path):
    """A loop whose agent asks, and the other terminal's way into its database."""
    from obra.asking import AskPeople

    url = f"sqlite:///{tmp_path}/obra.db"
    config = Config()
    for key, value in {
        "agent.type": "mock",
        "llm.type": "scripted",
        "database.url": url,
        "workspace.store": str(tmp_path / "s.git"),
    }.items():
        config.set(key, value)
    opened = []
    agent = Asker([ScriptStep(say="Done.", write={"a.txt": "a"})])
    with (
        StateManager(url) as state,
        Orchestrator(
            config,
            agent=agent,
            reviewer=[{"score": 90}],
            on_permission=AskPeople(),
            observers=[lambda event: opened.append(event) if isinstance(event, BreakpointOpened) else None],
        ) as orchestrator,
    ):
        project = orchestrator.state_manager.create_project("p", working_dir=tmp_path / "work")
        orchestrator.state_manager.create_task(project.id, {"title": "Make a.txt", "checks": [{"file": "a.txt"}]})
        yield orchestrator, state, agent, opened


def when_asked(opened, do):
    """Do something in another thread as soon as there is an open question."""

    def wait():
        deadline = time.monotonic() + 90
        while not opened:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        do(opened[0].breakpoint.id)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_the_run_waits_for_the_answer(loop):
    """And the answer reaches the agent; the breakpoint is resolved and no answer to the task."""
    orchestrator, state, agent, opened = loop
    thread = when_asked(opened, lambda key: state.resolve_breakpoint(key, "allow: it is only a copy"))
    outcome = orchestrator.execute_task(1)
    thread.join()
    assert outcome.status == "completed"
    assert (agent.answer.allowed, agent.answer.reason) == (True, "it is only a copy")
    (stored,) = state.breakpoints(task_id=1)
    assert (stored.reason, stored.is_permission) == ("may it use Bash: rm -rf build", True)


def test_a_question_that_nobody_waits_for_is_closed(loop):
    """The run was stopped meanwhile; whoever answers later must not believe that it counts."""
    orchestrator, state, _, opened = loop
    thread = when_asked(opened, lambda _: state.ask(Control(task_id=1, act=ControlAct.STOP, by="anna")))
    with pytest.raises(TaskStopped):
        orchestrator.execute_task(1)
    thread.join()
    (stored,) = state.breakpoints(task_id=1)
    assert (stored.status, stored.answer) == ("resolved", "deny: the run was stopped before anybody answered")


def test_a_question_whose_run_was_killed_is_closed_when_that_goes_on(loop):
    """Its process died while it waited; the agent asks anew, and only that question is open then."""
    orchestrator, state, _, opened = loop

    def ask_and_die():
        with StateManager(f"sqlite:///{state.file}") as own:
            own.start_task(1)
            asked = f"{PERMISSION_ASKED}Bash: rm -rf build"
            own.open_breakpoint(Breakpoint(task_id=1, attempt_number=1, trigger=Trigger.AGENT_ASKS, reason=asked))
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(ask_and_die) == -signal.SIGKILL
    thread = when_asked(opened, lambda key: state.resolve_breakpoint(key, "allow"))
    assert orchestrator.resume_task(1).status == "completed"
    thread.join()
    answers = [one.answer for one in state.breakpoints(task_id=1)]
    assert answers == ["allow", "deny: the run was stopped before anybody answered"]
