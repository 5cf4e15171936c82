"""``faults:`` in a scenario: what goes wrong on purpose ends the same way on every rung."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from obra import Config, Orchestrator
from obra.errors import ConfigError, ScenarioError
from obra.scenarios.scenario import Scenario
from obra.scenarios.scenario_run import ScenarioReport, run_scenario

DONE = {"say": "Done.", "write": {"hello.txt": "hello\n"}}


def scenario(*faults: dict[str, Any], status: str = "completed") -> Scenario:
    """A small scenario with those faults; its script does the work at every prompt."""
    return Scenario.from_data(
        {
            "task": {"title": "Say hello"},
            "checks": [{"file": "hello.txt"}],
            "faults": list(faults),
            "script": [DONE, DONE],
            "reviewer": [{"score": 90}, {"score": 90}],
            "expect": {"status": status},
        }
    )


def play(wanted: Scenario, rung: str, folder: Path, **settings: Any) -> ScenarioReport:
    """Run it on a rung."""
    config = Config.load(rung=rung)
    given = {
        "database.url": f"sqlite:///{folder}/obra.db",
        "workspace.store": str(folder / "store.git"),
        "monitoring.watch_files": False,
        **settings,
    }
    for key, value in given.items():
        config.set(key, value)
    parts = {"script": wanted.script, "reviewer": wanted.reviewer, "faults": wanted.faults}
    with Orchestrator(config, **parts) as loop:
        return run_scenario(wanted, loop, root=folder / "work", agent=rung)


@pytest.mark.parametrize("rung", ["mock", "replay"])
@pytest.mark.parametrize(
    ("fault", "ending"),
    [
        ({"model": "rate_limited"}, (0, "completed", "")),
        ({"model": "overloaded", "times": "always"}, (0, "failed", "overloaded|529")),
        ({"model": "overloaded", "times": "always"}, (1, "completed", "")),
        ({"cli": "no_result"}, (0, "failed", "no_result|before the turn was complete")),
        ({"cli": "no_result"}, (1, "completed", "")),
        ({"cli": "disk_full"}, (0, "failed", "disk_full|ENOSPC")),
        ({"cli": "two_results"}, (0, "completed", "")),
    ],
)
def test_a_fault_ends_the_same_way_on_every_rung(fault, ending, rung: str, claude: str, tmp_path: Path):
    """What the real CLI survives completes everywhere; what ends its turn fails, or is tried again, everywhere."""
    retries, status, reason = ending
    report = play(
        scenario(fault, status=status),
        rung,
        tmp_path,
        **{"agent.local.command": claude, "agent.max_retries": retries},
    )
    assert report.passed, report.outcome.reason
    assert any(word in report.outcome.reason for word in reason.split("|"))


def test_a_fault_is_of_one_kind(tmp_path: Path):
    """Both kinds, none, and unknown words are refused with what was expected."""
    for wrong, said in (
        ({"model": "cut", "cli": "hangs"}, "either 'model' or 'cli'"),
        ({"prompt": 2}, "either 'model' or 'cli'"),
        ({"model": "explodes"}, "rate_limited"),
        ({"model": "cut", "times": 0}, "times"),
    ):
        with pytest.raises(ScenarioError, match=said):
            scenario(wrong)


def test_no_program_stands_in_for_an_agent_that_it_cannot_play(tmp_path: Path):
    """A misbehaving command line is Claude Code's; for another agent that is said, not ignored."""
    with pytest.raises(ConfigError, match="stand in for claude_code_local only"):
        play(scenario({"cli": "hangs"}), "replay:codex", tmp_path)
