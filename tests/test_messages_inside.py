"""What errors of ours quote, and what stands beside them: cures, warnings, refused values, remarks.

Each is brought about and read word for word, where no room's own tests ask for it.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from refusing_kernel import with_refusal

from obra import ClaudeCodeLocalAgent
from obra.agents.far_side.runner import Runner
from obra.agents.ssh_connection import _read_both
from obra.cli.calibrate import _write
from obra.cli.program import obra
from obra.cli.record import _tell
from obra.config import Config
from obra.domain import ControlAct, Task
from obra.errors import LLMProtocolError, RemoteRunFailed, StateError, WorkspaceError
from obra.evidence.copying import make_writable
from obra.evidence.paths import read_file
from obra.evidence.python_source import literal
from obra.examination import examine
from obra.judging.checklist_reader import _answers
from obra.judging.strict_json import read_object
from obra.notifying.channels import WebhookChannel
from obra.prerequisites import _machine, prerequisites
from obra.replay.cassette import Cassette
from obra.replay.cassette_server import CassetteServer
from obra.reports.stored_run import StoredRun
from obra.reports.summary import plain
from obra.reviewing import ChecklistReviewer
from obra.scale.snapshots import fetch
from obra.scale.worker import Worker
from obra.scenarios.scenario import Scenario
from obra.state.controls import _require_words
from obra.state.database import Database
from obra.state.state_manager import StateManager
from obra.statistics.exact_tests import sign_test
from obra.steering import Steering
from obra.watching.dialogs import AnswerDialog
from obra.workspace.preparation import prepare
from obra.workspace.sandbox import bubblewrap
from obra.workspace.snapshot_store import SnapshotStore
from obra.workspace.workspace import Workspace

NO_RIGHTS = """
import ctypes, os, pathlib, sys
from obra.evidence.copying import copy_tree
if os.geteuid() == 0:  # root's right to read and to search everything
    header, none = (ctypes.c_uint * 2)(0x20080522, 0), (ctypes.c_uint * 6)()
    assert ctypes.CDLL(None).capset(header, none) == 0
copy_tree(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), skip=pathlib.Path("/nowhere"))
"""


def parsed(text: str) -> object:
    """Read a scenario."""
    return Scenario.parse(f"name: x\ntask: {{title: t}}\n{text}\n", Path("x.obra.yaml"))


def linked_out(folder: Path) -> None:
    """Ask for a file behind a link that leads out of the copy."""
    (folder / "copy").mkdir()
    (folder / "copy/out").symlink_to("/etc")
    make_writable(folder / "copy", "out/passwd")


def through_a_link(folder: Path) -> None:
    """Prepare a workspace whose template has a link that a file of the scenario goes through."""
    (folder / "template").mkdir()
    (folder / "template/link").symlink_to(folder)
    prepare(folder / "work", template=folder / "template", files={"link/file": "x"})


def changed_archive(folder: Path) -> None:
    """Fetch objects of which one is not what its name says."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("blob/" + "0" * 40, b"other")
    place = SimpleNamespace(list=lambda _: ["one.zip"], read=lambda _: packed.getvalue(), shown="the place")
    fetch(SnapshotStore(folder / "store"), place, "case")


def broken_off() -> None:
    """Work on a case on a worker that somebody interrupts from outside of Obra."""

    def interrupted(_claim: object) -> None:
        raise KeyboardInterrupt("from outside")

    itself = SimpleNamespace(
        _interruption=SimpleNamespace(possible=contextlib.nullcontext, reason=""),
        _run_case=interrupted,
        _store_row=lambda *_: "",
        _written=lambda _claim, end: end,
    )
    order = SimpleNamespace(scenario="x", case="x", agent="mock", path="x.obra.yaml", repeat=0)
    raise RemoteRunFailed(Worker._work_on(itself, SimpleNamespace(order=order, number=1)).reason)


def with_a_pipe(folder: Path) -> None:
    """Prepare a workspace from a template that has a named pipe in it."""
    (folder / "template").mkdir()
    os.mkfifo(folder / "template/pipe")
    prepare(folder / "work", template=folder / "template")


