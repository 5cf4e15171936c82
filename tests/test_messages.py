"""Messages that no room's own tests ask for: each is brought about, and read word for word as a person would."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from obra import ClaudeCodeLocalAgent, ClaudeCodeSSHAgent, MockAgent
from obra.agents import ssh_files, terminal_dialog
from obra.agents.codex import CodexAgent
from obra.agents.ssh_far_side import FarSide
from obra.attempt_steps import Turn, _read
from obra.cli.program import obra
from obra.cli.rejudge import _write
from obra.documents import Document, DocumentError
from obra.domain import TaskStatus
from obra.errors import ObraError
from obra.llm import chat, ollama_models, ollama_stream, openai_stream
from obra.llm.local_llm_interface import LocalLLMInterface
from obra.llm.server_address import ServerAddress
from obra.llm.server_connection import ServerRefused
from obra.new_project import start_project
from obra.plugins import AGENTS, find_plugin
from obra.replay import model_doors
from obra.replay.cassette import Cassette
from obra.reports.stored_run import StoredRun
from obra.scenarios.scenario import Scenario
from obra.scenarios.skeleton import write_skeleton
from obra.state.database import Database
from obra.state.encoding import from_json
from obra.state.state_manager import StateManager
from obra.watching.lookout import Lookout, Places
from obra.workspace.preparation import prepare
from obra.workspace.processes import run_command
from obra.workspace.snapshot_store import SnapshotStore
from obra.workspace.walking import opened_root
from obra.workspace.workspace import Workspace

DIALOG = SimpleNamespace(text="Do you want to proceed?", options=(), find=lambda _: None)
FAR = FarSide(folder="/x", python="python3", marker="m", claim="c")
SEVERAL = "tasks: [{name: a, task: {title: A}, checks: [{file: a}]}]"


def written(path: Path, content: str | bytes) -> Path:
    """Write a file and return it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def parsed(text: str) -> Scenario:
    """Read a scenario."""
    return Scenario.parse(f"name: x\n{text}\n", Path("x.obra.yaml"))


def workspace(folder: Path) -> Workspace:
    """A workspace with a file in it."""
    written(folder / "work/a.txt", "a")
    return Workspace(folder / "work", SnapshotStore(folder / "store"))


def answered(shown: object) -> None:
    """Answer a dialog of Claude Code on a screen that shows something else by now."""
    screen = SimpleNamespace(dialog=lambda: shown)
    list(terminal_dialog.answer_dialog(screen, lambda _: None, DIALOG, terminal_dialog.Ask(allowed=True)))


def started(folder: Path) -> tuple[StateManager, int]:
    """A database with a task in it."""
    state = StateManager(f"sqlite:///{folder}/obra.db")
    project = state.create_project("p", working_dir=str(folder))
    return state, state.create_task(project.id, {"title": "t"}).id


def with_state(folder: Path, call) -> None:
    """Do something with a database and the id of its task."""
    state, task_id = started(folder)
    with state:
        call(state, task_id)


