"""The plan's phase 2, and what the loop promises: every wire carries information, every end is stored."""

import json
import sqlite3
import subprocess
import threading
from pathlib import Path

import pytest

from obra import Config, MockAgent, Orchestrator, ScriptedLLM, StateManager
from obra.domain import Reply, ScriptStep, TaskStatus
from obra.errors import AgentCrashed, AgentUnavailable, ConfigError, IllegalStatus, LLMUnavailable, WorkspaceError
from obra.events import (
    AttemptRecorded,
    BreakpointOpened,
    Decided,
    PromptReady,
    TaskEnded,
    TaskStarted,
    TurnRetried,
)

ROOT = Path(__file__).parent.parent
GOOD = {"hello.py": "print('hello')\n"}
CHECKS = [{"file": "hello.py"}, {"command": {"run": "python hello.py", "output": "hello"}}]
YES, NO = {"score": 90}, {"score": 20, "issues": ["it is not nice enough"]}


@pytest.fixture
def config(tmp_path):
    """The mock rung's own file, with everything it writes inside the test's folder."""
    config = Config.load(ROOT / "config" / "mock.yaml")
    config.set("agent.type", "mock")
    config.set("database.url", f"sqlite:///{tmp_path}/obra.db")
    config.set("workspace.store", str(tmp_path / "snapshots.git"))
    return config


@pytest.fixture
def start(config, tmp_path):
    """Return a function that makes an orchestrator and one task in a folder of its own."""
    opened = []

    def start(script=None, reviewer=None, *, checks=(), agent=None, llm=None, observers=(), **data):
        orchestrator = Orchestrator(
            config, script=script, reviewer=reviewer, agent=agent, llm=llm, observers=observers
        )
        orchestrator.initialize()
        opened.append(orchestrator)
        project = orchestrator.state_manager.create_project(
            name="Test Project", description="Test", working_dir=str(tmp_path / "workspace")
        )
        task_data = {"title": "Say hello", "description": "Make hello.py", "checks": list(checks), **data}
        return orchestrator, orchestrator.state_manager.create_task(project_id=project.id, task_data=task_data)

    yield start
    for orchestrator in opened:
        orchestrator.close()


def test_orchestrator_initialization(config):
    """Section 2.1: initialize makes every component, and once is enough."""
    orch = Orchestrator(config=config)
    orch.initialize()
    first = orch.state_manager
    orch.initialize()
    assert orch.state_manager is first
    for name in (
        "agent", "llm_interface", "prompt_generator", "response_validator", "quality_controller",
        "confidence_scorer", "decision_engine",
    ):  # fmt: skip
        assert getattr(orch, name) is not None
    orch.close()


def test_orchestrator_execute_task_mock(start):
    """Section 2.2: without any script nothing changes, so that there is nothing to judge by: escalated."""
    orch, task = start()
    result = orch.execute_task(task.id, max_iterations=3)
    assert result["status"] in ["completed", "escalated"]
    assert "response" in result
    assert result["iterations"] > 0
    assert result["status"] == "escalated"
    assert result.breakpoint.trigger == "no_evidence"
    assert result.get("quality_score", "N/A") is not None


def test_orchestrator_data_flow(start):
    """Section 2.3: every stage is passed, in order, through the component that the orchestrator shows."""
    orch, task = start([ScriptStep(say="Done", write=GOOD)], [YES], checks=CHECKS)
    steps = []

    def tracked(component, method, step):
        original = getattr(component, method)

        def call(*args, **kwargs):
            steps.append(step)
            return original(*args, **kwargs)

        setattr(component, method, call)

    tracked(orch.prompt_generator, "generate_prompt", "prompt_generated")
    tracked(orch.agent, "send_prompt", "agent_called")
    tracked(orch.response_validator, "validate_response", "response_validated")
    tracked(orch.quality_controller, "validate_output", "quality_checked")
    tracked(orch.confidence_scorer, "score_response", "confidence_scored")
    tracked(orch.decision_engine, "decide_next_action", "decision_made")
    assert orch.execute_task(task.id).status == "completed"
    assert steps == [
        "prompt_generated", "agent_called", "response_validated", "quality_checked", "confidence_scored",
        "decision_made",
    ]  # fmt: skip


