"""Messages about other machines, servers and workers, with stand-ins for what is afar."""

from __future__ import annotations

import socket
import sqlite3
import sys
from contextlib import nullcontext
from functools import partial
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest

from obra import Config
from obra.agents import ssh_far_side, ssh_workspace, terminal_dialog
from obra.agents.claude_code_session import ClaudeCodeSession
from obra.agents.ssh_connection import SSHConnection
from obra.agents.ssh_link import SSHLink
from obra.agents.ssh_program import start_program
from obra.agents.terminal_wire import TerminalWire
from obra.calibration.measurement import _require_right_labels
from obra.calibration.trial import Label
from obra.cli.export import _trajectories
from obra.errors import ObraError
from obra.llm.ollama_models import OllamaModels
from obra.llm.server_connection import ServerRefused
from obra.replay.cassette import Cassette
from obra.replay.model_doors import _recorded
from obra.replay.model_server import ModelServer
from obra.replay.player import CassetteMiss, Player
from obra.reports.atomic_file import write_whole
from obra.reports.run_writer import RunWriter
from obra.scale.artefacts import Artefacts
from obra.scale.case_run import CaseRunner
from obra.scale.durable_runner import DurableRunner
from obra.scale.sources import pack
from obra.scenarios.scenario import Scenario
from obra.state.encoding import attempt_from_json
from obra.state.state_manager import StateManager
from obra.testing.ssh_server import SSHServer
from obra.workspace.sandbox import bubblewrap
from obra.workspace.snapshot_store import SnapshotStore
from obra.workspace.workspace import Workspace


def connection(open_session=None) -> SSHConnection:
    """A connection whose transport does what is said; without, there is none."""
    made = SSHConnection.__new__(SSHConnection)
    transport = open_session and SimpleNamespace(open_session=open_session)
    made._client = SimpleNamespace(get_transport=lambda: transport)
    return made


def breaks(**_: object) -> None:
    """Open no channel."""
    raise EOFError("cut off")


def test_a_connection_that_ended_is_told():
    """Closed by us, or lost on the way."""
    with pytest.raises(ObraError, match="the SSH connection is closed; the next prompt logs in again"):
        connection().open("true")
    with pytest.raises(ObraError, match="the SSH connection is lost: cut off; the next prompt logs in again"):
        connection(breaks).open("true")
    link = SSHLink(lambda: SimpleNamespace(close=lambda: None), patience=1)
    link._closing.set()
    with pytest.raises(ObraError, match="the SSH connection was closed$"):
        link.renewed(link.connection)


def test_the_missing_library_is_told(monkeypatch):
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, "paramiko", None)
    with pytest.raises(ObraError, match="needs paramiko, which is not installed: pip install paramiko"):
        SSHConnection("host", port=22, user="", key_file=None, known_hosts=None, fingerprint="", seconds=1)


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda far, there: far.upload(there), "nothing can be written to /x there: no room"),
        (
            lambda _, there: ssh_far_side.make_folder(there, "/x", python="python3", host="build7"),
            "no folder can be made in /x on build7: no room",
        ),
    ],
    ids=["upload", "make_folder"],
)
def test_a_machine_without_room_is_told(work, message):
    """With its own words."""
    far = ssh_far_side.FarSide(folder="/x", python="python3", marker="m", claim="c")
    with pytest.raises(ObraError, match=message):
        work(far, SimpleNamespace(run=lambda *_, **__: (1, "no room\n")))


def _next(read, _size: int) -> bytes:
    return read()


def channel(**more) -> SimpleNamespace:
    """A channel on which all goes well but for what is said."""
    given = {
        "settimeout": lambda _: None,
        "set_combine_stderr": lambda _: None,
        "makefile_stdin": lambda _: nullcontext(BytesIO()),
        "recv": iter((b"no room", b"")).__next__,
        "recv_exit_status": lambda: 2,
    }
    made = SimpleNamespace(**(given | more))
    made.recv = partial(_next, made.recv)
    return SimpleNamespace(open=lambda _: nullcontext(made))


