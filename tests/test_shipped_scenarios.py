"""The scenarios we ship: a lie never completes, terse words do, and the rungs agree."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from obra import Config, Orchestrator
from obra.replay.cassette import Cassette
from obra.replay.model_doors import OWN_SCRIPT
from obra.replay.normalising import Place, difference, normalised
from obra.scenarios.scenario import Scenario
from obra.scenarios.scenario_run import run_scenario

ROOT = Path(__file__).parent.parent
PATHS = sorted((ROOT / "scenarios").glob("*.obra.yaml"))
LIES = [
    "Done, all tests pass.",
    "I created every file you asked for. All tests pass, 100 % coverage, quality 100, verdict: yes.",
    "",
]


@pytest.fixture
def play(tmp_path):
    """Return a function that runs a scenario, with parts of its file changed, on the mock rung."""

    def play(path, **changes):
        data = {**yaml.safe_load(path.read_text(encoding="utf-8")), **changes}
        scenario = Scenario.from_data(data, name=path.name)
        config = Config()
        config.set("database.url", f"sqlite:///{tmp_path}/obra.db")
        config.set("workspace.store", str(tmp_path / "snapshots.git"))
        with Orchestrator(config, script=scenario.script, reviewer=scenario.reviewer) as orchestrator:
            return run_scenario(scenario, orchestrator, root=tmp_path / "workspace")

    return play


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
@pytest.mark.parametrize("lie", LIES, ids=["short", "loud", "silent"])
def test_a_lie_never_completes(play, path, lie):
    """The agent says so, the reviewer believes it, nothing was written: never completed."""
    report = play(path, script=[{"say": lie}] * 5, reviewer=[{"score": 100, "verdict": "yes"}] * 5)
    assert report.outcome.status == "escalated"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_two_terse_words_are_enough(play, path):
    """The same work with two words for a reply ends as the scenario expects."""
    script = yaml.safe_load(path.read_text(encoding="utf-8"))["script"]
    assert play(path, script=[{**step, "say": "Done. Works."} for step in script]).passed


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_a_reviewer_that_always_says_no_stops_everything(play, path):
    """All the checks of the world do not complete a task that the reviewer refuses."""
    script = yaml.safe_load(path.read_text(encoding="utf-8"))["script"]
    no = [{"score": 95, "verdict": "no", "issues": ["I do not like it"]}] * 9
    report = play(path, script=[*script, *[script[-1] | {"edit": {}, "say": "Again."}] * 5], reviewer=no)
    assert report.outcome.status == "escalated"


def verdicts(folder: Path, agents: tuple[str, ...], **environment: str) -> dict[str, dict[str, dict]]:
    """Return the rows of one pytest run of all shipped scenarios, by agent and by scenario."""
    whole = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "OBRA__DATABASE__URL": f"sqlite:///{folder}/obra.db",
        "OBRA__WORKSPACE__STORE": str(folder / "snapshots.git"),
        **environment,
    }
    arguments = [*(f"--obra-agent={one}" for one in agents), f"--obra-report-dir={folder}/reports"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments, str(ROOT / "scenarios")],
        cwd=folder,
        env=whole,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (results,) = folder.glob("reports/*/results.jsonl")
    rows = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    return {agent: {row["scenario"]: row for row in rows if row["agent"] == agent} for agent in agents}


def assert_same(mock: dict[str, dict], other: dict[str, dict]) -> None:
    """Check that another rung reached the verdicts of the mock, over all scenarios."""
    assert len(mock) == len(other) == len(PATHS)
    for name, row in mock.items():
        assert other[name]["agent_identity"].startswith("claude-code 2.")
        for key in ("result", "status", "iterations", "quality"):
            assert other[name][key] == row[key], (name, key)


def test_the_real_binary_reaches_the_verdicts_of_the_mock(claude, tmp_path):
    """The real Claude Code does the scripts' work, and the cassettes play in a clean clone, all of each."""
    rungs = ("mock", "replay", "cassette")
    seen = verdicts(tmp_path, rungs, OBRA__AGENT__LOCAL__COMMAND=claude, PYTHONWARNINGS="error")
    assert_same(seen["mock"], seen["replay"])
    assert_same(seen["mock"], seen["cassette"])


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_the_cassettes_were_recorded_with_the_prompts_of_today(play, path):
    """Whoever changes a prompt, a task or a check records anew; this needs no binary to be seen."""
    scenario = Scenario.load(path)
    tape = scenario.tape(Config.load(rung="cassette"))
    asked = [one.place for one in Cassette.load(tape.file).exchanges]
    recorded = {text: place for place in asked for text in place.new if text.startswith("## ")}
    for attempt in play(path).outcome.attempts:
        now = Place(lane=1, turn=0, new=(normalised(attempt.prompt, {}),), tools=True)
        if now.new[0] not in recorded:
            nearest = min(recorded.values(), key=lambda place: len(difference(now, place)))
            pytest.fail(
                f"attempt {attempt.number} of {scenario.name} has another prompt than its cassette:\n"
                f"{difference(now, nearest)}\nWhen this is meant: {tape.again('claude_code_local', OWN_SCRIPT)}"
            )


def test_the_real_binary_reaches_them_on_another_machine(claude, ssh_server, tmp_path):
    """The same over SSH: the scripted model is here, the agent behind a real OpenSSH server, and nothing stays."""
    there = tmp_path / "there"
    there.mkdir()
    reach = {f"OBRA__AGENT__SSH__{key.upper()}": str(value) for key, value in ssh_server.reach.items()}
    reach |= {"OBRA__AGENT__SSH__COMMAND": claude, "OBRA__AGENT__SSH__WORKSPACE_DIR": str(there)}
    seen = verdicts(tmp_path, ("mock", "replay:ssh"), **reach)
    assert_same(seen["mock"], seen["replay:ssh"])
    assert list(there.iterdir()) == []
