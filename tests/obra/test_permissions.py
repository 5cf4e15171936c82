"""Who answers the agent when it asks, what is remembered of it, and that it never answers for the whole task."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from obra import Config, MockAgent, Orchestrator
from obra.domain import (
    BreakpointStatus,
    PermissionAnswer,
    PermissionRequest,
    PermissionRule,
    Reply,
    ScriptStep,
    Trigger,
)
from obra.permissions import PermissionDesk
from obra.scenarios.scenario import Scenario
from obra.scenarios.scenario_run import run_scenario
from obra.state.state_manager import StateManager

YES = {"score": 90}
NO = PermissionAnswer(allowed=False, reason="no")
OK = PermissionAnswer(allowed=True)
REMOVE = PermissionRule(tool="Bash", contains="rm -rf", answer=NO)


def bash(command: str) -> PermissionRequest:
    """A request to run a command."""
    return PermissionRequest(tool="Bash", subject=command, input={"command": command})


@pytest.mark.parametrize(
    ("request_", "allowed", "by"),
    [
        (bash("rm -rf ."), False, "scenario"),
        (bash("ls"), True, "configuration"),
        (PermissionRequest(tool="WebFetch", subject="http://x", input={"url": "http://x"}), False, "default"),
        (PermissionRequest(tool="Bash", input={"command": ["rm -rf"]}), True, "configuration"),
    ],
)
def test_rules_come_first_then_the_configuration_then_nobody(request_, allowed, by, tmp_path: Path):
    """The first rule that matches counts; a tool that only a rule asks about stays allowed otherwise."""
    desk = PermissionDesk(rules=[REMOVE], allowed_tools=["Bash"])
    answer, who = desk.answer(request_, tmp_path)
    assert (answer.allowed, who) == (allowed, by)


def test_a_write_outside_is_not_allowed_by_the_list_of_tools(tmp_path: Path):
    """Asking about a tool that writes must not open what the mode keeps closed: the rest of the disk."""
    rule = PermissionRule(tool="Write", contains="secret", answer=NO)
    desk = PermissionDesk(rules=[rule], allowed_tools=["Write"])
    (tmp_path / "link").symlink_to("/etc")
    for path, allowed in (("a.txt", True), ("/etc/passwd", False), ("../x", False), ("link/x", False)):
        request = PermissionRequest(tool="Write", subject=path, input={"file_path": path})
        assert desk.answer(request, tmp_path)[0].allowed is allowed, path


def test_an_operator_is_asked_last_and_may_abstain(tmp_path: Path):
    """The operator's answer counts; without one the call is denied with a reason that says what to do."""
    seen: list[str] = []
    desk = PermissionDesk(operator=lambda request: seen.append(request.subject) or (OK if seen[1:] else None))
    first, by = desk.answer(bash("one"), tmp_path)
    assert (first.allowed, by) == (False, "default")
    assert "nobody who could be asked" in first.reason
    assert desk.answer(bash("two"), tmp_path) == (OK, "operator")
    assert seen == ["one", "two"]


class Asker(MockAgent):
    """A mock agent that asks before it acts, and says what it was told."""

    on_permission = None

    def send_prompt(self, prompt: str, **arguments) -> Reply:
        """Ask for two commands, then play the script."""
        assert self.on_permission is not None
        self.on_permission(bash("rm -rf build"))
        self.on_permission(bash("ls"))
        return super().send_prompt(prompt, **arguments)


def test_answers_are_stored_as_resolved_breakpoints_and_silence_as_an_event(tmp_path: Path):
    """A rule's answer is a breakpoint of the attempt; the default denial an event; neither ends the task."""
    config = Config()
    config.set("database.url", f"sqlite:///{tmp_path}/obra.db")
    config.set("agent.allowed_tools", [])
    config.set("workspace.store", str(tmp_path / "store.git"))
    script = [ScriptStep(say="Done.", write={"hello.py": "x = 1\n"})]
    with Orchestrator(config, agent=Asker(), script=script, reviewer=[YES], permissions=[REMOVE]) as loop:
        state = loop.state_manager
        project = state.create_project("p", working_dir=str(tmp_path / "work"))
        task = state.create_task(project.id, {"title": "t", "checks": [{"file": "hello.py"}]})
        outcome = loop.execute_task(task.id)
        stored = state.breakpoints(task_id=task.id)
        [event] = [one["data"] for one in state.events(task.id) if one["kind"] == "permission"]
    assert (outcome.status, outcome.breakpoint) == ("completed", None)
    assert [(one.trigger, one.status, one.reason, one.answer) for one in stored] == [
        (Trigger.AGENT_ASKS, BreakpointStatus.RESOLVED, "may it use Bash: rm -rf build", "deny: no")
    ]
    assert stored[0].attempt_number == 1
    assert stored[0].is_permission
    assert event.pop("answer").startswith("deny: Bash is not permitted here")
    assert event == {"number": 1, "tool": "Bash", "subject": "ls", "by": "default", "request": ""}