CASES = {
    "the mock agent was given no workspace_dir; name the folder": lambda _: MockAgent().initialize({}),
    "the mock agent is not initialized; call initialize": lambda _: MockAgent().send_prompt("x"),
    "Claude Code has no setting 'comand'; did you mean 'command'": lambda _: (
        ClaudeCodeLocalAgent().initialize({"comand": "x"})
    ),
    "was given no workspace_dir; name the folder it is to work in": lambda _: (
        ClaudeCodeLocalAgent().initialize({})
    ),
    "no machine to log in to; set agent.ssh.host": lambda path: (
        ClaudeCodeSSHAgent().initialize({"workspace_dir": str(path), "host": ""})
    ),
    r"no program 'no-such-codex' on PATH\. Install it \(.*\) or set agent\.options\.command to": lambda path: (
        CodexAgent().initialize({"workspace_dir": str(path), "command": "no-such-codex"})
    ),
    r"processes with OBRA_RUN_ID=\S+ do not end; end them on that machine": lambda _: (
        FAR.sweep(SimpleNamespace(run=lambda *_, **__: (1, "")))
    ),
    "the workspace did not come back whole; the local copy is as it was": lambda path: (
        ssh_files.unpack(io.BytesIO(b"\0" * 10240), path, is_whole=lambda: False)
    ),
    "a dialog of Claude Code changed before it was answered: Do you": lambda _: answered(None),
    "a dialog of Claude Code does not offer the answer that is to be given": lambda _: answered(DIALOG),
    r"a kept step \(Turn\) cannot be read": lambda _: _read(Turn, {"nonsense": 1}),
    "the report .* cannot be made: (File exists|Not a directory); name another --reports": lambda path: (
        _write(written(path / "file", "x"), {})
    ),
    "not UTF-8 text .byte 3.; save it as UTF-8": lambda path: Document.read(written(path / "a.yaml", b"a: \xff")),
    "not readable as YAML: ": lambda _: Document.parse("a.yaml", "a: \x00"),
    "the LLM settings lack model; give llm.model a value": lambda _: chat.read_settings({}, "model"),
    "the LLM settings are wrong: 'timeout'": lambda _: chat.read_settings({"timeout": "long"}),
    "the server could not fetch tiny: 'no such model'; check the name": lambda _: (
        ollama_models._follow([b'{"error": "no such model"}\n'], "tiny", print)
    ),
    "the LLM server sent a line without text in message.content": lambda _: (
        ollama_stream.read_answer([b'{"message": {"content": 7}}'])
    ),
    "the LLM server sent an event without text in delta.content": lambda _: (
        openai_stream.read_answer([b'data: {"choices": [{"delta": {"content": 7}}]}'])
    ),
    r"llm\.api_url must look like 'http://localhost:11434'; it is 'ftp://host'": lambda _: (
        ServerAddress.parse("ftp://host")
    ),
    r"llm\.api_url is no address \(.*\); it must look like": lambda _: ServerAddress.parse("http://host:port"),
    r"llm\.api_key has characters that no key can have, such as a line end": lambda _: (
        LocalLLMInterface({"type": "openai", "api_url": "http://127.0.0.1:9", "model": "m", "api_key": "k\n"})
    ),
    "cannot be written: (Not a directory|File exists); choose another folder": lambda path: (
        start_project(written(path / "file", "x"))
    ),
    "the agent 'no_such_package:Agent' cannot be loaded: .* If it needs a library that is an extra": lambda _: (
        find_plugin(AGENTS, "no_such_package:Agent")
    ),
    r"unknown agent 'mok'.*Known: .*\. A class can also be named as 'package\.module:Class'": lambda _: (
        find_plugin(AGENTS, "mok")
    ),
    "is no cassette, since it is no text in UTF-8": lambda path: Cassette.load(written(path / "a", b"\xff\n")),
    "no cassette can be played without a scenario; run one": lambda _: (
        model_doors._tape(SimpleNamespace(tape=None), "played")
    ),
    "there is no run in .*; run 'pytest scenarios/' first, or name a folder": lambda path: (
        StoredRun.find("last", path)
    ),
    "results.jsonl:1 is no row of a report, but list": lambda path: (
        StoredRun(written(path / "results.jsonl", "[]\n").parent).summary()
    ),
    "summary.json holds no summary; take it away": lambda path: (
        StoredRun(written(written(path / "results.jsonl", "{}\n").parent / "summary.json", "[]").parent).summary()
    ),
    "this scenario has several tasks, and this needs one with a 'task:'": lambda _: the_one(SEVERAL).task,
    "cannot be a scenario's name; take letters": lambda path: write_skeleton(path, "a/b"),
    "'workspace.archive': no file 'x.zip' beside this file": lambda _: (
        parsed("task: {title: t}\nworkspace: {archive: x.zip}")
    ),
    "'workspace': .* do not go together; give one of them, and 'files' on top": lambda _: (
        parsed("task: {title: t}\nworkspace: {archive: x.zip, template: y}")
    ),
    "'expect.status': belongs to one task; with 'tasks', each has its own 'expect'": lambda _: (
        parsed(f"{SEVERAL}\nexpect: {{status: completed}}")
    ),
    r"'tasks\.0\.after': tasks wait for each other in a circle: ": lambda _: (
        parsed("tasks: [{name: a, task: {title: A}, after: [b]}, {name: b, task: {title: B}, after: [a]}]")
    ),
    "has no attempt 7; 'obra task show 1' lists those there are": lambda path: (
        with_state(path, lambda state, task_id: state.attempt(task_id, 7))
    ),
    "task 1 cannot be finished as running; start_task": lambda path: (
        with_state(path, lambda state, task_id: state.finish_task(task_id, TaskStatus.RUNNING, "x"))
    ),
    r"task_data\['retries'\] is -1; give 0 or more": lambda path: (
        with_state(path, lambda state, _: state.create_task(1, {"title": "t", "retries": -1}))
    ),
    r"a stored record is not JSON \(.*\): '\{'; restore a backup": lambda _: from_json("{"),
    "needs the driver 'oracledb|cx_Oracle'; install it, for PostgreSQL": lambda _: Database("oracle://host/x"),
    "the log .* cannot be read: Is a directory": lambda path: (
        with_state(path, lambda *_: looked(Places(database=f"sqlite:///{path}/obra.db", live=path, log=path)))
    ),
    r"has both a template and an archive; give one of them": lambda path: (
        prepare(path / "new", template=path, archive=path)
    ),
    "the template .* is not a folder; name one that exists": lambda path: (
        prepare(path / "new", template=path / "nowhere")
    ),
    "'a/b' cannot be written in the workspace .*: (File exists|Not a directory)": lambda path: (
        prepare(path / "new", files={"a": "x", "a/b": "y"})
    ),
    r"cannot run 'true': its folder .* is not there \(any more\); prepare the workspace again": lambda path: (
        run_in(path / "gone", "true")
    ),
    "cannot run '/.*/file' in .*: Permission denied; check the command and its permissions": lambda path: (
        run_in(path, str(written(path / "file", "x")))
    ),
    "the snapshot store .* cannot be opened: .* Give an empty or new folder": lambda path: (
        SnapshotStore(written(path / "file", "x")).write_tree([])
    ),
    r"the workspace .* is not there \(any more\); prepare it again": lambda path: opened(path / "gone"),
    "the workspace .* cannot be opened: Not a directory; it must be a readable folder": lambda path: (
        opened(written(path / "file", "x"))
    ),
    "the snapshot store .* lies in the workspace .*; set workspace.store to a folder outside": lambda path: (
        Workspace(path, SnapshotStore(path / "store"))
    ),
    "is not empty; copy to a new folder": lambda path: (
        workspace(path).copy_to(written(path / "other/file", "x").parent)
    ),
    "cannot be copied to .*: ": lambda path: workspace(path).copy_to(written(path / "file", "x") / "inside"),
}  # fmt: skip