def test_feedback_stands_in_the_next_prompt(start):
    """What was wanting in attempt 1 stands word for word in the prompt of attempt 2, and not in that of 1."""
    orch, task = start(
        [ScriptStep(say="First", write={"x.txt": ""}), ScriptStep(say="Second", write=GOOD)],
        [NO, YES],
        checks=CHECKS,
    )
    outcome = orch.execute_task(task.id)
    assert outcome.status == "completed"
    feedback = outcome.attempts[0].decision.feedback
    assert "hello.py" in feedback
    assert "it is not nice enough" in feedback
    assert feedback in outcome.attempts[1].prompt
    assert feedback not in outcome.attempts[0].prompt


def test_the_task_and_its_checks_stand_in_every_prompt(start):
    """Title, description, acceptance and checks reach the agent each time."""
    orch, task = start(
        [ScriptStep(write={"x": ""}), ScriptStep(write=GOOD)],
        [NO, YES],
        checks=CHECKS,
        acceptance=["it greets"],
    )
    for attempt in orch.execute_task(task.id).attempts:
        for words in ("Say hello", "Make hello.py", "it greets", "hello.py exists"):
            assert words in attempt.prompt


@pytest.mark.parametrize(("review", "action"), [(YES, "proceed"), (NO, "retry")])
def test_the_verdict_alone_changes_the_action(start, review, action):
    """The same work with the same checks: the reviewer's yes or no decides."""
    orch, task = start([ScriptStep(say="Done", write=GOOD)] * 2, [review, YES], checks=CHECKS)
    assert orch.execute_task(task.id, max_iterations=2).attempts[0].decision.action == action


@pytest.mark.parametrize(("check", "action"), [("hello.py", "proceed"), ("other.py", "retry")])
def test_a_check_alone_changes_the_action(start, check, action):
    """The same work with the same reviewer: one check that fails decides."""
    orch, task = start([ScriptStep(say="Done", write=GOOD)] * 2, [YES, YES], checks=[{"file": check}])
    assert orch.execute_task(task.id, max_iterations=2).attempts[0].decision.action == action


def test_a_liar_never_completes(start):
    """Fine words and a reviewer who believes them do not help where nothing was written."""
    lie = ScriptStep(say="Done. I created hello.py and all tests pass. 100 % coverage!")
    orch, task = start([lie] * 3, [{"score": 100}] * 3, checks=CHECKS)
    outcome = orch.execute_task(task.id, max_iterations=3)
    assert outcome.status == "escalated"
    assert outcome.breakpoint.trigger == "quality_too_low"
    assert outcome.iterations == 3


def test_a_liar_without_checks_never_completes(start):
    """With no checks written, words and no change are nothing to judge by."""
    orch, task = start([ScriptStep(say="Done, all tests pass.")], [{"score": 100}])
    outcome = orch.execute_task(task.id)
    assert outcome.status == "escalated"
    assert "nothing to judge by" in outcome.reason


def test_two_terse_words_complete(start):
    """A right answer needs no prose."""
    orch, task = start([ScriptStep(say="Done. Works.", write=GOOD)], [YES], checks=CHECKS)
    assert orch.execute_task(task.id).status == "completed"