@pytest.mark.parametrize("rules", [[REMOVE], []], ids=["by a rule", "by nobody"])
def test_a_question_that_was_answered_before_a_kill_is_not_answered_twice(tmp_path: Path, rules):
    """Whoever takes the turn over is asked by the same name and repeats the stored answer."""
    asked = replace(bash("rm -rf build"), id="q1")
    other = replace(asked, id="q2")
    with StateManager(f"sqlite:///{tmp_path}/obra.db") as state:
        project = state.create_project("p", working_dir=tmp_path)
        key = state.create_task(project.id, {"title": "t"}).id

        def asks(request: PermissionRequest, desk: PermissionDesk) -> PermissionAnswer:
            return desk.for_attempt(state, key, 1, tmp_path, lambda _: None)(request)

        first = asks(asked, PermissionDesk(rules=rules))
        assert (first.allowed, first.reason[:2]) == (False, "no" if rules else "Ba")
        whoever_comes = PermissionDesk(operator=lambda _: OK)
        assert asks(asked, whoever_comes) == first
        assert len(state.events(key)) == 1
        assert asks(other, whoever_comes) == OK
        assert len(state.events(key)) == 2
        assert len(state.breakpoints(task_id=key)) == (2 if rules else 1)


def test_an_answer_to_one_call_is_no_answer_to_the_task(tmp_path: Path):
    """Run again, the task is not told 'deny: no' as if a person had explained what it means."""
    config = Config()
    config.set("database.url", f"sqlite:///{tmp_path}/obra.db")
    config.set("workspace.store", str(tmp_path / "store.git"))
    prompts: list[str] = []

    class Listener(Asker):
        def send_prompt(self, prompt: str, **arguments) -> Reply:
            prompts.append(prompt)
            return super().send_prompt(prompt, **arguments)

    script = [ScriptStep(say="Done.", write={"a.txt": str(number)}) for number in range(2)]
    with Orchestrator(
        config, agent=Listener(), script=script, reviewer=[{"score": 10}] * 4, permissions=[REMOVE]
    ) as loop:
        state = loop.state_manager
        project = state.create_project("p", working_dir=str(tmp_path / "work"))
        task = state.create_task(project.id, {"title": "t", "checks": [{"file": "missing.txt"}]})
        loop.execute_task(task.id, max_iterations=1)
        loop.execute_task(task.id, max_iterations=1)
    assert len(prompts) == 2
    assert "deny: no" not in prompts[1]


def test_a_scenario_answers_the_real_agent(claude: str, tmp_path: Path):
    """``permissions:`` denies one command of the real Claude Code and lets the others pass; it all is stored."""
    scenario = Scenario.from_data(
        {
            "task": {"title": "Make two files"},
            "checks": [{"file": ["a.txt", "b.txt"]}],
            "permissions": [{"tool": "Bash", "contains": "rm -rf", "answer": "deny", "reason": "keep it"}],
            "script": [{"say": "Done.", "write": {"a.txt": "a"}, "run": ["rm -rf a.txt", "touch b.txt"]}],
            "reviewer": [{"score": 90}],
        }
    )
    config = Config.load(rung="replay")
    for key, value in {
        "agent.local.command": claude,
        "database.url": f"sqlite:///{tmp_path}/obra.db",
        "workspace.store": str(tmp_path / "store.git"),
        "monitoring.watch_files": False,
    }.items():
        config.set(key, value)
    with Orchestrator(
        config, script=scenario.script, reviewer=scenario.reviewer, permissions=scenario.permissions
    ) as loop:
        report = run_scenario(scenario, loop, root=tmp_path / "work", agent="replay")
        stored = loop.state_manager.breakpoints(task_id=report.outcome.task_id)
    assert report.passed, report
    assert report.outcome.attempts[0].reply.denials == ("Bash rm -rf a.txt",)
    assert [(one.reason, one.answer) for one in stored] == [("may it use Bash: rm -rf a.txt", "deny: keep it")]
