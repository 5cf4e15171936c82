"""The same agent without Obra: one prompt, no checks, no feedback, no reviewer; the hidden checks decide."""

from __future__ import annotations

import time
from pathlib import Path

from obra.bootstrap import workspace_opener
from obra.config import Config
from obra.domain import Outcome, Reply, Task, TaskStatus, TurnLimits
from obra.errors import AgentError, AgentUnavailable
from obra.plugins import AgentPlugin
from obra.scenarios.scenario import Scenario
from obra.scenarios.scenario_run import ScenarioReport, ScenarioResult, hidden_checks, prepare_workspace


def run_bare(
    scenario: Scenario, agent: AgentPlugin, config: Config, *, root: Path, name: str, repeat: int = 1
) -> ScenarioReport:
    """Let *agent* work on the scenario's task alone, and see whether the hidden checks pass.

    The prompt is the task as its writer wrote it: title, description and acceptance sentences. The limits are
    those that all attempts of a run with Obra have together: the task's seconds and dollars, and as many model
    calls as all of its attempts. Nothing is stored; there is no attempt, no review and no verdict to be wrong.

    Args:
        scenario: one with hidden checks, that is to be completed.
        agent: initialized, and working in *root*.
        config: its settings.
        root: folder of the workspace, new or empty.
        name: the name that reports show for the agent.
        repeat: which run of the same case this is, from 1.

    Raises:
        AgentUnavailable: it could not work at all; this says nothing about it.
        ObraError: the machinery broke.
    """
    started = time.monotonic()
    prepare_workspace(scenario, root)
    workspace = workspace_opener(config)(root)
    before = workspace.snapshot()
    task = Task(**scenario.task_data())
    reason, status, reply = "the agent ended its turn", TaskStatus.COMPLETED, Reply(text="")
    try:
        reply = agent.send_prompt(_prompt(task), limits=_limits(task, config))
    except AgentUnavailable:
        raise
    except AgentError as error:
        reason, status = str(error), TaskStatus.FAILED
    seconds = time.monotonic() - started
    counts = (reply.tokens_in, reply.tokens_out)
    known = [count for count in counts if count is not None]
    outcome = Outcome(
        task_id=0,
        status=status,
        reason=reason,
        response=reply.text,
        iterations=1,
        seconds=seconds,
        cost_usd=reply.cost_usd,
        tokens=sum(known) if len(known) == len(counts) else None,
    )
    changes = workspace.diff(before, workspace.snapshot()).changes
    truth = hidden_checks(scenario, changes, config, root=root)
    passed = status is TaskStatus.COMPLETED and all(check.passed for check in truth)
    return ScenarioReport(
        scenario=scenario.name,
        path=str(scenario.path),
        agent=name,
        agent_identity=agent.identity,
        llm_identity="",
        result=ScenarioResult.PASSED if passed else ScenarioResult.AGENT_FAILED,
        expectations=(),
        truth=truth,
        outcome=outcome,
        workspace=str(root),
        seconds=time.monotonic() - started,
        sandbox=str(getattr(agent, "sandbox", "none")),
        case=scenario.case,
        parameters=scenario.parameters,
        title=scenario.title,
        description=scenario.form.description,
        markers=scenario.markers,
        repeat=repeat,
        bare=True,
    )


def _prompt(task: Task) -> str:
    acceptance = "".join(f"- {sentence}\n" for sentence in task.acceptance)
    return "\n\n".join(filter(None, (task.title, task.description, acceptance)))


def _limits(task: Task, config: Config) -> TurnLimits:
    """Return for the one turn what all turns of a run with Obra may use up together."""
    orchestration, limits = config.settings.orchestration, task.limits
    attempts = limits.iterations or orchestration.max_iterations
    turns = limits.turns or config.settings.agent.max_turns
    return TurnLimits(
        seconds=limits.seconds or orchestration.task_timeout or config.settings.agent.timeout * attempts,
        idle=limits.idle,
        turns=None if turns is None else turns * attempts,
        cost_usd=limits.cost_usd or orchestration.max_cost_usd,
    )