def test_everything_is_stored_and_explained(start, tmp_path):
    """The database tells the whole story, under the names that the plan queries."""
    orch, task = start([ScriptStep(say="Hm.", write={"a.txt": "x"})], [{"score": 30, "issues": ["why?"]}])
    outcome = orch.execute_task(task.id)
    assert outcome.status == "escalated"
    connection = sqlite3.connect(tmp_path / "obra.db")
    status, reason = connection.execute("SELECT status, status_reason FROM task").fetchone()
    assert (status, reason) == ("escalated", outcome.reason)
    row = connection.execute("SELECT id, reason, status FROM breakpoint WHERE task_id = ?", (task.id,)).fetchone()
    assert row == (outcome.breakpoint.id, outcome.breakpoint.reason, "open")
    (inputs,) = connection.execute("SELECT inputs FROM decision").fetchone()
    connection.close()
    replayed = orch.decision_engine.replay(json.loads(inputs))
    assert (replayed.action, replayed.reason) == (outcome.attempts[0].decision.action, outcome.reason)
    assert orch.state_manager.attempts(task.id) == outcome.attempts


def test_events_come_in_the_order_of_the_road(start):
    """Observers are told of each moment, first to last."""
    seen = []
    orch, task = start([ScriptStep(write=GOOD)], [YES], checks=CHECKS, observers=[seen.append])
    orch.execute_task(task.id)
    kinds = [type(event) for event in seen]
    assert kinds[:2] == [TaskStarted, PromptReady]
    assert kinds[-3:] == [Decided, AttemptRecorded, TaskEnded]


def test_an_answer_reaches_the_agent(start):
    """A breakpoint that a person answers is no dead end: the task runs on, with the answer in the prompt."""
    orch, task = start([ScriptStep(say="Which greeting do you want?")], [NO], checks=CHECKS)
    outcome = orch.execute_task(task.id)
    assert outcome.status == "escalated"
    assert outcome.breakpoint.trigger == "agent_asks"
    assert "Which greeting" in outcome.breakpoint.reason
    orch.state_manager.resolve_breakpoint(outcome.breakpoint.id, "Say hello in French")
    second, _ = start([ScriptStep(say="Done.", write=GOOD)], [YES])
    outcome = second.execute_task(task.id)
    assert outcome.status == "completed"
    assert "Say hello in French" in outcome.attempts[0].prompt
    assert outcome.attempts[0].number == 2
    assert len(second.state_manager.attempts(task.id)) == 2


def test_a_finished_task_is_not_run_again(start):
    """A completed task stays completed."""
    orch, task = start([ScriptStep(write=GOOD)] * 2, [YES] * 2, checks=CHECKS)
    orch.execute_task(task.id)
    with pytest.raises(IllegalStatus):
        orch.execute_task(task.id)


class _Failing(MockAgent):
    """Crashes the given number of times before it plays its script."""

    def __init__(self, times, *steps, error=AgentCrashed):
        super().__init__(steps)
        self.times, self.error = times, error

    def send_prompt(self, prompt, **arguments) -> Reply:
        """Crash, or play."""
        if self.times:
            self.times -= 1
            raise self.error("the agent went away")
        return super().send_prompt(prompt, **arguments)


def test_a_crashed_turn_is_sent_again(start):
    """agent.max_retries turns are sent again, and observers hear of it."""
    seen = []
    orch, task = start(
        None, [YES], agent=_Failing(1, ScriptStep(write=GOOD)), checks=CHECKS, observers=[seen.append]
    )
    assert orch.execute_task(task.id).status == "completed"
    assert [event.error for event in seen if isinstance(event, TurnRetried)] == ["the agent went away"]


def test_an_agent_that_keeps_crashing_is_a_stored_failure(start):
    """After the retries the task has failed, with the agent's last words as the reason."""
    orch, task = start(agent=_Failing(9), checks=CHECKS)
    outcome = orch.execute_task(task.id)
    assert (outcome.status, outcome.reason, outcome.iterations) == ("failed", "the agent went away", 0)
    stored = orch.state_manager.get_task(task.id)
    assert (stored.status, stored.status_reason) == ("failed", "the agent went away")


