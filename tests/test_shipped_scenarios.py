"""The scenarios we ship: a lie never completes, terse words do, and the rungs agree."""

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
        config.set("evidence.mutants", 0)  # what small mistakes show is for others to test
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
def test_a_reviewer_that_always_says_no_stops_everything(play, path):
    """All the checks of the world do not complete a task that the reviewer refuses, up to the last attempt."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    steps = data["script"]
    no = [{"score": 95, "verdict": "no", "issues": ["I do not like it"]}] * len(steps)
    report = play(path, reviewer=no, limits={**data["limits"], "iterations": len(steps)})
    assert report.outcome.status == "escalated"
    last = report.outcome.attempts[-1]
    assert [check.name for check in last.evidence.checks if check.required and not check.passed] == []
    assert len(report.outcome.attempts) == len(steps) or not last.evidence.checks


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_two_terse_words_are_enough_and_lead_to_the_prompts_of_the_cassettes(play, path):
    """The same work with two words for a reply ends as the scenario expects, and the prompts are those recorded.

    Whoever changes a prompt, a task or a check records anew; this needs no binary to be seen.
    """
    script = yaml.safe_load(path.read_text(encoding="utf-8"))["script"]
    report = play(path, script=[{**step, "say": "Done. Works."} for step in script])
    assert report.passed
    scenario = Scenario.load(path)
    tape = scenario.tape(Config.load(rung="cassette"))
    asked = [one.place for one in Cassette.load(tape.file).exchanges]
    recorded = {text: place for place in asked for text in place.new if text.startswith("## ")}
    for attempt in report.outcome.attempts:
        now = Place(lane=1, turn=0, new=(normalised(attempt.prompt, {}),), tools=True)
        if now.new[0] not in recorded:
            nearest = min(recorded.values(), key=lambda place: len(difference(now, place)))
            pytest.fail(
                f"attempt {attempt.number} of {scenario.name} has another prompt than its cassette:\n"
                f"{difference(now, nearest)}\nWhen this is meant: {tape.again('claude_code_local', OWN_SCRIPT)}"
            )


def test_the_cassettes_play_in_a_clean_clone(claude, tmp_path):
    """The real Claude Code does the work again, without a model: all pass, and nothing recorded is left over.

    The calculator's is played where all rungs are compared.
    """
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "OBRA__AGENT__LOCAL__COMMAND": claude,
        "OBRA__DATABASE__URL": f"sqlite:///{tmp_path}/obra.db",
        "OBRA__WORKSPACE__STORE": str(tmp_path / "snapshots.git"),
        "OBRA__EVIDENCE__MUTANTS": "0",
    }
    arguments = ["-W", "error", "--obra-agent=cassette", f"--obra-report-dir={tmp_path}/reports"]
    paths = [path for path in PATHS if "calculator" not in path.name]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments, *map(str, paths)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert f"{len(paths)} passed" in done.stdout, done.stdout + done.stderr