def changed_behind(folder: Path, statement: str, call) -> None:
    """Do something with a database and its running task, after somebody has changed its tables by hand."""
    with StateManager(f"sqlite:///{folder}/obra.db") as state:
        project = state.create_project("p", working_dir=str(folder))
        task = state.start_task(state.create_task(project.id, {"title": "t"}).id, base_snapshot="x", run={})
        with contextlib.closing(sqlite3.connect(folder / "obra.db")) as connection:
            connection.execute(statement)
            connection.commit()
        call(state, task)


def typed(*words: str) -> None:
    """Type a command."""
    obra.main(words, standalone_mode=False)


def cut_off(folder: Path) -> None:
    """Read a run whose last row was cut off."""
    (folder / "results.jsonl").write_text('{"a":')
    StoredRun(folder).summary()


CASES = {
    "allowed_tools must be a list of names; it is": lambda path: (
        ClaudeCodeLocalAgent().initialize({"workspace_dir": path, "allowed_tools": "Write"})
    ),
    "the template .* cannot be copied: .*named pipe": with_a_pipe,
    "project 1 is archived; only an active one can be paused": lambda path: (
        changed_behind(
            path, "UPDATE project_state SET status = 'archived'", lambda state, _: state.pause_project(1)
        )
    ),
    r"has lost task 1: it was released and is gone now": lambda path: (
        changed_behind(path, "DELETE FROM task", lambda state, task: state.record_step(task, SimpleNamespace()))
    ),
    r"task_data\['queued'\] is 'yes'; give True for a task that waits": lambda path: (
        changed_behind(
            path, "SELECT 1", lambda state, _: state.create_task(1, {"title": "t", "queued": "yes"})
        )
    ),
    "file/x/y cannot be written: Not a directory; make room or name another place": lambda path: (
        _write((path / "file").write_text("") or path / "file/x/y", "text")
    ),
    "--older-than 5x: write a number with s, m, h or d, such as 30d": lambda _: (
        typed("submission", "prune", "--older-than", "5x")
    ),
    "this kind of LLM has no list of models; see: obra llm check": lambda _: (
        typed("llm", "list", "-o", "llm.type=llamacpp")
    ),
    "cannot be read: Input/output error": lambda _: read_file(Path(f"/proc/{os.getpid()}"), "mem"),
    "no link to Obra": lambda _: Runner._reach_obra(SimpleNamespace(_lease=-1, _orders={})),
    "its output did not end": lambda _: (
        _read_both(
            SimpleNamespace(
                recv_ready=bool, recv_stderr_ready=bool, eof_received=False, closed=False, fileno=lambda: 0
            ),
            time.monotonic() - 1,
        )
    ),
    "out/passwd leads out of the copy .* through a link": linked_out,
    "nothing is no constant": lambda _: literal(None),
    "1 better and -1 worse are no counts": lambda _: sign_test(1, -1),
    "the reviewer answered the question 1 twice": lambda _: (
        _answers({"answers": [{"id": "1"}, {"id": "1"}]}, {"1": None})
    ),
    "the reviewer answered nothing": lambda _: read_object(" ", frozenset()),
    "the reviewer's answer is not a JSON object; it is": lambda _: read_object("[]", frozenset()),
    "the reviewer's answer has an unknown key": lambda _: read_object('{"mood": 1}', frozenset({"score"})),
    "InvalidURL: check notifications.webhook": lambda _: (
        WebhookChannel("http://127.0.0.1:9/a\x01").deliver("x", 1)
    ),
    "this is no line of a cassette .*its form is not 2": lambda path: (
        Cassette.load((path / "a").write_text('{"cassette": 99}\n') and path / "a")
    ),
    "results.jsonl:1 is no JSON .*; was the file cut off": cut_off,
    "int is neither a line of a summary nor the statistics of a case": lambda _: plain(7),
    "the place: 'one.zip' does not hold what its names say; it was changed": changed_archive,
    "the case was broken off on its worker: from outside": lambda _: broken_off(),
    "'expect.iterations': should leave something between min and max; min is 3, max is 2": lambda _: (
        parsed("expect: {iterations: {min: 3, max: 2}}")
    ),
    "workspace.files.a': should have either 'text' or 'base64'": lambda _: (
        parsed("workspace: {files: {a: {executable: true}}}")
    ),
    r"should be Base64 \(.*\); make it with: base64 FILE": lambda _: (
        parsed("workspace: {files: {a: {base64: '*'}}}")
    ),
    "should leave something between min and max; min is 90.0, max is 10.0": lambda _: (
        parsed("expect: {quality: {min: 90, max: 10}}")
    ),
    "the message is empty; it is shown to the agent or to those": lambda _: (
        _require_words(SimpleNamespace(act=ControlAct.SAY, text=" "))
    ),
    "say something: the agent will be shown these words": lambda _: AnswerDialog.send(SimpleNamespace(), " "),
    "the text for 'a' cannot be written as UTF-8: surrogates": lambda path: (
        prepare(path / "work", files={"a": "\udc80"})
    ),
    "the path 'link/file' leads through a symlink; name the real place": through_a_link,
}  # fmt: skip


