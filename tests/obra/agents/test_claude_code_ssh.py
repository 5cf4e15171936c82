"""ClaudeCodeSSHAgent through a real OpenSSH server on loopback, with the real binary and a scripted model."""

from __future__ import annotations

import getpass
import io
import shutil
import socket
import stat
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from obra.agents.claude_code_ssh import ClaudeCodeSSHAgent
from obra.agents.ssh_files import pack, unpack
from obra.domain import ScriptStep, TurnLimits
from obra.errors import AgentCrashed, AgentTimeout, AgentUnavailable, ObraError
from obra.events import AgentEventKind
from obra.replay.model_server import ModelServer
from obra.testing import check_agent

SLEEP = "python3 -c 'import time; time.sleep(60)'"


@pytest.fixture(scope="module")
def sshd(tmp_path_factory) -> Iterator[dict]:
    """A server with its own port, keys and configuration; yields the settings that reach it."""
    program = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if program is None:
        pytest.skip("no OpenSSH server: /usr/sbin/sshd is missing; apt-get install openssh-server")
    folder = tmp_path_factory.mktemp("sshd")
    for name in ("host", "login", "stranger"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    shutil.copy(folder / "login.pub", folder / "authorized")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nPidFile none\n"
    )
    if getpass.getuser() == "root":
        Path("/run/sshd").mkdir(exist_ok=True)  # where the package's service would make it
    with subprocess.Popen([program, "-D", "-e", "-f", folder / "config"], stderr=subprocess.PIPE) as server:
        _wait_for(port, server)
        key = (folder / "host.pub").read_text()
        (folder / "known").write_text(f"[127.0.0.1]:{port} {key}")
        (folder / "other").write_text(f"[127.0.0.1]:{port} {(folder / 'stranger.pub').read_text()}")
        (folder / "empty").touch()
        yield {
            "host": "127.0.0.1",
            "port": port,
            "user": getpass.getuser(),
            "key_file": str(folder / "login"),
            "known_hosts": str(folder / "known"),
            "folder": folder,
        }
        server.terminate()
        server.communicate()


def _wait_for(port: int, server: subprocess.Popen) -> None:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if server.poll() is not None:
            pytest.skip(f"sshd does not start here: {server.communicate()[1].decode()[-300:]}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    pytest.fail("sshd started but does not listen")


@pytest.fixture
def login(sshd: dict, workspace: Path, tmp_path: Path):
    """Initialize an agent over SSH; cleaned up afterwards."""
    (tmp_path / "there").mkdir()
    agents = []

    def start(**config) -> ClaudeCodeSSHAgent:
        agent = ClaudeCodeSSHAgent()
        agents.append(agent)
        reach = {key: value for key, value in sshd.items() if key != "folder"}
        agent.initialize(
            {**reach, "remote_dir": str(tmp_path / "there"), "workspace_dir": str(workspace), **config}
        )
        return agent

    yield start
    for agent in agents:
        agent.cleanup()


class LateServer:
    """A model server whose workspace is known only after the agent has made its folder."""

    def __init__(self, *steps: ScriptStep) -> None:
        self.server = ModelServer(steps, workspace=Path("/"))

    def start(self, login, command: str, **config) -> ClaudeCodeSSHAgent:
        """Log in with this model, and tell it where the workspace is."""
        agent = login(command=command, base_url=self.server.base_url, api_key="no-key", **config)
        self.server.workspace = Path(agent.remote_workspace)
        return agent

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, *error):
        self.server.close()


