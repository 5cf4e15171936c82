"""The log: one line for each moment, where the settings say, and never a line that an agent forged."""

import json
import logging
import os
import subprocess
import sys

import pytest

from obra.config import Config
from obra.domain import Task
from obra.errors import ConfigError
from obra.events import AgentActed, AgentEvent, AgentEventKind, PromptReady, TaskStarted, TurnRetried
from obra.logbook import configure_logging, log_event, run_id

SCRIPT = """
import logging, sys
from obra.config import Config
from obra.events import TurnRetried
from obra.logbook import configure_logging, log_event
if "theirs" in sys.argv:
    logging.basicConfig(format="theirs: %(message)s")
configure_logging(Config())
configure_logging(Config())
log_event(TurnRetried(task_id=1, number=2, error="it went away", retries_left=0))
"""


@pytest.fixture
def config():
    """Settings; afterwards nothing is written to a file any more."""
    yield Config()
    configure_logging(Config())


@pytest.mark.parametrize(("who", "prefix"), [("ours", "WARNING obra.loop: "), ("theirs", "theirs: ")])
def test_without_a_file_it_goes_to_standard_error(who, prefix, tmp_path):
    """Once, however often it is configured; where a program has its own logging, only there."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, who], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    line = "task 1, attempt 2: the turn failed and is sent again (retries left: 0): it went away\n"
    assert (done.stdout, done.stderr) == ("", prefix + line)


def test_a_closed_standard_error_stops_nothing(tmp_path):
    """The work goes on when nobody can read the log."""
    code = SCRIPT.replace("configure_logging(Config())\nlog", "sys.stderr.close()\nlog") + "print('on')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout == "on\n"


def test_foreign_text_cannot_forge_a_line(config, tmp_path):
    """A title with a line break is one line of the log, and odd letters do not break it."""
    config.set("logging.file", str(tmp_path / "new" / "obra.log"))
    config.set("logging.level", "DEBUG")
    configure_logging(config)
    log_event(TaskStarted(task=Task(id=1, title="a\n2026-01-01 ERROR obra.loop: forged \udcff")))
    acted = AgentEvent(kind=AgentEventKind.TEXT, text="x\r\ny")
    log_event(AgentActed(task_id=1, number=1, event=acted))
    lines = (tmp_path / "new" / "obra.log").read_text().splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("INFO obra.loop: task 1 starts: a 2026-01-01 ERROR obra.loop: forged \\udcff")
    assert lines[1].endswith("DEBUG obra.loop: task 1, attempt 1: text x y")


def test_a_file_that_cannot_be_written_is_named(config, tmp_path):
    """The setting, the path and the reason; and the log before it stays in force."""
    config.set("logging.file", str(tmp_path))
    before = logging.getLogger("obra").handlers
    with pytest.raises(ConfigError, match=r"logging\.file: .* cannot be opened: Is a directory; name a file"):
        configure_logging(config)
    assert logging.getLogger("obra").handlers == before


def test_a_retry_is_a_warning(config, caplog):
    """What an unattended run should be looked at for stands out."""
    configure_logging(config)
    log_event(TurnRetried(task_id=1, number=1, error="x", retries_left=0))
    log_event(TaskStarted(task=Task(id=1, title="t")))
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_statements_do_not_spoil_what_a_command_prints(tmp_path):
    """database.echo shows SQL on standard error, so that JSON on standard output can still be read."""
    obra = [sys.executable, "-m", "obra"]
    subprocess.run([*obra, "project", "create", "p"], check=True, cwd=tmp_path, capture_output=True)
    done = subprocess.run(
        [*obra, "project", "list", "--json", "-o", "database.echo=true"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert [project["name"] for project in json.loads(done.stdout)] == ["p"]
    assert "INFO obra.sql: SELECT" in done.stderr


def test_json_lines_say_where_they_belong(config, tmp_path, monkeypatch):
    """Each line is an object with time, level, logger and message, and the ids of run, task, start and attempt."""
    monkeypatch.setenv("OBRA_RUN_ID", "nightly-7")
    file = tmp_path / "obra.log"
    for key, value in (("file", str(file)), ("level", "DEBUG"), ("format", "json")):
        config.set(f"logging.{key}", value)
    configure_logging(config)
    log_event(TaskStarted(task=Task(id=3, fence=2, title='a "title"\n')))
    log_event(PromptReady(task_id=3, number=4, prompt="Do it."))
    try:
        int("broken")
    except ValueError:
        logging.getLogger("obra.agents").exception("it went away")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [one["message"] for one in lines] == [
        'task 3 starts: a "title"',
        "task 3, attempt 4: a prompt of 6 characters",
        "it went away",
    ]
    assert {one["run"] for one in lines} == {"nightly-7"}
    assert [(one["task"], one["start"], one.get("attempt")) for one in lines] == [
        (3, 2, None),
        (3, 2, 4),
        (3, 2, 4),
    ]
    assert (lines[2]["level"], lines[2]["logger"]) == ("ERROR", "obra.agents")
    assert lines[2]["error"].endswith("ValueError: invalid literal for int() with base 10: 'broken'")
    assert all(one["time"].endswith("+00:00") for one in lines)


def test_the_run_has_one_id(monkeypatch):
    """Made once and left to the processes that are started, so that their lines belong together."""
    monkeypatch.setenv("OBRA_RUN_ID", "x")
    monkeypatch.delenv("OBRA_RUN_ID")
    made = run_id()
    assert made == run_id() == os.environ["OBRA_RUN_ID"]