@pytest.mark.parametrize("message", CASES)
def test_the_words_are_what_a_person_reads(message, tmp_path):
    """Of an error of ours, or of one that ours quote."""
    with pytest.raises(Exception, match=message):
        CASES[message](tmp_path)


def test_a_folder_without_rights_is_not_copied(tmp_path):
    """Not even by root, whose rights are given away here."""
    (tmp_path / "closed").mkdir(mode=0)
    done = subprocess.run(
        [sys.executable, "-c", NO_RIGHTS, str(tmp_path / "closed"), str(tmp_path / "copy")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.splitlines()[-1] == f"PermissionError: the workspace {tmp_path / 'closed'} may not be read"


def test_a_kernel_that_watches_nothing_is_told(tmp_path):
    """The system's word stands in it, and what to look at."""
    code = (
        "import sys; from obra.monitoring.file_watcher import FileWatcher; FileWatcher(sys.argv[1], print).start()"
    )
    ended = with_refusal("inotify_add_watch", errno.EPERM, code, tmp_path)
    said = f"{tmp_path} cannot be watched: Operation not permitted; look at its permissions"
    assert ended.stderr.splitlines()[-1] == f"obra.errors.WorkspaceError: {said}"


def test_a_machine_without_an_ssh_server_is_told():
    """With the command that installs it."""
    if shutil.which("bwrap") is None:
        pytest.skip("no bubblewrap, which hides the server: apt-get install bubblewrap")
    code = "import pathlib; from obra.testing.ssh_server import SSHServer; SSHServer(pathlib.Path('/nowhere'))"
    hidden = ["bwrap", "--dev-bind", "/", "/", "--tmpfs", "/usr/sbin", "--tmpfs", "/usr/local/sbin"]
    done = subprocess.run([*hidden, sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if "bwrap: " in done.stderr:
        pytest.skip(f"bubblewrap does not work here: {done.stderr.strip()}")
    said = "no OpenSSH server: /usr/sbin/sshd is missing; apt-get install openssh-server"
    assert done.stderr.splitlines()[-1] == f"obra.errors.AgentUnavailable: {said}"


def test_a_bubblewrap_that_cannot_be_started_is_told(tmp_path, monkeypatch):
    """It is there, and its interpreter is not."""
    (tmp_path / "bwrap").write_text("#!/nowhere/interpreter\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WorkspaceError, match="'bwrap' does not start: .*; install it anew: "):
        bubblewrap.__wrapped__()


def test_a_disk_that_is_full_is_told_where_a_workspace_is_put_back_or_copied(tiny_disk, tmp_path):
    """With the file that had no room."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work/large").write_bytes(bytes(300_000))
    store = SnapshotStore(tmp_path / "store")
    here = Workspace(tmp_path / "work", store)
    tree = here.snapshot()
    with pytest.raises(WorkspaceError, match="cannot be restored: .*No space left on device; give yourself"):
        Workspace(tiny_disk / "work", store).restore(tree)
    with pytest.raises(WorkspaceError, match="/large cannot be copied: .*No space left on device"):
        here.copy_to(tiny_disk / "copy")


# --- cures


def cures(config: Config, look=prerequisites) -> str:
    """All that is to be mended, a line each."""
    return "\n".join(one.cure for one in look(config) if one.cure)


def test_folders_that_cannot_be_written_are_named_with_their_setting(tmp_path):
    """A file stands where a folder is needed."""
    (tmp_path / "file").touch()
    config = Config.load(rung="mock")
    config.set("database.url", f"sqlite:///{tmp_path}/file/obra.db")
    config.set("workspace.root", f"{tmp_path}/file/work")
    told = cures(config, examine)
    assert (
        f"{tmp_path}/file/obra.db cannot be written: make {tmp_path}/file writable, or change database.url" in told
    )
    assert (
        f"{tmp_path}/file/work cannot be written: make {tmp_path}/file a writable folder, or change work" in told
    )


@pytest.mark.parametrize(
    ("package", "key", "value", "cure"),
    [
        (
            "watchdog",
            "monitoring.watch_files",
            True,
            "watchdog is missing, and monitoring.watch_files needs it: pip",
        ),
        (
            "opentelemetry",
            "telemetry.otlp_endpoint",
            "http://x",
            "the extra is not installed: pip install 'obra[otel",
        ),
    ],
)
def test_a_library_that_is_not_there_is_named_with_what_needs_it(package, key, value, cure, monkeypatch):
    """Python finds no such package."""
    monkeypatch.setitem(sys.modules, package, None)
    config = Config.load(rung="mock")
    config.set(key, value)
    assert cure in cures(config, examine)


def test_a_python_that_is_too_old_is_told_which_to_install():
    """The sentence is made beside every version, and shown with one that is too old."""
    shown = ".".join(map(str, sys.version_info[:3]))
    cure = f"Python {shown} is too old: install Python 3.11 or newer, and Obra into it"
    assert next(_machine()).cure == cure


# --- warnings and remarks


def test_a_cassette_of_another_version_warns_once(caplog):
    """It is played all the same."""
    player = SimpleNamespace(_cassette=SimpleNamespace(about={"cli": "claude-cli/1.0.0"}), _versions="")
    for _ in range(2):
        CassetteServer._compare_versions(player, {"User-Agent": "claude-cli/2.1.330 (external)"})
    told = [one.getMessage() for one in caplog.records]
    assert told == ["the cassette was recorded with claude-cli/1.0.0 and is played to claude-cli/2.1.330"]


def test_a_task_that_cannot_be_split_keeps_its_own_sentences(caplog):
    """The reviewer's answer is no such thing as was asked for."""

    def generate(*_: object, **__: object) -> str:
        raise LLMProtocolError("the LLM server sent nonsense")

    reviewer = ChecklistReviewer(SimpleNamespace(generate=generate), None, samples=1, questions=1)
    task = Task(id=7, project_id=1, title="Write a greeting", description="It greets by name.")
    assert reviewer.split(task)
    assert "the requirements of task 7 are its own sentences: the LLM server sent nonsense" in caplog.text


def test_a_database_that_is_away_is_logged_once_while_a_step_takes_long(caplog):
    """The run goes on: what people ask of it is heard when the database is back."""

    def look() -> None:
        raise StateError("the database failed")

    steering = SimpleNamespace(
        _meanwhile=None, look=look, _has_failed=False, _run=SimpleNamespace(task=SimpleNamespace(id=7))
    )
    for _ in range(2):
        Steering.look_meanwhile(steering)
    told = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert told == ["task 7 cannot be steered for now: the database failed"]


def test_a_connection_that_cannot_be_rolled_back_is_given_up():
    """Below the error that broke the transaction stands why."""
    given_up = []

    def rollback() -> None:
        raise sqlite3.OperationalError("disk I/O error")

    driver = SimpleNamespace(rollback=rollback, invalidate=lambda: given_up.append(True))
    error = StateError("the first")
    Database._take_back(SimpleNamespace(_is_sqlite=True, _driver=sqlite3), driver, error)
    assert error.__notes__ == ["the connection is given up: disk I/O error"]
    assert given_up == [True]


def test_a_cassette_that_was_not_written_is_named(capsys, tmp_path):
    """And the exit code says so."""
    assert _tell({tmp_path / "a": 0}, {tmp_path / "a": 0}) == 1
    assert capsys.readouterr().err == f"no cassette was written to {tmp_path / 'a'}\n"


def test_the_far_side_tells_its_usage():
    """Whoever finds the program on a machine and types its name."""
    code = "import sys; from obra.agents.far_side.program import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == "usage: start FOLDER | attach FOLDER OUT ERR BEAT CLAIM | look FOLDER | sweep MARKER\n"
    assert done.returncode != 0