def test_turns_change_the_local_workspace_through_the_other_machine(
    claude_command: str, login, workspace: Path, tmp_path: Path, processes_in
):
    """What is here travels there, the real agent works on it in one session, and all comes back as it is."""
    (workspace / "old.txt").write_text("old\n")
    (workspace / "gone.txt").write_text("x")
    (workspace / "tool").write_text("#!/bin/sh\n")
    (workspace / "tool").chmod(0o755)
    (workspace / "link").symlink_to("old.txt")
    (workspace / "dangling").symlink_to("/no/such/place")
    steps = (
        ScriptStep(
            say="One.", write={"sub/new.txt": "new\n"}, edit={"old.txt": ("old", "changed")}, delete=("gone.txt",)
        ),
        ScriptStep(say="Two.", run=("ln -s sub/new.txt made; chmod 700 sub/new.txt; env > env.txt",)),
    )
    threads = set(threading.enumerate())
    with LateServer(*steps) as late:
        agent = late.start(login, claude_command)
        assert agent.is_healthy()
        assert agent.identity.endswith("on 127.0.0.1")
        first = agent.send_prompt("go")
        assert (workspace / "old.txt").read_text() == "changed\n"
        assert not (workspace / "gone.txt").exists()
        (workspace / "restored.txt").write_text("by us")
        second = agent.send_prompt("go on")
        agent.cleanup()
        agent.cleanup()
    assert (first.text, second.text) == ("One.", "Two.")
    assert first.session == second.session != ""
    assert stat.S_IMODE((workspace / "tool").stat().st_mode) == 0o755
    assert (workspace / "link").readlink() == Path("old.txt")
    assert (workspace / "dangling").readlink() == Path("/no/such/place")
    assert (workspace / "made").readlink() == Path("sub/new.txt")
    assert stat.S_IMODE((workspace / "sub/new.txt").stat().st_mode) == 0o700
    assert (workspace / "restored.txt").read_text() == "by us"
    assert "SSH_CONNECTION" not in (workspace / "env.txt").read_text()
    assert list((tmp_path / "there").iterdir()) == []
    assert processes_in(tmp_path / "there") == []
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert set(threading.enumerate()) == threads
    assert not agent.is_healthy()


def test_a_timeout_ends_what_runs_there_and_still_fetches(
    claude_command: str, login, workspace: Path, tmp_path: Path, processes_in
):
    """A hanging tool is ended on the other machine, and what it had done until then comes back."""
    with LateServer(ScriptStep(say="x", run=("touch begun", SLEEP)), ScriptStep(say="two")) as late:
        agent = late.start(login, claude_command)
        with pytest.raises(AgentTimeout, match=r"was silent for 1 s"):
            agent.send_prompt("go", limits=TurnLimits(idle=1.0))
        assert processes_in(tmp_path / "there") == []
        assert (workspace / "begun").exists()
        assert agent.send_prompt("go on").text == "two"


def test_a_lost_connection_is_a_crash_and_the_session_goes_on(
    claude_command: str, login, tmp_path: Path, processes_in
):
    """A connection that dies in a turn fails the turn; the next one logs in, ends what was left, and resumes."""
    there = tmp_path / "there"
    with LateServer(ScriptStep(say="x", run=(SLEEP,)), ScriptStep(say="two")) as late:
        agent = late.start(login, claude_command)

        def cut(event) -> None:
            if event.kind is AgentEventKind.TOOL_CALL:
                while not any("time.sleep(60)" in command for command in processes_in(there)):
                    time.sleep(0.02)
                agent._connection._client.get_transport().sock.shutdown(socket.SHUT_RDWR)

        with pytest.raises(AgentCrashed, match="SSH connection is lost"):
            agent.send_prompt("go", on_event=cut)
        assert not agent.is_healthy()
        assert agent.send_prompt("go on").text == "two"
        assert agent.is_healthy()
        assert not any("time.sleep(60)" in command for command in processes_in(there))
        agent._connection._client.get_transport().sock.shutdown(socket.SHUT_RDWR)
        agent.cleanup()
    assert processes_in(there) == []
    assert list(there.iterdir()) == []


def test_the_contract_of_an_agent_is_kept(claude_command: str, sshd: dict, workspace: Path, tmp_path: Path):
    """The suite that every adapter must pass, over SSH."""
    (tmp_path / "there").mkdir()
    with ModelServer([ScriptStep(say="one"), ScriptStep(say="two")], workspace=workspace) as server:
        reach = {key: value for key, value in sshd.items() if key != "folder"}
        model = {"command": claude_command, "base_url": server.base_url, "api_key": "no-key"}
        check_agent(
            ClaudeCodeSSHAgent,
            workspace=workspace,
            config={**reach, **model, "remote_dir": str(tmp_path / "there")},
            prompts=["Say one", "Say two"],
            impossible={**reach, "port": 1},
        )


def test_an_unknown_host_is_refused(login, sshd: dict):
    """A host key that is not pinned is never accepted, and the message says how to pin it."""
    with pytest.raises(AgentUnavailable, match="is not pinned in .*ssh-keyscan"):
        login(known_hosts=str(sshd["folder"] / "empty"))


def test_a_changed_host_key_is_refused(login, sshd: dict):
    """Another key than the pinned one is told as what it may be."""
    with pytest.raises(AgentUnavailable, match="another host key"):
        login(known_hosts=str(sshd["folder"] / "other"))