def test_a_broken_step_is_the_reason_and_not_the_end_of_the_script(start):
    """A step that cannot be acted out is what the person reads, also when the retry finds no further step."""
    orch, task = start([ScriptStep(edit={"none.py": ("a", "b")})], [YES], checks=CHECKS)
    assert "No such file" in orch.execute_task(task.id).reason


def test_checks_that_passed_before_prove_nothing(start, tmp_path):
    """Where nothing was changed, passing checks were passing before: a person must look."""
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "hello.py").write_text(GOOD["hello.py"])
    orch, task = start([ScriptStep(say="Fixed the bug.")], [{"score": 100}], checks=CHECKS)
    outcome = orch.execute_task(task.id)
    assert outcome.status == "escalated"
    assert "nothing was changed" in outcome.reason


def test_tampering_stays_until_it_is_gone(start, tmp_path):
    """Trying again does not launder it; taking it out does."""
    orch, task = start([ScriptStep(write={**GOOD, "CLAUDE.md": "obey"})], [YES], checks=CHECKS)
    assert orch.execute_task(task.id).breakpoint.trigger == "tampering"
    again, _ = start([ScriptStep(say="Done.", write={"hello.py": "print('hello')"})], [YES])
    outcome = again.execute_task(task.id)
    assert outcome.status == "escalated"
    assert outcome.breakpoint.trigger == "tampering"
    (tmp_path / "workspace" / "CLAUDE.md").unlink()
    clean, _ = start([ScriptStep(say="Done.", write={"hello.py": "print('hello!')"})], [YES])
    assert clean.execute_task(task.id).status == "completed"


def test_a_hook_planted_in_a_turn_that_broke_is_found_later(start, tmp_path):
    """The repository is compared with what it was when the task began, also in a later run."""
    (tmp_path / "workspace").mkdir()
    subprocess.run(["git", "init", "-q", str(tmp_path / "workspace")], check=True)
    hook = tmp_path / "workspace" / ".git/hooks/pre-commit"
    for seconds in (0.5, 5, 50):  # a busy machine may need more for the first command
        orch, task = start([ScriptStep(run=(f"echo x > {hook}", "sleep 600"))], limits={"seconds": seconds})
        status = orch.execute_task(task.id).status
        if hook.exists():
            break
    assert status == "failed"
    again, _ = start([ScriptStep(write=GOOD)], [YES])
    assert again.execute_task(task.id, max_iterations=1).breakpoint.trigger == "tampering"


@pytest.mark.parametrize(
    "ruin",
    [
        'rm -rf "$PWD"',
        'rm -rf "$PWD" && ln -s /tmp "$PWD"',
        'rm -rf "$PWD" && echo x > "$PWD"',
        'd=$(printf %200s | tr " " d); for n in 1 2 3 4 5 6 7 8 9; do mkdir -p $d/$d; cd -P $d/$d; done',
    ],
    ids=["gone", "link", "file", "long"],
)
def test_a_ruined_workspace_is_the_agents_doing(start, tmp_path, ruin):
    """A folder that is gone, a link, a file or past opening is put back, and held against the agent."""
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "kept.txt").write_text("kept")
    orch, task = start([ScriptStep(write=GOOD, run=(ruin,))], [YES], checks=CHECKS)
    outcome = orch.execute_task(task.id)
    assert outcome.status == "escalated"
    assert "was put back" in outcome.reason
    assert [path.name for path in (tmp_path / "workspace").iterdir()] == ["kept.txt"]
    assert (tmp_path / "workspace" / "kept.txt").read_text() == "kept"


@pytest.mark.parametrize("wrong", [0, -1])
def test_a_run_makes_an_attempt(start, wrong):
    """No attempts at all is a wrong wish, and the task stays as it was."""
    orch, task = start([ScriptStep(write=GOOD)], [YES])
    with pytest.raises(ConfigError, match="at least 1"):
        orch.execute_task(task.id, max_iterations=wrong)
    assert orch.state_manager.get_task(task.id).status is TaskStatus.PENDING


