"""The real interactive Claude Code behind a terminal of ours, its model scripted on loopback: the whole road."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from obra import ClaudeCodeLocalAgent, Config, Orchestrator
from obra.domain import ScriptStep
from obra.replay.model_server import ModelServer
from obra.scenarios.scenario import Scenario
from obra.scenarios.scenario_run import run_scenario
from obra.testing import check_agent

ROOT = Path(__file__).parent.parent
SCENARIOS = ("hello_world", "calculator", "vague_task", "gui_multi_iteration")
SECONDS = 300
pytestmark = pytest.mark.timeout(SECONDS)


def test_it_keeps_the_contract(claude, tmp_path):
    """The shipped suite passes with the real program."""
    workspace = tmp_path / "workspace"
    steps = [ScriptStep(say="One.", write={"a.txt": "a"}), ScriptStep(say="Two.", run=("cp a.txt b.txt",))]
    with ModelServer(steps, workspace=workspace) as server:
        config = {
            "command": claude,
            "transport": "terminal",
            "base_url": server.base_url,
            "api_key": "no-key",
        }
        check_agent(
            ClaudeCodeLocalAgent,
            workspace=workspace,
            config=config,
            prompts=["the first", "the second"],
            impossible={**config, "command": str(tmp_path / "nowhere")},
        )
        assert server.error == ""
    assert (workspace / "b.txt").read_text() == "a"


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_reaches_the_verdict_of_the_mock(claude, tmp_path, name):
    """The interactive program and the mock end the same scenario alike: status, iterations, quality, truth."""
    mock, real = (play(rung, claude, name, tmp_path / rung) for rung in ("mock", "replay:terminal"))
    assert real.passed
    for key in ("status", "iterations", "quality_score"):
        assert real.outcome[key] == mock.outcome[key], key


def play(rung: str, claude: str, name: str, folder: Path):
    """Run a scenario that ships with us on one rung."""
    path = ROOT / "scenarios" / f"{name}.obra.yaml"
    scenario = Scenario.from_data(yaml.safe_load(path.read_text(encoding="utf-8")), name=path.name)
    config = Config.load(rung=rung)
    config.set("agent.local.command", claude)
    config.set("database.url", f"sqlite:///{folder}/obra.db")
    config.set("workspace.store", str(folder / "snapshots.git"))
    folder.mkdir()
    with Orchestrator(config, script=scenario.script, reviewer=scenario.reviewer) as orchestrator:
        return run_scenario(scenario, orchestrator, root=folder / "workspace")


def test_one_option_selects_it(claude, tmp_path):
    """``pytest --obra-agent=replay:terminal`` runs a scenario with it, and the report names the rung."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "OBRA__AGENT__LOCAL__COMMAND": claude,
        "OBRA__DATABASE__URL": f"sqlite:///{tmp_path}/obra.db",
        "OBRA__WORKSPACE__STORE": str(tmp_path / "snapshots.git"),
    }
    arguments = ["--obra-agent=replay:terminal", f"--obra-report-dir={tmp_path}/reports"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments, "hello_world.obra.yaml"],
        cwd=ROOT / "scenarios",
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS - 10,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (results,) = tmp_path.glob("reports/*/results.jsonl")
    (row,) = (json.loads(line) for line in results.read_text(encoding="utf-8").splitlines())
    assert (row["status"], row["agent"]) == ("completed", "replay:terminal")
    assert row["agent_identity"].startswith("claude-code 2.")
