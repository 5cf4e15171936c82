"""Submit, work, read back: on both databases, by processes of their own."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable

import pytest
from field import QUICK, Field, each_once, rows_of

from obra.cli.failures import exit_code_of
from obra.cli.program import obra as program
from obra.errors import ConfigError, NotFound, RemoteRunFailed, ScaleError
from obra.scale import durable_runner

BOTH = pytest.mark.parametrize("field", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def obra(field: Field, capsys, monkeypatch) -> Callable[..., str]:
    """Return a function that types a command with the settings of the field, and gives what it printed."""
    monkeypatch.chdir(field.folder)

    def typed(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        arguments = [*words, *field.words()]
        ended = exit_code_of(lambda: program.main(arguments, prog_name="obra", standalone_mode=False), arguments)
        printed = capsys.readouterr()
        assert ended == code, printed
        return printed.out

    return typed


@BOTH
def test_cases_are_run_by_a_worker_and_read_back(field):
    """Each case has one row, by the same road as anywhere, and the worker leaves when it is told so."""
    one, two = (field.write(name, QUICK.format(name=name, run="'true'")) for name in ("one", "two"))
    name = field.submit(one, two, repeat=2)
    assert {case.state for case in field.runner.cases(name)} == {"waiting"}
    worker = field.worker("--until-idle")
    cases = field.wait(name)
    assert each_once(cases)
    rows = rows_of(field, cases)
    assert [(row["case"], row["repeat"], row["result"]) for row in rows] == [
        ("one", 1, "passed"), ("one", 2, "passed"), ("two", 1, "passed"), ("two", 2, "passed"),
    ]  # fmt: skip
    assert {row["path"] for row in rows} == {str(one.path), str(two.path)}
    assert [check["passed"] for row in rows for check in row["truth"]] == [True] * 4
    assert worker.wait(100) == 0
    assert "is ready" in field.log(0)
    assert "ends after 4 cases" in field.log(0)
    assert field.runner.workers() == ()


def test_the_commands_from_submitting_to_pruning(field, obra):
    """What a person types, and what is printed."""
    field.write("one", QUICK.format(name="one", run="'true'"))
    name = obra("submit", "scenarios").strip()
    assert "1 waiting" in obra("submission", "list")
    worker = field.worker("--until-idle")
    told = obra("submission", "wait", name)
    assert "one mock passed" in told
    assert "1 of 1 passed" in told
    summary = json.loads((field.folder / "reports" / name / "summary.json").read_text())
    assert summary["scenarios"][0]["result"] == "passed"
    (shown,) = json.loads(obra("submission", "show", name, "--json"))
    assert (shown["state"], shown["claims"], shown["is_over"]) == ("passed", 1, True)
    assert json.loads(obra("workers", "--json"))[0]["pid"] == worker.pid
    worker.wait(100)
    assert obra("workers").startswith("no worker is there")
    assert "0 submissions, 0 cases, 0 files" in obra("submission", "prune", "--older-than", "1h")
    gone = json.loads(obra("submission", "prune", "--older-than", "0s", "--json"))
    assert (gone["submissions"], gone["cases"], gone["files"] >= 3) == ([name], 1, True)
    assert not [path for path in (field.folder / "artefacts").rglob("*") if path.is_file()]
    with pytest.raises(NotFound, match="no submission and no case"):
        field.runner.cases(name)


def test_a_verdict_that_is_wrong_and_a_machinery_that_breaks_have_their_exit_codes(field, obra):
    """1 for a failed scenario, 12 where there is no verdict; the reason is told."""
    field.write("one", QUICK.format(name="one", run="'true'").replace("status: completed", "status: escalated"))
    field.worker("-o", "agent.local.command=/no/claude")
    assert "one mock verdict_wrong" in obra("submit", "--wait", "scenarios", code=1)
    field.write("one", QUICK.format(name="one", run="'true'"))
    told = obra("submit", "--wait", "--agent", "replay", "scenarios", code=12)
    assert "machinery_broke" in told
    (broken,) = json.loads(obra("submission", "show", told.split()[0], "--json"))
    assert "/no/claude" in broken["reason"]


def test_two_signals_of_a_person(field):
    """The first Ctrl-C lets the case end; a second one breaks it off, and another worker goes on with it."""
    go = field.folder / "go"
    waiting = f"'while [ ! -e {go} ]; do sleep 0.05; done'"
    name = field.submit(field.write("one", QUICK.format(name="one", run=waiting)))
    first = field.worker()
    field.busy(name)
    first.send_signal(signal.SIGINT)
    field.until(lambda: "finishing" in field.log(0))
    go.touch()
    assert first.wait(100) == 0
    assert each_once(field.runner.cases(name))
    name = field.submit(field.write("two", QUICK.format(name="two", run="sleep 100")))
    second = field.worker()
    field.busy(name)
    second.send_signal(signal.SIGINT)
    field.until(lambda: "finishing" in field.log(1))
    second.send_signal(signal.SIGINT)
    assert second.wait(100) == 1
    assert "told to stop at once" in field.log(1)
    field.until(lambda: field.processes() == [])
    field.worker()
    field.until(lambda: field.runner.cases(name)[0].claims == 2)


def test_what_cannot_be_is_refused(field, tmp_path):
    """Nothing to submit, a database in memory, no shared place on PostgreSQL, nobody who works."""
    with pytest.raises(ScaleError, match="no case to submit"):
        field.runner.submit([])
    config = field.config()
    config.set("database.url", "sqlite://")
    with pytest.raises(ConfigError, match="several processes can open"):
        type(field.runner)(config)
    config.set("database.url", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    config.set("scale.artefacts", "")
    from obra.scale.address import artefacts_of

    with pytest.raises(ConfigError, match=r"s3://bucket/prefix"):
        artefacts_of(config)
    name = field.submit(field.write("one", QUICK.format(name="one", run="'true'")))
    field.runner._settings = field.runner._settings.model_copy(update={"patience": 0.2})
    with pytest.raises(RemoteRunFailed, match="no worker lived"):
        list(field.runner.wait(name))
    began = time.monotonic()
    with pytest.raises(RemoteRunFailed, match="no worker lived"):  # the seconds were waited already
        list(field.runner.wait(name))
    assert time.monotonic() - began < 60


def test_whoever_waits_without_a_worker_is_told_once_and_soon(field, monkeypatch):
    """What waits, until when, and what to start; a worker that comes takes the cases."""
    monkeypatch.setitem(vars(durable_runner), "_SOON", 0.2)
    name = field.submit(field.write("one", QUICK.format(name="one", run="'true'")), repeat=2)
    told = []

    def hear(line):
        told.append(line)
        field.worker()

    cases = list(field.runner.wait(name, hear, start="obra worker --config many.yaml"))
    assert each_once(tuple(cases))
    (line,) = told
    pattern = (
        rf"no worker lives: 2 case\(s\) of {name} wait for one until \d\d:\d\d:\d\d \(scale.patience: 60 s\); "
    )
    assert re.fullmatch(pattern + "start one with the same database: obra worker --config many.yaml", line)