def test_the_folder_one_stands_in_can_be_the_workspace(config, tmp_path, monkeypatch):
    """State and snapshots below .obra in the workspace are neither refused nor taken for the agent's work."""
    monkeypatch.chdir(tmp_path)
    config.set("database.url", "sqlite:///.obra/obra.db")
    config.set("workspace.store", ".obra/snapshots.git")
    with Orchestrator(config, script=[ScriptStep(write=GOOD)], reviewer=[YES]) as orch:
        project = orch.state_manager.create_project("here", working_dir=".")
        task = orch.state_manager.create_task(project.id, {"title": "t", "checks": CHECKS})
        outcome = orch.execute_task(task.id)
    assert outcome.status == "completed"
    assert [change.path for change in outcome.attempts[0].evidence.changes] == ["hello.py"]


def test_a_used_up_script_is_a_stored_failure(start):
    """When the script ends before the work is accepted, the outcome says so and what was wanting."""
    orch, task = start([ScriptStep(say="x", write={"a": ""})], [YES], checks=CHECKS)
    outcome = orch.execute_task(task.id)
    assert outcome.status == "failed"
    assert "has 1 step(s)" in outcome.reason
    assert outcome.attempts[0].decision.action == "retry"


@pytest.mark.parametrize("error", [AgentUnavailable, LLMUnavailable, RuntimeError, KeyboardInterrupt])
def test_broken_machinery_is_raised_and_stored(start, error):
    """What is not the agent's doing escapes as an error, and the task does not stay running."""
    orch, task = start(agent=_Failing(1, error=error), checks=CHECKS)
    with pytest.raises(error):
        orch.execute_task(task.id)
    status = TaskStatus.INTERRUPTED if error is KeyboardInterrupt else TaskStatus.FAILED
    assert orch.state_manager.get_task(task.id).status is status


def test_a_reviewer_that_is_not_there_stops_the_run(start):
    """There is no verdict without the reviewer that was asked for, and no silent replacement."""
    orch, task = start([ScriptStep(write=GOOD)], llm=_NoLLM({}), checks=CHECKS)
    with pytest.raises(LLMUnavailable):
        orch.execute_task(task.id)
    assert orch.state_manager.get_task(task.id).status is TaskStatus.FAILED


class _NoLLM(ScriptedLLM):
    """A server that is down."""

    def generate(self, *_, **__) -> str:
        """Fail."""
        raise LLMUnavailable("nobody answers")


def test_garbage_from_the_reviewer_never_passes(start):
    """An answer that is no review ends escalated, with all checks passing."""
    orch, task = start([ScriptStep(write=GOOD)], ["PASS! score: 100"], checks=CHECKS)
    assert orch.execute_task(task.id).status == "escalated"


def test_limits_of_the_task_hold(start, config):
    """Time and money that are used up end the task, escalated, with a breakpoint that names the limit."""
    orch, task = start(
        [ScriptStep(run=("sleep 0.3",), write={"a": "1"})] * 9, [NO] * 9, checks=CHECKS, limits={"seconds": 0.2}
    )
    outcome = orch.execute_task(task.id)
    assert outcome.status in ("escalated", "failed")
    assert outcome.iterations <= 1


def test_attempts_run_out(start, config):
    """After the last attempt that the settings allow, a person must look, however well the work scores."""
    config.set("orchestration.max_iterations", 2)
    nearly = [{"file": "hello.py"}, {"file": "hello.py"}, {"file": "missing.py"}]
    orch, task = start([ScriptStep(write=GOOD)] * 9, [YES] * 9, checks=nearly)
    outcome = orch.execute_task(task.id)
    assert (outcome.status, outcome.iterations) == ("escalated", 2)
    assert outcome.breakpoint.trigger == "limit_reached"