def test_a_wrong_key_is_refused(login, sshd: dict):
    """A login that the server does not accept names the settings to check."""
    with pytest.raises(AgentUnavailable, match=r"refused the login.*agent\.ssh\.key_file"):
        login(key_file=str(sshd["folder"] / "stranger"))


def test_missing_files_and_machines_are_told(login, sshd: dict):
    """A missing key file, no server at the port, and no host at all each say what to set."""
    with pytest.raises(AgentUnavailable, match=r"no-such-key is not there|no-such-key"):
        login(key_file="/no-such-key")
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = free.getsockname()[1]
    with pytest.raises(AgentUnavailable, match=r"cannot connect to .*agent\.ssh\.port"):
        login(port=closed)
    with pytest.raises(AgentUnavailable, match=r"set agent\.ssh\.host"):
        login(host="")
    with pytest.raises(ObraError, match="did you mean 'key_file'"):
        login(keyfile="x")


def test_a_missing_or_wrong_program_there_is_told(login, tmp_path: Path):
    """The program is looked for on the other machine, and nothing is left there when it is missing."""
    with pytest.raises(AgentUnavailable, match=r"is not on 127\.0\.0\.1: no program 'no-such-claude'"):
        login(command="no-such-claude")
    with pytest.raises(AgentUnavailable, match="does not answer --version as Claude Code does"):
        login(command="true")
    assert list((tmp_path / "there").iterdir()) == []


def archive_of(*members: tuple[str, dict]) -> io.BytesIO:
    """A tar with the given names and header fields."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, fields in members:
            member = tarfile.TarInfo(name)
            for key, value in fields.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    stream.seek(0)
    return stream


@pytest.mark.parametrize(
    "members",
    [
        [("../evil", {"size": 1})],
        [("/tmp/evil", {"size": 1})],
        [("a/../../evil", {"size": 1})],
        [("link", {"type": tarfile.SYMTYPE, "linkname": ".."}), ("link/evil", {"size": 1})],
        [("hard", {"type": tarfile.LNKTYPE, "linkname": "../keep"})],
    ],
)
def test_no_entry_may_leave_the_workspace(tmp_path: Path, members: list):
    """A hostile archive writes nothing outside and leaves the workspace as it was."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "mine").write_text("mine")
    (tmp_path / "keep").write_text("keep")
    with pytest.raises(AgentCrashed, match="outside of it"):
        unpack(archive_of(*members), folder, is_whole=lambda: True)
    assert [path.name for path in folder.iterdir()] == ["mine"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keep", "workspace"]


@pytest.mark.parametrize("cut", [0, 100, 512, 700, 1024])
def test_an_archive_that_breaks_off_changes_nothing(tmp_path: Path, cut: int):
    """Wherever the stream ends early, the workspace stays as it was."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "mine").write_text("mine")
    stream = io.BytesIO(archive_of(("a", {"size": 300}), ("b", {"size": 300})).getvalue()[:cut])
    with pytest.raises(AgentCrashed, match="did not come back whole"):
        unpack(stream, folder, is_whole=lambda: False)
    assert [path.name for path in folder.iterdir()] == ["mine"]


def test_a_workspace_survives_the_journey(tmp_path: Path):
    """Odd names, empty folders, modes, links and hard links are the same after packing and unpacking."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    (here / "é ☃\n'quoted'").write_bytes(b"\x00\xff")
    (here / ("long" * 60)).write_text("long")
    (here / "empty").mkdir(mode=0o700)
    (here / "run").write_text("x")
    (here / "run").chmod(0o751)
    (here / "twin").hardlink_to(here / "run")
    (here / "up").symlink_to("../..")
    with socket.socket(socket.AF_UNIX) as odd:
        odd.bind(str(here / "socket"))
        stream = io.BytesIO()
        pack(here, stream)
    stream.seek(0)
    unpack(stream, there, is_whole=lambda: True)
    assert sorted(path.name for path in there.iterdir()) == sorted(
        path.name for path in here.iterdir() if path.name != "socket"
    )
    assert (there / "é ☃\n'quoted'").read_bytes() == b"\x00\xff"
    assert stat.S_IMODE((there / "run").stat().st_mode) == 0o751
    assert (there / "twin").samefile(there / "run")
    assert (there / "up").readlink() == Path("../..")