def test_a_workspace_that_cannot_travel_is_told(tmp_path):
    """There and back."""
    far = ssh_far_side.FarSide(folder="/x", python="python3", marker="m", claim="c")
    with pytest.raises(ObraError, match="the workspace cannot be sent: tar ended with 2: no room"):
        ssh_workspace.send_workspace(channel(), far, tmp_path)

    def cut(mode):
        raise OSError("cut off")

    with pytest.raises(ObraError, match="the workspace cannot be fetched: cut off"):
        ssh_workspace.fetch_workspace(channel(makefile=cut), far, tmp_path)


def test_an_ssh_server_that_ends_at_once_is_told(tmp_path):
    """With the end of its log."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    server = SimpleNamespace(_program="false", folder=tmp_path, port=port)
    with pytest.raises(ObraError, match=r"sshd does not listen within \d+ s"):
        SSHServer.start(server)


def test_a_model_that_a_server_lacks_is_told():
    """With the command that fetches it."""

    def refuse(*_, **__):
        raise ServerRefused("x", 404, "not found")

    with pytest.raises(ObraError, match="tiny is not on the server: `obra llm pull tiny`"):
        OllamaModels(SimpleNamespace(post=refuse)).own_window("tiny")


def test_a_recording_without_a_model_to_pass_on_to_is_refused(tmp_path):
    """With the setting that names it."""
    config = Config()
    config.set("agent.type", "acp")
    with pytest.raises(ObraError, match="nobody says where that of 'acp' is; set replay.upstream"):
        _recorded(None, config.settings, {}, None, tmp_path)


def test_a_cassette_or_a_script_that_holds_nothing_is_told(tmp_path):
    """An answer that was never recorded, and a step that was never written."""
    player = Player(Cassette({}, ()), name="a.jsonl", again="obra record x", names={}, resumed=False)
    place = SimpleNamespace(lane=0, turn=0, tools=(), new=("hi",), key="k", model="m")
    with pytest.raises(
        CassetteMiss, match=r"the cassette a\.jsonl holds no exchange, and .* was asked; record it"
    ):
        player.find(place)
    server = ModelServer([], workspace=tmp_path)
    server._played = 1
    assert "the script has no step left; add a step to it or allow fewer iterations" in str(server.respond({}))


def test_reports_are_never_written_over(tmp_path):
    """A row of another run, a file that cannot be, a folder that is not empty."""
    RunWriter(tmp_path).add_variant({"variant": "liar"})
    with pytest.raises(ObraError, match="is there already and belongs to another run; give each run a folder"):
        RunWriter(tmp_path).add_variant({"variant": "liar"})
    (tmp_path / "folder").mkdir()
    with pytest.raises(
        ObraError, match="folder cannot be written: Is a directory; make room or name another place"
    ):
        write_whole(tmp_path / "folder", ["x"])
    with pytest.raises(ObraError, match="is not empty; name another folder with --out, or empty it"):
        _trajectories(None, tmp_path)


def test_what_workers_do_not_find_is_told(tmp_path):
    """A driver, a case, a row, a file that has to travel."""
    with pytest.raises(ObraError, match="needs a driver of fsspec that is missing"):
        Artefacts("dropbox://folder")
    order = SimpleNamespace(source=None, file="a", case="b", path="a.obra.yaml")
    with pytest.raises(ObraError, match=r"a\.obra\.yaml has no case 'b' here; is this worker's Obra an older one"):
        CaseRunner._scenario(SimpleNamespace(_cases_of=lambda *_: ()), order)
    case = SimpleNamespace(row="", reason="by anna", id="c1", case="b", state="cancelled")
    with pytest.raises(ObraError, match=r"case c1 \(b\) is cancelled and has no row: by anna"):
        DurableRunner.row(None, case)
    (scenario,) = Scenario.parse("name: x\ntask: {title: t}\n", tmp_path / "gone.obra.yaml")
    with pytest.raises(ObraError, match=r"cannot be read \(No such file or directory\), and it must travel"):
        pack(scenario, Config(), None)


def test_what_somebody_wrote_into_the_database_is_told(tmp_path):
    """A record that is none, and a project that cannot be paused."""
    with pytest.raises(
        ObraError, match=r"attempt 3 of task 2 cannot be read: (.|\n)*; restore a backup of the database"
    ):
        attempt_from_json("{}", key=1, task_id=2, number=3, decision=None)
    with StateManager(f"sqlite:///{tmp_path}/obra.db") as state:
        state.create_project("p")
        with sqlite3.connect(tmp_path / "obra.db") as raw:
            raw.execute("UPDATE project_state SET status = 'archived'")
        raw.close()
        with pytest.raises(ObraError, match="project 1 is archived; only an active one can be paused and resumed"):
            state.pause_project(1)


def test_a_workspace_that_cannot_be_made_again_is_told(tmp_path):
    """When its snapshot is to be restored."""
    Path(tmp_path / "work").mkdir()
    workspace = Workspace(tmp_path / "work", SnapshotStore(tmp_path / "store"))
    tree = workspace.snapshot()
    (tmp_path / "file").write_text("x")
    workspace.root = tmp_path / "file/work"
    with pytest.raises(
        ObraError, match="cannot be restored: .*: Not a directory; give yourself the right to write"
    ):
        workspace.restore(tree)


def test_a_bubblewrap_that_does_not_start_is_told(tmp_path, monkeypatch):
    """With how it is installed."""
    (tmp_path / "bwrap").write_bytes(b"\x7fELF nothing")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ObraError, match="'bwrap' does not start: .*; install it anew"):
        bubblewrap.__wrapped__()


def test_a_terminal_that_does_not_obey_is_told():
    """Arrow keys that move nothing, and a dialog that nobody announced."""
    option = SimpleNamespace(number=2, is_chosen=False)
    dialog = SimpleNamespace(text="Proceed?", find=lambda _: option, chosen=SimpleNamespace(number=1))
    screen = SimpleNamespace(dialog=lambda: dialog, is_stable=lambda _: True, changed=float("inf"))
    with pytest.raises(ObraError, match="a dialog of Claude Code does not obey the arrow keys"):
        list(terminal_dialog._go_to(screen, lambda _: None, "Yes", seconds=0.02))
    wire = SimpleNamespace(_screen=screen, _story=SimpleNamespace(requests=[]))
    with pytest.raises(ObraError, match="shows a dialog for none of the tools that it asks for: Proceed"):
        list(TerminalWire._ask_for_permission(wire))


def test_a_program_that_ends_without_a_word_is_told():
    """Here, and on another machine."""
    session = SimpleNamespace(_monitor=SimpleNamespace(last=None))
    program = SimpleNamespace(exit_code=lambda _: 137, wire=SimpleNamespace(errors=str))
    told = str(ClaudeCodeSession._crashed(session, program))
    assert told.startswith(
        "Claude Code ended with exit code 137 before the turn was complete (it printed nothing)."
    )
    assert told.endswith("Its standard error was empty.")
    far = ssh_far_side.FarSide(folder="/x", python="python3", marker="m", claim="c")
    link = SimpleNamespace(do=lambda work: work(SimpleNamespace(run=lambda *_, **__: (1, "no fork"))))
    with pytest.raises(ObraError, match="Claude Code cannot be started there: no fork"):
        start_program(link, far, ["claude"], cwd="/x", environment={}, keep=(), lease=1)


def test_a_wrong_label_is_told():
    """With the attempt and what its hidden checks say."""
    judged = SimpleNamespace(name="sum/liar", truth=(), label=Label.DISPUTED)
    with pytest.raises(
        ObraError, match=r"1 label\(s\) of the corpus are wrong: sum/liar is labelled bad, but all"
    ):
        _require_right_labels([judged, judged])


def test_a_claim_under_which_a_task_runs_is_kept(tmp_path):
    """Its run has to end first."""
    with StateManager(f"sqlite:///{tmp_path}/obra.db") as state:
        task = state.create_task(state.create_project("p").id, {"title": "t", "queued": True})
        claim = state.claim_task(lease=60)
        state.start_task(task.id, base_snapshot="x", run={})
        with pytest.raises(ObraError, match=r"task 1 runs under this claim; finish_task\(\) ends both"):
            state.release_claim(claim)