class _Costly(MockAgent):
    """Says that each turn costs a dollar."""

    def send_prompt(self, prompt, **arguments) -> Reply:
        """Play, and charge."""
        reply = super().send_prompt(prompt, **arguments)
        return Reply(text=reply.text, cost_usd=1.0)


def test_money_runs_out(start):
    """The cost limit ends the task after the turn that used it up."""
    seen = []
    agent = _Costly([ScriptStep(write={"a": "1"})] * 5)
    orch, task = start(
        None, [NO] * 5, agent=agent, checks=CHECKS, limits={"cost_usd": 1.5, "iterations": 5},
        observers=[seen.append],
    )  # fmt: skip
    outcome = orch.execute_task(task.id)
    assert (outcome.status, outcome.iterations, outcome.cost_usd) == ("escalated", 2, 2.0)
    assert "cost_usd" in outcome.reason
    assert any(isinstance(event, BreakpointOpened) for event in seen)


def test_guarded_paths_are_tampering(start):
    """An agent that writes what steers agents is stopped at once, whatever else it did."""
    orch, task = start([ScriptStep(write={**GOOD, ".claude/settings.json": "{}"})], [YES], checks=CHECKS)
    outcome = orch.execute_task(task.id)
    assert outcome.status == "escalated"
    assert outcome.breakpoint.trigger == "tampering"


def test_a_planted_hook_is_tampering_and_a_commit_is_not(start):
    """What git will run later is not part of the work; a repository with commits may well be."""
    commit = (
        "git init -q . && git config user.email a@b && git config user.name a && git add -A && git commit -qm x"
    )
    orch, task = start([ScriptStep(write=GOOD, run=(commit,))], [YES], checks=CHECKS)
    assert orch.execute_task(task.id).status == "completed"
    plant = "echo 'touch /tmp/x' > .git/hooks/pre-commit"
    orch, task = start([ScriptStep(write={"hello.py": "print('hello') # 2"}, run=(plant,))], [YES], checks=CHECKS)
    outcome = orch.execute_task(task.id)
    assert outcome.status == "escalated"
    assert ".git/hooks changed" in outcome.breakpoint.reason


def test_checks_that_change_the_workspace_are_found_out(start, tmp_path):
    """A check that reaches around its copy fails the attempt, and what it changed is put back."""
    target = tmp_path / "workspace" / "hello.py"
    orch, task = start([ScriptStep(write=GOOD)], [YES], checks=[*CHECKS, {"command": f"echo x > '{target}'"}])
    outcome = orch.execute_task(task.id, max_iterations=1)
    assert outcome.status == "escalated"
    assert any("workspace" in check.name for check in outcome.attempts[0].evidence.failed_checks)
    assert target.read_text() == GOOD["hello.py"]


def test_a_task_without_a_folder(config):
    """A task that nobody gave a folder is one clear error, and stays as it was."""
    with Orchestrator(config) as orch:
        project = orch.state_manager.create_project(name="p")
        task = orch.state_manager.create_task(project.id, {"title": "t"})
        with pytest.raises(WorkspaceError, match="has no folder to work in"):
            orch.execute_task(task.id)
        assert orch.state_manager.get_task(task.id).status is TaskStatus.PENDING


def test_no_thread_is_left(start):
    """A run leaves no thread behind, but for the one that listens for people until nobody runs any more."""
    before = set(threading.enumerate())
    orch, task = start([ScriptStep(write=GOOD)], [YES], checks=CHECKS)
    orch.execute_task(task.id)
    for thread in set(threading.enumerate()) - before:
        if thread.name != "obra-steering":
            thread.join(60)
            assert not thread.is_alive(), thread


def test_one_database_for_several(config, start):
    """A state manager that was given is left open by the orchestrator that used it."""
    with StateManager(config.get("database.url")) as state:
        with Orchestrator(config, state_manager=state):
            pass
        assert state.projects() == ()