def the_one(text: str) -> Scenario:
    """Read a scenario that has one case."""
    (scenario,) = Scenario.parse(f"name: x\n{text}\n", Path("x.obra.yaml"))
    return scenario


def run_in(folder: Path, program: str) -> None:
    """Run a program without arguments."""
    run_command([program], cwd=folder, environment={"PATH": "/usr/bin:/bin"}, timeout=10, max_output=100)


def opened(path: Path) -> None:
    """Open a workspace's folder."""
    with opened_root(path):
        pass


def looked(places: Places) -> None:
    """Look once."""
    lookout = Lookout(places)
    try:
        lookout.look()
    finally:
        lookout.close()


@pytest.mark.parametrize("message", CASES)
def test_the_message_is_what_a_person_reads(message, tmp_path):
    """Word for word, as an error of ours."""
    with pytest.raises((ObraError, DocumentError), match=message):
        CASES[message](tmp_path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["explain", "Nonsense"], "no error is called 'Nonsense'; 'obra explain' lists all names"),
        (["resume", "--task", "1", "--all"], "give --task ID or --all, not both"),
        (["breakpoint", "resolve", "1", " "], "it is empty; the agent will be shown these words"),
    ],
)
def test_a_refusal_of_the_command_is_what_a_person_reads(words, message):
    """The usage, and a sentence."""
    with pytest.raises(click.UsageError, match=message):
        obra.main(words, standalone_mode=False)


def test_a_server_that_refuses_is_quoted():
    """With its status and its words."""
    assert "the LLM server at x refused with status 418: short and stout" in str(
        ServerRefused("x", 418, "short and stout")
    )
