"""`pytest --obra-engine=dbos`: the results of workers as ordinary tests."""

from __future__ import annotations

import json
from pathlib import Path

import prepared_programs
import pytest
import yaml
from field import QUICK, VARIABLES, field_of
from prepared_programs import Ended
from sqlite_queue import need_sqlite_queue

from obra.reports.stored_run import when

need_sqlite_queue()

SAME = (
    "case",
    "agent",
    "repeat",
    "node",
    "result",
    "status",
    "reason",
    "iterations",
    "quality",
    "confidence",
    "path",
)


@pytest.fixture
def here(tmp_path):
    """A field with three scenarios, of which one has several cases and one a wrong verdict, and its settings."""
    with field_of(tmp_path, f"sqlite:///{tmp_path}/queue/obra.db", lease=60, patience=90) as field:
        field.write("good", QUICK.format(name="good", run="'true'"))
        field.write(
            "bad", QUICK.format(name="bad", run="'true'").replace("status: completed", "status: escalated")
        )
        cases = "parameters: {word: [a, b]}\n"
        (tmp_path / "scenarios/many.obra.yaml").write_text(cases + QUICK.format(name="many", run="echo $word"))
        (tmp_path / "test_own.py").write_text(
            "import pytest\n\n\n@pytest.mark.obra_scenarios('scenarios/good.obra.yaml')\n"
            "def test_own(scenario, run_scenario):\n    assert run_scenario(scenario).passed\n"
        )
        settings: dict = {"scale": {}}
        for key, value in field.options.items():
            section, name = key.split(".")
            settings.setdefault(section, {})[name] = value
        (tmp_path / "settings.yaml").write_text(yaml.safe_dump(settings))
        yield field


def run_pytest(folder: Path, *words: str) -> Ended:
    """Run pytest as a person would."""
    everything = ["-p", "no:cacheprovider", "--obra-config=settings.yaml", *words]
    return prepared_programs.run("pytest", everything, folder=folder, variables=VARIABLES)


def rows_in(folder: Path) -> dict[str, dict]:
    """What stands in results.jsonl of the newest run."""
    newest = max((folder / "reports").iterdir(), key=when)
    lines = (newest / "results.jsonl").read_text().splitlines()
    return {row["node"]: row for row in map(json.loads, lines)}


def test_rows_report_and_exit_code_are_those_of_a_run_here(here):
    """The same nodes with the same verdicts; a test in Python runs in this process."""
    local = run_pytest(here.folder)
    expected = rows_in(here.folder)
    worker = here.worker()
    remote = run_pytest(here.folder, "--obra-engine=dbos")
    found = rows_in(here.folder)
    assert (remote.code, local.code) == (1, 1), remote.out + remote.err
    assert "4 case(s) for workers" in remote.out
    assert "1 failed, 4 passed" in remote.out
    assert {node: [row[key] for key in SAME] for node, row in found.items()} == {
        node: [row[key] for key in SAME] for node, row in expected.items()
    }
    own = found.pop("test_own.py::test_own[mock-good]")
    assert "machine-0" not in own["workspace"]
    assert all("machine-0" in row["workspace"] for row in found.values())
    assert {row["truth"][0]["passed"] for row in found.values()} == {True}
    assert worker.poll() is None


def test_without_a_worker_there_is_no_verdict(here):
    """ERROR, exit code 12, and what was submitted is cancelled."""
    settings = here.folder / "settings.yaml"
    text = settings.read_text()
    settings.write_text(text.replace("patience: 90", "patience: 5"))
    assert settings.read_text() != text
    done = run_pytest(here.folder, "--obra-engine=dbos", "scenarios/good.obra.yaml", "--obra-report-dir=r")
    (name,) = [one.id for one in here.runner.submissions()]
    assert done.code == 12, done.out
    assert "no worker lived; start one with the same database: obra worker" in done.out
    told = [line for line in done.out.splitlines() if line.startswith("obra: no worker lives: 1 case(s) of")]
    assert len(told) == 1
    assert told[0].endswith("start one with the same database: obra worker --config settings.yaml")
    assert here.runner.cases(name)[0].state == "cancelled"


@pytest.mark.parametrize("words", [("-n", "2"), ("--obra-bare",), ("--obra-budget-usd=1",), ("--obra-resume",)])
def test_what_workers_cannot_keep_is_refused(here, words):
    """With the option's name, before anything runs."""
    done = run_pytest(here.folder, "--obra-engine=dbos", *words)
    assert (done.code, words[0].partition("=")[0] in done.err) == (4, True), done.out + done.err


def test_what_no_worker_could_reach_is_a_wrong_use(here):
    """Said before any test runs, with the option that asked for it."""
    settings = yaml.safe_load((here.folder / "settings.yaml").read_text())
    settings["database"]["url"] = "sqlite://"
    (here.folder / "settings.yaml").write_text(yaml.safe_dump(settings))
    ended = run_pytest(here.folder, "--obra-engine=dbos", "scenarios")
    assert ended.code == 4
    assert "ERROR: --obra-engine=dbos: database.url: workers need a database that several processes can open" in (
        ended.out + ended.err
    )
